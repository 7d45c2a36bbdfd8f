"""`ha-intent`: what does a spoken command to a house want? One text, one intent.

The target task of the embedded experiments: trained on English blocks of part b, tested on
everything else's templates. Called through `loaders.py` and `survey.py`.
"""

from math import ceil

from xlbench_specs.tasks import TaskKind

from xlbench_trainer.tasks import homeassistant, speaking
from xlbench_trainer.tasks.examples import Example, example
from xlbench_trainer.tasks.homeassistant import kept_blocks, labels_of

_TRAIN_PER_LABEL = 80
_EVALUATED = {"dev": 200, "test": 150}
"""Sentences of a language, about."""
MIN_LABELS = 5

KIND: TaskKind = "classification"
SPLITS: tuple[str, ...] = ("train", "dev", "test")
VERSION = "intent-1"
"""Raised by hand when other examples would come out."""


def labels() -> tuple[str, ...]:
    """The fixed label set."""
    return homeassistant.kept_labels()


def candidates() -> tuple[str, ...]:
    """Codes of the languages that the source has."""
    return homeassistant.languages()


def why_excluded(language: str) -> str | None:
    """Why a language is not tested, or None."""
    intents = len(labels_of(kept_blocks(language, "test")))
    if intents < MIN_LABELS:
        return f"{intents} intents, fewer than {MIN_LABELS}"
    return homeassistant.why_excluded(language)


def load(split: str, language: str) -> list[Example]:
    """All examples of a split in a language."""
    part = homeassistant.SPLIT_PARTS.get(split, "b")
    intents = len(labels_of(kept_blocks(language, part)))
    per_label = _TRAIN_PER_LABEL if split == "train" else ceil(_EVALUATED[split] / intents)
    spoken = speaking.sentences(language, part, per_label=per_label, purpose=VERSION)
    return [
        example(
            [sentence.text],
            [sentence.block.label],
            language=language,
            cluster_id=sentence.cluster_id,
        )
        for sentence in speaking.interleaved(spoken)
    ]
