"""Checkpoints: the newest whole one of any attempt is found, all others are passed over."""

import pytest
import torch
from xlbench_specs import layout
from xlbench_specs.store import FileStore
from xlbench_trainer.checkpoints import Checkpoint, Checkpoints

KEY = "a" * 64


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path)


def save(store, attempt, update):
    tensors = {"weight/x": torch.full((3,), float(update)), "moment/x|step": torch.tensor(1.0)}
    Checkpoints(store, KEY, attempt).save(Checkpoint(update, tensors, [0.1, 1 / 3], (0.1 + 0.2, 2)))


def newest(store):
    found = Checkpoints(store, KEY, "new").newest()
    return None if found is None else found.update


def test_a_checkpoint_reads_back_to_the_last_bit(store):
    save(store, "one", 7)
    found = Checkpoints(store, KEY, "two").newest()
    assert found.update == 7
    assert found.losses == [0.1, 1 / 3]
    assert found.best == (0.1 + 0.2, 2)
    assert found.tensors["weight/x"].tolist() == [7.0] * 3
    assert found.tensors["moment/x|step"].shape == ()


def test_there_is_none_at_first(store):
    assert newest(store) is None


def test_only_the_newest_stays_whoever_wrote_the_others(store):
    for attempt, update in [("one", 3), ("one", 5), ("two", 8), ("three", 12)]:
        save(store, attempt, update)
    assert newest(store) == 12
    folders = {path.rsplit("/", 1)[0] for path in store.list(layout.checkpoints(KEY))}
    assert folders == {layout.checkpoint(KEY, "three", 12)}


def test_an_attempt_that_is_behind_takes_nothing_from_one_that_is_ahead(store):
    save(store, "ahead", 9)
    save(store, "behind", 4)
    assert newest(store) == 9


DAMAGE = {
    "no mark": ("checkpoint.json", None),
    "half a mark": ("checkpoint.json", b'{"update": 9, "sha'),
    "no tensors": ("tensors.safetensors", None),
    "half the tensors": ("tensors.safetensors", lambda data: data[: len(data) // 2]),
    "another bit in the tensors": ("tensors.safetensors", lambda data: data[:-1] + b"\x01"),
    "no state": ("state.json", None),
    "another number in the state": ("state.json", lambda data: data.replace(b"0.1", b"0.2")),
}


@pytest.mark.parametrize(("name", "damage"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_one_is_passed_over_for_the_one_before(store, tmp_path, name, damage):
    save(store, "two", 9)
    save(store, "one", 5)
    path = tmp_path / layout.checkpoint(KEY, "two", 9) / name
    data = path.read_bytes()
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(data) if callable(damage) else damage)
        assert path.read_bytes() != data
    assert newest(store) == 5


def test_one_that_another_attempt_is_writing_is_left_alone(store):
    half = f"{layout.checkpoint(KEY, 'alive', 2)}/tensors.safetensors"
    store.put(half, b"...")
    save(store, "one", 9)
    assert half in store.list(layout.checkpoints(KEY))


def test_clearing_takes_all_of_this_stage_alone(store):
    other = f"{layout.checkpoints('b' * 64)}/one/00000001/checkpoint.json"
    store.put(other, b"{}")
    save(store, "one", 3)
    Checkpoints(store, KEY, "two").clear()
    assert store.list("checkpoints") == [other]
