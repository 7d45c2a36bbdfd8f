"""Fingerprints: what counts as the same text, and the bytes that prepare writes."""

import struct

import pytest
from xlbench_specs.fingerprints import GRAM, TEXT, fingerprints, hashes_of, normalised

NINE_WORDS = "one two three four five six seven eight nine"


@pytest.mark.parametrize(
    ("text", "same"),
    [
        pytest.param("Turn  ON\tthe light ", "turn on the light", id="case and blanks"),
        pytest.param("ﬁnd it", "find it", id="compatibility forms"),
        pytest.param("Straße", "STRASSE", id="case folding"),
    ],
)
def test_texts_that_count_as_the_same(text, same):
    assert normalised(text) == normalised(same)
    assert hashes_of(text) == hashes_of(same)


def test_nine_words_have_two_eight_grams_and_seven_have_none():
    assert len(hashes_of(NINE_WORDS)[1]) == 2
    assert hashes_of("one two three four five six seven")[1] == []
    # an eight-word text is its own single 8-gram
    whole, grams = hashes_of("one two three four five six seven eight")
    assert grams == [whole]
    assert whole in hashes_of(NINE_WORDS)[1]


def test_file_holds_pairs_of_example_and_hash_in_order():
    data = fingerprints([("a", "b"), (NINE_WORDS,)])
    pairs = list(struct.iter_unpack("<QQ", data))
    kinds = [(2 * 0 + TEXT)] * 2 + [2 * 1 + TEXT] + [2 * 1 + GRAM] * 2
    assert [first for first, _ in pairs] == kinds
    assert pairs[0][1] == hashes_of("a")[0]
    # pinned: the first 8 bytes of sha256("a"), little-endian
    assert pairs[0][1] == int.from_bytes(bytes.fromhex("ca978112ca1bbdca"), "little")
