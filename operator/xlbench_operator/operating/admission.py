"""How many Jobs an experiment may add where the deployment caps them: fair, and never above a cap.

Live Jobs are taken from the LIST, never counted along. What is remembered are hints: who was held
back at its last look, and what is granted to looks that go on at this moment. Losing them costs a
look. Two operators at once know nothing of each other's grants and may pass a cap for a moment.
Safe for many threads. Called by `loop`.
"""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping

from xlbench_specs.crd import KubeObject

from xlbench_operator.operating.observed import job_of
from xlbench_operator.operating.reconcile import Key
from xlbench_operator.operating.settings import Caps


class Admission:
    """Who may add how many."""

    def __init__(self, caps: Caps) -> None:
        """Nobody was held back yet."""
        self._caps = caps
        self._lock = threading.Lock()
        self._granted: Counter[Key] = Counter()
        self._hungry: set[Key] = set()

    def enter(self, key: Key, jobs: Callable[[], Iterable[KubeObject]]) -> int | None:
        """How many Jobs this look may add; None for any number.

        The grant counts for everybody else until `leave`. `jobs` are all that there are; asked for
        only if there is a cap, while everybody else waits: it must not wait for a LIST.
        """
        if self._caps == Caps():
            return None
        with self._lock:  # before the Jobs: who leaves in between would be counted nowhere
            taken = live_by_experiment(jobs()) + self._granted
            room = share(key, taken, self._hungry, self._caps)
            self._granted[key] = room
            return room

    def leave(self, key: Key, *, used: int, held: int) -> Collection[Key]:
        """End a look that made so many Jobs and was kept from making `held` more.

        Whoever is to look again, as it may have what this one left over.
        """
        with self._lock:
            left = self._granted.pop(key, 0) - used
            self._hungry.discard(key)
            others = set(self._hungry) if left > 0 else set()
            if held:
                self._hungry.add(key)
            return others

    @property
    def hungry(self) -> Collection[Key]:
        """Who was held back at its last look."""
        with self._lock:
            return set(self._hungry)


def share(key: Key, live: Mapping[Key, int], hungry: Collection[Key], caps: Caps) -> int:
    """How many Jobs one experiment may add: what is free goes, one at a time, to who has fewest.

    Args:
        key: Who asks.
        live: Live Jobs of each experiment.
        hungry: Who else wants more.
        caps: What there may be at most.
    """
    have = Counter({each: live.get(each, 0) for each in {key, *hungry}})
    total, spaces = sum(live.values()), Counter[str]()
    for each, number in live.items():
        spaces[each.namespace] += number
    before = have[key]
    while caps.all is None or total < caps.all:
        able = [
            each
            for each in have
            if caps.namespace is None or spaces[each.namespace] < caps.namespace
        ]
        if key not in able:
            break
        poorest = min(able, key=lambda each: (have[each], each))
        have[poorest] += 1
        spaces[poorest.namespace] += 1
        total += 1
    return have[key] - before


def live_by_experiment(jobs: Iterable[KubeObject]) -> Counter[Key]:
    """Number of live Jobs by the experiment that controls them."""
    return Counter(key for raw in jobs if job_of(raw).live and (key := owner_of(raw)))


def owner_of(job: KubeObject) -> Key | None:
    """The experiment that controls a Job."""
    owners = job["metadata"].get("ownerReferences", [])
    named = [each["name"] for each in owners if each.get("controller")]
    return Key(job["metadata"]["namespace"], named[0]) if named else None
