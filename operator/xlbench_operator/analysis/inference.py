"""The statistics of a contrast between two arms: estimate, interval, equivalence, verdict, power.

Everything here is a formula on a few numbers: the seed-level paired differences of an endpoint and
the variance that its test items add. It must not read a store, draw a random number or format a
sentence. Called by the analysis of finished experiments and by `xlbench plan`, which prints what
a design can detect before anything is spent. Scores and differences are fractions (0.01 = 1 point).

With `d` the paired differences over `S` seeds, `s^2` their sample variance and `V` the variance of
their mean when test items are resampled and models are held fixed::

    D = mean(d)        SE^2 = s^2/S + V
    df = SE^4 / ((s^2/S)^2 / (S - 1) + V^2 / (units - 1))

(Satterthwaite's degrees of freedom). Equivalence is two one-sided tests (TOST), multiplicity is
Holm's, power is that of the two-sided t test under the noncentral t distribution.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy import optimize, stats

Verdict = Literal["better", "worse", "equivalent", "inconclusive"]

MIN_SEEDS = 3
"""With fewer seeds nothing is inferred: a t interval on one degree of freedom says nothing."""

DEFAULT_POWER = 0.8
MAX_SEEDS = 1000
"""Beyond this many seeds `seeds_to_settle` gives up: nobody runs them."""


class Interval(NamedTuple):
    """A two-sided confidence interval, in the unit of the score."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A paired difference between two arms and what is needed to judge it."""

    difference: float
    """Mean over seeds of the paired difference (first arm minus second)."""
    seeds: int
    """Number of paired seeds, at least `MIN_SEEDS`."""
    seed_variance: float
    """Sample variance (n - 1) of the difference over seeds."""
    item_variance: float
    """Variance of `difference` under joint resamples of the test items, models fixed."""
    units: int
    """Independent test units behind `item_variance`; 0 where items are not resampled."""

    @property
    def standard_error(self) -> float:
        """Standard error of `difference`, over seeds and test items together."""
        return math.sqrt(self.seed_variance / self.seeds + self.item_variance)

    @property
    def degrees_of_freedom(self) -> float:
        """Satterthwaite degrees of freedom of `standard_error`."""
        return satterthwaite(
            self.seed_variance / self.seeds, self.seeds - 1, self.item_variance, self.units - 1
        )


def satterthwaite(first: float, first_df: int, second: float, second_df: int) -> float:
    """Degrees of freedom of a sum of two independent variance estimates.

    A component of zero variance, or with fewer than one degree of freedom, adds no uncertainty of
    its own. Where both are zero the smaller positive count stands (the caller's seeds).
    """
    uncertainty = sum(
        value**2 / df for value, df in ((first, first_df), (second, second_df)) if df > 0
    )
    return (first + second) ** 2 / uncertainty if uncertainty > 0 else float(max(first_df, 1))


