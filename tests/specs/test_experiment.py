import pytest
from pydantic import ValidationError
from xlbench_specs.experiment import MUTABLE, Experiment, ExperimentSpec, TargetRef

SMALLEST = {
    "apiVersion": "xlbench.dev/v1alpha1",
    "kind": "ExperimentSpec",
    "metadata": {"name": "smallest"},
    "spec": {
        "encoders": [{"name": "e5", "model": "builtin/e5-small-q4"}],
        "targets": [{"task": "ha-intent"}],
        "languages": {"all": True},
        "seeds": [1],
        "schedules": [{"name": "arm", "phases": [{"tasks": [{"task": "$target"}]}]}],
        "budget": {"target": 60},
    },
}


def spec_with(**changes):
    return ExperimentSpec.parse(SMALLEST | {"spec": SMALLEST["spec"] | changes})


def test_the_defaults_that_stand_in_keys():
    # A default that changes changes the keys of every spec that left it out.
    assert spec_with().spec.training.plain() == {
        "batchSize": 32,
        "learningRate": 2e-5,
        "maxLength": 128,
        "warmup": 0.1,
        "weightDecay": 0.0,
        "clip": 1.0,
        "lrSchedule": "per-phase",
        "checkpoint": "last",
        "precision": "fp32",
        "tf32": False,
        "threads": 1,
        "trainable": {"lowestLayer": 0, "embeddings": True},
    }


def test_what_bears_on_results_is_all_but_what_may_change():
    assert set(spec_with().result_bearing()) == {
        "encoders",
        "targets",
        "languages",
        "seeds",
        "schedules",
        "budget",
        "training",
        "probes",
        "baselines",
        "reuse",
    }
    assert {"analysis", "execution", "suspend", "baseline"} == MUTABLE
    assert set(Experiment.model_fields) >= MUTABLE


def test_a_target_is_tested_on_its_own_task_by_default():
    assert TargetRef(task="wikiann").tests == ["wikiann"]
    assert TargetRef(task="wikiann", evaluate_on=["wikiann", "masakhaner"]).tests == [
        "wikiann",
        "masakhaner",
    ]


NAMES = {
    "letters, digits, hyphens": ("joint-vs-chain-2", True),
    "52 characters": ("a" * 52, True),
    "53 characters": ("a" * 53, False),
    "a dot, which no Job name has": ("joint.v2", False),
    "a capital": ("Joint", False),
    "a hyphen at the end": ("joint-", False),
    "nothing": ("", False),
}


@pytest.mark.parametrize(("name", "valid"), NAMES.values(), ids=NAMES)
def test_a_name_of(name, valid):
    document = SMALLEST | {"metadata": {"name": name}}
    if valid:
        assert ExperimentSpec.parse(document).metadata.name == name
    else:
        with pytest.raises(ValidationError):
            ExperimentSpec.parse(document)


def test_a_spec_gives_itself_back():
    phases = [{"tasks": [{"task": "$target"}], "from": "encoder", "lora": {"rank": 4}}]
    document = spec_with(schedules=[{"name": "arm", "phases": phases}])
    assert document.spec.schedules[0].phases[0].from_ == "encoder"
    assert ExperimentSpec.parse(document.plain()) == document
