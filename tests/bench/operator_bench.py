"""What the operator costs for a thousand stages: `make bench-operator` prints it, nothing judges.

The control plane is real, the pods are kwok's and end after a second, their manifests are written
by a stand-in. The Job controller may ask the API server as often as it likes, else its own limit
of 20 requests a second is what would be measured.
"""

import dataclasses
import json
import os
import platform
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import pytest
from machine_room import control_plane, object_store
from machine_room.control_plane import ControlPlane, free_port
from machine_room.processes import REPOSITORY, Process, program, wait_until
from prometheus_client.parser import text_string_to_metric_families
from stand_ins import connection_to, in_a_thread, write_results
from xlbench_operator.cluster.connection import (
    EXPERIMENTS,
    JOBS,
    ApiError,
    Connection,
    UnreachableError,
    resource,
)
from xlbench_operator.operating.names import SELECTOR
from xlbench_specs.crd import KubeObject
from xlbench_specs.store import open_store

HERE = Path(__file__).parent
SCHEDULES = 20
PARALLELISM = 200
NAMESPACE = "bench"
ENDED = {"Done", "Failed", "Refused"}
WITHIN_S = 900
NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "pretended", "annotations": {"kwok.x-k8s.io/node": "fake"}},
}


def experiment(schedules: int) -> KubeObject:
    """One model for each schedule, scored in every language by a Job of its own."""
    target = [{"task": "$target"}]
    controls = [
        {"name": f"c{n}", "role": "control", "phases": [{"tasks": target, "updates": 60 + n}]}
        for n in range(1, schedules)
    ]
    no_gpu = {"gpus": 0}
    return {
        "apiVersion": "xlbench.dev/v1alpha1",
        "kind": "ExperimentSpec",
        "metadata": {"name": "thousand", "namespace": NAMESPACE},
        "spec": {
            "encoders": [{"name": "e5", "model": "builtin/e5-small-q4"}],
            "targets": [{"task": "ha-intent"}],
            "languages": {"all": True},
            "seeds": [1],
            "schedules": [{"name": "plain", "phases": [{"tasks": target}]}, *controls],
            "budget": {"target": 60},
            "execution": {
                "parallelism": PARALLELISM,
                "resources": {"train": no_gpu, "evaluate": no_gpu},
            },
        },
    }


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane whose controllers are not held back, and a node of kwok's."""
    plane = control_plane.create(tmp_path / "control-plane")
    quick = ["--kube-api-qps=1000", "--kube-api-burst=2000"]
    plane = dataclasses.replace(
        plane,
        controller_manager=_with(plane.controller_manager, quick),
        scheduler=_with(plane.scheduler, quick),
    )
    kwok = Process(
        "kwok",
        [
            *(program("kwok"), "--kubeconfig", plane.kubeconfig, "--manage-all-nodes"),
            *("--config", HERE / "pods_of_a_second.yaml"),
            "--node-lease-duration-seconds=40",  # without leases it is tainted after 40 s
        ],
        tmp_path / "kwok.log",
    )
    try:
        plane.start()
        kwok.start()
        plane.kubectl("create", "--filename=-", stdin=json.dumps(NODE))
        plane.kubectl("wait", "--for=condition=Ready", "node/pretended", "--timeout=50s")
        crd = REPOSITORY / "charts/xlbench/files/experimentspecs.yaml"
        plane.kubectl("create", "--filename", crd)
        served = ("get", "experimentspecs", "--ignore-not-found")
        wait_until(lambda: _works(plane, *served), "experimentspecs served", 60)
        plane.kubectl("create", "namespace", NAMESPACE)
        yield plane
    finally:
        kwok.stop()
        plane.stop()


@dataclasses.dataclass(frozen=True)
class Operator:
    """A running operator and where it answers."""

    process: Process
    port: int
    root: str
    """Store of the namespace."""


