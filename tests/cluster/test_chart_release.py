"""The life of a release: install, upgrade with experiments, uninstall, install by another name.

On a control plane of its own, as the definition that comes and goes belongs to a whole cluster. No
pod runs here: this is about what Helm and the API server keep.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from machine_room import control_plane as control_planes
from machine_room.namespaces import ISOLATED_VARIABLE
from machine_room.processes import REPOSITORY, Process, program, wait_until
from machine_room.runs import RUN_VARIABLE
from small_experiment import SMALL
from stand_ins import StandIns, connection_to
from xlbench_operator.main import yaml_text
from xlbench_operator.operating.rbac import RIGHTS
from xlbench_specs.crd import custom_resource_definition

pytestmark = pytest.mark.cluster

CHART = REPOSITORY / "charts/xlbench"
DEFINITION = "crd/experimentspecs.xlbench.dev"
SPEC = REPOSITORY / "specs/examples/smoke.yaml"
TEAM, OTHER = "team-a", "team-b"
WITHIN_S = 60


@pytest.fixture(scope="module")
def plane():
    if not os.environ.get(ISOLATED_VARIABLE):
        pytest.fail("run `make test-cluster`, or `tools/cluster run` and pytest", pytrace=False)
    plane = control_planes.create(Path(os.environ[RUN_VARIABLE]) / "chart-release")
    plane.start()
    for namespace in (TEAM, OTHER):
        plane.kubectl("create", "namespace", namespace)
    yield plane
    plane.stop()


@pytest.fixture
def helm(plane, tmp_path):
    """Call helm on this cluster in the team's namespace; finished, whatever came of it."""

    def call(verb, release, *words, namespace=TEAM):
        chart = [] if verb == "uninstall" else [CHART, "--set", "store.address=s3://bench/results"]
        place = ["--kubeconfig", plane.kubeconfig, "--namespace", namespace]
        return subprocess.run(
            [program("helm"), verb, release, *chart, *place, *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            env=os.environ | {"HOME": str(tmp_path)},
        )

    return call


@pytest.fixture
def done(helm):
    """Call helm, which must succeed."""

    def call(*words, **place):
        answer = helm(*words, **place)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    return call


@pytest.fixture(autouse=True)
def nothing_stays(plane, helm):
    """Leave the cluster as it was: no release, no definition."""
    yield
    for namespace in (TEAM, OTHER):
        for release in ("one", "two"):
            helm("uninstall", release, "--ignore-not-found", namespace=namespace)
    plane.kubectl("delete", DEFINITION, "--ignore-not-found", "--timeout=60s")


def experiment(plane):
    return plane.get("exp", "smoke", "--namespace", TEAM)


def there(plane, *what):
    return bool(plane.kubectl("get", *what, "--ignore-not-found", "--output=name").strip())


def may(plane, verb, words, namespace, *, who=f"system:serviceaccount:{TEAM}:one-xlbench"):
    """Whether somebody, by default the operator, may do that in a namespace."""
    asked = ["auth", "can-i", verb, *words, f"--as={who}", "--namespace", namespace]
    try:
        return plane.kubectl(*asked).strip() == "yes"
    except subprocess.CalledProcessError as error:
        if error.stdout.strip() == "no":
            return False
        raise


def may_edit(plane, person):
    plane.kubectl(
        "create", "rolebinding", person, "--clusterrole=edit", f"--user={person}", "-n", TEAM
    )
    wait_until(
        lambda: may(plane, "create", ["exp"], TEAM, who=person),
        "that who may edit may create experiments",
        WITHIN_S,
    )


def test_experiments_outlive_upgrade_uninstall_and_a_new_name(plane, done):
    done("install", "one")
    may_edit(plane, "ada")
    plane.kubectl("apply", "--namespace", TEAM, "--as=ada", "--filename", SPEC)
    uid = experiment(plane)["metadata"]["uid"]

    done("upgrade", "one", "--set", "limits.jobs=7")
    deployment = plane.get("deployment", "one-xlbench", "--namespace", TEAM)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert {"name": "XLBENCH_MAX_JOBS", "value": "7"} in container["env"]
    assert experiment(plane)["metadata"]["uid"] == uid

    done("uninstall", "one")
    assert experiment(plane)["metadata"]["uid"] == uid
    for kind in ("deployment", "service", "role", "rolebinding"):
        assert not there(plane, kind, "one-xlbench", "--namespace", TEAM)
    assert not there(plane, "clusterrole", "team-a-one-xlbench-edit")

    done("install", "two")
    done("upgrade", "two")
    assert experiment(plane)["metadata"]["uid"] == uid


def test_two_teams_share_one_definition(plane, done):
    done("install", "one")
    done("install", "one", namespace=OTHER)
    done("uninstall", "one", namespace=OTHER)
    assert there(plane, DEFINITION)


class TestAnotherDefinition:
    @pytest.fixture(autouse=True)
    def older(self, plane, done):
        """The definition is of a release of another version of the chart, which is gone."""
        done("install", "one")
        done("uninstall", "one")
        column = "/spec/versions/0/additionalPrinterColumns/0"
        patch = [{"op": "remove", "path": column}]
        plane.kubectl("patch", DEFINITION, "--type=json", "--patch", json.dumps(patch))

    def test_it_is_not_overwritten_by_chance(self, helm):
        answer = helm("install", "two")
        assert answer.returncode != 0
        assert "made by release team-a/one, and is not the one of this chart" in answer.stderr

    def test_it_is_left_alone_if_so_asked(self, plane, done):
        done("install", "two", "--set", "crd.install=never")
        assert columns(plane)[0] == "Stages"

    def test_it_is_taken_over_if_so_asked(self, plane, done):
        done("install", "two", "--take-ownership", "--set", "crd.install=always")
        assert columns(plane)[0] == "Phase"
        marks = plane.get(DEFINITION)["metadata"]["annotations"]
        assert marks["meta.helm.sh/release-name"] == "two"
        done("upgrade", "two")


def columns(plane):
    (version,) = plane.get(DEFINITION)["spec"]["versions"]
    return [column["name"] for column in version["additionalPrinterColumns"]]


def test_an_equal_definition_of_somebody_else_is_left_alone(plane, done):
    text = yaml_text(custom_resource_definition())
    plane.kubectl("apply", "--filename", "-", stdin=text)
    done("install", "one")
    done("uninstall", "one")
    assert there(plane, DEFINITION)
    assert "meta.helm.sh" not in str(plane.get(DEFINITION)["metadata"])


def test_by_choice_all_goes_with_the_release(plane, done):
    done("install", "one", "--set", "crd.keep=false")
    plane.kubectl("apply", "--namespace", TEAM, "--filename", SPEC)
    done("uninstall", "one")
    wait_until(lambda: not there(plane, DEFINITION), "the definition to go", WITHIN_S)


@pytest.mark.parametrize(("scope", "elsewhere"), [("namespace", False), ("cluster", True)])
def test_the_operator_may_do_what_it_must_where_it_must(plane, done, scope, elsewhere):
    done("install", "one", "--set", f"scope={scope}")
    granted = "that the API server has heard of the operator's rights"
    wait_until(lambda: may(plane, "list", ["jobs.batch"], TEAM), granted, WITHIN_S)
    for right in RIGHTS:
        resource, _, part = right.resource.partition("/")
        words = [
            f"{resource}.{right.group}".rstrip("."),
            *([f"--subresource={part}"] if part else []),
        ]
        for verb in right.verbs:
            assert may(plane, verb, words, TEAM)
            assert may(plane, verb, words, OTHER) is elsewhere
    for resource in ("secrets", "pods", "pods/exec", "deployments"):
        assert not may(plane, "get", [resource], TEAM)


@pytest.fixture
def operator(plane, tmp_path):
    """Start an operator as the chart's Deployment would: its settings, its rights, its account."""
    started = []

    def start():
        deployment = plane.get("deployment", "one-xlbench", "--namespace", TEAM)
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        token = plane.kubectl("create", "token", "one-xlbench", "--namespace", TEAM).strip()
        config = yaml.safe_load(plane.kubeconfig.read_text())
        config["users"][0]["user"] = {"token": token}
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(config))
        said = {each["name"]: each.get("value", "") for each in container["env"]}
        environment = {**said, "KUBECONFIG": str(kubeconfig), "XLBENCH_HTTP_PORT": "0"}
        command = [Path(sys.prefix) / "bin/xlbench-operator", *container["args"]]
        process = Process("operator", command, tmp_path / "operator.log", environment)
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        process.stop(grace_s=10)


