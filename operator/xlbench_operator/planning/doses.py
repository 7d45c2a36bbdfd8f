"""Doses: how many updates each phase of each schedule spends on each of its tasks.

Doses belong to the experiment: `budget.shares` are computed once over the union of the
intermediate tasks of all arms, so that a control with one of them is a prefix of the chain.
Called by `chains`; pure.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from xlbench_specs.errors import Problem, SpecError
from xlbench_specs.experiment import TARGET, Experiment, Phase, Schedule, Shares, TaskRef
from xlbench_specs.tasks import Task

Tasks = Mapping[str, Task]
PhaseDoses = tuple[Mapping[str, int], ...]
"""Per phase, as listed: task to updates."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One mention of a task in a schedule."""

    phase: int
    ref: TaskRef
    task: str


def largest_remainder(total: int, weights: Mapping[str, float]) -> dict[str, int]:
    """`total` in whole parts that are as proportional to the weights as can be; ties by name."""
    weight_sum = math.fsum(weights.values())
    quotas = {name: total * weight / weight_sum for name, weight in weights.items()}
    parts = {name: math.floor(quota) for name, quota in quotas.items()}
    by_remainder = sorted(weights, key=lambda name: (parts[name] - quotas[name], name))
    for name in by_remainder[: total - sum(parts.values())]:
        parts[name] += 1
    return parts


def share_weights(shares: Shares, names: Sequence[str], tasks: Tasks) -> dict[str, float]:
    """Relative weight of each task under a sharing strategy.

    Source: temperature sampling with capped sizes as in T5 (arXiv 1910.10683, section 3.5.2).
    """
    sizes = {name: tasks[name].size("train", "en") for name in names}
    capped = {name: min(size, shares.cap or size) for name, size in sizes.items()}
    match shares.strategy:
        case "uniform":
            return dict.fromkeys(names, 1.0)
        case "proportional":
            return {name: float(size) for name, size in capped.items()}
        case "temperature":
            power = 1.0 / (shares.temperature or 1.0)
            return {name: float(size**power) for name, size in capped.items()}
        case "weights":
            return {name: (shares.weights or {})[name] for name in names}


def tasks_of(phase: Phase, target: str) -> dict[str, TaskRef]:
    """The tasks that a phase trains for a target, `$target` filled in."""
    return {
        target if ref.task == TARGET else ref.task: ref
        for ref in phase.tasks
        if target not in (ref.except_for or ())
    }


def is_intermediate(phase: Phase) -> bool:
    """Whether a phase does not name `$target`."""
    return all(ref.task != TARGET for ref in phase.tasks)


def schedule_doses(spec: Experiment, schedule: Schedule, target: str, tasks: Tasks) -> PhaseDoses:
    """Updates of every task in every phase of a schedule, as listed.

    Raises: `SpecError` where a task has no dose or would get none.
    """
    budgets = _task_budgets(spec, schedule, target, tasks)
    split = _split_by_occurrence(schedule, target, budgets)
    position = spec.schedules.index(schedule) if schedule in spec.schedules else schedule.name
    path = f"spec.schedules[{position}]"
    doses = tuple(
        _phase_doses(phase, target, split[number], tasks)
        for number, phase in enumerate(schedule.phases)
    )
    problems = list(_empty_doses(doses, path))
    if problems:
        raise SpecError(problems)
    return doses


def exposure(doses: PhaseDoses) -> dict[str, int]:
    """Updates of every task over all phases."""
    totals: dict[str, int] = {}
    for phase in doses:
        for task, updates in phase.items():
            totals[task] = totals.get(task, 0) + updates
    return totals


