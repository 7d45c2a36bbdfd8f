"""The planner: a checked spec becomes a plan, the DAG of stages that answers its question.

One way down: resolve languages and cells, lay out chains of train stages, add an evaluate stage
for each (model, cell), bundle stages into Jobs, write the ledger, say what a reviewer would object
to. Pure: the task and language tables are arguments. Called by `xlbench plan`, `xlbench run` and
the operator.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xlbench_specs.documents import digest
from xlbench_specs.errors import Problem, SpecError
from xlbench_specs.experiment import (
    EncoderRef,
    Experiment,
    ExperimentSpec,
    Schedule,
    TargetRef,
    TaskRef,
)
from xlbench_specs.languages import ENGLISH, Group, group, low_resource_count
from xlbench_specs.plans import (
    Cell,
    LedgerRow,
    Plan,
    PlannedEvaluation,
    PlannedModel,
    PlannedProbe,
    ResolvedEndpoint,
    ResolvedLanguages,
    Role,
)
from xlbench_specs.stages import METRICS, EvaluateParams, PrepareParams

from xlbench_operator.planning.baselines import baseline_arms
from xlbench_operator.planning.bundles import bundles_of
from xlbench_operator.planning.chains import Chain, Graph, encoder_params, lay_out
from xlbench_operator.planning.doses import (
    PhaseDoses,
    Tasks,
    check_matched,
    doses_by_data,
    examples_seen,
    intermediate_phases,
    schedule_doses,
    tasks_of,
    training_examples,
    updates_seen,
)
from xlbench_operator.planning.objections import objections, shared_sources
from xlbench_operator.planning.orders import orders_for
from xlbench_operator.planning.refusals import refuse

UID_DIGITS = 32


def local_uid(spec: ExperimentSpec) -> str:
    """Uid of a local experiment: the hash of what bears on its results."""
    return digest(spec.result_bearing())[:UID_DIGITS]


def make_plan(
    document: ExperimentSpec, tasks: Tasks, *, uid: str, trainer_build: str | None = None
) -> Plan:
    """The plan of a spec that passed `checks`.

    `trainer_build` salts keys where `reuse` is sameTrainer, `uid` where it is never.

    Raises: `SpecError` if the spec means no plan (see `refusals`), if arms are unequal where the
    budget says equal, if a task gets no dose, or if no language is left.
    """
    spec = document.spec
    refuse(spec, tasks)
    for target in spec.targets:
        check_matched(spec, target.task, tasks)
    languages = _resolved_languages(spec, tasks)
    cells = [cell for target in spec.targets for cell in _cells(spec, target, languages, tasks)]
    graph = Graph(tasks, salt=_salt(spec, uid, trainer_build))
    context = _Context(spec, graph, cells, languages.codes)
    arms = list(_arms(context))
    models = [model for arm in arms for model in _models(context, arm)]
    probes = list(_probes(context, models))
    return Plan.model_construct(
        schema_version=1,
        name=document.metadata.name,
        uid=uid,
        spec=document,
        languages=languages,
        endpoint=resolved_endpoint(spec, languages),
        analysis=digest(spec.analysis.plain()),
        revisions=_revisions(graph),
        stages=graph.stages,
        models=models,
        probes=probes,
        cells=cells,
        ledger=list(_ledger(context, arms)),
        bundles=bundles_of(graph.stages, models, probes, spec.execution.packing),
        warnings=objections(spec, tasks, cells),
    )


def _revisions(graph: Graph) -> dict[str, str]:
    params = (stage.params for stage in graph.stages.values())
    return {each.task: each.revision for each in params if isinstance(each, PrepareParams)}


def _salt(spec: Experiment, uid: str, trainer_build: str | None) -> str | None:
    match spec.reuse:
        case "always":
            return None
        case "never":
            return uid
        case "sameTrainer":
            if trainer_build is None:
                raise SpecError.at(
                    "spec.reuse", spec.reuse, "the digest of the trainer build is not known here"
                )
            return trainer_build


def _resolved_languages(spec: Experiment, tasks: Tasks) -> ResolvedLanguages:
    names = [task for target in spec.targets for task in target.tests]
    have = {code for name in names for code in tasks[name].languages("test")} - {ENGLISH}
    wanted = _wanted_languages(spec, have)
    unknown = [code for code in wanted if code not in have]
    if spec.languages.codes is not None and unknown:
        raise SpecError(
            Problem(
                f"spec.languages.codes[{spec.languages.codes.index(code)}]",
                code,
                f"no target has this language; valid: {', '.join(sorted(have))}",
            )
            for code in unknown
        )
    codes = [code for code in wanted if code in have]
    if not codes:
        message = f"no target has any of these languages; valid: {', '.join(sorted(have))}"
        raise SpecError.at("spec.languages", spec.languages.plain(), message)
    return ResolvedLanguages(codes=codes)


def _wanted_languages(spec: Experiment, have: set[str]) -> list[str]:
    if spec.languages.codes is not None:
        return [code for code in dict.fromkeys(spec.languages.codes) if code != ENGLISH]
    if spec.languages.group is not None:
        return [code for code in group(spec.languages.group).languages if code != ENGLISH]
    return sorted(have)


def _cells(
    spec: Experiment, target: TargetRef, languages: ResolvedLanguages, tasks: Tasks
) -> Iterator[Cell]:
    for name in target.tests:
        task, shared = tasks[name], shared_sources(spec, target.task, name, tasks)
        for language in [ENGLISH, *languages.codes]:
            examples = task.sizes.get("test", {}).get(language, 0)
            yield Cell(
                target=target.task,
                task=name,
                language=language,
                absent=None if examples else task.excluded.get(language, "no data"),
                contaminated=", ".join(shared) or None,
                examples=examples,
            )


@dataclass(frozen=True, slots=True)
class _Context:
    """What every model is made from."""

    spec: Experiment
    graph: Graph
    cells: list[Cell]
    languages: list[str]

    @property
    def tasks(self) -> Tasks:
        """The task table."""
        return self.graph.tasks

    def encoders(self, refs: Sequence[EncoderRef]) -> dict[str, str]:
        """Name to key of encoders, added to the graph."""
        return {ref.name: self.graph.add(encoder_params(ref)) for ref in refs}


@dataclass(frozen=True, slots=True)
class _Arm:
    """A schedule on one encoder for one target."""

    schedule: Schedule
    role: Role
    encoder: str
    encoder_key: str
    target: str
    doses: PhaseDoses


def _arms(context: _Context) -> Iterator[_Arm]:
    spec = context.spec
    targets = [target.task for target in spec.targets]
    trainable = [target for target in targets if context.tasks[target].trainable]
    rows: list[tuple[Schedule, Role, Sequence[EncoderRef], list[str]]] = [
        *((each, each.role, spec.encoders, targets) for each in spec.schedules),
        *((each, "baseline", encoders, trainable) for each, encoders in baseline_arms(spec)),
    ]
    for schedule, role, refs, its_targets in rows:
        for encoder, key in context.encoders(refs).items():
            for target in its_targets:
                doses = schedule_doses(spec, schedule, target, context.tasks)
                yield _Arm(schedule, role, encoder, key, target, doses)


def _models(context: _Context, arm: _Arm) -> Iterator[PlannedModel]:
    cells = [cell for cell in context.cells if cell.target == arm.target and not cell.absent]
    moved = intermediate_phases(arm.schedule, arm.target)
    head = None if context.tasks[arm.target].kind == "retrieval" else arm.target
    for position, seed in enumerate(context.spec.seeds):
        for number, order in enumerate(orders_for(arm.schedule, moved, position)):
            chain = Chain(
                context.spec, arm.encoder_key, arm.schedule, arm.target, seed, order, arm.doses
            )
            train, trained = lay_out(context.graph, chain)
            model = train[-1] if train else arm.encoder_key
            yield PlannedModel.model_construct(
                encoder=arm.encoder,
                schedule=arm.schedule.name,
                role=arm.role,
                target=arm.target,
                seed=seed,
                chain=number,
                order=trained,
                train=train,
                evaluations=[
                    _score(context, model, arm.encoder_key, (cell.task, cell.language), head)
                    for cell in cells
                ],
            )


def _score(
    context: _Context, model: str, encoder: str, item: tuple[str, str], head: str | None
) -> PlannedEvaluation:
    """The evaluate stage of a model on one (task, language)."""
    task, language = item
    training = context.spec.training
    data = context.graph.prepare(
        task, "test", language, tokeniser=encoder, max_length=training.max_length
    )
    params = EvaluateParams.model_construct(
        kind="evaluate",
        task=task,
        head=head,
        language=language,
        metrics=METRICS,
        precision=training.precision,
        threads=training.threads,
    )
    key = context.graph.add(params, {"model": model, "data": data})
    return PlannedEvaluation.model_construct(task=task, language=language, key=key)


def _probes(context: _Context, models: Sequence[PlannedModel]) -> Iterator[PlannedProbe]:
    """Retrieval on the bare encoders and on the first seed's model of each arm."""
    spec = context.spec
    if not spec.probes:
        return
    encoders = context.encoders(spec.encoders)
    here = [
        (task, code)
        for task in spec.probes
        for code in context.languages
        if code in context.tasks[task].languages("test")
    ]
    for name, key in encoders.items():
        scores = [_score(context, key, key, item, None) for item in here]
        yield PlannedProbe(encoder=name, evaluations=scores)
    for model in models:
        first = model.seed == spec.seeds[0] and model.chain == 0
        if model.role == "arm" and first and model.train:
            encoder = encoders[model.encoder]
            yield PlannedProbe(
                encoder=model.encoder,
                schedule=model.schedule,
                target=model.target,
                seed=model.seed,
                evaluations=[
                    _score(context, model.train[-1], encoder, item, None) for item in here
                ],
            )


