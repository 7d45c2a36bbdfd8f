"""Attention with dropout over packs on a CPU, forward and backward by hand.

torch's own has no fast kernel for dropout on a CPU: it goes step by step, copies each group of a
pack several times and draws one number for each weight. Here a group is copied once in and once
out, and masks are those of `dropping`. Called by `attention`.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from xlbench_trainer.dropping import LEVELS, drawn
from xlbench_trainer.layouts import Layout


class Thinning(NamedTuple):
    """How attention is to be taken."""

    layout: Layout
    level: int
    """Of `LEVELS` attention weights so many are dropped, in the mean."""
    scale: float
    window: int | None
    causal: bool


class Thinned(torch.autograd.Function):
    """Attention of each sequence of a pack over itself; all are `[tokens, heads, width]`."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, how: Thinning) -> Tensor:
        """`[tokens, heads, width]`: what is attended to."""
        found, saved = query.new_empty(query.shape), []
        for number, own in _slices(how.layout):
            one, other, said = (_apart(how, number, each[own]) for each in (query, key, value))
            weights = torch.bmm(one, other.transpose(1, 2)).mul_(how.scale)
            bias = how.layout.bias(number, how.window, causal=how.causal, dtype=weights.dtype)
            if bias is not None:
                _by_row(how, number, weights).add_(bias)
            weights = weights.softmax(-1)
            kept = drawn(weights.shape, how.level)
            _together(how, number, torch.bmm(_thin(weights, kept, how), said), found[own])
            saved += [one, other, said, weights, kept]
        ctx.save_for_backward(*saved)
        ctx.how = how
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """The gradients of queries, keys and values."""
        how, saved = ctx.how, ctx.saved_tensors
        gradient = gradient.contiguous()
        of_query, of_key, of_value = (gradient.new_empty(gradient.shape) for _ in range(3))
        for number, own in _slices(how.layout):
            one, other, said, weights, kept = saved[5 * number : 5 * number + 5]
            back = _apart(how, number, gradient[own])
            real = how.layout.groups[number].real
            if real is not None:  # what stands in padding is another token's
                _by_row(how, number, back).mul_(real[:, None, :, None])
            of_said = torch.bmm(_thin(weights, kept, how).transpose(1, 2), back)
            of_weights = _thin(torch.bmm(back, said.transpose(1, 2)), kept, how)
            of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)  # noqa: SLF001 - has no public name
            of_scores.mul_(how.scale)
            of_one, of_other = (
                torch.bmm(of_scores, other),
                torch.bmm(of_scores.transpose(1, 2), one),
            )
            _together(how, number, of_one, of_query[own])
            _together(how, number, of_other, of_key[own])
            _together(how, number, of_said, of_value[own])
        return of_query, of_key, of_value, None


def _slices(layout: Layout) -> Iterator[tuple[int, slice]]:
    """Number and tokens of each group."""
    start = 0
    for number, group in enumerate(layout.groups):
        yield number, slice(start, start + group.tokens)
        start += group.tokens


def _apart(how: Thinning, number: int, values: Tensor) -> Tensor:
    """`[rows * heads, longest, width]` of a group's `[tokens, heads, width]`."""
    group, (_, heads, width) = how.layout.groups[number], values.shape
    places, _ = how.layout.by_head(number, heads)
    found = values.reshape(-1, width).index_select(0, places)
    return found.view(group.rows * heads, group.longest, width)


def _together(how: Thinning, number: int, values: Tensor, found: Tensor) -> None:
    """`_apart` undone, into `found`."""
    _, heads, width = found.shape
    _, back = how.layout.by_head(number, heads)
    torch.index_select(values.view(-1, width), 0, back, out=found.view(-1, width))


def _by_row(how: Thinning, number: int, values: Tensor) -> Tensor:
    """`[rows, heads, ...]` of `[rows * heads, ...]`."""
    return values.view(how.layout.groups[number].rows, -1, *values.shape[1:])


def _thin(weights: Tensor, kept: Tensor, how: Thinning) -> Tensor:
    return (weights * kept).mul_(LEVELS / (LEVELS - how.level))
