"""Planned scores one by one: result rows, probes, and the scores that are not there.

Pure. Called by `xlbench_operator.analysis.summary` and, for `results.parquet`, by
`xlbench_operator.analysis.report`.
"""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pyarrow as pa
from xlbench_specs.plans import Plan, PlannedEvaluation, PlannedModel, PlannedProbe
from xlbench_specs.results import MissingScore, ProbeScore, ResultRow, Status, rounded
from xlbench_specs.stages import METRICS
from xlbench_specs.tasks import Task

from xlbench_operator.analysis.cells import constant_scores, scores_of
from xlbench_operator.analysis.evidence import Evidence
from xlbench_operator.analysis.scores import Items

Tasks = Mapping[str, Task]

SPLIT = "test"
_TYPES = {int: pa.int64(), float: pa.float64(), str: pa.string(), bool: pa.bool_()}


def results_table(evidence: Evidence, tasks: Tasks, metrics: Mapping[str, str]) -> pa.Table:
    """Every metric of every planned score, in plan order; the columns are those of `ResultRow`."""
    rows = list(_rows(evidence, _Tables(tasks, metrics)))
    schema = pa.schema([(field, _column_type(field)) for field in ResultRow._fields])
    return pa.Table.from_pylist([row._asdict() for row in rows], schema=schema)


def _column_type(field: str) -> pa.DataType:
    """The Arrow type of a column, by its annotation."""
    annotation = str(ResultRow.__annotations__[field])
    return next(arrow for python, arrow in _TYPES.items() if python.__name__ in annotation)


def missing_scores(evidence: Evidence) -> Iterator[MissingScore]:
    """Planned scores without a manifest, and why."""
    for owner, evaluation in _planned(evidence):
        status = evidence.statuses[evaluation.key]
        if status != "done":
            yield MissingScore(
                encoder=owner.encoder,
                schedule=owner.schedule,
                target=owner.target,
                task=evaluation.task,
                language=evaluation.language,
                seed=owner.seed,
                status=status,
                reason=evidence.reason(evaluation.key),
            )


def probe_scores(evidence: Evidence, tasks: Tasks) -> Iterator[ProbeScore]:
    """Every probe's score beside that of a random choice from its pool."""
    for probe in evidence.plan.probes:
        for evaluation in probe.evaluations:
            task = tasks[evaluation.task]
            metric = task.metrics[0]
            items = evidence.outcomes.get(evaluation.key)
            value = None if items is None else scores_of(items, task).get(metric)
            chance = None if items is None else constant_scores(items, task).get(metric)
            yield ProbeScore(
                encoder=probe.encoder,
                schedule=probe.schedule,
                target=probe.target,
                seed=probe.seed,
                task=evaluation.task,
                language=evaluation.language,
                metric=metric,
                score=_rounded(value),
                chance=_rounded(chance),
                examples=0 if items is None else int(items.examples().size),
                status=evidence.statuses[evaluation.key],
            )


def _planned(evidence: Evidence) -> Iterator[tuple[PlannedModel | PlannedProbe, PlannedEvaluation]]:
    """Every planned score with the model or probe it is a score of."""
    owners: list[PlannedModel | PlannedProbe] = [*evidence.plan.models, *evidence.plan.probes]
    for owner in owners:
        for evaluation in owner.evaluations:
            yield owner, evaluation


class _Tables(NamedTuple):
    """What the rows look up."""

    tasks: Tasks
    metrics: Mapping[str, str]


class _Place(NamedTuple):
    """Where a score lives and how it came out."""

    task: str
    language: str
    status: Status


def _rows(evidence: Evidence, table: _Tables) -> Iterator[ResultRow]:
    for owner, evaluation in _planned(evidence):
        place = _Place(evaluation.task, evaluation.language, evidence.statuses[evaluation.key])
        items = evidence.outcomes.get(evaluation.key)
        yield from _score_rows(evidence.plan, owner, place, items, table)
    for model in evidence.plan.models:
        for cell in evidence.plan.cells:
            if cell.absent and cell.target == model.target:
                place = _Place(cell.task, cell.language, "absent")
                yield from _score_rows(evidence.plan, model, place, None, table)


def _score_rows(
    plan: Plan,
    owner: PlannedModel | PlannedProbe,
    place: _Place,
    items: Items | None,
    table: _Tables,
) -> Iterator[ResultRow]:
    """A row for each metric of one planned score."""
    task = table.tasks[place.task]
    values = {} if items is None else scores_of(items, task)
    constant = {} if items is None else constant_scores(items, task)
    for metric in task.metrics:
        yield ResultRow(
            schema_version=1,
            experiment=plan.name,
            encoder=owner.encoder,
            schedule=owner.schedule,
            role=owner.role if isinstance(owner, PlannedModel) else "probe",
            target=owner.target,
            seed=owner.seed,
            chain=owner.chain if isinstance(owner, PlannedModel) else None,
            task=place.task,
            language=place.language,
            split=SPLIT,
            metric=metric,
            metric_version=METRICS,
            primary=metric == table.metrics.get(place.task, task.metrics[0]),
            score=_rounded(values.get(metric)),
            majority=_rounded(constant.get(metric)),
            examples=0 if items is None else int(items.examples().size),
            examples_expected=task.sizes.get(SPLIT, {}).get(place.language, 0),
            status=place.status,
        )


def _rounded(value: float | None) -> float | None:
    """The value as results write it; None for a missing or undefined one."""
    return None if value is None or not math.isfinite(value) else rounded(value)
