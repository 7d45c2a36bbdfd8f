"""Dropout drawn four values at a time drops as often as asked, independently, and repeats."""

import pytest
import torch
from torch import nn
from xlbench_trainer.dropping import LEVELS, Dropout, drawn, dropped, use_fast_dropout

MANY = torch.Size((1000, 401))


def test_each_value_is_kept_as_often_as_asked_and_apart_from_its_neighbours():
    torch.manual_seed(0)
    kept = drawn(torch.Size((100_000, 4)), round(0.1 * LEVELS)).float()
    assert kept.unique().tolist() == [0.0, 1.0]
    assert kept.mean(0).tolist() == pytest.approx([0.9] * 4, abs=0.004)
    assert (torch.corrcoef(kept.T) - torch.eye(4)).abs().max() < 0.015


def test_what_is_kept_is_scaled_up_and_so_is_its_gradient():
    torch.manual_seed(0)
    values = torch.ones(MANY, requires_grad=True)
    found = dropped(values, 0.25)
    assert found.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert found.mean().item() == pytest.approx(1.0, abs=0.01)
    found.sum().backward()
    assert torch.equal(values.grad, found)


@pytest.mark.parametrize(("dropout", "expected"), [(0.0, 1.0), (1.0, 0.0)], ids=["none", "all"])
def test_nothing_and_everything_can_be_dropped(dropout, expected):
    assert dropped(torch.ones(5), dropout).tolist() == [expected] * 5


def test_a_seed_repeats_the_masks():
    found = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        found.append(drawn(MANY, LEVELS // 2))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_evaluation_drops_nothing():
    model = nn.Sequential(nn.Dropout(0.5), nn.AlphaDropout(0.5)).eval()
    use_fast_dropout(model)
    assert [type(each) for each in model] == [Dropout, nn.AlphaDropout]
    assert model(torch.ones(9)).tolist() == [1.0] * 9