def resolved_endpoint(spec: Experiment, languages: ResolvedLanguages) -> ResolvedEndpoint:
    """What is compared, over which languages; asked again where `analysis` changes later."""
    arms = [schedule.name for schedule in spec.schedules if schedule.role == "arm"]
    name = spec.analysis.endpoint.group or spec.languages.group
    found: Group | None = group(name, path="spec.analysis.endpoint.group") if name else None
    codes = [code for code in languages.codes if found is None or code in found.languages]
    if not codes:
        message = f"no language of the experiment is in it; valid: {', '.join(languages.codes)}"
        raise SpecError.at("spec.analysis.endpoint.group", name, message)
    return ResolvedEndpoint(
        contrast=spec.analysis.contrast or (arms[:2] if len(arms) > 1 else []),
        group=found.name if found else "experiment",
        group_version=found.version if found else 1,
        languages=codes,
        low_resource=low_resource_count(codes),
    )


def _ledger(context: _Context, arms: Sequence[_Arm]) -> Iterator[LedgerRow]:
    """One row for each (schedule, target, task); encoders train alike."""
    seen: set[tuple[str, str]] = set()
    for arm in arms:
        if (arm.schedule.name, arm.target) in seen:
            continue
        seen.add((arm.schedule.name, arm.target))
        doses = doses_by_data(arm.doses, context.tasks)
        examples = examples_seen(context.spec, arm.schedule, doses)
        for task, updates in updates_seen(doses).items():
            size = _set_size(context, arm, task)
            yield LedgerRow(
                schedule=arm.schedule.name,
                role=arm.role,
                target=arm.target,
                task=task,
                updates=updates,
                examples=examples[task],
                unique_examples=min(size, examples[task]),
                epochs=examples[task] / size,
                tokens=round(examples[task] * context.tasks[task].tokens_per_example),
            )


def _set_size(context: _Context, arm: _Arm, task: str) -> int:
    """Different examples of a task that a schedule can see, in its richest phase."""
    refs: list[TaskRef] = [
        ref
        for phase in arm.schedule.phases
        for name, ref in tasks_of(phase, arm.target).items()
        if name == task
    ] or [TaskRef(task=task)]  # a step of a recipe
    return max(training_examples(context.tasks[task], ref) for ref in refs)
