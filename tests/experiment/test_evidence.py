"""Evidence from counts: equal to a walk through every trial, never above 1 in the mean when harmless, at whatever time it is looked at."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from instant_credit.errors import BrokenInvariant
from instant_credit.experiment import evidence
from instant_credit.experiment.evidence import log_e_difference, log_e_ratio, log_e_share
from tests.budget import TIMES, examples
from tests.naive import evidence as naive

rates = st.floats(0.005, 0.9)
values = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0.0, 1.0))


@examples(25)
@given(st.lists(values, max_size=30), rates)
def test_a_share_is_judged_as_trial_by_trial(trials: list[float], bound: float) -> None:
    found = math.exp(float(log_e_share(sum(trials), len(trials), bound)))
    assert found == pytest.approx(naive.share(trials, bound, evidence._STEPS), rel=1e-9)


@examples(5)
@given(st.lists(st.tuples(st.booleans(), values), max_size=20), st.floats(0.0, 0.5), st.floats(0.05, 0.95))
def test_a_difference_is_judged_as_trial_by_trial(trials: list[tuple[bool, float]], bound: float, share: float) -> None:
    ones, others = [v for is_one, v in trials if is_one], [v for is_one, v in trials if not is_one]
    found = float(log_e_difference(sum(ones), len(ones), sum(others), len(others), bound=bound, share=share))
    expected = naive.difference(trials, bound, share, evidence._LEVELS, evidence._EXCESSES)
    assert math.exp(found) == pytest.approx(expected, rel=1e-4)


@examples(10)
@given(st.lists(st.booleans(), max_size=12), st.lists(st.booleans(), max_size=12), st.floats(0.1, 1.0))
def test_a_ratio_is_judged_as_trial_by_trial(group: list[bool], base: list[bool], bound: float) -> None:
    found = math.exp(float(log_e_ratio(sum(group), len(group), sum(base), len(base), bound)))
    expected = naive.ratio(group, base, bound, 60)
    assert found <= expected * (1 + 1e-9)
    assert found == pytest.approx(expected, rel=0.02)


@examples(30)
@given(st.integers(1, 40), rates, st.floats(0.0, 1.0))
def test_a_harmless_share_has_a_mean_of_at_most_one(trials: int, bound: float, part: float) -> None:
    hits = np.arange(trials + 1.0)
    chances = stats.binom.pmf(hits, trials, bound * part)
    assert chances @ np.exp(log_e_share(hits, trials, bound)) <= 1 + 1e-9


@examples(30)
@given(st.integers(1, 8), st.floats(0.0, 0.6), st.floats(0.05, 0.95), st.floats(0.0, 1.0), st.floats(-1.0, 1.0))
def test_a_harmless_difference_has_a_mean_of_at_most_one(
    units: int, bound: float, share: float, level: float, part: float
) -> None:
    other = level * (1 - bound)
    rate = min(1.0, max(0.0, other + bound * part)) if part < 1 else other + bound
    mean = 0.0
    for ones in range(units + 1):
        k, l = np.meshgrid(np.arange(ones + 1.0), np.arange(units - ones + 1.0))  # noqa: E741
        chances = stats.binom.pmf(k, ones, rate) * stats.binom.pmf(l, units - ones, other)
        told = np.exp(
            log_e_difference(k, np.full_like(k, ones), l, np.full_like(l, units - ones), bound=bound, share=share)
        )
        mean += float(stats.binom.pmf(ones, units, share)) * float((chances * told).sum())
    assert mean <= 1 + 1e-9


@examples(30)
@given(st.integers(0, 15), st.integers(0, 15), st.floats(0.1, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_harmless_ratio_has_a_mean_of_at_most_one(
    units: int, base_units: int, bound: float, base_rate: float, part: float
) -> None:
    rate = bound * base_rate + (1 - bound * base_rate) * part
    k, l = np.meshgrid(np.arange(units + 1.0), np.arange(base_units + 1.0))  # noqa: E741
    chances = stats.binom.pmf(k, units, rate) * stats.binom.pmf(l, base_units, base_rate)
    told = np.exp(log_e_ratio(k, np.full_like(k, units), l, np.full_like(l, base_units), bound))
    assert float((chances * told).sum()) <= 1 + 1e-9


def test_nothing_seen_is_no_evidence() -> None:
    assert float(log_e_share(0, 0, 0.01)) == 0.0
    assert float(log_e_difference(0, 0, 0, 0, bound=0.01, share=0.5)) == pytest.approx(0.0, abs=1e-12)
    assert float(log_e_ratio(0, 0, 0, 0, 0.8)) == pytest.approx(0.0, abs=1e-12)


def test_a_bound_that_leaves_hardly_any_room_still_has_its_pair() -> None:
    assert evidence._difference_bets(0.9995, 0.5).shape == (4, 1)
    assert float(log_e_difference(4_000, 4_000, 0, 4_000, bound=0.9995, share=0.5)) > 0.0


def test_what_is_no_bound_is_refused() -> None:
    with pytest.raises(BrokenInvariant, match="bound of a share"):
        log_e_share(1, 2, 1.0)
    with pytest.raises(BrokenInvariant, match="at least 0"):
        log_e_difference(1, 2, 1, 2, bound=-0.1, share=0.5)
    with pytest.raises(BrokenInvariant, match="bound of a ratio"):
        log_e_ratio(1, 2, 1, 2, 0.0)


def _stops(logs: NDArray[np.float64], alpha: float) -> float:
    """Share of the experiments [experiment, day] that are ever stopped."""
    return float((logs >= math.log(1 / alpha)).any(axis=1).mean())


def _draw(chance: np.random.Generator, experiments: int, days: int, units: Any, rate: float) -> Any:
    return chance.binomial(units, rate, (experiments, days)).cumsum(axis=1).astype(np.float64)


@pytest.mark.prove
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_harmless_arms_at_the_edge_looked_at_daily_are_stopped_at_most_at_the_stated_rate(alpha: float) -> None:
    experiments, days = 400 * TIMES, 180
    chance = np.random.Generator(np.random.PCG64(20_260))
    # So much a simulation of this size goes beyond a rate that is kept, once in ten thousand seeds.
    most = stats.binom.ppf(1 - 1e-4, experiments, alpha) / experiments
    units = np.cumsum(np.full((experiments, days), 40.0), axis=1)
    for bound in (0.001, 0.01):
        assert _stops(log_e_share(_draw(chance, experiments, days, 40, bound), units, bound), alpha) <= most
    for rate, other, share in ((0.05, 0.04, 0.5), (0.5, 0.45, 0.1), (0.013, 0.003, 0.9)):
        ones = chance.binomial(40, share, (experiments, days))
        logs = log_e_difference(
            chance.binomial(ones, rate).cumsum(axis=1),
            ones.cumsum(axis=1),
            chance.binomial(40 - ones, other).cumsum(axis=1),
            (40 - ones).cumsum(axis=1),
            bound=rate - other,
            share=share,
        )
        assert _stops(logs, alpha) <= most
    for rate, base_rate, bound in ((0.4, 0.5, 0.8), (0.09, 0.1, 0.9)):
        hits, base_hits = _draw(chance, experiments, days, 40, rate), _draw(chance, experiments, days, 40, base_rate)
        assert _stops(log_e_ratio(hits, units, base_hits, units, bound), alpha) <= most


def test_rates_that_drift_together_stop_no_harmless_arm() -> None:
    experiments, days = 500, 180
    chance = np.random.Generator(np.random.PCG64(7))
    other = np.linspace(0.02, 0.15, days)
    hits, other_hits = (
        chance.binomial(20, other + 0.01, (experiments, days)),
        chance.binomial(20, other, (experiments, days)),
    )
    units = np.cumsum(np.full((experiments, days), 20.0), axis=1)
    assert (
        _stops(
            log_e_difference(hits.cumsum(axis=1), units, other_hits.cumsum(axis=1), units, bound=0.01, share=0.5), 0.05
        )
        <= 0.05
    )
