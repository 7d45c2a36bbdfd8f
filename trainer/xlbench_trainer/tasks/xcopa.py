"""`xcopa`: which of two sentences is the cause, or the effect, of a third? Eleven languages.

Some published files say `cause` where they mean `effect`, or the other way round: all items of
Thai say `effect`. What is asked is a property of the item, so it is taken from the Estonian file,
which agrees with COPA on every item. `xcopa-as-published` reads the files as they are.
"""

from typing import Any

from xlbench_specs.tasks import RecipePart

from xlbench_trainer.tasks import copa
from xlbench_trainer.tasks.codes import codes_of
from xlbench_trainer.tasks.examples import Example
from xlbench_trainer.tasks.pinned import About, Files
from xlbench_trainer.tasks.tables import json_lines

REPOSITORY = "cambridgeltl/xcopa"

_ELEVEN = codes_of("et ht id it qu sw ta th tr vi zh")
_RELIABLE = "et"
_FILES = {"dev": "val", "test": "test"}

ABOUT = About(
    description="which of two sentences is the cause, or the effect, of a third?",
    protocol=(
        f"{copa.INPUT} Trained on siqa, then copa, as XTREME-R does, but half of the updates on "
        "each, where XTREME-R trains five epochs on each: COPA has 400 examples to SIQA's 33,410. "
        "Whether the cause or the effect is asked for is taken from the Estonian file, since it is "
        "wrong in the files of th (half of the items), tr, sw, it and id; xcopa-as-published has "
        "it as published. English: COPA's own items, test labels from the Estonian file."
    ),
    kind="choice",
    metrics=("accuracy",),
    labels=copa.LABELS,
    repositories={
        REPOSITORY: "e2e9d7f105a758ee869cd13e0fe251ef93a29840",
        copa.REPOSITORY: copa.COMMIT,
    },
    version="xcopa-1",
    train_source="copa",
    recipe=(RecipePart(task="siqa", share=1), RecipePart(task="copa", share=1)),
    licence="CC-BY-4.0; English: none stated (training data of XTREME-R)",
    cluster="item",
    splits={"dev": {"en": "en", **_ELEVEN}, "test": {"en": "en", **_ELEVEN}},
)


def load(split: str, language: str, files: Files) -> list[Example]:
    """All items of a split in a language, in the source's order."""
    reliable = {row["idx"]: row for row in _rows(split, _RELIABLE, files)}
    found = []
    for row in _rows(split, language, files):
        known = reliable[row["idx"]]
        asked = {**row, "question": known["question"]}
        if language == "en":
            asked["label"] = known["label"]
        found.append(copa.item(asked, split, language))
    return found


def published(split: str, language: str, files: Files) -> list[Example]:
    """All items as their own file has them."""
    return [copa.item(row, split, language) for row in _rows(split, language, files)]


def _rows(split: str, language: str, files: Files) -> list[dict[str, Any]]:
    name = _FILES[split]
    if language == "en":
        return list(json_lines(files.text(copa.REPOSITORY, f"data/xcopa/{name}-en.jsonl")))
    return list(json_lines(files.text(REPOSITORY, f"data/{language}/{name}.{language}.jsonl")))
