"""Contrasts over cells made by hand: which cells and seeds enter, and what the items add."""

import numpy as np
import pytest
from xlbench_operator.analysis.cells import Model, ScoredCell
from xlbench_operator.analysis.contrasts import Question, Rules, adjusted, answered, balanced
from xlbench_specs.plans import Cell

RULES = Rules(averaging="task-balanced", margin=0.01, confidence=0.95, digest="a", resamples=2000)
FIRST, SECOND = "simultaneous", "sequential"


def _cell(target, language, first, second, *, units=100, resampled=True, start=0):
    """Accuracies of two schedules, a list of seeds each; None is a score that is not there.

    The second schedule misses the first items, so that every difference has the items behind it.
    """
    statuses, scores, counts = {}, {}, {}
    for schedule, values in ((FIRST, first), (SECOND, second)):
        for seed, value in enumerate(values):
            model = Model(schedule, "arm", seed, 0)
            statuses[model] = "missing" if value is None else "done"
            if value is not None:
                right = np.arange(units) >= round((1 - value) * units)
                scores[model] = {"accuracy": value}
                counts[model] = np.stack([right, np.ones(units)], axis=1).astype(np.float32)
    return ScoredCell(
        cell=Cell(target=target, task=target, language=language, examples=units),
        metric="accuracy",
        statuses=statuses,
        scores=scores,
        counts=counts,
        units=np.arange(start, start + units),
        majority={},
        resampled=resampled,
    )


def _ask(cells, plus=None, minus=()):
    positions = tuple(range(len(cells))) if plus is None else plus
    question = Question("e5", FIRST, SECOND, "endpoint", positions, minus)
    (found,) = answered([question], cells, RULES)
    return found


def test_cells_are_averaged_within_targets_and_then_over_them():
    cells = [_cell("a", "sw", [], []), _cell("a", "yo", [], []), _cell("b", "sw", [], [])]
    assert balanced([0, 1, 2], cells, "task-balanced") == {0: 0.25, 1: 0.25, 2: 0.5}
    assert balanced([0, 1, 2], cells, "cells") == {0: 1 / 3, 1: 1 / 3, 2: 1 / 3}


def test_items_add_the_variance_of_the_paired_difference():
    # The same ten of a hundred items differ in every seed: V = 0.1 * 0.9 / 100, no seed variance.
    found = _ask([_cell("a", "sw", [0.9] * 3, [0.8] * 3)])
    assert found.estimate == pytest.approx(0.1)
    assert found.seed_sd == 0.0
    assert found.item_se == pytest.approx(0.03, rel=0.05)
    assert found.units == 100
    assert found.degrees_of_freedom == pytest.approx(99)


def test_independent_languages_share_the_items_variance():
    cells = [_cell("a", code, [0.9] * 3, [0.8] * 3, start=n * 100) for n, code in enumerate("xyzw")]
    found = _ask(cells)
    assert found.item_se == pytest.approx(0.015, rel=0.05)
    assert found.units == 400


def test_parallel_languages_do_not():
    cells = [_cell("a", code, [0.9] * 3, [0.8] * 3) for code in "xyzw"]
    found = _ask(cells)
    assert found.item_se == pytest.approx(0.03, rel=0.05)
    assert found.units == 100


def test_retrieval_is_not_resampled_and_says_so():
    found = _ask([_cell("a", "sw", [0.9, 0.8, 0.85], [0.8, 0.75, 0.7], resampled=False)])
    assert found.item_se == 0.0
    assert found.units == 0
    assert "not resampled" in found.note
    mixed = [
        _cell("a", "sw", [0.9] * 3, [0.8] * 3, resampled=False),
        _cell("b", "sw", [0.9] * 3, [0.8] * 3),
    ]
    assert _ask(mixed).item_se == pytest.approx(0.015, rel=0.05)


def test_a_schedule_without_a_score_spoils_no_contrast_of_others():
    cell = _cell("a", "sw", [0.9] * 3, [0.8] * 3)
    whole = _ask([cell])
    third = Model("third", "arm", 0, 0)
    cell.statuses[third] = "done"
    cell.scores[third] = {"accuracy": np.nan}
    cell.counts[third] = np.zeros((100, 2), dtype=np.float32)
    assert _ask([cell]) == whole


@pytest.mark.parametrize("defined", [0, 1])
def test_nothing_is_inferred_where_the_items_variance_is_undefined(monkeypatch, defined):
    def drawn(tallies, *, digest, resamples):  # noqa: ARG001 - as the real one is called
        values = np.full((resamples, 1), np.nan)
        values[:defined] = 0.1
        return [values for _ in tallies]

    monkeypatch.setattr("xlbench_operator.analysis.contrasts.resampled_differences", drawn)
    found = _ask([_cell("a", "sw", [0.9, 0.8, 0.85], [0.8, 0.75, 0.7])])
    assert found.estimate == pytest.approx(0.1)
    assert len(found.differences) == 3
    judged = (found.low, found.standard_error, found.item_se, found.p, found.verdict)
    assert judged == (None,) * 5
    assert found.note == (
        "the variance of the test items is undefined: fewer than two resamples have every score"
    )
    assert adjusted([found], RULES) == [found]


@pytest.mark.parametrize(
    ("cells", "seeds", "missing_seeds", "missing_cells"),
    [
        pytest.param(
            [
                _cell("a", "sw", [0.9] * 4, [0.8, None, 0.8, 0.8]),
                _cell("a", "yo", [0.9] * 4, [0.8] * 4),
            ],
            [0, 2, 3],
            [1],
            0,
            id="a seed without one score is left out of all cells",
        ),
        pytest.param(
            [_cell("a", "sw", [0.9] * 4, [None] * 4), _cell("a", "yo", [0.9] * 4, [0.8] * 4)],
            [0, 1, 2, 3],
            [],
            1,
            id="a cell without any pair is left out for all seeds",
        ),
        pytest.param(
            [_cell("a", "sw", [0.9, None], [None, 0.8])],
            [],
            [0, 1],
            1,
            id="nothing is paired",
        ),
    ],
)
def test_what_enters_when_scores_are_missing(cells, seeds, missing_seeds, missing_cells):
    found = _ask(cells)
    assert [each.seed for each in found.differences] == seeds
    assert found.seeds_missing == missing_seeds
    assert found.cells_missing == missing_cells


def test_the_gap_is_one_mean_less_another_and_needs_both():
    cells = [_cell("a", "sw", [0.9] * 3, [0.8] * 3), _cell("a", "en", [0.95] * 3, [0.94] * 3)]
    assert _ask(cells, (0,), (1,)).estimate == pytest.approx(0.09)
    cells[1] = _cell("a", "en", [0.95] * 3, [None] * 3)
    assert _ask(cells, (0,), (1,)).estimate is None


def test_a_family_keeps_only_the_verdicts_that_hold_under_holm():
    strong = _cell("a", "sw", [0.95, 0.94, 0.96], [0.5, 0.5, 0.52])
    weak = _cell("a", "yo", [0.78, 0.78, 0.77], [0.73, 0.73, 0.73])
    alone = [_ask([cell]) for cell in (strong, weak)]
    assert [each.verdict for each in alone] == ["better", "better"]
    assert 0.025 < alone[1].p < 0.05
    others = [_ask([_cell("a", "zu", [0.8, 0.7, 0.75], [0.75, 0.8, 0.7])])]
    family = adjusted([*alone, *others], RULES)
    assert [each.verdict for each in family] == ["better", "inconclusive", "inconclusive"]
    assert family[0].p_holm == pytest.approx(min(1, 3 * alone[0].p), abs=1e-6)
