"""Sentences of Home Assistant's templates, filled with names, numbers and listed values.

The three `ha_*` tasks and `mlm` call `sentences`, each for a purpose of its own: another purpose
speaks the same blocks in other words.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil

from xlbench_trainer.tasks import cldr, grammar
from xlbench_trainer.tasks.cldr import Part
from xlbench_trainer.tasks.homeassistant import REVISION, SHARES, Block, kept_blocks, source
from xlbench_trainer.tasks.streams import Stream, digest


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
        rules = source(self.language)["expansion_rules"]
        values = dict(given or {})

        def fill(slot: grammar.Slot) -> str:
            if slot not in values:
                values[slot] = self._value(slot, stream)
            return values[slot]

        template = block.templates[stream.below(len(block.templates))]
        spans = grammar.speak(grammar.parse(template), rules=rules, fill=fill, stream=stream)
        return Sentence(tuple(spans), block, self.language)

    def _value(self, slot: grammar.Slot, stream: Stream) -> str:
        listed = source(self.language)["lists"].get(slot.values, {})
        if "range" in listed:
            bounds = listed["range"]
            low, high, step = bounds["from"], bounds["to"], bounds.get("step", 1)
            return str(low + step * stream.below((high - low) // step + 1))
        if "values" in listed:
            chosen = listed["values"][stream.below(len(listed["values"]))]["in"]
            rules = source(self.language)["expansion_rules"]
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
    every = [block for part in SHARES for block in kept_blocks(language, part)]
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


def interleaved(by_label: Mapping[str, Sequence[Sentence]]) -> list[Sentence]:
    """All sentences, the first of every label, then the second of every label, and so on."""
    longest = max(map(len, by_label.values()), default=0)
    return [some[at] for at in range(longest) for some in by_label.values() if at < len(some)]
