"""`bucc`: pairs of sentences that translate each other, mined from two heaps of sentences.

Never trained. Chinese and English of BUCC 2018, its dev set; most sentences have no translation.
"""

from xlbench_specs.documents import digest

from xlbench_trainer.tasks.examples import Candidate, Example, example
from xlbench_trainer.tasks.pinned import About, Files
from xlbench_trainer.tasks.tables import unquoted

_REPOSITORY = "GautamGupta17/MESH"
_FOLDER = "data/bucc2018"

ABOUT = About(
    description="which sentences of two heaps are translations of each other?",
    protocol=(
        "Text vectors as the encoder's family has them: XTREME's own are means over the tokens of "
        "layer 8, of 12 as of 24. Mined by ratio margin over 4 neighbours in both directions, "
        "greedily; F1 over pairs above the threshold that is best on this very set, as XTREME "
        "scores its dev set. One of its four languages, and its dev set: not XTREME's score. 9 "
        "Chinese and 14 English sentences stand twice; XTREME leaves these out, here they are "
        "mined as they are."
    ),
    kind="retrieval",
    metrics=("mining_f1",),
    repositories={_REPOSITORY: "68f82e29e71a4e425069ff398a61387c24c0f30d"},
    version="bucc-2",
    train_source="none",
    licence="none stated (XTREME's task)",
    cluster="sentence",
    splits={"test": {"zh": "zh"}},
)


def load(split: str, language: str, files: Files) -> list[Example]:  # noqa: ARG001 - one split
    """All Chinese sentences, in the source's order; in `answers` the id of a translation."""
    gold = dict(unquoted(files.text(_REPOSITORY, f"{_FOLDER}/{language}-en.dev.gold")))
    return [
        example(
            [sentence],
            language=language,
            example_id=name,
            cluster_id=f"{language}:{digest(sentence)[:16]}",
            answers=[(gold[name], 0)] if name in gold else [],
        )
        for name, sentence in unquoted(files.text(_REPOSITORY, _path(language, language)))
    ]


def pool(split: str, language: str, files: Files) -> list[Candidate]:  # noqa: ARG001 - one pool
    """All English sentences."""
    rows = unquoted(files.text(_REPOSITORY, _path(language, "en")))
    return [Candidate(name, (sentence,)) for name, sentence in rows]


def _path(language: str, side: str) -> str:
    return f"{_FOLDER}/{language}-en.dev.{side}"
