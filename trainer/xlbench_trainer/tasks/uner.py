"""`uner`: names of people, places and organisations on treebanks of Universal Dependencies."""

from xlbench_trainer.tasks import sentences
from xlbench_trainer.tasks.examples import Example
from xlbench_trainer.tasks.pinned import About, Files

_COMMITS = {
    "Cebuano-GJA": "336794a031b197e9f928c07a34926ee14f329ffe",
    "Chinese-GSD": "2a0c196d7a54d41119fd069874e976a58f0d7dad",
    "Croatian-SET": "20dcb2ef6b6bf9d5e03605a74c4d87215a1574c1",
    "Danish-DDT": "983c4cdc09f8ece6069d2b692b60dc4b3649ec6e",
    "English-EWT": "8ed072de2fd24022cc62458997fe96a8fe191ea4",
    "German-PUD": "47eb039b6d80079b280ba70efe4136413fb7af9c",
    "Portuguese-Bosque": "f2c2ad67aed900385fbe5d655af41f439c9b3333",
    "Russian-PUD": "6f5acd6d728f70b20e4326d841356567796ee844",
    "Serbian-SET": "0d9685f001c10895572d844ef789c53dade0e265",
    "Slovak-SNK": "886e7c6d7e066e23246af5070d115a036a465c6d",
    "Swedish-Talbanken": "dbb692085267da83a35d1e1d2c111671b3c7c46b",
    "Tagalog-TRG": "a80b309b5254d9d6afebebd7c65789eee3215256",
    "Tagalog-Ugnayan": "69e95595b6b1f2354d0ba735f7ec9e36c18373e4",
}
_TREEBANKS = {
    "ceb": ["Cebuano-GJA"],
    "da": ["Danish-DDT"],
    "de": ["German-PUD"],
    "en": ["English-EWT"],
    "hr": ["Croatian-SET"],
    "pt": ["Portuguese-Bosque"],
    "ru": ["Russian-PUD"],
    "sk": ["Slovak-SNK"],
    "sr": ["Serbian-SET"],
    "sv": ["Swedish-Talbanken"],
    "tl": ["Tagalog-TRG", "Tagalog-Ugnayan"],
    "zh": ["Chinese-GSD"],
}

ABOUT = About(
    description="which words name a person, an organisation or a place, in UD's treebanks?",
    protocol=(
        "Span F1 (seqeval, conlleval). No English train set here: scored by the models of another "
        "task, such as wikiann (evaluateOn). OTH, in hr and sr alone, counts as O where the head "
        "does not know it. The English sentences are EWT's, which are in udpos-now too."
    ),
    kind="tagging",
    metrics=("span_f1", "accuracy"),
    labels=sentences.iob2("PER", "ORG", "LOC", "OTH"),
    label_map={"B-OTH": "O", "I-OTH": "O"},
    repositories={f"UniversalNER/UNER_{name}": commit for name, commit in _COMMITS.items()},
    version="uner-2",
    train_source="universal-dependencies",
    licence="CC-BY-SA-4.0; German and Russian CC-BY-SA-3.0; Tagalog-Ugnayan CC-BY-NC-SA-4.0",
    non_commercial=True,
    cluster="sentence",
    splits={"dev": {"en": "en"}, "test": {code: code for code in _TREEBANKS}},
)


def load(split: str, language: str, files: Files) -> list[Example]:
    """All sentences of a split in a language, treebank by treebank."""
    found = []
    for name in _TREEBANKS[language]:
        path = f"{language}_{name.split('-')[1].lower()}-ud-{split}.iob2"
        found += sentences.conllu(files.text(f"UniversalNER/UNER_{name}", path), tag=2)
    return sentences.examples(found, language)
