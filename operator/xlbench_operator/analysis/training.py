"""What was trained: the recorded ledger, English dev scores after each phase, collapsed runs.

Pure; reads the records of train and prepare manifests. Called by
`xlbench_operator.analysis.summary`.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from xlbench_specs.manifests import Exposure, PrepareRecord, TrainRecord
from xlbench_specs.plans import LedgerRow, PlannedModel
from xlbench_specs.results import rounded
from xlbench_specs.runs import Collapse, DevScore, LedgerSummary
from xlbench_specs.tasks import Task

from xlbench_operator.analysis.evidence import Evidence
from xlbench_operator.analysis.inference import collapse_threshold, is_collapsed


def ledger(evidence: Evidence) -> list[LedgerSummary]:
    """What every schedule trained of every task, beside what was planned."""
    encoders: dict[tuple[str, str], list[str]] = {}
    for model in evidence.plan.models:
        names = encoders.setdefault((model.schedule, model.target), [])
        if model.encoder not in names:
            names.append(model.encoder)
    return [
        _ledger_row(evidence, row, encoder)
        for row in evidence.plan.ledger
        for encoder in encoders[row.schedule, row.target]
    ]


def _ledger_row(evidence: Evidence, row: LedgerRow, encoder: str) -> LedgerSummary:
    models = [
        model
        for model in evidence.plan.models
        if (model.encoder, model.schedule, model.target) == (encoder, row.schedule, row.target)
    ]
    seen = [_exposures(evidence, model, row.task) for model in models if _trained(evidence, model)]

    def mean(field: str) -> float | None:
        totals = [sum(getattr(part, field) for part in parts) for parts in seen]
        return round(float(np.mean(totals)), 3) if totals else None

    return LedgerSummary(
        encoder=encoder,
        schedule=row.schedule,
        role=row.role,
        target=row.target,
        task=row.task,
        updates_planned=row.updates,
        updates=mean("updates"),
        examples_planned=row.examples,
        examples=mean("examples"),
        unique_examples=mean("unique_examples"),
        epochs=mean("epochs"),
        tokens=mean("tokens"),
        same_sequence=_same_sequence(evidence, row, encoder) if row.role == "arm" else None,
    )


def _trained(evidence: Evidence, model: PlannedModel) -> bool:
    """Whether all phases of a model are done."""
    return all(key in evidence.manifests for key in model.train)


def _exposures(evidence: Evidence, model: PlannedModel, task: str) -> list[Exposure]:
    """What a model's phases saw of one task, phase by phase."""
    return [
        record.exposure[task]
        for record in _records(evidence, model)
        if record is not None and task in record.exposure
    ]


def _records(evidence: Evidence, model: PlannedModel) -> list[TrainRecord | None]:
    """The record of each phase of a model; None where the phase is not done."""
    manifests = (evidence.manifests.get(key) for key in model.train)
    records = (manifest.record if manifest else None for manifest in manifests)
    return [record if isinstance(record, TrainRecord) else None for record in records]


def _same_sequence(evidence: Evidence, row: LedgerRow, encoder: str) -> bool | None:
    """Whether every arm of the target saw the task's examples in one order, seed by seed.

    None where fewer than two arms train the task, or nothing is recorded.
    """
    sequences: dict[int, set[tuple[str, ...]]] = {}
    arms: set[str] = set()
    for model in evidence.plan.models:
        same = (model.encoder, model.role, model.target) == (encoder, "arm", row.target)
        parts = _exposures(evidence, model, row.task) if same and _trained(evidence, model) else []
        if parts:
            arms.add(model.schedule)
            found = tuple(part.sequence for part in parts)
            sequences.setdefault(model.seed, set()).add(found)
    return all(len(found) == 1 for found in sequences.values()) if len(arms) > 1 else None


def forgetting(evidence: Evidence, tasks: Mapping[str, Task]) -> list[DevScore]:
    """English dev score, by each task's own metric, of all tasks so far after each phase."""
    return [
        DevScore(
            encoder=model.encoder,
            schedule=model.schedule,
            target=model.target,
            seed=model.seed,
            chain=model.chain,
            phase=number,
            trained=model.order[number - 1],
            task=task,
            metric=metric,
            score=rounded(record.dev[task][metric]),
        )
        for model in evidence.plan.models
        if model.role != "baseline"
        for number, record in enumerate(_records(evidence, model), start=1)
        if record is not None
        for task in sorted(record.dev)
        if (metric := tasks[task].metric) and metric in record.dev[task]
    ]


def collapsed(evidence: Evidence, tasks: Mapping[str, Task]) -> list[Collapse]:
    """Runs whose English dev score on the target is at most majority + 2 binomial SE."""
    return list(_collapsed(evidence, tasks))


def _collapsed(evidence: Evidence, tasks: Mapping[str, Task]) -> Iterator[Collapse]:
    for model in evidence.plan.models:
        records = _records(evidence, model)
        record = records[-1] if records else None
        dev = _dev_set(evidence, model)
        if record is None or dev is None or model.target not in record.dev:
            continue
        metric, majority = _collapse_metric(tasks[model.target], dev)
        score = record.dev[model.target].get(metric)
        if score is not None and is_collapsed(score, majority=majority, examples=dev.examples):
            yield Collapse(
                encoder=model.encoder,
                schedule=model.schedule,
                role=model.role,
                target=model.target,
                seed=model.seed,
                chain=model.chain,
                metric=metric,
                score=rounded(score),
                threshold=rounded(collapse_threshold(majority, dev.examples)),
            )


def _collapse_metric(task: Task, dev: PrepareRecord) -> tuple[str, float]:
    """Accuracy and the share of the most frequent class; for names and answers, F1 and zero."""
    if (task.kind in {"classification", "choice"} or task.metric == "accuracy") and dev.labels:
        return "accuracy", max(dev.labels.values()) / sum(dev.labels.values())
    return task.metric or "accuracy", 0.0


def _dev_set(evidence: Evidence, model: PlannedModel) -> PrepareRecord | None:
    """The record of the English dev set of a model's target."""
    if not model.train:
        return None
    key = evidence.plan.stages[model.train[-1]].inputs.get(f"dev/{model.target}")
    manifest = evidence.manifests.get(key) if key else None
    record = manifest.record if manifest else None
    return record if isinstance(record, PrepareRecord) and record.examples else None
