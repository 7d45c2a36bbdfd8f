"""Which experiments are to be looked at, and when: a set of keys with times, nothing more.

A key is in the hands of one worker at a time; who wakes it meanwhile brings it back at once. What
an error put off comes when its pause is over, and earlier only if something happened. Safe for many
threads. Called by `loop`, by the watches and by the resync.
"""

import threading
import time
from collections.abc import Iterable
from typing import NamedTuple

from xlbench_operator.operating.reconcile import Key


class Wakeup(NamedTuple):
    """A key to look at now."""

    key: Key
    since: float
    """When it was last woken, by the monotonic clock: what is looked at must not be older."""


class _Due(NamedTuple):
    moment: float
    """When to look; who is due longest comes first."""
    since: float
    """When it was last woken, at the earliest when it is due."""


class Wakeups:
    """Keys and when they are due, by the monotonic clock."""

    def __init__(self) -> None:
        """Nobody is due."""
        self._changed = threading.Condition()
        self._due: dict[Key, _Due] = {}
        self._put_off: set[Key] = set()
        """Those that are due only when the pause after an error is over."""
        self._taken: set[Key] = set()
        self._reminded: set[Key] = set()
        """Those of whom somebody was reminded while they were taken."""
        self._closed = False

    def wake(self, keys: Iterable[Key]) -> None:
        """Look at these now: something happened, or may have."""
        with self._changed:
            self._bring_forward(keys)

    def remind(self, keys: Iterable[Key]) -> None:
        """Look at these now, though nothing is known to have happened; not if they are put off."""
        with self._changed:
            wanted = set(keys)
            self._reminded |= wanted & self._taken
            self._bring_forward(wanted - self._taken - self._put_off)

    def _bring_forward(self, keys: Iterable[Key]) -> None:
        now = time.monotonic()
        for key in keys:
            before = self._due.get(key, _Due(now, now))
            self._due[key] = _Due(min(before.moment, now), now)
            self._put_off.discard(key)
        self._changed.notify_all()

    def take(self) -> Wakeup | None:
        """The key that is due longest; waits for one. None once closed."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                free = ((due, key) for key, due in self._due.items() if key not in self._taken)
                first = min(free, default=None)
                if first is not None and first[0].moment <= now:
                    due, key = first
                    del self._due[key]
                    self._put_off.discard(key)
                    self._taken.add(key)
                    return Wakeup(key, due.since)
                self._changed.wait(first[0].moment - now if first else None)
            return None

    def done(self, key: Key, again_after_s: float | None, *, put_off: bool = False) -> None:
        """Give a key back; look at it again after a while, sooner if it was woken, or never.

        If it is put off, for an error, a reminder that came meanwhile is none.
        """
        with self._changed:
            self._taken.discard(key)
            if key in self._reminded and not put_off:
                again_after_s = 0.0
            self._reminded.discard(key)
            if again_after_s is not None and key not in self._due:
                moment = time.monotonic() + again_after_s
                self._due[key] = _Due(moment, moment)
                if put_off:
                    self._put_off.add(key)
            self._changed.notify_all()

    def close(self) -> None:
        """Let nobody take anything any more; who holds a key may finish."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
