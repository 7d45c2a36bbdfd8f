"""Packing: sequences of prepared sets as packs, which hold real tokens and nothing else.

What is asked for together is sorted by length and cut into packs of so many tokens; sequences that
a loss couples (the options of a multiple choice) stay together. Called by `feeding`, `predicting`
and `frozen`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xlbench_trainer.layouts import Layout, layout, sent
from xlbench_trainer.tokens import PreparedSet, ranges

PACK_TOKENS = 4096
"""Tokens of a pack, training and evaluation alike. Part of the recipe: a sum's last bits depend on
what is summed together."""


class Source(NamedTuple):
    """Where the tokens of some sequences are."""

    tokens: NDArray[np.int32] | NDArray[np.float32]
    """`[tokens]` token ids, or `[tokens, hidden]` kept outputs of frozen layers."""
    offsets: NDArray[np.int64]
    """`[sequences + 1]`: where each sequence begins."""
    languages: NDArray[np.int32] | None = None
    """`[sequences]`: number of each one's language, where the model is told it."""


@dataclass(frozen=True, slots=True)
class Pack:
    """Sequences one after another, longest first, on the device."""

    layout: Layout
    inputs: Tensor
    """`[tokens]` token ids, or `[tokens, hidden]` kept outputs of frozen layers."""
    seconds: Tensor | None
    """`[tokens]`: 1 in the second text of a pair, where the model tells the two apart."""
    languages: Tensor | None = None
    """`[tokens]`: number of each one's language, where the model is told it."""

    @property
    def kept(self) -> bool:
        """Whether it holds outputs of frozen layers."""
        return self.inputs.dim() > 1


@dataclass(frozen=True, slots=True)
class Packer:
    """Makes packs for one encoder."""

    device: torch.device
    separator: int | None
    """Token after which a second text begins; None if the model does not tell."""
    numbers: NDArray[np.int64] | None = None
    """Number of each token id among the embeddings that are left; None if all are."""

    def pack(
        self, sources: Sequence[Source], owners: NDArray[np.int64], sequences: NDArray[np.int64]
    ) -> Pack:
        """A pack of some sequences, none shorter than the next, each of the source it is owned by.

        All sources hold token ids, or all hold kept outputs.
        """
        starts, stops = np.empty_like(sequences), np.empty_like(sequences)
        for owner, source in enumerate(sources):
            mine = owners == owner
            starts[mine] = source.offsets[sequences[mine]]
            stops[mine] = source.offsets[sequences[mine] + 1]
        sizes = stops - starts
        gathered = _gathered(sources, np.repeat(owners, sizes), ranges(starts, stops))
        found = layout(sizes.tolist(), self.device)
        if gathered.ndim > 1:
            return Pack(found, sent(gathered, self.device), None)
        ids = gathered.astype(np.int64)
        seconds = None if self.separator is None else self._seconds(ids, sizes)
        if self.numbers is not None:
            ids = self.numbers[ids]
        languages = _languages(sources, owners, sequences)
        told = None if languages is None else sent(np.repeat(languages, sizes), self.device)
        return Pack(found, sent(ids, self.device), seconds, told)

    def _seconds(self, ids: NDArray[np.int64], sizes: NDArray[np.int64]) -> Tensor:
        ends = np.cumsum(ids == self.separator)  # separators so far, in the whole pack
        before = np.concatenate([[0], ends])[:-1]
        firsts = np.cumsum(sizes) - sizes
        own = before - np.repeat(before[firsts], sizes)
        return sent((own > 0).astype(np.int64), self.device)


def _gathered(
    sources: Sequence[Source], owned: NDArray[np.int64], places: NDArray[np.int64]
) -> NDArray[np.int32] | NDArray[np.float32]:
    """The tokens at some places, each of the source it is owned by."""
    first = sources[0].tokens
    found = np.empty((len(places), *first.shape[1:]), first.dtype)
    for owner, source in enumerate(sources):
        mine = slice(None) if len(sources) == 1 else owned == owner
        found[mine] = source.tokens[places[mine]]
    return found


def _languages(
    sources: Sequence[Source], owners: NDArray[np.int64], sequences: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """`[sequences]`: number of each one's language; None if the sources say none."""
    if sources[0].languages is None:
        return None
    found = np.empty_like(sequences)
    for owner, source in enumerate(sources):
        if source.languages is not None:
            found[owners == owner] = source.languages[sequences[owners == owner]]
    return found


def divided(
    sizes: NDArray[np.int64], units: NDArray[np.int64], tokens: int
) -> Iterator[NDArray[np.int64]]:
    """Sequences of these lengths in packs of at most so many tokens; their numbers, longest first.

    Sequences of one unit, numbered from 0, stay together; a unit that alone is longer has a pack
    of its own.
    """
    longest = np.zeros(int(units.max()) + 1, np.int64) if len(units) else np.zeros(0, np.int64)
    np.maximum.at(longest, units, sizes)
    weights = np.bincount(units, sizes, len(longest)).astype(np.int64)
    rank = np.empty_like(longest)
    rank[np.argsort(-longest, kind="stable")] = np.arange(len(longest))
    order = np.argsort(rank[units], kind="stable")
    packs = _filled(weights[np.argsort(rank)], tokens)[rank[units[order]]]
    for chosen in np.split(order, np.flatnonzero(np.diff(packs)) + 1):
        if len(chosen):
            yield chosen[np.argsort(-sizes[chosen], kind="stable")]


def _filled(weights: NDArray[np.int64], tokens: int) -> NDArray[np.int64]:
    """The pack of each unit, filled one after another."""
    packs = np.zeros(len(weights), np.int64)
    number, held = 0, 0
    for unit, weight in enumerate(weights.tolist()):
        if held and held + weight > tokens:
            number, held = number + 1, 0
        packs[unit] = number
        held += weight
    return packs


def source_of(prepared: PreparedSet, kept: Source | None) -> Source:
    """A prepared set as a source: its token ids, or what was kept of frozen layers."""
    return Source(prepared.ids, prepared.offsets, prepared.languages) if kept is None else kept
