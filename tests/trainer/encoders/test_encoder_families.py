"""Every family of encoders with every kind of task, on tiny models of the real classes.

They are fetched as hub models are, by name; the recipes, the store and the checkpoints are real.
"""

from collections import Counter
from dataclasses import replace
from math import log

import numpy as np
import pytest
import torch
from xlbench_specs.encoders import FAMILIES
from xlbench_specs.exits import TrainerExit
from xlbench_specs.stages import EncoderParams
from xlbench_trainer.recipes import encoder, prepare
from xlbench_trainer.tokens import IGNORED

LETTERS = str.maketrans("0123456789", "abcdefghij")
KINDS = {"topic": 45, "spans": 20, "pick": 25, "ask": 25, "fill": 60}
"""A task of each kind that is trained, and its updates."""
RATES = {"fill": 1e-2}
"""Learning rates that are not 5e-3."""
READ_AS = {
    "mbert": "bert",
    "labse": "labse",
    "multilingual-e5-small": "e5-small",
    "multilingual-e5-base": "e5",
    "xlm-roberta-base": "xlm-r",
    "xlm-roberta-xl": "xlm-r",
    "xlm-mlm-tlm-xnli15": "xlm-15",
    "xlm-mlm-100": "xlm",
    "mdeberta-v3-base": "mdeberta",
    "mmbert-base": "mmbert",
    "eurobert": "eurobert",
    "llama": "decoder",
    "qwen3": "decoder",
    "qwen3-embedding": "decoder-embedding",
    "gemma": "decoder",
}
PADDED = {"xlm-mlm-tlm-xnli15", "xlm-mlm-100", "mdeberta-v3-base", "gemma"}
"""Those whose class has no place for an attention function, or is not known to do without more."""
MASKLESS = {"llama", "qwen3", "qwen3-embedding"}
VARIANTS = {"xlm-roberta-xl", "multilingual-e5-base", "eurobert", "qwen3-embedding", "gemma"}
"""What differs little from another that is tested: not with every run of the suite."""
NAMES = [
    pytest.param(name, marks=pytest.mark.slow) if name in VARIANTS else name for name in READ_AS
]


@pytest.fixture
def lab_of(new_lab, published, monkeypatch):
    """A laboratory whose encoder is that of a hub model, its words of letters as most texts are."""
    load = prepare.load

    def spelt(name, *arguments):
        found = [_spelt(each) for each in load(name, *arguments)]
        if name != "fill":
            return found
        # A word that is hidden can be told by the others.
        return [
            replace(each, segments=(" ".join([word] * 8),))
            for each, word in zip(found, ["wa", "wb", "wc", "wd"] * 8, strict=False)
        ]

    monkeypatch.setattr(prepare, "load", spelt)
    monkeypatch.setattr(
        encoder, "snapshot_download", lambda model, **_: str(published(model.split("/")[1]))
    )

    def make(name, store="store"):
        lab = new_lab(store)
        lab.encoder = lab.stage(EncoderParams(model=f"hub/{name}", revision="a" * 40))
        return lab

    return make


def _spelt(example):
    texts = {
        field: tuple(text.translate(LETTERS) for text in getattr(example, field))
        for field in ("segments", "answers")
    }
    return replace(example, **texts)


def marginal_entropy(kind, prepared, specials):
    """Of what is right, if nothing is known but how often each is: nats an item."""
    labels = prepared.labels
    match kind:
        case "spans":
            columns = [labels[labels != IGNORED]]
        case "ask":
            columns = labels.reshape(-1, 2).T
        case "fill":
            columns = [prepared.ids[~np.isin(prepared.ids, specials)]]
        case _:
            columns = [labels]
    return float(np.mean([_entropy(column.tolist()) for column in columns]))


def _entropy(values):
    counts = Counter(values).values()
    return sum(count / len(values) * log(len(values) / count) for count in counts)


@pytest.mark.parametrize("name", NAMES)
def test_a_family_learns_every_kind_of_task_and_is_scored_on_what_was_saved(name, lab_of):
    lab = lab_of(name)
    kinds = [kind for kind in KINDS if kind != "fill" or name not in MASKLESS]
    trained = {
        kind: lab.train(
            lab.encoder, {kind: KINDS[kind]}, batch_size=16, learning_rate=RATES.get(kind, 5e-3)
        )
        for kind in kinds
    }
    scored = {kind: lab.evaluate(trained[kind], kind, kind) for kind in kinds if kind != "fill"}
    scored["match"] = lab.evaluate(lab.encoder, "match")
    assert lab.run(*trained.values()) == TrainerExit.DONE
    assert lab.run(*scored.values()) == TrainerExit.DONE  # another process: all is loaded anew

    workshop = lab.workshop()
    loaded = workshop.model(lab.manifest(lab.encoder)).encoder
    assert loaded.family == FAMILIES[READ_AS[name]]
    assert loaded.packed == (name not in PADDED)
    for kind, stage in trained.items():
        prepared = workshop.prepared(workshop.manifest(stage, f"train/{kind}"))
        bound = marginal_entropy(kind, prepared, loaded.specials.numpy())
        assert lab.record(stage).losses[-1] < bound, kind
        assert any(key.startswith("encoder.") for key in lab.tensors(stage)), kind
    for stage in scored.values():
        assert all(0.0 <= score <= 1.0 for score in lab.record(stage).scores.values())
    assert lab.record(scored["topic"]).scores["accuracy"] > 0.5


@pytest.mark.parametrize("name", NAMES)
def test_a_family_goes_on_where_it_was_stopped_with_the_same_bits(name, lab_of):
    whole, lab = lab_of(name, "whole"), lab_of(name, "stopped")
    stage = lab.train(lab.encoder, dict.fromkeys(KINDS, 1), batches="mixed")
    assert whole.run(stage) == TrainerExit.DONE
    assert lab.run(*lab.prepared(stage)) == TrainerExit.DONE
    stopped = lab.run(stage, progress=lab.Told(stop_after=2), inputs=False)
    assert stopped == TrainerExit.INTERRUPTED
    assert lab.run(stage, inputs=False) == TrainerExit.DONE
    assert lab.manifest(stage).provenance.resumed_update == 2
    one, two = whole.tensors(stage), lab.tensors(stage)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[key], two[key]) for key in one)