def estimate(
    differences: Sequence[float], *, item_variance: float = 0.0, units: int = 0
) -> Estimate:
    """The estimate from one paired difference a seed.

    Raises:
        ValueError: Fewer than `MIN_SEEDS` differences, or one that is not finite.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.size < MIN_SEEDS:
        message = f"{values.size} paired seeds: inference needs at least {MIN_SEEDS}"
        raise ValueError(message)
    if not np.isfinite(values).all():
        message = f"differences must be finite, got {values.tolist()}"
        raise ValueError(message)
    return Estimate(
        difference=float(values.mean()),
        seeds=int(values.size),
        seed_variance=float(values.var(ddof=1)),
        item_variance=item_variance,
        units=units,
    )


def interval(found: Estimate, confidence: float) -> Interval:
    """Two-sided t interval of the difference."""
    quantile = float(stats.t.ppf(0.5 + confidence / 2, found.degrees_of_freedom))
    half_width = quantile * found.standard_error
    return Interval(found.difference - half_width, found.difference + half_width)


def p_value(found: Estimate) -> float:
    """Two-sided p value of "there is no difference"."""
    if found.standard_error == 0:
        return 1.0 if found.difference == 0 else 0.0
    ratio = abs(found.difference) / found.standard_error
    return float(2 * stats.t.sf(ratio, found.degrees_of_freedom))


def equivalence_p_value(found: Estimate, margin: float) -> float:
    """The p value of the two one-sided tests (TOST): the larger of the two.

    Small means: the difference lies inside (-margin, margin).
    """
    room = margin - abs(found.difference)
    if found.standard_error == 0:
        return 0.0 if room > 0 else 1.0
    return float(stats.t.sf(room / found.standard_error, found.degrees_of_freedom))


def verdict(found: Estimate, *, margin: float, confidence: float) -> Verdict:
    """What may be said: equivalence is asked first, then whether 0 is outside the interval."""
    if equivalence_p_value(found, margin) < 1 - confidence:
        return "equivalent"
    low, high = interval(found, confidence)
    if low > 0:
        return "better"
    return "worse" if high < 0 else "inconclusive"


def holm(p_values: Sequence[float]) -> list[float]:
    """Step-down adjusted p values, in the order given; valid under any dependence."""
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(values.size, 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in adjusted]


def power(found: Estimate, *, difference: float, seeds: int, confidence: float) -> float:
    """Probability that `seeds` seeds show a true `difference`, with the variances of `found`.

    More seeds shrink the seed part of the standard error and leave the items' part as it is.
    """
    planned = Estimate(difference, seeds, found.seed_variance, found.item_variance, found.units)
    return _power(difference, planned.standard_error, planned.degrees_of_freedom, confidence)


def _power(difference: float, standard_error: float, df: float, confidence: float) -> float:
    """Power of the two-sided t test, by the noncentral t distribution."""
    if standard_error == 0:
        return 1.0
    critical = float(stats.t.ppf(0.5 + confidence / 2, df))
    shift = difference / standard_error
    # The wrong-sided tail matters only near zero; far out scipy's nct.cdf loses all its digits.
    wrong_side = float(stats.nct.cdf(-critical, df, shift)) if shift < critical else 0.0
    return float(stats.nct.sf(critical, df, shift)) + wrong_side


def seeds_to_settle(
    found: Estimate, *, margin: float, confidence: float, wanted_power: float = DEFAULT_POWER
) -> int | None:
    """Smallest number of seeds that shows a true difference of `margin` with `wanted_power`.

    Returns:
        None when no number up to `MAX_SEEDS` is enough: then the test sets are too small, and more
        seeds alone cannot settle the question.
    """

    def enough(seeds: int) -> bool:
        reached = power(found, difference=margin, seeds=seeds, confidence=confidence)
        return reached >= wanted_power

    if not enough(MAX_SEEDS):
        return None
    low, high = MIN_SEEDS - 1, MAX_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def limit_of_items(found: Estimate, *, confidence: float) -> float:
    """Smallest true difference that the test items of `found` show, however many the seeds."""
    return smallest_detectable_difference(
        MAX_SEEDS,
        math.sqrt(found.seed_variance),
        item_variance=found.item_variance,
        units=found.units,
        confidence=confidence,
    )


def smallest_detectable_difference(
    seeds: int,
    seed_sd: float,
    *,
    item_variance: float = 0.0,
    units: int = 0,
    confidence: float = 0.95,
    wanted_power: float = DEFAULT_POWER,
) -> float:
    """Smallest true difference that a design shows with `wanted_power`.

    Args:
        seeds: Paired seeds, at least `MIN_SEEDS`.
        seed_sd: Assumed standard deviation over seeds of the paired difference.
        item_variance: Assumed variance of the mean difference over resampled test items.
        units: Independent test units behind `item_variance`.
        confidence: Of the two-sided interval.
        wanted_power: Probability of seeing the difference.

    Raises:
        ValueError: Fewer than `MIN_SEEDS` seeds.
    """
    if seeds < MIN_SEEDS:
        message = f"{seeds} seeds: inference needs at least {MIN_SEEDS}"
        raise ValueError(message)
    design = Estimate(0.0, seeds, seed_sd**2, item_variance, units)
    error, df = design.standard_error, design.degrees_of_freedom
    if error == 0:
        return 0.0

    def shortfall(ratio: float) -> float:
        return _power(ratio * error, error, df, confidence) - wanted_power

    return error * float(optimize.brentq(shortfall, 0.0, 100.0, xtol=1e-6))


def collapse_threshold(majority: float, examples: int) -> float:
    """Score on English dev up to which a run counts as collapsed: majority + 2 binomial SE."""
    return majority + 2 * math.sqrt(majority * (1 - majority) / examples)


def is_collapsed(score: float, *, majority: float, examples: int) -> bool:
    """Whether a run's English dev score shows that it learnt nothing; a NaN does."""
    return not score > collapse_threshold(majority, examples)
