"""oneDNN's linear layers say what torch's own say, and stand back where they do not apply."""

import copy
import subprocess
import sys

import pytest
import torch
from torch import nn
from xlbench_trainer import products
from xlbench_trainer.products import Linear, use_fast_products

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


def both(*, bias=True):
    """A linear layer of torch's, and the same computed by ours."""
    torch.manual_seed(0)
    usual = nn.Linear(64, 48, bias=bias)
    fast = copy.deepcopy(usual)
    fast.__class__ = Linear
    return usual, fast


@pytest.fixture
def processor(monkeypatch, tmp_path):
    """Makes this processor another; oneDNN itself runs on any."""

    def become(vendor, capability):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
        facts = tmp_path / "cpuinfo"
        if vendor:
            facts.write_text(f"processor\t: 0\nvendor_id\t: {vendor}\n")
        monkeypatch.setattr(products, "CPU_FACTS", facts)

    return become


@pytest.mark.parametrize("shape", [(7, 64), (1, 7, 64), (2, 3, 64)], ids=str)
@pytest.mark.parametrize("bias", [True, False], ids=["with a bias", "without"])
def test_values_and_gradients_are_those_of_torch(shape, bias):
    found = []
    values = torch.randn(shape)
    for layer in both(bias=bias):
        own = values.clone().requires_grad_()
        said = layer(own)
        said.square().sum().backward()
        found.append([said.detach(), own.grad, *(each.grad for each in layer.parameters())])
    for usual, fast in zip(*found, strict=True):
        torch.testing.assert_close(fast, usual, **TOLERANCE)


def test_what_is_frozen_gets_no_gradient():
    _, layer = both()
    layer.requires_grad_(requires_grad=False)
    values = torch.randn(5, 64, requires_grad=True)
    layer(values).sum().backward()
    assert values.grad is not None
    assert [each.grad for each in layer.parameters()] == [None, None]


def test_no_row_is_no_error():
    _, layer = both()
    assert layer(torch.empty(0, 64)).shape == (0, 48)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_other_numbers_are_left_to_torch(dtype):
    usual, fast = (layer.to(dtype) for layer in both())
    values = torch.randn(5, 64, dtype=dtype)
    assert torch.equal(fast(values), usual(values))


def test_autocast_is_left_to_torch():
    usual, fast = both()
    values = torch.randn(5, 64)
    with torch.autocast("cpu", torch.bfloat16):
        said = fast(values)
        assert said.dtype == torch.bfloat16
        assert torch.equal(said, usual(values))


def test_a_model_keeps_its_parameters_and_other_classes_of_layers(processor):
    processor("AuthenticAMD", "AVX512")
    model = nn.Sequential(nn.Linear(4, 4), nn.Bilinear(4, 4, 4), nn.LayerNorm(4))
    before = dict(model.named_parameters())
    use_fast_products(model)
    assert [type(each) for each in model] == [Linear, nn.Bilinear, nn.LayerNorm]
    assert all(parameter is before[name] for name, parameter in model.named_parameters())


OTHERS = {
    "AMD without AVX-512": ("AuthenticAMD", "AVX2"),
    "Intel, where MKL uses it": ("GenuineIntel", "AVX512"),
    "a system that does not say": (None, "AVX512"),
}


@pytest.mark.parametrize(("vendor", "capability"), OTHERS.values(), ids=OTHERS)
def test_other_processors_keep_torchs_products(processor, vendor, capability):
    processor(vendor, capability)
    model = nn.Sequential(nn.Linear(4, 4))
    use_fast_products(model)
    assert type(model[0]) is nn.Linear


GROWTH = """
from pathlib import Path
import torch
from torch import nn
from xlbench_trainer import products
from xlbench_trainer.products import use_fast_products

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

torch.set_num_threads(1)
products._has_avx512_that_mkl_leaves_unused = lambda: True
model = nn.Sequential(nn.Linear(128, 128))
use_fast_products(model)
values = torch.randn(3000, 128)
model(values)
before = resident()
for rows in range(1, 601):
    model(values[: 2000 + rows * 37 % 601])
print((resident() - before) / 2**20)
"""


def test_what_is_kept_of_shapes_is_bounded():
    words = [sys.executable, "-c", GROWTH]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=300)
    assert float(done.stdout) < 100  # MiB; 400 where as many are kept as torch would
