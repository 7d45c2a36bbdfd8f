"""`cldr-names`: is this the name of a currency, a language, a territory or a unit?

An intermediate of another kind than voice commands. Trained on English names of parts a and b;
tested in every language whose names are its own and many enough. Scripts are left out: they are
mostly called after a language.
"""

from collections.abc import Mapping
from functools import cache

from xlbench_trainer.tasks import cldr
from xlbench_trainer.tasks.cldr import Part
from xlbench_trainer.tasks.examples import Example, example
from xlbench_trainer.tasks.packages import PINS
from xlbench_trainer.tasks.streams import digest

PACKAGES = {"babel": PINS["babel"]}
REVISION = f"{cldr.VERSION}+names-1"
LICENCE = "Unicode-3.0 (CLDR), BSD-3-Clause (Babel)"

_PARTS: Mapping[str, tuple[Part, ...]] = {"train": ("a", "b"), "dev": ("dev",), "test": ("test",)}
_PER_KIND = {"train": 320, "dev": 50, "test": 40}
MIN_PER_KIND = 8

KIND = "classification"


def labels() -> tuple[str, ...]:
    """The fixed label set."""
    return cldr.KINDS


@cache
def excluded() -> Mapping[str, str]:
    """Languages that CLDR has and the task leaves out, with the reason."""
    reasons: dict[str, str] = {}
    for language in cldr.languages():
        counts = {kind: len(_names("test", language, kind)) for kind in cldr.KINDS}
        kind = min(cldr.KINDS, key=lambda kind: counts[kind])
        if counts[kind] < MIN_PER_KIND:
            reasons[language] = (
                f"{counts[kind]} test names of kind {kind}, fewer than {MIN_PER_KIND}"
            )
    return reasons


def languages(split: str) -> tuple[str, ...]:
    """Codes of the languages that have a split."""
    if split == "test":
        return tuple(code for code in cldr.languages() if code not in excluded())
    return ("en",) if split in {"train", "dev"} else ()


def load(split: str, language: str) -> list[Example]:
    """All examples of a split in a language."""
    return [
        example(
            [name],
            [kind],
            language=language,
            parallel_id=f"{kind}:{code}",
            cluster_id=f"{language}:{kind}:{code}",
        )
        for kind in cldr.KINDS
        for code, name in _names(split, language, kind)[: _PER_KIND[split]]
    ]


def _names(split: str, language: str, kind: str) -> list[tuple[str, str]]:
    """Code and name; a name that is written as in English is no test of another language."""
    english = {} if language == "en" else cldr.names("en")[kind]
    found = [
        (code, name)
        for code, name in cldr.names(language)[kind].items()
        if cldr.part_of(kind, code) in _PARTS[split] and english.get(code) != name
    ]
    return sorted(found, key=lambda item: digest(f"{REVISION}/{item[0]}"))
