"""Batches: which task each update trains, and which examples it takes.

The same per-task example sequence in every arm: a phase interleaves the streams of its tasks, it
never draws from them differently.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple, assert_never

import numpy as np
from numpy.typing import NDArray
from xlbench_specs.stages import TrainParams

from xlbench_trainer.randomness import derive, examples, shuffled
from xlbench_trainer.tokens import PreparedSet


class Part(NamedTuple):
    """What one update takes of one task: positions first..last of the task's stream."""

    task: str
    first: int
    last: int


def updates(params: TrainParams) -> list[list[Part]]:
    """The parts of every update of a phase, in order.

    Homogeneous: each update is one task's batch, tasks in a seeded order. Mixed: each update is
    a batch over all tasks, drawn in a seeded order that gives every task its exact dose.
    """
    doses = {task: dose.updates for task, dose in sorted(params.tasks.items())}
    names = [f"{task}:{params.tasks[task].occurrence}" for task in doses]
    stream = derive(params.seed, "interleave", *names)
    match params.batches:
        case "homogeneous":
            order = shuffled([task for task, count in doses.items() for _ in range(count)], stream)
            rows = [[task] * params.batch_size for task in order]
        case "mixed":
            size = params.batch_size
            pool = [task for task, count in doses.items() for _ in range(count * size)]
            order = shuffled(pool, stream)
            rows = [order[start : start + size] for start in range(0, len(order), size)]
        case never:
            assert_never(never)
    return list(_parts(rows))


def _parts(rows: list[list[str]]) -> Iterator[list[Part]]:
    taken: Counter[str] = Counter()
    for row in rows:
        counts = Counter(row)
        yield [Part(task, taken[task], taken[task] + counts[task]) for task in sorted(counts)]
        taken.update(counts)


def examples_of(
    part: Part, params: TrainParams, sets: Mapping[str, PreparedSet]
) -> NDArray[np.int64]:
    """Numbers of the examples of a part."""
    occurrence = params.tasks[part.task].occurrence
    span = (part.first, part.last)
    return examples(sets[part.task].size, params.seed, part.task, occurrence, span)


def drawn(task: str, params: TrainParams, prepared: PreparedSet) -> NDArray[np.int64]:
    """Numbers of the examples that a phase takes of a task, ascending, each once."""
    dose = params.tasks[task]
    span = (0, dose.updates * params.batch_size)
    return np.unique(examples(prepared.size, params.seed, task, dose.occurrence, span))
