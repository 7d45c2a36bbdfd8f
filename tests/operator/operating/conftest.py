"""A cluster and a store in memory that keep the real rules, and a small experiment to run there."""

import copy
import hashlib
import itertools
import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from finished_stages import failure_of, manifest_of
from small_experiment import small_spec
from xlbench_operator.operating.names import BUNDLE, MANAGED_BY, MANAGER, bundle_key, job_name
from xlbench_operator.operating.observed import subject_of, world_of
from xlbench_operator.operating.reconcile import Key, Shell, reconcile
from xlbench_operator.operating.results import Results
from xlbench_operator.operating.settings import Settings
from xlbench_operator.operating.situation import Found, Situation
from xlbench_operator.planning.plan import make_plan
from xlbench_specs import layout
from xlbench_specs.exits import TrainerExit
from xlbench_specs.experiment import ExperimentSpec
from xlbench_specs.stages import StageFile
from xlbench_specs.store import NotFoundError, Stored, commit
from xlbench_specs.tasks import task_table

NAMESPACE = "team-a"
UID = "00000001-0000-4000-8000-000000000000"
START = 1_800_000_000.0
SETTINGS = Settings(
    store="s3://bench/runs/",
    trainer_image="registry.example/xlbench-trainer@sha256:" + "a" * 64,
    operator_image="registry.example/xlbench-operator@sha256:" + "b" * 64,
)
TASKS = task_table()


def rfc3339(now):
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class MemoryStore:
    """A write-once-capable store; `acts` counts writes."""

    def __init__(self):
        self.objects = {}

    def read(self, path):
        if path not in self.objects:
            raise NotFoundError(path)
        data = self.objects[path]
        return Stored(data, hashlib.sha256(data).hexdigest())

    def create(self, path, data):
        if path in self.objects:
            return False
        self.objects[path] = data
        return True

    def replace(self, path, data, etag):
        if path not in self.objects or self.read(path).etag != etag:
            return False
        self.objects[path] = data
        return True

    def put(self, path, data):
        self.objects[path] = data

    def list(self, prefix):
        return sorted(path for path in self.objects if path.startswith(f"{prefix}/"))


class Rejected(Exception):  # noqa: N818 - what the API server says
    """An API server's 4xx that the operator must never meet."""


