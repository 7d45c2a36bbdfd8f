"""All Jobs of ours, listed at most once a second for everybody: what decisions are made from.

Truth is a LIST. The only thing remembered between two of them is what this operator itself made
since the last one began, so that nobody decides without it; a LIST that began later says all, and
clears it. So there is nothing that could outlive the object it stands for. Safe for many threads.
Called by `cluster.objects`.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from xlbench_specs import drill
from xlbench_specs.crd import KubeObject

from xlbench_operator.cluster.connection import JOBS, Connection, resource
from xlbench_operator.operating.names import SELECTOR

SPACING_S = 1.0
"""Time from the beginning of a LIST to that of the next."""
PAGE = "500"
"""Objects in one answer; the next page is asked for by its token."""


class Listed(NamedTuple):
    """A LIST."""

    begun: float
    """When it was asked for, by the monotonic clock: it is no older than that."""
    jobs: tuple[KubeObject, ...]


class Listing:
    """The last LIST of Jobs, and the next one when somebody needs a newer."""

    def __init__(
        self,
        connection: Connection,
        namespace: str | None,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        """List the Jobs of a namespace, or of all; `heard` is called after each good LIST."""
        self._connection, self._namespace, self._heard = connection, namespace, heard
        self._one_at_a_time = threading.Lock()
        self._known = threading.Lock()
        """Held to read or change the next two, which make sense only together."""
        self._last = Listed(float("-inf"), ())
        self._own: dict[str, tuple[float, KubeObject]] = {}
        """Uid to when it was noted and a Job, of those made here since the last LIST began."""

    def jobs(self, since: float) -> list[KubeObject]:
        """All Jobs, as they were at `since` (monotonic) or later.

        Waits for the next LIST if the last is older. Raises: as `Connection.call`.
        """
        if self._last.begun < since:
            self._next(since)
        with self._known:
            listed, own = self._last, dict(self._own)
        there = {job["metadata"]["uid"] for job in listed.jobs}
        return [*listed.jobs, *(job for uid, (_, job) in own.items() if uid not in there)]

    def add(self, job: KubeObject) -> None:
        """Take note of a Job that the server has just made for us."""
        with self._known:
            self._own[job["metadata"]["uid"]] = (time.monotonic(), _core(job))

    @property
    def age_s(self) -> float:
        """Time since the last good LIST was asked for; infinite before the first."""
        return time.monotonic() - self._last.begun

    def _next(self, since: float) -> None:
        """Have the first LIST that begins from now on; those who come meanwhile wait for it."""
        with self._one_at_a_time:
            if self._last.begun < since:
                time.sleep(max(0.0, SPACING_S - self.age_s))
                begun = time.monotonic()
                path = resource(JOBS, "jobs", self._namespace)
                with drill.around("list"):
                    found = every(self._connection, path, {"labelSelector": SELECTOR})
                    self._learn(Listed(begun, tuple(map(_core, found))))
                self._heard()

    def _learn(self, listed: Listed) -> None:
        """Take a LIST for what there is, but for what was made since it began."""
        with self._known:
            self._last = listed
            self._own = {uid: own for uid, own in self._own.items() if own[0] >= listed.begun}


def every(connection: Connection, path: str, query: Mapping[str, str]) -> Iterable[KubeObject]:
    """All objects of a collection, page by page, as they were when the first was asked for.

    Raises: as `Connection.call`; `ApiError` 410 if reading takes longer than the server remembers.
    """
    token = ""
    while True:
        asked = {**query, "limit": PAGE, **({"continue": token} if token else {})}
        answer = connection.call("GET", path, query=asked)
        yield from answer["items"]
        token = answer["metadata"].get("continue", "")
        if not token:
            return


def _core(job: KubeObject) -> KubeObject:
    """What decisions need of a Job: a tenth of it."""
    metadata, status = job["metadata"], job.get("status", {})
    kept = {
        "namespace",
        "name",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "annotations",
        "ownerReferences",
    }
    return {
        "metadata": {name: value for name, value in metadata.items() if name in kept},
        "status": {"conditions": status.get("conditions") or []},
    }
