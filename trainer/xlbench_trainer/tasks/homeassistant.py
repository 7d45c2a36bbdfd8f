"""Home Assistant's voice commands: human-written templates of 60 languages, and who may use them.

A template block is what upstream keeps together: all wordings of one command. English blocks are
dealt once and for all to four parts that share no block (a: intermediates, b: target, dev, test);
the names that fill slots are dealt alike (`cldr.py`). The blocks of the other languages are tests.
`speaking.py` makes sentences of them; nothing here knows what a task predicts.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NotRequired, TypedDict

from xlbench_trainer.tasks import cldr
from xlbench_trainer.tasks.cldr import Part
from xlbench_trainer.tasks.packages import PINS, package_folder
from xlbench_trainer.tasks.streams import digest

PACKAGES = {name: PINS[name] for name in ("babel", "home-assistant-intents")}

REVISION = f"ha-{PINS['home-assistant-intents']}+{cldr.VERSION}+sampler-2"
"""Raised by hand when other sentences would come out."""

LICENCE = "Apache-2.0 (Home Assistant intents contributors; modified); Unicode-3.0 (CLDR names)"

_FILES = {"zh": "zh-CN"}
"""Our code to the package's file, where they differ; regional variants are left out."""

UNSPACED = frozenset({"ja", "th", "zh"})
"""Written without spaces between words, so not cut into words here."""


class _Entry(TypedDict):
    sentences: list[str]
    response: str
    slots: NotRequired[dict[str, str | list[str]]]
    requires_context: NotRequired[dict[str, Any]]


class _Intent(TypedDict):
    data: list[_Entry]


class _List(TypedDict):
    values: NotRequired[list[dict[str, str]]]
    range: NotRequired[dict[str, int]]


class Source(TypedDict):
    """What is read of a language's file."""

    intents: dict[str, _Intent]
    lists: dict[str, _List]
    expansion_rules: dict[str, str]


@dataclass(frozen=True, slots=True)
class Block:
    """The wordings of one command in one language."""

    block_id: str
    """Unique in the language, e.g. `HassTurnOn.3`; a part of a block has a second number."""
    label: str
    """The intent as `ha-intent` names it."""
    meaning: tuple[str, ...]
    """Intent, response and constants: what the command means apart from its slots."""
    templates: tuple[str, ...]


_LABELS = {
    "HassCancelAllTimers": "CancelTimer",
    "HassLawnMowerDock": "RobotDock",
    "HassLawnMowerStartMowing": "RobotStart",
    "HassListAddItem": "ListAdd",
    "HassListCompleteItem": "ListRemove",
    "HassListRemoveItem": "ListRemove",
    "HassShoppingListAddItem": "ListAdd",
    "HassShoppingListCompleteItem": "ListRemove",
    "HassVacuumCleanArea": "RobotStart",
    "HassVacuumReturnToBase": "RobotDock",
    "HassVacuumStart": "RobotStart",
}
"""Intents that upstream tells apart by the device and not by the words."""

_SWITCHES = {
    ("HassTurnOn", "opening"): "Open",
    ("HassTurnOff", "opening"): "Close",
    ("HassTurnOn", "lock"): "Lock",
    ("HassTurnOff", "lock"): "Unlock",
}
"""And the reverse: upstream's switching on of a cover is said as "open"."""


def _label_of(intent: str, entry: _Entry) -> str:
    context = entry.get("requires_context", {})
    domain = entry.get("slots", {}).get("domain") or context.get("domain") or []
    domains = {domain} if isinstance(domain, str) else set(domain)
    kind = "lock" if domains == {"lock"} else "opening" if domains & {"cover", "valve"} else ""
    if domains & {"light", "switch", "fan"}:
        kind = ""
    return _SWITCHES.get((intent, kind)) or _LABELS.get(intent) or intent.removeprefix("Hass")


@cache
def source(language: str) -> Source:
    """What upstream's file of a language says."""
    folder = package_folder("home-assistant-intents", "home_assistant_intents") / "data"
    path = folder / f"{_FILES.get(language, language)}.json"
    found: Source = json.loads(path.read_text("utf-8"))
    return found


@cache
def languages() -> tuple[str, ...]:
    """Codes of the package's languages, without regional variants."""
    folder = package_folder("home-assistant-intents", "home_assistant_intents") / "data"
    found = {path.stem for path in folder.glob("*.json")}
    return tuple(sorted({name for name in found if "-" not in name} | set(_FILES)))


