"""Objections: what a reviewer of the paper would say about the design. Pure.

They warn and stop nothing; the report repeats them.
"""

import math
from collections.abc import Callable, Iterator, Sequence

from xlbench_specs.encoders import BUILTIN, BUILTIN_ENCODERS
from xlbench_specs.experiment import TARGET, Experiment, Schedule
from xlbench_specs.languages import GROUPS
from xlbench_specs.plans import Cell, PlanWarning

from xlbench_operator.planning.doses import Tasks, intermediate_phases, tasks_of
from xlbench_operator.planning.orders import orders_for

ROLES = ("arm", "control")
MIN_SEEDS = 5
"""Fewer seeds than this rarely settle a point (Keung et al. 2020; Lin et al. 2024)."""

Objection = Callable[[Experiment, Tasks, Sequence[Cell]], Iterator[PlanWarning]]


def objections(spec: Experiment, tasks: Tasks, cells: Sequence[Cell]) -> list[PlanWarning]:
    """Everything that a reviewer would object to, in the order of `OBJECTIONS`."""
    return [warning for objection in OBJECTIONS for warning in objection(spec, tasks, cells)]


def intermediates(spec: Experiment, target: str) -> list[str]:
    """Tasks other than the target that any schedule trains on the way to it, sorted."""
    return sorted(
        {
            ref.task
            for schedule in spec.schedules
            for phase in schedule.phases
            for ref in phase.tasks
            if ref.task not in {TARGET, target} and target not in (ref.except_for or ())
        }
    )


def shared_sources(spec: Experiment, target: str, test: str, tasks: Tasks) -> list[str]:
    """Intermediate tasks whose training text is of the origin of the target, or of its test."""
    steps = [step.task for step in tasks[target].recipe]
    origins = {tasks[name].train_source for name in (target, test, *steps)}
    return [name for name in intermediates(spec, target) if tasks[name].train_source in origins]


def _shared_train_source(
    spec: Experiment, tasks: Tasks, cells: Sequence[Cell]
) -> Iterator[PlanWarning]:
    for number, target in enumerate(spec.targets):
        mine = [cell for cell in cells if cell.target == target.task]
        hit = {cell.task: cell.contaminated for cell in mine if cell.contaminated}
        for test, names in hit.items():
            yield PlanWarning(
                code="shared-train-source",
                path=f"spec.targets[{number}].task",
                message=(
                    f"{names} and {test} come from one source, {tasks[test].train_source}: these "
                    f"cells are kept out of the primary endpoint; add exceptFor: [{target.task}]"
                ),
            )
    if all(cell.contaminated or cell.absent for cell in cells):
        yield PlanWarning(
            code="empty-endpoint",
            path="spec.targets",
            message="no cell is left for the primary endpoint: the contrast has no answer",
        )


def _same_arms(spec: Experiment, _: Tasks, __: Sequence[Cell]) -> Iterator[PlanWarning]:
    schedules = {each.name: each for each in spec.schedules}
    arms = [each.name for each in spec.schedules if each.role == "arm"]
    contrast = spec.analysis.contrast or arms[:2]
    chains = [
        [_chains(spec, schedules[name], each.task) for each in spec.targets] for name in contrast
    ]
    if len(chains) > 1 and chains[0] == chains[1]:
        yield PlanWarning(
            code="same-arms",
            path="spec.analysis.contrast",
            message=(
                f"{' and '.join(contrast)} train the same phases in the same order: their "
                "difference is 0 and says nothing"
            ),
        )


def _chains(spec: Experiment, schedule: Schedule, target: str) -> list[list[object]]:
    """What a schedule trains for a target, for each seed and order: phases without their names."""
    refs = [tasks_of(phase, target) for phase in schedule.phases]
    phases = [
        (
            {task: ref.model_copy(update={"except_for": None}) for task, ref in tasks.items()},
            phase.model_copy(update={"name": None, "from_": None, "tasks": []}),
        )
        for phase, tasks in zip(schedule.phases, refs, strict=True)
    ]
    moved = intermediate_phases(schedule, target)
    return [
        [phases[number] for number in order if refs[number]]
        for position in range(len(spec.seeds))
        for order in orders_for(schedule, moved, position)
    ]


def _missing_controls(spec: Experiment, _: Tasks, __: Sequence[Cell]) -> Iterator[PlanWarning]:
    if spec.budget.intermediate is None:
        return
    lone = [
        schedule
        for schedule in spec.schedules
        if all(ref.task == TARGET for phase in schedule.phases for ref in phase.tasks)
    ]
    most = spec.budget.intermediate + spec.budget.target
    if not lone:
        yield PlanWarning(
            code="no-target-only-control",
            path="spec.schedules",
            message="no control trains the target alone: a gain over it cannot be shown",
        )
    elif all(sum(phase.updates or 0 for phase in each.phases) < most for each in lone):
        yield PlanWarning(
            code="no-long-control",
            path="spec.schedules",
            message=(
                f"no control trains the target alone for {most} updates, as many as an arm has in "
                "all: a gain may come from training longer"
            ),
        )


def _missing_single_controls(
    spec: Experiment, _: Tasks, __: Sequence[Cell]
) -> Iterator[PlanWarning]:
    """Where arms train several intermediates, each wants a control that trains it alone."""
    trained = {
        role: [_named(each) for each in spec.schedules if each.role == role] for role in ROLES
    }
    together = frozenset[str]().union(*trained["arm"])
    alone = sorted(task for task in together if {task} not in trained["control"])
    if len(together) > 1 and alone:
        yield PlanWarning(
            code="no-single-control",
            path="spec.schedules",
            message=(
                f"no control trains {' or '.join(alone)} alone before the target: what the arms "
                "show may be the work of one task"
            ),
        )


