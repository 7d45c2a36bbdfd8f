"""Each formula against a case worked by hand, then interval and tests against simulation."""

import math

import numpy as np
import pytest
from xlbench_operator.analysis.inference import (
    Estimate,
    collapse_threshold,
    equivalence_p_value,
    estimate,
    holm,
    interval,
    is_collapsed,
    limit_of_items,
    p_value,
    power,
    satterthwaite,
    seeds_to_settle,
    smallest_detectable_difference,
    verdict,
)

# Differences 0.01, 0.03, -0.01, 0.02: mean 0.0125; deviations -0.0025, 0.0175, -0.0225, 0.0075;
# their squares sum to 0.000875, so s^2 = 0.000875 / 3 = 0.00029167 and s^2/4 = 0.0000729167.
DIFFERENCES = (0.01, 0.03, -0.01, 0.02)
# With V = 0.0000270833 the squared standard error is 0.0001, so SE = 0.01.
ITEM_VARIANCE = 0.0001 - 0.000875 / 12


def test_estimate_of_four_seeds_is_as_worked_by_hand() -> None:
    found = estimate(DIFFERENCES, item_variance=ITEM_VARIANCE, units=11)
    assert found.difference == pytest.approx(0.0125)
    assert found.seed_variance == pytest.approx(0.000875 / 3)
    assert found.standard_error == pytest.approx(0.01)
    # 1e-8 / (0.0000729167^2 / 3 + 0.0000270833^2 / 10) = 1e-8 / (1.77228e-9 + 7.3351e-11) = 5.41820
    assert found.degrees_of_freedom == pytest.approx(5.4182, abs=1e-4)


def test_interval_without_items_is_the_paired_t_interval() -> None:
    # t(0.975; 3) = 3.182446; half width 3.182446 * sqrt(0.0000729167) = 0.0271753
    low, high = interval(estimate(DIFFERENCES), 0.95)
    assert (low, high) == pytest.approx((-0.0146753, 0.0396753), abs=1e-7)


def test_p_value_meets_five_percent_where_the_interval_touches_zero() -> None:
    # With three seeds t(0.975; 2) = 4.302653: a difference of 4.302653 SE has p = 0.05.
    at_the_edge = Estimate(4.302653e-2, 3, 3e-4, 0.0, 0)
    assert p_value(at_the_edge) == pytest.approx(0.05, abs=1e-6)
    assert interval(at_the_edge, 0.95).low == pytest.approx(0.0, abs=1e-7)


def test_equivalence_is_the_worse_of_two_one_sided_tests() -> None:
    # room 0.04 - 0.0125 = 0.0275 is 3.2205 SE; one-sided t(0.95; 3) = 2.3534, t(0.975; 3) = 3.1824
    assert 0.02 < equivalence_p_value(estimate(DIFFERENCES), 0.04) < 0.025
    # the sign of the difference does not matter
    mirrored = estimate([-value for value in DIFFERENCES])
    assert equivalence_p_value(mirrored, 0.04) == equivalence_p_value(estimate(DIFFERENCES), 0.04)


@pytest.mark.parametrize(
    ("differences", "margin", "expected"),
    [
        pytest.param((0.029, 0.031, 0.030), 0.01, "better", id="well above zero and the margin"),
        pytest.param((-0.029, -0.031, -0.030), 0.01, "worse", id="well below zero"),
        pytest.param((0.001, -0.001, 0.0005), 0.01, "equivalent", id="tight around zero"),
        pytest.param((0.002, 0.0021, 0.0022), 0.01, "equivalent", id="real but within the margin"),
        pytest.param(DIFFERENCES, 0.01, "inconclusive", id="wide"),
        pytest.param((0.0, 0.0, 0.0), 0.01, "equivalent", id="the same in every seed"),
        pytest.param((0.02, 0.02, 0.02), 0.01, "better", id="the same difference in every seed"),
    ],
)
def test_verdict(differences: tuple[float, ...], margin: float, expected: str) -> None:
    assert verdict(estimate(differences), margin=margin, confidence=0.95) == expected


def test_identical_arms_have_no_error_and_no_difference() -> None:
    found = estimate([0.0, 0.0, 0.0, 0.0])
    assert found.standard_error == 0
    assert interval(found, 0.95) == (0.0, 0.0)
    assert p_value(found) == 1.0
    assert power(found, difference=0.01, seeds=3, confidence=0.95) == 1.0


@pytest.mark.parametrize(
    ("differences", "message"),
    [
        pytest.param((0.1, 0.2), "needs at least 3", id="two seeds"),
        pytest.param((0.1, math.nan, 0.2), "finite", id="a missing seed"),
    ],
)
def test_nothing_is_inferred_from(differences: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        estimate(differences)


def test_satterthwaite_of_equal_parts_adds_their_degrees_of_freedom() -> None:
    # (1 + 1)^2 / (1/4 + 1/4) = 8
    assert satterthwaite(1.0, 4, 1.0, 4) == pytest.approx(8.0)
    assert satterthwaite(1.0, 4, 0.0, -1) == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        # sorted 0.01 0.03 0.04 times 3 2 1 = 0.03 0.06 0.04, made monotone 0.03 0.06 0.06
        pytest.param([0.01, 0.04, 0.03], [0.03, 0.06, 0.06], id="three"),
        pytest.param([0.5, 0.9], [1.0, 1.0], id="capped at one"),
        pytest.param([], [], id="none"),
    ],
)
def test_holm(p_values: list[float], adjusted: list[float]) -> None:
    assert holm(p_values) == pytest.approx(adjusted)


