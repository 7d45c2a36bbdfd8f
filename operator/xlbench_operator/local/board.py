"""The board: how far each stage of a local run is.

It holds the rules of ending and retrying and nothing else: no process, no clock, no store.
Written by `execute`, read by `schedule` and the display.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from enum import Enum

from xlbench_specs.stages import Kind

from xlbench_operator.local.graph import Graph

TRIES = 3
"""A stage that keeps failing in a way that may pass is started so often, and no more."""


class State(Enum):
    """How far a stage is."""

    WAITING = "waiting"
    """Nobody runs it."""
    CLAIMED = "claimed"
    """A process of this run has it."""
    DONE = "done"
    """This run finished it."""
    REUSED = "reused"
    """It was there, or another run finished it."""
    FAILED = "failed"
    """It failed for good."""
    SKIPPED = "skipped"
    """Something that it needs failed for good."""


FINISHED = frozenset({State.DONE, State.REUSED})
ENDED = FINISHED | {State.FAILED, State.SKIPPED}


class Board:
    """The state of every stage of a graph."""

    def __init__(self, graph: Graph, finished: Collection[str]) -> None:
        """`finished` are the stages that have a manifest."""
        self.graph = graph
        self.states = {
            key: State.REUSED if key in finished else State.WAITING for key in graph.stages
        }
        self._failures: Counter[str] = Counter()

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do."""
        return all(state in ENDED for state in self.states.values())

    def finished(self, key: str) -> bool:
        """Whether a stage has its manifest."""
        return self.states[key] in FINISHED

    def keys(self, *states: State) -> Iterator[str]:
        """Stages in any of these states, in plan order."""
        return (key for key, state in self.states.items() if state in states)

    def claim(self, keys: Iterable[str]) -> None:
        """A process has these stages now."""
        for key in keys:
            self.states[key] = State.CLAIMED

    def finish(self, key: str, *, reused: bool = False) -> None:
        """A stage has its manifest."""
        if not self.finished(key):
            self.states[key] = State.REUSED if reused else State.DONE

    def release(self, key: str) -> None:
        """A process ended before it came to this stage: anyone may take it."""
        if self.states[key] is State.CLAIMED:
            self.states[key] = State.WAITING

    def fail(self, key: str, *, retryable: bool) -> bool:
        """A stage failed; whether that is final. If so, what depends on it is skipped."""
        self._failures[key] += 1
        if retryable and self._failures[key] < TRIES:
            self.states[key] = State.WAITING
            return False
        self.states[key] = State.FAILED
        self._skip_dependents(key)
        return True

    def counts(self, kind: Kind) -> Counter[State]:
        """How many stages of a kind are in each state."""
        return Counter(
            state for key, state in self.states.items() if self.graph.stages[key].kind == kind
        )

    def _skip_dependents(self, key: str) -> None:
        for dependent in self.graph.dependents[key]:
            if self.states[dependent] not in ENDED:
                self.states[dependent] = State.SKIPPED
                self._skip_dependents(dependent)
