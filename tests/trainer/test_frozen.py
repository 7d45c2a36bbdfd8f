"""Kept outputs of frozen layers: those of the layers, bounded, and safe beside other processes."""

import os
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from xlbench_trainer import frozen
from xlbench_trainer.encoders import embed, last_hidden, load, run_layers
from xlbench_trainer.frozen import frozen_outputs
from xlbench_trainer.packing import Packer, source_of
from xlbench_trainer.tokens import Items, PreparedSet, evenly

LENGTHS = [5, 3, 9, 3, 7]
TOKENS = sum(LENGTHS)
SIZE = TOKENS * 16 * 4


@pytest.fixture(scope="module")
def encoder(tiny_folder):
    return load(tiny_folder, "folder", 0.1)


@pytest.fixture(scope="module")
def prepared():
    ids = np.random.default_rng(1).integers(5, 150, TOKENS).astype(np.int32)
    nothing = [""] * len(LENGTHS)
    return PreparedSet(
        ids=ids,
        offsets=np.cumsum([0, *LENGTHS]),
        labels=np.zeros(len(LENGTHS), np.int32),
        items=Items(nothing, nothing, nothing, nothing),
        firsts=evenly(len(LENGTHS), 1),
        label_names=[],
    )


@dataclass
class Kept:
    encoder: object
    prepared: object
    scratch: Path

    def source(self, depth=1, chosen=None, data_key="d", scratch_bytes=10**9):
        return frozen_outputs(
            self.encoder,
            depth,
            self.prepared,
            chosen,
            encoder_key="e",
            data_keys=[data_key],
            scratch=self.scratch,
            scratch_bytes=scratch_bytes,
        )

    def __call__(self, *arguments, **settings):
        return self.source(*arguments, **settings).tokens

    @property
    def files(self):
        return sorted(path.name for path in self.scratch.iterdir() if path.suffix != ".lock")


@pytest.fixture
def kept(encoder, prepared, tmp_path):
    return Kept(encoder, prepared, tmp_path / "scratch")


def packed(encoder, prepared, sequences, kept=None):
    packer = Packer(encoder.device, encoder.separator)
    return packer.pack([source_of(prepared, kept)], 0 * sequences, sequences)


LONGEST_FIRST = np.array([2, 4, 0, 1, 3])


@pytest.mark.parametrize("depth", [1, 2])
def test_kept_outputs_are_those_of_the_layers_bit_for_bit(kept, encoder, prepared, depth):
    encoder.model.train()  # what is frozen is run in eval mode, whoever asks
    outputs = kept(depth)
    pack = packed(encoder, prepared, LONGEST_FIRST)
    with torch.no_grad():
        hidden = run_layers(encoder, embed(encoder, pack), pack, range(depth))
    assert np.array_equal(outputs[prepared.tokens_of(LONGEST_FIRST)], hidden.numpy())


SOME = np.array([1, 2, 4])


def test_of_some_sequences_only_their_outputs_are_kept(kept, encoder, prepared):
    source = kept.source(chosen=SOME)
    order = np.array([2, 4, 1])
    pack = packed(encoder, prepared, order)
    with torch.no_grad():
        hidden = run_layers(encoder, embed(encoder, pack), pack, range(1))
    assert np.array_equal(packed(encoder, prepared, order, source).inputs, hidden.numpy())
    assert np.diff(source.offsets).tolist() == [0, 3, 9, 0, 7]
    assert len(source.tokens) == 19


def test_others_of_the_same_set_are_kept_apart(kept):
    kept.source(chosen=SOME)
    kept.source(chosen=np.array([0, 1]))
    kept.source()
    whole = len(kept.files)
    kept.source(chosen=np.arange(len(LENGTHS)))
    assert (whole, len(kept.files)) == (3, 3)


@pytest.mark.parametrize("depth", [1, 2])
def test_in_a_pack_with_other_neighbours_they_are_close(kept, encoder, prepared, depth):
    some = np.array([0, 3])
    encoder.model.eval()
    with torch.no_grad():
        with_kept = last_hidden(encoder, packed(encoder, prepared, some, kept.source(depth)), depth)
        without = last_hidden(encoder, packed(encoder, prepared, some), depth)
        alone = [
            last_hidden(encoder, packed(encoder, prepared, np.array([number]))) for number in some
        ]
    whole = torch.cat(alone)
    assert torch.allclose(with_kept, without, atol=1e-6)
    assert torch.allclose(without, whole, atol=1e-6)


def test_frozen_layers_get_no_gradient_whether_they_are_kept_or_not(kept, encoder, prepared):
    for outputs in (kept.source(1), None):
        encoder.model.zero_grad()
        last_hidden(encoder, packed(encoder, prepared, LONGEST_FIRST, outputs), 1).sum().backward()
        moved = {
            name.split(".")[2] if "layer." in name else name.split(".")[0]
            for name, each in encoder.model.named_parameters()
            if each.grad is not None
        }
        assert moved == {"1"}


