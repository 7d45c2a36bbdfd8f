"""Outputs of frozen lower layers: computed once per text, kept as a memory map.

A frozen layer runs in eval mode, so its outputs never change; keeping them is exact. What is asked
for together, a whole set or all that a dose draws of it, is computed together and in one fixed
order, so the kept values depend on that alone, not on who asked first or on what was interrupted.
"""

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from xlbench_specs.documents import digest

from xlbench_trainer.encoders import Encoder, embed, run_layers
from xlbench_trainer.packing import PACK_TOKENS, Packer, Source, divided, source_of
from xlbench_trainer.tokens import PreparedSet, ranges

KEPT_BYTES = 2 * 1024**3
"""Outputs that are larger together are computed anew for each batch. Part of the recipe: it decides
with which neighbours a text is computed, and so the last bits of its features."""

RECIPE = 4
"""Raised by hand when other values would be kept: a folder of them outlives its writer."""

YOUNG_S = 600.0
"""What was used within this time is not dropped to make room: the models of a file take turns with
it. What two processes compute within it is how far `scratch_bytes` can be overrun."""

SPARE_BYTES = 2 * 1024**3
"""So much stays free on the disk, whatever is young."""

WAIT_S = 900.0
"""Who has waited so long for another process to compute the same does it too: that harms nothing.
"""
POLL_S = 0.1


def frozen_outputs(
    encoder: Encoder,
    depth: int,
    prepared: PreparedSet,
    chosen: NDArray[np.int64] | None = None,
    *,
    encoder_key: str,
    data_keys: Sequence[str],
    scratch: Path,
    scratch_bytes: int,
) -> Source | None:
    """Outputs `[tokens, hidden]` after `depth` layers, mapped; None if they are too large to keep.

    `chosen`: numbers of the sequences, ascending, that will be asked for; None for the whole set.
    The others have no tokens in what is returned. `data_keys`: what the set was joined from.
    """
    offsets = prepared.offsets
    everything = np.arange(len(prepared.lengths))
    if chosen is None or len(chosen) == len(everything):
        chosen = everything
    else:
        held = np.zeros(len(everything), np.int64)
        held[chosen] = prepared.lengths[chosen]
        offsets = np.concatenate([[0], np.cumsum(held)])
    shape = (int(offsets[-1]), encoder.hidden)
    size = shape[0] * encoder.hidden * 4
    if size > KEPT_BYTES:
        return None
    facts = {
        "encoder": encoder_key,
        "data": list(data_keys),
        "chosen": digest(chosen.tolist()),
        "threads": torch.get_num_threads(),  # the last bits of a sum depend on how it is split
        "recipe": RECIPE,
    }
    path = scratch / f"frozen-{digest(facts)}-{depth:03d}.f32"
    while True:
        try:
            os.utime(path)
            return Source(np.memmap(path, "<f4", mode="r", shape=shape), offsets)
        except FileNotFoundError:  # not there yet, or dropped by another process just now
            scratch.mkdir(parents=True, exist_ok=True)
            with _alone(path):
                if not path.exists():
                    _make_room(scratch, size, scratch_bytes)
                    _write(path, encoder, depth, prepared, offsets)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """While no other process computes the same file, or after `WAIT_S`."""
    deadline = time.monotonic() + WAIT_S
    with path.with_suffix(".lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(POLL_S)
                    continue
            break
        yield


def _write(
    path: Path, encoder: Encoder, depth: int, prepared: PreparedSet, offsets: NDArray[np.int64]
) -> None:
    """Compute and write the outputs on the sequences that `offsets` has tokens of."""
    partial = path.with_name(f"partial-{uuid.uuid4().hex}")
    shape = (int(offsets[-1]), encoder.hidden)
    outputs = np.memmap(partial, "<f4", mode="w+", shape=shape)
    below, kept = _deepest(path, shape)
    encoder.model.eval()
    source = source_of(prepared, None if kept is None else Source(kept, offsets))
    packer = Packer(encoder.device, encoder.separator)
    chosen = np.flatnonzero(np.diff(offsets))
    with torch.no_grad():
        for places in divided(prepared.lengths[chosen], np.arange(len(chosen)), PACK_TOKENS):
            sequences = chosen[places]
            pack = packer.pack([source], np.zeros_like(sequences), sequences)
            hidden = pack.inputs if pack.kept else embed(encoder, pack)
            hidden = run_layers(encoder, hidden, pack, range(below, depth))
            outputs[ranges(offsets[sequences], offsets[sequences + 1])] = hidden.cpu().numpy()
    outputs.flush()
    partial.replace(path)


def _deepest(path: Path, shape: tuple[int, int]) -> tuple[int, NDArray[np.float32] | None]:
    """The deepest layer below that of `path` whose outputs on this set are kept, and them.

    Going on from them is exact: packs are the same.
    """
    name, _, depth = path.stem.rpartition("-")
    for shallower in range(int(depth) - 1, 0, -1):
        with suppress(FileNotFoundError):
            below = path.with_name(f"{name}-{shallower:03d}.f32")
            return shallower, np.memmap(below, "<f4", mode="r", shape=shape)
    return 0, None


def _make_room(scratch: Path, size: int, bound: int) -> None:
    """Drop the files that were used longest ago until `size` more bytes fit into the bound.

    Young ones stay beyond it while the disk has room: a memory map on a full one kills its writer.
    Files that a killed process left half written go too, once they are old.
    """
    files = sorted(_sizes(scratch))
    over = sum(each for _, each, _ in files) + size - bound
    short = size + SPARE_BYTES - shutil.disk_usage(scratch).free
    for used, each, path in files:
        young = used > time.time() - YOUNG_S
        if short <= 0 and (over <= 0 or young):
            return
        if young and path.suffix != ".f32":  # another process writes it, or waits for it
            continue
        over, short = over - each, short - each
        path.unlink(missing_ok=True)


def _sizes(scratch: Path) -> Iterator[tuple[float, int, Path]]:
    """When each file was last used, its size and path; another process may drop one meanwhile."""
    for pattern in ("frozen-*.f32", "frozen-*.lock", "partial-*"):
        for path in scratch.glob(pattern):
            with suppress(FileNotFoundError):
                found = path.stat()
                yield found.st_mtime, found.st_size, path
