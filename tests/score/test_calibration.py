"""Calibration and points."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.errors import Refused
from instant_credit.score.calibration import (
    Calibration,
    calibrate_log_odds,
    estimate_pds,
    margin_at_pd,
    pd_to_ppm,
)
from instant_credit.score.points import Scale, points_at
from instant_credit.units import Ppm

SLOPES = st.floats(0.05, 5.0)
INTERCEPTS = st.floats(-5.0, 5.0)


@given(SLOPES, INTERCEPTS, st.floats(-8, 8), st.floats(1e-6, 4))
def test_a_higher_score_is_a_higher_risk(slope: float, intercept: float, raw: float, step: float) -> None:
    calibration = Calibration(slope=slope, intercept=intercept)
    low, high = estimate_pds(calibration, np.array([raw, raw + step]))
    assert low < high or high > 1 - 1e-9


@given(SLOPES, INTERCEPTS, st.integers(1, 999_999))
def test_the_margin_at_a_probability_has_that_probability(slope: float, intercept: float, pd_ppm: int) -> None:
    calibration = Calibration(slope=slope, intercept=intercept)
    raw = margin_at_pd(calibration, Ppm(pd_ppm))
    assert pd_to_ppm(estimate_pds(calibration, np.array([raw]))[0]) == pd_ppm


@pytest.mark.parametrize("pd_ppm", [0, 1_000_000, -1])
def test_certainty_has_no_margin(pd_ppm: int) -> None:
    with pytest.raises(Refused, match="pd_ppm"):
        margin_at_pd(Calibration(), Ppm(pd_ppm))


@pytest.mark.parametrize(
    ("pd", "ppm"),
    [(0.0, 1), (1.0, 999_999), (4e-7, 1), (1.6e-6, 2), (0.1234565, 123_456), (0.9999999, 999_999), (0.5, 500_000)],
)
def test_probabilities_in_parts_per_million_are_never_certain(pd: float, ppm: int) -> None:
    assert pd_to_ppm(pd) == ppm


def test_extreme_scores_stay_probabilities() -> None:
    raw = np.array([-1e9, -800.0, 0.0, 800.0, 1e9])
    assert estimate_pds(Calibration(), raw).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]


@pytest.mark.parametrize("slope", [0.0, -1.0, math.inf, math.nan])
def test_a_calibration_that_does_not_rise_is_refused(slope: float) -> None:
    with pytest.raises(Refused, match="slope"):
        Calibration(slope=slope)


def test_a_calibration_needs_a_finite_intercept() -> None:
    with pytest.raises(Refused, match="intercept"):
        Calibration(intercept=math.inf)


def test_log_odds_are_a_line_over_the_raw_score() -> None:
    assert calibrate_log_odds(Calibration(slope=2.0, intercept=-1.0), 0.75) == 0.5


def test_points_stand_at_their_anchor_and_double_the_odds_by_their_step() -> None:
    assert points_at(Scale(), -math.log(50.0)) == 600
    assert points_at(Scale(), -math.log(100.0)) == 620
    assert points_at(Scale(), -math.log(25.0)) == 580
    assert points_at(Scale(points=500, odds=1.0, points_to_double=50.0), math.log(4.0)) == 400


@given(st.floats(-1e3, 1e3), st.floats(0, 10))
def test_points_never_rise_with_the_risk_and_stay_on_the_scale(log_odds: float, step: float) -> None:
    better, worse = points_at(Scale(), log_odds), points_at(Scale(), log_odds + step)
    assert 300 <= worse <= better <= 850


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"odds": 0.0}, "odds"),
        ({"odds": math.inf}, "odds"),
        ({"points_to_double": -20.0}, "points_to_double"),
        ({"points_to_double": math.nan}, "points_to_double"),
        ({"minimum": 601}, "minimum"),
        ({"maximum": 599}, "maximum"),
    ],
)
def test_a_scale_that_does_not_rise_is_refused(wrong: dict[str, float], words: str) -> None:
    with pytest.raises(Refused, match=words):
        Scale(**wrong)