@cache
def blocks(language: str) -> tuple[Block, ...]:
    """All blocks of a language; one that repeats a wording of an earlier one is left out.

    A label with fewer than four blocks is cut into its templates, so that English has enough to
    deal.
    """
    raw = [
        Block(
            block_id=f"{intent}.{index}",
            label=_label_of(intent, entry),
            meaning=(intent, entry["response"], json.dumps(entry.get("slots"), sort_keys=True)),
            templates=tuple(entry["sentences"]),
        )
        for intent, data in sorted(source(language)["intents"].items())
        for index, entry in enumerate(data["data"])
    ]
    distinct = _without_repeats(raw)
    counts = Counter(block.label for block in distinct)
    return tuple(
        part
        for block in distinct
        for part in (_by_template(block) if counts[block.label] < 4 else [block])  # noqa: PLR2004
    )


def labels_of(some: Sequence[Block]) -> list[str]:
    """The labels of some blocks, sorted."""
    return sorted({block.label for block in some})


def _without_repeats(raw: Sequence[Block]) -> list[Block]:
    seen: set[str] = set()
    kept = []
    for block in raw:
        if seen.isdisjoint(block.templates):
            kept.append(block)
        seen.update(block.templates)
    return kept


def _by_template(block: Block) -> list[Block]:
    return [
        Block(f"{block.block_id}.{index}", block.label, block.meaning, (template,))
        for index, template in enumerate(block.templates)
    ]


SHARES: Mapping[Part, float] = {"b": 0.40, "test": 0.18, "dev": 0.12, "a": 0.30}
"""Of an English label's blocks; in the order in which parts get their first one."""


@cache
def english_part() -> Mapping[str, Part]:
    """English block id to its part."""
    dealt: dict[str, Part] = {}
    english = blocks("en")
    for label in labels_of(english):
        mine = sorted(
            (block.block_id for block in english if block.label == label),
            key=lambda block_id: digest(f"{REVISION}/{block_id}"),
        )
        for done, block_id in enumerate(mine):
            held = [dealt[other] for other in mine[:done]]
            dealt[block_id] = max(SHARES, key=lambda part: _claim(part, held, len(mine)))
    return dealt


def _claim(part: Part, held: Sequence[Part], blocks_to_deal: int) -> tuple[bool, float]:
    """How much a part is owed: the first to have nothing, then the one furthest below its share."""
    if not set(SHARES) <= set(held):
        return part not in held, -list(SHARES).index(part)
    return True, SHARES[part] * blocks_to_deal - held.count(part)


_UNRELATED = {"Respond": "a handful of unrelated sentences, not one thing to say"}


@cache
def kept_labels() -> tuple[str, ...]:
    """Labels that English can train, tune and test, sorted."""
    dealt: dict[str, set[Part]] = {}
    for block in blocks("en"):
        dealt.setdefault(block.label, set()).add(english_part()[block.block_id])
    enough = {label for label, parts in dealt.items() if {"b", "dev", "test"} <= parts}
    return tuple(sorted(enough - set(_UNRELATED)))


@cache
def dropped_labels() -> Mapping[str, str]:
    """Labels of any language that are left out in all, with the reason."""
    every = {block.label for language in languages() for block in blocks(language)}
    reason = "too few English templates to train, tune and test it"
    return {label: _UNRELATED.get(label, reason) for label in sorted(every - set(kept_labels()))}


@cache
def kept_blocks(language: str, part: Part) -> tuple[Block, ...]:
    """Blocks of the labels kept; of English those of a part, elsewhere all are `test`."""
    kept = set(kept_labels())
    return tuple(
        block
        for block in blocks(language)
        if block.label in kept
        and part == (english_part()[block.block_id] if language == "en" else "test")
    )


SPLIT_PARTS: Mapping[str, Part] = {"dev": "dev", "test": "test"}
"""The evaluation splits, alike in every task; `train` is part a or b."""

MIN_TEMPLATES = 40
"""A language with fewer is left out: its sentences would be a few, over and over."""


def named(filler_part: Part, language: str) -> bool:
    """Whether CLDR names enough places and languages to fill a language's slots."""
    return language in cldr.languages() and all(
        len(cldr.names_in(language, kind, filler_part)) >= 20  # noqa: PLR2004
        for kind in ("language", "territory")
    )


def why_excluded(language: str) -> str | None:
    """Why a language cannot be tested at all, or None."""
    if not named("test", language):
        return "too few CLDR names to fill the slots"
    templates = sum(len(block.templates) for block in kept_blocks(language, "test"))
    if templates < MIN_TEMPLATES:
        return f"{templates} templates, fewer than {MIN_TEMPLATES}"
    return None
