"""The summary of an experiment: a pure function of a plan and what its stages left.

It decides what is asked (which contrast, in which scopes, over which cells) and puts the answers
together; how a difference is judged is in `contrasts` and `inference`. Equal evidence gives equal
bytes. Called by `xlbench_operator.analysis.report`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from xlbench_specs.documents import digest
from xlbench_specs.experiment import TARGET, Analysis, Experiment
from xlbench_specs.plans import Cell, ResolvedEndpoint, Role
from xlbench_specs.results import (
    MAJORITY,
    Answer,
    CellScores,
    Contrast,
    Design,
    Mean,
    ScheduleScores,
    ScheduleSummary,
    SeedScore,
    Summary,
    rounded,
)
from xlbench_specs.runs import LedgerSummary
from xlbench_specs.tasks import Task

from xlbench_operator.analysis.cells import Model, ScoredCell, scored_cells
from xlbench_operator.analysis.contamination import overlaps, recorded
from xlbench_operator.analysis.contrasts import (
    EVERYWHERE,
    Place,
    Question,
    Rules,
    ScopeKind,
    adjusted,
    answered,
    balanced,
)
from xlbench_operator.analysis.evidence import Evidence
from xlbench_operator.analysis.resampling import RESAMPLES
from xlbench_operator.analysis.rows import missing_scores, probe_scores
from xlbench_operator.analysis.training import collapsed, forgetting, ledger
from xlbench_operator.analysis.wording import sentence
from xlbench_operator.analysis.xtreme_r import benchmark_means
from xlbench_operator.planning.plan import resolved_endpoint

Tasks = Mapping[str, Task]


def summarise(
    evidence: Evidence, tasks: Tasks, analysis: Analysis, *, resamples: int = RESAMPLES
) -> Summary:
    """The summary of an experiment.

    Args:
        evidence: The plan and what its stages left.
        tasks: The task table.
        analysis: What is compared; another than the plan's is labelled post hoc.
        resamples: Joint resamples of the test items.
    """
    plan, spec = evidence.plan, evidence.plan.spec.spec
    design = _design(evidence, tasks, analysis, resamples)
    rules = Rules(
        averaging=analysis.endpoint.averaging,
        margin=design.margin,
        confidence=design.confidence,
        digest=digest(analysis.plain()),
        resamples=resamples,
    )
    view = _View(design, rules, _schedule_names(evidence), plan.languages.english)
    trained = ledger(evidence)
    parts = [
        _on_encoder(name, scored_cells(evidence, name, tasks, design.metrics), view, trained)
        for name in (encoder.name for encoder in spec.encoders)
    ]
    missing = list(missing_scores(evidence))
    cells = [row for part in parts for row in part.cells]
    planned = sum(len(model.evaluations) for model in plan.models)
    planned += sum(len(probe.evaluations) for probe in plan.probes)
    return Summary(
        experiment=plan.name,
        complete=not missing,
        scores_done=planned - len(missing),
        scores_planned=planned,
        design=design,
        answers=[part.answer for part in parts],
        schedules=[row for part in parts for row in part.schedules],
        gains=[row for part in parts for row in part.gains],
        contrasts=[row for part in parts for row in part.contrasts],
        cells=cells,
        probes=list(probe_scores(evidence, tasks)),
        xtreme_r=benchmark_means(cells),
        ledger=trained,
        forgetting=forgetting(evidence, tasks),
        collapsed=collapsed(evidence, tasks),
        missing=missing,
        contamination=overlaps(evidence),
        contamination_recorded=recorded(evidence),
        warnings=list(plan.warnings),
    )


def _design(evidence: Evidence, tasks: Tasks, analysis: Analysis, resamples: int) -> Design:
    """What is asked, resolved."""
    plan, spec = evidence.plan, evidence.plan.spec.spec
    post_hoc = digest(analysis.plain()) != plan.analysis
    endpoint: ResolvedEndpoint = plan.endpoint
    if post_hoc:
        endpoint = resolved_endpoint(spec.model_copy(update={"analysis": analysis}), plan.languages)
    wanted = analysis.endpoint.metric
    return Design(
        contrast=endpoint.contrast,
        group=endpoint.group,
        group_version=endpoint.group_version,
        languages=endpoint.languages,
        low_resource=endpoint.low_resource,
        targets=[target.task for target in spec.targets],
        seeds=list(spec.seeds),
        metrics={
            name: wanted if wanted in tasks[name].metrics else tasks[name].metrics[0]
            for name in sorted({cell.task for cell in plan.cells})
        },
        averaging=analysis.endpoint.averaging,
        margin=analysis.equivalence_margin / 100,
        confidence=analysis.confidence,
        reference=_reference(spec),
        resamples=resamples,
        post_hoc=post_hoc,
    )


def _schedule_names(evidence: Evidence) -> tuple[tuple[str, Role], ...]:
    """Schedules and their roles as the plan lists its models: spec order, baselines last."""
    return tuple(dict.fromkeys((model.schedule, model.role) for model in evidence.plan.models))


def _reference(spec: Experiment) -> str | None:
    """The first control that trains the target alone, at the target's dose if there is one."""
    lone = [
        schedule
        for schedule in spec.schedules
        if schedule.role == "control"
        and all(ref.task == TARGET for phase in schedule.phases for ref in phase.tasks)
    ]
    plain = [each for each in lone if all(phase.updates is None for phase in each.phases)]
    return next((schedule.name for schedule in (*plain, *lone)), None)


