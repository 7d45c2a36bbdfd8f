"""The reader of the 4-bit weight file, against hand-made blocks, known ids and known neighbours."""

import struct

import numpy as np
import pytest
import torch
from transformers import BertModel
from xlbench_trainer.builtin import e5_small
from xlbench_trainer.builtin.e5_small import load_e5_small, unpack_q4_0
from xlbench_trainer.tasks.packages import PackageError


@pytest.fixture(scope="module")
def encoder():
    return load_e5_small()


def test_q4_0_of_hand_made_blocks():
    # Low nibbles are weights 0-15, high nibbles 16-31; a nibble of 8 is zero.
    counting = bytes(low | (15 - low) << 4 for low in range(16))
    raw = struct.pack("<e", 0.5) + counting + struct.pack("<e", -2.0) + bytes([0x88] * 15 + [0x9F])
    weights = unpack_q4_0(raw)
    assert weights.dtype == np.float32
    assert weights[:16].tolist() == [(n - 8) * 0.5 for n in range(16)]
    assert weights[16:32].tolist() == [(7 - n) * 0.5 for n in range(16)]
    assert weights[32:].tolist() == [0.0] * 15 + [-14.0] + [0.0] * 15 + [-2.0]


def test_q4_0_is_the_same_in_chunks(monkeypatch):
    raw = bytes(range(18)) * 7
    whole = unpack_q4_0(raw)
    monkeypatch.setattr(e5_small, "_CHUNK_BLOCKS", 3)
    assert np.array_equal(unpack_q4_0(raw), whole)


def test_other_bytes_are_refused(tmp_path, monkeypatch):
    (tmp_path / "e5-small-q4.bin").write_bytes(b"E5S1 and then something else")
    monkeypatch.setattr(e5_small, "package_folder", lambda *_: tmp_path)
    with pytest.raises(PackageError, match=r"has sha256 .*; the encoder table names 1571fc98"):
        load_e5_small()


def test_the_model_is_an_unmodified_bert(encoder):
    model, tokenizer = encoder
    assert type(model) is BertModel
    assert not model.training
    assert model.config.pad_token_id == tokenizer.pad_token_id == 1
    assert model.embeddings.word_embeddings.weight.shape == (250_037, 384)
    assert all(tensor.dtype == torch.float32 for tensor in model.parameters())
    assert not any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))
    # What a padding index of 0 would have zeroed.
    assert model.embeddings.word_embeddings.weight[0].abs().sum() > 0


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        # Of XLM-R's published vocabulary.
        pytest.param(("Hello world",), [0, 35378, 8999, 2], id="one text"),
        pytest.param(("a", "b"), [0, 10, 2, 2, 876, 2], id="two texts"),
        pytest.param(("Hello  \t world",), [0, 35378, 8999, 2], id="spaces are squeezed"),
        pytest.param(("",), [0, 2], id="nothing"),
    ],
)
def test_the_tokeniser_gives_known_ids(encoder, text, ids):
    _, tokenizer = encoder
    assert tokenizer(*text)["input_ids"] == ids


def test_the_tokeniser_knows_its_special_tokens(encoder):
    _, tokenizer = encoder
    found = [tokenizer.bos_token_id, tokenizer.pad_token_id, tokenizer.eos_token_id]
    assert [*found, tokenizer.unk_token_id, tokenizer.mask_token_id] == [0, 1, 2, 3, 250_001]
    assert tokenizer.decode(tokenizer("Le chat est là")["input_ids"]) == "<s> Le chat est là</s>"


def features(encoder, texts):
    model, tokenizer = encoder
    batch = tokenizer([f"query: {text}" for text in texts], padding=True, return_tensors="pt")
    mask = batch["attention_mask"]
    with torch.no_grad():
        hidden = model(batch["input_ids"], attention_mask=mask).last_hidden_state
    mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return torch.nn.functional.normalize(mean, dim=-1)


@pytest.mark.parametrize(
    ("other", "cosine"),
    [
        pytest.param("Le chat est assis sur le tapis", 0.91, id="French"),
        pytest.param("Кошка сидит на коврике", 0.85, id="Russian"),
        pytest.param("猫坐在垫子上", 0.84, id="Chinese"),
        pytest.param("ድመቷ ምንጣፉ ላይ ተቀምጣለች", 0.80, id="Amharic"),
        pytest.param("The central bank raised interest rates", 0.72, id="unrelated"),
    ],
)
def test_translations_are_near_and_other_sentences_far(encoder, other, cosine):
    one, two = features(encoder, ["The cat sits on the mat", other])
    assert float(one @ two) == pytest.approx(cosine, abs=0.02)


def test_padding_changes_no_feature(encoder):
    texts = ["short", "a sentence that is rather longer than the other one"]
    alone = torch.cat([features(encoder, [text]) for text in texts])
    torch.testing.assert_close(features(encoder, texts), alone, atol=1e-5, rtol=0)