@pytest.fixture(params=["folder", "S3"])
def store(request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of an empty store, for the operator and for who writes the manifests."""
    if request.param == "folder":
        yield f"file://{tmp_path}/store"
        return
    server = object_store.create(tmp_path / "s3")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    try:
        server.start()
        yield f"s3://{object_store.BUCKET}"
    finally:
        server.process.stop()


@pytest.fixture
def operator(cluster: ControlPlane, store: str, tmp_path: Path) -> Iterator[Operator]:
    """The operator, before there is anything to do."""
    port = free_port()
    process = Process(
        "operator",
        [REPOSITORY / ".venv/bin/xlbench-operator", "run"],
        tmp_path / "operator.log",
        {
            "KUBECONFIG": str(cluster.kubeconfig),
            "XLBENCH_STORE": store,
            "XLBENCH_TRAINER_IMAGE": "trainer",
            "XLBENCH_OPERATOR_IMAGE": "operator",
            "XLBENCH_HTTP_PORT": str(port),
        },
    )
    try:
        process.start(lambda: _answers(port))
        yield Operator(process, port, f"{store}/{NAMESPACE}")
    finally:
        process.stop(grace_s=60)


@pytest.mark.bench
def test_a_thousand_stages(cluster: ControlPlane, operator: Operator, capsys) -> None:
    connection = connection_to(cluster.kubeconfig)
    path = resource(EXPERIMENTS, "experimentspecs", NAMESPACE)
    idle = _cost(operator.process)
    before = _cpu_of_parts(cluster)
    with _manifests_written(cluster, operator.root):
        begun = time.monotonic()
        connection.call("POST", path, body=experiment(SCHEDULES))
        sizes, last = _follow(connection, f"{path}/thousand", operator.process)
        wall_s = time.monotonic() - begun
    cost, page = _cost(operator.process), _scrape(operator.port)
    parts = {name: cpu_s - before[name] for name, cpu_s in _cpu_of_parts(cluster).items()}
    assert last["status"]["phase"] == "Done", last["status"]
    stages = last["status"]["counts"]["total"]
    api, store = _by(page, "xlbench_api_requests"), _by(page, "xlbench_store_requests")
    rows = {
        "stages, each a Job of its own": f"{stages}, {PARALLELISM} at a time",
        "wall time": f"{wall_s:.0f} s",
        "CPU": f"{cost.cpu_s - idle.cpu_s:.1f} s",
        "CPU of others": ", ".join(f"{name} {cpu_s:.0f} s" for name, cpu_s in parts.items()),
        "peak memory": f"{cost.peak_mib:.0f} MiB, {idle.peak_mib:.0f} before the experiment",
        "largest object": f"{sizes.whole} bytes, of which status {sizes.status}",
        "requests to the API server": _told(api, stages),
        "calls of the store": _told(store, stages),
    }
    with capsys.disabled():
        print(f"\n{_machine()}")  # noqa: T201
        for name, value in rows.items():
            print(f"| {name} | {value} |")  # noqa: T201


@dataclasses.dataclass(frozen=True)
class _Cost:
    cpu_s: float
    peak_mib: float


def _cost(process: Process) -> _Cost:
    assert process.running is not None
    folder = Path(f"/proc/{process.running.pid}")
    fields = folder.joinpath("stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    status = folder.joinpath("status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return _Cost(ticks / os.sysconf("SC_CLK_TCK"), int(peak.split()[1]) / 1024)


def _cpu_of_parts(cluster: ControlPlane) -> dict[str, float]:
    parts = (cluster.api_server, cluster.etcd, cluster.controller_manager, cluster.scheduler)
    return {part.name: _cost(part).cpu_s for part in parts}


class _Sizes(NamedTuple):
    """Bytes of an object as JSON."""

    whole: int
    status: int


def _follow(connection: Connection, path: str, operator: Process) -> tuple[_Sizes, KubeObject]:
    """Watch an experiment to its end; how large it was at most, and what it was at last."""
    sizes: list[_Sizes] = []
    last: KubeObject = {}

    def ended() -> bool:
        nonlocal last
        last = connection.call("GET", path)
        last["metadata"].pop("managedFields", None)
        sizes.append(_Sizes(len(json.dumps(last)), len(json.dumps(last.get("status", {})))))
        return last.get("status", {}).get("phase") in ENDED

    wait_until(ended, "the end of the experiment", WITHIN_S, operator.log_tail)
    return max(sizes), last


@contextmanager
def _manifests_written(cluster: ControlPlane, root: str) -> Iterator[None]:
    """Have the stages of every Job finished as soon as it is there."""
    store = open_store(root)
    seen: set[str] = set()

    def write(stop: threading.Event) -> None:
        connection = connection_to(cluster.kubeconfig)
        path = resource(JOBS, "jobs", NAMESPACE)
        while not stop.is_set():
            try:
                for event in connection.watch(path, query={"labelSelector": SELECTOR}, silence_s=5):
                    metadata, spec = event["object"]["metadata"], event["object"]["spec"]
                    if metadata["uid"] not in seen:
                        seen.add(metadata["uid"])
                        (container,) = spec["template"]["spec"]["containers"]
                        write_results(store, container["args"][-1], metadata["uid"])
            except (UnreachableError, ApiError):
                continue

    with in_a_thread(write):
        yield


def _works(plane: ControlPlane, *words: str) -> bool:
    try:
        plane.kubectl(*words)
    except subprocess.CalledProcessError:
        return False
    return True


def _with(process: Process, words: list[str]) -> Process:
    return dataclasses.replace(process, command=[*process.command, *words])


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def _scrape(port: int) -> str:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        return answer.read().decode()


def _by(page: str, name: str) -> dict[str, int]:
    """Requests by what was asked, however it was answered."""
    found: dict[str, int] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples if family.name == name else ():
            labels = sample.labels
            asked = " ".join(each for each in (labels["verb"], labels.get("resource")) if each)
            found[asked] = found.get(asked, 0) + int(sample.value)
    return found


def _told(counts: dict[str, int], stages: int) -> str:
    parts = ", ".join(f"{asked} {count}" for asked, count in sorted(counts.items()))
    total = sum(counts.values())
    return f"{total}, {total / stages:.1f} a stage: {parts}"


def _machine() -> str:
    load = ", ".join(f"{each:.0f}" for each in os.getloadavg())
    cores = os.cpu_count()
    return f"{cores} cores, {platform.machine()}, Python {platform.python_version()}; load {load}"
