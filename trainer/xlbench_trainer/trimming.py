"""Trimming: a phase trains only the token embeddings that it can read.

A row that no text of the phase holds gets no gradient, and of AdamW only its weight decay. So the
phase trains a table of the rows that it reads, which is exact, and what became of the others is
put in when it ends. Off where a phase predicts words (MLM): its softmax moves every row.

Used by the recipe `train`; nothing trimmed is ever stored.
"""

import ctypes
import mmap
import sys
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xlbench_trainer.encoders import Encoder
from xlbench_trainer.tokens import PreparedSet

CHUNK_ROWS = 256
"""Rows that decay together: so many of them stay in a core's cache."""
PAGEOUT = 21
"""Linux's MADV_PAGEOUT: let go of these pages, which come back when they are read."""
ROWS = "|rows"
"""Suffix of the tensor that says which rows the stored moments of a trimmed table are of."""


class TrimmedVocabulary:
    """The token embeddings of an encoder, cut down to some rows until they are put back."""

    def __init__(
        self, encoder: Encoder, sets: Iterable[PreparedSet], carried: Mapping[str, Tensor]
    ) -> None:
        """Put a table of the rows that these sets hold into the encoder.

        `carried`: the state of an optimiser that goes on; rows that it still moves are held too.
        """
        self._embedding = _embedding(encoder)
        self._whole = self._embedding.weight
        self._padding = self._embedding.padding_idx
        names = {id(each): name for name, each in encoder.model.named_parameters()}
        self._name = f"encoder.{names[id(self._whole)]}"
        self.rows = np.flatnonzero(_read(encoder, sets) | self._moving(carried))
        self.numbers = np.zeros(len(self._whole), np.int64)
        """`[vocabulary]`: the row of the table that each token id has; 0 for those it lacks."""
        self.numbers[self.rows] = np.arange(len(self.rows))
        table = self._whole.detach()[self._index]
        set_aside(self._whole)
        self._embedding.weight = nn.Parameter(table, requires_grad=self._whole.requires_grad)
        if self._padding is not None:
            self._embedding.padding_idx = int(self.numbers[self._padding])

    @property
    def _index(self) -> Tensor:
        return torch.from_numpy(self.rows).to(self._whole.device)

    def _moving(self, carried: Mapping[str, Tensor]) -> NDArray[np.bool_]:
        """Rows that a carried optimiser moves even without a gradient."""
        moving = np.zeros(len(self._whole), np.bool_)
        rows = carried.get(self._name + ROWS, torch.arange(len(moving))).numpy()
        for key in self._moments(carried):
            moving[rows] |= (carried[key] != 0).any(dim=1).numpy()
        return moving

    def _moments(self, tensors: Mapping[str, Tensor]) -> list[str]:
        """Names of the table's moments among an optimiser's tensors; its counter is none."""
        found = [key for key in tensors if key.startswith(f"{self._name}|")]
        return [key for key in found if tensors[key].dim() > 1]

    def index(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What goes beside the optimiser's tensors to say which rows its moments are of."""
        return {self._name + ROWS: torch.from_numpy(self.rows)} if self._moments(tensors) else {}

    def fitted(self, carried: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """An optimiser's tensors, those of the table for the rows that it has."""
        whole = widened(carried, len(self._whole))
        return {**whole, **{key: whole[key][self.rows] for key in self._moments(whole)}}

    def put_back(self, factors: Sequence[float]) -> None:
        """Put the whole table back, with what was trained of it and what decayed of the rest.

        `factors`: what weight decay multiplied every row by, update by update. They are applied
        one by one, as an untrimmed phase would have: a product of them has other last bits.
        """
        with torch.no_grad():
            others = np.ones(len(self._whole), np.bool_)
            others[self.rows] = False
            if any(factor != 1.0 for factor in factors):
                _decay(self._whole, np.flatnonzero(others), factors)
            self._whole[self._index] = self._embedding.weight.detach()
        self.undo()

    def undo(self) -> None:
        """Put the whole table back as it was."""
        self._embedding.weight = self._whole
        self._embedding.padding_idx = self._padding


def widened(tensors: Mapping[str, Tensor], size: int) -> dict[str, Tensor]:
    """An optimiser's tensors, those of a trimmed table for all `size` rows."""
    found = {key: each for key, each in tensors.items() if not key.endswith(ROWS)}
    for index in tensors.keys() - found.keys():
        name = index.removesuffix(ROWS)
        for key, each in list(found.items()):
            if key.startswith(f"{name}|") and each.dim() > 1:
                found[key] = each.new_zeros(size, each.shape[1])
                found[key][tensors[index]] = each
    return found


def set_aside(table: Tensor) -> None:
    """Let the memory of a table go for now: of a snapshot's, which is mapped, nothing is lost.

    Pages that differ from their file stay, or go where the machine swaps. An advice: a system that
    does not take it keeps the table in memory.
    """
    if sys.platform == "linux" and table.device.type == "cpu":
        start = -(-table.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
        size = max(0, table.data_ptr() + table.nbytes - start)
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), PAGEOUT)


def _read(encoder: Encoder, sets: Iterable[PreparedSet]) -> NDArray[np.bool_]:
    """`[vocabulary]`: whether some sets or the special tokens hold a token id."""
    read = np.zeros(encoder.vocabulary.shape[0], np.bool_)
    read[[encoder.pad, encoder.unknown, *encoder.specials.tolist()]] = True
    for each in sets:
        read[each.ids] = True
    return read


def _embedding(encoder: Encoder) -> nn.Embedding:
    found = encoder.model.get_input_embeddings()
    if not isinstance(found, nn.Embedding):
        raise TypeError(f"token embeddings are a {type(found).__name__}: must be an Embedding")
    return found


def _decay(table: Tensor, rows: NDArray[np.int64], factors: Sequence[float]) -> None:
    for start in range(0, len(rows), CHUNK_ROWS):
        some = torch.from_numpy(rows[start : start + CHUNK_ROWS]).to(table.device)
        values = table[some]
        for factor in factors:
            values.mul_(factor)
        table[some] = values
