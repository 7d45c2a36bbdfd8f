"""Zero-shot scores of one encoder on real data, beside those of a plain loop: `make sanity`.

Reads what `xlbench run` left of specs/examples/sanity-*.yaml and writes docs/results/sanity.md.
Ends with exit code 1 where a mean is worse than the plain loop's; the coarse half is asserted in CI
by tests/trainer/test_real_languages.py.
"""

import argparse
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from xlbench_specs.languages import ENGLISH, LANGUAGES
from xlbench_specs.manifests import Manifest, PrepareRecord
from xlbench_specs.outcomes import OUTCOMES_FILE
from xlbench_specs.results import SUMMARY_FILE, CellScores, ProbeScore, Summary
from xlbench_specs.stages import PrepareParams
from xlbench_specs.store import FileStore, payload_file
from xlbench_specs.tasks import task_table
from xlbench_trainer.builtin.e5_small import load_tokenizer
from xlbench_trainer.tokens import IDS_FILE, IGNORED, LABELS_FILE, OFFSETS_FILE

UDPOS, SIB200, TATOEBA = "udpos", "sib200", "tatoeba"
TRAINED, RANDOM = "target-only", "random-encoder"
SEED = 0.005
"""Two seeds of topics were 0.3 points apart: a mean lower by more is not chance."""
NEAR = 0.10
"""A score within so much of a constant answer's is named."""
UNKNOWN, BARE, TIMES = 0.05, 0.5, 1.5
"""What counts as many unknown tokens, bare first tokens, times the tokens of English."""

PLAIN_LOOP = {
    UDPOS: (
        "en 93 af 86 tl 86 kk 82 mr 80 te 79 tr 77 fi 76 hi 73 eu 71 ta 70 yo 64 vi 61 wo 58 ar 58 "
        "zh 28"
    ),
    SIB200: "en 93 sw 77 ht 75 wo 68 yo 63 qu 61 kmb 45 ace-Arab 26",
}
"""Accuracy in points of a padded loop of a hundred lines: the same encoder, data, optimiser,
learning rate, batches and updates, one seed, written to see what can be expected."""
LOW = ("yo", "wo", "te", "mr")
"""XTREME-R's low-resource languages that have part-of-speech tags."""


@dataclass(frozen=True)
class Tokens:
    """What the tokeniser makes of a test set."""

    per_example: float
    unknown: float
    """Part of the tokens that stand for anything the vocabulary lacks."""
    bare: float
    """Part of the scored words whose first token is the bare mark of a word's beginning."""


class Word(NamedTuple):
    """A word of a test set, as it is and as a model has it."""

    gold: str
    told: str
    first: int
    """Its first token."""


