"""Attention with dropout by hand is torch's own with the same masks, gradients included."""

import pytest
import torch
from torch.nn import functional
from xlbench_trainer.dropping import LEVELS
from xlbench_trainer.layouts import layout
from xlbench_trainer.thinned import Thinned, Thinning

HEADS, WIDTH = 2, 4
SIZES = {
    "one sequence": [3],
    "equally long ones": [4, 4, 4],
    "padding in groups": [6, 5, 5, 2, 1, 1],
}
SEEN = {"everything": (None, False), "a window": (2, False), "what came before": (None, True)}


def drawn_values(sizes):
    torch.manual_seed(0)
    return torch.randn(3, sum(sizes), HEADS, WIDTH, dtype=torch.float64, requires_grad=True)


def thinning(sizes, window, *, causal, level=0):
    return Thinning(layout(sizes, torch.device("cpu")), level, 0.5, window, causal)


def one_by_one(values, sizes, window, *, causal):
    """Each sequence alone, by torch's own."""
    found = []
    for part in values.split(sizes, dim=1):
        back = torch.arange(part.shape[1])[:, None] - torch.arange(part.shape[1])[None]
        seen = back >= (0 if causal else -len(back))
        if window is not None:
            seen = seen & (back.abs() < window)
        said = functional.scaled_dot_product_attention(
            *part.transpose(1, 2), attn_mask=seen, scale=0.5
        )
        found.append(said.transpose(0, 1))
    return torch.cat(found)


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize(("window", "causal"), SEEN.values(), ids=SEEN)
def test_nothing_dropped_is_plain_attention(sizes, window, causal):
    values = drawn_values(sizes)
    pull = torch.randn(sum(sizes), HEADS, WIDTH, dtype=torch.float64)
    ours = Thinned.apply(*values, thinning(sizes, window, causal=causal))
    theirs = one_by_one(values, sizes, window, causal=causal)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(each, values, pull)[0] for each in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_gradients_are_those_of_what_was_kept(sizes):
    how = thinning(sizes, None, causal=False, level=LEVELS // 3)

    def attended(*values):
        torch.manual_seed(1)
        return Thinned.apply(*values, how)

    values = [each.detach().requires_grad_() for each in drawn_values(sizes)]
    assert torch.autograd.gradcheck(attended, values)


def test_weights_are_dropped_as_often_as_asked_and_scaled_up():
    sizes = [2] * 20_000
    values = torch.zeros(3, sum(sizes), 1, 1)
    values[2] = 1.0
    found = Thinned.apply(*values, thinning(sizes, None, causal=False, level=LEVELS // 4))
    halves = 2 * found.flatten() * 3 / 4  # how many of two weights were kept
    shares = [(halves.round() == kept).float().mean().item() for kept in (0, 1, 2)]
    assert shares == pytest.approx([1 / 16, 6 / 16, 9 / 16], abs=0.01)
