"""What a deployment lets experiments ask for, and which trainer runs what."""

import dataclasses

import pytest
from xlbench_operator.operating.allowing import build_for, check_allowed
from xlbench_operator.operating.environment import settings_of
from xlbench_operator.operating.settings import Allowed
from xlbench_specs.errors import SpecError
from xlbench_specs.experiment import ExperimentSpec

POD = "spec.execution.pod"
DIGEST = "sha256:" + "a" * 64
TAGGED = "registry.example/xlbench-trainer:1.0"
VOLUMES = [{"name": "data", "mountPath": "/data", "claim": "data"}]


def bounded(memory, **allowed):
    return dataclasses.replace(memory.SETTINGS, allowed=Allowed(**allowed))


@pytest.mark.parametrize(
    ("allowed", "pod", "told"),
    [
        pytest.param({}, {"serviceAccountName": "any"}, None, id="nothing is bounded by default"),
        pytest.param({"service_accounts": ["a"]}, {"serviceAccountName": "a"}, None, id="account"),
        pytest.param({"service_accounts": []}, {}, None, id="none is the namespace's default"),
        pytest.param(
            {"service_accounts": ["b", "a"]},
            {"serviceAccountName": "root"},
            f"{POD}.serviceAccountName = 'root': not allowed on this cluster; allowed: a, b",
            id="another account",
        ),
        pytest.param(
            {"runtime_classes": []},
            {"runtimeClassName": "nvidia"},
            f"{POD}.runtimeClassName = 'nvidia': not allowed on this cluster; allowed: none",
            id="a runtime class where none may be asked for",
        ),
        pytest.param({"sources": ["claim"]}, {"volumes": VOLUMES}, None, id="volume"),
        pytest.param(
            {"sources": ["empty", "configMap"]},
            {"volumes": VOLUMES},
            f"{POD}.volumes[0].claim = 'data': not allowed on this cluster; "
            "allowed: configMap, empty",
            id="another kind of volume",
        ),
        pytest.param(
            {"sources": ["configMap"]},
            {"envFrom": [{"configMap": "proxy"}, {"secret": "tokens"}]},
            f"{POD}.envFrom[1].secret = 'tokens': not allowed on this cluster; allowed: configMap",
            id="a Secret by way of variables",
        ),
    ],
)
def test_what_pods_ask_for_is_held_to_the_lists(lab, memory, allowed, pod, told):
    settings = bounded(memory, **allowed)
    spec = lab.situation(spec={"execution": {"pod": pod}}).spec
    if told is None:
        check_allowed(spec, settings)
        return
    with pytest.raises(SpecError) as error:
        check_allowed(spec, settings)
    assert str(error.value) == told


def test_a_folder_of_one_machine_is_no_encoder_of_a_cluster(memory):
    encoders = [
        {"name": "ours", "model": "builtin/e5-small-q4"},
        {"name": "mine", "model": "./mine", "revision": f"sha256:{'a' * 64}"},
    ]
    spec = ExperimentSpec.parse(memory.small_spec(encoders=encoders)).spec
    with pytest.raises(SpecError) as error:
        check_allowed(spec, memory.SETTINGS)
    assert str(error.value).startswith("spec.encoders[1].model = './mine': a folder of one machine")


NEEDED = {
    "XLBENCH_STORE": "s3://bench",
    "XLBENCH_TRAINER_IMAGE": "trainer",
    "XLBENCH_OPERATOR_IMAGE": "operator",
}


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        pytest.param("", Allowed(), id="nothing is said"),
        pytest.param('{"sources": null}', Allowed(), id="as the chart says nothing"),
        pytest.param(
            '{"serviceAccounts": ["a"], "runtimeClasses": [], "sources": ["claim"]}',
            Allowed(["a"], [], ["claim"]),
            id="lists",
        ),
    ],
)
def test_an_administrator_says_it_in_the_environment(text, allowed):
    assert settings_of({**NEEDED, "XLBENCH_ALLOWED": text}).allowed == allowed


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param('{"sources": ["hostPath"]}', "sources[0]: Input should be", id="kind"),
        pytest.param('{"accounts": []}', "accounts: unknown field (did you mean", id="list"),
        pytest.param("claim", "the whole: Invalid JSON", id="no JSON"),
    ],
)
def test_what_is_no_allow_list_is_told(text, told):
    with pytest.raises(ValueError, match="XLBENCH_ALLOWED") as error:
        settings_of({**NEEDED, "XLBENCH_ALLOWED": text})
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("reuse", "image", "build"),
    [
        pytest.param("always", TAGGED, None, id="no build is asked for"),
        pytest.param("sameTrainer", f"x@{DIGEST}", DIGEST, id="the image's digest"),
        pytest.param("sameTrainer", f"{TAGGED}@{DIGEST}", DIGEST, id="a tag beside a digest"),
    ],
)
def test_the_build_is_the_digest_of_the_image(memory, reuse, image, build):
    settings = dataclasses.replace(memory.SETTINGS, trainer_image=image)
    spec = ExperimentSpec.parse(memory.small_spec(reuse=reuse)).spec
    assert build_for(spec, settings) == build


class TestOnACluster:
    def test_what_is_not_allowed_is_refused_with_its_path(self, memory):
        lab = memory.Lab(settings=bounded(memory, sources=[]))
        lab.apply(execution={"pod": {"volumes": VOLUMES}})
        assert lab.reconcile() is None
        (condition,) = lab.status()["conditions"]
        assert (condition["type"], condition["status"]) == ("Accepted", "False")
        assert condition["message"].startswith(f"{POD}.volumes[0].claim = 'data': not allowed")
        assert (lab.store.objects, lab.cluster.born) == ({}, [])

    def test_an_edit_cannot_bring_it_in_and_a_mended_one_goes_on(self, memory):
        lab = memory.Lab(settings=bounded(memory, service_accounts=["trainer"]))
        lab.apply(execution={"pod": {"serviceAccountName": "trainer"}})
        lab.settle()
        lab.work(lab.cluster.live()[0])
        lab.apply(execution={"pod": {"serviceAccountName": "admin"}})
        lab.settle()
        assert lab.status()["phase"] == "Refused"
        assert lab.cluster.live() == []
        lab.apply()
        lab.run()
        assert lab.status()["phase"] == "Done"

    def test_a_trainer_that_is_named_by_a_tag_is_no_same_trainer(self, memory):
        settings = dataclasses.replace(memory.SETTINGS, trainer_image=TAGGED)
        lab = memory.Lab(settings=settings)
        lab.apply(reuse="sameTrainer")
        lab.reconcile()
        (condition,) = lab.status()["conditions"]
        assert condition["message"].startswith("spec.reuse = 'sameTrainer': the operator runs")
        assert TAGGED in condition["message"]

    def test_a_plan_keeps_to_its_build_when_the_deployment_moves_on(self, lab, memory):
        lab.apply(reuse="sameTrainer")
        lab.settle()
        settings = dataclasses.replace(memory.SETTINGS, trainer_image="mirror.example/t@sha256:b")
        lab.shell = dataclasses.replace(lab.operator(), settings=settings)
        lab.work(lab.cluster.live()[0])
        lab.settle()
        job = lab.cluster.live()[0]
        raw = lab.cluster.job(memory.NAMESPACE, job)
        (container,) = raw["spec"]["template"]["spec"]["containers"]
        assert container["image"] == f"mirror.example/t@{DIGEST}"
        assert lab.file(job).runtime.trainer_build == DIGEST