class Results:
    """What two runs into one folder left."""

    def __init__(self, folder: Path):
        self.store = FileStore(folder.resolve())
        self._folder = folder
        self._prepared = {
            (params.task, params.language): manifest
            for manifest in self._manifests("prepare")
            if isinstance(params := manifest.stage.params, PrepareParams) and params.split == "test"
        }

    def _manifests(self, kind: str) -> Iterator[Manifest]:
        for path in sorted((self._folder / "manifests" / kind).glob("*.json")):
            yield Manifest.model_validate_json(path.read_bytes())

    def summary(self, name: str) -> Summary:
        """The newest one of an experiment."""
        found = (self._folder / "experiments" / name).glob(f"*/{SUMMARY_FILE}")
        newest = max(found, key=lambda path: path.stat().st_mtime)
        return Summary.model_validate_json(newest.read_bytes())

    def tokens(self, task: str, language: str) -> Tokens:
        """What the tokeniser made of a test set."""
        manifest = self._prepared[task, language]
        ids = np.fromfile(payload_file(self.store, manifest, IDS_FILE), "<i4")
        labels = np.fromfile(payload_file(self.store, manifest, LABELS_FILE), "<i4")
        unknown, bare = _special_ids()
        first = ids[labels != IGNORED] if len(labels) == len(ids) else ids[:0]
        return Tokens(
            per_example=len(ids) / _record(manifest).examples,
            unknown=float(np.mean(ids == unknown)),
            bare=float(np.mean(first == bare)) if len(first) else 0.0,
        )

    def words(self, language: str, *, random_encoder: bool) -> list[Word]:
        """Every tagged word of a language, and what a model said of it."""
        trained = {manifest.key: manifest for manifest in self._manifests("train")}
        for manifest in self._manifests("evaluate"):
            params, model = manifest.stage.params, trained.get(manifest.stage.inputs["model"])
            if model is None or (params.task, params.language) != (UDPOS, language):
                continue
            # The random encoder alone is trained whole.
            if model.stage.params.trainable.embeddings is random_encoder:
                return list(self._words(manifest, self._prepared[UDPOS, language]))
        raise ValueError(f"{self._folder}: {UDPOS} {language}: was not scored")

    def _words(self, evaluated: Manifest, prepared: Manifest) -> Iterator[Word]:
        ids, labels, offsets = (
            np.fromfile(payload_file(self.store, prepared, name), kind)
            for name, kind in ((IDS_FILE, "<i4"), (LABELS_FILE, "<i4"), (OFFSETS_FILE, "<i8"))
        )
        table = pq.read_table(payload_file(self.store, evaluated, OUTCOMES_FILE))
        rows = [row for row in table.to_pylist() if row["name"] == "accuracy"]
        for row, start, stop in zip(rows, offsets[:-1], offsets[1:], strict=True):
            first = ids[start:stop][labels[start:stop] != IGNORED]
            # Words beyond the longest length have no token, and no say here.
            yield from map(Word, row["gold"].split(), row["predicted"].split(), first.tolist())


def _record(manifest: Manifest) -> PrepareRecord:
    assert isinstance(manifest.record, PrepareRecord)
    return manifest.record


@cache
def _special_ids() -> tuple[int, int]:
    tokeniser = load_tokenizer()
    return tokeniser.unk_token_id, tokeniser.convert_tokens_to_ids("\N{LOWER ONE EIGHTH BLOCK}")


@dataclass(frozen=True)
class Line:
    """A language of a task."""

    language: str
    examples: int
    scores: tuple[float, ...]
    """One a seed."""
    constant: float
    random: float | None
    plain_loop: float | None
    tokens: Tokens
    times_english: float
    """Tokens of an example, over those of an English one."""

    @property
    def score(self) -> float:
        """Mean over seeds."""
        return statistics.fmean(self.scores)

    @property
    def near(self) -> bool:
        """Whether it is hardly better than a constant answer."""
        return self.score - self.constant <= NEAR

    @property
    def reasons(self) -> list[str]:
        """What of its tokens is not as in English."""
        found = []
        if self.tokens.unknown >= UNKNOWN:
            found.append(f"{self.tokens.unknown:.0%} of its tokens are unknown to the vocabulary")
        if self.tokens.bare >= BARE:
            found.append(
                f"the first token of {self.tokens.bare:.0%} of its words, which is the scored one, "
                "is the bare mark of a word's beginning: the files cut words out of text that has "
                "no blanks, and the encoder read such words with none before them"
            )
        if self.times_english >= TIMES:
            found.append(f"{self.times_english:.1f} times the tokens of the same text in English")
        return found


def lines(results: Results, summary: Summary, task: str) -> list[Line]:
    """All languages of a task, best first, English before all."""
    english = results.tokens(task, ENGLISH).per_example
    parallel = task == SIB200
    points = dict(zip(*[iter(PLAIN_LOOP[task].split())] * 2, strict=True))
    found = []
    for cell in summary.cells:
        if cell.task != task or cell.absent:
            continue
        tokens = results.tokens(task, cell.language)
        found.append(
            Line(
                language=cell.language,
                examples=cell.examples,
                scores=_scores(cell, TRAINED),
                constant=_constant(cell),
                random=next(iter(_scores(cell, RANDOM)), None),
                plain_loop=int(points[cell.language]) / 100 if cell.language in points else None,
                tokens=tokens,
                times_english=tokens.per_example / english if parallel else 1.0,
            )
        )
    return sorted(found, key=lambda line: (line.language != ENGLISH, -line.score))


