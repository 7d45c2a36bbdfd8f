"""Refusals: specs that read well and still mean no plan. Pure.

What a field alone tells is refused by the model, what the file or a table tells by `checks`, which
a spec has passed before; here stands what only shows once phases, orders and targets are seen
together. All problems are found at once.
Called by `plan` before anything is laid out.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from xlbench_specs.errors import Problem, SpecError
from xlbench_specs.experiment import TARGET, Experiment, Phase, Schedule, Shares, TaskRef
from xlbench_specs.languages import ENGLISH
from xlbench_specs.suggestions import listed

from xlbench_operator.planning.baselines import baseline_arms
from xlbench_operator.planning.doses import (
    Tasks,
    intermediate_phases,
    is_intermediate,
    tasks_of,
)

MAX_ORDERS = 120
"""Most orders of one schedule for one seed."""
MAX_SCORES = 200_000
"""Most evaluate stages of one plan: planning so many takes seconds, a Job list megabytes."""

Refusal = Callable[[Experiment, Tasks], Iterator[Problem]]


class _Place(NamedTuple):
    """A phase and where it stands."""

    schedule: Schedule
    number: int
    phase: Phase
    path: str


def refuse(spec: Experiment, tasks: Tasks) -> None:
    """Do nothing.

    Raises: `SpecError` with every problem of `REFUSALS`.
    """
    problems = [problem for rule in REFUSALS for problem in rule(spec, tasks)]
    if problems:
        raise SpecError({str(problem): problem for problem in problems}.values())


def _places(spec: Experiment) -> Iterator[_Place]:
    for position, schedule in enumerate(spec.schedules):
        for number, phase in enumerate(schedule.phases):
            path = f"spec.schedules[{position}].phases[{number}]"
            yield _Place(schedule, number, phase, path)


def _refs(spec: Experiment) -> Iterator[tuple[str, TaskRef]]:
    for place in _places(spec):
        for number, ref in enumerate(place.phase.tasks):
            yield f"{place.path}.tasks[{number}]", ref


def _targets(spec: Experiment) -> list[str]:
    return [target.task for target in spec.targets]


def _target_as_intermediate(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    for path, ref in _refs(spec):
        if ref.task in _targets(spec) and ref.task not in (ref.except_for or ()):
            yield Problem(
                f"{path}.task",
                ref.task,
                f"is also a target: add exceptFor: [{ref.task}], or write {TARGET}",
            )


def _recipes(spec: Experiment, tasks: Tasks) -> Iterator[Problem]:
    """A recipe is a target's: how it is laid out beside other tasks, and what it cannot say."""
    for path, ref in _refs(spec):
        if ref.task != TARGET and tasks[ref.task].recipe:
            steps = listed(step.task for step in tasks[ref.task].recipe)
            message = f"has no training data, it trains by a recipe: name {steps} instead"
            yield Problem(f"{path}.task", ref.task, message)
    for place in _places(spec):
        for target in _targets(spec):
            refs, recipe = tasks_of(place.phase, target), tasks[target].recipe
            if target not in refs or not recipe:
                continue
            own = refs[target]
            said = {"languages": own.languages, "split": own.split, "shots": own.shots}
            for field, value in (said | {"view": own.view}).items():
                if value is not None:
                    message = f"{target} trains by a recipe, on other tasks' data as published"
                    yield Problem(f"{place.path}.tasks", {field: value}, message)
            for step in recipe:
                if step.task in refs:
                    message = f"is a step of {target}'s recipe: add exceptFor: [{target}]"
                    yield Problem(f"{place.path}.tasks", step.task, message)


def _without_training_data(spec: Experiment, tasks: Tasks) -> Iterator[Problem]:
    for path, ref in _refs(spec):
        split = ref.split or "train"
        for name in _targets(spec) if ref.task == TARGET else [ref.task]:
            if name in (ref.except_for or ()) or tasks[name].recipe:
                continue
            have = tasks[name].languages(split)
            there = f"it has {listed(have)}" if have else "it can only be scored"
            for number, code in enumerate(ref.languages or [ENGLISH]):
                if code not in have:
                    message = f"{name} has no {split} data in {code} to train on: {there}"
                    if ref.languages and have:
                        yield Problem(f"{path}.languages[{number}]", code, message)
                    else:
                        yield Problem(f"{path}.task", ref.task, message)


def _target_never_trained(spec: Experiment, tasks: Tasks) -> Iterator[Problem]:
    for position, schedule in enumerate(spec.schedules):
        for target in _targets(spec):
            trained = {task for phase in schedule.phases for task in tasks_of(phase, target)}
            if target not in trained and tasks[target].kind != "retrieval":
                yield Problem(
                    f"spec.schedules[{position}].phases",
                    schedule.name,
                    f"no phase trains {TARGET} for {target}, whose head would stay untrained; "
                    "only retrieval targets can be scored so",
                )


