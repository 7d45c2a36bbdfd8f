"""`mlm`: English sentences to be masked; an auxiliary task that is only trained on.

The sentences are those of part a's blocks, like every intermediate's. Masking is the trainer's.
"""

from collections.abc import Mapping

from xlbench_trainer.tasks import homeassistant
from xlbench_trainer.tasks.examples import Example, example

PER_LABEL = {"train": 120, "dev": 6}


KIND = "mlm"
VERSION = "mlm-1"
"""Raised by hand when other examples would come out."""


def labels() -> tuple[str, ...]:
    """None: what is predicted are tokens."""
    return ()


def excluded() -> Mapping[str, str]:
    """None: the other languages are left to the tests."""
    return {}


def languages(split: str) -> tuple[str, ...]:
    """Codes of the languages that have a split."""
    return ("en",) if split in PER_LABEL else ()


def load(split: str, language: str) -> list[Example]:
    """All examples of a split in a language."""
    part = homeassistant.SPLIT_PARTS.get(split, "a")
    spoken = homeassistant.sentences(language, part, per_label=PER_LABEL[split], purpose=VERSION)
    return [
        example([sentence.text], language=language, cluster_id=sentence.cluster_id)
        for sentence in homeassistant.interleaved(spoken)
    ]
