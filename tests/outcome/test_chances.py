"""Tails of the normal, chi-square and hypergeometric laws against scipy and against whole binomials."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from instant_credit.errors import BrokenInvariant
from instant_credit.outcome.chances import chi_square_point, chi_square_upper, normal_upper, shares_chance
from tests.budget import examples
from tests.naive.sketches import fisher_chance


@examples(100)
@given(st.floats(0.0, 2_000.0), st.integers(1, 300))
def test_the_chi_squares_tail_is_scipys(value: float, freedom: int) -> None:
    assert chi_square_upper(value, freedom) == pytest.approx(float(stats.chi2.sf(value, freedom)), rel=1e-8, abs=1e-290)


@examples(50)
@given(st.floats(1e-9, 0.999), st.integers(1, 300))
def test_the_chi_squares_point_is_scipys(upper: float, freedom: int) -> None:
    assert chi_square_point(upper, freedom) == pytest.approx(float(stats.chi2.isf(upper, freedom)), rel=1e-8)


@examples(50)
@given(st.floats(-8.0, 8.0))
def test_the_normals_tail_is_scipys(point: float) -> None:
    assert normal_upper(point) == pytest.approx(float(stats.norm.sf(point)), rel=1e-10)


@examples(100)
@given(st.data())
def test_two_shares_are_compared_as_fisher_does(data: st.DataObject) -> None:
    trials, base_trials = data.draw(st.integers(0, 60)), data.draw(st.integers(0, 60))
    hits, base_hits = data.draw(st.integers(0, trials)), data.draw(st.integers(0, base_trials))
    chance = shares_chance(hits, trials, base_hits, base_trials)
    assert chance == pytest.approx(fisher_chance(hits, trials, base_hits, base_trials), rel=1e-9)
    assert chance == pytest.approx(shares_chance(base_hits, base_trials, hits, trials), rel=1e-9)


def test_large_shares_are_compared_by_the_normal_law_as_exactly_as_it_matters() -> None:
    exact = stats.fisher_exact([[10_200, 89_800], [20_000, 180_000]])[1]
    assert shares_chance(10_200, 100_000, 20_000, 200_000) == pytest.approx(float(exact), rel=0.05)


def test_what_no_law_has_is_refused() -> None:
    with pytest.raises(BrokenInvariant, match="degree of freedom"):
        chi_square_upper(1.0, 0)
    with pytest.raises(BrokenInvariant, match="between 0 and 1"):
        chi_square_point(1.0, 3)