def check_matched(spec: Experiment, target: str, tasks: Tasks) -> None:
    """Hold every arm against the first one.

    Raises: `SpecError` if `budget.match` promises what the arms' phases do not keep.
    """
    arms = [schedule for schedule in spec.schedules if schedule.role == "arm"]
    totals = {arm.name: exposure(schedule_doses(spec, arm, target, tasks)) for arm in arms}
    problems = [
        Problem(f"spec.schedules[{spec.schedules.index(arm)}]", arm.name, difference)
        for arm in arms[1:]
        if (difference := _difference(spec, totals[arms[0].name], totals[arm.name], arms[0].name))
    ]
    if problems:
        raise SpecError(problems)


def _difference(
    spec: Experiment, first: dict[str, int], other: dict[str, int], first_name: str
) -> str | None:
    advice = "make them equal, set `role: control`, or `budget.match: none`"
    match spec.budget.match:
        case "exposure" if first != other:
            return (
                f"updates per task {_in_words(other)} differ from {first_name}'s "
                f"{_in_words(first)}, but budget.match is exposure: {advice}"
            )
        case "updates" if sum(first.values()) != sum(other.values()):
            return (
                f"{sum(other.values())} updates differ from {first_name}'s "
                f"{sum(first.values())}, but budget.match is updates: {advice}"
            )
        case _:
            return None


def _in_words(updates: Mapping[str, int]) -> str:
    return ", ".join(f"{task} {count}" for task, count in sorted(updates.items())) or "none"


def _task_budgets(
    spec: Experiment, schedule: Schedule, target: str, tasks: Tasks
) -> dict[str, int]:
    """Updates of each task in a schedule before any phase overrides them."""
    own = spec.budget.match == "updates" and schedule.role == "arm"
    pool = [schedule] if own else [arm for arm in spec.schedules if arm.role == "arm"]
    names = sorted(
        {ref.task for arm in pool for phase in arm.phases for ref in phase.tasks} - {TARGET}
    )
    if not names or spec.budget.intermediate is None:
        return {target: spec.budget.target}
    weights = share_weights(spec.budget.shares, names, tasks)
    return {
        **largest_remainder(spec.budget.intermediate, weights),
        target: spec.budget.target,
    }


def _occurrences(schedule: Schedule, target: str) -> Iterator[Occurrence]:
    for number, phase in enumerate(schedule.phases):
        for task, ref in tasks_of(phase, target).items():
            yield Occurrence(number, ref, task)


def _split_by_occurrence(
    schedule: Schedule, target: str, budgets: Mapping[str, int]
) -> list[dict[str, int]]:
    """Per phase: task to its part of the task's budget; a task without budget is left out."""
    phases: list[dict[str, int]] = [{} for _ in schedule.phases]
    mentions: dict[str, list[Occurrence]] = {}
    for occurrence in _occurrences(schedule, target):
        mentions.setdefault(occurrence.task, []).append(occurrence)
    for task, occurrences in mentions.items():
        if task not in budgets:
            continue
        weights = {f"{each.phase:04d}": each.ref.share or 1.0 for each in occurrences}
        parts = largest_remainder(budgets[task], weights)
        for each in occurrences:
            phases[each.phase][task] = parts[f"{each.phase:04d}"]
    return phases


def _phase_doses(
    phase: Phase, target: str, planned: Mapping[str, int], tasks: Tasks
) -> dict[str, int]:
    names = list(tasks_of(phase, target))
    if phase.mixing is not None:
        total = phase.updates or sum(planned.values())
        return largest_remainder(total, share_weights(phase.mixing, names, tasks))
    if phase.updates is None:
        return {name: planned.get(name, 0) for name in names}
    known = {name: float(planned[name]) for name in names if planned.get(name)}
    weights = known if len(known) == len(names) else dict.fromkeys(names, 1.0)
    return largest_remainder(phase.updates, weights) if names else {}


def _empty_doses(doses: PhaseDoses, path: str) -> Iterator[Problem]:
    for number, phase in enumerate(doses):
        for task, updates in phase.items():
            if updates < 1:
                yield Problem(
                    f"{path}.phases[{number}]",
                    task,
                    "this task would get no update: raise budget.intermediate, or set the "
                    "phase's `updates` (a task that no arm trains has no dose of its own)",
                )
