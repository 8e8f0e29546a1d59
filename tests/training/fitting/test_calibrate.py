import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.errors import Refused
from instant_credit.score.calibration import estimate_pds
from instant_credit.training.fitting.calibrate import fit_calibration


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
