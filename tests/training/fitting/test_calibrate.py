import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from instant_credit.errors import Refused
from instant_credit.score.calibration import estimate_pds
from instant_credit.training.fitting.calibrate import (
    SHIFT_SPREAD,
    STRETCH_SPREAD,
    fit_calibration,
    fit_calibrations,
)


def invent(loans: int, slope: float, intercept: float, seed: int = 1):
    chance = np.random.default_rng(seed)
    raw_scores = chance.normal(-1.5, 0.8, loans)
    pds = 1 / (1 + np.exp(-(intercept + slope * raw_scores)))
    return raw_scores, (chance.random(loans) < pds).astype(np.int8)


def test_the_true_map_is_found():
    found = fit_calibration(*invent(200_000, 0.7, -0.4))
    assert found.slope == pytest.approx(0.7, abs=0.02)
    assert found.intercept == pytest.approx(-0.4, abs=0.04)


def test_the_mean_pd_is_the_bad_rate():
    raw_scores, labels = invent(5_000, 1.3, 0.2)
    assert estimate_pds(fit_calibration(raw_scores, labels), raw_scores).mean() == pytest.approx(
        labels.mean(), abs=1e-3
    )


@given(st.integers(0, 10_000), st.floats(0.2, 3.0), st.floats(-1.0, 1.0))
def test_the_order_of_loans_never_changes(seed, slope, intercept):
    raw_scores, labels = invent(400, slope, intercept, seed)
    try:
        calibration = fit_calibration(raw_scores, labels)
    except Refused:
        return
    pds = estimate_pds(calibration, np.sort(raw_scores))
    assert (np.diff(pds) >= 0).all()
    assert calibration.slope > 0


def test_a_perfect_order_still_has_a_finite_answer():
    labels = (np.arange(40) >= 30).astype(np.int8)
    pds = estimate_pds(fit_calibration(np.linspace(-3, 3, 40), labels), np.linspace(-3, 3, 40))
    assert (pds > 0).all()
    assert (pds < 1).all()


def test_scores_far_from_zero_are_no_harder():
    raw_scores, labels = invent(3_000, 1.0, 0.0)
    near, far = fit_calibration(raw_scores, labels), fit_calibration(raw_scores * 1e4 + 1e6, labels)
    assert far.slope * 1e4 == pytest.approx(near.slope, rel=1e-6)


def test_a_score_that_falls_with_risk_is_refused():
    raw_scores, labels = invent(2_000, -1.0, -3.0)
    with pytest.raises(Refused, match="does not rise with risk"):
        fit_calibration(raw_scores, labels)


def test_a_score_that_says_nothing_is_refused():
    with pytest.raises(Refused, match="does not rise with risk"):
        fit_calibration(np.zeros(100), (np.arange(100) % 5 == 0).astype(np.int8))


@pytest.mark.parametrize("label", [0, 1])
def test_one_kind_of_loans_is_refused(label):
    with pytest.raises(Refused, match="good and bad"):
        fit_calibration(np.arange(10.0), np.full(10, label, dtype=np.int8))


NAMES = ("large", "small", "tiny", "absent")


def invent_segments(seed: int = 4):
    """Raw scores that are right about the large segment; the small one is riskier and less spread than they say."""
    chance = np.random.default_rng(seed)
    codes = np.repeat(np.array([0, 1, 2, -1], dtype=np.float32), [12_000, 1_500, 30, 50])
    raws = chance.normal(-2.0, 1.0, len(codes))
    log_odds = np.where(codes == 1, -1.2 + 0.6 * (raws + 2.0), raws)
    return raws, (chance.random(len(codes)) < 1 / (1 + np.exp(-log_odds))).astype(np.int8), codes


def test_a_large_segment_tells_for_itself_and_a_tiny_one_takes_the_overall_calibration():
    raws, labels, codes = invent_segments()
    found = fit_calibrations(raws, labels, codes=codes, names=NAMES)
    _, small, tiny, absent = found.segments
    assert small.shift > 0.5
    assert small.stretch < 0.85
    assert (tiny.calibration, absent.calibration, absent.loans) == (None, None, 0)
    pds = estimate_pds(found.table, raws, codes)
    for code in (0, 1):
        assert pds[codes == code].mean() == pytest.approx(labels[codes == code].mean(), abs=0.01)
    expected = estimate_pds(found.calibration, raws[codes == 2])
    assert pds[codes == 2].tolist() == expected.tolist()
    assert pds[codes == -1].tolist() == estimate_pds(found.calibration, raws[codes == -1]).tolist()


