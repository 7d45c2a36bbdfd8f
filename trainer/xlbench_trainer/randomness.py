"""Seeded streams: every random choice of a stage is derived, never drawn from a running generator.

A choice is named by (seed, purpose, names), so an update's dropout or a task's tenth epoch can be
had without the nine before it, and arms that share a task see the same sequence of its examples.
"""

import hashlib
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray


def derive(seed: int, purpose: str, *names: str | int) -> int:
    """A 63-bit number that stands for one stream."""
    text = "\x1f".join([str(seed), purpose, *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def permutation(size: int, stream: int) -> NDArray[np.int64]:
    """A permutation of range(size).

    Sorts raw Philox words: numpy promises the words of a bit generator for ever, and its
    `Generator.permutation` it does not (NEP 19).
    """
    words = np.random.Philox(key=stream).random_raw(size)
    return np.argsort(words, kind="stable").astype(np.int64)


def examples(
    size: int, seed: int, task: str, occurrence: int, span: tuple[int, int]
) -> NDArray[np.int64]:
    """Numbers of the examples at the places first..last (`span`) of a task's endless stream.

    The stream is the permutations of epochs 0, 1, 2, ... one after another, so a shorter dose is
    a prefix of a longer one.
    """
    parts = list(_epoch_parts(size, seed, task, occurrence, span))
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


@lru_cache(maxsize=16)
def _epoch_order(size: int, stream: int) -> NDArray[np.int64]:
    """An epoch's permutation, kept: every update of the epoch reads a slice of it."""
    order = permutation(size, stream)
    order.setflags(write=False)
    return order


def _epoch_parts(
    size: int, seed: int, task: str, occurrence: int, span: tuple[int, int]
) -> Iterator[NDArray[np.int64]]:
    first, last = span
    for epoch in range(first // size, (last + size - 1) // size):
        order = _epoch_order(size, derive(seed, "examples", task, occurrence, epoch))
        yield order[max(first - epoch * size, 0) : last - epoch * size]


def shuffled(names: list[str], stream: int) -> list[str]:
    """The names in a seeded order."""
    return [names[place] for place in permutation(len(names), stream)]


def generator(stream: int) -> torch.Generator:
    """A CPU generator at the start of a stream."""
    return torch.Generator().manual_seed(stream)
