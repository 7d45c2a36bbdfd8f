"""The loop on a cluster in memory: what it makes, what it leaves, and that nothing can upset it."""

import pytest


def test_an_experiment_runs_to_its_end(lab):
    lab.apply()
    lab.run()
    status = lab.status()
    assert status["phase"] == "Done"
    assert lab.conditions() == {
        "Accepted": ("True", "Valid"),
        "Complete": ("True", "AllCells"),
        "Failed": ("False", "AllCells"),
    }
    assert status["counts"]["done"] == status["counts"]["total"] == 9
    assert len(lab.cluster.born) == 9
