"""Prepared sets: a task's split in one language as flat memory maps of token ids.

`prepare` writes them once; `train` and `evaluate` read slices and never build an object for each
example. An example may have several sequences: both sides of a retrieval pair, the options of a
multiple choice, the windows of a long question.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

IGNORED = -100
"""Label of a token that is not scored, as torch's cross entropy has it."""

IDS_FILE, OFFSETS_FILE, LABELS_FILE = "ids.i32", "offsets.i64", "labels.i32"
ITEMS_FILE, SHAPE_FILE = "items.parquet", "prepared.json"
FILES = (IDS_FILE, OFFSETS_FILE, LABELS_FILE, ITEMS_FILE, SHAPE_FILE)
"""What every set has."""
FIRSTS_FILE = "firsts.i64"
"""What a set has besides whose examples differ in their number of sequences."""
TEXTS_FILE, PLACES_FILE = "texts.parquet", "places.i32"
"""What a set has besides whose answers stand in texts."""
LANGUAGES_FILE = "languages.i32"
"""What a set has besides whose encoder is told the language of each text."""
SOME_FILES = (FIRSTS_FILE, TEXTS_FILE, PLACES_FILE, LANGUAGES_FILE)


@dataclass(frozen=True, slots=True)
class Items:
    """What outcome rows repeat of each example."""

    example_id: list[str]
    parallel_id: list[str]
    cluster_id: list[str]
    gold: list[str]
    """The gold label; tags or right candidates, separated by blanks; a JSON list of right answers;
    else empty."""


@dataclass(frozen=True, slots=True)
class Contexts:
    """The texts that hold answers, and where each token stands in its example's."""

    texts: list[str]
    """`[examples]`."""
    places: NDArray[np.int32]
    """`[tokens, 2]`: first character and the one after the last; -1 for what is not of the text."""


@dataclass(frozen=True, slots=True)
class PreparedSet:
    """A tokenised split in one language."""

    ids: NDArray[np.int32]
    """`[tokens]`: token ids of all sequences, one after another."""
    offsets: NDArray[np.int64]
    """`[sequences + 1]`: where each sequence begins."""
    labels: NDArray[np.int32]
    """`[examples]` numbers of classes or of right options, `[tokens]` tag numbers with `IGNORED`,
    `[sequences * 2]` first and last token of a window's answer (0, 0 if it holds none), or empty.
    """
    items: Items
    firsts: NDArray[np.int64]
    """`[examples + 1]`: the first sequence of each example."""
    label_names: list[str]
    """Label of each number; names of the candidates where there is a pool of them.

    A pool's sequences stand after those of the examples.
    """
    contexts: Contexts | None = None
    """Set for spans alone."""
    languages: NDArray[np.int32] | None = None
    """`[sequences]`: the encoder's number of each one's language, where it is told it."""

    @property
    def size(self) -> int:
        """Number of examples."""
        return len(self.items.example_id)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """`[sequences]`: tokens of each sequence."""
        return np.diff(self.offsets)

    def sequences_of(self, examples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of the examples' sequences, example by example."""
        return ranges(self.firsts[examples], self.firsts[examples + 1])

    def tokens_of(self, sequences: NDArray[np.int64]) -> NDArray[np.int64]:
        """Places of the sequences' tokens, sequence by sequence."""
        return ranges(self.offsets[sequences], self.offsets[sequences + 1])


def ranges(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers from each start up to its stop, one range after another."""
    counts = stops - starts
    before = np.cumsum(counts) - counts
    spread: NDArray[np.int64] = np.arange(int(counts.sum())) + np.repeat(starts - before, counts)
    return spread


def evenly(examples: int, each: int) -> NDArray[np.int64]:
    """`firsts` of so many examples that have `each` sequences."""
    return np.arange(examples + 1, dtype=np.int64) * each


def edges_of(sizes: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each of some runs of so many begins, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def write(folder: Path, prepared: PreparedSet) -> None:
    """Write a prepared set into an existing folder."""
    prepared.ids.astype("<i4").tofile(folder / IDS_FILE)
    prepared.offsets.astype("<i8").tofile(folder / OFFSETS_FILE)
    prepared.labels.astype("<i4").tofile(folder / LABELS_FILE)
    items = prepared.items
    columns = {name: getattr(items, name) for name in Items.__dataclass_fields__}
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    pq.write_table(table, folder / ITEMS_FILE)
    counts = np.unique(np.diff(prepared.firsts))
    if len(counts) != 1:
        prepared.firsts.astype("<i8").tofile(folder / FIRSTS_FILE)
    shape = {
        "sequencesPerExample": int(counts[0]) if len(counts) == 1 else None,
        "labelNames": prepared.label_names,
    }
    (folder / SHAPE_FILE).write_text(json.dumps(shape, sort_keys=True, ensure_ascii=False))
    if prepared.contexts is not None:
        texts = pa.table({"text": pa.array(prepared.contexts.texts, pa.string())})
        pq.write_table(texts, folder / TEXTS_FILE)
        prepared.contexts.places.astype("<i4").tofile(folder / PLACES_FILE)
    if prepared.languages is not None:
        prepared.languages.astype("<i4").tofile(folder / LANGUAGES_FILE)


def read(paths: dict[str, Path]) -> PreparedSet:
    """A prepared set from local copies of its files, by file name."""
    shape = json.loads(paths[SHAPE_FILE].read_text())
    items = Items(**pq.read_table(paths[ITEMS_FILE]).to_pydict())
    each = shape["sequencesPerExample"]
    return PreparedSet(
        ids=_map(paths[IDS_FILE], "<i4"),
        offsets=_map(paths[OFFSETS_FILE], "<i8"),
        labels=_map(paths[LABELS_FILE], "<i4"),
        items=items,
        firsts=_map(paths[FIRSTS_FILE], "<i8")
        if each is None
        else evenly(len(items.example_id), each),
        label_names=shape["labelNames"],
        contexts=_contexts(paths) if TEXTS_FILE in paths else None,
        languages=_map(paths[LANGUAGES_FILE], "<i4") if LANGUAGES_FILE in paths else None,
    )


def _contexts(paths: dict[str, Path]) -> Contexts:
    texts = pq.read_table(paths[TEXTS_FILE]).column("text").to_pylist()
    return Contexts(texts, _map(paths[PLACES_FILE], "<i4").reshape(-1, 2))


def join(sets: Sequence[PreparedSet]) -> PreparedSet:
    """Several sets of one task as one, in the order given (training in several languages).

    Without the texts that answers stand in: those are for judging, one set at a time.
    """
    if len(sets) == 1:
        return sets[0]
    languages = [each.languages for each in sets if each.languages is not None]
    return PreparedSet(
        ids=np.concatenate([each.ids for each in sets]),
        offsets=_chained([each.offsets for each in sets]),
        labels=np.concatenate([each.labels for each in sets]),
        items=Items(
            *(
                [value for each in sets for value in getattr(each.items, name)]
                for name in Items.__dataclass_fields__
            )
        ),
        firsts=_chained([each.firsts for each in sets]),
        label_names=sets[0].label_names,
        languages=np.concatenate(languages) if languages else None,
    )


def _chained(edges: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Edges of several sets as those of one set, each beginning where the one before it ends."""
    sizes = np.concatenate([np.diff(each) for each in edges])
    return edges_of(sizes)


def _map(path: Path, kind: str) -> NDArray[Any]:
    if path.stat().st_size == 0:  # an empty file cannot be mapped
        return np.empty(0, kind)
    return np.memmap(path, kind, mode="r")
