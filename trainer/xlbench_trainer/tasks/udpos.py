"""`udpos`: the part of speech of each word, in XTREME-R's 38 languages.

XTREME's own processed files of Universal Dependencies 2.x: all treebanks of a language together,
multiword tokens fused. German and Russian, whose files are larger than a mirror takes, are one
treebank of UD as it is now. `udpos-now` has UD as it is now in all languages.
"""

from xlbench_trainer.tasks import sentences, udpos_now
from xlbench_trainer.tasks.codes import codes_of
from xlbench_trainer.tasks.examples import Example
from xlbench_trainer.tasks.pinned import About, Files

_XTREME = "boleima/ToPro"
_PROCESSED = (
    "af ar bg el en es et eu fa fi fr he hi hu id it ja kk ko lt mr nl pl pt ro ta te th tl tr uk "
    "ur vi wo yo zh"
)
_FROM_UD = ("de", "ru")

ABOUT = About(
    description="which part of speech is each word?",
    protocol=(
        "Trained on XTREME's English train file; scored on the first token of each word, as XTREME "
        "does; a sentence longer than a sequence goes on in another one, as there. xtreme_f1 is "
        "XTREME's score: seqeval's F1 of bare tags, where equal neighbours are one entity. Test "
        "files were tagged again by ToPro's authors, since XTREME's bear no tags; multiword tokens "
        "are one token with the tag of one of its words. de, ru and the English dev set are UD "
        "treebanks as they are now, by syntactic words. zh is split into words that most encoders "
        "never saw as such: about a third right is usual."
    ),
    kind="tagging",
    metrics=("accuracy", "xtreme_f1"),
    labels=sentences.UPOS,
    repositories={
        _XTREME: "9300fd37ea92650f528e027da0f427baae3a62a9",
        **udpos_now.repositories("test", _FROM_UD),
        **udpos_now.repositories("dev", ("en",)),
    },
    version="udpos-2",
    train_source="universal-dependencies",
    licence="that of each treebank, some CC-BY-NC-SA",
    non_commercial=True,
    cluster="sentence",
    splits={
        "train": {"en": "en"},
        "dev": {"en": "en"},
        "test": codes_of(f"{_PROCESSED} {' '.join(_FROM_UD)}"),
    },
)


def load(split: str, language: str, files: Files) -> list[Example]:
    """All sentences of a split in a language, in the source's order."""
    if split == "dev" or language in _FROM_UD:
        return udpos_now.load(split, language, files)
    text = files.text(_XTREME, f"download/udpos/{split}-{language}.tsv")
    return sentences.examples(sentences.columns(text, "\t"), language)