@pytest.mark.parametrize(
    ("seed_sd", "seeds"),
    # Paired t test, 5 % two-sided, 80 % power: n = 10, 34 and 199 at effect sizes 1, 0.5 and 0.2,
    # the sample sizes that G*Power 3.1 gives.
    [
        pytest.param(0.01, 10, id="margin of one SD"),
        pytest.param(0.02, 34, id="margin of half an SD"),
        pytest.param(0.05, 199, id="margin of a fifth of an SD"),
    ],
)
def test_seeds_to_settle_agrees_with_published_sample_sizes(seed_sd: float, seeds: int) -> None:
    found = Estimate(0.0, 4, seed_sd**2, 0.0, 0)
    assert seeds_to_settle(found, margin=0.01, confidence=0.95) == seeds


def test_no_number_of_seeds_settles_what_the_items_cannot() -> None:
    small_test_sets = Estimate(0.0, 4, 1e-6, 0.01**2, 100)
    assert seeds_to_settle(small_test_sets, margin=0.01, confidence=0.95) is None
    # SE is the items' 0.01 alone, on 99 degrees of freedom: (1.984 + 0.845) * 0.01
    assert limit_of_items(small_test_sets, confidence=0.95) == pytest.approx(0.0283, abs=1e-4)


@pytest.mark.parametrize(
    ("seeds", "detectable"),
    [(3, 3.264), (5, 1.682), (10, 0.996), (20, 0.660)],
    ids=lambda value: f"{value}",
)
def test_smallest_detectable_difference(seeds: int, detectable: float) -> None:
    assert smallest_detectable_difference(seeds, 1.0) == pytest.approx(detectable, abs=1e-3)
    # it is the difference at which the power reaches what was asked for
    design = Estimate(0.0, seeds, 1.0, 0.0, 0)
    difference = smallest_detectable_difference(seeds, 1.0)
    reached = power(design, difference=difference, seeds=seeds, confidence=0.95)
    assert reached == pytest.approx(0.8, abs=1e-4)


def test_smallest_detectable_difference_needs_three_seeds() -> None:
    with pytest.raises(ValueError, match="2 seeds"):
        smallest_detectable_difference(2, 1.0)
    assert smallest_detectable_difference(3, 0.0) == 0.0


def test_collapse_is_judged_at_two_binomial_standard_errors() -> None:
    # 0.25 + 2 * sqrt(0.25 * 0.75 / 300) = 0.25 + 2 * 0.025 = 0.30
    assert collapse_threshold(0.25, 300) == pytest.approx(0.30)
    assert is_collapsed(0.2999, majority=0.25, examples=300)
    assert not is_collapsed(0.3001, majority=0.25, examples=300)
    assert is_collapsed(math.nan, majority=0.25, examples=300)


SIMULATIONS = 2000
TRUE_DIFFERENCE = 0.01


def _simulated(seed_sd: float, item_sd: float, *, seeds: int, units: int) -> list[Estimate]:
    """Estimates from differences of model seeds on shared test units, each with its own effect.

    The item variance is the exact variance of the mean under resampling of the units, models fixed.
    """
    generator = np.random.default_rng(20261122)
    found = []
    for _ in range(SIMULATIONS):
        seed_effect = generator.normal(0, seed_sd, size=(seeds, 1))
        unit_effect = generator.normal(0, item_sd, size=(1, units))
        noise = generator.normal(0, item_sd, size=(seeds, units))
        differences = TRUE_DIFFERENCE + seed_effect + unit_effect + noise
        variance = float(differences.mean(axis=0).var()) / units
        found.append(
            estimate(differences.mean(axis=1).tolist(), item_variance=variance, units=units)
        )
    return found


@pytest.mark.parametrize(
    ("seed_sd", "item_sd"),
    [
        pytest.param(0.01, 0.001, id="seeds dominate"),
        pytest.param(0.01, 0.1, id="seeds and items"),
        pytest.param(0.001, 0.1, id="items dominate"),
    ],
)
def test_interval_covers_the_truth_in_95_percent(seed_sd: float, item_sd: float) -> None:
    bounds = [interval(found, 0.95) for found in _simulated(seed_sd, item_sd, seeds=4, units=60)]
    coverage = np.mean([low <= TRUE_DIFFERENCE <= high for low, high in bounds])
    # Four standard errors of a simulated 0.95 are 0.02. Above it lies the price of counting the
    # interaction of seeds and items twice, which makes the interval cautious, never bold.
    assert 0.93 <= coverage <= 0.985


def test_equivalence_is_claimed_in_5_percent_where_the_truth_is_the_margin() -> None:
    estimates = _simulated(0.002, 0.01, seeds=4, units=60)
    claimed = np.mean(
        [
            verdict(found, margin=TRUE_DIFFERENCE, confidence=0.95) == "equivalent"
            for found in estimates
        ]
    )
    assert 0.03 <= claimed <= 0.07