def _from_another_phase(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    for schedule, number, phase, path in _places(spec):
        if phase.from_ is None:
            continue
        before = schedule.phases[number - 1].name if number else "encoder"
        if schedule.orders.mode != "listed":
            yield Problem(
                f"{path}.from", phase.from_, "cannot stand beside orders, which move phases"
            )
        elif phase.from_ != before:
            yield Problem(
                f"{path}.from",
                phase.from_,
                "must be the phase before, "
                + (f"{before!r}" if before else "which has no name")
                + ": a phase that nothing starts from trains in vain until `merge` is built",
            )


def _first_phase_carries(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    for position, schedule in enumerate(spec.schedules):
        for target in _targets(spec):
            run = [
                number for number, phase in enumerate(schedule.phases) if tasks_of(phase, target)
            ]
            moved = schedule.orders.mode != "listed" and run
            first = run[:1]
            if moved and is_intermediate(schedule.phases[run[0]]):
                first = [number for number in run if is_intermediate(schedule.phases[number])]
            for number in first:
                if schedule.phases[number].optimizer == "carry":
                    yield Problem(
                        f"spec.schedules[{position}].phases[{number}].optimizer",
                        "carry",
                        "this phase is the first (of some order): the encoder has no optimiser "
                        "state; use reset, or training.lrSchedule: intermediate",
                    )


def _schedule_spans_a_gap(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    if spec.training.lr_schedule != "intermediate":
        return
    for position, schedule in enumerate(spec.schedules):
        numbers = [n for n, phase in enumerate(schedule.phases) if is_intermediate(phase)]
        if numbers and numbers[-1] - numbers[0] >= len(numbers):
            yield Problem(
                f"spec.schedules[{position}].phases",
                schedule.name,
                f"a phase with {TARGET} stands between intermediate phases, which share one "
                "learning-rate schedule: set training.lrSchedule: per-phase",
            )


def _too_many_orders(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    for position, schedule in enumerate(spec.schedules):
        if schedule.orders.mode != "permutations":
            continue
        for target in _targets(spec):
            count = math.factorial(len(intermediate_phases(schedule, target)))
            wanted = _orders_of(schedule, target)
            if wanted > min(count, MAX_ORDERS):
                yield Problem(
                    f"spec.schedules[{position}].orders.count",
                    schedule.orders.count,
                    f"{target} has {count} orders here; valid: up to {min(count, MAX_ORDERS)}",
                )


def _weights_without_a_task(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    arms = [schedule for schedule in spec.schedules if schedule.role == "arm"]
    trained = {ref.task for arm in arms for phase in arm.phases for ref in phase.tasks} - {TARGET}
    if spec.budget.intermediate is not None:
        yield from _missing_weights(spec.budget.shares, trained, "spec.budget.shares.weights")
    for place in _places(spec):
        if place.phase.mixing is not None:
            names = {name for target in _targets(spec) for name in tasks_of(place.phase, target)}
            yield from _missing_weights(place.phase.mixing, names, f"{place.path}.mixing.weights")


def _missing_weights(shares: Shares, names: set[str], path: str) -> Iterator[Problem]:
    missing = sorted(names - set(shares.weights or {}))
    if shares.strategy == "weights" and missing:
        yield Problem(path, shares.weights, f"no weight for {listed(missing)}")


def _dev_score_of_nothing(spec: Experiment, tasks: Tasks) -> Iterator[Problem]:
    if spec.training.checkpoint != "best-english-dev":
        return
    for place in _places(spec):
        for target in _targets(spec):
            names = tasks_of(place.phase, target)
            if names and not any(ENGLISH in tasks[name].languages("dev") for name in names):
                yield Problem(
                    "spec.training.checkpoint",
                    spec.training.checkpoint,
                    f"{place.path} trains {listed(names)}, without English dev data: use last",
                )


def _name_of_a_baseline(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    taken = {arm.schedule.name for arm in baseline_arms(spec)}
    for position, schedule in enumerate(spec.schedules):
        if schedule.name in taken:
            yield Problem(
                f"spec.schedules[{position}].name",
                schedule.name,
                "is the name of a baseline that the spec asks for: choose another",
            )


def _too_large(spec: Experiment, tasks: Tasks) -> Iterator[Problem]:
    """An upper bound, so that nothing is laid out that would fill memory."""
    scores = 0
    for target in spec.targets:
        cells = sum(len(tasks[name].languages("test")) for name in target.tests)
        if spec.languages.codes:
            cells = min(cells, (len(spec.languages.codes) + 1) * len(target.tests))
        chains = sum(_orders_of(schedule, target.task) for schedule in spec.schedules)
        scores += cells * chains * len(spec.encoders) * len(spec.seeds)
    if scores > MAX_SCORES:
        yield Problem(
            "spec", None, f"means up to {scores:,} scores; valid: {MAX_SCORES:,} in one plan"
        )


def _orders_of(schedule: Schedule, target: str) -> int:
    """Chains of a schedule for one seed."""
    if schedule.orders.mode != "permutations":
        return 1
    return schedule.orders.count or math.factorial(len(intermediate_phases(schedule, target)))


REFUSALS: tuple[Refusal, ...] = (
    _target_as_intermediate,
    _recipes,
    _without_training_data,
    _target_never_trained,
    _from_another_phase,
    _first_phase_carries,
    _schedule_spans_a_gap,
    _too_many_orders,
    _weights_without_a_task,
    _dev_score_of_nothing,
    _name_of_a_baseline,
    _too_large,
)
