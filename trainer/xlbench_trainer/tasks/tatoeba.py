"""`tatoeba`: the translation of an English sentence, among up to 1,000; 112 languages.

Never trained. The English sides differ from language to language: do not compare languages.
"""

from xlbench_specs.documents import digest

from xlbench_trainer.tasks.codes import codes_of
from xlbench_trainer.tasks.examples import Example, example
from xlbench_trainer.tasks.pinned import About, Files
from xlbench_trainer.tasks.tables import lines

_REPOSITORY = "facebookresearch/LASER"
_CODES = (
    "afr amh ang ara arq arz ast awa aze bel ben ber bos bre bul cat cbk ceb ces cha cmn cor csb "
    "cym dan deu dsb dtp ell epo est eus fao fin fra fry gla gle glg gsw heb hin hrv hsb hun hye "
    "ido ile ina ind isl ita jav jpn kab kat kaz khm kor kur kzj lat lfn lit lvs mal mar max mhr "
    "mkd mon nds nld nno nob nov oci orv pam pes pms pol por ron rus slk slv spa sqi srp swe swg "
    "swh tam tat tel tgl tha tuk tur tzl uig ukr urd uzb vie war wuu xho yid yue zsm"
)

ABOUT = About(
    description="which sentence is the translation of an English one, and the other way round?",
    protocol=(
        "accuracy_from_english is XTREME's score: the sentence nearest by cosine to an English "
        "one, among all of the same file; accuracy_at_1 is the other way round. Text vectors as "
        "the encoder's family has them: XTREME's own are means over the tokens of layer 8 of 12, "
        "or 14 of 24. Pools differ by language: scores cannot be compared across them. XTREME-R "
        "uses 41 of the 112 languages."
    ),
    kind="retrieval",
    metrics=("accuracy_from_english", "accuracy_at_1"),
    repositories={_REPOSITORY: "74bc6ae7ffb7cba670fe0f428d0ede9f666fb821"},
    version="tatoeba-2",
    train_source="none",
    licence="CC-BY-2.0-FR (Tatoeba)",
    cluster="sentence",
    splits={"test": codes_of(_CODES)},
)


def load(split: str, language: str, files: Files) -> list[Example]:
    """All sentences of a language with their translations, in the source's order."""
    code = ABOUT.splits[split][language]
    pairs = [
        lines(files.text(_REPOSITORY, f"data/tatoeba/v1/tatoeba.{code}-eng.{side}"))
        for side in (code, "eng")
    ]
    return [
        example(
            [sentence, english],
            language=language,
            example_id=str(number),
            parallel_id=f"tatoeba:{digest(english)[:16]}",
            cluster_id=f"{language}:{number}",
        )
        for number, (sentence, english) in enumerate(zip(*pairs, strict=True))
    ]
