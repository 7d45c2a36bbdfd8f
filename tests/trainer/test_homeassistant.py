"""Voice commands: English is dealt by block, once and for all, and nothing crosses over."""

from itertools import combinations

import pytest
from xlbench_trainer.tasks import cldr, homeassistant
from xlbench_trainer.tasks.grammar import Span
from xlbench_trainer.tasks.homeassistant import Block, Sentence, kept_blocks, sentences

PARTS = ("a", "b", "dev", "test")


def test_parts_share_no_block_and_no_wording():
    templates = [
        {template for block in kept_blocks("en", part) for template in block.templates}
        for part in PARTS
    ]
    assert all(templates)
    assert not any(one & other for one, other in combinations(templates, 2))


def test_every_label_can_be_trained_tuned_and_tested_in_english():
    for part in ("b", "dev", "test"):
        assert homeassistant.labels_of(kept_blocks("en", part)) == list(homeassistant.kept_labels())


def test_no_language_has_a_label_that_english_cannot_train():
    kept = set(homeassistant.kept_labels())
    for language in homeassistant.languages():
        assert set(homeassistant.labels_of(kept_blocks(language, "test"))) <= kept
    assert not kept & set(homeassistant.dropped_labels())


def test_other_languages_have_tests_alone():
    assert kept_blocks("cy", "test")
    assert not any(kept_blocks("cy", part) for part in ("a", "b", "dev"))


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
    assert "_ બંધ કરો" in homeassistant.ambiguous_wordings("gu")
    some = sentences("gu", "test", per_label=50, purpose="test")
    assert all(s.wording != "_ બંધ કરો" for found in some.values() for s in found)


def test_a_wording_masks_what_was_filled_in():
    slot = homeassistant.grammar.Slot("area", "area")
    block = Block("X.0", "X", ("X",), ("",))
    sentence = Sentence((Span("Open  "), Span("New York", slot), Span("'s door")), block, "en")
    assert (sentence.text, sentence.wording) == ("Open New York's door", "open _'s door")


def test_covers_are_opened_and_lamps_turned_on():
    labels = {
        template: block.label
        for block in homeassistant.blocks("en")
        for template in block.templates
    }
    assert labels["<open> [<the>] {name}"] == "Open"
    assert labels["<turn> on [<the>] {name}"] == "TurnOn"
    assert labels["lock [<the>] {name}"] == "Lock"