@given(st.integers(0, 2**31), st.integers(50, 400), st.floats(-3, 3))
def test_pds_rise_strictly_with_the_score_within_every_segment(seed, loans, lean):
    chance = np.random.default_rng(seed)
    codes = chance.integers(0, 2, loans).astype(np.float32)
    raws = chance.normal(-1.0, 1.0, loans)
    labels = (chance.random(loans) < 1 / (1 + np.exp(-np.where(codes == 1, lean * raws, 2 * raws)))).astype(np.int8)
    try:
        found = fit_calibrations(raws, labels, codes=codes, names=("a", "b"))
    except Refused:
        return
    slopes = [found.calibration.slope, *(one.slope for one in found.segment_calibrations if one is not None)]
    assert all(slope > 0 for slope in slopes)


def test_a_segment_is_drawn_to_all_loans_by_as_much_as_it_is_small():
    raws, labels, codes = invent_segments()
    rows = np.flatnonzero(codes == 1)
    first = rows[:150]
    shifts = []
    for times in (1, 3, 9):
        part = np.concatenate([np.repeat(np.flatnonzero(codes == 0), 9), np.repeat(first, times)])
        shifts.append(fit_calibrations(raws[part], labels[part], codes=codes[part], names=NAMES).segments[1].shift)
    assert 0 < shifts[0] < shifts[1] < shifts[2]


def test_the_posterior_of_a_segment_is_at_its_top():
    raws, labels, codes = invent_segments()
    found = fit_calibrations(raws, labels, codes=codes, names=NAMES)
    segment, rows = found.segments[1], codes == 1
    overall = found.calibration.intercept + found.calibration.slope * raws[rows]

    def loss(parameters):
        shift, stretch = parameters
        log_odds = overall.mean() + shift + stretch * (overall - overall.mean())
        likelihood = np.logaddexp(0, log_odds).sum() - (labels[rows] * log_odds).sum()
        return likelihood + (shift / SHIFT_SPREAD) ** 2 / 2 + ((stretch - 1) / STRETCH_SPREAD) ** 2 / 2

    best = minimize(loss, (0.0, 1.0), tol=1e-12)
    assert (segment.shift, segment.stretch) == pytest.approx(tuple(best.x), abs=1e-4)


def test_a_segment_whose_scores_fall_with_risk_is_shifted_only():
    chance = np.random.default_rng(5)
    codes = np.repeat(np.array([0, 1], dtype=np.float32), [20_000, 20_000])
    raws = chance.normal(-1.0, 1.0, len(codes))
    log_odds = np.where(codes == 0, 9 * raws + 9, -1 - 0.3 * raws)
    labels = (chance.random(len(codes)) < 1 / (1 + np.exp(-log_odds))).astype(np.int8)
    segment = fit_calibrations(raws, labels, codes=codes, names=("a", "b")).segments[1]
    assert segment.stretch == 1.0
    assert segment.calibration.slope > 0


@pytest.mark.parametrize("is_weighted", [False, True])
def test_errors_of_a_calibration_are_those_of_repeated_samples(is_weighted):
    chance = np.random.default_rng(8)
    found = []
    for _ in range(200):
        raws = chance.normal(-1.5, 1.0, 600)
        labels = (chance.random(600) < 1 / (1 + np.exp(-raws))).astype(np.int8)
        weights = np.where(labels == 1, 1.0, 3.0) * chance.uniform(0.5, 1.5, 600) if is_weighted else None
        found.append(fit_calibrations(raws, labels, weights).overall)
    slopes = np.array([one.calibration.slope for one in found])
    assert np.mean([one.slope_error for one in found]) == pytest.approx(slopes.std(), rel=0.15)
    truth = 1 / (1 + math.exp(2.5)) if not is_weighted else None
    if truth is not None:
        intervals = [np.interp(-2.5, [p.raw for p in one.points], [p.pd.value for p in one.points]) for one in found]
        assert np.mean(intervals) == pytest.approx(truth, rel=0.1)
    middles = [one.points[2].pd for one in found]
    assert all(one.low < one.value < one.high for one in middles)


def test_equal_weights_are_no_weights():
    raws, labels, codes = invent_segments()
    plain = fit_calibrations(raws, labels, codes=codes, names=NAMES)
    assert fit_calibrations(raws, labels, np.full(len(raws), 2.5), codes=codes, names=NAMES) == plain


def test_weights_stand_for_loans():
    chance = np.random.default_rng(9)
    raws = chance.normal(-1.0, 1.0, 5_000)
    labels = (chance.random(5_000) < 1 / (1 + np.exp(-raws))).astype(np.int8)
    counts = np.where(labels == 1, 1, 3)
    once = fit_calibration(raws, labels, counts.astype(np.float64))
    copied = fit_calibration(np.repeat(raws, counts), np.repeat(labels, counts))
    assert once.slope == pytest.approx(copied.slope, rel=0.01)
    assert once.intercept == pytest.approx(copied.intercept, abs=0.01)
