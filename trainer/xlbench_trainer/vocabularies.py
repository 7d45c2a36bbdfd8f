"""Tokenisers of other people's encoders, as the trainer needs them: fast, and with both ends.

A text's feature may be that of its first or its last token, so a special one must stand there; and
what is padded needs a token to be padded with. Called by the recipe `encoder` alone: a snapshot's
tokeniser is then used as it is.
"""

# ruff: noqa: RUF001 - the table of punctuation holds what looks alike

import json
from pathlib import Path
from typing import cast

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedConfig, PreTrainedTokenizerFast
from xlbench_specs.encoders import EncoderFamily

XLM_FILES = ("vocab.json", "merges.txt")
_PUNCTUATION = {
    ",": "，、",
    '"': "”“„《》」「«»",
    ":": "∶：",
    ";": "；",
    "?": "？",
    "!": "！",
    ". ": "。．",
    "(": "（",
    ")": "）",
    "'": "’‘‚´‹›",
    "-": "━–",
    " - ": "—",
    "~": "～",
    "<": "〈",
    ">": "〉",
    "[": "【",
    "]": "】",
    "%": "％",
    "...": "…",
    **{str(digit): chr(0xFF10 + digit) for digit in range(10)},
}
"""What stands for what in XLM's texts.

Source: `replace_unicode_punct` (transformers 5.23, `tokenization_xlm.py`) and sacremoses 0.1.1,
`normalize.py`.
"""

_LETTER = r"[\p{L}\p{M}\p{N}\-`&&[^\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]]"
_WORDS = "|".join(
    (
        r"\.{2,}",
        rf"(?<=[\p{{L}}\p{{N}}])'(?=\p{{L}}){_LETTER}+",  # 's
        r"(?:\p{L}+\.){2,}(?=\s|$)",  # u.s.
        rf"(?:{_LETTER}|\.(?={_LETTER})|(?<=\p{{N}}),(?=\p{{N}}))+",
        r"\S",
    )
)
"""Words of an English text, as Moses cuts it. Source: sacremoses 0.1.1, `tokenize.py`."""


def tokeniser_of(
    folder: Path, config: PreTrainedConfig, family: EncoderFamily
) -> PreTrainedTokenizerFast:
    """The tokeniser of a folder, with the special tokens that its family's feature stands on.

    One that has them is left as it is.

    Raises: `ValueError` if it lacks what they are made of, or is no fast one.
    """
    if config.model_type == "xlm" and all((folder / name).is_file() for name in XLM_FILES):
        return _xlm_tokeniser(folder)
    loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True, use_fast=True)
    found = cast("PreTrainedTokenizerFast", loaded)
    if not found.is_fast:
        raise ValueError(f"{type(found).__name__} in {folder} has no fast form (tokenizer.json)")
    told = found("a", return_special_tokens_mask=True)
    begun, ended = (bool(told["special_tokens_mask"][place]) for place in (0, -1))
    first = str(found.convert_ids_to_tokens(told["input_ids"][0])) if begun else None
    whole = {"last": ended, "mean": True}.get(family.pooling, first is not None and ended)
    if whole and found.pad_token is not None and found.unk_token is not None:
        return found
    if first is None and family.pooling != "last":
        first = found.cls_token or found.bos_token
        if first is None:
            raise ValueError(f"{type(found).__name__}: neither cls_token nor bos_token is set")
    return _completed(found, first)


def _completed(found: PreTrainedTokenizerFast, first: str | None) -> PreTrainedTokenizerFast:
    """The same with `first`, if that is set, before a text, a last token after it, and padding.

    What is padded is never looked at, so the last token serves for it; and for what is unknown,
    which a tokeniser of bytes never meets.
    """
    last = found.sep_token or found.eos_token
    if last is None:
        raise ValueError(f"{type(found).__name__}: neither sep_token nor eos_token is set")
    start = "" if first is None else f"{first} "
    inner = Tokenizer.from_str(found.backend_tokenizer.to_str())
    inner.post_processor = processors.TemplateProcessing(
        single=f"{start}$A {last}",
        pair=f"{start}$A {last} $B:0 {last}:0",
        special_tokens=[
            (each, found.convert_tokens_to_ids(each)) for each in (first, last) if each is not None
        ],
    )
    roles = {name: str(token) for name, token in found.special_tokens_map.items()}
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, **{"pad_token": last, "unk_token": last, **roles}
    )


def _xlm_tokeniser(folder: Path) -> PreTrainedTokenizerFast:
    """XLM's tokeniser as a fast one, of its pieces and merges.

    The published one is slow, does not say where a token stands in its text, and wants sacremoses.
    This one has its pieces and its normalisation, and the words of Moses's English rules but for
    the list of abbreviations: on Tatoeba 99.7 % of the words or more are the same in each of 13
    languages. Each sign of Chinese, Japanese and Korean is a word, as with the published one where
    it is not told the language; Thai is cut at blanks.
    """
    said: dict[str, object] = {}
    for name in ("config.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            said |= json.loads((folder / name).read_text())
    pieces = json.loads((folder / "vocab.json").read_text())
    lines = (folder / "merges.txt").read_text().splitlines()
    merges = [(one, two) for one, two, *_ in (line.split() for line in lines)]
    inner = Tokenizer(
        models.BPE(pieces, merges, unk_token="<unk>", end_of_word_suffix="</w>")  # noqa: S106
    )
    bare = bool(said.get("do_lowercase_and_remove_accent", True))
    inner.normalizer = _xlm_normaliser(bare=bare)
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(_WORDS), "removed", invert=True)
    inner.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> $B:0 </s>:0",
        special_tokens=[(each, pieces[each]) for each in ("<s>", "</s>")],
    )
    roles = {"bos": "<s>", "cls": "<s>", "sep": "</s>", "eos": "</s>", "pad": "<pad>"}
    roles |= {"unk": "<unk>", "mask": "<special1>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, **{f"{role}_token": token for role, token in roles.items()}
    )


def _xlm_normaliser(*, bare: bool) -> normalizers.Normalizer:
    """Plain punctuation and blanks; with `bare`, small letters without accents."""
    steps: list[normalizers.Normalizer] = [
        *(normalizers.Replace(Regex(f"[{each}]"), one) for one, each in _PUNCTUATION.items()),
        normalizers.Replace(Regex(r"\s+"), " "),
        normalizers.Replace(Regex(r"\p{C}"), ""),
    ]
    if bare:
        steps += [
            normalizers.Lowercase(),
            normalizers.NFD(),
            normalizers.Replace(Regex(r"\p{Mn}"), ""),
        ]
    return normalizers.Sequence(steps)
