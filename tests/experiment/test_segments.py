"""Segments: statsmodels' meta-analysis and quadrature as oracles, coverage under the law assumed."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from statsmodels.stats.meta_analysis import combine_effects

from instant_credit.errors import Refused
from instant_credit.experiment.segments import (
    SEGMENTS_MAX,
    Heterogeneity,
    SegmentDifference,
    find_tau2,
    shrink_segments,
)
from tests.budget import IS_PROVING

EFFECTS = st.lists(st.tuples(st.floats(-3.0, 3.0), st.floats(0.2, 4.0)), min_size=3, max_size=12)


def shrink(effects, variances, alpha: float = 0.05) -> Heterogeneity:
    rows = enumerate(zip(effects, variances, strict=True))
    return shrink_segments(
        [SegmentDifference(segment=f"s{k}", difference=float(d), variance=float(v)) for k, (d, v) in rows], alpha=alpha
    )


@given(EFFECTS)
@settings(max_examples=30, deadline=None)
def test_the_spread_and_its_test_are_statsmodels(rows) -> None:
    effects, variances = np.array(rows).T
    # The oracle divides by a spread of nought.
    assume(np.ptp(effects) > 0.01)
    theirs = combine_effects(effects, variances, method_re="pm", atol=1e-7)
    ours = shrink(effects, variances)
    assert ours.q == pytest.approx(theirs.q, abs=1e-9)
    assert ours.chance == pytest.approx(float(theirs.test_homogeneity().pvalue), abs=1e-9)
    assert ours.tau2 == pytest.approx(float(theirs.tau2), rel=1e-5, abs=1e-6)


@given(EFFECTS)
@settings(max_examples=30, deadline=None)
def test_at_the_spread_found_the_weighted_squares_are_what_is_expected(rows) -> None:
    effects, variances = np.array(rows).T
    tau2 = find_tau2(effects, variances)
    assume(tau2 > 0.0)
    weights = 1.0 / (variances + tau2)
    mean = weights @ effects / weights.sum()
    assert weights @ (effects - mean) ** 2 == pytest.approx(len(effects) - 1, rel=1e-9)


@pytest.mark.parametrize("spread", [0.2, 1.0, 6.0])
def test_the_posterior_is_that_of_adaptive_quadrature(spread: float) -> None:
    effects = spread * np.array([-1.1, 0.3, 0.4, 1.7, -0.2])
    variances = np.array([0.5, 1.0, 2.0, 0.7, 1.4])

    def weigh(tau: float, power: int, segment: int) -> float:
        weights = 1.0 / (variances + tau**2)
        mean = weights @ effects / weights.sum()
        density = math.sqrt(np.prod(weights) / weights.sum()) * math.exp(-0.5 * weights @ (effects - mean) ** 2)
        pull = variances[segment] * weights[segment]
        middle = pull * mean + (1.0 - pull) * effects[segment]
        square = (1.0 - pull) * variances[segment] + pull**2 / weights.sum() + middle**2
        return density * (1.0, middle, square)[power]

    found = shrink(effects, variances)
    for segment, told in enumerate(found.segments):
        total, first, second = (quad(weigh, 0.0, np.inf, args=(p, segment), limit=200)[0] for p in range(3))
        assert told.mean == pytest.approx(first / total, abs=2e-4 * spread)
        assert told.deviation == pytest.approx(math.sqrt(second / total - (first / total) ** 2), rel=1e-3)


@given(EFFECTS, st.floats(-5.0, 5.0), st.floats(0.01, 100.0))
@settings(max_examples=30, deadline=None)
def test_other_units_and_another_zero_tell_the_same(rows, shift: float, scale: float) -> None:
    effects, variances = np.array(rows).T
    before, after = shrink(effects, variances), shrink(shift + scale * effects, scale**2 * variances)
    assert after.chance == pytest.approx(before.chance, rel=1e-6, abs=1e-9)
    for a, b in zip(before.segments, after.segments, strict=True):
        assert b.mean == pytest.approx(shift + scale * a.mean, rel=1e-7, abs=1e-7 * scale)
        assert b.deviation == pytest.approx(scale * a.deviation, rel=1e-6)


@given(EFFECTS)
@settings(max_examples=30, deadline=None)
def test_every_segment_is_pulled_inwards_and_told_more_precisely_than_alone(rows) -> None:
    effects, variances = np.array(rows).T
    for told in shrink(effects, variances).segments:
        assert effects.min() - 1e-9 <= told.mean <= effects.max() + 1e-9
        assert told.low < told.mean < told.high
    same = shrink(np.zeros(len(effects)), variances)
    assert all(told.deviation < math.sqrt(told.variance) for told in same.segments)


def test_the_smallest_segment_is_pulled_most() -> None:
    found = shrink([1.0, 1.0, -0.5, -0.5], [0.05, 1.0, 0.05, 0.05])
    large, small = found.segments[:2]
    assert 1.0 - small.mean > 3.0 * (1.0 - large.mean)


def test_fewer_than_three_segments_are_told_as_they_are() -> None:
    one, two = shrink([0.4], [0.04]), shrink([0.4, 0.0], [0.04, 0.04])
    assert (one.freedom, one.chance, one.tau2) == (0, 1.0, 0.0)
    assert two.mean == pytest.approx(0.2)
    assert two.deviation == pytest.approx(math.sqrt(0.02))
    assert (two.segments[0].mean, two.segments[0].deviation) == pytest.approx((0.4, 0.2))
    assert (two.segments[0].low, two.segments[0].high) == pytest.approx((0.4 - 1.959964 * 0.2, 0.4 + 1.959964 * 0.2))
    assert two.q == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("differences", "alpha", "says"),
    [
        ([], 0.05, "give 1 to 1000"),
        ([("a", 0.0, 1.0)] * (SEGMENTS_MAX + 1), 0.05, "give 1 to 1000"),
        ([("a", 0.0, 1.0), ("a", 1.0, 1.0)], 0.05, "each one once"),
        ([("a", math.nan, 1.0)], 0.05, "segment 'a'"),
        ([("a", 0.0, 0.0)], 0.05, "segment 'a'"),
        ([("a", 0.0, math.inf)], 0.05, "segment 'a'"),
        ([("a", 0.0, 1.0)], 1.0, "alpha"),
    ],
)
def test_what_cannot_be_shrunk_is_refused(differences, alpha: float, says: str) -> None:
    rows = [SegmentDifference(segment=s, difference=d, variance=v) for s, d, v in differences]
    with pytest.raises(Refused, match=says):
        shrink_segments(rows, alpha=alpha)


@pytest.mark.prove
@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("segments", [3, 6, 12])
def test_intervals_cover_in_the_mean_over_segments_and_miss_by_less_than_raw_ones(segments: int, spread: float) -> None:
    """Spread in units of the segments' standard errors; 300 attributes in the suite, 10,000 as a proof."""
    runs = 10_000 if IS_PROVING else 300
    draws = np.random.Generator(np.random.PCG64(segments))
    hits, ours, raw = 0, 0.0, 0.0
    for _ in range(runs):
        variances = draws.uniform(0.3, 3.0, segments)
        truth = spread * draws.normal(size=segments)
        effects = truth + np.sqrt(variances) * draws.normal(size=segments)
        for told, true in zip(shrink(effects, variances).segments, truth, strict=True):
            hits += told.low < true < told.high
            ours += (told.mean - true) ** 2
            raw += (told.difference - true) ** 2
    total = runs * segments
    assert hits / total >= 0.93 - 3.0 * math.sqrt(0.05 * 0.95 / total)
    assert ours < raw


def test_one_difference_for_all_segments_is_called_different_no_more_often_than_stated() -> None:
    draws = np.random.Generator(np.random.PCG64(2))
    variances = draws.uniform(0.3, 3.0, (2_000, 6))
    effects = np.sqrt(variances) * draws.normal(size=(2_000, 6))
    alarms = sum(shrink(d, v).chance <= 0.05 for d, v in zip(effects, variances, strict=True)) / 2_000
    assert alarms == pytest.approx(0.05, abs=3.0 * math.sqrt(0.05 * 0.95 / 2_000))
