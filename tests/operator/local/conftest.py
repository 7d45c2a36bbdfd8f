"""Plans to run and a trainer to run them: real processes, no torch."""

import io
import sys
from pathlib import Path

import finished_stages
import pytest
from rich.console import Console
from xlbench_operator.local.display import display_on
from xlbench_operator.local.execute import Execution, Settings
from xlbench_operator.planning.plan import local_uid, make_plan
from xlbench_specs.experiment import ExperimentSpec
from xlbench_specs.stages import StageRuntime
from xlbench_specs.store import FileStore
from xlbench_specs.tasks import task_table

STAND_IN = Path(__file__).with_name("stand_in_trainer.py")


def spec_of(**changes):
    """A small experiment: two arms that share nothing but data."""
    target = {"tasks": [{"task": "$target"}]}
    spec = {
        "encoders": [{"name": "tiny", "model": "builtin/random-tiny"}],
        "targets": [{"task": "ha-intent"}],
        "languages": {"codes": ["cy", "bn"]},
        "seeds": [1, 2],
        "schedules": [
            {"name": "chain", "phases": [{"tasks": [{"task": "cldr-names"}]}, target]},
            {
                "name": "joint",
                "phases": [{"tasks": [{"task": "cldr-names"}, {"task": "$target"}]}],
            },
        ],
        "budget": {"match": "exposure", "intermediate": 6, "target": 4},
    }
    data = {
        "apiVersion": "xlbench.dev/v1alpha1",
        "kind": "ExperimentSpec",
        "metadata": {"name": "small"},
        "spec": spec | changes,
    }
    return ExperimentSpec.parse(data)


def plan_of(**changes):
    document = spec_of(**changes)
    return make_plan(document, task_table(), uid=local_uid(document))


@pytest.fixture
def plan():
    return plan_of()


@pytest.fixture
def plan_in_more_languages():
    """The first seed of `plan`, in one more language."""
    return plan_of(seeds=[1], languages={"codes": ["af", "bn", "cy"]})


@pytest.fixture
def plan_on_two_encoders():
    """`plan` on a tiny encoder and on a small one."""
    return plan_of(
        encoders=[
            {"name": "tiny", "model": "builtin/random-tiny"},
            {"name": "small", "model": "builtin/e5-small-q4"},
        ]
    )


@pytest.fixture
def plan_of_frozen():
    """Two models that train the upper four of twelve layers, in one language and English."""
    return plan_of(
        encoders=[{"name": "small", "model": "builtin/e5-small-q4"}],
        seeds=[1],
        languages={"codes": ["cy"]},
        training={"trainable": {"lowestLayer": 8, "embeddings": False}},
    )


@pytest.fixture
def plan_with_shared_prefix():
    target, names = {"tasks": [{"task": "$target"}]}, {"tasks": [{"task": "cldr-names"}]}
    slots = {"tasks": [{"task": "ha-slots"}]}
    return plan_of(
        seeds=[1],
        schedules=[
            {"name": "chain", "phases": [names, slots, target]},
            {"name": "only-names", "role": "control", "phases": [names, target]},
        ],
    )


@pytest.fixture
def trainer(tmp_path):
    """An executable that obeys the files in `orders`, see its own words."""
    orders = tmp_path / "orders"
    orders.mkdir()
    script = tmp_path / "stand-in"
    samples = Path(finished_stages.__file__).parent
    command = f'"{sys.executable}" "{STAND_IN}" "{orders}" "$@"'
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{samples}" exec {command}\n')
    script.chmod(0o755)
    return script


@pytest.fixture
def order(trainer):
    """Tells the stand-in what to do at a stage, so many times."""

    def give(key, *what):
        (trainer.parent / "orders" / key).write_text("\n".join(what))

    return give


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path / "results")


class Watch:
    """A display that notes the time left."""

    def __init__(self):
        self.left_s = []

    def update(self, snapshot):
        self.left_s.append(snapshot.left_s)

    def ended(self, name, state, seconds):
        pass

    def tell(self, line):
        pass


@pytest.fixture
def watched(plan, store, trainer):
    """Runs the plan; the execution, and the time left before and at every update."""

    def run():
        watch = Watch()
        execution = Execution(plan, store, Settings(trainer, 1, 1, StageRuntime()), watch)
        watch.update(execution.snapshot())
        execution.run()
        return execution, watch.left_s

    return run


@pytest.fixture
def execute(plan, store, trainer):
    """Runs the plan, or another one or elsewhere; the execution and what was said."""

    def run(jobs=1, plan=plan, store=store):
        console = Console(file=io.StringIO(), record=True, width=200)
        runtime = StageRuntime(scratch=str(store.root / "scratch"))
        with display_on(console) as display:
            execution = Execution(plan, store, Settings(trainer, jobs, 1, runtime), display)
            execution.run()
        return execution, console.export_text()

    return run
