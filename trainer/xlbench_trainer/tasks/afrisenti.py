"""`afrisenti`: the sentiment of a tweet, in ten African languages."""

from xlbench_specs.tasks import RecipePart

from xlbench_trainer.tasks.codes import codes_of
from xlbench_trainer.tasks.examples import Example, example
from xlbench_trainer.tasks.pinned import About, Files
from xlbench_trainer.tasks.tables import unquoted, with_header

_REPOSITORY = "afrisenti-semeval/afrisent-semeval-2023"

ABOUT = About(
    description="is a tweet negative, neutral or positive?",
    protocol=(
        "One text, one label; weighted_f1 is the shared task's score. There is no English training "
        "data of its own: trained on NusaX's English, which has the same labels and other texts "
        "(reviews and posts)."
    ),
    kind="classification",
    metrics=("weighted_f1", "macro_f1", "accuracy"),
    labels=("negative", "neutral", "positive"),
    repositories={_REPOSITORY: "5aec3cfcf87b59f885e98641f72e52182776429d"},
    version="afrisenti-2",
    train_source="nusax",
    recipe=(RecipePart(task="nusax", share=1),),
    licence="CC-BY-4.0",
    cluster="tweet",
    splits={"test": codes_of("arq ary hau ibo kin orm swa tir tso twi")},
)


def load(split: str, language: str, files: Files) -> list[Example]:
    """All tweets in a language, in the source's order."""
    path = f"data/{ABOUT.splits[split][language]}/{split}.tsv"
    return [
        example(
            [row["tweet"]],
            [row["label"]],
            language=language,
            example_id=str(number),
            cluster_id=f"afrisenti:{language}:{row['tweet']}",
        )
        for number, row in enumerate(with_header(unquoted(files.text(_REPOSITORY, path))))
    ]
