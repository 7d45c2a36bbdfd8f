"""The parts of a phase: learning rate, what is trained, decay, masking, dropout's stream."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from xlbench_specs.encoders import FAMILIES
from xlbench_specs.experiment import Trainable
from xlbench_trainer.encoders import load
from xlbench_trainer.phases import (
    learning_rate_factor,
    make_optimizer,
    masked,
    optimizer_tensors,
    restore_optimizer,
    seed_dropout,
    set_modes,
    trained_names,
)
from xlbench_trainer.tokens import IGNORED


@pytest.fixture(scope="module")
def encoder(tiny_folder):
    return load(tiny_folder, "folder", 0.1)


def phase(lab, updates=10, **settings):
    return lab.train(lab.encoder, {"topic": updates}, **settings).params


RATES = {
    "a tenth of ten": (10, 0.1, {}, [1, 1, 8 / 9, 7 / 9, 6 / 9, 5 / 9, 4 / 9, 3 / 9, 2 / 9, 1 / 9]),
    "rounded up": (4, 0.3, {}, [0.5, 1, 1, 0.5]),
    "none": (2, 0.0, {}, [1, 0.5]),
    "all of it": (3, 1.0, {}, [1 / 3, 2 / 3, 1]),
    "a tenth of one": (1, 0.1, {}, [1]),
    "the first of two phases": (2, 0.5, {"first_update": 0, "total_updates": 4}, [0.5, 1]),
    "the second of two phases": (2, 0.5, {"first_update": 2, "total_updates": 4}, [1, 0.5]),
}


@pytest.mark.parametrize(("count", "warmup", "span", "expected"), RATES.values(), ids=RATES)
def test_the_rate_rises_to_its_peak_and_falls_to_above_zero(lab, count, warmup, span, expected):
    factor = learning_rate_factor(phase(lab, count, warmup=warmup, **span))
    assert [factor(update) for update in range(count)] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("warmup", "count", "ceiling"), [(0.07, 100, 7), (0.29, 100, 29), (0.1, 101, 11), (0.1, 60, 6)]
)
def test_warmup_is_the_ceiling_of_the_product_as_written(lab, warmup, count, ceiling):
    factor = learning_rate_factor(phase(lab, count, warmup=warmup))
    assert factor(ceiling - 1) == 1.0
    assert factor(ceiling - 2) == pytest.approx((ceiling - 1) / ceiling)


TRAINED = {
    "all": (Trainable(), {"embeddings", "0", "1"}),
    "no embeddings": (Trainable(embeddings=False), {"0", "1"}),
    "the upper layer": (Trainable(lowest_layer=1, embeddings=False), {"1"}),
    "embeddings and the upper layer": (Trainable(lowest_layer=1), {"embeddings", "1"}),
    "nothing": (Trainable(lowest_layer=2, embeddings=False), set()),
}


@pytest.mark.parametrize(("trainable", "parts"), TRAINED.values(), ids=TRAINED)
def test_modes_follow_what_is_trained(encoder, trainable, parts):
    names = trained_names(encoder, trainable)
    assert {"embeddings" if "embeddings" in name else name.split(".")[2] for name in names} == parts
    set_modes(encoder, heads := nn.Dropout().eval(), trainable)
    assert heads.training
    model = encoder.model
    modes = {
        "embeddings": model.embeddings.dropout.training,
        "0": model.encoder.layer[0].attention.self.dropout.training,
        "1": model.encoder.layer[1].output.dropout.training,
    }
    assert {part for part, training in modes.items() if training} == parts


DECODER = ["embed_tokens.weight", "layers.0.mlp.weight", "layers.1.mlp.weight", "norm.weight"]


def test_embeddings_are_found_by_the_name_that_decoders_have_for_them():
    named = [(name, None) for name in DECODER]
    model = SimpleNamespace(named_parameters=lambda: iter(named))
    decoder = SimpleNamespace(model=model, family=FAMILIES["decoder"])
    assert trained_names(decoder, Trainable()) == DECODER
    upper = Trainable(lowest_layer=1, embeddings=False)
    assert trained_names(decoder, upper) == DECODER[2:]


def test_biases_and_norms_do_not_decay(lab):
    named = {"weight": nn.Parameter(torch.ones(2, 2)), "bias": nn.Parameter(torch.ones(2))}
    optimizer = make_optimizer(named, phase(lab, learning_rate=0.1, weight_decay=0.5))
    for parameter in named.values():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert named["weight"].tolist() == [[pytest.approx(0.95)] * 2] * 2
    assert named["bias"].tolist() == [1.0, 1.0]


def test_an_optimiser_goes_on_from_its_tensors(lab):
    def fresh():
        named = {"weight": nn.Parameter(torch.ones(2, 2)), "idle": nn.Parameter(torch.ones(2))}
        return named, make_optimizer(named, phase(lab))

    def step(named, optimizer, number):
        named["weight"].grad = torch.full((2, 2), float(number))
        optimizer.step()

    named, optimizer = fresh()
    step(named, optimizer, 1)
    tensors = {key: each.clone() for key, each in optimizer_tensors(optimizer, named).items()}
    assert {key.split("|")[0] for key in tensors} == {"weight"}
    again, other = fresh()
    again["weight"].data.copy_(named["weight"])
    restore_optimizer(other, again, tensors | {"gone|step": torch.tensor(1.0)})
    step(named, optimizer, 3)
    step(again, other, 3)
    assert torch.equal(named["weight"], again["weight"])


def test_masking_has_berts_shares_and_spares_special_tokens():
    ids = torch.randint(10, 1000, (20_000,), generator=torch.Generator().manual_seed(1))
    ids[::100], ids[50::100] = 2, 3
    arguments = {"mask_token": 4, "vocabulary": 1000, "specials": torch.tensor([0, 1, 2, 3, 4])}
    inputs, labels = masked(ids, 11, **arguments)
    chosen = labels != IGNORED
    assert not chosen[::50].any()
    assert torch.equal(labels[chosen], ids[chosen])
    assert torch.equal(inputs[~chosen], ids[~chosen])
    count = int(chosen.sum())
    assert count / (20_000 * 0.98) == pytest.approx(0.15, abs=0.01)
    assert int((inputs[chosen] == 4).sum()) / count == pytest.approx(0.8, abs=0.03)
    other = (inputs[chosen] != 4) & (inputs[chosen] != ids[chosen])
    assert int(other.sum()) / count == pytest.approx(0.1, abs=0.02)
    again, _ = masked(ids, 11, **arguments)
    assert torch.equal(inputs, again)
    assert not torch.equal(inputs, masked(ids, 12, **arguments)[0])


def test_the_dropout_of_an_update_does_not_depend_on_the_ones_before(lab):
    def draw(update, **settings):
        seed_dropout(phase(lab, **settings), update)
        return torch.rand(3).tolist()

    torch.rand(5)
    first = draw(4)
    assert first == draw(4) == draw(4, updates=99)
    assert len({tuple(each) for each in (first, draw(5), draw(4, seed=2))}) == 3