class MemoryCluster:
    """The API server's rules about Jobs and experiments, as far as the operator meets them."""

    def __init__(self):
        self.now = START
        self.experiments = {}
        self.job_objects = {}
        self.events = {}
        self.born = []
        """Name and uid of every Job there ever was."""
        self._uids = itertools.count(1)

    # What users do.

    def apply(self, document, namespace=NAMESPACE):
        """Create an experiment or edit its spec; the generation counts edits of the spec."""
        name = document["metadata"]["name"]
        there = self.experiments.get((namespace, name))
        if there is None:
            metadata = {
                "name": name,
                "namespace": namespace,
                "uid": self._uid(),
                "generation": 1,
                "resourceVersion": "1",
                "creationTimestamp": rfc3339(self.now),
                "managedFields": [],
            }
            there = {**copy.deepcopy(document), "metadata": metadata}
            self.experiments[namespace, name] = there
        elif there["spec"] != document["spec"]:
            there["spec"] = copy.deepcopy(document["spec"])
            there["metadata"]["generation"] += 1
            self._touch(there)
        return copy.deepcopy(there)

    def remove(self, namespace, name, *, foreground=False):
        """Delete an experiment; its children follow, in the foreground before it."""
        there = self.experiments[namespace, name]
        if foreground:
            there["metadata"]["deletionTimestamp"] = rfc3339(self.now)
            return
        del self.experiments[namespace, name]
        self._collect(there["metadata"]["uid"])

    # What the operator does.

    def experiment(self, namespace, name):
        return copy.deepcopy(self.experiments.get((namespace, name)))

    def jobs(self, namespace):
        return [
            copy.deepcopy(job)
            for (where, _), job in self.job_objects.items()
            if where == namespace and job["metadata"]["labels"].get(MANAGED_BY) == MANAGER
        ]

    def job(self, namespace, name):
        return copy.deepcopy(self.job_objects.get((namespace, name)))

    def create_job(self, job):
        metadata = job["metadata"]
        where = metadata["namespace"], metadata["name"]
        if len(metadata["name"]) > 63:
            raise Rejected(f"{metadata['name']}: must be no more than 63 characters")
        if where in self.job_objects:
            return False
        there = copy.deepcopy(job)
        uid = self._uid()
        there["metadata"] |= {"uid": uid, "creationTimestamp": rfc3339(self.now)}
        there["status"] = {}
        owners = {each["uid"] for each in metadata["ownerReferences"]}
        self.born.append((metadata["name"], uid))
        if owners & {each["metadata"]["uid"] for each in self.experiments.values()}:
            self.job_objects[where] = there  # else the garbage collector takes it at once
        return True

    def delete_job(self, namespace, name, uid):
        there = self.job_objects.get((namespace, name))
        if there and there["metadata"]["uid"] == uid:
            del self.job_objects[namespace, name]

    def write_status(self, subject, status):
        there = self.experiments.get((subject.namespace, subject.name))
        if there and there["metadata"]["uid"] == subject.uid:
            json.dumps(status)
            there["status"] = copy.deepcopy(status)
            self._touch(there)

    def delete_experiment(self, subject):
        there = self.experiments.get((subject.namespace, subject.name))
        if there and there["metadata"]["resourceVersion"] == subject.version:
            self.remove(subject.namespace, subject.name)

    def tell(self, event):
        metadata = event["metadata"]
        assert metadata["namespace"] == event["involvedObject"]["namespace"]
        self.events.setdefault((metadata["namespace"], metadata["name"]), event)

    # What Job controller and people do.

    def edit_job(self, namespace, name, spec):
        there = self.job_objects[namespace, name]
        if spec["template"] != there["spec"]["template"]:
            raise Rejected("spec.template: field is immutable")
        there["spec"] = copy.deepcopy(spec)

    def end(self, name, kind, reason="", message="", namespace=NAMESPACE):
        """Give a Job the condition that ends it."""
        condition = {
            "type": kind,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": rfc3339(self.now),
        }
        status = self.job_objects[namespace, name]["status"]
        status.setdefault("conditions", []).append(condition)

    def live(self, namespace=NAMESPACE):
        """Names of Jobs that have not ended, sorted."""
        return sorted(
            name
            for (where, name), job in self.job_objects.items()
            if where == namespace and not job["status"].get("conditions")
        )

    def _collect(self, owner):
        gone = [
            where
            for where, job in self.job_objects.items()
            if owner in {each["uid"] for each in job["metadata"]["ownerReferences"]}
        ]
        for where in gone:
            del self.job_objects[where]

    def _touch(self, there):
        version = int(there["metadata"]["resourceVersion"]) + 1
        there["metadata"]["resourceVersion"] = str(version)

    def _uid(self):
        return f"{next(self._uids):08x}-0000-4000-8000-000000000000"


def never(stage, job):  # noqa: ARG001 - a stage never fails
    return None


class Crash(Exception):  # noqa: N818 - an operator that is killed
    """The operator dies here."""


class Interposed:
    """A cluster or a store with something that happens around each call that is named."""

    def __init__(self, inner, names, around):
        self._inner, self._names, self._around = inner, names, around

    def __getattr__(self, name):
        call = getattr(self._inner, name)
        if name not in self._names:
            return call

        def wrapped(*arguments):
            self._around(name, "before")
            answer = call(*arguments)
            self._around(name, "after")
            return answer

        return wrapped


CLUSTER_WRITES = {"create_job", "delete_job", "write_status", "delete_experiment"}
STORE_WRITES = {"create", "put"}