@pytest.mark.parametrize(("scope", "namespace"), [("namespace", TEAM), ("cluster", OTHER)])
def test_the_operator_needs_no_more_than_the_chart_gives_it(
    plane, done, operator, tmp_path, *, scope, namespace
):
    store = ("--set", f"store.address=file://{tmp_path}/store", "--set", "store.claim=results")
    done("install", "one", "--set", f"scope={scope}", *store)
    process = operator()
    plane.kubectl("apply", "--namespace", namespace, "--filename", "-", stdin=SMALL)
    root = f"file://{tmp_path}/store/{namespace}"

    def ended():
        status = plane.get("exp", "small", "--namespace", namespace).get("status", {})
        return status.get("phase") == "Done"

    with StandIns(connection_to(plane.kubeconfig), namespace, root).at_work():
        wait_until(ended, f"the end of small in {namespace}", 120, process.log_tail)
    assert "Forbidden" not in process.log.read_text()
    told = plane.kubectl("get", "events", "--namespace", namespace, "--output=wide")
    assert "AllCells" in told
    (job, *_) = plane.get("jobs", "--namespace", namespace)["items"]
    volumes = job["spec"]["template"]["spec"]["volumes"]
    assert {"claimName": "results"} in [each.get("persistentVolumeClaim") for each in volumes]
