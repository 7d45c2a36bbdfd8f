"""From kept outcomes to scores: counts by test unit, and each metric as a function of their sums.

A score is computed here and nowhere else, so that the same code gives the number in the table and
the ten thousand resampled ones behind its interval. It must not read a store and knows no arm or
seed. Called by the analysis and by `xlbench_operator.analysis.resampling`.

Counts are arrays ``[units, features]``; a metric maps sums over units ``[..., features]`` to
``[...]``. Two layouts exist: a ratio has the features (numerator, denominator); F1 over ``C``
classes has ``3 * C``: true positives, gold items and predictions of each class. They are doubles:
parts of a million add up to more than the 24 bits that a float32 holds within one unit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.floating]
Counts = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

MACRO_F1, WEIGHTED_F1 = "macro_f1", "weighted_f1"
"""The scores that are no ratios of sums: see docs/decisions/0001."""


@dataclass(frozen=True, slots=True)
class Items:
    """The outcomes of one evaluate stage, a row for each (example, score name, label)."""

    example_id: npt.NDArray[np.object_]
    parallel_id: npt.NDArray[np.object_]
    cluster_id: npt.NDArray[np.object_]
    gold: npt.NDArray[np.object_]
    predicted: npt.NDArray[np.object_]
    name: npt.NDArray[np.object_]
    label: npt.NDArray[np.object_]
    numerator: npt.NDArray[np.float64]
    denominator: npt.NDArray[np.float64]

    @classmethod
    def of(cls, table: pa.Table) -> Self:
        """The items of an outcome table (`xlbench_specs.outcomes` says what its columns mean)."""
        texts = ("example_id", "parallel_id", "cluster_id", "gold", "predicted", "name", "label")
        numbers = ("numerator", "denominator")
        return cls(
            **{name: table[name].to_numpy(zero_copy_only=False) for name in texts},
            **{name: pc.cast(table[name], pa.float64()).to_numpy() for name in numbers},
        )

    def examples(self) -> Ints:
        """Index of the first row of each example, in order of appearance."""
        return np.sort(np.unique(self.example_id.astype(str), return_index=True)[1])


def ratio(sums: Floats) -> Floats:
    """Sum of numerators over sum of denominators; NaN where nothing was counted."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1])


def macro_f1(sums: Floats) -> Floats:
    """Mean F1 over the classes that have a gold item; NaN where no class has one."""
    hits, gold, predicted = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)
    supported = gold > 0
    f1 = np.where(supported, 2 * hits / np.maximum(gold + predicted, 1), 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(f1.sum(axis=-1) / supported.sum(axis=-1))


def weighted_f1(sums: Floats) -> Floats:
    """Mean F1 over the classes, each weighed by its gold items; NaN where there is none.

    Source: scikit-learn, `f1_score(average="weighted")`.
    """
    hits, gold, predicted = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)
    f1 = 2 * hits / np.maximum(gold + predicted, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((gold * f1).sum(axis=-1) / gold.sum(axis=-1))


OF_CLASSES: Mapping[str, Callable[[Floats], Floats]] = MappingProxyType(
    {MACRO_F1: macro_f1, WEIGHTED_F1: weighted_f1}
)
"""Metrics that are computed from `class_counts`, not from a kept ratio."""


def score(metric: str, sums: Floats) -> Floats:
    """The metric's value for sums of counts ``[..., features]``."""
    return OF_CLASSES.get(metric, ratio)(sums)


def class_counts(
    gold: Sequence[str], predicted: Sequence[str | None], labels: Sequence[str]
) -> Counts:
    """Counts ``[examples, 3 * labels]`` behind the F1 of classes.

    A prediction of None, or of a label outside the set, counts as a miss of the gold class and as
    a prediction of no class.

    Raises:
        ValueError: A gold label is not in `labels`.
    """
    code = {label: index for index, label in enumerate(labels)}
    unknown = sorted(set(gold) - set(code))
    if unknown:
        message = f"gold labels {unknown} are not in the task's label set {list(labels)}"
        raise ValueError(message)
    counts = np.zeros((len(gold), 3, len(labels)))
    rows = np.arange(len(gold))
    gold_codes = np.array([code[label] for label in gold], dtype=np.intp)
    counts[rows, 1, gold_codes] = 1
    said = np.array([code.get(label, -1) if label else -1 for label in predicted], dtype=np.intp)
    known = said >= 0
    counts[rows[known], 2, said[known]] = 1
    right = said == gold_codes
    counts[rows[right], 0, said[right]] = 1
    return counts.reshape(len(gold), -1)


def counts_by_unit(
    items: Items, metric: str, *, labels: Sequence[str], unit_of: Mapping[str, int]
) -> tuple[Ints, Counts]:
    """Counts of one stage by test unit.

    Args:
        items: The stage's outcomes.
        metric: One of `OF_CLASSES`, or the name of a kept ratio (`accuracy`, `span_f1`, ...).
        labels: The task's fixed label set; used by the metrics of classes alone.
        unit_of: The unit of each example id.

    Returns:
        The units in ascending order ``[units]`` and their counts ``[units, features]``.

    Raises:
        ValueError: The stage kept no outcome that the metric can be computed from.
    """
    if metric in OF_CLASSES:
        rows = items.examples()
        values = class_counts(list(items.gold[rows]), list(items.predicted[rows]), labels)
    else:
        rows = np.flatnonzero(items.name == metric)
        pairs = (items.numerator[rows], items.denominator[rows])
        values = np.stack(pairs, axis=1)
    if not rows.size:
        kept = sorted(set(items.name))
        message = f"no outcome for the score {metric!r}; the stage kept {kept}"
        raise ValueError(message)
    row_units = np.array([unit_of[example] for example in items.example_id[rows]], dtype=np.intp)
    units, position = np.unique(row_units, return_inverse=True)
    counts = np.zeros((units.size, values.shape[1]))
    np.add.at(counts, position, values)
    return units, counts


def majority_share(gold: Sequence[str]) -> tuple[str, float]:
    """The most frequent gold class (ties: the first by name) and its share."""
    labels, counts = np.unique(np.asarray(gold, dtype=str), return_counts=True)
    best = int(counts.argmax())
    return str(labels[best]), float(counts[best] / counts.sum())
