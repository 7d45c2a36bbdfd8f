"""The real trainer on S3: it leaves there what it leaves in a folder, byte for byte."""

import subprocess
from pathlib import Path

import pytest
from xlbench_operator.commands.validate import load_spec
from xlbench_operator.planning.plan import make_plan
from xlbench_specs import layout
from xlbench_specs.stages import StageFile, StageRuntime
from xlbench_specs.store import finished, open_store, payload_file
from xlbench_specs.tasks import task_table

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "tests/drill/interrupt.yaml"
TRAINER = ROOT / ".venv-trainer/bin/xlbench-trainer"
EXPERIMENT = layout.experiment("interrupt", "one")
JOB = layout.job(EXPERIMENT, "all")
PATIENCE_S = 300


@pytest.fixture(scope="module")
def stages():
    """Every stage of the spec but the report, inputs first."""
    document = load_spec(SPEC)
    plan = make_plan(document, task_table(), uid="one", trainer_build=None)
    return [stage for stage in plan.stages.values() if stage.kind != "report"]


def run(address, stages):
    """Run the trainer on a store; its exit code."""
    store = open_store(address)
    runtime = StageRuntime(checkpoint_every_s=0)
    file = StageFile(experiment=EXPERIMENT, stages=stages, runtime=runtime)
    store.put(JOB, file.text().encode())
    command = [TRAINER, "--store", address, JOB]
    answer = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert answer.returncode == 0, answer.stderr
    return store


def test_a_trainer_leaves_on_s3_what_it_leaves_in_a_folder(stages, versitygw, use_s3, tmp_path):
    here = run(f"file://{tmp_path}/store", stages)
    there = run(use_s3(versitygw), stages)
    for stage in stages:
        mine, other = (finished(store, stage.kind, stage.key) for store in (here, there))
        assert (mine.files, mine.record) == (other.files, other.record)
        for entry in other.files:
            payload_file(there, other, entry.path)
    assert there.list("checkpoints") == []
