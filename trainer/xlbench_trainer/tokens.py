"""Prepared sets: a task's split in one language as flat memory maps of token ids.

`prepare` writes them once; `train` and `evaluate` read slices and never build an object for each
example. A set may hold several sequences an example (both sides of a retrieval pair).
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


@dataclass(frozen=True, slots=True)
class Items:
    """What outcome rows repeat of each example."""

    example_id: list[str]
    parallel_id: list[str]
    cluster_id: list[str]
    gold: list[str]
    """The gold label; the tags of a tagged sentence, separated by blanks; else empty."""


@dataclass(frozen=True, slots=True)
class PreparedSet:
    """A tokenised split in one language."""

    ids: NDArray[np.int32]
    """`[tokens]`: token ids of all sequences, one after another."""
    offsets: NDArray[np.int64]
    """`[sequences + 1]`: where each sequence begins."""
    labels: NDArray[np.int32]
    """`[examples]` class numbers, `[tokens]` tag numbers with `IGNORED`, or empty."""
    items: Items
    sequences_per_example: int
    label_names: list[str]
    """Label of each number."""

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
        each = self.sequences_per_example
        spread: NDArray[np.int64] = (examples[:, None] * each + np.arange(each)).reshape(-1)
        return spread


def write(folder: Path, prepared: PreparedSet) -> None:
    """Write a prepared set into an existing folder."""
    prepared.ids.astype("<i4").tofile(folder / IDS_FILE)
    prepared.offsets.astype("<i8").tofile(folder / OFFSETS_FILE)
    prepared.labels.astype("<i4").tofile(folder / LABELS_FILE)
    items = prepared.items
    columns = {name: getattr(items, name) for name in Items.__dataclass_fields__}
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    pq.write_table(table, folder / ITEMS_FILE)
    shape = {
        "sequencesPerExample": prepared.sequences_per_example,
        "labelNames": prepared.label_names,
    }
    (folder / SHAPE_FILE).write_text(json.dumps(shape, sort_keys=True, ensure_ascii=False))


def read(paths: dict[str, Path]) -> PreparedSet:
    """A prepared set from local copies of its files, by file name."""
    shape = json.loads(paths[SHAPE_FILE].read_text())
    columns = pq.read_table(paths[ITEMS_FILE]).to_pydict()
    return PreparedSet(
        ids=_map(paths[IDS_FILE], "<i4"),
        offsets=_map(paths[OFFSETS_FILE], "<i8"),
        labels=_map(paths[LABELS_FILE], "<i4"),
        items=Items(**columns),
        sequences_per_example=shape["sequencesPerExample"],
        label_names=shape["labelNames"],
    )


def join(sets: Sequence[PreparedSet]) -> PreparedSet:
    """Several sets of one task as one, in the order given (training in several languages)."""
    if len(sets) == 1:
        return sets[0]
    shifts = np.cumsum([0, *(each.offsets[-1] for each in sets[:-1])])
    parts = [each.offsets[:-1] + shift for each, shift in zip(sets, shifts, strict=True)]
    end = [sum(int(each.offsets[-1]) for each in sets)]
    return PreparedSet(
        ids=np.concatenate([each.ids for each in sets]),
        offsets=np.concatenate([*parts, end]).astype(np.int64),
        labels=np.concatenate([each.labels for each in sets]),
        items=Items(
            *(
                [value for each in sets for value in getattr(each.items, name)]
                for name in Items.__dataclass_fields__
            )
        ),
        sequences_per_example=sets[0].sequences_per_example,
        label_names=sets[0].label_names,
    )


def _map(path: Path, kind: str) -> NDArray[Any]:
    if path.stat().st_size == 0:  # an empty file cannot be mapped
        return np.empty(0, kind)
    return np.memmap(path, kind, mode="r")
