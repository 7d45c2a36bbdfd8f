"""The workshop: payloads relative to the encoder, models that come back bit for bit and go away."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from xlbench_specs.experiment import Trainable
from xlbench_specs.store import payload_file
from xlbench_trainer.predicting import Question, said
from xlbench_trainer.recipes import train
from xlbench_trainer.workshop import MissingInputError

ROWS = "encoder.embeddings.word_embeddings.weight@rows"
INDEX = "encoder.embeddings.word_embeddings.weight@index"


def logits(model, task):
    """What a model says of some texts, bit for bit."""
    texts = SimpleNamespace(
        ids=np.arange(5, 35),
        offsets=np.array([0, 10, 20, 30]),
        lengths=np.array([10] * 3),
        languages=None,
    )
    head = model.heads.get(task).eval()
    (found,) = said(model.encoder, 0, [Question("classification", head, texts, None)])
    return torch.from_numpy(found)


def weights_of(encoder):
    return {name: each.detach().clone() for name, each in encoder.model.named_parameters()}


def equal(one, two):
    assert one.keys() == two.keys()
    return all(torch.equal(one[name], two[name]) for name in one)


@pytest.fixture
def arms(lab):
    """Models that changed different parts of the encoder."""
    frozen = Trainable(lowest_layer=2, embeddings=False)
    upper = Trainable(lowest_layer=1, embeddings=False)
    made = {
        # Without decay a model moves the rows of the words that it read, and no other.
        "all": lab.train(lab.encoder, {"topic": 3}, weight_decay=0.0),
        "rows of other words": lab.train(lab.encoder, {"spans": 2}, weight_decay=0.0),
        "upper layer": lab.train(lab.encoder, {"topic": 3}, trainable=upper),
        "head alone": lab.train(lab.encoder, {"topic": 2}, trainable=frozen),
    }
    lab.run(*made.values())
    return made


def test_a_model_is_the_same_whatever_was_loaded_before_it(lab, arms):
    alone = {
        name: weights_of(lab.workshop().model(lab.manifest(stage)).encoder)
        for name, stage in arms.items()
    }
    workshop = lab.workshop()
    bare = weights_of(workshop.model(lab.manifest(lab.encoder)).encoder)
    for name in [*arms, *reversed(arms), "all"]:
        model = workshop.model(lab.manifest(arms[name]))
        assert equal(weights_of(model.encoder), alone[name]), name
    assert equal(weights_of(workshop.model(lab.manifest(lab.encoder)).encoder), bare)


def test_a_stage_that_fails_while_it_trains_leaves_no_trace(lab, monkeypatch):
    """Its neighbours in the same process start from clean weights."""
    spoilt = lab.train(lab.encoder, {"topic": 5}, seed=1)
    after = lab.train(lab.encoder, {"topic": 5}, seed=2)
    lab.run(*lab.prepared(spoilt, after))
    keep = torch.optim.AdamW.step
    steps = []

    def breaks(optimizer):
        steps.append(None)
        if len(steps) == 3:
            raise RuntimeError("out of luck")
        return keep(optimizer)

    monkeypatch.setattr(torch.optim.AdamW, "step", breaks)
    lab.run(spoilt, after, inputs=False)
    assert lab.manifest(spoilt) is None
    left = lab.tensors(after)
    lab.store.delete("manifests/train")
    lab.run(after, inputs=False)
    assert equal(left, lab.tensors(after))


def test_a_reloaded_model_says_the_same_to_the_last_bit(lab, arms, monkeypatch):
    said = []
    save = train.save_model

    def spied(folder, model, snapshot):
        said.append(logits(model, "topic"))
        return save(folder, model, snapshot)

    monkeypatch.setattr(train, "save_model", spied)
    stage = lab.train(arms["all"], {"topic": 2})
    lab.run(stage)
    assert torch.equal(logits(lab.workshop().model(lab.manifest(stage)), "topic"), said[0])


def test_a_payload_holds_only_what_differs_from_the_encoder(lab, arms):
    tensors = lab.tensors(arms["upper layer"])
    assert {name.split(".")[3] for name in tensors if name.startswith("encoder.")} == {"1"}
    assert [name for name in lab.tensors(arms["head alone"]) if name.startswith("encoder.")] == []
    manifest = lab.manifest(arms["all"])
    stored = json.loads(payload_file(lab.store, manifest, "model.json").read_text())
    assert stored == {
        "encoder": lab.encoder.key,
        "heads": {"topic": {"kind": "classification", "labels": 4}},
    }


def test_only_the_rows_of_words_that_moved_are_stored(lab):
    stage = lab.train(lab.encoder, {"topic": 3}, weight_decay=0.0)
    lab.run(stage)
    workshop, tensors = lab.workshop(), lab.tensors(stage)
    table = workshop.model(lab.manifest(stage)).encoder.vocabulary
    original = workshop.snapshot(lab.encoder.key)["embeddings.word_embeddings.weight"]
    moved = (table != original).any(dim=1).nonzero().reshape(-1)
    assert tensors[INDEX].tolist() == moved.tolist()
    assert torch.equal(tensors[ROWS], table[moved])
    assert 0 < len(moved) < len(original)


def test_a_chain_is_relative_to_its_encoder_not_to_the_phase_before(lab):
    first = lab.train(
        lab.encoder, {"topic": 2}, trainable=Trainable(lowest_layer=0, embeddings=False)
    )
    second = lab.train(
        first,
        {"spans": 2},
        earlier=["topic"],
        trainable=Trainable(lowest_layer=1, embeddings=False),
    )
    lab.run(first, second)
    one, two = lab.tensors(first), lab.tensors(second)
    lower = [name for name in one if name.startswith("encoder.encoder.layer.0.")]
    assert lower
    assert all(torch.equal(one[name], two[name]) for name in lower)
    model = lab.workshop().model(lab.manifest(second))
    assert set(model.heads.shapes) == {"topic", "spans"}


DEPTHS = {"all": 0, "upper layer": 1, "head alone": 2}


@pytest.mark.parametrize("name", DEPTHS)
def test_layers_are_frozen_as_deep_as_the_model_left_them(lab, arms, name):
    model = lab.workshop().model(lab.manifest(arms[name]))
    assert model.frozen_depth(2) == DEPTHS[name]
    assert model.frozen_depth(0) == 0


def test_an_input_that_is_not_there_is_named(lab):
    stage = lab.train(lab.encoder, {"topic": 1})
    with pytest.raises(MissingInputError, match=f"its input init = {lab.encoder.key}"):
        lab.workshop().manifest(stage, "init")
