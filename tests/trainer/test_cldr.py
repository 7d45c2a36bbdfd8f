"""Names of CLDR: dealt by code, so that what is trained on is tested nowhere."""

from itertools import combinations

import pytest
from xlbench_trainer.tasks import cldr

PARTS = ("a", "b", "dev", "test")


@pytest.mark.parametrize("kind", cldr.KINDS)
def test_parts_of_english_names_are_disjoint_and_complete(kind):
    parts = [set(cldr.names_in("en", kind, part)) for part in PARTS]
    assert all(parts)
    assert not any(one & other for one, other in combinations(parts, 2))
    assert set.union(*parts) == set(cldr.names("en")[kind].values())


def test_a_name_is_in_the_same_part_in_every_language():
    assert "Albania" in cldr.names_in("en", "territory", cldr.part_of("territory", "AL"))
    assert "Albanien" in cldr.names_in("de", "territory", cldr.part_of("territory", "AL"))


def test_a_name_of_two_kinds_is_left_out():
    # CLDR calls both the currency and the language of some countries alike in some languages.
    for language in ("en", "de", "sw", "th", "zh"):
        table = cldr.names(language)
        names = [name.casefold() for kind in table.values() for name in kind.values()]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("code", ["XA", "ZZ"])
def test_codes_without_a_name_are_left_out(code):
    assert code not in cldr.names("am")["territory"]


def test_names_are_words_alone():
    dated = [name for name in cldr.names("en")["currency"].values() if "(" in name or "1" in name]
    assert dated == []


def test_languages_that_inherit_their_names_are_left_out():
    # Haitian Creole has no CLDR names of its own: it would be French under another code.
    assert "ht" not in cldr.languages()
    assert {"en", "sw", "nb", "tl"} <= set(cldr.languages())
    assert not {"no", "fil"} & set(cldr.languages())
