"""Objections: what a reviewer of the paper would say about the design. Pure.

They warn and stop nothing; the report repeats them.
"""

import math
from collections.abc import Callable, Iterator, Sequence

from xlbench_specs.encoders import BUILTIN, BUILTIN_ENCODERS
from xlbench_specs.experiment import TARGET, Experiment
from xlbench_specs.languages import GROUPS
from xlbench_specs.plans import Cell, PlanWarning

from xlbench_operator.planning.doses import Tasks, is_intermediate

MIN_SEEDS = 5
"""Fewer seeds than this rarely settle a difference of a point (science: Keung 2020, Lin 2024)."""

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


def shared_sources(spec: Experiment, target: str, tasks: Tasks) -> list[str]:
    """Intermediate tasks whose training text is of the target's own origin."""
    origin = tasks[target].train_source
    return [name for name in intermediates(spec, target) if tasks[name].train_source == origin]


def _shared_train_source(
    spec: Experiment, tasks: Tasks, _: Sequence[Cell]
) -> Iterator[PlanWarning]:
    for number, target in enumerate(spec.targets):
        for name in shared_sources(spec, target.task, tasks):
            yield PlanWarning(
                code="shared-train-source",
                path=f"spec.targets[{number}].task",
                message=(
                    f"{name} and {target.task} both train on {tasks[name].train_source}: these "
                    f"cells are kept out of the primary endpoint; add exceptFor: [{target.task}]"
                ),
            )


def _missing_controls(spec: Experiment, _: Tasks, __: Sequence[Cell]) -> Iterator[PlanWarning]:
    controls = [schedule for schedule in spec.schedules if schedule.role == "control"]
    lone = [
        schedule
        for schedule in controls
        if all(not is_intermediate(phase) for phase in schedule.phases)
    ]
    longer = [schedule for schedule in lone if any(phase.updates for phase in schedule.phases)]
    if not lone:
        yield PlanWarning(
            code="no-target-only-control",
            path="spec.schedules",
            message="no control trains the target alone: a gain over it cannot be shown",
        )
    elif spec.budget.intermediate and not longer:
        yield PlanWarning(
            code="no-long-control",
            path="spec.schedules",
            message=(
                "no control trains the target alone for as many updates as an arm has in all: "
                "a gain may come from training longer"
            ),
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
        phases = sum(is_intermediate(phase) for phase in schedule.phases)
        orders = math.factorial(phases)
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
        phases = sum(is_intermediate(phase) for phase in schedule.phases)
        if schedule.role == "arm" and phases > 1 and schedule.orders.mode == "listed":
            yield PlanWarning(
                code="single-order",
                path=f"spec.schedules[{number}].orders",
                message=(
                    "one order of the intermediate tasks only: the result may be that of the "
                    "task trained last; set mode: per-seed"
                ),
            )


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
    name = spec.analysis.endpoint.group
    if name is None or name not in GROUPS:
        return
    here = {cell.language for cell in cells if not cell.absent}
    missing = sorted(set(GROUPS[name].languages) - here)
    if missing:
        yield PlanWarning(
            code="endpoint-not-covered",
            path="spec.analysis.endpoint.group",
            message=f"languages of {name} without a score: {', '.join(missing)}",
        )


OBJECTIONS: tuple[Objection, ...] = (
    _shared_train_source,
    _missing_controls,
    _few_seeds,
    _unbalanced_orders,
    _single_order,
    _unmatched,
    _contaminated_encoder,
    _absent_cells,
    _endpoint_not_covered,
)
