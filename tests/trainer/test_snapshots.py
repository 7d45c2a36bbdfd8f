"""Built-in encoders as plain Hugging Face folders."""

import hashlib

import pytest
import torch
from transformers import AutoModel, AutoTokenizer
from xlbench_specs.encoders import BUILTIN_ENCODERS
from xlbench_trainer.builtin.random_tiny import load_random_tiny
from xlbench_trainer.builtin.snapshots import LOADERS, save_snapshot


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_every_row_of_the_encoder_table_has_a_loader():
    assert set(LOADERS) == set(BUILTIN_ENCODERS)


def test_the_random_encoder_is_always_the_same_and_draws_on_no_generator():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one, _ = load_random_tiny()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    two, _ = load_random_tiny()
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, two.state_dict()[name]), name


def shape_of(model):
    config = model.config
    return config.num_hidden_layers, config.hidden_size, config.intermediate_size


@pytest.mark.parametrize(
    "name", ["random-tiny", pytest.param("e5-small-q4", marks=pytest.mark.slow)]
)
def test_a_snapshot_reads_back_as_it_was(name, tmp_path):
    save_snapshot(name, tmp_path)
    model, tokenizer = LOADERS[name]()
    read = AutoModel.from_pretrained(tmp_path, add_pooling_layer=False)
    assert type(read) is type(model)
    assert read.state_dict().keys() == model.state_dict().keys()
    for tensor_name, tensor in model.state_dict().items():
        assert torch.equal(read.state_dict()[tensor_name], tensor), tensor_name
    text = "Wie warm ist es in Äthiopien? ሰላም"
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert again.pad_token_id == model.config.pad_token_id == 1
    shape = BUILTIN_ENCODERS[name].shape
    assert shape_of(read) == (shape.layers, shape.hidden, shape.feed_forward)


def test_two_snapshots_are_the_same_bytes(tmp_path):
    for turn in ("one", "two"):
        save_snapshot("random-tiny", tmp_path / turn)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    for file in files:
        one, two = ((tmp_path / turn / file).read_bytes() for turn in ("one", "two"))
        assert hashlib.sha256(one).digest() == hashlib.sha256(two).digest(), file
