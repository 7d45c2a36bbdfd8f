"""An API server in memory that keeps the rules which a user's commands meet, behind real HTTP."""

import copy
import itertools
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml
from small_experiment import SMALL
from typer.testing import CliRunner
from xlbench_operator.cli import app
from xlbench_operator.remote import experiments, waiting

EXPERIMENTS = "/apis/xlbench.dev/v1alpha1"


class Refusal(Exception):  # noqa: N818 - what the API server says
    def __init__(self, status, reason, message, causes=()):
        details = {"causes": list(causes)}
        said = {"kind": "Status", "reason": reason, "message": message, "details": details}
        self.status, self.body = status, said


class Api:
    """Namespaces of experiments, Jobs and pods; `broken` refuses everything with a status."""

    def __init__(self):
        self.experiments, self.jobs, self.logs = {}, [], {}
        self.asked = []
        self.broken = None
        self.installed = True
        self.invalid = ()
        """Causes for which the next spec is refused."""
        self.after = {}
        """What happens before the n-th GET of an experiment: a function of it."""
        self._uids, self._versions = itertools.count(1), itertools.count(1)
        self._gets = itertools.count(1)

    def answer(self, method, path, query, body):
        if self.broken:
            raise Refusal(self.broken, "Broken", "something is wrong")
        parts = path.strip("/").split("/")
        if path.startswith(EXPERIMENTS):
            if not self.installed:
                words = "the server could not find the requested resource"
                raise Refusal(404, "NotFound", words)
            rest = parts[3:]
            if rest[0] == "experimentspecs":
                return {"items": list(self.experiments.values())}
            _, namespace, _, *name = rest
            if name:
                return getattr(self, method.lower())(namespace, name[0], query, body)
            there = [each for (space, _), each in self.experiments.items() if space == namespace]
            return {"items": there}
        namespace = parts[parts.index("namespaces") + 1]
        if parts[-1] == "jobs":
            assert query["labelSelector"] == "app.kubernetes.io/managed-by=xlbench"
            return {
                "items": [job for job in self.jobs if job["metadata"]["namespace"] == namespace]
            }
        if parts[-1] == "pods":
            job = query["labelSelector"].removeprefix("batch.kubernetes.io/job-name=")
            return {"items": [pod(job, *each) for each in enumerate(self.logs.get(job, []))]}
        assert parts[-1] == "log"
        job, _, number = parts[-2].rpartition("-")
        text = self.logs[job][int(number)]
        if text is None:
            raise Refusal(400, "BadRequest", "container is waiting to start")
        return text.encode()

    def get(self, namespace, name, query, body):  # noqa: ARG002 - one shape for all
        then = self.after.pop(next(self._gets), None)
        if then:
            then()
        try:
            return self.experiments[namespace, name]
        except KeyError:
            words = f'experimentspecs.xlbench.dev "{name}" not found'
            raise Refusal(404, "NotFound", words) from None

    def patch(self, namespace, name, query, body):
        there = self.experiments.get((namespace, name))
        if self.invalid:
            raise Refusal(422, "Invalid", f"{name} is invalid", self.invalid)
        if "apiVersion" in body:
            assert query["fieldManager"] == "xlbench"
            new = self.applied(there, namespace, name, body)
        else:
            if body["metadata"]["resourceVersion"] != there["metadata"]["resourceVersion"]:
                raise Refusal(409, "Conflict", "the object has been modified")
            new = copy.deepcopy(there)
            new["spec"].setdefault("execution", {}).update(body["spec"]["execution"])
        if there and new["spec"] != there["spec"]:
            new["metadata"]["generation"] += 1
        new["metadata"]["resourceVersion"] = str(next(self._versions))
        if "dryRun" not in query:
            self.experiments[namespace, name] = new
        return new

    def applied(self, there, namespace, name, body):
        if there:
            return {**copy.deepcopy(there), "spec": body["spec"]}
        uid = f"{next(self._uids):08d}-0000-4000-8000-000000000000"
        metadata = {"name": name, "namespace": namespace, "uid": uid, "generation": 1}
        return {**body, "metadata": metadata}

    def delete(self, namespace, name, query, body):  # noqa: ARG002
        assert body["propagationPolicy"] == "Background"
        there = self.experiments[namespace, name]
        assert body["preconditions"] == {"uid": there["metadata"]["uid"]}
        if "dryRun" not in body:
            del self.experiments[namespace, name]
        return {"kind": "Status", "status": "Success"}