def _named(schedule: Schedule) -> frozenset[str]:
    """The tasks that a schedule names, the target apart."""
    return frozenset(
        ref.task for phase in schedule.phases for ref in phase.tasks if ref.task != TARGET
    )


def _few_seeds(spec: Experiment, _: Tasks, __: Sequence[Cell]) -> Iterator[PlanWarning]:
    count = len(spec.seeds)
    if count < MIN_SEEDS:
        consequence = "no inference will be made" if count < 3 else "only large effects show"  # noqa: PLR2004
        yield PlanWarning(
            code="few-seeds",
            path="spec.seeds",
            message=f"{count} seeds: {consequence}; see what the plan says it can detect",
        )


def _unbalanced_orders(spec: Experiment, _: Tasks, __: Sequence[Cell]) -> Iterator[PlanWarning]:
    for number, schedule in enumerate(spec.schedules):
        for orders in {math.factorial(count) for count in _intermediate_counts(spec, schedule)}:
            if schedule.orders.mode == "per-seed" and len(spec.seeds) % orders:
                yield PlanWarning(
                    code="unbalanced-orders",
                    path=f"spec.schedules[{number}].orders",
                    message=(
                        f"{orders} orders do not divide {len(spec.seeds)} seeds: some orders are "
                        "run more often than others"
                    ),
                )


def _single_order(spec: Experiment, _: Tasks, __: Sequence[Cell]) -> Iterator[PlanWarning]:
    for number, schedule in enumerate(spec.schedules):
        most = max(_intermediate_counts(spec, schedule))
        if schedule.role == "arm" and most > 1 and schedule.orders.mode == "listed":
            yield PlanWarning(
                code="single-order",
                path=f"spec.schedules[{number}].orders",
                message=(
                    "one order of the intermediate tasks only: the result may be that of the "
                    "task trained last; set mode: per-seed"
                ),
            )


def _several_warmups(spec: Experiment, _: Tasks, __: Sequence[Cell]) -> Iterator[PlanWarning]:
    arms = [schedule for schedule in spec.schedules if schedule.role == "arm"]
    counts = {arm.name: max(_intermediate_counts(spec, arm)) for arm in arms}
    if spec.training.lr_schedule == "per-phase" and len(set(counts.values())) > 1:
        shown = ", ".join(f"{name} {count}" for name, count in counts.items())
        yield PlanWarning(
            code="several-warmups",
            path="spec.training.lrSchedule",
            message=(
                f"arms have as many warm-ups and decays as intermediate phases ({shown}): a "
                "difference may be theirs; `intermediate` gives every arm one"
            ),
        )


def _intermediate_counts(spec: Experiment, schedule: Schedule) -> list[int]:
    """Intermediate phases of a schedule, for each target."""
    return [len(intermediate_phases(schedule, target.task)) for target in spec.targets]


def _unmatched(spec: Experiment, _: Tasks, __: Sequence[Cell]) -> Iterator[PlanWarning]:
    if spec.budget.match == "none":
        yield PlanWarning(
            code="unmatched-budget",
            path="spec.budget.match",
            message="arms may differ in what they train: a difference may be one of dose",
        )
    elif spec.budget.match == "updates":
        yield PlanWarning(
            code="unequal-exposure",
            path="spec.budget.match",
            message="arms have equal updates but may see different amounts of each task",
        )


def _contaminated_encoder(
    spec: Experiment, tasks: Tasks, _: Sequence[Cell]
) -> Iterator[PlanWarning]:
    for number, encoder in enumerate(spec.encoders):
        if not encoder.model.startswith(BUILTIN):
            continue
        seen = BUILTIN_ENCODERS[encoder.model.removeprefix(BUILTIN)].seen_tasks
        names = {target.task for target in spec.targets} | set(spec.probes)
        hit = sorted(name for name in names if tasks[name].train_source in seen)
        if hit:
            yield PlanWarning(
                code="contaminated-encoder",
                path=f"spec.encoders[{number}].model",
                message=f"its pre-training has seen data of {', '.join(hit)}",
            )


def _absent_cells(_: Experiment, __: Tasks, cells: Sequence[Cell]) -> Iterator[PlanWarning]:
    absent = [cell for cell in cells if cell.absent]
    if absent:
        shown = ", ".join(f"{cell.task} {cell.language}" for cell in absent[:6])
        yield PlanWarning(
            code="absent-cells",
            path="spec.languages",
            message=f"{len(absent)} cells have no data: {shown}{' ...' if len(absent) > 6 else ''}",  # noqa: PLR2004
        )


def _endpoint_not_covered(
    spec: Experiment, _: Tasks, cells: Sequence[Cell]
) -> Iterator[PlanWarning]:
    field = "analysis.endpoint" if spec.analysis.endpoint.group else "languages"
    name = spec.analysis.endpoint.group or spec.languages.group
    if name is None or name not in GROUPS:
        return
    here = {cell.language for cell in cells if not cell.absent}
    missing = sorted(set(GROUPS[name].languages) - here)
    if missing:
        yield PlanWarning(
            code="endpoint-not-covered",
            path=f"spec.{field}.group",
            message=f"languages of {name} without a score: {', '.join(missing)}",
        )


OBJECTIONS: tuple[Objection, ...] = (
    _shared_train_source,
    _same_arms,
    _missing_controls,
    _missing_single_controls,
    _few_seeds,
    _unbalanced_orders,
    _single_order,
    _several_warmups,
    _unmatched,
    _contaminated_encoder,
    _absent_cells,
    _endpoint_not_covered,
)
