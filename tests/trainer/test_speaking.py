"""Sentences: of their part's fillers, spread over blocks, and each with one meaning."""

import pytest
from xlbench_trainer.tasks import cldr
from xlbench_trainer.tasks.grammar import Slot, Span
from xlbench_trainer.tasks.homeassistant import Block
from xlbench_trainer.tasks.speaking import Sentence, ambiguous_wordings, sentences

PARTS = ("a", "b", "dev", "test")


@pytest.mark.parametrize("part", PARTS)
def test_sentences_hold_no_filler_of_another_part(part):
    others = {
        name
        for other in PARTS
        for kind in ("language", "territory")
        for name in cldr.names_in("en", kind, other)
        if other != part
    }
    for some in sentences("en", part, per_label=5, purpose="test").values():
        assert others.isdisjoint(value for each in some for value in each.values.values())


def test_the_blocks_of_a_label_take_turns():
    some = sentences("en", "b", per_label=10, purpose="test")["StartTimer"]
    assert len({sentence.block.block_id for sentence in some}) == 8


def test_sentences_are_distinct_and_say_something():
    some = [
        s for found in sentences("de", "test", per_label=20, purpose="test").values() for s in found
    ]
    texts = [sentence.text.casefold() for sentence in some]
    assert len(texts) == len(set(texts))
    assert not {sentence.wording for sentence in some} & {"_", "_ _"}


def test_a_wording_that_says_two_labels_is_left_out():
    assert "_ બંધ કરો" in ambiguous_wordings("gu")
    some = sentences("gu", "test", per_label=50, purpose="test")
    assert all(s.wording != "_ બંધ કરો" for found in some.values() for s in found)


def test_a_wording_masks_what_was_filled_in():
    slot = Slot("area", "area")
    block = Block("X.0", "X", ("X",), ("",))
    sentence = Sentence((Span("Open  "), Span("New York", slot), Span("'s door")), block, "en")
    assert (sentence.text, sentence.wording) == ("Open New York's door", "open _'s door")
