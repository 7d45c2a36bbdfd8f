import pytest
from pydantic import ValidationError
from xlbench_operator.loading import FILE, Origin
from xlbench_operator.wording import path_of, problems_of, valid_words
from xlbench_specs.experiment import ExperimentSpec


@pytest.mark.parametrize(
    ("location", "path"),
    [
        (("spec", "seeds", 3), "spec.seeds[3]"),
        (("spec", "schedules", 0, "phases", 1, "name"), "spec.schedules[0].phases[1].name"),
        (("spec", "weights", "A", "[key]"), "spec.weights.A"),
        ((), FILE),
    ],
)
def test_a_location_is_spelled_as_the_user_would(location, path):
    assert path_of(location) == path


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ({"type": "string", "enum": ["a", "b"]}, "a, b"),
        ({"type": "boolean", "enum": [True]}, "true"),
        ({"type": "boolean"}, "true, false"),
        ({"type": "integer"}, "a whole number"),
        ({"type": "integer", "minimum": 1, "maximum": 9}, "a whole number from 1 to 9"),
        ({"type": "number", "minimum": 0, "exclusiveMinimum": True}, "a number above 0"),
        (
            {"type": "number", "minimum": 0.5, "maximum": 1, "exclusiveMaximum": True},
            "a number from 0.5 below 1",
        ),
        ({"type": "array", "minItems": 2, "maxItems": 2}, "a list of 2 items"),
        ({"type": "array", "maxItems": 3}, "a list of 0 to 3 items"),
        ({"type": "string", "minLength": 1}, "text of 1 or more characters"),
        (
            {"type": "string", "maxLength": 4, "pattern": "^x"},
            "text of 0 to 4 characters that match ^x",
        ),
        ({"type": "object", "properties": {"a": {}, "b": {}}}, "an object with a, b"),
        ({"type": "object", "maxProperties": 2}, "an object with 0 to 2 fields"),
    ],
)
def test_what_is_valid_is_read_off_the_schema(node, words):
    assert valid_words(node) == words


def refused(data, origins=None):
    with pytest.raises(ValidationError) as caught:
        ExperimentSpec.parse(data)
    return {problem.path: problem for problem in problems_of(caught.value, origins or {})}


def test_a_boolean_that_was_a_bare_word_is_quoted_back_as_it_was_written():
    data = {"spec": {"languages": {"codes": ["sw", False]}}}
    path = "spec.languages.codes[1]"
    written = refused(data, {path: Origin(7, "off")})[path]
    sent = refused(data)[path]
    assert 'a bare off is a boolean in YAML; write "off" in quotes' in written.message
    assert 'a bare no, on or y is a boolean in YAML; write "no" in quotes' in sent.message


def test_a_number_in_plain_sight_is_not_called_quoted():
    data = {"spec": {"training": {"clip": "1e400"}}}
    path = "spec.training.clip"
    assert "too large" in refused(data, {path: Origin(3, "1e400")})[path].message
    assert "because it is quoted" in refused(data, {path: Origin(3, None)})[path].message


def test_what_is_no_object_at_all_is_refused_as_a_whole():
    assert refused([1])[FILE].message.startswith("valid: an object with apiVersion, kind")
