"""How far every stage of a plan is: from manifests and the record of failures alone. Pure.

A stage that fails in a way that may pass is tried again, later each time, until five attempts in
a row brought it no further. What needs a stage that failed for good is skipped. Called by
`decide`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from xlbench_specs.manifests import Attempt, Failure
from xlbench_specs.plans import Bundle, Plan
from xlbench_specs.stages import Stage

from xlbench_operator.operating.situation import Situation
from xlbench_operator.planning.bundles import bundle_of

STALLED_LIMIT = 5
"""Attempts in a row without progress after which a stage has failed."""
FIRST_DELAY_S, LONGEST_DELAY_S = 10.0, 600.0


class State(Enum):
    """How far a stage is."""

    WAITING = "waiting"
    """It is to be run, or runs."""
    DONE = "done"
    """It has a manifest."""
    FAILED = "failed"
    """It failed, and nothing will try it again."""
    SKIPPED = "skipped"
    """Something that it needs failed or was skipped."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of the attempts at a stage."""

    failure: Failure
    """The last failure."""
    stalled: int
    """Attempts without progress, the last ones in a row."""
    reached: int
    """The furthest checkpoint."""
    ended: float
    """When the last attempt ended."""

    @property
    def final(self) -> bool:
        """Whether nothing will try it again."""
        return not self.failure.retryable or self.stalled >= STALLED_LIMIT

    @property
    def not_before(self) -> float:
        """When it may be tried again: a little later each time."""
        doublings = max(0, self.stalled - 1)
        return self.ended + min(FIRST_DELAY_S * 2.0**doublings, LONGEST_DELAY_S)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the plan and its report are."""

    states: Mapping[str, State]
    """Every stage of the plan, in its order."""
    trials: Mapping[str, Trial]
    """Stages that failed since `execution.retryFailed` was last raised."""
    report: Stage | None
    """The report that is due; None while stages are waiting."""
    report_state: State

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do."""
        return self.report is not None and self.report_state is not State.WAITING

    def state(self, key: str) -> State:
        """State of a stage of the plan, or of the report."""
        return self.states.get(key, self.report_state)

    def bundles(self, plan: Plan) -> list[Bundle]:
        """What there is to run: the plan's bundles, and the report's once it is due."""
        report = [bundle_of("report", [self.report.key])] if self.report else []
        return [*plan.bundles, *report]


def standing_of(situation: Situation) -> Standing:
    """How far every stage is."""
    plan, found = situation.plan, situation.found
    tried = trials(found.attempts, situation.spec.execution.retry_failed)
    blamed = {failure.key for attempt in found.attempts for failure in attempt.failures}
    states = _states(plan, found.finished, tried, blamed)
    report = report_due(situation, states)
    return Standing(
        states=states,
        trials=tried,
        report=report,
        report_state=_own_state(report.key, found.finished, tried) if report else State.WAITING,
    )


def trials(attempts: Iterable[Attempt], retries: int) -> dict[str, Trial]:
    """What came of each stage that failed since `retries` is asked for, by stage."""
    found: dict[str, Trial] = {}
    for attempt in sorted(attempts, key=lambda attempt: (attempt.number, attempt.job)):
        if attempt.retries < retries:
            continue
        for failure in attempt.failures:
            before = found.get(failure.key)
            reached = attempt.reached.get(failure.key, 0)
            furthest, stalled = (before.reached, before.stalled) if before else (0, 0)
            found[failure.key] = Trial(
                failure=failure,
                stalled=0 if reached > furthest else stalled + 1,
                reached=max(reached, furthest),
                ended=attempt.ended,
            )
    return found


def report_due(situation: Situation, states: Mapping[str, State]) -> Stage | None:
    """The report stage once every stage has ended: its key says how each score came out."""
    if State.WAITING in states.values():
        return None
    scores = situation.plan.stages_of("evaluate")
    outcomes = {key: states[key].value for key in scores}
    return situation.plan.report_stage(situation.spec.analysis, outcomes)


def _states(
    plan: Plan, finished: frozenset[str], tried: Mapping[str, Trial], blamed: set[str]
) -> dict[str, State]:
    """State of every stage; the plan lists inputs first.

    A stage that failed before what it needs did counts as failed: the report finds its failure in
    the store, and both must say the same.
    """
    states: dict[str, State] = {}
    for key, stage in plan.stages.items():
        own = _own_state(key, finished, tried)
        lost = {states[each] for each in stage.inputs.values()} & {State.FAILED, State.SKIPPED}
        if own is State.WAITING and lost:
            own = State.FAILED if key in blamed else State.SKIPPED
        states[key] = own
    return states


def _own_state(key: str, finished: frozenset[str], tried: Mapping[str, Trial]) -> State:
    if key in finished:
        return State.DONE
    return State.FAILED if key in tried and tried[key].final else State.WAITING