def _scores(cell: CellScores, schedule: str) -> tuple[float, ...]:
    if cell.metric != "accuracy":
        raise ValueError(f"{cell.task} {cell.language}: scored by {cell.metric}, not by accuracy")
    (scores,) = (each for each in cell.schedules if each.schedule == schedule)
    return tuple(each.score for each in scores.seeds if each.score is not None)


def _constant(cell: CellScores) -> float:
    if cell.majority is None:
        raise ValueError(f"{cell.task} {cell.language}: nothing is known of a constant answer")
    return cell.majority


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Rank correlation; equal values share the mean of their ranks."""
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: Sequence[float]) -> list[float]:
    array = np.array(values)
    return [float(np.mean(np.flatnonzero(np.sort(array) == value))) for value in array]


def mean(found: Iterable[Line], languages: Sequence[str] | None = None) -> float:
    """Mean score of some languages; of all but English without them."""
    scores = [
        line.score
        for line in found
        if (line.language in languages if languages else line.language != ENGLISH)
    ]
    return statistics.fmean(scores)


@dataclass(frozen=True)
class Found:
    """How often a translation is found from a language."""

    language: str
    pairs: int
    bare: float | None
    trained: float | None

    @property
    def rank(self) -> float:
        """For sorting: what was not scored comes last."""
        return -1.0 if self.bare is None else self.bare


def tatoeba(summary: Summary) -> list[Found]:
    """All languages, the bare encoder's best first."""
    probes: dict[str, dict[str | None, ProbeScore]] = {}
    for each in summary.probes:
        if each.task == TATOEBA and each.schedule in {None, TRAINED}:
            probes.setdefault(each.language, {})[each.schedule] = each
    found = [
        Found(
            language=language,
            pairs=task_table()[TATOEBA].size("test", language),
            bare=scores[None].score,
            trained=scores[TRAINED].score,
        )
        for language, scores in probes.items()
    ]
    return sorted(found, key=lambda each: (-each.rank, each.language))


def page(results: Results) -> Iterator[str]:
    """The page, by lines."""
    yield INTRODUCTION
    tags, topics = results.summary("sanity-udpos"), results.summary("sanity-sib200")
    for title, summary, task in (("Parts of speech", tags, UDPOS), ("Topics", topics, SIB200)):
        found = lines(results, summary, task)
        yield f"## {title}: {task}\n"
        yield from _means(found, task)
        yield from _table(found, task)
        yield from _named(found)
        if task == UDPOS:
            yield from _by_first_token(results, found)
            yield from _without_punctuation(results, found)
    yield from _retrieval(tatoeba(topics))
    yield CONTROLS


def worse(results: Results) -> Iterator[str]:
    """A line for each task whose mean is below the plain loop's by more than a seed may move it."""
    for name, task in (("sanity-udpos", UDPOS), ("sanity-sib200", SIB200)):
        found = lines(results, results.summary(name), task)
        _, ours, theirs = _compared(found)
        if ours < theirs - SEED:
            yield f"{task}: {ours:.1%} where the plain loop has {theirs:.1%}"


def _compared(found: list[Line]) -> tuple[int, float, float]:
    """How many languages the plain loop was scored on too, our mean over them and its."""
    both = [(line.score, line.plain_loop) for line in found if line.plain_loop is not None]
    ours, theirs = (statistics.fmean(scores) for scores in zip(*both, strict=True))
    return len(both), ours, theirs


