"""What a free process should do next: pure list scheduling over the board.

Groups of stages that share what is loaded are ranked by the longest way from them to the end
(HEFT's upward rank), so long chains start first. A process takes several groups, fewer as the end
comes near (guided self-scheduling): starting one costs seconds, and none should work alone last.

Source: Topcuoglu et al. 2002, section 4 (upward rank); Polychronopoulos and Kuck 1987 (guided
self-scheduling).
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from math import inf

from xlbench_specs.stages import Stage

from xlbench_operator.local.board import ENDED, Board, State
from xlbench_operator.local.graph import Graph

Cost = Callable[[str], float]
"""Seconds that a stage will take, by key."""

START_S = 5.0
"""What starting a trainer costs: importing its libraries and loading an encoder."""
WORTH_S = 4 * START_S
"""A process gets at least so much work, where that leaves no other without any."""


def ranks(graph: Graph, cost: Cost) -> dict[str, float]:
    """Seconds on the longest way from the start of each stage to the end."""
    found: dict[str, float] = {}
    for key in reversed(list(graph.stages)):
        after = max((found[each] for each in graph.dependents[key]), default=0.0)
        found[key] = cost(key) + after
    return found


def next_batch(board: Board, cost: Cost, jobs: int, idle: int) -> list[str]:
    """Stages for one process, in the order in which it should run them; empty if none can start.

    All stand on one encoder, as two would fill the memory. A batch may also hold what needs the
    products of the batch itself, as long as it is small: others could start it, but not sooner.
    With one job there are no others, and a process takes all it can.
    """
    groups = _ranked(board, cost)
    ready = {group: keys for group in groups if (keys := _startable(board, group, set()))}
    if not ready:
        return []
    total = sum(cost(key) for keys in ready.values() for key in keys)
    enough = max(min(total / idle, WORTH_S), total / (2 * jobs)) if jobs > 1 else inf
    small = WORTH_S if jobs > 1 else inf
    encoder = board.graph.encoder[next(iter(ready))[0]]
    batch: dict[str, None] = {}
    spent = 0.0
    for group in groups:
        if board.graph.encoder[group[0]] != encoder:
            continue
        keys, most = ready.get(group, []), enough
        if not keys:
            keys = _startable(board, group, set(batch))
            most = small - sum(map(cost, keys))
        if not batch or spent < most:
            batch.update(dict.fromkeys(keys))
            spent += sum(map(cost, keys))
    return list(batch)


def backwards(stages: Mapping[str, Stage], batch: Sequence[str]) -> list[str]:
    """The same batch with each run of scores in the opposite order.

    What frozen layers say of a set one process computes, and others that ask wait for it. Two that
    come from both ends meet once, and the second half is kept by then.
    """
    runs = groupby(batch, key=lambda key: stages[key].kind == "evaluate")
    return [
        key for scores, keys in runs for key in (reversed(list(keys)) if scores else list(keys))
    ]


def left_s(board: Board, cost: Cost, jobs: int, running: Mapping[str, float]) -> float:
    """Seconds until all is done: the work shared by all, or the longest chain if that is more.

    `running` maps stages to the part of them that is done, in [0, 1].
    """
    rest = {
        key: 0.0 if state in ENDED else cost(key) * (1.0 - running.get(key, 0.0))
        for key, state in board.states.items()
    }
    longest = max(ranks(board.graph, rest.__getitem__).values(), default=0.0)
    return max(longest, sum(rest.values()) / jobs)


def _ranked(board: Board, cost: Cost) -> list[tuple[str, ...]]:
    """Groups that somebody must still run: data first, then the longest way to the end.

    All data first, as a process that trains a model should find what to score it on.
    """
    rank = ranks(board.graph, lambda key: 0.0 if board.states[key] in ENDED else cost(key))
    groups = [
        waiting
        for group in board.graph.groups
        if (waiting := tuple(key for key in group if board.states[key] is State.WAITING))
    ]

    def order(group: tuple[str, ...]) -> tuple[bool, float]:
        heavy = board.graph.stages[group[0]].kind in {"train", "evaluate"}
        return heavy, -max(rank[key] for key in group)

    return sorted(groups, key=order)


def _startable(board: Board, group: tuple[str, ...], earlier: set[str]) -> list[str]:
    """The stages of a group that one process can run now, one after another.

    None while a data set of the group is being prepared: that is soon over, and a model's process
    should find all that its model is scored on.
    """
    stages = board.graph.stages
    sources = {source for key in group for source in stages[key].inputs.values()} - earlier
    if any(stages[each].kind == "prepare" and board.states[each] not in ENDED for each in sources):
        return []
    have = set(earlier)
    keys = []
    for key in group:
        if all(board.finished(each) or each in have for each in stages[key].inputs.values()):
            have.add(key)
            keys.append(key)
    return keys
