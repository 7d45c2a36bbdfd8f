"""Encoders: loading a snapshot and running it on packs.

An encoder stage puts a plain Hugging Face folder into the store; everything else loads that. The
layers are those of unmodified `transformers` classes, called one by one so that the outputs of
frozen ones can be kept.
"""

import logging
from collections.abc import Mapping, Sequence
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
from transformers.modeling_outputs import BaseModelOutput
from xlbench_specs.encoders import FAMILY_SETTING, EncoderFamily, family_of
from xlbench_specs.languages import ENGLISH

from xlbench_trainer.attention import PACKED
from xlbench_trainer.dropping import use_fast_dropout
from xlbench_trainer.packing import Pack
from xlbench_trainer.products import use_fast_products

LOG = logging.getLogger("xlbench.trainer")

PACKED_TYPES = frozenset(
    {
        "bert",
        "roberta",
        "xlm-roberta",
        "xlm-roberta-xl",
        "camembert",
        "electra",
        "distilbert",
        "modernbert",
        "eurobert",
        "llama",
        "qwen3",
    }
)
"""Model types that are run on packs; each is tested against its padded self. Others (XLM, DeBERTa)
have no place to put an attention function, and are padded."""

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


MIDDLE_LAYERS = {12: 8, 16: 12, 24: 14}
"""Layers to the one that XTREME compares; of other encoders the one after seven twelfths.

Source: google-research/xtreme 4e6401c6, `third_party/evaluate_retrieval.py`, takes the one of index
7 among the last 12 of an encoder's outputs; `nyu-mll/jiant` the 14th of 24.
"""
MINING_LAYERS = {**MIDDLE_LAYERS, 24: 8}
"""The same for the mining of translations.

Source: google-research/xtreme 5cc0e78f, `scripts/run_bucc2018.sh`: index 7 among the last 12 or 24.
"""


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
    separator: int | None
    """Token after which a second text begins, where the model tells the two apart; else None."""

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
    def packed(self) -> bool:
        """Whether it runs on packs as they are; else each group of a pack is padded for it."""
        return self.model.config.model_type in PACKED_TYPES

    @property
    def first_position(self) -> int:
        """Number of a sequence's first position."""
        return _first_position(self.model.config, self.family)

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
    config = config_of(folder)
    family = family_in(config, model)
    for name in DROPOUTS:
        if hasattr(config, name):
            setattr(config, name, dropout)
    tokeniser = load_tokeniser(folder)
    loaded = read_model(folder, config, family)
    if config.model_type in PACKED_TYPES:
        loaded.set_attn_implementation(PACKED)
    else:
        LOG.info(
            "encoder %s: type %s takes no attention function: padded", model, config.model_type
        )
    use_fast_products(loaded)
    use_fast_dropout(loaded)
    nn.Module.to(loaded, "cuda" if torch.cuda.is_available() else "cpu")
    return Encoder(
        model=loaded.eval(),
        family=family,
        pad=int(tokeniser.pad_token_id),
        unknown=int(tokeniser.unk_token_id),
        mask=_mask(tokeniser),
        specials=torch.tensor(tokeniser.all_special_ids),
        separator=_separator(tokeniser, config),
    )


def set_dropout(model: nn.Module, dropout: float) -> None:
    """Put a dropout in force, hidden and attention alike, wherever a model drops anything."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout
        for name in ("dropout", "attention_dropout"):
            if isinstance(vars(module).get(name), float):
                vars(module)[name] = dropout


def config_of(folder: Path) -> PreTrainedConfig:
    """The configuration of a folder."""
    return cast("PreTrainedConfig", AutoConfig.from_pretrained(folder, local_files_only=True))


def family_in(config: PreTrainedConfig, model: str) -> EncoderFamily:
    """The family of an encoder: the one that its folder names, else that of its name and type.

    Raises: `ValueError` if the folder names a family that there is not.
    """
    return family_of(model, config.model_type, getattr(config, FAMILY_SETTING, None))


def language_numbers(config: PreTrainedConfig, family: EncoderFamily) -> dict[str, int]:
    """Number of each language that an encoder is told of a text; empty if it is told none.

    Raises: `ValueError` if it wants languages and nobody says which, or English is not among them.
    """
    count = getattr(config, "n_langs", 1)
    if count <= 1 or not getattr(config, "use_lang_emb", False):
        return {}
    numbers = getattr(config, "lang2id", None)
    numbers = numbers or {code: number for number, code in enumerate(family.languages)}
    if len(numbers) != count or ENGLISH not in numbers:
        raise ValueError(
            f"config.json: lang2id names {sorted(numbers)}: must name {count} languages "
            f"(n_langs), {ENGLISH} among them"
        )
    return {str(code): int(number) for code, number in numbers.items()}


def read_model(folder: Path, config: PreTrainedConfig, family: EncoderFamily) -> PreTrainedModel:
    """The model of a folder in float32, without the pooler, unless its family's feature needs it.

    A pooler that the folder lacks would be made at random, and a snapshot would never be the same.

    Raises: `OSError` if there are no safetensors weights, and a pickle is never loaded;
    `ValueError` if there is no pooler and the family needs it.
    """
    pooler = family.pooling == "pooler"
    bare = {"add_pooling_layer": pooler} if config.model_type in WITH_POOLER else {}
    model, told = AutoModel.from_pretrained(
        folder,
        config=config,
        **bare,
        dtype=torch.float32,
        local_files_only=True,
        use_safetensors=True,
        output_loading_info=True,
    )
    if pooler and (lost := [name for name in told["missing_keys"] if name.startswith("pooler.")]):
        raise ValueError(f"encoder {folder}: family {family.name} reads its pooler: no {lost[0]}")
    return cast("PreTrainedModel", model)


def longest_text(config: PreTrainedConfig, family: EncoderFamily) -> int | None:
    """Tokens of the longest text that an encoder has positions for; None: of any length."""
    if family.positions == "relative":
        return None
    return int(config.max_position_embeddings) - _first_position(config, family)


def _first_position(config: PreTrainedConfig, family: EncoderFamily) -> int:
    return int(config.pad_token_id) + 1 if family.positions == "after padding" else 0


@cache
def load_tokeniser(folder: Path) -> PreTrainedTokenizerFast:
    """The snapshot's fast tokeniser; loaded once, since a large vocabulary takes a second."""
    loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True, use_fast=True)
    return cast("PreTrainedTokenizerFast", loaded)


