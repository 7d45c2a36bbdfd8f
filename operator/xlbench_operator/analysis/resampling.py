"""How much an answer depends on the test items: joint resamples of them, models held fixed.

What is drawn is a *unit*: the items that are not independent of each other, because they are the
same item in several languages (`parallel_id`) or come from one template, document or seed question
(`cluster_id`); see docs/decisions/0002. One draw holds for every language, arm and seed in which a
unit occurs. It must not judge anything: it returns resampled differences, whose variance
`inference` takes. Called by the analysis, with a seed derived from the analysis digest, so that
equal inputs give equal bytes.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from xlbench_operator.analysis.scores import Ints, score

RESAMPLES = 10_000
_CHUNK_WEIGHTS = 4_000_000
"""Weights drawn at a time (16 MB): bounds memory for test sets of tens of thousands of units."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What every compared model did on one (task, language)."""

    name: str
    """Names the cell; only seeds its draws."""
    metric: str
    units: Ints
    """``[units]``: ids, equal where two cells hold the same unit."""
    counts: npt.NDArray[np.float32]
    """``[units, models, features]``."""
    contrasts: npt.NDArray[np.float64]
    """``[models, contrasts]``: each column's weights sum the models' scores to one difference."""


def units_of(keys: Iterable[tuple[str, str, str]]) -> dict[str, int]:
    """The unit of each item: items that share a parallel or a cluster id, directly or in steps.

    Args:
        keys: ``(item, parallel id, cluster id)`` of every item that may share a unit with another.
    """
    items: dict[str, int] = {}
    nodes: dict[tuple[str, str], int] = {}
    links: list[tuple[int, int]] = []
    for item, parallel, cluster in keys:
        row = items.setdefault(item, len(items))
        links.append((row, nodes.setdefault(("parallel", parallel), len(nodes))))
        links.append((row, nodes.setdefault(("cluster", cluster), len(nodes))))
    return dict(zip(items, _components(links, len(items), len(nodes)), strict=True))


def _components(links: Sequence[tuple[int, int]], left: int, right: int) -> list[int]:
    """Component of each left node of a bipartite graph, numbered by first appearance."""
    rows, columns = np.array(links, dtype=np.intp).reshape(-1, 2).T
    ones = np.ones(rows.size, dtype=np.int8)
    size = left + right
    graph = coo_array((ones, (rows, columns + left)), shape=(size, size))
    found = connected_components(graph, directed=False)[1][:left]
    numbers: dict[int, int] = {}
    return [numbers.setdefault(int(component), len(numbers)) for component in found]


def resampled_differences(
    tallies: Sequence[Tally], *, digest: str, resamples: int = RESAMPLES
) -> list[npt.NDArray[np.float64]]:
    """Each cell's differences under joint resamples of the test units.

    Cells that share a unit, directly or in steps, are drawn together: as many units as they have
    among them, with replacement. Other cells are drawn independently.

    Returns:
        For each tally an array ``[resamples, contrasts]``, NaN where a draw left a score undefined.
    """
    drawn: list[npt.NDArray[np.float64]] = [
        np.empty((resamples, tally.contrasts.shape[1])) for tally in tallies
    ]
    for group in _groups(tallies):
        pool = np.unique(np.concatenate([tallies[index].units for index in group]))
        columns = {index: np.searchsorted(pool, tallies[index].units) for index in group}
        generator = np.random.default_rng(
            _seed(digest, min(tallies[index].name for index in group))
        )
        for rows in _chunks(resamples, pool.size):
            shares = np.full(pool.size, 1 / pool.size)
            weights = generator.multinomial(pool.size, shares, size=rows.stop - rows.start)
            for index in group:
                picked = weights[:, columns[index]].astype(np.float32)
                drawn[index][rows] = _differences(tallies[index], picked)
    return drawn


def item_variance(differences: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Variance over resamples ``[resamples, ...]``; undefined draws are left out."""
    return np.asarray(np.nanvar(differences, axis=0, ddof=1))


def _differences(tally: Tally, weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Differences ``[resamples, contrasts]`` of a cell whose units weigh ``[resamples, units]``."""
    units, models, features = tally.counts.shape
    sums = (weights @ tally.counts.reshape(units, -1)).reshape(-1, models, features)
    scores = score(tally.metric, sums).astype(np.float64)
    differences = np.empty((len(scores), tally.contrasts.shape[1]))
    for number, signs in enumerate(tally.contrasts.T):
        compared = signs != 0  # an undefined score of another model is no part of it: NaN * 0 = NaN
        differences[:, number] = scores[:, compared] @ signs[compared]
    return differences


def _groups(tallies: Sequence[Tally]) -> list[list[int]]:
    """Indices of the cells that are linked by shared units, group by group."""
    links = [(index, int(unit)) for index, tally in enumerate(tallies) for unit in tally.units]
    largest = max((unit for _, unit in links), default=-1)
    groups: dict[int, list[int]] = {}
    for index, component in enumerate(_components(links, len(tallies), largest + 1)):
        groups.setdefault(component, []).append(index)
    return list(groups.values())


def _chunks(resamples: int, units: int) -> list[slice]:
    """The resamples in slices that hold at most `_CHUNK_WEIGHTS` weights."""
    step = max(1, _CHUNK_WEIGHTS // units)
    return [slice(start, min(start + step, resamples)) for start in range(0, resamples, step)]


def _seed(digest: str, name: str) -> int:
    """A seed that depends on the analysis and on the cells drawn, not on their order."""
    return int.from_bytes(hashlib.sha256(f"{digest}\0{name}".encode()).digest()[:16], "big")
