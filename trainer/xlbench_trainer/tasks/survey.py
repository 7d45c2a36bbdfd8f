"""Count the embedded tasks' data and print the task table, which lives in `xlbench_specs`.

`python -m xlbench_trainer.tasks.survey > specs/xlbench_specs/data/tasks.json`; a test holds the
two equal. Run it when a package's pin, a sampler or a task changes.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean

from transformers import PreTrainedTokenizerFast

from xlbench_trainer.builtin.e5_small import load_tokenizer
from xlbench_trainer.tasks import (
    cldr_names,
    django_messages,
    ha_intent,
    ha_pairs,
    ha_slots,
    homeassistant,
    loaders,
    mlm,
)
from xlbench_trainer.tasks.examples import Example

_PAGE = "home-assistant-intents"


@dataclass(frozen=True, slots=True)
class _Words:
    """What a row says that the data does not."""

    description: str
    metrics: tuple[str, ...]
    packages: dict[str, str]
    revision: str
    train_source: str
    licence: str
    cluster: str
    dropped: dict[str, str]


def _home_assistant(description: str, *metrics: str, version: str, block: str) -> _Words:
    return _Words(
        description=description,
        metrics=metrics,
        packages=dict(homeassistant.PACKAGES),
        revision=f"{homeassistant.REVISION}+{version}",
        train_source=f"home-assistant-intents, block {block}",
        licence=homeassistant.LICENCE,
        cluster="template block",
        dropped=dict(homeassistant.dropped_labels()),
    )


def _words() -> dict[str, _Words]:
    return {
        "cldr-names": _Words(
            description="is this the name of a currency, a language, a territory or a unit?",
            metrics=("macro_f1", "accuracy"),
            packages=cldr_names.PACKAGES,
            revision=cldr_names.REVISION,
            train_source="cldr",
            licence=cldr_names.LICENCE,
            cluster="name",
            dropped={"script": "mostly called after a language; too few others in many languages"},
        ),
        "django-messages": _Words(
            description="find the English original of an interface message among all of them",
            metrics=("accuracy_at_1",),
            packages=django_messages.PACKAGES,
            revision=django_messages.REVISION,
            train_source="django",
            licence=django_messages.LICENCE,
            cluster="message",
            dropped={},
        ),
        "ha-intent": _home_assistant(
            "what does a voice command to a house want?",
            "macro_f1",
            "accuracy",
            version=ha_intent.VERSION,
            block="B",
        ),
        "ha-pairs": _home_assistant(
            "do two voice commands of one intent mean the same?",
            "macro_f1",
            "accuracy",
            version=ha_pairs.VERSION,
            block="A",
        ),
        "ha-slots": _home_assistant(
            "which words of a voice command name a place, a thing, a state, a number?",
            "span_f1",
            "accuracy",
            version=ha_slots.VERSION,
            block="A",
        ),
        "mlm": _home_assistant("masked English voice commands", version=mlm.VERSION, block="A"),
    }


def rows() -> list[dict[str, object]]:
    """The rows of the task table, sorted by name."""
    tokenizer = load_tokenizer()
    return [_row(task, words, tokenizer) for task, words in sorted(_words().items())]


def _row(task: str, words: _Words, tokenizer: PreTrainedTokenizerFast) -> dict[str, object]:
    data = {
        split: {language: loaders.load(task, split, language) for language in languages}
        for split in loaders.SPLITS
        if (languages := loaders.languages(task, split))
    }
    said = asdict(words)
    return {
        "name": task,
        "description": words.description,
        "kind": loaders.kind(task),
        "metric": next(iter(words.metrics), None),
        "metrics": list(words.metrics),
        "labels": list(loaders.labels(task)),
        "source": {"kind": "package", "packages": said["packages"]},
        "revision": words.revision,
        "trainSource": words.train_source,
        "licence": words.licence,
        "sizes": {
            split: {language: len(found) for language, found in some.items()}
            for split, some in data.items()
        },
        "excluded": dict(loaders.excluded(task)),
        "dropped": said["dropped"],
        "tokensPerExample": _tokens(data, tokenizer, tagged=loaders.kind(task) == "tagging"),
        "cluster": words.cluster,
    }


def _tokens(
    data: dict[str, dict[str, list[Example]]], tokenizer: PreTrainedTokenizerFast, *, tagged: bool
) -> float:
    """Mean tokens of a training example, of a test example where nothing is trained."""
    some = data.get("train") or data["test"]
    lengths: list[int] = []
    for found in some.values():
        lengths += [len(ids) for ids in _ids(found, tokenizer, tagged=tagged)]
    return round(fmean(lengths), 1)


def _ids(
    found: Sequence[Example], tokenizer: PreTrainedTokenizerFast, *, tagged: bool
) -> list[list[int]]:
    if tagged:
        texts = [" ".join(item.segments) for item in found]
        return [list(ids) for ids in tokenizer(texts)["input_ids"]]
    if any(len(item.segments) > 1 for item in found):
        pairs = [(item.segments[0], item.segments[1]) for item in found]
        return [list(ids) for ids in tokenizer(pairs)["input_ids"]]
    return [list(ids) for ids in tokenizer([item.segments[0] for item in found])["input_ids"]]


def table_text() -> str:
    """The table as it is stored."""
    table = {"schemaVersion": 1, "tasks": rows()}
    return json.dumps(table, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table_text())
