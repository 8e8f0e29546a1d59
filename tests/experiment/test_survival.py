"""Survival by month on book: statsmodels as oracle, simulated cohorts, households."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.duration.survfunc import SurvfuncRight, survdiff

from instant_credit.errors import Refused
from instant_credit.experiment.boundaries import Spending, find_bounds
from instant_credit.experiment.sums import Sums
from instant_credit.experiment.survival import (
    MONTHS_MAX,
    Lives,
    add_survivors,
    compare_survival,
    expect_information,
    find_cluster_factor,
    fit_curve,
    rank_defaults,
)
from tests.budget import IS_PROVING

ALPHA = 0.05
MONTHS = 8
LOANS = st.lists(st.tuples(st.integers(1, MONTHS), st.booleans()), min_size=30, max_size=80)


def live(times: np.ndarray, has_defaulted: np.ndarray) -> Lives:
    """Counts by month of loans that were seen to the end of a month, in which they defaulted or not."""
    months = range(1, MONTHS + 1)
    return Lives(
        at_risk=tuple(int((times >= month).sum()) for month in months),
        defaults=tuple(int((has_defaulted & (times == month)).sum()) for month in months),
    )


@given(LOANS)
@settings(max_examples=30, deadline=None)
def test_the_curve_and_its_errors_are_statsmodels(loans: list[tuple[int, bool]]) -> None:
    times, gone = np.array([t for t, _ in loans]), np.array([d for _, d in loans])
    gone[times == times.max()] = False
    if not gone.any():
        return
    theirs = SurvfuncRight(times, gone.astype(int))
    ours = fit_curve(live(times, gone))
    at = theirs.surv_times.astype(int) - 1
    assert np.array(ours.survival)[at] == pytest.approx(theirs.surv_prob, abs=1e-12)
    assert np.sqrt(np.array(ours.variances)[at]) == pytest.approx(theirs.surv_prob_se, abs=1e-12)


@given(LOANS, LOANS)
@settings(max_examples=30, deadline=None)
def test_the_log_rank_statistic_is_statsmodels(control: list[tuple[int, bool]], arm: list[tuple[int, bool]]) -> None:
    times = np.array([t for t, _ in control + arm])
    gone = np.array([d for _, d in control + arm])
    is_arm = np.arange(len(times)) >= len(control)
    ours = rank_defaults(live(times[~is_arm], gone[~is_arm]), live(times[is_arm], gone[is_arm]))
    if ours is None:
        return
    square, _ = survdiff(times, gone.astype(int), is_arm.astype(int))
    assert ours.score**2 == pytest.approx(float(square), rel=1e-9, abs=1e-12)


def test_where_all_at_risk_default_nothing_survives_and_an_empty_month_ends_the_curve() -> None:
    curve = fit_curve(Lives(at_risk=(10, 5, 0, 0), defaults=(5, 5, 0, 0)))
    assert curve.survival == (0.5, 0.0)
    assert curve.variances == pytest.approx((0.025, 0.0))


@given(LOANS, LOANS)
@settings(max_examples=20, deadline=None)
def test_counts_of_two_parts_add_up_to_those_of_the_whole(first, second) -> None:
    times, gone = np.array([t for t, _ in first + second]), np.array([d for _, d in first + second])
    cut = len(first)
    assert live(times[:cut], gone[:cut]) + live(times[cut:], gone[cut:]) == live(times, gone)


def test_a_shorter_history_adds_to_a_longer_one() -> None:
    long, short = Lives(at_risk=(5, 4), defaults=(1, 0)), Lives(at_risk=(3,), defaults=(0,))
    assert long + short == short + long == Lives(at_risk=(8, 4), defaults=(1, 0))


def test_the_declined_survive_so_that_an_arm_that_declines_more_is_not_flattered_by_its_loans_alone() -> None:
    """The arm books half as many, at the same hazard: its loans do as well, its applications better."""
    control = Lives(at_risk=(1_000, 900), defaults=(100, 90))
    booked = Lives(at_risk=(500, 450), defaults=(50, 45))
    all_of_arm = add_survivors(booked, (500, 500))
    by_loan, by_application = compare_survival(control, booked, 2), compare_survival(control, all_of_arm, 2)
    assert by_loan is not None
    assert by_loan.difference == pytest.approx(0.0, abs=1e-12)
    assert by_application is not None
    assert by_application.arm == pytest.approx(1.0 - 95 / 1_000)
    assert by_application.difference == pytest.approx(190 / 1_000 - 95 / 1_000)


@pytest.mark.parametrize(
    ("arm", "horizon"),
    [
        (Lives(at_risk=(100, 90), defaults=(9, 9)), 3),
        (Lives(at_risk=(100, 9), defaults=(9, 0)), 2),
        (Lives(at_risk=(100, 99), defaults=(0, 0)), 2),
        (Lives(), 1),
    ],
)
def test_not_enough_yet_is_a_result(arm: Lives, horizon: int) -> None:
    control = Lives(at_risk=(100, 91, 90), defaults=(5, 1, 1))
    assert compare_survival(control, arm, horizon) is None


def test_arms_of_which_all_default_have_no_variance_and_no_difference() -> None:
    gone = Lives(at_risk=(20,), defaults=(20,))
    assert compare_survival(gone, gone, 1) is None
    assert rank_defaults(gone, gone) is None


def test_few_defaults_or_an_arm_without_units_are_not_ranked() -> None:
    some = Lives(at_risk=(100, 95), defaults=(5, 4))
    assert rank_defaults(some, Lives(at_risk=(100,), defaults=(0,))) is None
    assert rank_defaults(Lives(at_risk=(100, 50), defaults=(50, 20)), Lives(at_risk=(0, 0), defaults=(0, 0))) is None


@pytest.mark.parametrize(
    ("at_risk", "defaults"),
    [((1,), ()), ((1,), (2,)), ((1,), (-1,)), ((0,) * (MONTHS_MAX + 1), (0,) * (MONTHS_MAX + 1))],
)
def test_counts_that_cannot_be_are_refused(at_risk: tuple[int, ...], defaults: tuple[int, ...]) -> None:
    with pytest.raises(Refused, match="lives"):
        Lives(at_risk=at_risk, defaults=defaults)


def test_odd_arguments_are_refused() -> None:
    with pytest.raises(Refused, match="horizon_months"):
        compare_survival(Lives(), Lives(), 0)
    with pytest.raises(Refused, match="factor"):
        compare_survival(Lives(), Lives(), 1, factor=0.5)
    with pytest.raises(Refused, match="factor"):
        rank_defaults(Lives(), Lives(), factor=math.nan)
    with pytest.raises(Refused, match="above 0"):
        expect_information(100.0, 0.5, 0.0)


# Cohorts that enter month by month; defaults peak in the middle of the first year.
HAZARDS = np.array([0.002, 0.004, 0.006, 0.008, 0.009, 0.009, 0.008, 0.007, 0.006, 0.005, 0.004, 0.004])
ENTRIES, ENTRY_MONTHS, LOOKS = (900, 600), 10, (6, 10, 14, 18)


def draw_cohorts(draws: np.random.Generator, experiments: int, factors: tuple[float, float]) -> tuple[np.ndarray, ...]:
    """At risk and defaults, int64[experiment, arm, cohort, month]."""
    shape = (experiments, 2, ENTRY_MONTHS, len(HAZARDS))
    at_risk, defaults = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    alive = np.broadcast_to(np.array(ENTRIES)[None, :, None], shape[:3])
    for month, hazard in enumerate(HAZARDS):
        at_risk[..., month] = alive
        defaults[..., month] = draws.binomial(alive, (np.array(factors) * hazard)[None, :, None])
        alive = alive - defaults[..., month]
    return at_risk, defaults


def look(at_risk: np.ndarray, defaults: np.ndarray, month: int) -> tuple[Lives, Lives]:
    """Both arms of one experiment as known at the end of a calendar month; arrays int64[arm, cohort, month]."""
    is_over = np.add.outer(np.arange(ENTRY_MONTHS), np.arange(len(HAZARDS))) < month
    risk, gone = (at_risk * is_over).sum(axis=1).tolist(), (defaults * is_over).sum(axis=1).tolist()
    return tuple(Lives(at_risk=tuple(r), defaults=tuple(g)) for r, g in zip(risk, gone, strict=True))


@pytest.mark.prove
def test_no_more_false_alarms_than_alpha_when_unripe_loans_are_ranked_at_planned_looks() -> None:
    """10,000 experiments as a proof, 1,000 in the suite; information as it was reached, the last look spends what is left."""
    experiments = 10_000 if IS_PROVING else 1_000
    at_risk, defaults = draw_cohorts(np.random.Generator(np.random.PCG64(8)), experiments, (1.0, 1.0))
    planned = expect_information(float(defaults.sum(axis=(1, 2, 3)).mean()), *ENTRIES)
    alarms = 0
    for number in range(experiments):
        ranks = [rank_defaults(*look(at_risk[number], defaults[number], month)) for month in LOOKS]
        assert all(rank is not None for rank in ranks)
        fractions = [rank.information / planned for rank in ranks]
        bounds = find_bounds(fractions, Spending.POCOCK, ALPHA, is_last=True).bounds
        alarms += any(abs(rank.score) >= bound for rank, bound in zip(ranks, bounds, strict=True))
    error = math.sqrt(ALPHA * (1.0 - ALPHA) / experiments)
    assert abs(alarms / experiments - ALPHA) <= 3.0 * error


@pytest.mark.prove
def test_the_difference_at_a_horizon_covers_the_truth_before_all_loans_are_ripe() -> None:
    experiments = 10_000 if IS_PROVING else 1_000
    factors = (1.0, 1.4)
    at_risk, defaults = draw_cohorts(np.random.Generator(np.random.PCG64(9)), experiments, factors)
    survival = [math.prod(1.0 - factor * HAZARDS[:9]) for factor in factors]
    misses = 0
    for number in range(experiments):
        found = compare_survival(*look(at_risk[number], defaults[number], 12), 9)
        assert found is not None
        misses += abs(found.difference - (survival[1] - survival[0])) > 1.959964 * math.sqrt(found.variance)
    assert abs(misses / experiments - ALPHA) <= 3.5 * math.sqrt(ALPHA * (1.0 - ALPHA) / experiments)


def moments(sizes: np.ndarray, values: np.ndarray) -> Sums:
    s, y = sizes.astype(float), values.astype(float)
    return Sums(units=len(s), s=s.sum(), y=y.sum(), ss=s @ s, sy=s @ y, yy=y @ y)


def test_single_applications_have_hardly_any_factor_and_no_sums_have_none() -> None:
    gone = np.arange(1_000) % 10 == 0
    assert find_cluster_factor(moments(np.ones(1_000), gone)) == pytest.approx(1_000 / 999)
    assert find_cluster_factor(Sums()) == 1.0
    assert find_cluster_factor(moments(np.ones(10), np.zeros(10))) == 1.0


def test_households_that_default_together_double_the_variance_and_their_factor_says_so() -> None:
    """Pairs that share their fate in one month: without the factor z is too wide by the root of two, with it z is standard."""
    draws = np.random.Generator(np.random.PCG64(10))
    households, scores = 2_000, []
    for _ in range(400):
        gone = draws.binomial(1, 0.05, (2, households)) * 2
        arms = [Lives(at_risk=(2 * households,), defaults=(int(row.sum()),)) for row in gone]
        factor = find_cluster_factor(moments(np.full(2 * households, 2), gone.ravel()))
        assert factor == pytest.approx(2.0, abs=0.01)
        found = compare_survival(*arms, 1, factor=factor)
        ranked = rank_defaults(*arms, factor=factor)
        assert found is not None
        assert ranked is not None
        assert found.score == pytest.approx(-ranked.score, rel=0.02, abs=1e-9)
        scores.append(found.score)
    assert np.std(scores) == pytest.approx(1.0, abs=0.11)
