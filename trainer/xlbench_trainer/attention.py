"""Attention over packs: one function that unmodified `transformers` models call for each layer.

A pack is `[1, tokens]` to the model, and everything in it but attention works token by token.
`transformers` hands the layout through to here. Three backends: grouped calls of torch's own
attention anywhere, `thinned` where there is dropout on a CPU, one variable-length flash call on an
accelerator in half precision.
"""

from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface

from xlbench_trainer.dropping import LEVELS
from xlbench_trainer.layouts import Layout
from xlbench_trainer.thinned import Thinned, Thinning

PACKED = "xlbench_packed"
"""Name under which `transformers` finds the function; it makes no masks for a name that it has no
mask function of, and so none for this."""

HALF = (torch.bfloat16, torch.float16)


class Call(NamedTuple):
    """What attention is asked for beside queries, keys and values."""

    layout: Layout
    dropout: float
    scale: float | None
    window: int | None
    """A token sees those nearer than this; None: all of its sequence."""
    causal: bool
    """Whether a token sees itself and those before it only (decoders that serve as encoders)."""


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    layout: Layout,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """Attention of each sequence of a pack over itself; the signature is that of transformers.

    `query`: `[1, heads, tokens, width]`; `key` and `value` may have fewer heads. Returns
    `[1, tokens, heads, width]`.

    Raises: `ValueError` if there is a mask: a pack has none but its layout's.
    """
    if attention_mask is not None:
        raise ValueError(f"{type(module).__name__}: attention_mask is set, but a pack has no mask")
    shared = query.shape[1] // key.shape[1]
    if shared > 1:
        key, value = (each.repeat_interleave(shared, dim=1) for each in (key, value))
    causal = bool(getattr(module, "is_causal", False))
    call = Call(layout, dropout, scaling, sliding_window, causal)
    attend = _backend(query, dropout)
    found = attend(*(each[0].transpose(0, 1) for each in (query, key, value)), call=call)
    return found[None], None


def _backend(query: Tensor, dropout: float) -> Callable[..., Tensor]:
    if query.is_cuda:
        return flash if query.dtype in HALF else grouped
    return thinned if 0 < round(dropout * LEVELS) < LEVELS else grouped


def thinned(query: Tensor, key: Tensor, value: Tensor, *, call: Call) -> Tensor:
    """The same as `grouped` on a CPU, where it drops something."""
    scale = query.shape[-1] ** -0.5 if call.scale is None else call.scale
    level = round(call.dropout * LEVELS)
    how = Thinning(call.layout, level, scale, call.window, call.causal)
    return cast("Tensor", Thinned.apply(query, key, value, how))


def grouped(query: Tensor, key: Tensor, value: Tensor, *, call: Call) -> Tensor:
    """Each group of neighbours padded for itself; everything is `[tokens, heads, width]`."""
    sizes = [group.tokens for group in call.layout.groups]
    # Splitting, not slicing: the gradient of a slice is zeros of the whole tensor for each group.
    parts = zip(query.split(sizes), key.split(sizes), value.split(sizes), strict=True)
    return torch.cat([_one_group(number, *part, call) for number, part in enumerate(parts)])


def _one_group(number: int, query: Tensor, key: Tensor, value: Tensor, call: Call) -> Tensor:
    group = call.layout.groups[number]
    found = functional.scaled_dot_product_attention(
        group.spread(query).transpose(1, 2),
        group.spread(key).transpose(1, 2),
        group.spread(value).transpose(1, 2),
        attn_mask=call.layout.mask(number, call.window, causal=call.causal),
        dropout_p=call.dropout,
        scale=call.scale,
    )
    return group.joined(found.transpose(1, 2))


def flash(query: Tensor, key: Tensor, value: Tensor, *, call: Call) -> Tensor:
    """All sequences in one call of torch's flash kernel, dropout included.

    The operator beneath `torch.nn.attention.varlen`, which fixes dropout at 0. Its gradient is
    not deterministic. CUDA and half precision only.
    """
    reach = -1 if call.window is None else call.window - 1
    starts, longest = call.layout.starts, call.layout.sizes[0]
    found: Tensor = torch.ops.aten._flash_attention_forward(  # noqa: SLF001 - see above
        query,
        key,
        value,
        starts,
        starts,
        longest,
        longest,
        call.dropout,
        call.causal,
        False,  # noqa: FBT003 - no debug mask
        scale=call.scale,
        window_size_left=reach,
        window_size_right=0 if call.causal else reach,
    )[0]
    return found


AttentionInterface.register(PACKED, packed_attention)
