"""Group-sequential boundaries: published tables, the multivariate normal, simulated experiments."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from instant_credit.errors import Refused
from instant_credit.experiment.boundaries import (
    BOUND_MAX,
    GROWTH_MIN,
    LOOKS_MAX,
    Boundaries,
    Spending,
    bound_looks,
    cross_chances,
    find_bounds,
    find_chance,
    find_drift,
    inflation,
    repeat_interval,
    spend_alpha,
)
from tests.budget import IS_PROVING

ALPHA = 0.05
SHARES = st.floats(0.05, 1.0)


def plan(looks: int, bounds: tuple[float, ...]) -> Boundaries:
    return Boundaries(fractions=tuple((k + 1) / looks for k in range(looks)), bounds=bounds, spent=(0.0,) * looks)


@st.composite
def looks_of(draw, looks_max=6, last=1.0):
    steps = draw(st.lists(st.floats(0.2, 1.0), min_size=1, max_size=looks_max))
    return [float(total) * last / math.fsum(steps) for total in np.cumsum(steps)]


# Jennison and Turnbull (2000), tables 2.1 to 2.4, two-sided 0.05: constants, and inflation at power 0.8.
@pytest.mark.parametrize(("looks", "constant", "factor"), [(2, 2.178, 1.110), (5, 2.413, 1.229), (10, 2.555, 1.301)])
def test_pococks_constants_spend_five_percent_and_inflate_as_tabled(looks: int, constant: float, factor: float) -> None:
    boundaries = plan(looks, (constant,) * looks)
    crossing = cross_chances(boundaries, 0.0)
    assert sum(crossing.up + crossing.down) == pytest.approx(ALPHA, abs=1.5e-4)
    assert (find_drift(boundaries, 0.8) / 2.80159) ** 2 == pytest.approx(factor, abs=1.5e-3)


@pytest.mark.parametrize(("looks", "constant", "factor"), [(2, 1.977, 1.008), (5, 2.040, 1.028), (10, 2.087, 1.040)])
def test_obrien_and_flemings_constants_spend_five_percent_and_inflate_as_tabled(
    looks: int, constant: float, factor: float
) -> None:
    boundaries = plan(looks, tuple(constant * math.sqrt(looks / (k + 1)) for k in range(looks)))
    crossing = cross_chances(boundaries, 0.0)
    assert sum(crossing.up + crossing.down) == pytest.approx(ALPHA, abs=1.5e-4)
    assert (find_drift(boundaries, 0.8) / 2.80159) ** 2 == pytest.approx(factor, abs=1.5e-3)


# The R package ldbounds prints these for five equal looks, two-sided 0.05.
@pytest.mark.parametrize(
    ("spending", "published"),
    [
        (Spending.OBRIEN_FLEMING, (4.8769, 3.3569, 2.6803, 2.2898, 2.0310)),
        (Spending.POCOCK, (2.4380, 2.4268, 2.4101, 2.3966, 2.3859)),
    ],
)
def test_five_equal_looks_have_the_published_bounds(spending: Spending, published: tuple[float, ...]) -> None:
    found = find_bounds([0.2, 0.4, 0.6, 0.8, 1.0], spending, ALPHA)
    assert found.bounds == pytest.approx(published, abs=2e-4)


@given(looks_of(looks_max=3), st.sampled_from(Spending), st.sampled_from([0.01, 0.05, 0.2]))
@settings(max_examples=15, deadline=None)
def test_those_who_never_cross_are_as_many_as_the_multivariate_normal_says(looks, spending, alpha) -> None:
    found = find_bounds(looks, spending, alpha, is_last=True)
    times = np.array(looks)
    covariance = np.sqrt(np.minimum.outer(times, times) / np.maximum.outer(times, times))
    bounds = np.array(found.bounds)
    stays = multivariate_normal(np.zeros(len(looks)), covariance, seed=1).cdf(bounds, lower_limit=-bounds)
    assert 1.0 - stays == pytest.approx(alpha, abs=2e-4)


@given(looks_of(last=0.9), st.sampled_from(Spending), st.floats(0.001, 0.3))
@settings(max_examples=30, deadline=None)
def test_each_look_spends_what_its_function_allows_and_no_more(looks, spending, alpha) -> None:
    found = find_bounds(looks, spending, alpha)
    crossing = cross_chances(found, 0.0)
    for position, look in enumerate(looks):
        spent = math.fsum(crossing.up[: position + 1]) + math.fsum(crossing.down[: position + 1])
        assert spent == pytest.approx(spend_alpha(spending, alpha, look), abs=1e-9)
        assert spent == pytest.approx(found.spent[position], abs=1e-9)


def test_one_look_at_all_information_is_the_fixed_test() -> None:
    for spending in Spending:
        assert find_bounds([1.0], spending, ALPHA).bounds[0] == pytest.approx(1.959964, abs=1e-6)
        assert inflation([1.0], spending, ALPHA, 0.8) == pytest.approx(1.0, abs=1e-9)


def test_a_look_too_early_to_spend_anything_has_the_outermost_bound_and_leaves_its_error() -> None:
    found = find_bounds([0.01, 1.0], Spending.OBRIEN_FLEMING, ALPHA)
    assert found.bounds == pytest.approx((BOUND_MAX, 1.959964), abs=1e-6)
    assert found.spent[-1] == pytest.approx(ALPHA, abs=1e-12)


def test_over_running_spends_what_is_left_at_the_information_reached() -> None:
    planned = find_bounds([0.5, 1.0], Spending.POCOCK, ALPHA)
    over = find_bounds([0.5, 1.2], Spending.POCOCK, ALPHA)
    assert over.bounds[0] == planned.bounds[0]
    # Less correlated with the first look, the last one has more new ways to cross.
    assert over.bounds[1] > planned.bounds[1]
    assert over.spent[-1] == pytest.approx(ALPHA, abs=1e-12)


def test_under_running_spends_all_error_at_its_last_look() -> None:
    early = find_bounds([0.5, 0.7], Spending.OBRIEN_FLEMING, ALPHA, is_last=True)
    open_ = find_bounds([0.5, 0.7], Spending.OBRIEN_FLEMING, ALPHA)
    assert early.spent[-1] == pytest.approx(ALPHA, abs=1e-12)
    assert early.bounds[1] < open_.bounds[1]


def test_looks_close_together_are_integrated_as_finely_as_they_need() -> None:
    looks = [0.5, 0.5 * (1.0 + 1.01 * GROWTH_MIN), 1.0]
    found = find_bounds(looks, Spending.POCOCK, ALPHA)
    times = np.array(looks)
    covariance = np.sqrt(np.minimum.outer(times, times) / np.maximum.outer(times, times))
    bounds = np.array(found.bounds)
    stays = multivariate_normal(np.zeros(3), covariance, seed=1).cdf(bounds, lower_limit=-bounds)
    assert 1.0 - stays == pytest.approx(ALPHA, abs=1e-4)


def test_the_maximal_sample_has_its_power_and_ends_earlier_in_the_mean() -> None:
    for spending, most in ((Spending.OBRIEN_FLEMING, 1.03), (Spending.POCOCK, 1.22)):
        found = find_bounds([0.2, 0.4, 0.6, 0.8, 1.0], spending, ALPHA)
        factor = inflation([2, 4, 6, 8, 10], spending, ALPHA, 0.8)
        crossing = cross_chances(found, 2.80159 * math.sqrt(factor))
        assert sum(crossing.up) == pytest.approx(0.8, abs=1e-5)
        assert 1.0 < factor < most
        assert factor * crossing.mean_fraction < 0.9


def test_the_drift_of_a_sure_test_is_found_beyond_the_first_bracket() -> None:
    found = find_bounds([1.0], Spending.POCOCK, 1e-9)
    drift = find_drift(found, 1.0 - 1e-9)
    assert sum(cross_chances(found, drift).up) == pytest.approx(1.0 - 1e-9, abs=1e-12)


@given(looks_of(looks_max=4), st.sampled_from(Spending))
@settings(max_examples=10, deadline=None)
def test_bounds_fall_as_more_error_is_allowed(looks, spending) -> None:
    rows = [find_bounds(looks, spending, alpha, is_last=True).bounds for alpha in (1e-9, 1e-4, 0.01, 0.05, 0.15, 0.3)]
    for stricter, looser in pairwise(rows):
        assert all(a >= b - 1e-9 for a, b in zip(stricter, looser, strict=True))


@given(st.lists(st.floats(-5.0, 5.0), min_size=3, max_size=3), st.sampled_from(Spending), st.sampled_from([0.01, 0.05]))
@settings(max_examples=25, deadline=None)
def test_the_sequential_chance_is_below_alpha_exactly_where_a_bound_was_reached(scores, spending, alpha) -> None:
    looks = [0.3, 0.6, 1.0]
    bounds = find_bounds(looks, spending, alpha).bounds
    has_crossed = any(abs(z) >= bound for z, bound in zip(scores, bounds, strict=True))
    chance = find_chance(scores, looks, spending)
    assert has_crossed == (chance <= alpha * (1.0 + 1e-5))


def test_a_fixed_tests_sequential_chance_is_its_chance_and_ends_are_told_as_such() -> None:
    assert find_chance([2.0], [1.0], Spending.POCOCK) == pytest.approx(0.0455003, abs=1e-6)
    assert find_chance([0.5], [1.0], Spending.POCOCK) == 1.0
    assert find_chance([9.0], [1.0], Spending.POCOCK) == 1e-9


def test_the_repeated_interval_is_the_difference_and_its_bound_of_errors() -> None:
    assert repeat_interval(0.5, 0.04, 2.0) == pytest.approx((0.1, 0.9))


@pytest.mark.parametrize(
    ("looks", "says"),
    [
        ([], "plan 1 to 100"),
        ([k / (LOOKS_MAX + 1) for k in range(1, LOOKS_MAX + 2)], "plan 1 to 100"),
        ([0.0, 1.0], "positive and finite"),
        ([float("nan")], "positive and finite"),
        ([0.5, math.inf], "positive and finite"),
        ([0.5, 0.5], "look 2: wait"),
        ([0.5, 0.6, 0.602], "look 3: wait"),
        ([0.5, float("nan"), 1.0], "look 2: wait"),
        ([0.5, 1.0, 1.1], "take no look after it"),
    ],
)
def test_looks_that_cannot_be_are_refused_with_what_to_do(looks: list[float], says: str) -> None:
    with pytest.raises(Refused, match=says):
        find_bounds(looks, Spending.POCOCK, ALPHA)


def test_chances_outside_nought_and_one_are_refused() -> None:
    with pytest.raises(Refused, match="alpha"):
        find_bounds([1.0], Spending.POCOCK, 0.0)
    with pytest.raises(Refused, match="power"):
        inflation([1.0], Spending.POCOCK, ALPHA, 1.0)
    with pytest.raises(Refused, match="spent"):
        bound_looks([0.5, 1.0], [0.05, 0.02])
    with pytest.raises(Refused, match="spent"):
        bound_looks([0.5, 1.0], [0.05])
    with pytest.raises(Refused, match="scores"):
        find_chance([1.0], [0.5, 1.0], Spending.POCOCK)


@pytest.mark.prove
@pytest.mark.parametrize("spending", Spending)
def test_no_more_false_alarms_than_alpha_at_planned_looks_and_five_times_as_many_without(spending: Spending) -> None:
    """Defaults of two equal arms that ripen late: 10,000 experiments (100,000 as a proof) at five looks."""
    experiments = 100_000 if IS_PROVING else 10_000
    draws = np.random.Generator(np.random.PCG64(6))
    rate, ripe = 0.06, np.array([300, 900, 2_000, 3_200, 4_000])
    news = np.diff(ripe, prepend=0)
    defaults = draws.binomial(news, rate, (2, experiments, len(news))).cumsum(axis=2)
    shares = defaults / ripe
    pooled = shares.mean(axis=0)
    scores = np.abs(shares[1] - shares[0]) / np.sqrt(2.0 * pooled * (1.0 - pooled) / ripe)
    bounds = np.array(find_bounds((ripe / ripe[-1]).tolist(), spending, ALPHA).bounds)
    alarms = (scores >= bounds).any(axis=1).mean()
    error = math.sqrt(ALPHA * (1.0 - ALPHA) / experiments)
    assert alarms <= ALPHA + 3.0 * error
    assert alarms >= ALPHA - 8.0 * error
    assert (scores >= 1.959964).any(axis=1).mean() > 2.0 * ALPHA


@pytest.mark.prove
def test_repeated_intervals_cover_at_every_look_at_once() -> None:
    experiments = 200_000 if IS_PROVING else 20_000
    draws = np.random.Generator(np.random.PCG64(7))
    times, effect = np.array([0.25, 0.5, 1.0]), 3.0
    paths = np.cumsum(draws.normal(size=(experiments, 3)) * np.sqrt(np.diff(times, prepend=0.0)), axis=1)
    estimates = effect + paths / times
    bounds = find_bounds(times.tolist(), Spending.POCOCK, ALPHA).bounds
    intervals = [repeat_interval(0.0, 1.0 / time, bound) for time, bound in zip(times, bounds, strict=True)]
    covers = np.all([np.abs(estimates[:, k] - effect) < high for k, (_, high) in enumerate(intervals)], axis=0)
    assert covers.mean() == pytest.approx(1.0 - ALPHA, abs=4.0 * math.sqrt(ALPHA / experiments))
