"""Judging: what became of every example, as outcome rows and as scores.

A function of a prepared set and of what a model said of it (`predicting.said`): no model runs
here. Scores are always computed from the outcome rows; nothing is scored that is not kept. Called
by the recipes `train` (English dev) and `evaluate`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import assert_never

import numpy as np
from numpy.typing import NDArray
from xlbench_specs.outcomes import PARTS, OutcomeRow
from xlbench_specs.tasks import Task

from xlbench_trainer.scoring import answers, ranking
from xlbench_trainer.scoring.entities import Found, found, together
from xlbench_trainer.scoring.labels import macro_f1, weighted_f1
from xlbench_trainer.tokens import IGNORED, PreparedSet

Labels = Sequence[str]
Said = NDArray[np.float32]
Rows = Iterator[OutcomeRow]
Count = tuple[str, str, int, int]
"""Name, label, numerator and denominator of a row."""

OF_CLASSES = MappingProxyType({"macro_f1": macro_f1, "weighted_f1": weighted_f1})
"""Metrics that are computed from gold and predicted labels, not from a kept ratio."""
LONGEST_ANSWER = 30
"""Tokens of an answer. Source: google-research/xtreme, `third_party/run_squad.py`."""
RANKS = 20
"""How deep rankings are looked at: XTREME-R's mAP@20."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is judged: a prepared set, what a model said of it, and what that means."""

    task: Task
    prepared: PreparedSet
    said: Said
    head: Task
    """The task whose head said it; the task itself for retrieval."""
    language: str

    def row(
        self, place: int, predicted: str | None, count: Count, gold: str | None = None
    ) -> OutcomeRow:
        """The row of an example; `gold` where it is not what the set says."""
        items = self.prepared.items
        return OutcomeRow(
            "",
            items.example_id[place],
            items.parallel_id[place],
            items.cluster_id[place],
            items.gold[place] if gold is None else gold,
            predicted,
            *count,
        )


def outcomes(case: Case, stage_key: str) -> list[OutcomeRow]:
    """The outcome rows of a whole prepared set, in its order.

    The task may have fewer labels than the head, or the same in another order; labels that the
    head does not know count as what the task table says (`Task.read_as`).
    """
    match case.task.kind:
        case "classification":
            rows = _classified(case)
        case "tagging":
            rows = _tagged(case)
        case "choice":
            rows = _chosen(case)
        case "span":
            rows = _answered(case)
        case "retrieval":
            rows = _retrieved(case)
        case "mlm":
            rows = iter(())
        case never:
            assert_never(never)
    return [row._replace(stage_key=stage_key) for row in rows]


def scores(task: Task, rows: Iterable[OutcomeRow]) -> dict[str, float | None]:
    """Every metric of the task, in [0, 1]; None where it is not defined."""
    kept = list(rows)
    return {metric: _score(metric, kept) for metric in task.metrics}


def _score(metric: str, rows: Sequence[OutcomeRow]) -> float | None:
    if of_classes := OF_CLASSES.get(metric):
        return of_classes([row.gold for row in rows], [row.predicted for row in rows])
    counted = [row for row in rows if row.name == metric]
    total = sum(row.denominator for row in counted)
    return sum(row.numerator for row in counted) / total if total else None


def _classified(case: Case) -> Rows:
    best = case.said.argmax(-1)
    for place, label in enumerate(case.prepared.items.gold):
        gold, told = case.task.read_as(label, case.head), case.head.labels[best[place]]
        yield case.row(place, told, ("accuracy", "", int(told == gold), 1), gold)
    if "ndcg" in case.task.metrics:
        yield from _ranked_by_label(case, [case.head.labels[number] for number in best])


def _ranked_by_label(case: Case, told: Labels) -> Rows:
    """The gain of each query's ranking, at its first item; the items of a query share a cluster.

    Labels are numbers. A query with a single item has no ranking, and counts for nothing.
    """
    queries: dict[str, list[int]] = {}
    for place, query in enumerate(case.prepared.items.cluster_id):
        queries.setdefault(query, []).append(place)
    for places in queries.values():
        gold = [float(case.prepared.items.gold[place]) for place in places]
        gain = ranking.ndcg(gold, [float(told[place]) for place in places])
        counts = [("ndcg", "", round(gain * PARTS), PARTS)] if len(places) > 1 else []
        for place in places:
            count = counts.pop() if counts else ("ndcg", "", 0, 0)
            yield case.row(place, told[place], count)


def _chosen(case: Case) -> Rows:
    """The option with the largest logit; of equal ones the first."""
    firsts = case.prepared.firsts
    for place, gold in enumerate(case.prepared.items.gold):
        told = case.task.labels[int(case.said[firsts[place] : firsts[place + 1], 0].argmax())]
        yield case.row(place, told, ("accuracy", "", int(told == gold), 1))


def _tagged(case: Case) -> Rows:
    """Tags of whole sentences; a tag that the task does not have counts as `O`, if it has that."""
    gold = [_known(tags.split(), case) for tags in case.prepared.items.gold]
    told = [_told(place, case) for place in range(len(gold))]
    for place, by_kind in enumerate(found(gold, told)):
        right = sum(one == other for one, other in zip(gold[place], told[place], strict=True))
        counts = [*_entity_counts(case.task, by_kind), ("accuracy", "", right, len(gold[place]))]
        for count in counts:
            yield case.row(place, " ".join(told[place]), count, " ".join(gold[place]))


