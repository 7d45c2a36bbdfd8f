"""`cldr-names`: is this the name of a currency, a language, a territory or a unit?

An intermediate of another kind than voice commands. Trained on English names of parts a and b;
tested in every language whose names are its own and many enough. Scripts are left out: they are
mostly called after a language.
"""

from collections.abc import Mapping

from xlbench_specs.tasks import TaskKind

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

KIND: TaskKind = "classification"
SPLITS: tuple[str, ...] = ("train", "dev", "test")


def labels() -> tuple[str, ...]:
    """The fixed label set."""
    return cldr.KINDS


def candidates() -> tuple[str, ...]:
    """Codes of the languages that the source has."""
    return cldr.languages()


def why_excluded(language: str) -> str | None:
    """Why a language is not tested, or None."""
    counts = {kind: len(_names("test", language, kind)) for kind in cldr.KINDS}
    kind = min(cldr.KINDS, key=lambda kind: counts[kind])
    if counts[kind] < MIN_PER_KIND:
        return f"{counts[kind]} test names of kind {kind}, fewer than {MIN_PER_KIND}"
    return None


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
