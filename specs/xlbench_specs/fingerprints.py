"""Fingerprints of a prepared set: what two sets are compared by, without their texts.

The prepare recipe writes them beside its tokens; the report joins those of every training set with
those of every test set of the plan into its contamination table. Nothing else reads them.
"""

import hashlib
import unicodedata
from array import array
from collections.abc import Iterable, Sequence

FINGERPRINTS_FILE = "fingerprints.u64"
"""File of a prepare payload: unsigned 64-bit little-endian pairs (2 * example + kind, hash)."""

TEXT = 0
"""Kind of a hash of one whole text of the example."""
GRAM = 1
"""Kind of a hash of `GRAM_WORDS` words in a row."""
GRAM_WORDS = 8
"""Long enough that two sets rarely share one by chance."""

_HASH_BYTES = 8


def normalised(text: str) -> str:
    """The text in NFKC, case folded, with single blanks between words."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def hashes_of(text: str) -> tuple[int, list[int]]:
    """The hash of a text and, ascending, those of its 8-grams; short texts have none."""
    words = normalised(text).split()
    grams = {
        _hash(words[start : start + GRAM_WORDS]) for start in range(len(words) - GRAM_WORDS + 1)
    }
    return _hash(words), sorted(grams)


def fingerprints(examples: Iterable[Sequence[str]]) -> bytes:
    """Content of `FINGERPRINTS_FILE` for the texts of each example, in the set's order.

    A tagging example is one text, its words joined by blanks; a pair is two texts.
    """
    pairs = array("Q")
    for number, texts in enumerate(examples):
        for text in texts:
            whole, grams = hashes_of(text)
            pairs.extend((2 * number + TEXT, whole))
            for gram in grams:
                pairs.extend((2 * number + GRAM, gram))
    if array("H", [1]).tobytes() != b"\x01\x00":
        pairs.byteswap()
    return pairs.tobytes()


def _hash(words: Sequence[str]) -> int:
    digest = hashlib.sha256(" ".join(words).encode()).digest()
    return int.from_bytes(digest[:_HASH_BYTES], "little")
