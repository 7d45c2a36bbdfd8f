"""What a Job's stage file and pod say of an attempt is what the trainer writes down."""

import pytest
from xlbench_specs import layout
from xlbench_specs.exits import TrainerExit
from xlbench_specs.manifests import Failure
from xlbench_specs.stages import StageFile
from xlbench_trainer.running import run_file


@pytest.mark.parametrize("job", [None, "encoder-0123-0123-2"], ids=["locally", "in a Job"])
def test_a_failure_names_the_job_in_which_it_happened(lab, job):
    stage = lab.encoder.model_copy(update={"recipe": 99})
    file = StageFile(experiment=lab.experiment, stages=[stage], job=job)
    assert run_file(file, lab.store, lab.Told()) is TrainerExit.WRONG_RECIPE
    data = lab.store.read(layout.failure(lab.experiment, stage.key)).data
    assert Failure.model_validate_json(data).job == job


def test_on_a_cluster_the_attempt_is_the_pods_uid(lab, monkeypatch):
    monkeypatch.setenv("XLBENCH_ATTEMPT", "uid-of-the-pod")
    lab.run(lab.encoder, inputs=False)
    assert lab.manifest(lab.encoder).attempt == "uid-of-the-pod"


def test_elsewhere_it_has_a_name_of_its_own(lab, monkeypatch):
    monkeypatch.delenv("XLBENCH_ATTEMPT", raising=False)
    lab.run(lab.encoder, inputs=False)
    assert len(lab.manifest(lab.encoder).attempt) == 32
