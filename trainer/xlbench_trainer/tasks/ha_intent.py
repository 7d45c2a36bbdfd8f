"""`ha-intent`: what does a spoken command to a house want? One text, one intent.

The target task of the embedded experiments: trained on English blocks of part b, tested on
everything else's templates. Called through `loaders.py` and `survey.py`.
"""

from collections.abc import Mapping
from functools import cache
from math import ceil

from xlbench_trainer.tasks import homeassistant
from xlbench_trainer.tasks.examples import Example, example
from xlbench_trainer.tasks.homeassistant import kept_blocks, labels_of

_TRAIN_PER_LABEL = 80
_EVALUATED = {"dev": 200, "test": 150}
"""Sentences of a language, about."""
MIN_LABELS = 5

KIND = "classification"
VERSION = "intent-1"
"""Raised by hand when other examples would come out."""


def labels() -> tuple[str, ...]:
    """The fixed label set."""
    return homeassistant.kept_labels()


@cache
def excluded() -> Mapping[str, str]:
    """Languages that the package has and the task leaves out, with the reason."""
    reasons: dict[str, str] = {}
    for language in homeassistant.languages():
        intents = len(labels_of(kept_blocks(language, "test")))
        few = f"{intents} intents, fewer than {MIN_LABELS}" if intents < MIN_LABELS else None
        if reason := few or homeassistant.why_excluded(language):
            reasons[language] = reason
    return reasons


def languages(split: str) -> tuple[str, ...]:
    """Codes of the languages that have a split."""
    if split == "test":
        return tuple(code for code in homeassistant.languages() if code not in excluded())
    return ("en",) if split in {"train", "dev"} else ()


def load(split: str, language: str) -> list[Example]:
    """All examples of a split in a language."""
    part = homeassistant.SPLIT_PARTS.get(split, "b")
    intents = len(labels_of(kept_blocks(language, part)))
    per_label = _TRAIN_PER_LABEL if split == "train" else ceil(_EVALUATED[split] / intents)
    spoken = homeassistant.sentences(language, part, per_label=per_label, purpose=VERSION)
    return [
        example(
            [sentence.text],
            [sentence.block.label],
            language=language,
            cluster_id=sentence.cluster_id,
        )
        for sentence in homeassistant.interleaved(spoken)
    ]
