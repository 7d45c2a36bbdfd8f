"""Dropout on a CPU: masks drawn four at a time.

torch draws one number for each value that it may drop; once matrix products are fast, that is a
fifth of training a small encoder. Here one draw of 64 bits decides on four values. The draws are
of torch's own generator, so what seeds it seeds these. Called by `encoders` and `attention`.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

LEVELS = 1 << 16
"""A probability is rounded to so many parts; what is kept is scaled by the rounded one."""


class Dropout(nn.Dropout):
    """Dropout as that of torch, by `dropped` on a CPU."""

    def forward(self, values: Tensor) -> Tensor:
        """The values, some of them zero while training."""
        if not self.training or values.device.type != "cpu":
            return super().forward(values)
        return dropped(values, self.p)


def use_fast_dropout(model: nn.Module) -> None:
    """Have every dropout of a model computed by `Dropout`."""
    for module in model.modules():
        if type(module) is nn.Dropout:
            module.__class__ = Dropout


def dropped(values: Tensor, dropout: float) -> Tensor:
    """The values, each zero with this probability, else scaled up by as much as that loses."""
    level = round(dropout * LEVELS)
    if level in {0, LEVELS}:
        return values if level == 0 else values * 0
    return cast("Tensor", _Dropped.apply(values, level))


def drawn(shape: torch.Size, level: int) -> Tensor:
    """Which values are kept, as 0 and 1 of int16; `level` of `LEVELS` are not, in the mean."""
    count = shape.numel()
    bits = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(1 << 63), None)
    # In place, since a comparison that yields int16 is many times as fast as one that yields bool.
    return bits.view(torch.int16)[:count].ge_(level - LEVELS // 2).view(shape)


class _Dropped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, level: int) -> Tensor:
        kept = drawn(values.shape, level)
        ctx.save_for_backward(kept)
        ctx.scale = LEVELS / (LEVELS - level)
        return (values * kept).mul_(ctx.scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (kept,) = ctx.saved_tensors
        return (gradient * kept).mul_(ctx.scale), None
