"""`masakhapos`: the part of speech of each word, in 20 African languages.

The same sentences are marked for names in `masakhaner`: train on one and test on the other, and the
report's contamination table will say so.
"""

from xlbench_trainer.tasks import sentences
from xlbench_trainer.tasks.codes import codes_of
from xlbench_trainer.tasks.examples import Example
from xlbench_trainer.tasks.pinned import About, Files

_REPOSITORY = "masakhane-io/masakhane-pos"
_TEST = "bam bbj ewe fon hau ibo kin lug luo mos nya pcm sna swa tsn twi wol xho yor zul"

ABOUT = About(
    description="which part of speech is each word, in 20 African languages?",
    protocol=(
        "Scored as udpos, by whose models it may be scored (evaluateOn). There is no English: bm "
        "and wo have small train and dev sets for few-shot training."
    ),
    kind="tagging",
    metrics=("accuracy", "xtreme_f1"),
    labels=sentences.UPOS,
    repositories={_REPOSITORY: "a42273eb27d37f3dedfc3914bfccb88199e10454"},
    version="masakhapos-2",
    train_source="masakhane-news",
    licence="CC-BY-NC-4.0",
    non_commercial=True,
    cluster="sentence",
    splits={
        "train": codes_of("bam wol"),
        "dev": codes_of("bam wol"),
        "test": codes_of(_TEST),
    },
)


def load(split: str, language: str, files: Files) -> list[Example]:
    """All sentences of a split in a language, in the source's order."""
    text = files.text(_REPOSITORY, f"data/{ABOUT.splits[split][language]}/{split}.txt")
    return sentences.examples(sentences.columns(text, " "), language)