def _entity_counts(task: Task, by_kind: Mapping[str, Found]) -> Iterator[Count]:
    """What the entities of one sentence add to the scores that the task has of them."""
    if "xtreme_f1" in task.metrics:
        hits, out, there = together(by_kind.values())
        yield "xtreme_f1", "", 2 * hits, out + there
    if "span_f1" not in task.metrics:
        return
    for kind, (hits, out, there) in by_kind.items():
        yield "span_f1", kind, 2 * hits, out + there
        yield "span_precision", kind, hits, out
        yield "span_recall", kind, hits, there
    if not by_kind:  # the item is kept, and weighs nothing
        yield "span_f1", "", 0, 0


def _known(tags: Labels, case: Case) -> list[str]:
    return [case.task.read_as(tag, case.head) for tag in tags]


def _told(place: int, case: Case) -> list[str]:
    """The tags that a sentence was given, one for each of its words."""
    start, stop = case.prepared.offsets[case.prepared.firsts[place : place + 2]]
    scored = case.prepared.labels[start:stop] != IGNORED
    told = [case.head.labels[number] for number in case.said[start:stop][scored].argmax(-1)]
    if "O" not in case.task.labels:
        return told
    return [tag if tag in case.task.labels else "O" for tag in told]


def _answered(case: Case) -> Rows:
    """The span of the largest sum of logits over all windows of a question."""
    contexts = case.prepared.contexts
    if contexts is None:
        raise ValueError(f"task {case.task.name}: the prepared set does not hold its texts")
    normal = answers.mlqa(case.language) if "mlqa_f1" in case.task.metrics else answers.squad
    rule = "mlqa" if "mlqa_f1" in case.task.metrics else "squad"
    for place, gold in enumerate(case.prepared.items.gold):
        right = json.loads(gold)
        said = contexts.texts[place][slice(*_best_span(place, contexts.places, case))].strip()
        exact = int(answers.exact_match(said, right, normal))
        partly = round(answers.f1(said, right, normal) * PARTS)
        yield case.row(place, said, (f"{rule}_f1", "", partly, PARTS))
        yield case.row(place, said, (f"{rule}_em", "", exact, 1))


def _best_span(place: int, places: NDArray[np.int32], case: Case) -> tuple[int, int]:
    """First character of the answer that is said, and the one after its last."""
    best, span = -np.inf, (0, 0)
    windows = range(*case.prepared.firsts[place : place + 2])
    for window in windows:
        start, stop = case.prepared.offsets[window : window + 2]
        inside = start + np.flatnonzero(places[start:stop, 0] >= 0)
        if not inside.size:
            continue
        score, first, last = answers.best_span(*case.said[inside].T, longest=LONGEST_ANSWER)
        if score > best:
            best = score
            span = (int(places[inside[first], 0]), int(places[inside[last], 1]))
    return span


def _retrieved(case: Case) -> Rows:
    """What is nearest to each text by cosine, among all candidates of the set."""
    queries, pool, names = _sides(case)
    if "mining_f1" in case.task.metrics:
        yield from _mined(case, queries, pool, names)
        return
    queries, pool = ranking.unit(queries), ranking.unit(pool)
    best = ranking.ranked(queries, pool, RANKS).candidates
    for place, gold in enumerate(case.prepared.items.gold):
        right = gold.split() or [case.prepared.items.example_id[place]]
        told = [names[number] for number in best[place]]
        hit: Count = ("accuracy_at_1", "", int(told[0] in right), 1)
        yield case.row(place, told[0], hit, " ".join(right))
        if "map_at_20" in case.task.metrics:
            partly = round(ranking.average_precision(told, right, RANKS) * PARTS)
            yield case.row(place, told[0], ("map_at_20", "", partly, PARTS), " ".join(right))
    if "accuracy_from_english" in case.task.metrics:
        for place, (first,) in enumerate(ranking.ranked(pool, queries, 1).candidates):
            hit = ("accuracy_from_english", "", int(first == place), 1)
            yield case.row(place, names[first], hit, names[place])


def _sides(case: Case) -> tuple[Said, Said, Labels]:
    """Vectors of the queries, of the candidates, and the candidates' names."""
    count = case.prepared.size
    if len(case.said) == 2 * count and not case.prepared.label_names:
        return case.said[0::2], case.said[1::2], case.prepared.items.example_id
    return case.said[:count], case.said[count:], case.prepared.label_names


def _mined(case: Case, queries: Said, pool: Said, names: Labels) -> Rows:
    """Each text's part of the F1 of the pairs mined: 2 for a hit, over what is said and right."""
    number = {name: place for place, name in enumerate(names)}
    gold = case.prepared.items.gold
    right = {(place, number[name]) for place, text in enumerate(gold) for name in text.split()}
    pairs = ranking.above_best_threshold(ranking.mined(queries, pool), right)
    said = {pair.query: pair.candidate for pair in pairs}
    for place, text in enumerate(gold):
        told = names[said[place]] if place in said else None
        hit = (place, said.get(place, -1)) in right
        count = int(told is not None) + len(text.split())
        yield case.row(place, told, ("mining_f1", "", 2 * int(hit), count))