def middle_layer(encoder: Encoder, layers: Mapping[int, int] = MIDDLE_LAYERS) -> int:
    """The layer, counted from 1, after which texts that are searched for are compared."""
    count = int(encoder.model.config.num_hidden_layers)
    return layers.get(count, min(count, count * 7 // 12 + 1))


def hidden_after(encoder: Encoder, pack: Pack, layer: int) -> Tensor:
    """`[tokens, hidden]` of a pack after its first so many layers."""
    if encoder.layers:
        return run_layers(encoder, embed(encoder, pack), pack, range(layer))
    return _whole(encoder, pack, layer) if encoder.packed else _padded(encoder, pack, layer)


def last_hidden(encoder: Encoder, pack: Pack, frozen: int = 0) -> Tensor:
    """`[tokens, hidden]` of a pack after the last layer.

    The `frozen` lowest layers, and the embeddings with them, get no gradient; a pack that holds
    their outputs spares them.
    """
    if not encoder.layers:
        return _whole(encoder, pack) if encoder.packed else _padded(encoder, pack)
    hidden = pack.inputs
    if not pack.kept:
        with torch.set_grad_enabled(torch.is_grad_enabled() and frozen == 0):
            hidden = run_layers(encoder, embed(encoder, pack), pack, range(frozen))
    return run_layers(encoder, hidden, pack, range(frozen, len(encoder.layers)))


def embed(encoder: Encoder, pack: Pack) -> Tensor:
    """`[tokens, hidden]`: what the first layer sees of a pack's token ids."""
    embeddings = cast("nn.Module", encoder.model.embeddings)
    return cast("Tensor", embeddings(**_arguments(encoder, pack))[0])


def run_layers(encoder: Encoder, hidden: Tensor, pack: Pack, layers: range) -> Tensor:
    """`[tokens, hidden]` after some layers."""
    hidden = hidden[None]
    for number in layers:
        output = encoder.layers[number](hidden, None, layout=pack.layout)
        hidden = output[0] if isinstance(output, tuple) else output
    return hidden[0]


def _whole(encoder: Encoder, pack: Pack, layer: int | None = None) -> Tensor:
    """The same of a model whose layers cannot be called one by one."""
    more = {"use_cache": False} if hasattr(encoder.model.config, "use_cache") else {}
    if layer is not None:
        more["output_hidden_states"] = True
    output = encoder.model(**_arguments(encoder, pack), **more, layout=pack.layout)
    return _after(output, layer)[0]


def _after(output: BaseModelOutput, layer: int | None) -> Tensor:
    """Hidden states after the last layer, or after so many; those of layer 0 are embeddings."""
    if layer is None:
        return cast("Tensor", output.last_hidden_state)
    return cast("tuple[Tensor, ...]", output.hidden_states)[layer]


def _arguments(encoder: Encoder, pack: Pack) -> dict[str, Tensor]:
    positions = pack.layout.positions + encoder.first_position
    arguments = {"input_ids": pack.inputs[None], "position_ids": positions[None]}
    if pack.seconds is not None:
        arguments["token_type_ids"] = pack.seconds[None]
    return arguments


def _padded(encoder: Encoder, pack: Pack, layer: int | None = None) -> Tensor:
    """The same of a model that takes no attention function: a padded batch for each group."""
    groups = pack.layout.groups
    sizes = [group.tokens for group in groups]
    ids = pack.inputs.split(sizes)
    more = {"token_type_ids": pack.seconds, "langs": pack.languages}
    beside = {name: each.split(sizes) for name, each in more.items() if each is not None}
    found = []
    for number, (group, some) in enumerate(zip(groups, ids, strict=True)):
        arguments: dict[str, Tensor | bool] = {"input_ids": group.padded(some, encoder.pad)}
        arguments |= {name: group.padded(each[number], 0) for name, each in beside.items()}
        if layer is not None:
            arguments["output_hidden_states"] = True
        if group.real is not None:
            arguments["attention_mask"] = group.real
        found.append(group.joined(_after(encoder.model(**arguments), layer)))
    return torch.cat(found)


def _separator(tokeniser: PreTrainedTokenizerFast, config: PreTrainedConfig) -> int | None:
    """The tokeniser says of a pair whether it tells its texts apart."""
    told = tokeniser("a", "b", return_token_type_ids=True)["token_type_ids"]
    if getattr(config, "type_vocab_size", 0) < len({*told, 0}) or not any(told):
        return None
    return int(tokeniser.sep_token_id)


def _mask(tokeniser: PreTrainedTokenizerFast) -> int | None:
    found = tokeniser.mask_token_id
    return None if found is None else int(found)