def _means(found: list[Line], task: str) -> Iterator[str]:
    count, ours, theirs = _compared(found)
    yield (
        f"- {count} languages that the plain loop was scored on: {ours:.1%}, the plain "
        f"loop {theirs:.1%} (of whole points)."
    )
    if task == UDPOS:
        theirs = statistics.fmean(line.plain_loop or 0.0 for line in found if line.language in LOW)
        yield f"- {', '.join(LOW)}: {mean(found, LOW):.1%}, the plain loop {theirs:.1%}."
    seeds = [
        statistics.fmean(scores) for scores in zip(*(line.scores for line in found), strict=True)
    ]
    yield (
        f"- All {len(found)} languages, English among them: "
        f"{', '.join(f'seed {number} {score:.1%}' for number, score in enumerate(seeds, 1))}."
    )
    control = statistics.fmean(line.random or 0.0 for line in found if line.language != ENGLISH)
    constant = statistics.fmean(line.constant for line in found if line.language != ENGLISH)
    yield (
        f"- Without English: {mean(found):.1%}; an encoder of random weights {control:.1%}; a "
        f"constant answer {constant:.1%}.\n"
    )


def _table(found: list[Line], task: str) -> Iterator[str]:
    seeds = [f"seed {number}" for number in range(1, len(found[0].scores) + 1)]
    parallel = task == SIB200
    tokens = ["times English tokens"] if parallel else ["bare first tokens"]
    heads = ["language", "items", *seeds, "plain loop", "random encoder", "constant"]
    heads += ["above constant", *tokens, "unknown tokens", ""]
    yield f"| {' | '.join(heads)} |"
    yield f"|---|{'---:|' * (len(heads) - 2)}---|"
    for line in found:
        cells = [
            line.language,
            f"{line.examples:,}",
            *(f"{100 * score:.1f}" for score in line.scores),
            "" if line.plain_loop is None else f"{100 * line.plain_loop:.0f}",
            "" if line.random is None else f"{100 * line.random:.1f}",
            f"{100 * line.constant:.1f}",
            f"{100 * (line.score - line.constant):+.1f}",
            f"{line.times_english:.2f}" if parallel else f"{line.tokens.bare:.0%}",
            f"{line.tokens.unknown:.1%}",
            "**near constant**" if line.near else "",
        ]
        yield f"| {' | '.join(cells)} |"
    yield ""


def _named(found: list[Line]) -> Iterator[str]:
    near = [line for line in found if line.near]
    if not near:
        yield f"No language is within {100 * NEAR:.0f} points of a constant answer.\n"
        return
    yield f"Within {100 * NEAR:.0f} points of a constant answer, and what of their tokens is odd:\n"
    for line in near:
        why = "; ".join(line.reasons) or "nothing; not explained here"
        yield f"- **{line.language}** ({100 * (line.score - line.constant):+.1f}): {why}."
    yield ""


def _by_first_token(results: Results, found: list[Line]) -> Iterator[str]:
    """What a bare first token costs, where most words begin with one."""
    _, bare = _special_ids()
    english = _beginning_with(bare, results.words(ENGLISH, random_encoder=False))
    for line in found:
        if line.tokens.bare < BARE:
            continue
        words = results.words(line.language, random_encoder=False)
        marked = _beginning_with(bare, words)
        others = [word for word in words if word.first != bare]
        yield (
            f"Of English words that begin with the bare mark {_part(english, 'gold'):.0%} are "
            f"punctuation, and that is learnt: of the {line.language} ones "
            f"{_part(marked, 'told'):.0%} are called so and {_part(marked, 'gold'):.0%} are. "
            f"{_right(marked):.1%} of them are right, {_right(others):.1%} of the other words.\n"
        )


def _beginning_with(token: int, words: Iterable[Word]) -> list[Word]:
    return [word for word in words if word.first == token]


def _part(words: Iterable[Word], side: str) -> float:
    """Part of the words that are, or are called, punctuation."""
    return statistics.fmean(float(getattr(word, side) == "PUNCT") for word in words)


