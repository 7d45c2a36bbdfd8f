"""The executor with real processes and a stand-in trainer that misbehaves on demand."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from finished_stages import manifest_of
from xlbench_operator.local.board import State
from xlbench_specs import layout
from xlbench_specs.manifests import Failure
from xlbench_specs.stages import StageFile
from xlbench_specs.store import FileStore, finished

pytestmark = pytest.mark.slow  # real processes, their deaths and their deadlines

SOON_S = 20.0
RUN_IT = Path(__file__).with_name("run_it.py")


@pytest.fixture
def begun(trainer):
    """(process, key) of every stage that a trainer began, in order."""

    def read():
        path = trainer.parent / "orders" / "begun"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(process), key) for process, key in map(str.split, lines)]

    return read


def first(plan, kind, **params):
    """Key of the first stage of a kind with these parameters."""
    for key, stage in plan.stages_of(kind).items():
        if all(getattr(stage.params, name) == value for name, value in params.items()):
            return key
    raise LookupError(kind, params)


def below(plan, *keys):
    """The stages that need any of these, directly or not."""
    found = set(keys)
    for key, stage in plan.stages.items():
        if found & set(stage.inputs.values()):
            found.add(key)
    return found - set(keys)


def states(execution):
    return Counter(execution.board.states.values())


def wait_for(condition):
    deadline = time.monotonic() + SOON_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def alive(process):
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("jobs", [1, 4])
def test_every_stage_is_run_once_after_what_it_needs(plan, store, execute, begun, jobs):
    execution, _ = execute(jobs)
    assert states(execution) == {State.DONE: len(plan.stages)}
    order = [key for _, key in begun()]
    assert sorted(order) == sorted(plan.stages)
    for number, key in enumerate(order):
        assert set(plan.stages[key].inputs.values()) <= set(order[:number])
    assert all(finished(store, stage.kind, key) for key, stage in plan.stages.items())


def test_a_folder_may_have_any_name(plan, tmp_path, execute):
    execution, _ = execute(store=FileStore(tmp_path / "my results é 100%20"))
    assert states(execution) == {State.DONE: len(plan.stages)}


def test_one_job_runs_a_plan_of_one_encoder_in_one_process(execute, begun):
    execute(jobs=1)
    assert len({process for process, _ in begun()}) == 1


def test_a_chain_and_its_scores_are_run_by_one_process(plan, execute, begun):
    execute(jobs=2)
    process_of = {key: process for process, key in begun()}
    for model in plan.models:
        keys = [*model.train, *(each.key for each in model.evaluations)]
        assert len({process_of[key] for key in keys}) == 1


def test_run_again_nothing_is_started(plan, execute, begun):
    execute()
    before = begun()
    execution, _ = execute()
    assert begun() == before
    assert states(execution) == {State.REUSED: len(plan.stages)}


def test_another_experiment_in_the_folder_runs_only_what_is_new(
    plan, plan_in_more_languages, store, execute, begun
):
    execute()
    before = len(begun())
    execution, _ = execute(plan=plan_in_more_languages)
    new = plan_in_more_languages.stages.keys() - plan.stages.keys()
    assert {key for _, key in begun()[before:]} == new
    kinds = Counter(plan_in_more_languages.stages[key].kind for key in new)
    assert kinds == {"prepare": 1, "evaluate": 2}, "one test set, for two models"
    assert states(execution) == {
        State.DONE: len(new),
        State.REUSED: len(plan_in_more_languages.stages) - len(new),
    }
    folders = {layout.experiment(each.name, each.uid) for each in (plan, plan_in_more_languages)}
    assert len(folders) == 2
    assert all(store.list(f"{folder}/jobs") for folder in folders)


def test_what_a_stage_file_says_is_what_the_trainer_was_meant_to_get(plan, store, execute):
    execute(jobs=1)
    folder = layout.experiment(plan.name, plan.uid)
    (path,) = store.list(f"{folder}/jobs")
    file = StageFile.model_validate_json(store.read(path).data)
    assert file.experiment == folder
    assert file.runtime.scratch == str(store.root / "scratch")
    assert {stage.key for stage in file.stages} == set(plan.stages)


@pytest.mark.parametrize("jobs", [1, 3])
def test_what_may_pass_is_tried_again(plan, execute, order, begun, jobs):
    key = first(plan, "train", seed=1)
    order(key, "fail", "crash")
    execution, said = execute(jobs)
    assert states(execution) == {State.DONE: len(plan.stages)}
    assert [each for _, each in begun()].count(key) == 3
    assert said.count("will try again: train chain, seed 1") == 2


def test_only_the_store_says_that_a_stage_is_done(plan, execute, order):
    order(first(plan, "train", seed=1), "babble")
    execution, said = execute()
    assert states(execution) == {State.DONE: len(plan.stages)}
    assert said.count("failed") == said.count("again") == 0


@pytest.mark.parametrize(
    ("misfortune", "tries", "reason", "words"),
    [
        pytest.param("fail", 3, "error", "no luck", id="an error that does not pass"),
        pytest.param("hopeless", 1, "task-is-wrong", "no luck", id="a wrong task"),
        pytest.param("crash", 3, "error", "about to crash", id="a killed trainer"),
        pytest.param("vanish", 3, "no-manifest", "left no manifest", id="success without proof"),
        pytest.param("refuse", 1, "wrong-recipe", "exit code 65", id="another recipe"),
    ],
)
def test_a_failed_stage_takes_down_what_needs_it_and_no_more(  # noqa: PLR0917 - a table's columns
    plan, store, execute, order, begun, misfortune, tries, reason, words
):
    key = first(plan, "train", seed=1)
    order(key, *[misfortune] * 9)
    execution, said = execute()
    lost = below(plan, key)
    assert lost
    assert execution.board.states[key] is State.FAILED
    assert set(execution.board.keys(State.SKIPPED)) == lost
    assert states(execution)[State.DONE] == len(plan.stages) - 1 - len(lost)
    assert [each for _, each in begun()].count(key) == tries

    folder = layout.experiment(plan.name, plan.uid)
    failure = Failure.model_validate_json(store.read(layout.failure(folder, key)).data)
    assert (failure.key, failure.kind, failure.reason) == (key, "train", reason)
    assert words in failure.message
    assert words in said
    log = said.partition("log: ")[2].split()[0]
    assert Path(log).is_file()


def test_a_stage_that_another_run_finished_meanwhile_took_what_that_run_needed(
    plan, store, trainer, watched, order
):
    key = first(plan, "prepare")
    there = store.root / layout.manifest("prepare", key)
    made = trainer.parent / "manifest.json"
    made.write_text(manifest_of(plan.stages[key], "another").text())
    command = trainer.read_text().removeprefix("#!/bin/sh\n")
    trainer.write_text(
        f"#!/bin/sh\nif [ -f '{made}' ]; then mkdir -p '{there.parent}'; mv '{made}' '{there}'\n"
        f"kill -9 $$; fi\n{command}"
    )
    order(first(plan, "encoder"), "slow")
    execution, left_s = watched()
    assert max(left_s) == left_s[0], "stand-ins are faster than what is expected of trainers"
    assert list(execution.board.keys(State.REUSED)) == [key]
    assert states(execution)[State.DONE] == len(plan.stages) - 1
    assert finished(store, "prepare", key).attempt == "another"


def test_a_failed_stage_is_tried_anew_by_the_next_run(plan, execute, order):
    key = first(plan, "prepare", language="cy")
    order(key, *["fail"] * 3)
    execution, _ = execute()
    assert states(execution)[State.FAILED] == 1
    execution, _ = execute()
    assert states(execution)[State.FAILED] == states(execution)[State.SKIPPED] == 0
    assert execution.board.ended


def test_a_missing_test_set_costs_only_its_own_scores(plan, execute, order):
    key = first(plan, "prepare", language="cy", task="ha-intent")
    order(key, "hopeless")
    execution, _ = execute()
    skipped = [plan.stages[each].params for each in execution.board.keys(State.SKIPPED)]
    assert {(params.kind, params.language) for params in skipped} == {("evaluate", "cy")}


def test_a_broken_executable_fails_the_run_and_says_what_it_said(plan, execute, trainer):
    trainer.write_text("#!/bin/sh\necho 'no such library' >&2\nexit 1\n")
    execution, said = execute()
    assert states(execution) == {State.FAILED: 1, State.SKIPPED: len(plan.stages) - 1}
    assert "no such library" in said


@pytest.fixture
def orphan(trainer):
    """Has each trainer leave a process that outlives it and holds its pipe."""
    mark = trainer.parent / "orphan"
    command = trainer.read_text().removeprefix("#!/bin/sh\n")
    trainer.write_text(f"#!/bin/sh\nsleep {2 * SOON_S:g} &\necho $! >>'{mark}'\n{command}")
    yield
    for process in map(int, mark.read_text().split()):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


@pytest.mark.usefixtures("orphan")
def test_a_trainer_has_ended_though_a_process_of_its_own_lives_on(plan, execute, order):
    order(first(plan, "train", seed=1), "crash")
    begun = time.monotonic()
    execution, said = execute()
    assert time.monotonic() - begun < SOON_S
    assert states(execution) == {State.DONE: len(plan.stages)}
    assert said.count("will try again: train chain, seed 1") == 1


@pytest.mark.slow
class TestInAProcessOfItsOwn:
    """Signals, kills and races: the executor is a child here, so that it can be done away with."""

    @pytest.fixture
    def begin(self, plan, store, trainer):
        """Starts a run of the plan in a process of its own."""
        started = []

        def start():
            store.create("plan.json", plan.text().encode())
            command = [sys.executable, RUN_IT, store.root, trainer]
            child = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
            started.append(child)
            return child

        yield start
        for child in started:
            child.kill()
            child.communicate()

    @pytest.fixture
    def hanging(self, plan, order, begun):
        """A stage that hangs when it is begun, and the process in which it does."""
        key = first(plan, "train", seed=1)
        order(key, "hang")

        def process():
            return next((each for each, stage in begun() if stage == key), None)

        return process

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_a_signal_stops_trainers_in_an_orderly_way(self, begin, hanging, number):
        run = begin()
        process = wait_for(hanging)
        run.send_signal(number)
        assert run.communicate(timeout=SOON_S)[0] == b"interrupted\n"
        assert not alive(process)

    def test_a_stopped_run_is_continued(  # noqa: PLR0917 - fixtures
        self, plan, store, begin, hanging, execute, begun
    ):
        run = begin()
        wait_for(hanging)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=SOON_S)
        done = {k for k, stage in plan.stages.items() if finished(store, stage.kind, k)}
        before = len(begun())
        execution, _ = execute()
        assert states(execution) == {
            State.REUSED: len(done),
            State.DONE: len(plan.stages) - len(done),
        }
        assert not done & {key for _, key in begun()[before:]}

    @pytest.mark.parametrize("first", ["trap '' TERM", "trap '' TERM; exec >&-"])
    def test_the_second_ctrl_c_kills_what_does_not_stop(self, begin, trainer, first):
        mark = trainer.parent / "deaf"
        trainer.write_text(
            f"#!/bin/sh\n{first}\necho $$ > {mark}.new; mv {mark}.new {mark}\n"
            "while :; do sleep 0.05; done\n"
        )
        run = begin()
        process = int(wait_for(lambda: mark.is_file() and mark.read_text()))
        run.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            run.wait(timeout=0.7)
        run.send_signal(signal.SIGINT)
        assert run.communicate(timeout=SOON_S)[0] == b"interrupted\n"
        assert not alive(process)

    def test_a_killed_run_leaves_no_trainer_behind(self, begin, hanging):
        run = begin()
        process = wait_for(hanging)
        assert alive(process)
        run.kill()
        run.wait()
        wait_for(lambda: not alive(process))

    def test_a_killed_run_is_continued_without_doing_anything_twice(
        self, plan, begin, hanging, execute, begun
    ):
        run = begin()
        wait_for(hanging)
        run.kill()
        run.wait()
        execution, _ = execute()
        assert execution.board.ended
        assert not states(execution)[State.FAILED]
        again = Counter(key for _, key in begun())
        assert len(again) == len(plan.stages)

    def test_two_runs_at_once_on_one_folder_end_with_one_manifest_a_stage(
        self, plan, store, begin, order
    ):
        for key in plan.stages_of("train"):
            order(key, "slow")
        runs = [begin(), begin()]
        assert [run.communicate(timeout=SOON_S)[0] for run in runs] == [b"ended\n"] * 2
        assert all(finished(store, stage.kind, key) for key, stage in plan.stages.items())