@dataclass(frozen=True, slots=True)
class _View:
    """How the cells of an encoder are looked at."""

    design: Design
    rules: Rules
    schedules: tuple[tuple[str, Role], ...]
    """Schedules in the order of the spec, then the trained baselines."""
    english_code: str

    def in_endpoint(self, cell: Cell) -> bool:
        """Whether a cell belongs to the primary endpoint."""
        clean = cell.absent is None and cell.contaminated is None
        return clean and cell.language in self.design.languages

    def endpoint(self, cells: Sequence[ScoredCell]) -> list[int]:
        """Positions of the endpoint's cells."""
        return [at for at, scored in enumerate(cells) if self.in_endpoint(scored.cell)]

    def english(self, cells: Sequence[ScoredCell]) -> list[int]:
        """Positions of the English cells of the targets that are in the endpoint."""
        targets = {scored.cell.target for scored in cells if self.in_endpoint(scored.cell)}
        return [
            at
            for at, scored in enumerate(cells)
            if scored.cell.language == self.english_code
            and scored.cell.target in targets
            and scored.cell.absent is None
        ]


class _Part(NamedTuple):
    """What the summary says of one encoder."""

    answer: Answer
    schedules: list[ScheduleSummary]
    gains: list[Contrast]
    contrasts: list[Contrast]
    cells: list[CellScores]


def _on_encoder(
    encoder: str, cells: Sequence[ScoredCell], view: _View, trained: Sequence[LedgerSummary]
) -> _Part:
    asked = list(_questions(encoder, cells, view))
    gains = list(_gain_questions(encoder, cells, view))
    found = answered([*asked, *gains], cells, view.rules)
    others, measured = found[: len(asked)], found[len(asked) :]
    primary = others.pop(0) if others else None
    single = [each for each in others if each.scope == "cell"]
    return _Part(
        answer=Answer(encoder=encoder, sentence=sentence(primary, view.design), contrast=primary),
        schedules=[*_schedules(encoder, cells, view, trained), _majority(encoder, cells, view)],
        gains=[
            *adjusted([each for each in measured if each.scope == "endpoint"], view.rules),
            *(each for each in measured if each.scope != "endpoint"),
        ],
        contrasts=[
            *(each for each in others if each.scope != "cell"),
            *adjusted(single, view.rules),
        ],
        cells=[_cell_scores(encoder, cell, view) for cell in cells],
    )


