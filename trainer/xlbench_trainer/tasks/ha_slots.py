"""`ha-slots`: which words of a spoken command name a place, a thing, a state, a number?

BIO tags over whitespace words; an intermediate task, trained on English blocks of part a. Called
through `loaders.py` and `survey.py`.
"""

from functools import cache
from math import ceil

from xlbench_specs.tasks import TaskKind

from xlbench_trainer.tasks import grammar, homeassistant, speaking
from xlbench_trainer.tasks.examples import Example, example
from xlbench_trainer.tasks.homeassistant import kept_blocks, labels_of
from xlbench_trainer.tasks.speaking import Sentence

_TRAIN_PER_LABEL = 80
_EVALUATED = {"dev": 200, "test": 150}
"""Sentences of a language, about."""
MIN_SENTENCES = 100

TYPES = ("COLOR", "DEVICE", "NAME", "NUM", "PLACE", "STATE")

_TYPE_OF_WORD = {
    "area": "PLACE",
    "areas": "PLACE",
    "artist": "NAME",
    "brightness": "NUM",
    "class": "DEVICE",
    "classes": "DEVICE",
    "color": "COLOR",
    "command": "NAME",
    "domains": "DEVICE",
    "floor": "PLACE",
    "item": "NAME",
    "level": "STATE",
    "message": "NAME",
    "mode": "STATE",
    "name": "NAME",
    "number": "NUM",
    "numbers": "NUM",
    "position": "NUM",
    "query": "NAME",
    "speed": "NUM",
    "states": "STATE",
    "temperature": "NUM",
    "timer": "NUM",
    "volume": "NUM",
    "zone": "PLACE",
}
"""A word of a value list's name to the tag of its values; the last such word decides."""

_TYPE_OF_LIST = {
    "color_temperature_names": "COLOR",
    "volume_comparative": "STATE",
    "volume_level": "NUM",
    "volume_mapping": "STATE",
    "volume_step": "STATE",
    "volume_step_adverb": "STATE",
    "volume_step_down_words": "STATE",
    "volume_step_intensity": "STATE",
    "volume_step_up_words": "STATE",
}
"""Lists whose name misleads: words such as "louder", and numbers that are called levels."""


KIND: TaskKind = "tagging"
SPLITS: tuple[str, ...] = ("train", "dev", "test")
VERSION = "slots-1"
"""Raised by hand when other examples would come out."""


def labels() -> tuple[str, ...]:
    """The fixed tag set."""
    return ("O", *(f"{place}-{kind}" for kind in TYPES for place in "BI"))


@cache
def type_of(values: str) -> str:
    """The tag of a value list's values.

    Raises:
        ValueError: nothing in the list's name says what it holds.
    """
    if values in _TYPE_OF_LIST:
        return _TYPE_OF_LIST[values]
    known = [_TYPE_OF_WORD[word] for word in values.split("_") if word in _TYPE_OF_WORD]
    if not known:
        raise ValueError(f"value list {values!r}: no word of its name is in the table of tags")
    return known[-1]


def candidates() -> tuple[str, ...]:
    """Codes of the languages that the source has."""
    return homeassistant.languages()


def why_excluded(language: str) -> str | None:
    """Why a language is not tested, or None."""
    if language in homeassistant.UNSPACED:
        return "written without spaces between words"
    if reason := homeassistant.why_excluded(language):
        return reason
    found = len(_sentences("test", language))
    if found < MIN_SENTENCES:
        return f"{found} sentences with a slot, fewer than {MIN_SENTENCES}"
    return None


def load(split: str, language: str) -> list[Example]:
    """All examples of a split in a language."""
    found = []
    for sentence in _sentences(split, language):
        words, tags = tagged(sentence)
        found.append(
            example(words, tags, language=language, cluster_id=sentence.cluster_id),
        )
    return found


def _sentences(split: str, language: str) -> list[Sentence]:
    part = homeassistant.SPLIT_PARTS.get(split, "a")
    intents = len(labels_of(kept_blocks(language, part)))
    per_label = _TRAIN_PER_LABEL if split == "train" else ceil(_EVALUATED[split] / intents)
    spoken = speaking.sentences(language, part, per_label=per_label, purpose=VERSION, slotted=True)
    return speaking.interleaved(spoken)


def tagged(sentence: Sentence) -> tuple[list[str], list[str]]:
    """The words of a sentence, and the BIO tag of each."""
    words = grammar.words(list(sentence.spans))
    tags: list[str] = []
    before: int | None = None
    for word in words:
        slot = None if word.span is None else sentence.spans[word.span].slot
        place = "I" if word.span == before else "B"
        tags.append("O" if slot is None else f"{place}-{type_of(slot.values)}")
        before = word.span
    return [word.text for word in words], tags
