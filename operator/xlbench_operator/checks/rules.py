"""What a rule is, and the walks over a spec that rules share. Called by the rules alone; pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from xlbench_specs.errors import Problem
from xlbench_specs.experiment import Experiment, Phase, Schedule, TaskRef
from xlbench_specs.tasks import Task

Tasks = Mapping[str, Task]
Rule = Callable[[Experiment, Tasks], Iterator[Problem]]
"""Yields a problem for every place where the spec breaks it."""


class PhasePlace(NamedTuple):
    """A phase, where it stands, and in which schedule."""

    path: str
    schedule: Schedule
    phase: Phase


class RefPlace(NamedTuple):
    """A task reference, and where it stands."""

    path: str
    ref: TaskRef


def phases(spec: Experiment) -> Iterator[PhasePlace]:
    """Every phase of every schedule."""
    for row, schedule in enumerate(spec.schedules):
        for column, phase in enumerate(schedule.phases):
            yield PhasePlace(f"spec.schedules[{row}].phases[{column}]", schedule, phase)


def refs(spec: Experiment) -> Iterator[RefPlace]:
    """Every task reference of every phase."""
    for path, _, phase in phases(spec):
        for number, ref in enumerate(phase.tasks):
            yield RefPlace(f"{path}.tasks[{number}]", ref)


def repeats(path: str, names: Sequence[object], field: str = "") -> Iterator[Problem]:
    """A problem for every name that stood in the list before; `field` holds it in an item."""
    for number, name in enumerate(names):
        first = names.index(name)
        if name is not None and first < number:
            message = f"stands twice; it is {path}[{first}]{field} already"
            yield Problem(f"{path}[{number}]{field}", name, message)
