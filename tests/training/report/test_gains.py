import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.score.points import Scale, points_at
from instant_credit.training.report.gains import count_points, list_bands, list_gains, trace_gains
from tests.budget import examples


def _invent(loans=2_000, seed=0):
    chance = np.random.default_rng(seed)
    pds = chance.beta(2, 10, loans)
    return pds, (chance.random(loans) < pds).astype(np.int8)


def test_gains_of_ten_loans_are_what_one_counts():
    pds = np.linspace(0.05, 0.95, 10)
    labels = np.array([0, 0, 0, 0, 1, 0, 0, 0, 1, 1], dtype=np.int8)
    gains = {gain.share: gain for gain in list_gains(pds, labels, None)}
    assert gains[0.1].caught.value == pytest.approx(1 / 3)
    assert gains[0.2].caught.value == pytest.approx(2 / 3)
    assert gains[0.2].lift.value == pytest.approx(10 / 3)
    assert gains[0.2].bad_rate.value == 1.0
    assert gains[0.5].caught.value == pytest.approx(2 / 3)
    assert 0.01 not in gains


def test_a_weight_of_two_counts_like_two_loans():
    pds, labels = _invent()
    weights = np.where(labels == 0, 2.0, 1.0)
    repeats = weights.astype(int)
    weighted = list_gains(pds, labels, weights / weights.mean())
    repeated = list_gains(np.repeat(pds, repeats), np.repeat(labels, repeats), None)
    for one, other in zip(weighted, repeated, strict=True):
        assert one.caught.value == pytest.approx(other.caught.value, abs=2e-3)
        assert one.bad_rate.value == pytest.approx(other.bad_rate.value, abs=5e-3)


def test_the_curve_of_gains_rises_from_nothing_to_all():
    loans, bads = trace_gains(*_invent(), None)
    assert (loans[0], bads[0], loans[-1], bads[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert (np.diff(loans) > 0).all()
    assert (np.diff(bads) >= 0).all()


@examples(60)
@given(st.floats(1e-6, 1 - 1e-6))
def test_points_of_many_are_those_of_one(pd):
    scale = Scale()
    assert count_points(np.array([pd]), scale)[0] == points_at(scale, float(np.log(pd) - np.log1p(-pd)))


def test_bands_hold_every_loan_once_and_the_outermost_ones_are_not_empty():
    pds, labels = _invent()
    points = count_points(pds, Scale())
    bands = list_bands(points, pds, labels, None)
    assert sum(band.loans for band in bands) == len(pds)
    assert sum(band.bads for band in bands) == labels.sum()
    assert sum(band.share for band in bands) == pytest.approx(1.0)
    assert min(bands[0].share, bands[-1].share) >= 0.01
    assert (bands[0].points_to, bands[-1].points_from) == (points.max(), points.min())
    assert [band.points_from for band in bands] == sorted((band.points_from for band in bands), reverse=True)


def test_loans_of_one_score_make_one_band():
    pds, labels = np.full(50, 0.1), np.arange(50, dtype=np.int8) % 2
    (band,) = list_bands(count_points(pds, Scale()), pds, labels, None)
    assert (band.loans, band.bads, band.pd_mean) == (50, 25, pytest.approx(0.1))
