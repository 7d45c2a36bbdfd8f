"""A namespace with an operator, its store, and stand-ins for the pods."""

import json
import re
import sys
import uuid
from collections import Counter
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import yaml
from machine_room.processes import Process, wait_until
from small_experiment import small_spec
from stand_ins import StandIns, all_is_well, connection_to
from xlbench_operator.cluster.connection import EXPERIMENTS, JOBS, MERGE_PATCH, ApiError, resource
from xlbench_operator.main import yaml_text
from xlbench_operator.operating.rbac import NAME, role
from xlbench_specs.crd import custom_resource_definition
from xlbench_specs.drill import KILL_AT, KILL_MARK
from xlbench_specs.store import open_store

OPERATOR = Path(sys.prefix) / "bin/xlbench-operator"
ENDED = {"Done", "Failed", "Refused"}
END_WITHIN_S = 180


class Place:
    """A namespace of its own, the store of its experiments, and operators that look after it."""

    def __init__(self, control_plane, folder, fate=all_is_well):
        self.control_plane, self.folder = control_plane, folder
        self.namespace = f"test-{uuid.uuid4().hex[:10]}"
        self.connection = connection_to(control_plane.kubeconfig)
        self.root = (folder / "store" / self.namespace).as_uri()
        self.store = open_store(self.root)
        self.stand_ins = StandIns(self.connection, self.namespace, self.root, fate)
        self.operators = []
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        self.connection.call("POST", "/api/v1/namespaces", body=space)
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(json.dumps(self._account()))

    # Operators.

    def operator(self, **environment):
        """An operator process, started."""
        process = Process(
            f"operator-{len(self.operators)}",
            [OPERATOR, "run"],
            self.folder / f"operator-{len(self.operators)}.log",
            {
                "KUBECONFIG": str(self.kubeconfig),
                "XLBENCH_STORE": (self.folder / "store").as_uri(),
                "XLBENCH_TRAINER_IMAGE": "trainer:test",
                "XLBENCH_OPERATOR_IMAGE": "operator:test",
                "XLBENCH_NAMESPACE": self.namespace,
                "XLBENCH_HTTP_PORT": "0",
                **environment,
            },
        )
        process.start()
        self.operators.append(process)
        return process

    def operator_that_dies(self, point):
        """An operator that is killed at a point, once."""
        mark = self.folder / "killed"
        return self.operator(**{KILL_AT: point, KILL_MARK: str(mark)}), mark

    def close(self):
        for process in self.operators:
            process.stop(grace_s=10)
        self.connection.call("DELETE", f"/api/v1/namespaces/{self.namespace}")

    def _account(self):
        """A kubeconfig of an account that has the operator's rights and no others."""
        names, core = {"name": NAME}, f"/api/v1/namespaces/{self.namespace}"
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}"
        account = {"kind": "ServiceAccount", **names, "namespace": self.namespace}
        binding = {
            "metadata": names,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", **names},
            "subjects": [account],
        }
        post = partial(self.connection.call, "POST")
        post(f"{core}/serviceaccounts", body={"metadata": names})
        post(f"{rbac}/roles", body=role(self.namespace))
        post(f"{rbac}/rolebindings", body=binding)
        token = post(f"{core}/serviceaccounts/{NAME}/token", body={"spec": {}})["status"]["token"]
        config = yaml.safe_load(self.control_plane.kubeconfig.read_text())
        config["users"][0]["user"] = {"token": token}
        return config

    # What users do.

    def apply(self, document):
        """Create an experiment."""
        path = resource(EXPERIMENTS, "experimentspecs", self.namespace)
        return self.connection.call("POST", path, body=document)

    def edit(self, name, **spec):
        """Change fields of the spec."""
        path = resource(EXPERIMENTS, "experimentspecs", self.namespace, name)
        return self.connection.call("PATCH", path, body={"spec": spec}, content=MERGE_PATCH)

    def delete(self, name):
        path = resource(EXPERIMENTS, "experimentspecs", self.namespace, name)
        return self.connection.call("DELETE", path)

    # What there is.

    def experiment(self, name="small"):
        path = resource(EXPERIMENTS, "experimentspecs", self.namespace, name)
        return self.connection.call("GET", path)

    def status(self, name="small"):
        return self.experiment(name).get("status", {})

    def jobs(self):
        return self.connection.call("GET", resource(JOBS, "jobs", self.namespace))["items"]

    def live_jobs(self):
        return [job for job in self.jobs() if not ended(job)]

    def events(self):
        """Reason and message of each event about an experiment."""
        path = resource("/api/v1", "events", self.namespace)
        query = {"fieldSelector": "involvedObject.kind=ExperimentSpec"}
        found = self.connection.call("GET", path, query=query)["items"]
        return Counter((each["reason"], each["message"]) for each in found)

    def wait(self, true, what, within_s=END_WITHIN_S):
        """Wait for something; an API server that is away has not made it true."""

        def seen():
            try:
                return true()
            except (ApiError, RuntimeError):
                return False

        wait_until(seen, what, within_s, self.explain)

    def wait_for_end(self, name="small", within_s=END_WITHIN_S):
        self.wait(lambda: self.status(name).get("phase") in ENDED, f"the end of {name}", within_s)

    def explain(self):
        said = [process.log_tail() for process in self.operators]
        return "\n".join([json.dumps(self.status(), indent=1), *said])

    def end_of(self, name="small"):
        """All that an experiment ends in, without what differs from one run to the next."""
        raw = self.experiment(name)
        text = json.dumps(
            {
                "status": _without_times(raw["status"]),
                "manifests": self.store.list("manifests"),
                "experiment": self.store.list(f"experiments/{name}"),
                "jobs": sorted(job["metadata"]["name"] for job in self.jobs()),
                "live": len(self.live_jobs()),
            }
        )
        uid = raw["metadata"]["uid"]
        own_names = [
            (str(self.folder), "FOLDER"),
            (self.namespace, "NAMESPACE"),
            (uid, "UID"),
            (uid.replace("-", "")[:8], "SHORT"),
        ]
        for path in self.store.list("manifests/report"):  # its key says whose report it is
            key = Path(path).stem
            own_names.append((key, "REPORT"))
        text = re.sub(r"report-[0-9a-f]{12}-", "report-KEY-", text)
        for own, common in own_names:
            text = text.replace(own, common)
        return json.loads(text)


def ended(job):
    conditions = job["status"].get("conditions", [])
    return any(
        each["status"] == "True" and each["type"] in {"Complete", "Failed"} for each in conditions
    )


def _without_times(status):
    conditions = [
        {key: value for key, value in each.items() if key != "lastTransitionTime"}
        for each in status["conditions"]
    ]
    return {**status, "conditions": conditions}


@pytest.fixture(scope="session")
def crd(control_plane):
    """The definition of ExperimentSpec, established."""
    text = yaml_text(custom_resource_definition())
    control_plane.kubectl("apply", "-f", "-", stdin=text)
    name = yaml.safe_load(text)["metadata"]["name"]
    control_plane.kubectl("wait", "--for=condition=established", f"crd/{name}", "--timeout=30s")


@pytest.fixture
def place(control_plane, crd, tmp_path):  # noqa: ARG001 - must be there
    made = Place(control_plane, tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def places(control_plane, crd):  # noqa: ARG001 - must be there
    """Makes places, for tests that have several."""

    @contextmanager
    def make(folder, fate=all_is_well):
        made = Place(control_plane, folder, fate)
        try:
            yield made
        finally:
            made.close()

    return make


@pytest.fixture(scope="session")
def spec():
    return small_spec
