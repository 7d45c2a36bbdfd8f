"""Where scores live: what every model of an encoder did on each (target, task, language).

Pure. It turns outcomes into scores and into the counts that resampling needs, and says of every
planned score how it came out. Called by `xlbench_operator.analysis.summary`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from xlbench_specs.plans import Cell, PlannedModel, Role
from xlbench_specs.results import Status
from xlbench_specs.tasks import Task

from xlbench_operator.analysis.evidence import Evidence
from xlbench_operator.analysis.resampling import units_of
from xlbench_operator.analysis.scores import (
    OF_CLASSES,
    Counts,
    Ints,
    Items,
    class_counts,
    counts_by_unit,
    majority_share,
    score,
)


class Model(NamedTuple):
    """A model within an encoder and a target."""

    schedule: str
    role: Role
    seed: int
    chain: int


@dataclass(frozen=True)
class ScoredCell:
    """The scores of all models in one cell."""

    cell: Cell
    metric: str
    """The metric that the analysis uses here."""
    statuses: Mapping[Model, Status]
    """Every planned model, and how its score came out."""
    scores: Mapping[Model, Mapping[str, float]]
    """Metric to score, of the models that are done."""
    counts: Mapping[Model, npt.NDArray[np.float32]]
    """``[units, features]`` of `metric`, of the models that are done. For resampling alone, whose
    noise is far above what a float32 leaves out; it halves what all models of an encoder hold."""
    units: Ints
    """Ids of the units, equal where cells of a task share one."""
    majority: Mapping[str, float]
    """Metric to the score of the most frequent gold class; for retrieval, chance."""
    resampled: bool
    """Whether the items' variance is known: not for retrieval, whose score is that of a pool."""

    @property
    def examples(self) -> int:
        """Test items that the plan counts."""
        return self.cell.examples

    @cached_property
    def chains(self) -> dict[tuple[str, int], list[Model]]:
        """Planned models of each (schedule, seed)."""
        chains: dict[tuple[str, int], list[Model]] = {}
        for model in self.statuses:
            chains.setdefault((model.schedule, model.seed), []).append(model)
        return chains

    def by_seed(self, schedule: str, metric: str | None = None) -> dict[int, float]:
        """Seed to mean over its orders, of the seeds whose orders are all scored."""
        wanted = metric or self.metric
        return {
            seed: float(np.mean([self.scores[model][wanted] for model in models]))
            for (name, seed), models in self.chains.items()
            if name == schedule
            and all(np.isfinite(self.scores.get(model, {}).get(wanted, np.nan)) for model in models)
        }


def scored_cells(
    evidence: Evidence, encoder: str, tasks: Mapping[str, Task], metrics: Mapping[str, str]
) -> list[ScoredCell]:
    """All cells of the plan, in its order, as the models of one encoder scored.

    Baselines that bring an encoder of their own belong to every encoder.

    Args:
        evidence: What the stages left.
        encoder: Encoder name.
        tasks: The task table.
        metrics: Test task to the metric that the analysis uses.
    """
    plan = evidence.plan
    own = {ref.name for ref in plan.spec.spec.encoders}
    models = [
        model for model in plan.models if model.encoder == encoder or model.encoder not in own
    ]
    units = _units(evidence)
    return [
        _scored(
            evidence,
            cell,
            _planned(cell, models),
            task=tasks[cell.task],
            unit_of=units.get((cell.task, cell.language), {}),
            metric=metrics[cell.task],
        )
        for cell in plan.cells
    ]


class _Score(NamedTuple):
    """One planned score of a cell."""

    model: Model
    key: str


