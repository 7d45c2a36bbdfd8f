"""Matrix products: the linear layers of an encoder, computed by oneDNN where that is faster.

Three quarters of training are matrix products. torch hands those in float32 to MKL, which on AMD
processors leaves AVX-512 unused; oneDNN, which is in every build of torch, uses it on any. On Intel
processors MKL uses it too, and is ready at once for products of a shape that is new. The layers and
their parameters stay those of unmodified `transformers` classes. Called by `encoders`.
"""

import os
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

CACHES = ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY")
"""Variables that bound what torch and oneDNN keep of shapes of products; both are read once."""
KEPT_SHAPES = 64
"""Several layers' worth; the default is 1,024. Packs differ in tokens, each shape takes up to
a megabyte, and to make one anew takes 0.4 ms (on Intel, where that is not used, 2 to 5)."""
CPU_FACTS = Path("/proc/cpuinfo")


class Linear(nn.Linear):
    """A linear layer whose products, forward and backward, are oneDNN's in float32 on a CPU."""

    def forward(self, values: Tensor) -> Tensor:
        """`[..., out_features]` of `[..., in_features]`."""
        if not _suits(values, self.weight):
            return super().forward(values)
        rows = values.reshape(-1, self.in_features)
        found = cast("Tensor", _Linear.apply(rows, self.weight, self.bias))
        return found.view(*values.shape[:-1], self.out_features)


def use_fast_products(model: nn.Module) -> None:
    """Have every linear layer of a model computed by `Linear`, where this processor gains by it."""
    if torch.backends.mkldnn.is_available() and _has_avx512_that_mkl_leaves_unused():
        for variable in CACHES:
            os.environ.setdefault(variable, str(KEPT_SHAPES))
        for module in model.modules():
            if type(module) is nn.Linear:
                module.__class__ = Linear


def _has_avx512_that_mkl_leaves_unused() -> bool:
    if torch.backends.cpu.get_cpu_capability() != "AVX512" or not CPU_FACTS.exists():
        return False
    return "AuthenticAMD" in CPU_FACTS.read_text()


def _suits(values: Tensor, weight: Tensor) -> bool:
    return (
        values.device.type == "cpu"
        and values.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and values.numel() > 0
    )


def _product(one: Tensor, other: Tensor, bias: Tensor | None = None) -> Tensor:
    """`one @ other.T + bias`, by the operator that torch's compiler calls for a linear layer."""
    found = torch.ops.mkldnn._linear_pointwise(one, other, bias, "none", [], "")  # noqa: SLF001
    return cast("Tensor", found)


class _Linear(torch.autograd.Function):
    """`values @ weight.T + bias`, of `[rows, in]`, `[out, in]` and `[out]`."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(values, weight)
        return _product(values, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        values, weight = ctx.saved_tensors
        of_values, of_weight, of_bias = ctx.needs_input_grad
        return (
            _product(gradient, weight.T) if of_values else None,
            _product(gradient.T, values.T) if of_weight else None,
            gradient.sum(0) if of_bias else None,
        )
