"""Contrasts: the difference between two schedules over some cells, with its interval and verdict.

Pure. A scope is a signed, balanced mean over cells; every contrast in every scope goes through the
same steps: pair seeds, take the seed-level differences, add the variance of the jointly resampled
items, judge. Called by `xlbench_operator.analysis.summary`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from xlbench_specs.results import Contrast, SeedDifference, rounded

from xlbench_operator.analysis.cells import ScoredCell
from xlbench_operator.analysis.inference import (
    MIN_SEEDS,
    Estimate,
    equivalence_p_value,
    estimate,
    holm,
    interval,
    limit_of_items,
    p_value,
    seeds_to_settle,
    verdict,
)
from xlbench_operator.analysis.resampling import (
    RESAMPLES,
    Tally,
    item_variance,
    resampled_differences,
)

ScopeKind = Literal["endpoint", "english", "gap", "task", "without-target", "cell"]


@dataclass(frozen=True, slots=True)
class Rules:
    """How differences are judged."""

    averaging: Literal["task-balanced", "cells"]
    margin: float
    """Differences smaller than this count as none, as a fraction."""
    confidence: float
    digest: str
    """Identity of the analysis; seeds the resamples."""
    resamples: int = RESAMPLES


class Place(NamedTuple):
    """What a scope is about, where it is less than the endpoint."""

    target: str | None = None
    task: str | None = None
    language: str | None = None


EVERYWHERE = Place()


@dataclass(frozen=True, slots=True)
class Question:
    """One contrast in one scope."""

    encoder: str
    first: str
    second: str
    scope: ScopeKind
    plus: tuple[int, ...]
    """Positions of the cells whose balanced mean is the score."""
    minus: tuple[int, ...] = ()
    """Positions of the cells whose balanced mean is taken off it."""
    place: Place = EVERYWHERE


@dataclass(frozen=True, slots=True)
class _Paired:
    """A question with its cells and seeds settled."""

    question: Question
    weights: dict[int, float]
    differences: dict[int, float]
    cells_missing: int
    seeds_missing: list[int]

    @property
    def column(self) -> tuple[str, str, tuple[int, ...]]:
        """What the models' weights depend on: the two schedules and the paired seeds."""
        return (self.question.first, self.question.second, tuple(self.differences))


def answered(
    questions: Sequence[Question], cells: Sequence[ScoredCell], rules: Rules
) -> list[Contrast]:
    """The contrast that answers each question, in order; p values are not yet adjusted."""
    paired = [_paired(question, cells, rules) for question in questions]
    drawn = _drawn([each for each in paired if len(each.differences) >= MIN_SEEDS], cells, rules)
    return [_contrast(each, cells, drawn, rules) for each in paired]


def adjusted(contrasts: Sequence[Contrast], rules: Rules) -> list[Contrast]:
    """The same contrasts as one family: p values and verdicts under Holm."""
    tested = [at for at, contrast in enumerate(contrasts) if contrast.p is not None]
    different = holm([contrasts[at].p or 0.0 for at in tested])
    equivalent = holm([contrasts[at].p_equivalence or 0.0 for at in tested])
    family = list(contrasts)
    for at, p_different, p_equivalent in zip(tested, different, equivalent, strict=True):
        update: dict[str, object] = {
            "p_holm": rounded(p_different),
            "p_equivalence_holm": rounded(p_equivalent),
            "seeds_to_settle": None,
            "limit": None,
        }
        if p_equivalent < 1 - rules.confidence:
            update["verdict"] = "equivalent"
        elif p_different < 1 - rules.confidence:
            update["verdict"] = "better" if (contrasts[at].estimate or 0.0) > 0 else "worse"
        else:
            update["verdict"] = "inconclusive"
        family[at] = contrasts[at].model_copy(update=update)
    return family


def balanced(
    positions: Sequence[int], cells: Sequence[ScoredCell], averaging: str
) -> dict[int, float]:
    """Weight of each cell in a mean: equal, or equal among targets and then within each."""
    if averaging == "cells":
        return {position: 1 / len(positions) for position in positions}
    targets = [cells[position].cell.target for position in positions]
    return {
        position: 1 / (len(set(targets)) * targets.count(target))
        for position, target in zip(positions, targets, strict=True)
    }


def _paired(question: Question, cells: Sequence[ScoredCell], rules: Rules) -> _Paired:
    """Settle which cells and seeds enter.

    A cell without any paired seed is left out and counted; then a seed without all remaining cells
    is left out and named, so that every seed's difference is over the same cells.
    """
    by_cell = {
        position: _seed_differences(cells[position], question)
        for position in (*question.plus, *question.minus)
    }
    parts = [
        [position for position in part if by_cell[position]]
        for part in (question.plus, question.minus)
    ]
    if question.minus and not all(parts):
        parts = [[], []]
    weights = balanced(parts[0], cells, rules.averaging)
    for position, weight in balanced(parts[1], cells, rules.averaging).items():
        weights[position] = weights.get(position, 0.0) - weight
    planned = sorted({seed for position in by_cell for _, seed in cells[position].chains})
    seeds = [seed for seed in planned if weights and all(seed in by_cell[at] for at in weights)]
    return _Paired(
        question=question,
        weights=weights,
        differences={
            seed: sum(weight * by_cell[at][seed] for at, weight in weights.items())
            for seed in seeds
        },
        cells_missing=len(by_cell) - len(weights),
        seeds_missing=[seed for seed in planned if seed not in seeds],
    )