def _without_punctuation(results: Results, found: list[Line]) -> Iterator[str]:
    """What the random encoder knows beside the marks that all languages share."""
    right, constant = [], []
    for line in found:
        if line.language != ENGLISH:
            words = results.words(line.language, random_encoder=True)
            others = [word for word in words if word.gold != "PUNCT"]
            right.append(_right(others))
            ((_, most),) = Counter(word.gold for word in others).most_common(1)
            constant.append(most / len(others))
    yield (
        "The random encoder learns the punctuation marks, which languages share: on words that are "
        f"none it has {statistics.fmean(right):.1%} (mean over the languages but English), a "
        f"constant answer {statistics.fmean(constant):.1%}.\n"
    )


def _right(words: Iterable[Word]) -> float:
    return statistics.fmean(float(word.told == word.gold) for word in words)


def _retrieval(found: list[Found]) -> Iterator[str]:
    yield f"## Translations found: {TATOEBA}\n"
    scored = [each for each in found if each.bare is not None]
    for name, field in (
        ("the size of CC-100's part", "cc100_mb"),
        ("Joshi's class", "joshi_class"),
    ):
        known = [
            (each.rank, value)
            for each in scored
            if (value := getattr(LANGUAGES[each.language], field)) is not None
        ]
        yield (
            f"- Rank correlation of the bare encoder's accuracy with {name}: "
            f"{spearman(*zip(*known, strict=True)):.2f} over {len(known)} languages."
        )
    yield "- Pools differ in size and in their English, so small differences mean nothing.\n"
    yield "| language | pairs | bare encoder | trained on topics | chance | CC-100 MB | class |"
    yield f"|---|{'---:|' * 6}"
    for each in found:
        language = LANGUAGES[each.language]
        cells = [
            each.language,
            f"{each.pairs:,}",
            _points(each.bare),
            _points(each.trained),
            _points(1 / each.pairs),
            "unknown" if language.cc100_mb is None else f"{language.cc100_mb:,.0f}",
            "unknown" if language.joshi_class is None else str(language.joshi_class),
        ]
        yield f"| {' | '.join(cells)} |"
    yield ""


def _points(score: float | None) -> str:
    return "not scored" if score is None else f"{100 * score:.1f}"


INTRODUCTION = """# Zero-shot scores on real data

`make sanity` runs specs/examples/sanity-udpos.yaml and sanity-sib200.yaml with `xlbench run` and
writes this page (`tests/bench/sanity.py`). An encoder (`builtin/e5-small-q4`, 12 layers x 384;
embeddings and the lower six layers frozen) learns a task in English, AdamW, batches of 32, learning
rate 2e-4; 150 updates of parts of speech with one seed, 100 of topics with two. Then it is asked
in languages that it was never trained in. All numbers are accuracy in points. It is a check of the
platform, not a benchmark result of the encoder: nothing here is XTREME-R's score.

*plain loop*: a padded loop of a hundred lines with the same encoder, data and settings and one
seed, written before to see what can be expected. *random encoder*: `builtin/random-tiny`, trained
whole at the same dose. *constant*: the most frequent label everywhere.
"""

CONTROLS = """## Controls

The random encoder is in the tables. That labels which were shuffled teach nothing is asserted with
a small dose of both tasks in `tests/trainer/test_real_languages.py` (`make test-mirror`), beside
lower bounds of what true labels must teach.
"""


def main() -> None:
    """Write the page of a results folder; exit code 1 if scores are worse than the plain loop's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="folder of `xlbench run`")
    parser.add_argument("--out", type=Path, required=True, help="page to write")
    asked = parser.parse_args()
    results = Results(asked.results)
    asked.out.write_text("\n".join(page(results)), "utf-8")
    sys.exit("\n".join(worse(results)) or None)


if __name__ == "__main__":
    main()
