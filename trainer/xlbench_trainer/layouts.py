"""Layouts: where the sequences of a pack lie, and which of them attention takes together.

A pack is some sequences one after another without padding, longest first. Attention is the one
part of a transformer that must know where each begins: neighbours of about equal length form a
group, which is padded for the attention alone. Made by `packing`, read by `attention`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

GROUP_RATIO = 1.3
"""Sequences whose lengths are within this factor of each other share an attention call."""


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbours in a pack, as `[rows, longest]` for one attention call."""

    tokens: int
    rows: int
    longest: int
    places: Tensor | None
    """`[rows * longest]`: the token of the group at each place, 0 where padding is; None if all
    rows are equally long, so that there is no padding."""
    real: Tensor | None
    """`[rows, longest]`: whether a place holds a token."""
    back: Tensor | None
    """`[tokens]`: the place of each token."""

    def spread(self, values: Tensor) -> Tensor:
        """`[rows, longest, ...]` of `[tokens, ...]`; what stands in padding is any token's."""
        found = values if self.places is None else values.index_select(0, self.places)
        return found.reshape(self.rows, self.longest, *values.shape[1:])

    def joined(self, values: Tensor) -> Tensor:
        """`[tokens, ...]` of `[rows, longest, ...]`: `spread` undone."""
        found = values.reshape(-1, *values.shape[2:])
        return found if self.back is None else found.index_select(0, self.back)

    def by_head(self, heads: int) -> tuple[Tensor, Tensor]:
        """The numbers that `Layout.by_head` keeps; on a CPU."""
        head = torch.arange(heads)
        tokens = self.spread(torch.arange(self.tokens))
        places = self.joined(torch.arange(self.rows * self.longest).view(self.rows, self.longest))
        row, column = places // self.longest, places % self.longest
        there = tokens[:, None, :] * heads + head[:, None]
        back = (row[:, None] * heads + head) * self.longest + column[:, None]
        return there.reshape(-1), back.reshape(-1)

    def padded(self, values: Tensor, filling: int) -> Tensor:
        """`[rows, longest]` of `[tokens]`, with `filling` in the padding."""
        found = self.spread(values)
        return found if self.real is None else found.masked_fill(~self.real, filling)


@dataclass(frozen=True, slots=True)
class Layout:
    """The sequences of one pack."""

    sizes: tuple[int, ...]
    """Lengths of the sequences, none shorter than the next."""
    lengths: Tensor
    """The same, `[sequences]` on the device."""
    starts: Tensor
    """`[sequences + 1]` int32: where each begins."""
    positions: Tensor
    """`[tokens]`: position of each token in its sequence, from 0."""
    groups: tuple[Group, ...]
    _masks: dict[tuple[int, int | None, bool], Tensor | None] = field(default_factory=dict)
    _biases: dict[tuple[int, int | None, bool], Tensor | None] = field(default_factory=dict)
    _by_head: dict[tuple[int, int], tuple[Tensor, Tensor]] = field(default_factory=dict)

    def mask(self, number: int, window: int | None, *, causal: bool) -> Tensor | None:
        """What may see what in a group: `[rows or 1, 1, longest or 1, longest]`; None for all.

        `window`: a token sees those nearer than this; None: all of its sequence. Kept, since the
        layers of a model ask for the same one or two.
        """
        key = (number, window, causal)
        if key not in self._masks:
            columns = torch.arange(self.groups[number].longest, device=self.lengths.device)
            self._masks[key] = _mask(self.groups[number].real, columns, window, causal=causal)
        return self._masks[key]

    def bias(
        self, number: int, window: int | None, *, causal: bool, dtype: torch.dtype
    ) -> Tensor | None:
        """The same as numbers to add to scores: 0, or so low that nothing is left of a weight.

        Not minus infinity: a place of padding that sees nothing would have no weights at all.
        """
        key = (number, window, causal)
        if key not in self._biases:
            mask = self.mask(number, window, causal=causal)
            lowest = torch.finfo(dtype).min / 2
            self._biases[key] = None if mask is None else (~mask).to(dtype).mul_(lowest)
        return self._biases[key]

    def by_head(self, number: int, heads: int) -> tuple[Tensor, Tensor]:
        """Where the values of a group lie, one head after another, and back.

        `[rows * heads * longest]`: the number among `[tokens * heads]` at each place of
        `[rows, heads, longest]`; and `[tokens * heads]`: the place of each.
        """
        key = (number, heads)
        if key not in self._by_head:
            self._by_head[key] = self.groups[number].by_head(heads)
        return self._by_head[key]


def layout(sizes: Sequence[int], device: torch.device, ratio: float = GROUP_RATIO) -> Layout:
    """The layout of sequences of these lengths, none shorter than the next."""
    lengths = np.asarray(sizes, np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    positions = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
    return Layout(
        sizes=tuple(lengths.tolist()),
        lengths=sent(lengths, device),
        starts=sent(starts.astype(np.int32), device),
        positions=sent(positions, device),
        groups=tuple(_group(part, device) for part in _neighbours(lengths, ratio)),
    )


def sent(
    array: NDArray[np.int64 | np.int32 | np.float32 | np.bool_], device: torch.device
) -> Tensor:
    """The array on the device, without waiting for a copy to an accelerator to end."""
    tensor = torch.from_numpy(array)
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)


def _neighbours(lengths: NDArray[np.int64], ratio: float) -> Iterator[NDArray[np.int64]]:
    first = 0
    for place, length in enumerate(lengths):
        if lengths[first] > ratio * length:
            yield lengths[first:place]
            first = place
    yield lengths[first:]


def _group(lengths: NDArray[np.int64], device: torch.device) -> Group:
    rows, longest, tokens = len(lengths), int(lengths[0]), int(lengths.sum())
    if lengths[-1] == longest:
        return Group(tokens, rows, longest, None, None, None)
    columns = np.arange(longest)[None, :]
    real = columns < lengths[:, None]
    places = np.where(real, (np.cumsum(lengths) - lengths)[:, None] + columns, 0).reshape(-1)
    back = np.flatnonzero(real.reshape(-1))
    return Group(
        tokens, rows, longest, sent(places, device), sent(real, device), sent(back, device)
    )


def _mask(
    real: Tensor | None, columns: Tensor, window: int | None, *, causal: bool
) -> Tensor | None:
    mask = None if real is None else real[:, None, None, :]
    if window is not None and window >= len(columns):
        window = None
    if not causal and window is None:
        return mask
    back = columns[:, None] - columns[None, :]
    seen = back >= 0 if causal else torch.ones_like(back, dtype=torch.bool)
    if window is not None:
        seen = seen & (back.abs() < window)
    return seen[None, None] if mask is None else mask & seen