def test_they_are_computed_once(kept, monkeypatch):
    first = kept().copy()
    monkeypatch.setattr(frozen, "run_layers", None)
    assert np.array_equal(kept(), first)
    with pytest.raises(TypeError):
        kept(data_key="other")


def test_a_map_cannot_be_written_to(kept):
    with pytest.raises(ValueError, match="read-only"):
        kept()[0] = 0


def test_a_set_that_is_too_large_is_not_kept(kept, monkeypatch):
    monkeypatch.setattr(frozen, "KEPT_BYTES", SIZE - 1)
    assert kept.source() is None
    assert kept.source(chosen=SOME) is not None
    monkeypatch.setattr(frozen, "KEPT_BYTES", SIZE)
    assert kept.source() is not None


def test_one_of_two_processes_computes_and_the_other_waits_for_it(kept, monkeypatch):
    run, waited = run_layers, []

    def slowly(*arguments):
        monkeypatch.setattr(frozen, "run_layers", run)
        other = Thread(target=lambda: waited.append(kept()))
        other.start()
        other.join(5 * frozen.POLL_S)
        assert other.is_alive()
        computed.append(other)
        return run(*arguments)

    computed = []
    monkeypatch.setattr(frozen, "run_layers", slowly)
    first = kept()
    monkeypatch.setattr(frozen, "run_layers", None)
    computed[0].join(30)
    assert np.array_equal(waited[0], first)


def test_one_that_has_waited_for_too_long_computes_too_and_harms_nothing(kept, monkeypatch):
    monkeypatch.setattr(frozen, "WAIT_S", 0.0)
    run, inner = run_layers, []

    def another_comes_first(*arguments):
        monkeypatch.setattr(frozen, "run_layers", run)
        if not inner:
            inner.append(None)
            inner[0] = kept()  # begins after us and ends before us
        return run(*arguments)

    monkeypatch.setattr(frozen, "run_layers", another_comes_first)
    outer = kept()
    assert np.array_equal(outer, inner[0])
    assert len(kept.files) == 1


def age(scratch, hours):
    for path in scratch.iterdir():
        then = path.stat().st_mtime - 3600 * hours
        os.utime(path, (then, then))


def test_the_ones_used_longest_ago_make_room(kept):
    for data_key in ("a", "b", "c"):
        kept(data_key=data_key)
        age(kept.scratch, 2)
    oldest, used = kept.files, None
    kept(data_key="a")
    kept(data_key="d", scratch_bytes=2 * SIZE)
    used = kept.files
    assert len(used) == 2
    assert len(set(used) & set(oldest)) == 1
    before = set(used)
    kept(data_key="a", scratch_bytes=2 * SIZE)
    assert set(kept.files) == before


def test_young_ones_stay_even_beyond_the_bound(kept):
    for data_key in ("a", "b"):
        kept(data_key=data_key, scratch_bytes=SIZE)
    assert len(kept.files) == 2


def test_young_ones_go_where_the_disk_has_no_room(kept, monkeypatch):
    for data_key in ("a", "b"):
        kept(data_key=data_key)
    (kept.scratch / "partial-1").write_bytes(bytes(SIZE))
    just_short = SimpleNamespace(free=frozen.SPARE_BYTES)
    monkeypatch.setattr(frozen.shutil, "disk_usage", lambda _: just_short)
    kept(data_key="c")
    assert "partial-1" in kept.files, "another process writes it"
    assert len(kept.files) == 3, "one of three sets made room"


def test_what_a_killed_process_left_half_written_goes_when_it_is_old(kept):
    kept.scratch.mkdir()
    (kept.scratch / "partial-1").write_bytes(bytes(SIZE))
    kept(data_key="a", scratch_bytes=SIZE)
    assert "partial-1" in kept.files
    age(kept.scratch, 2)
    kept(data_key="b", scratch_bytes=SIZE)
    assert len(kept.files) == 1


def test_a_file_that_is_dropped_meanwhile_is_made_again(kept, monkeypatch):
    first = kept().copy()
    utime = os.utime

    def dropped(path):
        utime(path)
        path.unlink()
        monkeypatch.setattr(os, "utime", utime)

    monkeypatch.setattr(os, "utime", dropped)
    assert np.array_equal(kept(), first)


def test_going_on_from_kept_shallower_outputs_changes_no_bit(encoder, prepared, tmp_path):
    whole = Kept(encoder, prepared, tmp_path / "whole")(depth=2)
    kept = Kept(encoder, prepared, tmp_path / "parts")
    kept(depth=1)

    assert np.array_equal(kept(depth=2), whole)
    assert [name.removesuffix(".f32").rpartition("-")[2] for name in kept.files] == ["001", "002"]
