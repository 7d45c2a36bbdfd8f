"""Joint resampling of test units: exact variances of small cases, and what is drawn together."""

import numpy as np
import pytest
from xlbench_operator.analysis.resampling import (
    Tally,
    item_variance,
    resampled_differences,
    units_of,
)
from xlbench_operator.analysis.scores import MACRO_F1, class_counts

DIGEST = "analysis"
FIRST_MINUS_SECOND = np.array([[1.0], [-1.0]])


def _accuracy(name: str, first: list[int], second: list[int], units: list[int]) -> Tally:
    """Two models that are right (1) or wrong (0) on each unit."""
    right = np.array([first, second], dtype=np.float32).T
    counts = np.stack([right, np.ones_like(right)], axis=-1)
    return Tally(name, "accuracy", np.array(units), counts, FIRST_MINUS_SECOND)


def test_items_that_share_an_id_in_steps_are_one_unit() -> None:
    units = units_of(
        [
            ("sw:1", "q1", "sw:paragraph"),
            ("sw:2", "q2", "sw:paragraph"),
            ("yo:1", "q1", "yo:other"),
            ("yo:3", "q3", "yo:third"),
        ]
    )
    # q1 joins sw:1 with yo:1, the paragraph sw:1 with sw:2; yo:3 stands alone
    assert units == {"sw:1": 0, "sw:2": 0, "yo:1": 0, "yo:3": 1}


def test_variance_of_two_units_is_exact() -> None:
    # Differences 1 and 0; draws of two have mean 1, 0.5, 0 with chance 1/4, 1/2, 1/4: variance 1/8.
    tally = _accuracy("sw", [1, 1], [0, 1], [0, 1])
    (drawn,) = resampled_differences([tally], digest=DIGEST)
    assert sorted(set(drawn[:, 0].tolist())) == [0.0, 0.5, 1.0]
    assert item_variance(drawn) == pytest.approx(1 / 8, rel=0.05)


def test_variance_of_a_mean_of_units_is_the_plug_in_variance() -> None:
    # 40 of 100 units differ by one: variance 0.4 * 0.6 / 100
    tally = _accuracy("sw", [1] * 100, [0] * 40 + [1] * 60, list(range(100)))
    (drawn,) = resampled_differences([tally], digest=DIGEST)
    assert item_variance(drawn) == pytest.approx(0.0024, rel=0.05)


@pytest.mark.parametrize(
    ("second_units", "factor"),
    [
        pytest.param(range(100), 1.0, id="parallel items add no information"),
        pytest.param(range(100, 200), 0.5, id="other items halve the variance"),
    ],
)
def test_mean_over_two_languages(second_units: range, factor: float) -> None:
    outcomes = ([1] * 100, [0] * 40 + [1] * 60)
    tallies = [
        _accuracy("sw", *outcomes, list(range(100))),
        _accuracy("yo", *outcomes, list(second_units)),
    ]
    drawn = resampled_differences(tallies, digest=DIGEST)
    assert item_variance(np.mean(drawn, axis=0)) == pytest.approx(0.0024 * factor, rel=0.06)


def test_a_shared_unit_has_one_draw_for_all_languages() -> None:
    tallies = [
        _accuracy("sw", [1, 0, 1], [0, 0, 1], [0, 1, 2]),
        _accuracy("yo", [1, 0, 1], [0, 0, 1], [0, 1, 2]),
    ]
    first, second = resampled_differences(tallies, digest=DIGEST, resamples=200)
    assert np.array_equal(first, second)


def test_draws_depend_on_the_analysis_and_not_on_the_order_of_cells() -> None:
    sw = _accuracy("sw", [1, 0, 1, 1], [0, 0, 1, 0], [0, 1, 2, 3])
    yo = _accuracy("yo", [1, 0, 1, 1], [0, 0, 1, 0], [4, 5, 6, 7])
    forwards = resampled_differences([sw, yo], digest=DIGEST, resamples=100)
    backwards = resampled_differences([yo, sw], digest=DIGEST, resamples=100)
    assert np.array_equal(forwards[0], backwards[1])
    assert not np.array_equal(forwards[0], forwards[1])
    (other,) = resampled_differences([sw], digest="another", resamples=100)
    assert not np.array_equal(forwards[0], other)


def test_macro_f1_is_recomputed_in_every_draw() -> None:
    gold = ["on", "off"]
    first = class_counts(gold, ["on", "off"], ("on", "off"))
    second = class_counts(gold, ["on", "on"], ("on", "off"))
    tally = Tally(
        "sw", MACRO_F1, np.arange(2), np.stack([first, second], axis=1), FIRST_MINUS_SECOND
    )
    (drawn,) = resampled_differences([tally], digest=DIGEST, resamples=400)
    # Both: 1 - (2/3 + 0) / 2 = 2/3; `on` twice: 1 - 1 = 0, for `off` has no gold; `off` twice: 1
    assert sorted(set(drawn[:, 0].round(6).tolist())) == [0.0, 0.666667, 1.0]


def test_a_draw_that_leaves_nothing_to_score_is_left_out_of_the_variance() -> None:
    # Only unit 0 holds an entity: a draw without it has no F1.
    counts = np.array([[[2, 2], [0, 2]], [[0, 0], [0, 0]]], dtype=np.float32)
    tally = Tally("sw", "span_f1", np.arange(2), counts, FIRST_MINUS_SECOND)
    (drawn,) = resampled_differences([tally], digest=DIGEST, resamples=400)
    assert np.isnan(drawn).any()
    assert item_variance(drawn).tolist() == [0.0]


def test_a_model_that_is_not_compared_may_lack_a_score() -> None:
    pair = _accuracy("sw", [1, 1], [0, 1], [0, 1])
    nothing = np.zeros_like(pair.counts[:, :1])
    counts = np.concatenate([pair.counts, nothing], axis=1)
    contrasts = np.array([[1.0, 0.0], [-1.0, 1.0], [0.0, -1.0]])
    (drawn,) = resampled_differences(
        [Tally("sw", "accuracy", pair.units, counts, contrasts)], digest=DIGEST, resamples=100
    )
    (alone,) = resampled_differences([pair], digest=DIGEST, resamples=100)
    assert np.array_equal(drawn[:, :1], alone)
    assert np.isnan(drawn[:, 1]).all()


def test_large_pools_are_drawn_in_bounded_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xlbench_operator.analysis.resampling._CHUNK_WEIGHTS", 7)
    tally = _accuracy("sw", [1, 1], [0, 1], [0, 1])
    (drawn,) = resampled_differences([tally], digest=DIGEST, resamples=1000)
    assert drawn.shape == (1000, 1)
    assert item_variance(drawn) == pytest.approx(1 / 8, rel=0.2)
