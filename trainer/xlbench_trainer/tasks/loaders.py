"""The embedded tasks: their examples by name, split and language.

`prepare` calls `load`; a new task is one file beside this one and one line in `_TASKS`. Every
sentence that any task trains on is kept out of every evaluation split here, in one place.
"""

from collections.abc import Mapping
from functools import cache
from types import ModuleType

from xlbench_trainer.tasks import (
    cldr_names,
    django_messages,
    ha_intent,
    ha_pairs,
    ha_slots,
    mlm,
)
from xlbench_trainer.tasks.examples import Example

_TASKS: dict[str, ModuleType] = {
    "cldr-names": cldr_names,
    "django-messages": django_messages,
    "ha-intent": ha_intent,
    "ha-pairs": ha_pairs,
    "ha-slots": ha_slots,
    "mlm": mlm,
}

TASKS = tuple(_TASKS)
SPLITS = ("train", "dev", "test")


class TaskError(Exception):
    """There is no such data; trying again cannot help."""


def load(task: str, split: str, language: str) -> list[Example]:
    """All examples of a task's split in a language, in a fixed order.

    Raises:
        TaskError: no such task, or it has no such split or language; says what there is.
    """
    if task not in _TASKS:
        raise TaskError(f"task {task!r} is not embedded; there are {', '.join(_TASKS)}")
    module = _TASKS[task]
    if language not in module.languages(split):
        raise TaskError(_what_there_is(task, split, language))
    found: list[Example] = module.load(split, language)
    if split == "train":
        return found
    tagged = kind(task) == "tagging"
    return [item for item in found if trained_texts().isdisjoint(texts(item, tagged=tagged))]


def languages(task: str, split: str) -> tuple[str, ...]:
    """Codes of the languages that a task's split has; none where there is no such split."""
    found: tuple[str, ...] = _TASKS[task].languages(split)
    return found


def kind(task: str) -> str:
    """What kind of task it is: classification, tagging, retrieval or mlm."""
    return str(_TASKS[task].KIND)


def labels(task: str) -> tuple[str, ...]:
    """The fixed label set; BIO tags for tagging."""
    found: tuple[str, ...] = _TASKS[task].labels()
    return found


def excluded(task: str) -> Mapping[str, str]:
    """Languages that the task's source has and the task leaves out, with the reason."""
    found: Mapping[str, str] = _TASKS[task].excluded()
    return found


def texts(item: Example, *, tagged: bool) -> tuple[str, ...]:
    """The texts of an example as they are compared: without case; words are one text."""
    segments = (" ".join(item.segments),) if tagged else item.segments
    return tuple(segment.casefold() for segment in segments)


@cache
def trained_texts() -> frozenset[str]:
    """Every text of every train split."""
    return frozenset(
        text
        for task, module in _TASKS.items()
        for language in module.languages("train")
        for item in module.load("train", language)
        for text in texts(item, tagged=kind(task) == "tagging")
    )


def _what_there_is(task: str, split: str, language: str) -> str:
    known = {name: languages(task, name) for name in SPLITS if languages(task, name)}
    if split not in known:
        return f"task {task!r} has no split {split!r}; it has {', '.join(known)}"
    reason = excluded(task).get(language)
    why = f" ({reason})" if reason else ""
    return (
        f"task {task!r} has no language {language!r} in split {split!r}{why};"
        f" it has {', '.join(known[split])}"
    )