def _questions(encoder: str, cells: Sequence[ScoredCell], view: _View) -> Iterator[Question]:
    """The primary contrast: the endpoint first, then every other scope."""
    if not view.design.contrast:
        return
    first, second = view.design.contrast
    endpoint, english = view.endpoint(cells), view.english(cells)

    def ask(scope: ScopeKind, plus: Sequence[int], place: Place = EVERYWHERE) -> Question:
        return Question(encoder, first, second, scope, tuple(plus), place=place)

    yield ask("endpoint", endpoint)
    yield ask("english", english)
    yield Question(encoder, first, second, "gap", tuple(endpoint), minus=tuple(english))
    tested = [(cells[at].cell.target, cells[at].cell.task) for at in endpoint]
    several = len(set(tested)) > 1
    for target, task in dict.fromkeys(tested) if several else ():
        mine = [at for at, name in zip(endpoint, tested, strict=True) if name == (target, task)]
        yield ask("task", mine, Place(target, task))
    targets = list(dict.fromkeys(target for target, _ in tested))
    for target in targets if len(targets) > 1 else []:
        others = [at for at in endpoint if cells[at].cell.target != target]
        yield ask("without-target", others, Place(target))
    for at, scored in enumerate(cells):
        cell = scored.cell
        if not cell.absent and cell.language != view.english_code:
            yield ask("cell", [at], Place(cell.target, cell.task, cell.language))


def _gain_questions(encoder: str, cells: Sequence[ScoredCell], view: _View) -> Iterator[Question]:
    """Every other schedule against the reference, in the endpoint and in English."""
    reference = view.design.reference
    scopes: tuple[tuple[ScopeKind, list[int]], ...] = (
        ("endpoint", view.endpoint(cells)),
        ("english", view.english(cells)),
    )
    for name, _ in view.schedules:
        for scope, positions in scopes:
            if reference not in {None, name}:
                yield Question(encoder, name, str(reference), scope, tuple(positions))


def _schedules(
    encoder: str, cells: Sequence[ScoredCell], view: _View, trained: Sequence[LedgerSummary]
) -> Iterator[ScheduleSummary]:
    """The mean of every schedule, over the cells that all schedules of the spec have."""
    endpoint, english = _common(cells, view.endpoint(cells), view), view.english(cells)
    for name, role in view.schedules:
        rows = [row for row in trained if row.schedule == name]
        mine = [row for row in rows if row.encoder == encoder] or rows
        tokens = sum(row.tokens or 0 for row in mine)
        yield ScheduleSummary(
            encoder=encoder,
            schedule=name,
            role=role,
            endpoint=_mean(_balanced(cells, endpoint, name, view)),
            english=_mean(_balanced(cells, english, name, view)),
            other_metrics=_other_means(cells, endpoint, name, view),
            updates=sum(row.updates_planned for row in mine),
            tokens=round(tokens),
        )


def _majority(encoder: str, cells: Sequence[ScoredCell], view: _View) -> ScheduleSummary:
    """The constant prediction, averaged over the cells that the schedules are averaged over."""

    def mean(positions: Sequence[int], metric: str | None = None) -> float | None:
        weights = balanced(positions, cells, view.rules.averaging)
        values = {at: cells[at].majority.get(metric or cells[at].metric) for at in positions}
        known = [weights[at] * value for at, value in values.items() if value is not None]
        return rounded(sum(known)) if known and len(known) == len(values) else None

    endpoint = _common(cells, view.endpoint(cells), view)
    names = {name for at in endpoint for name in cells[at].majority} - {
        cells[at].metric for at in endpoint
    }
    others = {name: mean(endpoint, name) for name in sorted(names)}
    return ScheduleSummary(
        encoder=encoder,
        schedule=MAJORITY,
        role="baseline",
        endpoint=Mean(mean=mean(endpoint), seeds=0),
        english=Mean(mean=mean(view.english(cells)), seeds=0),
        other_metrics={name: value for name, value in others.items() if value is not None},
    )


