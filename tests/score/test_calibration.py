"""Calibration and points."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.errors import BrokenInvariant, Refused
from instant_credit.score.calibration import (
    Calibration,
    calibrate_log_odds,
    calibrate_rows,
    estimate_pds,
    margin_at_pd,
    pd_to_ppm,
    tabulate_calibrations,
)
from instant_credit.score.points import Scale, points_at
from instant_credit.units import Ppm
from tests.naive.trees import naive_estimate_pds

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


CALIBRATIONS = st.builds(Calibration, slope=SLOPES, intercept=INTERCEPTS)


@given(
    CALIBRATIONS,
    st.lists(st.one_of(st.none(), CALIBRATIONS), max_size=4),
    st.lists(st.tuples(st.floats(-8, 8), st.integers(-1, 6)), min_size=1, max_size=8),
)
def test_each_row_is_calibrated_by_its_segment_alone_and_among_many(
    overall: Calibration, segments: list[Calibration | None], rows: list[tuple[float, int]]
) -> None:
    table = tabulate_calibrations(overall, segments)
    raws, codes = np.array([raw for raw, _ in rows]), np.array([code for _, code in rows], dtype=np.float32)
    log_odds, pds = calibrate_rows(table, raws, codes)
    assert estimate_pds(table, raws, codes).tobytes() == pds.tobytes()
    for i, (raw, code) in enumerate(rows):
        own = (segments[code] if 0 <= code < len(segments) else None) or overall
        assert log_odds[i] == calibrate_log_odds(own, raw)
        assert pds[i] == estimate_pds(own, np.array([raw]))[0]
        assert pds[i] == pytest.approx(naive_estimate_pds([raw], own.slope, own.intercept)[0], rel=1e-12)
        alone = calibrate_rows(table, raws[i : i + 1], codes[i : i + 1])
        assert (alone[0][0], alone[1][0]) == (log_odds[i], pds[i])


@given(st.lists(CALIBRATIONS, min_size=1, max_size=3), st.data(), st.floats(-8, 8), st.floats(1e-6, 4))
def test_within_a_segment_a_higher_score_is_a_higher_risk(
    segments: list[Calibration], data: st.DataObject, raw: float, step: float
) -> None:
    code = data.draw(st.integers(-1, len(segments)))
    table = tabulate_calibrations(Calibration(), segments)
    log_odds, pds = calibrate_rows(table, np.array([raw, raw + step]), np.full(2, code, dtype=np.float32))
    assert log_odds[0] < log_odds[1]
    assert pds[0] < pds[1] or pds[1] > 1 - 1e-9


@pytest.mark.parametrize("code", [math.nan, -1.0, 2.0, 249.0])
def test_a_code_that_is_no_segment_takes_the_overall_calibration(code: float) -> None:
    table = tabulate_calibrations(Calibration(), (Calibration(slope=3.0), Calibration(slope=2.0)))
    assert calibrate_rows(table, np.array([1.5]), np.array([code], dtype=np.float32))[0].tolist() == [1.5]


@pytest.mark.parametrize("codes", [None, np.zeros(2, dtype=np.float32)])
def test_segments_without_a_code_for_each_row_are_our_bug(codes: np.ndarray | None) -> None:
    table = tabulate_calibrations(Calibration(), (Calibration(slope=3.0),))
    with pytest.raises(BrokenInvariant, match="a code for every row"):
        calibrate_rows(table, np.array([1.5]), codes)


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
