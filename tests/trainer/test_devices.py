"""Several devices: shares of an update, and phases trained by two processes on this machine."""

import json
import signal
import subprocess
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from xlbench_specs import layout
from xlbench_specs.exits import TrainerExit
from xlbench_specs.stages import StageFile
from xlbench_trainer.devices import ALONE, Devices, launch

WAIT_S = 900
PROGRAM = """
from xlbench_trainer import main
sys.exit(main.main())
"""


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_each_thing_is_dealt_to_one_process(count):
    sizes = np.array([4, 1, 9, 9, 2])
    hands = [Devices(rank, count).dealt(sizes) for rank in range(count)]
    assert sum(hands).tolist() == [1] * len(sizes)
    assert max(map(sum, hands)) - min(map(sum, hands)) <= 1


def test_all_processes_get_about_as_many_tokens():
    hands = [Devices(rank, 2).dealt(np.array([1, 1, 1, 5, 1, 4])) for rank in range(2)]
    assert [hand.tolist() for hand in hands] == [
        [True, False, True, True, False, False],
        [False, True, False, False, True, True],
    ]


def test_one_process_alone_asks_nobody():
    parameter = torch.nn.Parameter(torch.ones(2))
    ALONE.sum_gradients([parameter])
    assert parameter.grad is None
    ALONE.agree("update", 3)
    loss = torch.tensor(2.5)
    assert ALONE.total(loss) is loss
    assert (ALONE.any(said=True), ALONE.any(said=False), ALONE.first_says(5)) == (True, False, 5)


def test_more_devices_than_there_are_is_a_wrong_task(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert launch(4) == TrainerExit.BAD_TASK
    assert "--devices 4: this node has 2" in capsys.readouterr().err


@dataclass
class Ended:
    code: int
    events: list[tuple[str, dict]]


class Command:
    """The trainer's command line on a laboratory's stages, in processes of their own."""

    def __init__(self, lab, stages, *, devices):
        lab.run(*lab.prepared(*stages), inputs=False)
        file = StageFile(experiment=lab.experiment, stages=stages, runtime=lab.runtime)
        lab.store.put("file.json", file.text().encode())
        self._words = [*lab.python(PROGRAM), "--store", f"file://{lab.store.root}"]
        self._words += ["--devices", str(devices), "file.json"]

    def run(self):
        """Run it to its end."""
        with self.started() as process:
            return self.ended(process)

    def started(self):
        """Start it."""
        return subprocess.Popen(self._words, stdout=subprocess.PIPE, text=True)

    def ended(self, process):
        """Wait for its end."""
        out, _ = process.communicate(timeout=WAIT_S)
        lines = [json.loads(line) for line in out.splitlines()]
        return Ended(process.returncode, [(line.pop("event"), line) for line in lines])


UPDATES = {
    "one task an update, three examples for two processes": {
        "tasks": {"topic": 4, "spans": 3, "fill": 2},
        "batch_size": 3,
    },
    "all tasks in each update, some heads with one process alone": {
        "tasks": {"topic": 3, "spans": 3, "same": 3},
        "batch_size": 3,
        "batches": "mixed",
    },
    "fewer examples than processes": {"tasks": {"topic": 6}, "batch_size": 1},
}


@pytest.mark.slow
@pytest.mark.parametrize("given", UPDATES.values(), ids=UPDATES)
def test_two_processes_train_as_one_does(new_lab, given):
    labs = {1: new_lab("one"), 2: new_lab("two")}
    stages = {
        count: lab.train(lab.encoder, **given, dropout=0.0, weight_decay=0.0)
        for count, lab in labs.items()
    }
    for count, lab in labs.items():
        ended = Command(lab, [stages[count]], devices=count).run()
        assert ended.code == TrainerExit.DONE
        assert [event for event, _ in ended.events].count("begin") == 1
        attempts = lab.store.list(layout.payload("train", stages[count].key, "")[:-1])
        assert len({path.split("/")[3] for path in attempts}) == 1
    one, two = (labs[count].record(stages[count]) for count in (1, 2))
    assert two.losses == pytest.approx(one.losses, abs=1e-5)
    assert two.exposure == one.exposure
    left, right = (labs[count].tensors(stages[count]) for count in (1, 2))
    assert left.keys() == right.keys()


@pytest.mark.slow
def test_sigterm_reaches_all_processes_and_the_next_run_ends_with_the_same_bits(new_lab):
    whole, stopped = new_lab("whole"), new_lab("stopped")
    stage = whole.train(whole.encoder, {"topic": 200}, dropout=0.1)
    assert Command(whole, [stage], devices=2).run().code == TrainerExit.DONE
    command = Command(stopped, [stage], devices=2)
    with command.started() as process:
        seen = (json.loads(line)["event"] for line in process.stdout)
        assert "step" in seen
        process.send_signal(signal.SIGTERM)
        assert command.ended(process).code == TrainerExit.INTERRUPTED
    assert stopped.manifest(stage) is None
    assert stopped.store.list(layout.checkpoints(stage.key)) != []
    assert command.run().code == TrainerExit.DONE
    assert stopped.manifest(stage).provenance.resumed_update > 0
    one, two = whole.tensors(stage), stopped.tensors(stage)
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


@pytest.mark.slow
def test_a_wrong_recipe_ends_all_processes_with_its_own_code(new_lab):
    lab = new_lab("wrong")
    stage = lab.train(lab.encoder, {"topic": 2}).model_copy(update={"recipe": 99})
    ended = Command(lab, [stage], devices=2).run()
    assert ended.code == TrainerExit.WRONG_RECIPE
    assert [event for event, _ in ended.events] == ["begin", "failed"]


@pytest.mark.slow
def test_a_process_that_dies_takes_the_others_with_it(new_lab, monkeypatch, tmp_path):
    lab = new_lab("killed")
    stage = lab.train(lab.encoder, {"topic": 6}, dropout=0.0)
    monkeypatch.setenv("XLBENCH_KILL_AT", "update:4")
    monkeypatch.setenv("XLBENCH_KILL_MARK", str(tmp_path / "mark"))
    command = Command(lab, [stage], devices=2)
    assert command.run().code == TrainerExit.FAILED
    assert command.run().code == TrainerExit.DONE
