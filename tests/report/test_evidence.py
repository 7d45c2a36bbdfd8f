"""What is read of the store: all manifests, many at a time."""

import threading
import time

import pytest
from xlbench_operator.analysis.evidence import read_evidence
from xlbench_specs.store import FileStore

pytestmark = pytest.mark.slow  # a whole experiment is made up


class SlowStore(FileStore):
    """A store that is far away; `most` is how many of its answers were awaited at once."""

    def __init__(self, root):
        super().__init__(root)
        self.most, self._now, self._lock = 0, 0, threading.Lock()

    def read(self, path):
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.002)
        try:
            return super().read(path)
        finally:
            with self._lock:
                self._now -= 1


def test_manifests_are_asked_for_many_at_a_time(experiment):
    ended = experiment(seeds=[1]).fill()
    store = SlowStore(ended.store.root)
    evidence = read_evidence(store, ended.plan)
    assert evidence.manifests.keys() == ended.plan.stages.keys()
    assert store.most > 4
