"""Tests of two draws of one population by bin: scipy's where bins hold enough, exact where two are left, and at their level throughout."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from instant_credit.outcome.drift import cut_bins, cut_borders, expect_psi, find_bins, homogeneity_chance, measure_psi
from tests.budget import examples
from tests.naive.sketches import fisher_chance

counts = st.integers(20, 400)


@examples(50)
@given(st.lists(st.tuples(counts, counts), min_size=3, max_size=12))
def test_with_enough_in_each_bin_it_is_pearsons_test(pairs) -> None:
    base, later = zip(*pairs, strict=True)
    table = np.array([base, later])
    if stats.contingency.expected_freq(table).min() >= 5.0:
        exact = stats.chi2_contingency(table, correction=False).pvalue
        assert homogeneity_chance(base, later) == pytest.approx(float(exact), rel=1e-8, abs=1e-290)


@pytest.mark.parametrize(
    ("base", "later", "pooled"),
    [
        ((900, 100), (90, 10), (100, 1_000, 10, 100)),
        ((500, 500, 3), (60, 40, 0), None),
        ((996, 2, 2), (95, 3, 2), (4, 1_000, 5, 100)),
        ((1_000, 0), (97, 3), (0, 1_000, 3, 100)),
    ],
)
def test_bins_with_few_count_together_and_two_are_tested_exactly(base, later, pooled) -> None:
    found = homogeneity_chance(base, later)
    if pooled is None:
        joined = homogeneity_chance((500, 503), (60, 40)), homogeneity_chance((503, 500), (60, 40))
        assert found in joined
    else:
        base_hits, base_trials, hits, trials = pooled
        assert found == pytest.approx(fisher_chance(hits, trials, base_hits, base_trials), rel=1e-9)


def test_nothing_is_told_of_nobody_or_of_one_bin() -> None:
    assert homogeneity_chance((0, 0), (5, 5)) == homogeneity_chance((5, 5), (0, 0)) == 1.0
    assert homogeneity_chance((100, 0), (50, 0)) == 1.0
    assert expect_psi((100, 0), (50, 0)) == 0.0
    assert measure_psi(np.array([1.0]), np.array([1.0]), 1.0, 1.0).value == 0.0


def test_an_unchanged_population_is_called_changed_as_often_as_is_said_also_with_rare_bins() -> None:
    chance = np.random.default_rng(17)
    shares = np.array([0.3, 0.3, 0.2, 0.1, 0.05, 0.03, 0.015, 0.004, 0.001])
    found = np.array(
        [homogeneity_chance(chance.multinomial(3_000, shares), chance.multinomial(400, shares)) for _ in range(2_000)]
    )
    for level in (0.1, 0.05, 0.01):
        spread = np.sqrt(level * (1.0 - level) / len(found))
        assert (found <= level).mean() == pytest.approx(level, abs=4.0 * spread + 0.1 * level)


def test_the_expected_index_is_the_mean_of_two_draws_of_one_population() -> None:
    chance = np.random.default_rng(18)
    shares = np.full(10, 0.1)
    drawn = [(chance.multinomial(4_000, shares), chance.multinomial(1_000, shares)) for _ in range(500)]
    indices = [measure_psi(base.astype(float), later.astype(float), 4_000, 1_000).value for base, later in drawn]
    assert np.mean(indices) == pytest.approx(expect_psi(*drawn[0]), rel=0.08)


@examples(50)
@given(st.lists(st.sampled_from([0.0, 1.0, 2.5, 7.0, float("nan")]), min_size=1, max_size=40))
def test_borders_cut_once_give_the_bins_of_cutting_at_once(values: list[float]) -> None:
    told = np.array(values)
    bins, count = cut_bins(told, np.ones(len(told), dtype=np.bool_))
    borders = cut_borders(told)
    assert find_bins(told, borders).tolist() == bins.tolist()
    assert count == len(borders) + 2


def test_categories_are_bins_by_themselves_and_missing_is_the_last() -> None:
    bins, count = cut_bins(np.array([0.0, 2.0, -1.0]), np.ones(3, dtype=np.bool_), categories=3)
    assert (bins.tolist(), count) == ([0, 2, 3], 4)
