"""Voice commands: English is dealt by block, once and for all, and nothing crosses over."""

from itertools import combinations

from xlbench_trainer.tasks import homeassistant
from xlbench_trainer.tasks.homeassistant import kept_blocks

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


def test_covers_are_opened_and_lamps_turned_on():
    labels = {
        template: block.label
        for block in homeassistant.blocks("en")
        for template in block.templates
    }
    assert labels["<open> [<the>] {name}"] == "Open"
    assert labels["<turn> on [<the>] {name}"] == "TurnOn"
    assert labels["lock [<the>] {name}"] == "Lock"
