"""Workers that take keys and reconcile them; the one place where errors become outcomes.

A key is with one worker at a time. What goes wrong with one experiment puts that one off, longer
each time, and no other. Called by `cluster.service`, once for each worker.
"""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, Protocol

from xlbench_specs.crd import KubeObject
from xlbench_specs.store import CorruptError, RefusedError, UnavailableError

from xlbench_operator.cluster.connection import ApiError, UnreachableError
from xlbench_operator.operating.admission import Admission, owner_of
from xlbench_operator.operating.decide import Decision
from xlbench_operator.operating.events import Note, event_of
from xlbench_operator.operating.metrics import Metrics
from xlbench_operator.operating.observed import job_of, subject_of
from xlbench_operator.operating.reconcile import Cluster, Key, NameTakenError, Shell, reconcile
from xlbench_operator.operating.wakeups import Wakeup, Wakeups

LOG = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0

Trouble = Literal["transient", "stuck", "bug"]
"""What an error means: later it may be gone; a person must act; the program is wrong."""


class Sight(Cluster, Protocol):
    """The cluster as one pass sees it."""

    def every_job(self) -> list[KubeObject]:
        """All Jobs of ours in all namespaces that are looked after."""
        ...


class Loop:
    """What the workers share."""

    def __init__(
        self,
        sight: Callable[[float], Sight],
        shell: Callable[[Key, Cluster], Shell],
        *,
        wakeups: Wakeups,
        admission: Admission,
        metrics: Metrics,
    ) -> None:
        """Take keys from `wakeups`.

        Args:
            sight: The cluster, seen no earlier than a monotonic time.
            shell: What a pass over an experiment acts through.
            wakeups: Keys to look at.
            admission: Keeps the deployment's caps.
            metrics: Counts passes.
        """
        self._sight, self._shell = sight, shell
        self._wakeups, self._admission, self._metrics = wakeups, admission, metrics
        self._failures: dict[Key, int] = {}
        self._waiting: set[Key] = set()

    def work(self) -> None:
        """Look at one key after another until the wake-ups are closed."""
        while (wakeup := self._wakeups.take()) is not None:
            again_after_s = self._look(wakeup)
            put_off = wakeup.key in self._failures
            self._wakeups.done(wakeup.key, again_after_s, put_off=put_off)

    def concerned(self, job: KubeObject, event: str) -> set[Key]:
        """Whom it concerns that a Job changed: its owner and, at its end, who waits for that."""
        owner = owner_of(job)
        keys = {owner} if owner else set()
        if event == "DELETED" or not job_of(job).live:
            namespace = job["metadata"]["namespace"]
            keys |= {key for key in list(self._waiting) if key.namespace == namespace}
            keys |= set(self._admission.hungry)
        return keys

    def _look(self, wakeup: Wakeup) -> float | None:
        """Reconcile; seconds after which to look again, None for never."""
        key, sight, begun = wakeup.key, self._sight(wakeup.since), time.monotonic()
        try:
            sight.every_job()  # waits for the LIST that all share, which is no work on this key
            begun = time.monotonic()
            decision = self._reconcile(key, sight)
        except Exception as error:  # noqa: BLE001 - the one place that answers for all of them
            trouble = trouble_of(error)
            self._metrics.reconciled("bug" if trouble == "bug" else "later", _since(begun))
            return self._put_off(key, sight, error, trouble)
        self._failures.pop(key, None)
        self._metrics.reconciled("done", _since(begun))
        _log(key, decision, _since(begun))
        return decision.requeue_after_s

    def _reconcile(self, key: Key, sight: Sight) -> Decision:
        """One pass within the room that the caps leave."""
        room = self._admission.enter(key, sight.every_job)
        decision = Decision()
        try:
            shell = replace(self._shell(key, sight), room=room)
            decision = reconcile(shell, key, time.time())
        finally:
            others = self._admission.leave(key, used=len(decision.start), held=decision.held)
            self._wakeups.wake(others)
        (self._waiting.add if decision.waits else self._waiting.discard)(key)
        return decision

    def _put_off(self, key: Key, sight: Sight, error: Exception, trouble: Trouble) -> float:
        """Say what went wrong; seconds until the next try."""
        self._failures[key] = failures = self._failures.get(key, 0) + 1
        pause_s = max(pause(failures), getattr(error, "retry_after_s", 0.0))
        level = logging.WARNING if trouble == "transient" else logging.ERROR
        LOG.log(
            level,
            "%s: experiment=%s/%s %s; again in %.0f s",
            trouble,
            *key,
            error,
            pause_s,
            exc_info=error if trouble == "bug" else None,
        )
        if trouble == "stuck" and failures > 1:  # an API server that has just started forbids all
            _complain(sight, key, error)
        return pause_s


def trouble_of(error: Exception) -> Trouble:
    """What an error of a pass means. A spec that is wrong is none: `reconcile` answers it."""
    match error:
        case UnreachableError() | UnavailableError() | OSError():  # the last of a folder as store
            return "transient"
        case ApiError():
            return "transient" if error.transient else "stuck"
        case NameTakenError() | RefusedError() | CorruptError():
            return "stuck"
        case _:
            return "bug"


def pause(failures: int, longest_s: float = LONGEST_PAUSE_S) -> float:
    """Seconds to wait after so many failures in a row; jittered, so that not all come at once."""
    doubled: float = FIRST_PAUSE_S * 2.0 ** min(failures - 1, 16)
    return min(longest_s, doubled) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load only


def _complain(sight: Sight, key: Key, error: Exception) -> None:
    """Tell the experiment's author what keeps it from going on."""
    try:
        raw = sight.experiment(*key)
        if raw is not None:
            note = Note("Warning", "CannotGoOn", str(error))
            sight.tell(event_of(subject_of(raw), note, time.time()))
    except (ApiError, UnreachableError) as unheard:
        LOG.warning("experiment=%s/%s cannot be told: %s", *key, unheard)


def _since(begun: float) -> float:
    return time.monotonic() - begun


def _log(key: Key, decision: Decision, seconds: float) -> None:
    """One line for each pass that did something."""
    done = (len(decision.start), len(decision.delete), len(decision.record))
    LOG.log(
        logging.INFO if any(done) else logging.DEBUG,
        "experiment=%s/%s phase=%s started=%d deleted=%d recorded=%d held=%d seconds=%.3f",
        *key,
        decision.status.phase if decision.status else "-",
        *done,
        decision.held,
        seconds,
    )
