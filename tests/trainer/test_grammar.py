"""Templates: what is parsed, what may be said, and which word belongs to which slot."""

import pytest
from xlbench_trainer.tasks.grammar import Slot, Span, parse, slots_of, speak, words
from xlbench_trainer.tasks.streams import Stream

RULES = {"the": "(the|my)", "bare": "a|b", "deep": "<the> {area}"}


def every_saying(template, tries=200):
    said = set()
    for turn in range(tries):
        spans = speak(
            parse(template),
            rules=RULES,
            fill=lambda slot: slot.key.upper(),
            stream=Stream(str(turn)),
        )
        said.add(" ".join("".join(span.text for span in spans).split()))
    return said


@pytest.mark.parametrize(
    ("template", "sayings"),
    [
        pytest.param("turn on", {"turn on"}, id="literal"),
        pytest.param("(open|lift) it", {"open it", "lift it"}, id="one of"),
        pytest.param("light[s] on", {"light on", "lights on"}, id="optional inside a word"),
        pytest.param("[a|b] c", {"a c", "b c", "c"}, id="one of or nothing"),
        pytest.param("turn (on;it)", {"turn on it", "turn it on"}, id="any order"),
        pytest.param("(a|(b|c) d)", {"a", "b d", "c d"}, id="nested"),
        pytest.param("<the> lamp", {"the lamp", "my lamp"}, id="rule"),
        pytest.param("x <bare> y", {"x a y", "x b y"}, id="rule of bare alternatives"),
        pytest.param("set {area}", {"set AREA"}, id="slot"),
        pytest.param("set {area:where}", {"set WHERE"}, id="slot under another key"),
        pytest.param(r"\(a\|b\)", {"(a|b)"}, id="escaped"),
        pytest.param("5( |-)hour[s]", {"5 hour", "5-hour", "5 hours", "5-hours"}, id="joined"),
    ],
)
def test_a_template_says_exactly(template, sayings):
    assert every_saying(template) == sayings


@pytest.mark.parametrize("template", ["(a|b", "[a", "a)", "(a]", "a]"])
def test_an_unbalanced_template_is_refused(template):
    with pytest.raises(ValueError, match="template"):
        parse(template)


def test_slots_are_found_through_rules_and_choices():
    assert slots_of(parse("[<deep>] to {level:brightness}"), RULES) == {
        Slot("area", "area"),
        Slot("level", "brightness"),
    }


def test_a_word_belongs_to_the_first_slot_it_touches():
    area, name = Slot("area", "area"), Slot("name", "name")
    spans = [
        Span("in "),
        Span("New York", area),
        Span("'s "),
        Span("x", name),
        Span("-"),
        Span("y"),
    ]
    assert [(word.text, word.span) for word in words(spans)] == [
        ("in", None),
        ("New", 1),
        ("York's", 1),
        ("x-y", 3),
    ]


def test_a_stream_is_pinned():
    stream = Stream("name")
    assert [stream.below(100) for _ in range(6)] == [9, 61, 63, 29, 84, 18]