def _scored(
    evidence: Evidence,
    cell: Cell,
    planned: Sequence[_Score],
    *,
    task: Task,
    unit_of: Mapping[str, int],
    metric: str,
) -> ScoredCell:
    items = {each.model: evidence.outcomes.get(each.key) for each in planned}
    done = {model: found for model, found in items.items() if found is not None}
    own = np.unique(list(unit_of.values())).astype(np.intp)
    return ScoredCell(
        cell=cell,
        metric=metric,
        statuses={each.model: evidence.statuses[each.key] for each in planned},
        scores={model: scores_of(found, task) for model, found in done.items()},
        counts={
            model: _aligned(
                *counts_by_unit(found, metric, labels=task.labels, unit_of=unit_of), own
            )
            for model, found in done.items()
        },
        units=own,
        majority=next((constant_scores(found, task) for found in done.values()), {}),
        resampled=task.kind != "retrieval",
    )


def _planned(cell: Cell, models: Sequence[PlannedModel]) -> list[_Score]:
    """The planned scores of a cell."""
    return [
        _Score(Model(model.schedule, model.role, model.seed, model.chain), evaluation.key)
        for model in models
        if model.target == cell.target
        for evaluation in model.evaluations
        if (evaluation.task, evaluation.language) == (cell.task, cell.language)
    ]


def _aligned(units: Ints, counts: Counts, all_units: Ints) -> npt.NDArray[np.float32]:
    """Counts over all units of the cell; a unit without counts has zeros."""
    aligned = np.zeros((all_units.size, counts.shape[1]), dtype=np.float32)
    aligned[np.searchsorted(all_units, units)] = counts
    return aligned


def _units(evidence: Evidence) -> dict[tuple[str, str], dict[str, int]]:
    """Task and language to the unit of each example; unit ids are unique over all tasks.

    Equal keys are the same test set whoever is scored on it, so one stage of each is read.
    """
    sets: dict[tuple[str, str], Items] = {}
    for model in evidence.plan.models:
        for evaluation in model.evaluations:
            found = evidence.outcomes.get(evaluation.key)
            if found is not None:
                sets.setdefault((evaluation.task, evaluation.language), found)
    numbered: dict[tuple[str, str], dict[str, int]] = {at: {} for at in sets}
    first = 0
    for name in sorted({task for task, _ in sets}):
        mine = {code: items for (task, code), items in sorted(sets.items()) if task == name}
        units = units_of(
            (f"{code}/{items.example_id[row]}", items.parallel_id[row], items.cluster_id[row])
            for code, items in mine.items()
            for row in items.examples()
        )
        for item, unit in units.items():
            code, _, example = item.partition("/")
            numbered[name, code][example] = first + unit
        first += max(units.values(), default=-1) + 1
    return numbered


def scores_of(items: Items, task: Task) -> dict[str, float]:
    """Metric to score of one stage, for every metric of the task that its outcomes hold."""
    whole = dict.fromkeys(items.example_id, 0)
    return {
        name: float(score(name, sums.sum(axis=0)))
        for name in task.metrics
        if name in OF_CLASSES or name in items.name
        for _, sums in [counts_by_unit(items, name, labels=task.labels, unit_of=whole)]
    }


def constant_scores(items: Items, task: Task) -> dict[str, float]:
    """Metric to the score of always saying the most frequent gold class.

    Of answers in a text nothing constant is right. Retrieval: chance, where the pool is known to be
    what the items themselves are searched for; nothing where it is more (LAReQA, BUCC).
    """
    gold = [str(label) for label in items.gold[items.examples()]]
    if task.kind == "retrieval":
        own = task.metrics[0] in {"accuracy_at_1", "accuracy_from_english"}
        return dict.fromkeys(task.metrics, 1 / len(gold)) if own else {}
    if task.kind == "span":
        return dict.fromkeys(task.metrics, 0.0)
    if task.kind == "tagging":
        tags = [tag for sentence in gold for tag in sentence.split()]
        return {
            name: majority_share(tags)[1] if name == "accuracy" else 0.0 for name in task.metrics
        }
    best, share = majority_share(gold)
    sums: Counts = class_counts(gold, [best] * len(gold), task.labels).sum(axis=0)
    known = {"accuracy": share} | {name: float(score(name, sums)) for name in OF_CLASSES}
    return {name: known[name] for name in task.metrics if name in known}
