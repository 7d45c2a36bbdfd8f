"""Plays kubelet and trainer where there is a control plane alone.

Pods of our Jobs end as soon as they are there: their stages have manifests, or failures, and their
status says so; the real Job controller does the rest. Used by the tests of the operator and by its
benchmark, which has a fake node for the pods and needs `write_results` only.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from finished_stages import failure_of, manifest_of
from kubernetes import config
from kubernetes.client import Configuration
from xlbench_operator.cluster.connection import CORE, ApiError, Connection, resource
from xlbench_operator.operating.jobs import CONTAINER
from xlbench_operator.operating.names import DOMAIN, SELECTOR
from xlbench_specs import layout
from xlbench_specs.exits import TrainerExit
from xlbench_specs.stages import Stage, StageFile
from xlbench_specs.store import Store, commit, open_store

KIND = f"{DOMAIN}/kind"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"

Fate = Callable[[Stage, str], bool | None]
"""Of a stage in a Job: None if it works out, else whether trying again may help."""


def connection_to(kubeconfig: Path) -> Connection:
    """The cluster of a kubeconfig."""
    configuration = Configuration()
    config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    return Connection(configuration, "default")


def all_is_well(stage: Stage, job: str) -> bool | None:  # noqa: ARG001 - a fate
    """No stage fails."""
    return None


@contextmanager
def in_a_thread(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Have something done meanwhile; it ends soon after its event is set."""
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def write_results(store: Store, path: str, attempt: str, fate: Fate = all_is_well) -> TrainerExit:
    """Do what a trainer does with a stage file, but for the work; how it would exit."""
    file = StageFile.model_validate_json(store.read(path).data)
    lost = set()
    for stage in file.stages:
        again = fate(stage, file.job)
        if again is None:
            commit(store, manifest_of(stage, attempt))
        else:
            lost.add(again)
            failure = failure_of(stage, retryable=again, job=file.job)
            store.put(layout.failure(file.experiment, stage.key), failure.text().encode())
    if not lost:
        return TrainerExit.DONE
    if lost == {False}:
        return TrainerExit.BAD_TASK
    return TrainerExit.PARTIAL if len(file.stages) > 1 else TrainerExit.FAILED


class StandIns:
    """Pods that end at once, in one namespace."""

    def __init__(
        self, connection: Connection, namespace: str, root: str, fate: Fate = all_is_well
    ) -> None:
        """Play the pods of a namespace, whose results go to the store at `root`."""
        self.connection, self.namespace, self.fate = connection, namespace, fate
        self.store = open_store(root)
        self.held: set[str] = set()
        """Kinds of stages whose pods do not end."""
        self.played: set[str] = set()
        """Uids of pods that ended."""
        self.attempts: Counter[str] = Counter()
        """Pods that ended, by the name of their Job."""

    def at_work(self, every_s: float = 0.2) -> AbstractContextManager[None]:
        """Play in a thread, through whatever happens to the API server."""
        return in_a_thread(partial(self._play_until, every_s=every_s))

    def play(self) -> int:
        """End every pod that is there; how many these were."""
        path = resource(CORE, "pods", self.namespace)
        pods = self.connection.call("GET", path, query={"labelSelector": SELECTOR})["items"]
        fresh = [pod for pod in pods if self._is_fresh(pod)]
        for pod in fresh:
            self._end(pod)
        return len(fresh)

    def _is_fresh(self, pod: dict) -> bool:
        metadata = pod["metadata"]
        known = metadata["uid"] in self.played or metadata["labels"][KIND] in self.held
        return not known and "deletionTimestamp" not in metadata

    def _end(self, pod: dict) -> None:
        metadata, (container,) = pod["metadata"], pod["spec"]["containers"]
        code = write_results(self.store, container["args"][-1], metadata["uid"], self.fate)
        path = resource(CORE, "pods", self.namespace, metadata["name"], "status")
        try:
            self.connection.call("PATCH", path, body=_end_of_pod(code), content=STRATEGIC_PATCH)
        except ApiError as error:
            if error.status != 404:  # its Job went meanwhile
                raise
        self.played.add(metadata["uid"])
        self.attempts[metadata["labels"]["batch.kubernetes.io/job-name"]] += 1

    def _play_until(self, stop: threading.Event, every_s: float) -> None:
        while not stop.wait(every_s):
            try:
                self.play()
            except (ApiError, RuntimeError):
                time.sleep(every_s)  # a kubelet goes on, too, while the API server is away


def _end_of_pod(code: TrainerExit) -> dict:
    """The status of a pod whose container exited."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    ended = {"exitCode": int(code), "startedAt": moment, "finishedAt": moment}
    container = {
        "name": CONTAINER,
        "image": "none",
        "imageID": "none",
        "ready": False,
        "restartCount": 0,
        "state": {"terminated": ended},
    }
    phase = "Failed" if code else "Succeeded"
    return {"status": {"phase": phase, "startTime": moment, "containerStatuses": [container]}}
