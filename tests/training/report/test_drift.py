import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from instant_credit.outcome.drift import BINS_MAX, cut_bins, measure_psi
from instant_credit.training.report.drift import Split, measure_drift
from instant_credit.training.report.vintages import Vintages
from tests.budget import examples

COUNTS = arrays(np.float64, 6, elements=st.integers(0, 200).map(float))


def _psi(base, later):
    """The definition, one bin at a time."""
    seen = [(b, x) for b, x in zip(base.tolist(), later.tolist(), strict=True) if b or x]
    if len(seen) < 2:
        return 0.0
    all_base, all_later = (sum(one[k] for one in seen) + 0.5 * len(seen) for k in (0, 1))
    total = 0.0
    for b, x in seen:
        p, q = (b + 0.5) / all_base, (x + 0.5) / all_later
        total += (q - p) * math.log(q / p)
    return total


def _split(is_base, vintages=None, weights=None):
    vintages = vintages or Vintages(codes=np.zeros(len(is_base), dtype=np.int64), names=("2020",))
    return Split(is_base=is_base, is_later=~is_base, vintages=vintages, weights=weights)


@examples(100)
@given(base=COUNTS, later=COUNTS)
def test_psi_equals_its_definition_and_is_never_negative(base, later):
    if base.sum() and later.sum():
        psi = measure_psi(base, later, base.sum(), later.sum())
        assert psi.value == pytest.approx(_psi(base, later), abs=1e-12)
        assert psi.value >= 0.0
        assert psi.value == pytest.approx(measure_psi(later, base, later.sum(), base.sum()).value, abs=1e-12)


def test_equal_shares_have_no_drift():
    base = np.array([100.0, 200.0, 300.0])
    assert measure_psi(base, base, 600, 600).value == 0.0


def test_two_draws_of_one_population_stay_below_chance_95_times_in_100():
    chance = np.random.default_rng(5)
    shares = np.full(10, 0.1)
    below = 0
    for _ in range(400):
        base, later = (chance.multinomial(loans, shares).astype(float) for loans in (3_000, 1_500))
        psi = measure_psi(base, later, 3_000, 1_500)
        below += psi.value <= psi.chance
    assert 0.92 < below / 400 < 0.98


def test_bins_are_tenths_of_the_base_and_missing_stands_apart():
    values = np.concatenate([np.arange(1_000.0), [np.nan, 5_000.0]])
    is_base = np.arange(1_002) < 1_000
    bins, count = cut_bins(values, is_base)
    assert count == BINS_MAX + 1
    assert np.bincount(bins[:1_000]).tolist() == [100] * 10
    assert bins[1_000:].tolist() == [10, 9]


def test_a_variable_of_few_values_has_few_bins():
    values = np.array([0.0] * 90 + [1.0] * 10)
    bins, count = cut_bins(values, np.ones(100, dtype=np.bool_))
    assert count == 3
    assert np.bincount(bins, minlength=3).tolist() == [90, 10, 0]


def test_categories_are_bins_of_their_own():
    bins, count = cut_bins(np.array([2.0, 0.0, -1.0]), np.ones(3, dtype=np.bool_), categories=3)
    assert (bins.tolist(), count) == ([2, 0, 3], 4)


def test_a_shifted_variable_is_marked_and_a_steady_one_is_not():
    chance = np.random.default_rng(1)
    is_base = np.arange(4_000) < 2_000
    steady = chance.normal(size=4_000)
    shifted = np.where(is_base, steady, steady + 0.8)
    assert not measure_drift("steady", steady, _split(is_base)).psi.is_watched
    drift = measure_drift("shifted", shifted, _split(is_base))
    assert drift.psi.is_watched
    assert drift.psi.value > 0.25


def test_missing_shares_are_told_of_base_later_and_each_vintage():
    values = np.array([1.0, np.nan, 3.0, 4.0, np.nan, np.nan])
    is_base = np.array([True, True, True, True, False, False])
    vintages = Vintages(codes=np.array([0, 0, 1, 1, 2, 2]), names=("2020", "2021", "2022"))
    drift = measure_drift("x", values, _split(is_base, vintages))
    assert (drift.missing_share, drift.missing_share_later) == (0.25, 1.0)
    assert drift.missing_by_vintage == (0.5, 0.0, 1.0)
    assert len(drift.psi_by_vintage) == 3


def test_a_weight_of_three_counts_like_three_loans():
    chance = np.random.default_rng(2)
    values = chance.integers(0, 4, 300).astype(float)
    is_base = np.arange(300) < 200
    weights = np.where(np.arange(300) % 2, 3.0, 1.0)
    repeats = weights.astype(int)
    weighted = measure_drift("x", values, _split(is_base, weights=weights), categories=4)
    repeated = measure_drift("x", np.repeat(values, repeats), _split(np.repeat(is_base, repeats)), categories=4)
    assert weighted.psi.value == pytest.approx(repeated.psi.value)
    assert weighted.psi.chance > repeated.psi.chance


def test_a_variable_that_no_loan_has_drifts_nowhere_and_is_not_told():
    drift = measure_drift("x", np.full(10, np.nan), _split(np.arange(10) < 5))
    assert drift.psi.value == 0.0
    assert not drift.is_told


def test_without_later_loans_the_vintages_decide_the_size():
    chance = np.random.default_rng(3)
    codes = np.repeat([0, 1], 500)
    values = chance.normal(size=1_000) + 2.0 * codes
    split = Split(
        is_base=np.ones(1_000, dtype=np.bool_),
        is_later=np.zeros(1_000, dtype=np.bool_),
        vintages=Vintages(codes=codes, names=("2020", "2021")),
        weights=None,
    )
    drift = measure_drift("x", values, split)
    assert drift.psi is None
    assert drift.size == max(psi.value for psi in drift.psi_by_vintage) > 0.1
