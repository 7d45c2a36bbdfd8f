"""`wikiann`: names of people, organisations and places in Wikipedia; XTREME's PAN-X.

XTREME hands out PAN-X's test files without tags, so what is scored here is its *dev* files: say
"PAN-X dev", never "PAN-X test" or XTREME-R's score.
"""

from xlbench_trainer.tasks import sentences
from xlbench_trainer.tasks.codes import codes_of
from xlbench_trainer.tasks.examples import Example
from xlbench_trainer.tasks.pinned import About, Files
from xlbench_trainer.tasks.sentences import Sentence

_PROCESSED = "GautamGupta17/MESH"
_DRAWS = "fsxlt/buckets"
_DEV_FILES = (
    "af ar az bg bn de el en es et eu fa fi fr gu he hi hu id it jv kk ko lt ml mr ms my nl pa pl "
    "pt qu ro ru sw ta te tl tr uk ur vi yo zh"
)
_DRAWN = ("ja", "ka", "th")
_DRAW_COUNT = 40
_TUNED_ON = 1_000

ABOUT = About(
    description="which words name a person, an organisation or a place, in Wikipedia?",
    protocol=(
        "PAN-X, trained on XTREME-R's own English train file; span F1 (seqeval, conlleval) on "
        "PAN-X's dev files, since the tags of its test files are not to be had: not XTREME-R's "
        "test score. ja ka th: about 450 sentences each of PAN-X train, 40 published draws joined. "
        "English is tuned on the first 1,000 sentences of the file that it is tested on. Many "
        "sentences are titles and lists, and stand twice: a property of PAN-X. zh has 476 entities "
        "that no B- begins."
    ),
    kind="tagging",
    metrics=("span_f1", "accuracy"),
    labels=sentences.iob2("PER", "ORG", "LOC"),
    repositories={
        _PROCESSED: "68f82e29e71a4e425069ff398a61387c24c0f30d",
        _DRAWS: "80e5e81703bbe02e4ff9ab9c3abe3b7109e9e26d",
    },
    version="wikiann-2",
    train_source="wikipedia",
    licence="none stated (XTREME-R's task)",
    cluster="sentence",
    splits={
        "train": codes_of("en gu jv kk my pa qu sw te yo"),
        "dev": {"en": "en"},
        "test": codes_of(f"{_DEV_FILES} {' '.join(_DRAWN)}"),
    },
)


def load(split: str, language: str, files: Files) -> list[Example]:
    """All sentences of a split in a language, in the source's order."""
    if language in _DRAWN:
        return sentences.examples(_drawn(language, files), language)
    name = "train" if split == "train" else "dev"
    found = sentences.columns(files.text(_PROCESSED, f"data/panx/{name}-{language}.tsv"), "\t")
    return sentences.examples(found[:_TUNED_ON] if split == "dev" else found, language)


def _drawn(language: str, files: Files) -> list[Sentence]:
    """The sentences of all draws, each once."""
    found: dict[Sentence, None] = {}
    for draw in range(_DRAW_COUNT):
        text = files.text(_DRAWS, f"panx/4-shots/{language}/{draw}-th/train.tsv")
        found.update(dict.fromkeys(sentences.columns(text, "\t")))
    return list(found)
