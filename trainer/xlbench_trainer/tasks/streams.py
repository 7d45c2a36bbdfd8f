"""Seeded choices that are the same on every machine, in every process and every Python.

`random.Random` would do today, but its sequence is no contract, and the data of a pinned task is.
Called by the samplers of this folder only; nothing here may look at a clock or a global generator.
"""

import hashlib


def digest(text: str) -> str:
    """64 hex digits that stand for `text`: an order that has nothing to do with its content."""
    return hashlib.sha256(text.encode()).hexdigest()


class Stream:
    """Choices derived from a name by SHA-256 in counter mode: the same name, the same choices."""

    def __init__(self, name: str) -> None:
        """Start the stream called `name`; streams of different names are independent."""
        self._name = name
        self._drawn = 0

    def below(self, bound: int) -> int:
        """The next choice, in `range(bound)`. The bias of the remainder is below 2**-40."""
        block = hashlib.sha256(f"{self._name}#{self._drawn}".encode()).digest()
        self._drawn += 1
        return int.from_bytes(block[:8]) % bound
