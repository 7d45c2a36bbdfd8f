"""How long joint resampling of test items takes: `make bench` prints it, nothing judges it.

The goal is 10,000 resamples of the quickstart's endpoint in seconds. Macro-F1 over 26 classes, two
arms of four seeds, 150 items in 100 units a language.
"""

import resource
import time

import numpy as np
import pytest
from xlbench_operator.analysis.resampling import RESAMPLES, Tally, resampled_differences
from xlbench_operator.analysis.scores import MACRO_F1

LABELS = 26
ITEMS, UNITS = 150, 100
SEEDS = 4


def _tally(number):
    """One language: models that are right on half of the items."""
    chance = np.random.default_rng(number)
    gold, unit = chance.integers(LABELS, size=ITEMS), chance.integers(UNITS, size=ITEMS)
    counts = np.zeros((UNITS, 2 * SEEDS, 3, LABELS), dtype=np.float32)
    for model in range(2 * SEEDS):
        said = np.where(chance.random(ITEMS) < 0.5, gold, chance.integers(LABELS, size=ITEMS))
        right = said == gold
        np.add.at(counts, (unit[right], model, 0, gold[right]), 1)
        np.add.at(counts, (unit, model, 1, gold), 1)
        np.add.at(counts, (unit, model, 2, said), 1)
    signs = np.repeat([1.0, -1.0], SEEDS)[:, None] / SEEDS
    ids = np.arange(UNITS) + number * UNITS
    return Tally(f"{number}", MACRO_F1, ids, counts.reshape(UNITS, 2 * SEEDS, -1), signs)


@pytest.mark.bench
def test_resampling_grows_with_the_number_of_languages(capsys):
    with capsys.disabled():
        print(f"\n{'languages':>12}{'seconds':>12}{'peak MiB':>12}")  # noqa: T201
        for languages in (12, 50, 200):
            tallies = [_tally(number) for number in range(languages)]
            began = time.perf_counter()
            resampled_differences(tallies, digest="bench", resamples=RESAMPLES)
            took = time.perf_counter() - began
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
            print(f"{languages:>12}{took:>12.2f}{peak:>12.0f}")  # noqa: T201
