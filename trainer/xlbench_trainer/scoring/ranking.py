"""Retrieval: nearest candidates, average precision, and bitext mining by margin.

Vectors are rows. What is said of a query depends on its pool: scores are conditional on it.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
_ROWS = 1024
"""Queries that are compared with the whole pool at a time: 13,000 candidates take 50 MB."""

NEIGHBOURS = 4
"""Source: google-research/xtreme 4940374c, `third_party/utils_retrieve.py`, `mine_bitext`."""


class Ranked(NamedTuple):
    """The best candidates of each query, best first."""

    candidates: NDArray[np.int64]
    """`[queries, k]` numbers of candidates."""
    similarities: Vectors
    """`[queries, k]`."""


class Pair(NamedTuple):
    """Two texts that are held to be translations."""

    query: int
    candidate: int
    score: float


def unit(vectors: Vectors) -> Vectors:
    """Vectors of length 1; one without a length stays as it is, one of no finite numbers is 0."""
    finite = np.where(np.isfinite(vectors).all(axis=1, keepdims=True), vectors, 0)
    lengths = np.linalg.norm(finite, axis=1, keepdims=True)
    return np.asarray(finite / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def ranked(queries: Vectors, pool: Vectors, count: int) -> Ranked:
    """The candidates of the largest dot product; of equal ones the first in the pool."""
    parts = [
        _best(queries[at : at + _ROWS] @ pool.T, count) for at in range(0, len(queries), _ROWS)
    ]
    numbers, values = zip(*parts, strict=True)
    return Ranked(np.concatenate(numbers), np.concatenate(values))


def _best(similarities: Vectors, count: int) -> tuple[NDArray[np.int64], Vectors]:
    count = min(count, similarities.shape[1])
    # Ties at the edge of the partition would be broken at random: all that reach it are sorted.
    edge = np.partition(similarities, -count, axis=1)[:, -count]
    rows = []
    for row, least in zip(similarities, edge, strict=True):
        reach = np.flatnonzero(row >= least)
        rows.append(reach[np.argsort(-row[reach], kind="stable")][:count])
    numbers = np.stack(rows).astype(np.int64)
    return numbers, np.take_along_axis(similarities, numbers, axis=1)


def average_precision(ranking: Sequence[object], right: Collection[object], depth: int) -> float:
    """Average precision of the first `depth` candidates.

    Precision at the rank of each right candidate, summed, over as many as could be there. With one
    right candidate it is the reciprocal rank.

    Source: google-research/xtreme e23cf42f, `third_party/utils_lareqa.py`,
    `average_precision_at_k`.
    """
    hits, total = 0, 0.0
    for rank, candidate in enumerate(ranking[:depth], start=1):
        if candidate in right:
            hits += 1
            total += hits / rank
    return total / min(len(right), depth)


def ndcg(relevance: Sequence[float], scores: Sequence[float]) -> float:
    """Normalised discounted cumulative gain of a ranking by `scores`; 0 if nothing is relevant.

    Gain is the relevance itself, the discount the binary logarithm of the rank plus one; equal
    scores share the gain of their ranks.

    Source: microsoft/XGLUE 8e66a303, `evaluation/xglue_evaluate.py`, `simple_ndcg`, which is
    scikit-learn's `ndcg_score` on predicted labels.
    """
    discounts = 1 / np.log2(np.arange(2, len(relevance) + 2))
    gains = np.asarray(relevance, dtype=np.float64)
    best = float(np.sort(gains)[::-1] @ discounts)
    if best == 0:
        return 0.0
    _, tied = np.unique(-np.asarray(scores, dtype=np.float64), return_inverse=True)
    places = np.bincount(tied)
    means = np.bincount(tied, weights=gains) / places
    return float(np.repeat(means, places) @ discounts) / best


def mined(queries: Vectors, pool: Vectors) -> list[Pair]:
    """Pairs by ratio margin, each text in one at most, best first.

    The margin of a pair is its cosine over the mean of both texts' mean cosine with their
    `NEIGHBOURS` nearest. Each text proposes the neighbour of the largest margin, in both
    directions; proposals are taken greedily.

    Source: google-research/xtreme 4940374c, `third_party/utils_retrieve.py`, `mine_bitext`
    (`mode="mine", retrieval="max", margin="ratio"`), after LASER.
    """
    queries, pool = unit(queries), unit(pool)
    forward, backward = ranked(queries, pool, NEIGHBOURS), ranked(pool, queries, NEIGHBOURS)
    means = forward.similarities.mean(axis=1), backward.similarities.mean(axis=1)
    proposals = [
        *_proposals(forward, *means),
        *(Pair(to, of, score) for of, to, score in _proposals(backward, *reversed(means))),
    ]
    taken: tuple[set[int], set[int]] = (set(), set())
    pairs = []
    for pair in sorted(proposals, key=lambda pair: -pair.score):
        if pair.query not in taken[0] and pair.candidate not in taken[1]:
            taken[0].add(pair.query)
            taken[1].add(pair.candidate)
            pairs.append(pair)
    return [pair for pair in pairs if pair.score > 0]


def _proposals(found: Ranked, own: Vectors, other: Vectors) -> Iterator[Pair]:
    margins = found.similarities / ((own[:, None] + other[found.candidates]) / 2)
    best = margins.argmax(axis=1)
    for row, place in enumerate(best):
        yield Pair(row, int(found.candidates[row, place]), float(margins[row, place]))


def above_best_threshold(pairs: Sequence[Pair], right: Collection[tuple[int, int]]) -> list[Pair]:
    """The pairs above the threshold that makes F1 with the right ones largest.

    The threshold lies halfway between the score of the last pair taken and the next one; where no
    pair is right, all are taken. It is chosen on the very pairs that are scored: XTREME chooses it
    so on BUCC's dev set, and uses it on the test set.

    Source: google-research/xtreme 4940374c, `third_party/utils_retrieve.py`, `bucc_optimize`.
    """
    items = sorted(pairs, key=lambda pair: -pair.score)
    threshold, best, hits = 0.0, 0.0, 0
    for count, pair in enumerate(items, start=1):
        hits += (pair.query, pair.candidate) in right
        f1 = 2 * hits / (count + len(right))
        if f1 > best:
            best = f1
            after = items[count].score if count < len(items) else pair.score
            threshold = (pair.score + after) / 2
    return [pair for pair in items if pair.score >= threshold]
