"""Heads and losses: where they begin, what they read, what they leave out."""

import math

import pytest
import torch
from xlbench_trainer.encoders import load
from xlbench_trainer.models import Head, Heads, HeadShape, features, mean_loss, pooled
from xlbench_trainer.tokens import IGNORED


@pytest.fixture(scope="module")
def encoder(tiny_folder):
    return load(tiny_folder, "folder", 0.1)


def made(encoder, seed, task, kind="classification"):
    head = Head(HeadShape(kind, 4), encoder, 0.1)
    head.initialise(seed, task)
    return {name: each.detach().clone() for name, each in head.named_parameters()}


def test_a_head_begins_by_seed_and_task_alone(encoder):
    torch.manual_seed(1)
    one = made(encoder, 3, "topic")
    torch.manual_seed(2)
    made(encoder, 3, "spans")
    two = made(encoder, 3, "topic")
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["output.weight"], made(encoder, 4, "topic")["output.weight"])
    assert not torch.equal(one["output.weight"], made(encoder, 3, "same")["output.weight"])
    assert one["output.bias"].tolist() == [0.0] * 4
    assert float(one["output.weight"].std()) == pytest.approx(0.02, rel=0.3)


def test_the_norm_of_an_mlm_head_begins_as_the_identity(encoder):
    first = made(encoder, 1, "fill", "mlm")
    assert first["norm.weight"].tolist() == [1.0] * 16
    assert first["norm.bias"].tolist() == [0.0] * 16


def test_mlm_logits_are_tied_to_the_embeddings(encoder):
    head = Head(HeadShape("mlm", 0), encoder, 0.1)
    head.initialise(1, "fill")
    table = encoder.vocabulary
    logits = head(torch.randn(3, 16), table)
    logits.sum().backward()
    assert logits.shape == (3, table.shape[0])
    assert table.grad is not None


def test_heads_are_found_by_the_names_of_their_tasks(encoder):
    heads = Heads()
    heads.put("v1.topic", Head(HeadShape("classification", 4), encoder, 0.1))
    assert heads.get("v1.topic").shape == heads.shapes["v1.topic"] == HeadShape("classification", 4)
    with pytest.raises(KeyError):
        heads.get("other")


def test_a_text_is_its_first_token_or_the_mean_of_its_own_tokens(encoder):
    hidden = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [100.0, 100.0]]])
    mask = torch.tensor([[True, True, False]])
    assert pooled(encoder, hidden, mask).tolist() == [[1.0, 2.0]]
    e5 = encoder.family.model_copy(update={"pooling": "mean"})
    object.__setattr__(encoder, "family", e5)
    assert pooled(encoder, hidden, mask).tolist() == [[2.0, 3.0]]
    assert features(encoder, "tagging", hidden, mask).tolist() == hidden[0].tolist()


def test_the_loss_is_the_mean_over_labelled_items():
    logits = torch.tensor([[0.0, 0.0], [9.0, -9.0], [0.0, math.log(3)]], requires_grad=True)
    loss = mean_loss(logits, torch.tensor([0, IGNORED, 1]))
    assert loss.item() == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
    loss.backward()
    assert logits.grad[1].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("items", [0, 2], ids=["no item", "no labelled item"])
def test_no_label_is_no_loss_and_no_gradient(items):
    logits = torch.ones(items, 3, requires_grad=True)
    loss = mean_loss(logits, torch.full((items,), IGNORED))
    loss.backward()
    assert loss.item() == 0.0
    assert not logits.grad.any()