def _seed_differences(cell: ScoredCell, question: Question) -> dict[int, float]:
    """Seed to paired difference in one cell."""
    first, second = cell.by_seed(question.first), cell.by_seed(question.second)
    return {seed: first[seed] - second[seed] for seed in first if seed in second}


def _drawn(
    paired: Sequence[_Paired], cells: Sequence[ScoredCell], rules: Rules
) -> dict[tuple[int, tuple[str, str, tuple[int, ...]]], npt.NDArray[np.float64]]:
    """(Cell, column) to the differences ``[resamples]`` of that cell under joint resamples."""
    columns: dict[int, list[tuple[str, str, tuple[int, ...]]]] = {}
    for each in paired:
        for at in each.weights:
            if cells[at].resampled and each.column not in columns.setdefault(at, []):
                columns[at].append(each.column)
    tallies = [_tally(cells[at], wanted) for at, wanted in columns.items() if wanted]
    positions = [at for at, wanted in columns.items() if wanted]
    drawn = resampled_differences(tallies, digest=rules.digest, resamples=rules.resamples)
    return {
        (at, column): values[:, number]
        for at, values in zip(positions, drawn, strict=True)
        for number, column in enumerate(columns[at])
    }


def _tally(cell: ScoredCell, columns: Sequence[tuple[str, str, tuple[int, ...]]]) -> Tally:
    """The counts of a cell's models and, a column each, their weights in the differences."""
    models = list(cell.counts)
    contrasts = np.zeros((len(models), len(columns)))
    for number, (first, second, seeds) in enumerate(columns):
        for row, model in enumerate(models):
            if model.seed in seeds and model.schedule in {first, second}:
                orders = len(cell.chains[model.schedule, model.seed])
                sign = 1 if model.schedule == first else -1
                contrasts[row, number] = sign / (len(seeds) * orders)
    return Tally(
        name=f"{cell.cell.target}/{cell.cell.task}/{cell.cell.language}",
        metric=cell.metric,
        units=cell.units,
        counts=np.stack([cell.counts[model] for model in models], axis=1),
        contrasts=contrasts,
    )


def _contrast(
    paired: _Paired,
    cells: Sequence[ScoredCell],
    drawn: Mapping[tuple[int, tuple[str, str, tuple[int, ...]]], npt.NDArray[np.float64]],
    rules: Rules,
) -> Contrast:
    question = paired.question
    values = list(paired.differences.values())
    known = Contrast(
        encoder=question.encoder,
        first=question.first,
        second=question.second,
        scope=question.scope,
        **question.place._asdict(),
        cells=len(paired.weights),
        cells_missing=paired.cells_missing,
        seeds_missing=paired.seeds_missing,
        differences=[
            SeedDifference(seed=seed, difference=rounded(value))
            for seed, value in paired.differences.items()
        ],
        estimate=rounded(float(np.mean(values))) if values else None,
    )
    if len(values) < MIN_SEEDS:
        note = f"fewer than {MIN_SEEDS} paired seeds, so nothing is inferred"
        return known.model_copy(update={"note": note})
    resampled = [at for at in paired.weights if cells[at].resampled]
    variance, units = 0.0, 0
    if resampled:
        draws = [paired.weights[at] * drawn[at, paired.column] for at in resampled]
        differences = np.sum(draws, axis=0)
        if np.isfinite(differences).sum() < 2:  # noqa: PLR2004 - the fewest that vary
            return known.model_copy(update={"note": _UNDEFINED_NOTE})
        variance = float(item_variance(differences))
        units = int(np.unique(np.concatenate([cells[at].units for at in resampled])).size)
    found = estimate(values, item_variance=variance, units=units)
    mind = None if len(resampled) == len(paired.weights) else _RETRIEVAL_NOTE
    return known.model_copy(update={**_judged(found, rules), "note": mind})


_UNDEFINED_NOTE = (
    "the variance of the test items is undefined: fewer than two resamples have every score"
)
_RETRIEVAL_NOTE = (
    "retrieval scores are those of their pool: their items are not resampled and add no variance"
)


def _judged(found: Estimate, rules: Rules) -> dict[str, object]:
    """The fields of a contrast that inference fills."""
    low, high = interval(found, rules.confidence)
    word = verdict(found, margin=rules.margin, confidence=rules.confidence)
    settle = (
        seeds_to_settle(found, margin=rules.margin, confidence=rules.confidence)
        if word == "inconclusive"
        else None
    )
    unsettled = word == "inconclusive" and settle is None
    limit = limit_of_items(found, confidence=rules.confidence) if unsettled else None
    return {
        "low": rounded(low),
        "high": rounded(high),
        "standard_error": rounded(found.standard_error),
        "seed_sd": rounded(found.seed_variance**0.5),
        "item_se": rounded(found.item_variance**0.5),
        "units": found.units,
        "degrees_of_freedom": round(found.degrees_of_freedom, 2),
        "p": rounded(p_value(found)),
        "p_equivalence": rounded(equivalence_p_value(found, rules.margin)),
        "verdict": word,
        "seeds_to_settle": settle,
        "limit": None if limit is None else rounded(limit),
    }
