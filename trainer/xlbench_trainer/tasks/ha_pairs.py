"""`ha-pairs`: do two voice commands mean the same?

A true pair is two wordings of one block with the same values. A false pair is two commands of one
intent that differ in a value or in a constant such as the device, chosen so that it shares about
as many words as a true one: neither the intent nor the overlap of words gives the answer away.
An intermediate task, trained on English blocks of part a. Called through `loaders.py`.
"""

from collections.abc import Iterator, Sequence

from xlbench_specs.tasks import TaskKind

from xlbench_trainer.tasks import homeassistant
from xlbench_trainer.tasks.examples import Example, example
from xlbench_trainer.tasks.homeassistant import Block, kept_blocks
from xlbench_trainer.tasks.speaking import Sentence, Speaker
from xlbench_trainer.tasks.streams import Stream, digest

_PAIRS = {"train": 1800, "dev": 200, "test": 150}
_TRIES = 24
_CANDIDATES = 6

LABELS = ("different", "same")

KIND: TaskKind = "classification"
SPLITS: tuple[str, ...] = ("train", "dev", "test")
VERSION = "pairs-1"
"""Raised by hand when other examples would come out."""


def labels() -> tuple[str, ...]:
    """The fixed label set."""
    return LABELS


def candidates() -> tuple[str, ...]:
    """Codes of the languages that the source has."""
    return homeassistant.languages()


def why_excluded(language: str) -> str | None:
    """Why a language is not tested, or None."""
    return homeassistant.why_excluded(language)


def load(split: str, language: str) -> list[Example]:
    """All examples of a split in a language: true and false pairs in turn, intent by intent."""
    part = homeassistant.SPLIT_PARTS.get(split, "a")
    groups: dict[tuple[str, str], list[Block]] = {}
    for block in sorted(kept_blocks(language, part), key=lambda block: digest(block.block_id)):
        groups.setdefault((block.label, block.meaning[0]), []).append(block)
    speaker = Speaker(language, part)
    sources = [_couples(speaker, some) for _, some in sorted(groups.items())]
    found: dict[str, Example] = {}
    while sources and len(found) < _PAIRS[split]:
        for source in list(sources):
            couple = next(source, None)
            if couple is None:
                sources.remove(source)
                continue
            for pair in couple:
                found.setdefault(pair.example_id, pair)
    return list(found.values())[: _PAIRS[split]]


def _couples(speaker: Speaker, some: Sequence[Block]) -> Iterator[tuple[Example, Example]]:
    """A true and a false pair at a time, on one first sentence, until an intent has no more."""
    used: set[str] = set()
    for turn in range(len(some) * 40):
        block = some[turn % len(some)]
        stream = Stream(
            f"{homeassistant.REVISION}/{VERSION}/{speaker.part}/{speaker.language}"
            f"/{block.block_id}/{turn // len(some)}"
        )
        first = speaker.speak(block, stream)
        if first.text.casefold() in used:
            continue
        same = _reworded(speaker, first, stream)
        other = same and _different(speaker, first, same, some=some, stream=stream)
        if same and other:
            used |= {sentence.text.casefold() for sentence in (first, same, other)}
            yield _pair(first, same, "same"), _pair(first, other, "different")


def _reworded(speaker: Speaker, first: Sentence, stream: Stream) -> Sentence | None:
    for _ in range(_TRIES):
        second = speaker.speak(first.block, stream, first.values)
        if second.values == first.values and second.text.casefold() != first.text.casefold():
            return second
    return None


def _different(
    speaker: Speaker, first: Sentence, same: Sentence, *, some: Sequence[Block], stream: Stream
) -> Sentence | None:
    """Of some commands of another meaning, the one as close to `first` as the true one is."""
    candidates: list[Sentence] = []
    for _ in range(_TRIES):
        block = some[stream.below(len(some))] if stream.below(2) else first.block
        given = first.values
        if given and block is first.block:
            del given[list(given)[stream.below(len(given))]]
        second = speaker.speak(block, stream, given)
        if _means(second) != _means(first):
            candidates.append(second)
        if len(candidates) == _CANDIDATES:
            break
    wanted = overlap(first.text, same.text)
    return min(
        candidates, key=lambda other: abs(overlap(first.text, other.text) - wanted), default=None
    )


def _means(sentence: Sentence) -> tuple[tuple[str, ...], frozenset[tuple[str, str]]]:
    values = sentence.values.items()
    return sentence.block.meaning, frozenset((slot.key, text.casefold()) for slot, text in values)


def overlap(one: str, two: str) -> float:
    """Shared character trigrams over all: works in every script, with or without spaces."""
    left, right = _trigrams(one), _trigrams(two)
    return len(left & right) / max(1, len(left | right))


def _trigrams(text: str) -> set[str]:
    padded = f" {text.casefold()} "
    return {padded[at : at + 3] for at in range(len(padded) - 2)}


def _pair(first: Sentence, second: Sentence, label: str) -> Example:
    return example(
        [first.text, second.text],
        [label],
        language=first.language,
        cluster_id=first.cluster_id,
    )
