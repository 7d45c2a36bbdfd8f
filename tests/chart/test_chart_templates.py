"""What helm makes of the chart; XLBENCH_UPDATE_GOLDENS=1 rewrites the goldens, for a review."""

import os
from pathlib import Path

import pytest
import yaml
from xlbench_operator.operating.environment import VARIABLES, settings_of
from xlbench_operator.operating.rbac import role
from xlbench_operator.operating.settings import Allowed, Caps
from xlbench_specs.crd import custom_resource_definition
from xlbench_specs.pods import PodSettings

pytestmark = pytest.mark.cluster

HERE = Path(__file__).parent
CASES = ["namespace", "cluster", "private"]
STORE = ("--set", "store.address=s3://bench/results")

FOLDER = ("--set", "store.address=file:///results", "--set", "store.claim=results")
VOLUME = tuple(
    word
    for field in ("name=data", "mountPath=/data", "claim=data")
    for word in ("--set", f"jobs.volumes[0].{field}")
)
CA = ("--set", "privateCA.configMap=ca")


def rendered(helm, *words):
    answer = helm("template", "xlbench", "--namespace", "team-a", *words)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def objects(helm, *words):
    every = [each for each in yaml.safe_load_all(rendered(helm, *words)) if each]
    return {(each["kind"], each["metadata"]["name"]): each for each in every}


def container(helm, *words):
    (pod,) = [
        each["spec"]["template"]["spec"]
        for (kind, _), each in objects(helm, *words).items()
        if kind == "Deployment"
    ]
    (found,) = pod["containers"]
    return found


def environment(helm, *words):
    return {each["name"]: each["value"] for each in container(helm, *words)["env"]}


@pytest.mark.parametrize("case", CASES)
def test_lint_has_nothing_to_say(helm, case):
    answer = helm("lint", "--strict", "--values", HERE / f"values/{case}.yaml")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "[WARNING]" not in answer.stdout


@pytest.mark.parametrize("case", CASES)
def test_the_objects_are_the_golden_ones(helm, case):
    text = rendered(helm, "--values", HERE / f"values/{case}.yaml")
    golden = HERE / f"goldens/{case}.yaml"
    if os.environ.get("XLBENCH_UPDATE_GOLDENS"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_every_golden_has_its_case():
    for folder in ("goldens", "values"):
        assert {file.stem for file in (HERE / folder).iterdir()} == set(CASES)


def test_the_definition_is_the_models_own_and_stays_after_an_uninstall(helm):
    definition = objects(helm, *STORE)["CustomResourceDefinition", "experimentspecs.xlbench.dev"]
    assert definition["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert definition == custom_resource_definition()


@pytest.mark.parametrize(
    ("words", "there", "kept"),
    [
        pytest.param(("--set", "crd.keep=false"), True, False, id="it may go with the release"),
        pytest.param(("--set", "crd.install=always"), True, True, id="it is this release's"),
        pytest.param(("--set", "crd.install=never"), False, False, id="it is somebody else's"),
    ],
)
def test_the_definition_is_by_choice(helm, words, there, kept):
    text = rendered(helm, *STORE, *words)
    assert ("kind: CustomResourceDefinition" in text) is there
    assert ("helm.sh/resource-policy: keep" in text) is kept


@pytest.mark.parametrize("scope", ["namespace", "cluster"])
def test_the_rights_are_those_of_the_table(helm, scope):
    made = objects(helm, *STORE, "--set", f"scope={scope}")
    kind = {"namespace": "Role", "cluster": "ClusterRole"}[scope]
    name = {"namespace": "xlbench", "cluster": "team-a-xlbench"}[scope]
    assert made[kind, name]["rules"] == role()["rules"]
    binding = made[f"{kind}Binding", name]
    assert binding["roleRef"]["kind"] == kind
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "xlbench", "namespace": "team-a"}
    ]


def test_who_may_edit_a_namespace_may_make_experiments_and_who_may_view_may_not(helm):
    made = objects(helm, *STORE)
    verbs = {
        name.rpartition("-")[2]: (each["metadata"]["labels"], each["rules"][0]["verbs"])
        for (kind, name), each in made.items()
        if kind == "ClusterRole"
    }
    for role_name, (labels, _) in verbs.items():
        assert labels[f"rbac.authorization.k8s.io/aggregate-to-{role_name}"] == "true"
    assert set(verbs) == {"edit", "view"}
    assert verbs["view"][1] == ["get", "list", "watch"]
    assert "create" in verbs["edit"][1]


def settings(helm, *words):
    """What the operator reads: Kubernetes makes `$(` of `$$(` before."""
    said = environment(helm, *words)
    return settings_of({name: value.replace("$$(", "$(") for name, value in said.items()})


def test_the_operator_can_read_its_settings(helm):
    found = settings(helm, "--values", HERE / "values/cluster.yaml")
    assert found.store == "s3://bench/results"
    assert found.namespace is None
    assert found.trainer_build == "sha256:" + "b" * 64
    assert (found.caps, found.allowed) == (
        Caps(all=1_000_000, namespace=50),
        Allowed(service_accounts=["xlbench"], sources=[]),
    )
    plain = settings(helm, *STORE)
    assert plain.namespace == "team-a"
    assert (plain.caps, plain.allowed, plain.pods) == (Caps(), Allowed(), PodSettings())


