"""`lareqa`: the sentences, in any of nine languages, that answer a question. XQuAD-R.

One pool for all languages: every sentence of every paragraph, with the paragraph. Of each question
one sentence a language is right.
"""

from collections import defaultdict
from collections.abc import Iterator

from xlbench_trainer.tasks.examples import Candidate, Example, example
from xlbench_trainer.tasks.pinned import About, Files
from xlbench_trainer.tasks.reading_comprehension import Asked, asked
from xlbench_trainer.tasks.xquad import NINE, WITH_SENTENCES, WITH_SENTENCES_COMMIT

ABOUT = About(
    description="which sentences, in any of nine languages, answer a question?",
    protocol=(
        "mAP@20 over one pool of all nine languages, divided by min(right answers, 20). Candidate: "
        "a sentence, and its paragraph as second text. XTREME-R trains a dual encoder on SQuAD and "
        "has eleven languages (hi and th are missing here); this is the plain similarity of an "
        "encoder's texts, untrained for it: not XTREME-R's score."
    ),
    kind="retrieval",
    metrics=("map_at_20", "accuracy_at_1"),
    repositories={WITH_SENTENCES: WITH_SENTENCES_COMMIT},
    version="lareqa-1",
    train_source="none",
    licence="CC-BY-SA-4.0",
    cluster="article",
    splits={"test": {code: code for code in NINE}},
)


def load(split: str, language: str, files: Files) -> list[Example]:  # noqa: ARG001 - one split
    """All questions in a language, in the source's order."""
    right = defaultdict(list)
    for code in NINE:
        for each in _asked(code, files):
            right[each.question["id"]].append(_name(code, each, _sentence_of(each)))
    return [
        example(
            [each.question["question"]],
            language=language,
            example_id=each.question["id"],
            parallel_id=f"xquad:{each.question['id']}",
            cluster_id=f"xquad:{each.article}",
            answers=[(name, 0) for name in right[each.question["id"]]],
        )
        for each in _asked(language, files)
    ]


def pool(split: str, language: str, files: Files) -> list[Candidate]:  # noqa: ARG001 - one pool
    """Every sentence of all languages, with its paragraph."""
    found: dict[str, Candidate] = {}
    for code in NINE:
        for each in _asked(code, files):
            context = each.content["context"]
            for number, (start, stop) in enumerate(each.content["sentence_breaks"]):
                name = _name(code, each, number)
                found.setdefault(name, Candidate(name, (context[start:stop], context), code))
    return list(found.values())


def _asked(code: str, files: Files) -> Iterator[Asked]:
    return asked(files.text(WITH_SENTENCES, f"xquad-r/{code}.json"))


def _name(code: str, each: Asked, sentence: int) -> str:
    return f"{code}:{each.paragraph}:{sentence}"


def _sentence_of(each: Asked) -> int:
    """Number of the sentence in which the answer begins."""
    place = each.question["answers"][0]["answer_start"]
    breaks = each.content["sentence_breaks"]
    return next(number for number, (start, stop) in enumerate(breaks) if start <= place < stop)
