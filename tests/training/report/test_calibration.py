import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from instant_credit.training.report.calibration import measure_calibration


def _invent(loans, slope=1.0, intercept=0.0, seed=0):
    chance = np.random.default_rng(seed)
    log_odds = chance.normal(-2.0, 1.0, loans)
    labels = (chance.random(loans) < 1 / (1 + np.exp(-(intercept + slope * log_odds)))).astype(np.int8)
    return 1 / (1 + np.exp(-log_odds)), labels


def test_the_line_is_logistic_regression_without_a_penalty():
    pds, labels = _invent(3_000)
    line = measure_calibration(pds, labels, None)
    fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(np.log(pds / (1 - pds))[:, None], labels)
    assert line.slope.value == pytest.approx(fitted.coef_[0, 0], abs=1e-5)
    assert line.intercept.value == pytest.approx(fitted.intercept_[0], abs=1e-5)


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.6, 0.0), (1.4, -0.3)])
def test_intervals_hold_the_true_line_about_95_times_in_100(slope, intercept):
    held = 0
    for seed in range(150):
        line = measure_calibration(*_invent(1_500, slope, intercept, seed), None)
        held += line.slope.low <= slope <= line.slope.high
    assert 0.90 <= held / 150 <= 0.99


def test_pds_too_low_on_the_whole_have_an_intercept_above_0():
    pds, labels = _invent(20_000, intercept=0.5)
    assert measure_calibration(pds, labels, None).intercept_at_slope_1.low > 0.4


def test_a_weight_of_two_counts_like_two_loans():
    pds, labels = _invent(2_000)
    weights = np.where(np.arange(2_000) % 3 == 0, 2.0, 1.0)
    repeats = weights.astype(int)
    weighted = measure_calibration(pds, labels, weights)
    repeated = measure_calibration(np.repeat(pds, repeats), np.repeat(labels, repeats), None)
    assert weighted.slope.value == pytest.approx(repeated.slope.value)
    assert weighted.slope.high - weighted.slope.low > repeated.slope.high - repeated.slope.low


def test_no_line_fits_one_pd_or_a_perfect_order():
    labels = np.array([0, 0, 0, 1, 1], dtype=np.int8)
    assert measure_calibration(np.full(5, 0.2), labels, None) is None
    assert measure_calibration(np.array([0.1, 0.2, 0.3, 0.4, 0.5]), labels, None) is None