def test_no_variable_is_one_that_the_operator_does_not_know(helm):
    known = {variable.name for variable in VARIABLES.values()}
    said = {
        name
        for case in CASES
        for name in environment(helm, "--values", HERE / f"values/{case}.yaml")
    }
    ours = {name for name in said if name.startswith("XLBENCH_")}
    assert {name for name in ours if not name.startswith("XLBENCH_S3_")} <= known


class TestJobs:
    def pods(self, helm, *words):
        return settings(helm, *words).pods

    def test_they_have_what_the_deployment_says_of_all(self, helm):
        words = ("--values", HERE / "values/private.yaml")
        found = self.pods(helm, *words)
        variables = {each.name: each.value for each in found.env}
        assert variables["AWS_ENDPOINT_URL"] == "https://s3.example.org"
        assert (
            variables["XLBENCH_S3_SSE"] == environment(helm, *words)["XLBENCH_S3_SSE"] == "AES256"
        )
        assert variables["AWS_CA_BUNDLE"] == "/etc/xlbench/ca/ca.crt"
        assert variables["NO_PROXY"] == ".example.org,127.0.0.1,$(KUBERNETES_SERVICE_HOST)"
        assert variables["HF_HOME"] == "$(HOME)/models"
        assert [each.secret or each.config_map for each in found.env_from] == [
            "s3-credentials",
            "mirror",
        ]
        assert {each.mount_path for each in found.volumes} == {"/etc/xlbench/ca", "/models"}

    def test_what_is_said_of_jobs_alone_wins_and_is_not_the_operators(self, helm):
        words = ("--values", HERE / "values/private.yaml")
        ours = environment(helm, *words)
        theirs = {each.name: each.value for each in self.pods(helm, *words).env}
        assert theirs["HTTPS_PROXY"] == "http://proxy.example.org:8080"
        assert ours["HTTPS_PROXY"] == "http://proxy.example.org:3128"
        assert "HF_HOME" not in ours

    def test_results_may_lie_on_a_claim_beside_other_volumes(self, helm):
        volume, other = self.pods(helm, *FOLDER, *VOLUME).volumes
        assert (volume.mount_path, volume.claim) == ("/results", "results")
        assert (other.mount_path, other.claim) == ("/data", "data")
        mounts = {each["mountPath"] for each in container(helm, *FOLDER)["volumeMounts"]}
        assert mounts == {"/tmp", "/results"}  # noqa: S108 - a path in the pod


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param((), "/store/address", id="no store"),
        pytest.param(
            ("--set", "store.address=file:///results"),
            "store.claim: needed",
            id="a folder without a claim",
        ),
        pytest.param(
            (*STORE, "--set", "store.claim=results"),
            'store.claim = "results": only with',
            id="a claim for S3",
        ),
        *(
            pytest.param(
                ("--set", f"store.address=file://{folder}", "--set", "store.claim=results"),
                f'store.address: mounted at "{own}"; every pod has its own there',
                id=f"a store at {folder}",
            )
            for folder, own in {
                "/tmp": "/tmp",  # noqa: S108 - a path in the pod
                "/tmp/": "/tmp",  # noqa: S108 - as above
                "/dev//shm": "/dev/shm",  # noqa: S108 - as above
                "//": "/",
            }.items()
        ),
        pytest.param(
            (*STORE, *VOLUME, "--set", "jobs.volumes[0].mountPath=/tmp"),
            'jobs.volumes[0]: mounted at "/tmp"; every pod has its own there',
            id="a volume of Jobs over their own",
        ),
        pytest.param(
            (*STORE, *VOLUME, "--set", "jobs.volumes[0].mountPath=/etc/xlbench/ca", *CA),
            'jobs.volumes[0]: mounted at "/etc/xlbench/ca", as is privateCA.configMap',
            id="a volume of Jobs over the authority's",
        ),
        pytest.param(
            (*FOLDER, *VOLUME, "--set", "jobs.volumes[0].name=store"),
            'jobs.volumes[0]: named "store", as is store.address',
            id="a volume of Jobs of the store's name",
        ),
        pytest.param((*STORE, "--set", "replicas=2"), "'replicas' not allowed", id="an old habit"),
        pytest.param(
            (*STORE, "--set", "jobs.hostNetwork=true"),
            "'hostNetwork' not allowed",
            id="a pod's security",
        ),
        pytest.param(
            (*STORE, "--set", "serviceAccount.create=false"),
            "serviceAccount.name: needed",
            id="nobody's account",
        ),
    ],
)
def test_a_bad_deployment_is_refused_with_the_fields_name(helm, words, said):
    answer = helm("template", "xlbench", *words)
    assert answer.returncode != 0
    assert said in answer.stderr


def test_it_is_not_for_a_cluster_that_is_too_old(helm):
    answer = helm("template", "xlbench", *STORE, "--kube-version", "1.30")
    assert answer.returncode != 0
    assert "requires kubeVersion: >=1.31" in answer.stderr
