"""Home Assistant's voice commands: human-written templates of 60 languages, spoken by a sampler.

A template block is what upstream keeps together: all wordings of one command. English blocks are
dealt once and for all to four parts that share no block (a: intermediates, b: target, dev, test);
the names that fill slots are dealt alike (`cldr.py`). The blocks of the other languages are tests.
The three `ha_*` tasks and `mlm` call `sentences`; nothing here knows what a task predicts.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Any, NotRequired, TypedDict

from xlbench_trainer.tasks import cldr, grammar
from xlbench_trainer.tasks.cldr import Part
from xlbench_trainer.tasks.packages import PINS, package_folder
from xlbench_trainer.tasks.streams import Stream, digest

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


class _Source(TypedDict):
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


@dataclass(frozen=True, slots=True)
class Sentence:
    """A spoken template."""

    spans: tuple[grammar.Span, ...]
    block: Block
    language: str

    @property
    def text(self) -> str:
        """The sentence, with single spaces."""
        return " ".join("".join(span.text for span in self.spans).split())

    @property
    def wording(self) -> str:
        """The sentence with its values masked, and without case."""
        masked = "".join(span.text if span.slot is None else "_" for span in self.spans)
        return " ".join(masked.casefold().split())

    @property
    def values(self) -> dict[grammar.Slot, str]:
        """What was filled in, by slot."""
        return {span.slot: span.text for span in self.spans if span.slot is not None}

    @property
    def cluster_id(self) -> str:
        """Sentences of one block are not independent."""
        return f"{self.language}:{self.block.block_id}"


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
def _source(language: str) -> _Source:
    folder = package_folder("home-assistant-intents", "home_assistant_intents") / "data"
    path = folder / f"{_FILES.get(language, language)}.json"
    source: _Source = json.loads(path.read_text("utf-8"))
    return source


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
        for intent, data in sorted(_source(language)["intents"].items())
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


_SHARES: Mapping[Part, float] = {"b": 0.40, "test": 0.18, "dev": 0.12, "a": 0.30}
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
            dealt[block_id] = max(_SHARES, key=lambda part: _claim(part, held, len(mine)))
    return dealt


def _claim(part: Part, held: Sequence[Part], blocks_to_deal: int) -> tuple[bool, float]:
    """How much a part is owed: the first to have nothing, then the one furthest below its share."""
    if not set(_SHARES) <= set(held):
        return part not in held, -list(_SHARES).index(part)
    return True, _SHARES[part] * blocks_to_deal - held.count(part)


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


_FILLED_FROM = {"area": "territory", "floor": "territory", "zone": "territory"}
"""Slots without a list of values: places are territories, all else is called after a language."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Speaks the templates of a language with the fillers of a part."""

    language: str
    part: Part

    def speak(
        self, block: Block, stream: Stream, given: Mapping[grammar.Slot, str] | None = None
    ) -> Sentence:
        """One sentence of a block; slots in `given` get that value."""
        source = _source(self.language)
        values = dict(given or {})

        def fill(slot: grammar.Slot) -> str:
            if slot not in values:
                values[slot] = self._value(slot, stream)
            return values[slot]

        template = block.templates[stream.below(len(block.templates))]
        spans = grammar.speak(
            grammar.parse(template), rules=source["expansion_rules"], fill=fill, stream=stream
        )
        return Sentence(tuple(spans), block, self.language)

    def _value(self, slot: grammar.Slot, stream: Stream) -> str:
        listed = _source(self.language)["lists"].get(slot.values, {})
        if "range" in listed:
            bounds = listed["range"]
            low, high, step = bounds["from"], bounds["to"], bounds.get("step", 1)
            return str(low + step * stream.below((high - low) // step + 1))
        if "values" in listed:
            chosen = listed["values"][stream.below(len(listed["values"]))]["in"]
            rules = _source(self.language)["expansion_rules"]
            spans = grammar.speak(grammar.parse(chosen), rules=rules, fill=_refuse, stream=stream)
            return "".join(span.text for span in spans)
        kind = _FILLED_FROM.get(slot.values, "language")
        fillers = cldr.names_in(self.language, kind, self.part)
        return fillers[stream.below(len(fillers))]


def _refuse(slot: grammar.Slot) -> str:
    raise ValueError(f"list value holds a slot of its own: {slot}")


def sentences(
    language: str, part: Part, *, per_label: int, purpose: str, slotted: bool = False
) -> dict[str, list[Sentence]]:
    """Up to `per_label` distinct sentences of every label, spread evenly over its blocks.

    With `slotted`, only sentences in which a slot is filled.
    """
    speaker = Speaker(language, part)
    by_label = _by_label(kept_blocks(language, part))
    ambiguous = ambiguous_wordings(language)
    seen: set[str] = set()
    found: dict[str, list[Sentence]] = {}
    for label, mine in sorted(by_label.items()):
        found[label] = []
        for sentence in _tries(speaker, mine, purpose, rounds=4 * per_label // len(mine) + 4):
            if len(found[label]) == per_label:
                break
            text = sentence.text.casefold()
            fits = _says_something(sentence) and (sentence.values or not slotted)
            if fits and text not in seen and sentence.wording not in ambiguous:
                seen.add(text)
                found[label].append(sentence)
    return found


_HEARD_PER_LABEL = 300


@cache
def ambiguous_wordings(language: str) -> frozenset[str]:
    """Wordings that say two labels: Gujarati closes a shutter and turns off a lamp in one word."""
    speaker = Speaker(language, "test")
    said: dict[str, set[str]] = {}
    every = [block for part in _SHARES for block in kept_blocks(language, part)]
    for label, mine in _by_label(every).items():
        rounds = ceil(_HEARD_PER_LABEL / len(mine))
        for sentence in _tries(speaker, mine, "wordings", rounds=rounds):
            said.setdefault(sentence.wording, set()).add(label)
    return frozenset(wording for wording, labels in said.items() if len(labels) > 1)


def _by_label(some: Iterable[Block]) -> dict[str, list[Block]]:
    """Blocks by label, in an order that says nothing."""
    found: dict[str, list[Block]] = {}
    for block in sorted(some, key=lambda block: digest(block.block_id)):
        found.setdefault(block.label, []).append(block)
    return found


def _tries(
    speaker: Speaker, some: Sequence[Block], purpose: str, *, rounds: int
) -> Iterator[Sentence]:
    for turn in range(rounds):
        for block in some:
            name = f"{REVISION}/{purpose}/{speaker.part}/{speaker.language}/{block.block_id}/{turn}"
            yield speaker.speak(block, Stream(name))


def _says_something(sentence: Sentence) -> bool:
    """Whether there is a letter outside the slots: a bare name is no command."""
    return any(c.isalpha() for span in sentence.spans if span.slot is None for c in span.text)


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


def interleaved(by_label: Mapping[str, Sequence[Sentence]]) -> list[Sentence]:
    """All sentences, the first of every label, then the second of every label, and so on."""
    longest = max(map(len, by_label.values()), default=0)
    return [some[at] for at in range(longest) for some in by_label.values() if at < len(some)]
