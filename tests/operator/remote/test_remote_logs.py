"""`xlbench logs`: from a pod while there is one, else from the store."""

import copy
import json

import pytest
from xlbench_operator.checks import accept
from xlbench_operator.loading import parse_yaml
from xlbench_operator.operating.names import job_name
from xlbench_operator.planning.bundles import bundle_of
from xlbench_operator.planning.plan import make_plan
from xlbench_specs import layout
from xlbench_specs.store import FileStore
from xlbench_specs.tasks import task_table


@pytest.fixture
def world(api, submitted, spec, tmp_path):
    """An experiment with its plan in a store."""
    root = tmp_path / "store"
    root.mkdir()
    found = submitted("Running", root=f"file://{root}")
    uid = found["metadata"]["uid"]
    plan = make_plan(accept(parse_yaml(spec.read_bytes()).data), task_table(), uid=uid)
    store = FileStore(root)
    folder = layout.experiment("small", uid)
    store.put(layout.plan(folder), plan.text().encode())
    return World(api, plan, store, folder)


class World:
    def __init__(self, api, plan, store, folder):
        self.api, self.plan, self.store, self.folder = api, plan, store, folder

    def bundle(self, kind):
        return next(each for each in self.plan.bundles if each.kind == kind)

    def job(self, bundle, number, *pods):
        """A Job that is in the cluster, with the logs of its pods."""
        name = job_name(bundle, self.plan.uid, number)
        self.api.jobs.append({"metadata": {"name": name, "namespace": "team-a"}})
        self.api.logs[name] = list(pods)
        return name

    def other(self, content):
        """An experiment that is listed first, with this for a plan; the plan's address."""
        ((place, found),) = self.api.experiments.items()
        other = copy.deepcopy(found)
        uid = "f" + found["metadata"]["uid"][1:]
        other["metadata"] |= {"name": "other", "uid": uid}
        path = layout.plan(layout.experiment("other", uid))
        if content is not None:
            self.store.put(path, content.encode())
        address = f"{self.store.root.as_uri()}/{path}"
        other["status"]["links"]["plan"] = address
        self.api.experiments = {("team-a", "other"): other, place: found}
        return address

    def stored(self, bundle, number, text):
        name = job_name(bundle, self.plan.uid, number)
        self.store.put(layout.log(self.folder, name), text.encode())
        return name


def test_a_jobs_newest_pod(world, xlbench):
    job = world.job(world.bundle("train"), 1, "first\n", "second\n")
    answer = xlbench("logs", job)
    assert (answer.exit_code, answer.stdout) == (0, "second\n")
    assert answer.stderr == f"{job}, from its pod\n"


def test_a_job_that_is_gone(world, xlbench):
    job = world.stored(world.bundle("train"), 1, "long ago\n")
    assert xlbench("logs", job).stdout == "long ago\n"
    told = json.loads(xlbench("logs", job, "--json").stdout)
    assert told == {"job": job, "text": "long ago\n", "source": "store"}


@pytest.mark.parametrize("digits", [64, 12, 6])
def test_a_stage_by_its_key(world, xlbench, digits):
    bundle = world.bundle("evaluate")
    world.stored(bundle, 1, "the first attempt\n")
    world.job(bundle, 2, "the second attempt\n")
    assert xlbench("logs", bundle.stages[-1][:digits]).stdout == "the second attempt\n"


def test_the_last_attempt_at_a_stage_counts_in_numbers(world, xlbench):
    bundle = world.bundle("train")
    for number in (2, 10, 9):
        world.stored(bundle, number, f"attempt {number}\n")
    assert xlbench("logs", bundle.stages[0]).stdout == "attempt 10\n"


@pytest.mark.parametrize("digits", [64, 6])
@pytest.mark.parametrize("content", [None, '{"schemaVersion": 2}', "{"])
def test_a_plan_that_cannot_be_read_hides_no_other_experiment(world, xlbench, content, digits):
    world.other(content)
    bundle = world.bundle("train")
    world.stored(bundle, 1, "the first attempt\n")
    answer = xlbench("logs", bundle.stages[0][:digits])
    assert (answer.exit_code, answer.stdout) == (0, "the first attempt\n")
    assert "cannot be read" not in answer.stderr


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(None, "(nothing is stored under", id="missing"),
        pytest.param('{"schemaVersion": 2}', "(schemaVersion: Input should be 1)", id="newer"),
        pytest.param("{", "(Invalid JSON: ", id="torn"),
    ],
)
@pytest.mark.parametrize("wanted", ["0" * 12, "0" * 64])
def test_a_plan_that_cannot_be_read_is_told_of_where_nothing_is_found(
    world, xlbench, wanted, content, why
):
    other = world.other(content)
    answer = xlbench("logs", wanted)
    assert answer.exit_code == 2
    first, second = answer.stderr.splitlines()
    assert first.startswith(f"{wanted}: no ")
    assert second.startswith(f"other: what its stages are is in {other}, which cannot be read")
    assert why in second


def test_the_beginning_of_two_keys_is_none(world, xlbench):
    first, second = world.plan.bundles[0].stages[0], world.plan.bundles[-1].stages[0]
    alike = first[:8] + second[8:]
    path = layout.plan(world.folder)
    text = world.store.read(path).data.decode().replace(second, alike)
    world.store.put(path, text.encode())
    world.stored(world.plan.bundles[0], 1, "one of two\n")
    answer = xlbench("logs", first[:6])
    assert answer.exit_code == 2
    assert answer.stderr == (
        f"{first[:6]}: the keys of 2 stages begin so; give more digits of one:\n"
        + "".join(f"{key}\n" for key in sorted([first, alike]))
    )
    assert xlbench("logs", first).stdout == "one of two\n"


def test_the_report_which_no_plan_knows(world, xlbench):
    key = "f" * 64
    world.job(bundle_of("report", [key]), 1, "reported\n")
    assert xlbench("logs", key).stdout == "reported\n"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        pytest.param("train-nothing-1", "no Job of namespace team-a has this name", id="no Job"),
        pytest.param("0" * 12, "has a key that begins so", id="no stage"),
        pytest.param("train", "valid: the name of a Job, or 6 or more", id="neither"),
    ],
)
@pytest.mark.usefixtures("world")
def test_what_is_not_there_is_said(xlbench, wanted, said):
    answer = xlbench("logs", wanted)
    assert answer.exit_code == 2
    assert said in answer.stderr


def test_a_stage_that_has_not_begun(world, xlbench):
    answer = xlbench("logs", world.bundle("train").stages[0])
    assert answer.exit_code == 2
    assert "no Job of this stage has begun" in answer.stderr


@pytest.mark.parametrize("said", ["", None], ids=["without a node", "without its image"])
def test_a_pod_that_has_not_begun(world, xlbench, said):
    answer = xlbench("logs", world.job(world.bundle("train"), 1, said))
    assert answer.exit_code == 2
    assert "has no pod that began yet" in answer.stderr


def test_a_store_that_cannot_be_read_from_here(xlbench, submitted, tmp_path):
    found = submitted("Running", root=f"file://{tmp_path}/elsewhere")
    answer = xlbench("logs", "a" * 12)
    assert answer.exit_code == 2
    assert "cannot be read from here" in answer.stderr
    assert f"--selector xlbench.dev/experiment={found['metadata']['uid']}" in answer.stderr
