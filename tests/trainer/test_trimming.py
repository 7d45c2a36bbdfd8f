"""Trimming the vocabulary changes no bit of what a phase leaves, and is off where it would."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from xlbench_specs.exits import TrainerExit
from xlbench_specs.experiment import Trainable
from xlbench_trainer.encoders import load
from xlbench_trainer.recipes import train
from xlbench_trainer.tokens import Items, PreparedSet, evenly
from xlbench_trainer.trimming import TrimmedVocabulary, set_aside, widened

TABLE = "encoder.embeddings.word_embeddings.weight"
UNCLIPPED = 1e9


def weights_of(lab, stage):
    """All weights of the model that a stage left, and its losses."""
    model = lab.workshop().model(lab.manifest(stage))
    tensors = {name: each.detach().clone() for name, each in model.encoder.model.named_parameters()}
    tensors |= {f"head.{name}": each for name, each in model.heads.state_dict().items()}
    return tensors, lab.record(stage).losses


@pytest.fixture
def both(new_lab, monkeypatch):
    """What the last of some stages leaves, with the vocabulary trimmed and whole."""

    def run(make):
        trimmed, whole = new_lab("trimmed"), new_lab("whole")
        stages = make(trimmed)
        assert trimmed.run(*stages) == TrainerExit.DONE
        monkeypatch.setattr(train, "TrimmedVocabulary", lambda *_: None)
        assert whole.run(*stages) == TrainerExit.DONE
        return [weights_of(lab, stages[-1]) for lab in (trimmed, whole)]

    return run


PHASES = {
    "plain": {"weight_decay": 0.0},
    "weight decay, which moves what is never read": {"weight_decay": 0.1},
    "without dropout": {"dropout": 0.0, "weight_decay": 0.1},
    "the best state, which is not the last": {
        "checkpoint": "best-english-dev",
        "weight_decay": 0.1,
        "learning_rate": 0.3,
    },
}


@pytest.mark.parametrize("settings", PHASES.values(), ids=PHASES)
def test_ten_unclipped_updates_leave_the_same_bits(both, settings):
    (one, losses), (two, expected) = both(
        lambda lab: [lab.train(lab.encoder, {"topic": 10}, clip=UNCLIPPED, **settings)]
    )
    assert losses == expected
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


def test_clipped_updates_differ_by_the_order_of_a_sum(both):
    (one, losses), (two, expected) = both(
        lambda lab: [lab.train(lab.encoder, {"topic": 10}, clip=0.1, weight_decay=0.1)]
    )
    assert losses == pytest.approx(expected, rel=1e-6)
    for name, tensor in one.items():
        if "key.bias" not in name:  # its gradient is noise
            assert (tensor - two[name]).norm() <= 1e-6 * max(1.0, float(two[name].norm())), name


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_a_carried_optimiser_moves_rows_that_only_the_phase_before_read(both, decay):
    common = {"clip": UNCLIPPED, "weight_decay": decay, "total_updates": 9}

    def make(lab):
        first = lab.train(lab.encoder, {"spans": 4}, keep_optimizer=True, first_update=0, **common)
        second = lab.train(
            first, {"topic": 5}, earlier=["spans"], optimizer="carry", first_update=4, **common
        )
        return [first, second]

    (one, losses), (two, expected) = both(make)
    assert losses == expected
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


def test_a_phase_of_words_after_a_trimmed_one_carries_its_moments(both):
    common = {"clip": UNCLIPPED, "total_updates": 6}

    def make(lab):
        first = lab.train(lab.encoder, {"topic": 3}, keep_optimizer=True, first_update=0, **common)
        second = lab.train(
            first, {"fill": 3}, earlier=["topic"], optimizer="carry", first_update=3, **common
        )
        return [first, second]

    (one, _), (two, _) = both(make)
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


TRIMMED = {
    "a task": ({"topic": 1}, {}, True),
    "words beside a task": ({"topic": 1, "fill": 1}, {}, False),
    "frozen embeddings": (
        {"topic": 1},
        {"trainable": Trainable(lowest_layer=1, embeddings=False)},
        False,
    ),
}


@pytest.mark.parametrize(("doses", "settings", "expected"), TRIMMED.values(), ids=TRIMMED)
def test_it_is_off_where_it_would_not_be_exact_or_bring_nothing(
    lab, monkeypatch, doses, settings, expected
):
    sizes = []
    make = train.make_optimizer

    def spied(named, params):
        sizes.append(named[TABLE].shape[0] if TABLE in named else None)
        return make(named, params)

    monkeypatch.setattr(train, "make_optimizer", spied)
    assert lab.run(lab.train(lab.encoder, doses, **settings)) == TrainerExit.DONE
    assert (sizes[0] is not None and sizes[0] < 155) is expected


def test_an_interrupted_phase_leaves_the_encoder_whole(lab):
    stage = lab.train(lab.encoder, {"topic": 5})
    probe = lab.evaluate(lab.encoder, "match")
    told = lab.Told(stop_after=2)
    assert lab.run(stage, probe, progress=told) == TrainerExit.INTERRUPTED
    assert lab.run(stage, probe) == TrainerExit.DONE


@pytest.fixture
def encoder(tiny_folder):
    return load(tiny_folder, "folder", 0.1)


def reads(*ids):
    return PreparedSet(
        ids=np.array(ids, np.int32),
        offsets=np.array([0, len(ids)]),
        labels=np.zeros(1, np.int32),
        items=Items(*[[""]] * 4),
        firsts=evenly(1, 1),
        label_names=[],
    )


def test_the_table_has_the_rows_that_are_read_and_those_of_special_tokens(encoder):
    whole = encoder.vocabulary
    before = whole.detach().clone()
    vocabulary = TrimmedVocabulary(encoder, [reads(9, 7), reads(7, 154)], {})
    assert vocabulary.rows.tolist() == [0, 1, 2, 3, 4, 7, 9, 154]
    assert torch.equal(encoder.vocabulary, before[vocabulary.rows])
    assert vocabulary.numbers[[9, 154]].tolist() == [6, 7]
    with torch.no_grad():
        encoder.vocabulary[7] = 5.0
    vocabulary.put_back([0.5, 0.5])
    assert encoder.vocabulary is whole
    assert whole[154].tolist() == [5.0] * 16
    assert torch.equal(whole[9], before[9])
    assert torch.equal(whole[100], before[100] * 0.25)


def test_the_row_of_padding_stays_that_of_padding(encoder):
    embedding = encoder.model.get_input_embeddings()
    embedding.padding_idx = 3
    vocabulary = TrimmedVocabulary(encoder, [reads(9)], {})
    assert embedding.padding_idx == 3
    vocabulary.undo()
    embedding.padding_idx = 150
    vocabulary = TrimmedVocabulary(encoder, [reads(9, 150)], {})
    assert embedding.padding_idx == 6
    vocabulary.undo()
    assert embedding.padding_idx == 150


def test_moments_are_stored_for_the_rows_they_are_of(encoder):
    moments = {f"{TABLE}|exp_avg": torch.zeros(155, 16), f"{TABLE}|step": torch.tensor(3.0)}
    moments[f"{TABLE}|exp_avg"][20] = 1.0
    vocabulary = TrimmedVocabulary(encoder, [reads(9)], moments)
    assert vocabulary.rows.tolist() == [0, 1, 2, 3, 4, 9, 20]
    cut = vocabulary.fitted(moments)
    assert cut[f"{TABLE}|exp_avg"][6].tolist() == [1.0] * 16
    again = widened(cut | vocabulary.index(cut), 155)
    assert again.keys() == moments.keys()
    assert all(torch.equal(again[key], moments[key]) for key in moments)


def resident(path):
    """Bytes in memory of a file that is mapped."""
    maps = Path("/proc/self/smaps").read_text().split(str(path))[1]
    return int(maps.split("Rss:")[1].split()[0]) * 1024


def test_a_mapped_table_that_is_set_aside_leaves_memory_and_loses_nothing(tmp_path):
    path = tmp_path / "table"
    values = np.arange(1 << 20, dtype=np.float32)
    values.tofile(path)
    with path.open() as file:
        os.fsync(file)  # what is not written yet could not be let go
    table = torch.from_file(str(path), shared=False, size=len(values))
    table[5] = 0.5  # no longer what the file holds
    assert table.sum() > 0
    assert resident(path) == table.nbytes
    set_aside(table)
    assert resident(path) <= table.nbytes / 2  # pages go by the folio, and one was written to
    values[5] = 0.5
    assert np.array_equal(table.numpy(), values)
