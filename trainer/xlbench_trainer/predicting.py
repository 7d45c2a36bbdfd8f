"""Predicting: what a model says of every example, as outcome rows and as scores.

Scores are always computed from the outcome rows; nothing is scored that is not kept.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from xlbench_specs.outcomes import OutcomeRow
from xlbench_specs.tasks import Task

from xlbench_trainer.models import Head, features, pooled
from xlbench_trainer.reading import Reader
from xlbench_trainer.tokens import IGNORED

Labels = Sequence[str]


def outcomes(
    task: Task, head: Head | None, reader: Reader, stage_key: str, *, labels: Labels
) -> list[OutcomeRow]:
    """The outcome rows of a whole prepared set, in its order.

    `head` is the target's and `labels` what its outputs stand for; `task` may have fewer labels,
    or the same in another order. Retrieval needs neither.
    """
    reader.encoder.model.eval()
    with torch.no_grad():
        match task.kind:
            case "classification":
                rows = _classified(head, reader, labels)
            case "tagging":
                rows = _tagged(head, reader, labels)
            case "retrieval":
                rows = _retrieved(reader)
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
    if metric == "macro_f1":
        return macro_f1([row.gold for row in rows], [row.predicted for row in rows])
    counted = [row for row in rows if row.name == metric]
    total = sum(row.denominator for row in counted)
    return sum(row.numerator for row in counted) / total if total else None


def macro_f1(gold: Labels, predicted: Sequence[str | None]) -> float | None:
    """Mean F1 over the labels that occur in `gold`; None if there is no item.

    A label without a gold item has no recall and is left out; what is wrongly predicted as it
    still counts as missed by its own label (docs/decisions/0001).
    """
    pairs = list(zip(gold, predicted, strict=True))
    values = []
    for label in sorted(set(gold)):
        hits = sum(true == label == said for true, said in pairs)
        among = sum(true == label for true, _ in pairs) + sum(said == label for _, said in pairs)
        values.append(2 * hits / among)
    return sum(values) / len(values) if values else None


def spans(tags: Labels) -> set[tuple[str, int, int]]:
    """Entities of a BIO sequence as (type, first word, last word), as seqeval reads them."""
    # scikit-learn comes with it: two seconds that only tagging must wait for.
    from seqeval.metrics.sequence_labeling import get_entities  # noqa: PLC0415

    return {(kind, first, last) for kind, first, last in get_entities(list(tags))}


def span_counts(gold: Labels, predicted: Labels) -> dict[str, tuple[int, int, int]]:
    """Entity type to (true positives, predicted, gold) of one sentence."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    true, said = spans(gold), spans(predicted)
    for place, found in enumerate((true & said, said, true)):
        for kind, _, _ in found:
            counts[kind][place] += 1
    return {kind: (hits, out, there) for kind, (hits, out, there) in sorted(counts.items())}


def _classified(head: Head | None, reader: Reader, labels: Labels) -> Iterator[OutcomeRow]:
    best = _by_sequence(head, reader, np.empty(reader.prepared.size, np.int64))
    for place, gold in enumerate(reader.prepared.items.gold):
        said = labels[best[place]]
        yield _row(reader, place, said, ("accuracy", "", int(said == gold), 1))


def _by_sequence(head: Head | None, reader: Reader, best: NDArray[np.int64]) -> NDArray[np.int64]:
    if head is None:
        raise ValueError("a classification task needs its target's head")
    for sequences in reader.batches():
        hidden, mask = reader.hidden(sequences)
        logits = head(features(reader.encoder, "classification", hidden, mask), _none(hidden))
        best[sequences] = logits.argmax(-1).cpu().numpy()
    return best


def _tagged(head: Head | None, reader: Reader, labels: Labels) -> Iterator[OutcomeRow]:
    if head is None:
        raise ValueError("a tagging task needs its target's head")
    prepared = reader.prepared
    best = np.zeros(len(prepared.ids), np.int64)
    for sequences in reader.batches():
        hidden, _ = reader.hidden(sequences)
        numbers = head(hidden, _none(hidden)).argmax(-1).cpu().numpy()
        for row, sequence in enumerate(sequences):
            start, stop = prepared.offsets[sequence : sequence + 2]
            best[start:stop] = numbers[row, : stop - start]
    for place, gold in enumerate(prepared.items.gold):
        start, stop = prepared.offsets[place : place + 2]
        scored = prepared.labels[start:stop] != IGNORED
        said = [labels[number] for number in best[start:stop][scored]]
        true = gold.split()
        said += ["O"] * (len(true) - len(said))  # words beyond the longest length
        yield from _span_rows(reader, place, true, said)


def _span_rows(reader: Reader, place: int, true: Labels, said: Labels) -> Iterator[OutcomeRow]:
    predicted = " ".join(said)
    counts = span_counts(true, said)
    for kind, (hits, out, there) in counts.items():
        yield _row(reader, place, predicted, ("span_f1", kind, 2 * hits, out + there))
        yield _row(reader, place, predicted, ("span_precision", kind, hits, out))
        yield _row(reader, place, predicted, ("span_recall", kind, hits, there))
    if not counts:  # the item is kept, and weighs nothing
        yield _row(reader, place, predicted, ("span_f1", "", 0, 0))
    right = sum(one == other for one, other in zip(true, said, strict=True))
    yield _row(reader, place, predicted, ("accuracy", "", right, len(true)))


def _retrieved(reader: Reader) -> Iterator[OutcomeRow]:
    """Nearest English text of each text by cosine, among all English texts of the set."""
    count = len(reader.prepared.lengths)
    vectors = torch.empty(count, reader.encoder.hidden)
    for sequences in reader.batches():
        hidden, mask = reader.hidden(sequences)
        vectors[torch.from_numpy(sequences)] = pooled(reader.encoder, hidden, mask).float().cpu()
    vectors = torch.nn.functional.normalize(vectors, dim=-1)
    with torch.autocast("cpu", enabled=False):  # cosines in bf16 would be full of ties
        best = (vectors[0::2] @ vectors[1::2].T).argmax(-1)
    names = reader.prepared.items.example_id
    for place, name in enumerate(names):
        said = names[int(best[place])]
        row = _row(reader, place, said, ("accuracy_at_1", "", int(said == name), 1))
        yield row._replace(gold=name)


def _row(
    reader: Reader, place: int, predicted: str, count: tuple[str, str, int, int]
) -> OutcomeRow:
    items = reader.prepared.items
    return OutcomeRow(
        "",
        items.example_id[place],
        items.parallel_id[place],
        items.cluster_id[place],
        items.gold[place],
        predicted,
        *count,
    )


def _none(like: torch.Tensor) -> torch.Tensor:
    """What a head that is tied to no embedding gets in its place."""
    return like.new_empty(0)
