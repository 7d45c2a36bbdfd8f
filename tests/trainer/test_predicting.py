"""What a model says of every item, in the order of the set, whatever the order it was read in."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from xlbench_trainer import predicting
from xlbench_trainer.encoders import MINING_LAYERS, embed, load, middle_layer, run_layers
from xlbench_trainer.layouts import layout
from xlbench_trainer.models import Head, HeadShape
from xlbench_trainer.packing import Packer, Source, source_of
from xlbench_trainer.predicting import Question, said
from xlbench_trainer.tokens import Items, PreparedSet

LENGTHS = [3, 7, 4, 2, 6]
FIRSTS = [0, 2, 5]


@pytest.fixture(scope="module")
def encoder(tiny_folder):
    return load(tiny_folder, "folder", 0.1)


@pytest.fixture(scope="module")
def prepared():
    nothing = [""] * (len(FIRSTS) - 1)
    return PreparedSet(
        ids=np.random.default_rng(1).integers(5, 150, sum(LENGTHS)).astype(np.int32),
        offsets=np.cumsum([0, *LENGTHS]),
        labels=np.zeros(0, np.int32),
        items=Items(nothing, nothing, nothing, nothing),
        firsts=np.array(FIRSTS),
        label_names=[],
    )


SHAPES = {
    "classification": (5, 4),
    "choice": (5, 1),
    "tagging": (22, 4),
    "span": (22, 2),
    "retrieval": (5, 16),
}


def head_of(kind, encoder):
    return None if kind == "retrieval" else Head(HeadShape(kind, 4), encoder, 0.1).eval()


def alone(encoder, prepared, kind, head):
    """What the model says of each sequence by itself."""
    found = []
    with torch.no_grad():
        for start, stop in zip(prepared.offsets, prepared.offsets[1:], strict=False):
            ids = torch.from_numpy(prepared.ids[start:stop].astype(np.int64))
            hidden = encoder.model(ids[None], layout=layout([len(ids)], ids.device))
            hidden = hidden.last_hidden_state[0]
            hidden = hidden if kind in {"tagging", "span"} else hidden[:1]
            found.append(hidden if head is None else head(hidden, torch.zeros(0)))
    return torch.cat(found).numpy()


@pytest.mark.parametrize("kind", SHAPES)
def test_every_item_has_its_numbers_in_the_order_of_the_set(encoder, prepared, kind):
    head = head_of(kind, encoder)
    (found,) = said(encoder, 0, [Question(kind, head, prepared, None)])
    assert (found.shape, found.dtype) == (SHAPES[kind], np.float32)
    assert np.allclose(found, alone(encoder, prepared, kind, head), atol=1e-6)


def test_questions_of_all_kinds_go_through_one_stream_and_each_gets_its_own_answer(
    encoder, prepared, monkeypatch
):
    monkeypatch.setattr(predicting, "PACK_TOKENS", 30)
    packs = []
    real = predicting.last_hidden

    def spied(encoder, pack, frozen):
        packs.append(pack.layout.sizes)
        return real(encoder, pack, frozen)

    monkeypatch.setattr(predicting, "last_hidden", spied)
    heads = {kind: head_of(kind, encoder) for kind in SHAPES}
    questions = [Question(kind, heads[kind], prepared, None) for kind in SHAPES]
    answers = said(encoder, 0, questions)
    for kind, answer in zip(SHAPES, answers, strict=True):
        expected = alone(encoder, prepared, kind, heads[kind])
        assert np.allclose(answer, expected, atol=1e-6)
        assert np.array_equal(answer.argmax(-1), expected.argmax(-1))
    in_order = [size for sizes in packs for size in sizes]
    assert in_order == sorted(LENGTHS * len(SHAPES), reverse=True)
    assert all(sum(sizes) <= 30 for sizes in packs)
    assert len(packs) < len(SHAPES) * len(LENGTHS) / 2


def test_sets_with_and_without_kept_outputs_are_answered_alike(encoder, prepared):
    head = head_of("tagging", encoder)
    hidden = np.empty((22, 16), np.float32)
    pack = Packer(encoder.device, None).pack(
        [source_of(prepared, None)], np.zeros(5, np.int64), order := np.array([1, 4, 2, 0, 3])
    )
    with torch.no_grad():
        hidden[prepared.tokens_of(order)] = run_layers(
            encoder, embed(encoder, pack), pack, range(1)
        )
    whole = Source(hidden, prepared.offsets)
    questions = [Question("tagging", head, prepared, kept) for kept in (None, whole, None)]
    first, second, third = said(encoder, 1, questions)
    assert np.allclose(first, second, atol=1e-6)
    assert np.allclose(first, third, atol=1e-6)


def test_of_masked_words_nothing_is_said(encoder, prepared):
    (found,) = said(encoder, 0, [Question("mlm", None, prepared, None)])
    assert found.size == 0


@pytest.mark.parametrize("kind", ["classification", "tagging", "choice", "span"])
def test_a_task_with_labels_needs_a_head(encoder, prepared, kind):
    with pytest.raises(ValueError, match=f"{kind} task needs its target's head"):
        said(encoder, 0, [Question(kind, None, prepared, None)])


def test_texts_that_are_searched_for_are_means_over_tokens_after_a_layer_in_the_middle(
    encoder, prepared
):
    questions = [
        Question("retrieval", None, prepared, None, layer=1),
        Question("retrieval", None, prepared, None),
        Question("retrieval", None, prepared, None, layer=2),
    ]
    middle, features, last = said(encoder, 0, questions)
    for row, (start, stop) in enumerate(pairwise(prepared.offsets)):
        ids = torch.from_numpy(prepared.ids[start:stop].astype(np.int64))
        with torch.no_grad():
            states = encoder.model(
                ids[None], layout=layout([len(ids)], ids.device), output_hidden_states=True
            ).hidden_states
        assert np.allclose(middle[row], states[1][0].mean(0), atol=1e-6)
        assert np.allclose(last[row], states[2][0].mean(0), atol=1e-6)
        assert np.allclose(features[row], states[2][0, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("layers", "middle", "mining"),
    [(12, 8, 8), (16, 12, 12), (24, 14, 8), (2, 2, 2), (6, 4, 4), (22, 13, 13)],
)
def test_the_middle_layer_is_xtremes(layers, middle, mining):
    encoder = SimpleNamespace(
        model=SimpleNamespace(config=SimpleNamespace(num_hidden_layers=layers))
    )
    assert middle_layer(encoder) == middle
    assert middle_layer(encoder, MINING_LAYERS) == mining