class Lab:
    """A cluster, a store and an operator."""

    def __init__(self, store=None, settings=SETTINGS):
        self.cluster = MemoryCluster()
        self.store = store or MemoryStore()
        self.settings = settings
        self.shell = self.operator()

    def operator(self, cluster=None, store=None):
        """An operator that has just started."""
        results = Results(store or self.store)
        return Shell(cluster or self.cluster, results, self.settings, TASKS)

    def watched_operator(self, around, reads=frozenset()):
        """An operator, with something that happens around each of its writes (and `reads`)."""
        return self.operator(
            Interposed(self.cluster, CLUSTER_WRITES | reads, around),
            Interposed(self.store, STORE_WRITES, around),
        )

    def apply(self, **fields):
        return self.cluster.apply(small_spec(**fields))

    def reconcile(self, name="small", shell=None):
        """Look at it once; seconds after which to look again."""
        pass_over = reconcile(shell or self.shell, Key(NAMESPACE, name), self.cluster.now)
        return pass_over.requeue_after_s

    def settle(self, name="small"):
        """Reconcile until there is nothing to do at this moment."""
        while (after := self.reconcile(name)) == 0:
            pass
        return after

    def status(self, name="small"):
        return self.cluster.experiments[NAMESPACE, name].get("status", {})

    def uid(self, name="small"):
        return self.cluster.experiments[NAMESPACE, name]["metadata"]["uid"]

    def plan(self, name="small"):
        return Results(self.store).plan(layout.experiment(name, self.uid(name)))

    def conditions(self, name="small"):
        return {
            each["type"]: (each["status"], each["reason"])
            for each in self.status(name)["conditions"]
        }

    # The trainer.

    def file(self, job):
        raw = self.cluster.job_objects[NAMESPACE, job]
        path = raw["spec"]["template"]["spec"]["containers"][0]["args"][-1]
        return StageFile.model_validate_json(self.store.read(path).data)

    def finish(self, stage, attempt="pod"):
        """Leave the manifest of a stage."""
        commit(self.store, manifest_of(stage, attempt))

    def say_failed(self, file, stage, *, retryable=True):
        failure = failure_of(stage, retryable=retryable, job=file.job)
        self.store.put(layout.failure(file.experiment, stage.key), failure.text().encode())

    def work(self, job, fails=never):
        """Run a Job to its end; `fails` says of a stage None, or whether trying again may help."""
        file, lost = self.file(job), set()
        for stage in file.stages:
            missing = [key for key in stage.inputs.values() if not self.finished(key)]
            assert not missing, f"{job} was started before its inputs were there"
            retryable = fails(stage, job)
            if retryable is None:
                self.finish(stage)
            else:
                lost.add(retryable)
                self.say_failed(file, stage, retryable=retryable)
        self.end(job, lost)

    def end(self, job, lost=frozenset()):
        if not lost:
            self.cluster.end(job, "Complete")
        elif lost == {False}:
            self.exit(job, TrainerExit.BAD_TASK)
        else:
            self.cluster.end(job, "Failed", "BackoffLimitExceeded", "Job has reached the limit")

    def exit(self, job, code):
        """End a Job by the rule of its failure policy."""
        message = f"Container trainer for pod {NAMESPACE}/{job}-x failed with exit code {int(code)}"
        self.cluster.end(job, "Failed", "PodFailurePolicy", f"{message} matching FailJob rule")

    def finished(self, key):
        return any(path.endswith(f"/{key}.json") for path in self.store.list("manifests"))

    def tick(self, seconds):
        self.cluster.now += seconds

    def run(self, name="small", fails=never, limit=200):
        """Work until the experiment is settled."""
        for _ in range(limit):
            self.settle(name)
            if self.status(name).get("phase") in {"Done", "Failed", "Refused"}:
                return
            live = self.cluster.live()
            if live:
                self.work(live[0], fails)
            else:
                self.tick(60)
        raise AssertionError(f"not settled: {self.status(name)}")

    # The pure core.

    def job(self, bundle, number=1, end="", *, owner=UID, reason="", message="", **times):
        """A raw Job of a bundle; `times` are `created` and `ended`, seconds before START."""
        name = job_name(bundle, owner, number)
        condition = {
            "type": end,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": rfc3339(START - times.get("ended", 0)),
        }
        return {
            "metadata": {
                "name": name,
                "uid": f"uid-of-{name}",
                "creationTimestamp": rfc3339(START - times.get("created", 100)),
                "labels": {MANAGED_BY: MANAGER},
                "annotations": {BUNDLE: bundle_key(bundle)},
                "ownerReferences": [{"uid": owner, "controller": True}],
                **({"deletionTimestamp": rfc3339(START)} if times.get("terminating") else {}),
            },
            "status": {"conditions": [condition]} if end else {},
        }

    def situation(self, *, jobs=(), now=START, found=None, spec=(), plan=None, status=None):
        """What the decision is made from, for the small experiment."""
        raw = MemoryCluster().apply(small_spec(**dict(spec)))
        if status:
            raw["status"] = status
        subject = subject_of(raw)
        document = ExperimentSpec.parse(subject.document)
        return Situation(
            plan=plan or make_plan(document, TASKS, uid=subject.uid),
            spec=document.spec,
            subject=subject,
            world=world_of(jobs, subject.uid),
            found=found or Found(),
            settings=SETTINGS,
            now=now,
        )


@pytest.fixture
def lab():
    return Lab()


@pytest.fixture
def memory():
    """The classes of this file, for tests that make several."""
    return SimpleNamespace(
        Cluster=MemoryCluster,
        Store=MemoryStore,
        Rejected=Rejected,
        Crash=Crash,
        Lab=Lab,
        small_spec=small_spec,
        rfc3339=rfc3339,
        NAMESPACE=NAMESPACE,
        START=START,
        UID=UID,
        SETTINGS=SETTINGS,
        TASKS=TASKS,
    )
