"""The operator as a process: watches wake, workers reconcile, probes answer, SIGTERM ends it.

Assembles what the other modules do and decides nothing. Called by `xlbench-operator run`.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from functools import cache, partial
from http import HTTPStatus

from xlbench_specs import store as stores
from xlbench_specs.crd import KubeObject
from xlbench_specs.exits import CommandExit
from xlbench_specs.tasks import task_table

from xlbench_operator.cluster.connection import (
    EXPERIMENTS,
    JOBS,
    PLURAL,
    ApiError,
    Connection,
    UnreachableError,
    resource,
)
from xlbench_operator.cluster.listing import Listing
from xlbench_operator.cluster.objects import ApiCluster, experiments
from xlbench_operator.cluster.probes import Page, Probes, verdict
from xlbench_operator.cluster.watching import LONGEST_PAUSE_S, Watch, watch
from xlbench_operator.operating.admission import Admission
from xlbench_operator.operating.decide import RESYNC_S
from xlbench_operator.operating.loop import Loop, pause
from xlbench_operator.operating.metrics import CONTENT_TYPE, Metrics
from xlbench_operator.operating.names import SELECTOR
from xlbench_operator.operating.observed import job_of, subject_of
from xlbench_operator.operating.reconcile import Cluster, Key, Shell
from xlbench_operator.operating.results import Results
from xlbench_operator.operating.settings import Settings
from xlbench_operator.operating.store_calls import CountedStore
from xlbench_operator.operating.wakeups import Wakeups

LOG = logging.getLogger(__name__)

STALE_S = 300.0
"""Age of the last good LIST from which on the operator counts as dead."""
WRITES = 8
"""Jobs that one worker makes or deletes at a time."""
FINISH_S = 45.0
"""What running passes have to finish after SIGTERM; a pod has 60 s in the chart."""


class Service:
    """A running operator."""

    def __init__(self, settings: Settings, connection: Connection, metrics: Metrics) -> None:
        """Put it together; nothing runs yet."""
        self._settings, self._connection, self._metrics = settings, connection, metrics
        connection.heard = metrics.api_request
        self._stop, self._look = threading.Event(), threading.Event()
        self._known: set[Key] = set()
        self._ready = False
        self._wakeups = Wakeups()
        self._listing = Listing(
            connection, settings.namespace, heard=lambda: metrics.listed(time.time())
        )
        self._loop = Loop(
            partial(ApiCluster, connection, self._listing),
            self._shell,
            wakeups=self._wakeups,
            admission=Admission(settings.caps),
            metrics=metrics,
        )
        self._results = cache(self._open)
        self._tasks = task_table()

    def check_store(self) -> None:
        """Try what the commit protocol stands on, where this operator will write.

        Raises: `RefusedError`, `UnavailableError`, and `ValueError` for an address that is none.
        """
        settings = self._settings
        root = settings.root(settings.namespace) if settings.namespace else settings.store
        stores.check(stores.open_store(root))

    def run(self) -> None:
        """Work until told to stop; running passes are finished.

        Raises: `SystemExit` if the port cannot be had; nothing was begun then.
        """
        probes = self._probes()
        workers = [
            threading.Thread(target=self._loop.work, name=f"worker-{number}", daemon=True)
            for number in range(self._settings.workers)
        ]
        watches = [
            threading.Thread(
                target=watch, args=(self._connection, each, self._stop), name="watch", daemon=True
            )
            for each in self._watches()
        ]
        try:
            for thread in (*workers, *watches):
                thread.start()
            LOG.info("running: %s, %s, port %d", self._where(), self._connection.host, probes.port)
            self._resync()
        finally:
            self._wakeups.close()
            _join(workers, FINISH_S)
            probes.close()
            LOG.info("stopped")

    def _probes(self) -> Probes:
        port = self._settings.port
        pages = {"/metrics": self._page, "/healthz": self._health, "/readyz": self._readiness}
        try:
            return Probes(port, pages)
        except OSError as error:
            LOG.critical("XLBENCH_HTTP_PORT = %d: %s", port, error.strerror)
            raise SystemExit(CommandExit.BAD_SPEC) from error

    def stop(self) -> None:
        """Take no more work; may be called from anywhere, also from the handler of a signal."""
        # In a thread: the main one may be stopped inside the lock of what is set here.
        threading.Thread(target=self._ask_to_stop, name="stop").start()

    def _ask_to_stop(self) -> None:
        self._stop.set()
        self._look.set()

    def _resync(self) -> None:
        """Each minute, and whenever a watch broke, wake all whom something may have happened to.

        Those that an error put off are left alone each minute: they have times of their own. But
        not when events may have been missed or the server was away, which may have been the error.
        """
        failures, missed = 0, True
        while not self._told_to_stop():
            try:
                self._wake_all(self._wakeups.wake if missed else self._wakeups.remind)
            except (ApiError, UnreachableError) as error:
                failures += 1
                wait_s = pause(failures, LONGEST_PAUSE_S)
                LOG.warning("no LIST: %s; again in %.0f s", error, wait_s)
            else:
                failures, wait_s = 0, RESYNC_S
            missed = self._look.wait(wait_s) or failures > 0

    def _told_to_stop(self) -> bool:
        """Whether to stop. The call to look is taken back first, so that none is missed."""
        self._look.clear()
        return self._stop.is_set()

    def _wake_all(self, wake: Callable[[Iterable[Key]], None]) -> None:
        """List everything; wake all but those that ended and have no Job left.

        At first these too: their scores are to be shown, and their objects may be due to go.
        """
        found = experiments(self._connection, self._settings.namespace)
        jobs = self._listing.jobs(time.monotonic())
        owners = {job_of(job).owner for job in jobs}
        subjects = [subject_of(raw) for raw in found]
        everybody = {Key(subject.namespace, subject.name) for subject in subjects}
        quiet = {
            Key(subject.namespace, subject.name)
            for subject in subjects
            if self._ready and subject.settled and subject.uid not in owners
        }
        gone = self._known - everybody
        wake((everybody - quiet) | gone)
        self._known, self._ready = everybody, True

    def _watches(self) -> Iterable[Watch]:
        namespace, look = self._settings.namespace, self._look.set
        wake = self._wakeups.wake
        jobs, specs = resource(JOBS, "jobs", namespace), resource(EXPERIMENTS, PLURAL, namespace)
        yield Watch(jobs, {"labelSelector": SELECTOR}, self._loop.concerned, wake, look)
        yield Watch(specs, {}, asked, wake, look)

    def _shell(self, key: Key, cluster: Cluster) -> Shell:
        results = self._results(key.namespace)
        return Shell(cluster, results, self._settings, self._tasks, self._metrics, lanes=WRITES)

    def _open(self, namespace: str) -> Results:
        store = stores.open_store(self._settings.root(namespace))
        return Results(CountedStore(store, self._metrics))

    def _page(self) -> Page:
        return Page(HTTPStatus.OK, CONTENT_TYPE, self._metrics.page())

    def _health(self) -> Page:
        age_s = self._listing.age_s
        return verdict(
            good=not self._ready or age_s < STALE_S, words=f"last good LIST {age_s:.0f} s ago"
        )

    def _readiness(self) -> Page:
        return verdict(good=self._ready, words="ready" if self._ready else "before the first LIST")

    def _where(self) -> str:
        return f"namespace {self._settings.namespace}" if self._settings.namespace else "cluster"


def asked(raw: KubeObject, event: str) -> list[Key]:
    """The experiment, if its user asked something of it that its status does not speak of yet.

    So what the operator itself writes does not wake it.
    """
    metadata, status = raw["metadata"], raw.get("status") or {}
    known = status.get("observedGeneration") == metadata["generation"]
    if known and event != "DELETED" and "deletionTimestamp" not in metadata:
        return []
    return [Key(metadata["namespace"], metadata["name"])]


def _join(threads: Iterable[threading.Thread], within_s: float) -> None:
    """Wait for threads to end; what still runs then ends with the process, which heals."""
    deadline = time.monotonic() + within_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            LOG.warning("%s did not finish within %.0f s", thread.name, within_s)
