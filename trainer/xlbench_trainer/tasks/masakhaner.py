"""`masakhaner`: names of people, places and organisations, and dates, in 21 African languages.

MasakhaNER 2.0, and Amharic from the first. Heads that were trained without dates are scored with
dates as `O`.
"""

from xlbench_trainer.tasks import sentences
from xlbench_trainer.tasks.codes import codes_of
from xlbench_trainer.tasks.examples import Example
from xlbench_trainer.tasks.pinned import About, Files

_REPOSITORY = "masakhane-io/masakhane-ner"
_SECOND = "bam bbj ewe fon hau ibo kin lug luo mos nya pcm sna swa tsn twi wol xho yor zul"
_FIRST = "amh"

ABOUT = About(
    description="which words name a person, an organisation, a place or a date?",
    protocol=(
        "Span F1 (seqeval, conlleval). Scored by the models of a task with English data, such as "
        "wikiann (evaluateOn); such heads know no DATE, which then counts as O. Amharic is of the "
        "first MasakhaNER."
    ),
    kind="tagging",
    metrics=("span_f1", "accuracy"),
    labels=sentences.iob2("PER", "ORG", "LOC", "DATE"),
    label_map={"B-DATE": "O", "I-DATE": "O"},
    repositories={_REPOSITORY: "ba5843cd08aa491d5f96a5e809e71eb9ec461391"},
    version="masakhaner-2",
    train_source="masakhane-news",
    licence="CC-BY-NC-4.0",
    non_commercial=True,
    cluster="sentence",
    splits={
        "train": codes_of("bbj ewe wol"),
        "dev": codes_of(_SECOND),
        "test": codes_of(f"{_SECOND} {_FIRST}"),
    },
)


def load(split: str, language: str, files: Files) -> list[Example]:
    """All sentences of a split in a language, in the source's order."""
    code = ABOUT.splits[split][language]
    folder = "data" if code == _FIRST else "MasakhaNER2.0/data"
    text = files.text(_REPOSITORY, f"{folder}/{code}/{split}.txt")
    return sentences.examples(sentences.columns(text, " "), language)
