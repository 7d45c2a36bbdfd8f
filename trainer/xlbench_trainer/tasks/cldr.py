"""Names of territories, languages, currencies and units in many languages, from CLDR.

They are the data of `cldr-names` and the fillers of the Home Assistant templates. Every name
belongs to one part by its code, in all languages alike, so that a name which is trained on is
never a filler or an item of a test. Babel's own data is read through Babel.
"""

from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Literal

from babel import Locale
from babel.core import get_global
from babel.localedata import locale_identifiers

from xlbench_trainer.tasks.packages import PINS, require_pin
from xlbench_trainer.tasks.streams import digest

Part = Literal["a", "b", "dev", "test"]
"""a: trains the intermediates; b: trains the target; dev: settings; test: scores."""

KINDS = ("currency", "language", "territory", "unit")

VERSION = f"cldr-babel-{PINS['babel']}"

_CODES = {"fil": "tl"}
"""CLDR's code to ours, where they differ."""


@cache
def languages() -> tuple[str, ...]:
    """Codes of all languages whose names are their own, not inherited from another's."""
    require_pin("babel")
    inherits = get_global("parent_exceptions")
    own = (code for code in locale_identifiers() if "_" not in code)
    return tuple(sorted(_CODES.get(c, c) for c in own if c == "nb" or c not in {"no", *inherits}))


@cache
def names(language: str) -> Mapping[str, Mapping[str, str]]:
    """Kind to code to name, without names that are ambiguous, dated or not written out."""
    locale = Locale(next((cldr for cldr, ours in _CODES.items() if ours == language), language))
    table = {
        "currency": dict(locale.currencies),
        "language": {code: name for code, name in locale.languages.items() if "_" not in code},
        "territory": {code: name for code, name in locale.territories.items() if code.isalpha()},
        "unit": _units(locale),
    }
    counts = Counter(name.casefold() for kind in table.values() for name in kind.values())
    return {
        kind: {
            code: name
            for code, name in sorted(table[kind].items())
            if counts[name.casefold()] == 1 and _is_written_out(name) and code not in _NO_NAMES
        }
        for kind in KINDS
    }


_NO_NAMES = frozenset({"XA", "XB", "XTS", "XXX", "ZZ", "mis", "mul", "root", "und", "zxx"})
"""Codes for tests and for what is unknown."""


def _units(locale: Locale) -> dict[str, str]:
    found = {}
    for code, forms in locale._data["unit_display_names"].items():  # noqa: SLF001 - no public way
        if isinstance(forms.get("long"), str):
            found[code] = forms["long"]
    return found


_MIN_LETTERS = 3


def _is_written_out(name: str) -> bool:
    """Whether a name is words alone: digits and brackets would tell its kind."""
    letters = sum(character.isalpha() for character in name)
    return letters >= _MIN_LETTERS and not any(c.isdigit() or c in "()[]（）/{}·" for c in name)  # noqa: RUF001


_ENDS: Mapping[Part, int] = {"a": 25, "b": 50, "dev": 65, "test": 100}
"""Parts of a hundred names: a and b have 25 each, dev 15, test 35."""


def part_of(kind: str, code: str) -> Part:
    """The part that a name belongs to, in every language."""
    hundredth = int(digest(f"{VERSION}/{kind}/{code}")[:8], 16) % 100
    return next(part for part, end in _ENDS.items() if hundredth < end)


@cache
def names_in(language: str, kind: str, part: Part) -> tuple[str, ...]:
    """Names of a kind that belong to a part, in an order that says nothing."""
    found = names(language)[kind].items()
    return tuple(
        name
        for code, name in sorted(found, key=lambda item: digest(item[0]))
        if part_of(kind, code) == part
    )
