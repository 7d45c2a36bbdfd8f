"""Checkpoints: what a phase needs to go on as if it had never stopped.

Tensors as safetensors, the rest as JSON, and last a file that names them with their checksums:
without it a checkpoint is not there. A new attempt goes on from the newest whole one of any.
"""

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load, save_file
from torch import Tensor
from xlbench_specs import drill, layout
from xlbench_specs.store import CorruptError, NotFoundError, Store, sha256_of

TENSORS_FILE, STATE_FILE, MARK_FILE = "tensors.safetensors", "state.json", "checkpoint.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a phase after so many updates."""

    update: int
    tensors: dict[str, Tensor]
    losses: list[float]
    best: tuple[float, int] | None
    """Best English dev score so far and its update, where that decides what is kept."""


class Checkpoints:
    """The checkpoints of one train stage, written under one attempt."""

    def __init__(self, store: Store, key: str, attempt: str) -> None:
        """Nothing is read or written yet."""
        self._store = store
        self._key = key
        self._attempt = attempt

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, then remove the whole ones of any attempt that are not newer.

        One that is being written is left alone: its attempt may be alive.
        """
        folder = layout.checkpoint(self._key, self._attempt, checkpoint.update)
        with tempfile.TemporaryDirectory(prefix="xlbench-") as scratch:
            tensors = Path(scratch) / TENSORS_FILE
            save_file(checkpoint.tensors, tensors)
            sha256 = sha256_of(tensors)
            self._store.upload(f"{folder}/{TENSORS_FILE}", tensors)
        state = {"losses": checkpoint.losses, "best": checkpoint.best}
        text = json.dumps(state).encode()
        self._store.put(f"{folder}/{STATE_FILE}", text)
        drill.point("checkpoint")
        files = {TENSORS_FILE: sha256, STATE_FILE: hashlib.sha256(text).hexdigest()}
        mark = {"update": checkpoint.update, "sha256": files}
        self._store.put(f"{folder}/{MARK_FILE}", json.dumps(mark).encode())
        for update, other in self._whole():
            if update <= checkpoint.update and other != folder:
                self._store.delete(other)

    def newest(self) -> Checkpoint | None:
        """The newest whole checkpoint of any attempt."""
        for _, folder in sorted(self._whole(), reverse=True):
            found = self._read(folder)
            if found is not None:
                return found
        return None

    def clear(self) -> None:
        """Remove the checkpoints of all attempts: the stage is done."""
        self._store.delete(layout.checkpoints(self._key))

    def _whole(self) -> list[tuple[int, str]]:
        """Update and folder of every checkpoint that has its mark."""
        paths = self._store.list(layout.checkpoints(self._key))
        folders = [path.removesuffix(f"/{MARK_FILE}") for path in paths if path.endswith(MARK_FILE)]
        return [(int(folder.rsplit("/", 1)[1]), folder) for folder in folders]

    def _read(self, folder: str) -> Checkpoint | None:
        try:
            mark = json.loads(self._store.read(f"{folder}/{MARK_FILE}").data)
            files = {name: self._store.read(f"{folder}/{name}").data for name in mark["sha256"]}
        except (NotFoundError, CorruptError, ValueError):
            # removed by an attempt that finished, or damaged, or cut short
            return None
        if any(hashlib.sha256(data).hexdigest() != mark["sha256"][n] for n, data in files.items()):
            return None
        state = json.loads(files[STATE_FILE])
        best = tuple(state["best"]) if state["best"] else None
        return Checkpoint(mark["update"], load(files[TENSORS_FILE]), state["losses"], best)
