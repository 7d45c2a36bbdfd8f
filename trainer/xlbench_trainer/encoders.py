"""Encoders: loading a snapshot and running it on padded batches.

An encoder stage puts a plain Hugging Face folder into the store; everything else loads that. The
layers are those of unmodified `transformers` classes, called one by one so that the outputs of
frozen ones can be kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from xlbench_specs.encoders import EncoderFamily, family_of

WITH_POOLER = frozenset({"bert", "roberta", "xlm-roberta", "xlm-roberta-xl", "camembert"})
"""Model types whose class makes a pooler unless told not to."""

STACKED = frozenset({"bert", "roberta", "xlm-roberta", "camembert"})
"""Model types that are embeddings, then layers, and nothing else: what `run_layers` computes.

Others look alike and are not: XLM-R XL ends in a norm of its own, ELECTRA widens its embeddings,
DeBERTa's layers want relative positions.
"""

DROPOUTS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "dropout",
    "attention_dropout",
    "embedding_dropout",
    "mlp_dropout",
)
"""Settings that hold the dropout of an encoder's body, by the names that model types use."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """A loaded encoder."""

    model: PreTrainedModel
    family: EncoderFamily
    pad: int
    unknown: int
    mask: int | None
    """Token that MLM puts in place of others; None where the vocabulary has none."""
    specials: Tensor
    """Ids of the special tokens, which MLM leaves alone."""

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self.model.device

    @property
    def hidden(self) -> int:
        """Width."""
        return int(self.model.config.hidden_size)

    @property
    def vocabulary(self) -> nn.Parameter:
        """`[vocabulary, hidden]`: the token embeddings."""
        return cast("nn.Parameter", self.model.get_input_embeddings().weight)

    @property
    def layers(self) -> Sequence[nn.Module]:
        """The transformer layers; empty for a model whose layers cannot be called one by one."""
        if self.model.config.model_type not in STACKED:
            return ()
        return cast("Sequence[nn.Module]", cast("nn.Module", self.model.encoder).layer)


def load(folder: Path, model: str, dropout: float) -> Encoder:
    """Load a snapshot with exactly this dropout in force, hidden and attention alike.

    `model` is the name in the encoder's key; it tells the family.
    """
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    for name in DROPOUTS:
        if hasattr(config, name):
            setattr(config, name, dropout)
    tokeniser = load_tokeniser(folder)
    loaded = read_model(folder, config)
    nn.Module.to(loaded, "cuda" if torch.cuda.is_available() else "cpu")
    return Encoder(
        model=loaded.eval(),
        family=family_of(model),
        pad=int(tokeniser.pad_token_id),
        unknown=int(tokeniser.unk_token_id),
        mask=_mask(tokeniser),
        specials=torch.tensor(tokeniser.all_special_ids),
    )


def read_model(folder: Path, config: PreTrainedConfig) -> PreTrainedModel:
    """The model of a folder in float32, without the pooler, which no head reads.

    A pooler that the folder lacks would be made at random, and a snapshot would never be the same.

    Raises: `OSError` if there are no safetensors weights; a pickle is never loaded.
    """
    bare = {"add_pooling_layer": False} if config.model_type in WITH_POOLER else {}
    model = AutoModel.from_pretrained(
        folder,
        config=config,
        **bare,
        dtype=torch.float32,
        local_files_only=True,
        use_safetensors=True,
    )
    return cast("PreTrainedModel", model)


@cache
def load_tokeniser(folder: Path) -> PreTrainedTokenizerFast:
    """The snapshot's fast tokeniser; loaded once, since a large vocabulary takes a second."""
    loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True, use_fast=True)
    return cast("PreTrainedTokenizerFast", loaded)


def embed(encoder: Encoder, ids: Tensor) -> Tensor:
    """`[batch, seq, hidden]`: what the first layer sees of `[batch, seq]` token ids."""
    embeddings = cast("nn.Module", encoder.model.embeddings)
    return cast("Tensor", embeddings(input_ids=ids))


def run_layers(encoder: Encoder, hidden: Tensor, mask: Tensor, layers: range) -> Tensor:
    """`[batch, seq, hidden]` after some layers; `mask` is `[batch, seq]`, true for real tokens."""
    attend = None if bool(mask.all()) else mask[:, None, None, :]
    for number in layers:
        output = encoder.layers[number](hidden, attend)
        hidden = output[0] if isinstance(output, tuple) else output
    return hidden


def _mask(tokeniser: PreTrainedTokenizerFast) -> int | None:
    found = tokeniser.mask_token_id
    return None if found is None else int(found)
