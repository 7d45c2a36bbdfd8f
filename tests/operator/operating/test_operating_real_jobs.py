"""The operator's Jobs run by the real trainer and the real report, as processes of this machine."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from xlbench_operator.local.trainer import find_trainer
from xlbench_operator.operating.jobs import GRACE_S, SCRATCH
from xlbench_operator.operating.settings import Settings
from xlbench_specs.exits import TrainerExit
from xlbench_specs.manifests import Manifest
from xlbench_specs.store import FileStore


def program(name):
    """Where a command of the images is on this machine."""
    if name == "xlbench-trainer":
        return find_trainer(None, os.environ)
    return Path(sys.prefix) / "bin" / name


@pytest.fixture
def lab(memory, tmp_path):
    store = FileStore(tmp_path / "store" / memory.NAMESPACE)
    root = (tmp_path / "store").as_uri()
    return memory.Lab(store, Settings(store=root, trainer_image="t", operator_image="o"))


def run_pod(lab, name, tmp_path):
    """Run the pod of a Job as a kubelet would; its uid and its exit code."""
    raw = lab.cluster.job("team-a", name)
    (container,) = raw["spec"]["template"]["spec"]["containers"]
    uid = str(uuid.uuid4())
    said = {each["name"]: each.get("value", uid) for each in container["env"]}
    scratch = {key: value.replace(SCRATCH, str(tmp_path)) for key, value in said.items()}
    command, *words = container["command"]
    ran = subprocess.run(
        [program(command), *words, *container["args"]],
        env=os.environ | scratch,
        capture_output=True,
        check=False,
        timeout=GRACE_S,
    )
    if ran.returncode == TrainerExit.DONE:
        lab.cluster.end(name, "Complete")
    else:
        lab.exit(name, ran.returncode)
    return uid, ran


@pytest.mark.slow
def test_real_jobs_take_an_experiment_to_its_report(lab, tmp_path):
    lab.apply(
        encoders=[{"name": "tiny", "model": "builtin/random-tiny"}],
        budget={"target": 4},
        training={"batchSize": 4, "maxLength": 32},
    )
    uids = set()
    for _ in range(9):
        lab.settle()
        if not lab.cluster.live():
            break
        for job in lab.cluster.live():
            uid, ran = run_pod(lab, job, tmp_path)
            assert ran.returncode == TrainerExit.DONE, ran.stderr.decode()
            uids.add(uid)
    lab.settle()
    assert lab.status()["phase"] == "Done", lab.status()
    manifests = [
        Manifest.model_validate_json(lab.store.read(path).data)
        for path in lab.store.list("manifests")
    ]
    assert {manifest.attempt for manifest in manifests} == uids
    assert len(uids) == lab.status()["counts"]["total"]
    report = lab.status()["links"]["report"].removeprefix("file://")
    assert Path(report).stat().st_size > 0
