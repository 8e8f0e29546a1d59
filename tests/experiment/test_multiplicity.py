"""Adjustments for several arms and metrics: against their definitions, statsmodels and drawn families."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from instant_credit.errors import BrokenInvariant
from instant_credit.experiment.multiplicity import (
    adjust_e_bh,
    adjust_holm,
    reject_e_bh,
    selected_rule,
    simultaneous_rule,
)
from instant_credit.experiment.sequences import Rule, always_valid_p_values, read_interval, read_intervals
from instant_credit.experiment.sums import Estimate
from tests.budget import TIMES, examples
from tests.naive import multiplicity as naive

P_VALUES = st.lists(st.one_of(st.floats(0, 1), st.floats(0, 0.01)), max_size=15)
E_VALUES = st.lists(st.one_of(st.floats(0, 10), st.floats(0, 1_000), st.just(0.0)), max_size=15)
ALPHAS = st.floats(0.001, 0.5)
RULE = Rule(alpha=0.05, units_max=20_000, value_max=1.0)


@examples(60)
@given(P_VALUES, ALPHAS)
def test_holm_finds_what_stepping_down_finds(p_values, alpha) -> None:
    assert [p <= alpha for p in adjust_holm(p_values)] == naive.holm(p_values, alpha)


@examples(60)
@given(P_VALUES.filter(len))
def test_holm_adjusts_as_statsmodels_does(p_values) -> None:
    assert adjust_holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1], rel=1e-12, abs=1e-300)


@examples(60)
@given(E_VALUES, ALPHAS)
def test_e_bh_finds_what_its_definition_finds(e_values, alpha) -> None:
    assert list(reject_e_bh(e_values, alpha)) == naive.e_bh(e_values, alpha)


@examples(60)
@given(st.lists(st.floats(1, 1e6), min_size=1, max_size=15))
def test_e_bh_is_benjamini_and_hochberg_on_one_over_e(e_values) -> None:
    oracle = multipletests([1 / e for e in e_values], method="fdr_bh")[1]
    assert adjust_e_bh(e_values) == pytest.approx(oracle, rel=1e-9)


@examples(30)
@given(E_VALUES.filter(len), st.data())
def test_a_higher_e_value_never_takes_a_finding_away(e_values, data) -> None:
    at = data.draw(st.integers(0, len(e_values) - 1))
    higher = [e + 5.0 if place == at else e for place, e in enumerate(e_values)]
    assert all(now <= before for now, before in zip(adjust_e_bh(higher), adjust_e_bh(e_values), strict=True))


def test_one_alone_stays_as_it_is() -> None:
    assert adjust_holm([0.03]) == (0.03,)
    assert adjust_e_bh([20.0]) == (0.05,)
    assert reject_e_bh([20.0], 0.05) == (True,)
    assert simultaneous_rule(RULE, 1) == selected_rule(RULE, 1, 1) == RULE


def test_overwhelming_evidence_is_found_and_no_evidence_is_not() -> None:
    assert adjust_e_bh([math.inf, 0.0, 1.0]) == (0.0, 1.0, 1.0)
    assert adjust_holm([0.0, 1.0]) == (0.0, 1.0)


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_what_is_no_p_value_is_refused(p) -> None:
    with pytest.raises(BrokenInvariant, match="p-value"):
        adjust_holm([0.5, p])


@pytest.mark.parametrize("e", [-0.1, math.nan])
def test_what_is_no_e_value_is_refused(e) -> None:
    with pytest.raises(BrokenInvariant, match="e-value"):
        reject_e_bh([1.0, e], 0.05)


@pytest.mark.parametrize(("selected", "comparisons"), [(0, 3), (4, 3)])
def test_no_more_is_selected_than_there_is(selected, comparisons) -> None:
    with pytest.raises(BrokenInvariant, match="selected"):
        selected_rule(RULE, selected, comparisons)
    with pytest.raises(BrokenInvariant, match="comparisons"):
        simultaneous_rule(RULE, 0)


def test_simultaneous_intervals_are_wider_and_those_of_a_selection_lie_between() -> None:
    control, arm = (Estimate(units=5_000, mean=mean, variance=0.25 / 5_000) for mean in (0.5, 0.52))
    widths = [
        found.upper - found.lower
        for rule in (RULE, selected_rule(RULE, 3, 12), simultaneous_rule(RULE, 12))
        for found in (read_interval(control, arm, rule),)
    ]
    assert widths == sorted(widths)
    assert widths[0] < widths[1] < widths[2]


@examples(30)
@given(st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=8))
def test_intervals_of_what_e_bh_found_leave_zero(effects) -> None:
    control = Estimate(units=5_000, mean=0.5, variance=0.25 / 5_000)
    arms = [Estimate(units=5_000, mean=0.5 + effect, variance=0.25 / 5_000) for effect in effects]
    found = reject_e_bh([read_interval(control, arm, RULE).e_value for arm in arms], RULE.alpha)
    if any(found):
        rule = selected_rule(RULE, sum(found), len(found))
        assert all(
            read_interval(control, arm, rule).is_different
            for arm, is_found in zip(arms, found, strict=True)
            if is_found
        )


@pytest.mark.prove
def test_families_that_share_one_control_are_wrong_as_rarely_as_promised() -> None:
    """Seven arms against one control, four of them no different; looked at ten times and stopped at the first finding of all three others."""
    families, looks, differences = 200 * TIMES, 10, np.array([0.0, 0, 0, 0, 0, 0.06, 0.06, 0.06])
    rng = np.random.Generator(np.random.PCG64(65))
    units = np.full((families, looks, 8), 500.0).cumsum(axis=1)
    means = rng.binomial(500, 0.5 + differences, (families, looks, 8)).cumsum(axis=1) / units
    variances = means * (1 - means) / (units - 1)
    pairs = [np.stack(np.broadcast_arrays(a[..., :1], a[..., 1:]), axis=-1) for a in (units, means, variances)]
    rule = Rule(alpha=0.05, units_max=10_000, value_max=1.0)
    found = read_intervals(*pairs, rule)
    p_values = always_valid_p_values(np.moveaxis(found.log_e_values, 1, -1))
    is_null = differences[1:] == 0
    wrong_holm, shares = 0, []
    for family in range(families):
        adjusted = np.array([adjust_holm(p_values[family, :, look].tolist()) for look in range(looks)])
        wrong_holm += bool((adjusted <= 0.05)[:, is_null].any())
        for look in range(looks):
            rejected = np.array(reject_e_bh(np.exp(found.log_e_values[family, look]).tolist(), 0.05))
            if rejected[~is_null].all() or look == looks - 1:
                shares.append(rejected[is_null].sum() / max(rejected.sum(), 1))
                break
    error = math.sqrt(0.05 * 0.95 / families)
    assert wrong_holm / families <= 0.05 + 3 * error
    assert np.mean(shares) <= 0.05 + 3 * error
    together = read_intervals(*pairs, simultaneous_rule(rule, 7))
    missed = ((together.lower > differences[1:]) | (together.upper < differences[1:])).any(axis=(1, 2))
    assert missed.mean() <= 0.05 + 3 * error
