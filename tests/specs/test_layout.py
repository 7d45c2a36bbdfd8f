import pytest
from xlbench_specs import layout

EXPERIMENT = layout.experiment("quickstart", "0123")

PATHS = {
    "payload": (layout.payload("train", "k", "a"), "payloads/train/k/a"),
    "manifest": (layout.manifest("train", "k"), "manifests/train/k.json"),
    "checkpoints": (layout.checkpoints("k"), "checkpoints/k"),
    "checkpoint": (layout.checkpoint("k", "a", 7), "checkpoints/k/a/00000007"),
    "experiment": (EXPERIMENT, "experiments/quickstart/0123"),
    "plan": (layout.plan(EXPERIMENT), "experiments/quickstart/0123/plan.json"),
    "job": (layout.job(EXPERIMENT, "train-1"), "experiments/quickstart/0123/jobs/train-1.json"),
    "attempts": (layout.attempts(EXPERIMENT), "experiments/quickstart/0123/attempts"),
    "attempt": (
        layout.attempt(EXPERIMENT, "train-1"),
        "experiments/quickstart/0123/attempts/train-1.json",
    ),
    "failure": (layout.failure(EXPERIMENT, "k"), "experiments/quickstart/0123/failures/k.json"),
    "log": (layout.log(EXPERIMENT, "train-1"), "experiments/quickstart/0123/logs/train-1.log"),
}


@pytest.mark.parametrize(("path", "expected"), PATHS.values(), ids=PATHS)
def test_where_things_lie(path, expected):
    # A store outlives every version of this code: a path that moves loses what is stored.
    assert path == expected


def test_checkpoints_sort_by_update():
    steps = [layout.checkpoint("k", "a", update) for update in (1, 20, 300, 4000)]
    assert sorted(steps) == steps


def test_a_checkpoints_file_tells_its_update():
    assert layout.checkpoint_update(f"{layout.checkpoint('k', 'a', 7)}/state.json") == 7
