from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.training.fitting.binning import (
    ANY,
    FALLING,
    FINE_BINS_MAX,
    PEAK,
    RISING,
    VALLEY,
    FineBins,
    Limits,
    cut_finely,
    group_bins,
    group_freely,
    measure_information,
)
from tests.naive.binning import moves, naive_group_bins, naive_information

SHAPES = [RISING, FALLING, PEAK, VALLEY, ANY]
COUNTS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), min_size=1, max_size=8)
LIMITS = st.builds(
    Limits, groups=st.integers(1, 8), share=st.sampled_from([0.0, 0.05, 0.2]), loans=st.sampled_from([0, 1, 5, 20])
)
MARGINS = (50.0, 20.0)


def lay(counts, weights=(1.0, 1.0)):
    """Fine bins of loans whose good and whose bad ones have one weight each, beside others that lie outside."""
    good_loans, bad_loans = (np.array(one, dtype=np.int64) for one in zip(*counts, strict=True))
    goods, bads = good_loans * weights[0], bad_loans * weights[1]
    return FineBins(
        goods=goods,
        bads=bads,
        good_loans=good_loans,
        bad_loans=bad_loans,
        good_total=float(goods.sum()) + MARGINS[0],
        bad_total=float(bads.sum()) + MARGINS[1],
        chance=1 / (good_loans.sum() + MARGINS[0]) + 1 / (bad_loans.sum() + MARGINS[1]),
    )


def list_groups(bins, grouped):
    spans = list(pairwise([0, *grouped.ends.tolist()]))
    groups = [(float(bins.goods[a:b].sum()), float(bins.bads[a:b].sum())) for a, b in spans]
    return groups, spans


def find_best(bins, counts, shape, limits):
    return naive_group_bins(
        bins.goods.tolist(),
        bins.bads.tolist(),
        counts,
        shape,
        (bins.good_total, bins.bad_total),
        groups_max=limits.groups,
        share_min=limits.share,
        loans_min=limits.loans,
    )


@given(COUNTS, st.sampled_from(SHAPES), LIMITS, st.sampled_from([(1.0, 1.0), (0.37, 1.9)]))
def test_no_lawful_grouping_tells_more(counts, shape, limits, weights):
    bins = lay(counts, weights)
    grouped = group_bins(bins, shape, limits)
    groups, _ = list_groups(bins, grouped)
    told = sum(naive_information(*one, (bins.good_total, bins.bad_total)) for one in groups)
    assert grouped.information == pytest.approx(told, abs=1e-9)
    assert told == pytest.approx(find_best(bins, counts, shape, limits), abs=1e-9)


@given(COUNTS, st.sampled_from(SHAPES), LIMITS)
def test_a_grouping_keeps_shape_and_limits(counts, shape, limits):
    bins = lay(counts)
    grouped = group_bins(bins, shape, limits)
    groups, spans = list_groups(bins, grouped)
    assert grouped.ends[-1] == len(counts)
    assert len(groups) <= limits.groups
    assert moves(groups, shape, (bins.good_total, bins.bad_total))
    if len(groups) > 1:
        assert all(b - a > 0 for a, b in spans)
        assert min(map(sum, groups)) >= limits.share * sum(map(sum, groups)) - 1e-9
        assert min(min(one) for one in groups) >= limits.loans
    if len(shape) == 1:
        assert (shape[0] * np.diff(grouped.evidence) >= 0.0).all()


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 300)), min_size=40, max_size=40), st.sampled_from(SHAPES))
def test_no_equal_shares_that_keep_shape_and_limits_tell_more(counts, shape):
    bins = lay(counts)
    totals = (bins.good_total, bins.bad_total)
    grouped = group_bins(bins, shape)
    weight = bins.goods.sum() + bins.bads.sum()
    for count in range(2, 11):
        spans = list(pairwise(np.linspace(0, 40, count + 1).astype(int).tolist()))
        groups = [(float(bins.goods[a:b].sum()), float(bins.bads[a:b].sum())) for a, b in spans]
        is_lawful = min(min(one) for one in groups) >= 5 and min(map(sum, groups)) >= 0.05 * weight
        if is_lawful and moves(groups, shape, totals):
            assert grouped.information >= sum(naive_information(*one, totals) for one in groups) - 1e-9


def test_equal_rates_make_one_group():
    assert all(group_bins(lay([(90, 10)] * 12), shape).ends.tolist() == [12] for shape in [RISING, FALLING, ANY, PEAK])


def test_the_earlier_cut_is_taken_of_two_that_tell_the_same():
    bins = lay([(100, 10), (0, 0), (0, 0), (100, 40)])
    assert group_bins(bins, RISING).ends.tolist() == [1, 4]


@pytest.mark.parametrize(
    ("rates", "ends"),
    [
        ((0.05, 0.1, 0.2, 0.4), [1, 2, 3, 4]),
        ((0.4, 0.2, 0.1, 0.05), [1, 2, 3, 4]),
        ((0.1, 0.4, 0.4, 0.1), [1, 3, 4]),
        ((0.4, 0.1, 0.1, 0.4), [1, 3, 4]),
        ((0.4, 0.1, 0.4, 0.1), [1, 3, 4]),
    ],
    ids=["rising", "falling", "peak", "valley", "at most one turn"],
)
def test_a_free_variable_takes_the_shape_that_is_there(rates, ends):
    bins = lay([(round(1_000 * (1 - rate)), round(1_000 * rate)) for rate in rates])
    assert group_freely(bins).ends.tolist() == ends


def test_a_turn_that_chance_explains_is_not_taken():
    bins = lay([(95, 5), (90, 10), (80, 20), (83, 17)])
    assert group_bins(bins, PEAK).information > group_bins(bins, RISING).information
    assert group_freely(bins).ends.tolist() == group_bins(bins, RISING).ends.tolist()


def test_a_turn_is_taken_once_it_is_clear():
    counts = [(95, 5), (70, 30), (95, 5), (95, 5)]
    assert len(group_freely(lay(counts)).ends) == 3
    assert group_freely(lay(counts)).information == group_bins(lay(counts), PEAK).information


def test_an_empty_group_tells_nothing():
    assert measure_information(np.zeros(1), np.zeros(1), 80.0, 20.0).tolist() == [0.0]


@given(st.lists(st.integers(-50, 50), max_size=300), st.integers(0, 100))
def test_fine_bins_are_few_and_hold_every_value(numbers, seed):
    values = np.array(numbers, dtype=np.float32)
    edges, places = cut_finely(values, np.random.default_rng(seed).uniform(0.1, 9, len(values)))
    assert len(edges) < FINE_BINS_MAX
    assert (np.diff(edges) > 0).all()
    assert places.tolist() == np.searchsorted(edges, values, side="left").tolist()
    assert (np.bincount(places, minlength=len(edges) + 1) > 0).all() or not len(values)


def test_fine_bins_are_of_one_weight():
    values = np.arange(4_000, dtype=np.float32)
    weights = np.where(values < 1_000, 9.0, 1.0)
    _, places = cut_finely(values, weights)
    shares = np.bincount(places, weights=weights) / weights.sum()
    assert len(shares) == FINE_BINS_MAX
    assert shares.max() - shares.min() < 0.005
