"""oneDNN's matrix products against torch's own: run by hand, prints a table.

    .venv-trainer/bin/python tests/bench/trainer_products.py --rounds 5

The wider linear layer of a small encoder (384 to 1,536), the three products of an update: forward,
gradient of the values, gradient of the weight. By oneDNN with a number of rows that it has seen and
with one that is new, as packs of whole sentences nearly always have; by torch, which hands them to
MKL. One thread, all in turn each round; CPU milliseconds, medians and ranges.
"""

import argparse
import os
import statistics
import sys
import time
from itertools import count

from xlbench_trainer.products import CACHES, KEPT_SHAPES

for variable in CACHES:  # read once, when torch first needs them
    os.environ[variable] = str(KEPT_SHAPES)

import torch  # noqa: E402 - as above
from torch.nn import functional  # noqa: E402
from xlbench_trainer.products import Linear  # noqa: E402

IN, OUT = 384, 1536
ROWS = (100, 250, 1000, 4000)
"""Tokens of a pack: eight short sentences, thirty-two, an update of pairs, a full pack."""
SHAPES = 20
"""Updates that are timed together."""
WAYS = ("torch", "oneDNN, shape seen", "oneDNN, shape new")


def main():
    """Measure, and print a row for each number of tokens."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    torch.manual_seed(0)
    layer = Linear(IN, OUT)
    sys.stdout.write(f"| tokens | {' | '.join(WAYS)} |\n| ---: |{' ---: |' * len(WAYS)}\n")
    for rows in ROWS:
        new = (rows + number for number in count(1))
        found = {way: [] for way in WAYS}
        products(layer, rows, fast=True)
        for _ in range(rounds):
            found["torch"].append(timed(layer, [rows] * SHAPES, fast=False))
            found["oneDNN, shape seen"].append(timed(layer, [rows] * SHAPES, fast=True))
            fresh = [next(new) for _ in range(SHAPES)]
            found["oneDNN, shape new"].append(timed(layer, fresh, fast=True))
        cells = [
            f"{statistics.median(times):.2f} ({min(times):.2f}-{max(times):.2f})"
            for times in found.values()
        ]
        sys.stdout.write(f"| {rows:,} | {' | '.join(cells)} |\n")


def timed(layer, rows, *, fast):
    """Mean CPU milliseconds of the three products."""
    began = time.process_time()
    for each in rows:
        products(layer, each, fast=fast)
    return (time.process_time() - began) / len(rows) * 1000


def products(layer, rows, *, fast):
    """Forward and backward through the layer."""
    values = torch.ones(rows, IN, requires_grad=True)
    said = layer(values) if fast else functional.linear(values, layer.weight, layer.bias)
    said.backward(torch.ones_like(said))


if __name__ == "__main__":
    main()
