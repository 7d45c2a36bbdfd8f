"""Fingerprints: how one set's texts are compared with another's without moving the texts.

`prepare` writes them for its own data only, as `fingerprints.parquet`; the report joins those of
every training set with those of every evaluation set into the contamination table.
"""

import hashlib
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

FINGERPRINTS_FILE = "fingerprints.parquet"
GRAM_WORDS = 8


class Fingerprint(NamedTuple):
    """One row of `fingerprints.parquet`: an example without its text."""

    example_id: str
    """The example."""
    texts: list[int]
    """64-bit hash of each normalised text of the example, in order."""
    grams: list[int]
    """64-bit hashes of all its runs of eight words, sorted, without repeats."""


def normalised(text: str) -> str:
    """The text in compatibility form, without case, punctuation and extra blanks."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = (
        character if unicodedata.category(character)[0] in "LMN" else " " for character in folded
    )
    return " ".join("".join(kept).split())


def fingerprint(example_id: str, texts: Sequence[str]) -> Fingerprint:
    """The fingerprint of an example's texts."""
    plain = [normalised(text) for text in texts]
    grams = {_hash(gram) for text in plain for gram in _grams(text.split())}
    return Fingerprint(example_id, [_hash(text) for text in plain], sorted(grams))


def _grams(words: Sequence[str]) -> Iterator[str]:
    for start in range(len(words) - GRAM_WORDS + 1):
        yield " ".join(words[start : start + GRAM_WORDS])


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