def pod(job, number, text):
    """A pod of a Job; with nothing to say and no reason for it, it waits for a node."""
    metadata = {"name": f"{job}-{number}", "creationTimestamp": f"{number}"}
    return {"metadata": metadata, "status": {"phase": "Running" if text != "" else "Pending"}}


class Handler(BaseHTTPRequestHandler):
    def answer(self):
        address = urlsplit(self.path)
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else None
        query = dict(parse_qsl(address.query))
        api = self.server.api
        api.asked.append(f"{self.command} {address.path}")
        try:
            status, found = 200, api.answer(self.command, address.path, query, body)
        except Refusal as refusal:
            status, found = refusal.status, refusal.body
        data = found if isinstance(found, bytes) else json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PATCH = do_DELETE = answer  # noqa: N815 - http.server's names

    def log_message(self, *_):
        pass


@pytest.fixture
def found_at(monkeypatch):
    """Let the client look for its kubeconfig at this path only; it read KUBECONFIG on import."""

    def say(path):
        for module in ("kubernetes.config", "kubernetes.config.kube_config"):
            monkeypatch.setattr(f"{module}.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    return say


@pytest.fixture
def kubeconfig(tmp_path, found_at):
    """Write a kubeconfig for an address and point the environment at it."""

    def write(address):
        entry = {"cluster": "c", "user": "u", "namespace": "team-a"}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": address}}],
            "users": [{"name": "u", "user": {"token": "secret"}}],
            "contexts": [{"name": "one", "context": entry}],
            "current-context": "one",
        }
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(document))
        found_at(path)

    return write


@pytest.fixture
def api(kubeconfig, monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.api, server.daemon_threads = Api(), True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    kubeconfig(f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(waiting, "EVERY_S", 0.01)
    monkeypatch.setattr(experiments, "PATIENCE_S", 0.0)
    yield server.api
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def xlbench():
    """Run the command line."""

    def call(*words):
        return CliRunner().invoke(app, list(map(str, words)))

    return call


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(SMALL)
    return path


@pytest.fixture
def submitted(api, xlbench, spec):
    """An experiment that was submitted; a status is given to it by calling this."""
    assert xlbench("submit", spec).exit_code == 0
    found = api.experiments["team-a", "small"]

    def stand(phase, *, root="s3://bench/team-a", **more):
        uid = found["metadata"]["uid"]
        folder = f"{root}/experiments/small/{uid}"
        done = {"total": 4, "done": 4} if phase == "Done" else {"total": 4, "done": 2}
        failed = {"failed": 1, "skipped": 1} if phase == "Failed" else {}
        report = {"report": f"{folder}/report.html"} if phase in {"Done", "Failed"} else {}
        kind = {"Done": "Complete", "Failed": "Failed", "Refused": "Accepted"}.get(phase)
        said = {
            "type": kind,
            "status": "False" if phase == "Refused" else "True",
            "reason": {"Done": "AllCells", "Failed": "PartialCells"}.get(phase, "Invalid"),
            "message": "spec.seeds[0] = 1: no seed that I like",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        there = api.experiments["team-a", "small"]
        there["status"] = {
            "phase": phase,
            "observedGeneration": there["metadata"]["generation"],
            "conditions": [said] if kind else [],
            "counts": {**done, **failed},
            "kinds": {"train": {**done, **failed}},
            **({"answer": "one is better"} if phase == "Done" else {}),
            "links": {"plan": f"{folder}/plan.json", **report},
            **more,
        }
        return there

    return stand