def _common(cells: Sequence[ScoredCell], positions: Sequence[int], view: _View) -> list[int]:
    """The cells in which every schedule of the spec has a seed: means over them compare."""
    names = [name for name, role in view.schedules if role != "baseline"]
    return [at for at in positions if all(cells[at].by_seed(name) for name in names)]


def _balanced(
    cells: Sequence[ScoredCell],
    positions: Sequence[int],
    schedule: str,
    view: _View,
    metric: str | None = None,
) -> list[float]:
    """Balanced mean over cells of each seed that has them all, in order of seeds."""
    by_cell = {at: cells[at].by_seed(schedule, metric) for at in positions}
    weights = balanced(positions, cells, view.rules.averaging)
    return [
        sum(weights[at] * by_cell[at][seed] for at in positions)
        for seed in view.design.seeds
        if positions and all(seed in by_cell[at] for at in positions)
    ]


def _other_means(
    cells: Sequence[ScoredCell], positions: Sequence[int], schedule: str, view: _View
) -> dict[str, float]:
    """Endpoint means of the metrics that all its tasks have beside their own."""
    kept = [{name for scores in cells[at].scores.values() for name in scores} for at in positions]
    shared = set.intersection(*kept) - {cells[at].metric for at in positions} if kept else set()
    values = {name: _balanced(cells, positions, schedule, view, name) for name in sorted(shared)}
    return {name: rounded(float(np.mean(each))) for name, each in values.items() if each}


def _cell_scores(encoder: str, scored: ScoredCell, view: _View) -> CellScores:
    cell, majority = scored.cell, scored.majority.get(scored.metric)
    return CellScores(
        encoder=encoder,
        target=cell.target,
        task=cell.task,
        language=cell.language,
        metric=scored.metric,
        in_endpoint=view.in_endpoint(cell),
        absent=cell.absent,
        contaminated=cell.contaminated,
        examples=cell.examples,
        units=int(scored.units.size) if scored.resampled else 0,
        majority=None if majority is None else rounded(majority),
        other_majority={
            name: rounded(value)
            for name, value in sorted(scored.majority.items())
            if name != scored.metric
        },
        schedules=[
            _schedule_scores(scored, name, role)
            for name, role in view.schedules
            if any(model.schedule == name for model in scored.statuses)
        ],
    )


def _schedule_scores(scored: ScoredCell, name: str, role: Role) -> ScheduleScores:
    """Every seed of a schedule in one cell."""
    models = [model for model in scored.statuses if model.schedule == name]
    kept = {other for model in models for other in scored.scores.get(model, {})} - {scored.metric}
    mean = _mean(list(scored.by_seed(name).values()))
    others = {other: list(scored.by_seed(name, other).values()) for other in sorted(kept)}
    return ScheduleScores(
        schedule=name,
        role=role,
        mean=mean.mean,
        sd=mean.sd,
        seeds=[_seed_score(scored, model) for model in models],
        other_metrics={
            other: rounded(float(np.mean(values))) for other, values in others.items() if values
        },
    )


def _seed_score(scored: ScoredCell, model: Model) -> SeedScore:
    value = scored.scores.get(model, {}).get(scored.metric)
    return SeedScore(
        seed=model.seed,
        chain=model.chain,
        score=rounded(value) if value is not None and np.isfinite(value) else None,
        status=scored.statuses[model],
    )


def _mean(values: Sequence[float]) -> Mean:
    """Mean and sample standard deviation over seeds."""
    return Mean(
        mean=rounded(float(np.mean(values))) if values else None,
        sd=rounded(float(np.std(values, ddof=1))) if len(values) > 1 else None,
        seeds=len(values),
    )
