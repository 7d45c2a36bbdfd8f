"""`mlm`: English sentences to be masked; an auxiliary task that is only trained on.

The sentences are those of part a's blocks, like every intermediate's. Masking is the trainer's.
"""

from xlbench_specs.tasks import TaskKind

from xlbench_trainer.tasks import homeassistant, speaking
from xlbench_trainer.tasks.examples import Example, example

_PER_LABEL = {"train": 120, "dev": 6}


KIND: TaskKind = "mlm"
SPLITS: tuple[str, ...] = ("train", "dev")
VERSION = "mlm-1"
"""Raised by hand when other examples would come out."""


def labels() -> tuple[str, ...]:
    """None: what is predicted are tokens."""
    return ()


def candidates() -> tuple[str, ...]:
    """English alone: there is nothing to test."""
    return ("en",)


def why_excluded(language: str) -> str | None:  # noqa: ARG001 - there is but one
    """Why a language is not tested, or None."""
    return None


def load(split: str, language: str) -> list[Example]:
    """All examples of a split in a language."""
    part = homeassistant.SPLIT_PARTS.get(split, "a")
    spoken = speaking.sentences(language, part, per_label=_PER_LABEL[split], purpose=VERSION)
    return [
        example([sentence.text], language=language, cluster_id=sentence.cluster_id)
        for sentence in speaking.interleaved(spoken)
    ]
