import hashlib
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from xlbench_specs.documents import Document, canonical_json, digest

deterministic = settings(derandomize=True, deadline=None, max_examples=200)

GOLDEN = {
    "a map is sorted by key": ({"b": 1, "a": 2}, b'{"a":2,"b":1}'),
    "keys are sorted by code point, capitals first": (
        {"é": 1, "z": 2, "Z": 3, "\U0001f600": 4, "￿": 5},
        '{"Z":3,"z":2,"é":1,"￿":5,"\U0001f600":4}'.encode(),
    ),
    "None is left out of maps at any depth": ({"a": None, "b": {"c": None}}, b'{"b":{}}'),
    "text stays as it is, unescaped": (
        {"a": 'Hausa ƙ \\ " /'},
        '{"a":"Hausa ƙ \\\\ \\" /"}'.encode(),
    ),
    "control characters are escaped": ("\n\t\x00", b'"\\n\\t\\u0000"'),
    "a small float is written as repr writes it": ([1e-05, 0.0001], b"[1e-05,0.0001]"),
    "a large float is written as repr writes it": (
        [1e15, 1e16, 1e22],
        b"[1000000000000000.0,1e+16,1e+22]",
    ),
    "the shortest digits that give the float back": (
        [0.1, 0.1 + 0.2],
        b"[0.1,0.30000000000000004]",
    ),
    "1 and 1.0 differ": ([1, 1.0], b"[1,1.0]"),
    "minus zero is zero": ([-0.0, 0.0], b"[0.0,0.0]"),
    "a tuple is a list": ((1, (2,)), b"[1,[2]]"),
    "true is no number": ([True, False, 1], b"[true,false,1]"),
    "a list keeps its order": ([3, 1, 2], b"[3,1,2]"),
    "an integer has no bound": (2**70, b"1180591620717411303424"),
    "nothing is something": ({}, b"{}"),
}


@pytest.mark.parametrize(("value", "expected"), GOLDEN.values(), ids=GOLDEN)
def test_the_canonical_bytes_of(value, expected):
    assert canonical_json(value) == expected


def test_a_digest_is_the_sha256_of_the_canonical_bytes():
    assert digest({"b": 1.0, "a": None}) == hashlib.sha256(b'{"b":1.0}').hexdigest()


class _Example(Document):
    """A document with a field of each kind that matters here."""

    learning_rate: float = 2e-5
    names: list[str] | None = None


REFUSED = {
    "a set": ({"a": {1}}, TypeError),
    "bytes": ({"a": b"x"}, TypeError),
    "a document": ({"a": _Example()}, TypeError),
    "None in a list": ([1, None], TypeError),
    "None alone": (None, TypeError),
    "a number as key": ({1: "a"}, TypeError),
    "a number as key of a None": ({1: None}, TypeError),
    "NaN": ({"a": math.nan}, ValueError),
    "infinity": ([math.inf], ValueError),
    "half a surrogate pair": ("\ud800", ValueError),
}


@pytest.mark.parametrize(("value", "error"), REFUSED.values(), ids=REFUSED)
def test_there_are_no_canonical_bytes_of(value, error):
    with pytest.raises(error):
        canonical_json(value)


plain = st.recursive(
    st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)


@deterministic
@given(plain)
def test_canonical_bytes_are_json_and_give_the_value_back(value):
    assert json.loads(canonical_json(value)) == value


@deterministic
@given(st.dictionaries(st.text(st.characters(codec="utf-8")), plain, max_size=5), st.randoms())
def test_the_order_in_which_a_map_was_filled_does_not_matter(value, random):
    items = list(value.items())
    random.shuffle(items)
    assert canonical_json(dict(items)) == canonical_json(value)


@deterministic
@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), plain, max_size=5))
def test_a_field_added_later_as_none_keeps_the_digest(value):
    assert digest({**value, "a field of a later version": None}) == digest(value)


def test_a_document_is_written_in_camel_case_without_none():
    assert _Example().plain() == {"learningRate": 2e-5}
    assert _Example(names=["a"]).text() == '{\n "learningRate": 2e-05,\n "names": [\n  "a"\n ]\n}\n'


def test_a_document_gives_itself_back():
    document = _Example(names=["ƙ"])
    assert _Example.parse(document.plain()) == document
    assert _Example.model_validate_json(document.text()) == document


BAD = {
    "an unknown field": {"learningRat": 1e-5},
    "a number in quotes": {"learningRate": "1e-5"},
    "a boolean for a number": {"learningRate": True},
    "one name for a list": {"names": "a"},
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_a_document_refuses(data):
    with pytest.raises(ValidationError):
        _Example.parse(data)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_document_refuses_what_is_no_number(value):
    with pytest.raises(ValueError, match="JSON compliant"):
        _Example.parse({"learningRate": value})
    with pytest.raises(ValidationError):
        _Example(learning_rate=value)


def test_a_document_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        _Example().learning_rate = 1.0
