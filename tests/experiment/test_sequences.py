"""Confidence sequences: the formula against its twin, and what it promises on drawn experiments."""

import math

import numpy as np
import pytest
from benchmarks.experiments_looks import watch
from benchmarks.experiments_worlds import (
    EFFECTS,
    KINDS,
    World,
    draw_household_looks,
    draw_looks,
    fixed_units,
    look_days,
    sized,
)
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.errors import BrokenInvariant
from instant_credit.experiment.sequences import (
    Rule,
    always_valid_p_values,
    e_value,
    intersect,
    read_interval,
    read_intervals,
)
from instant_credit.experiment.sums import Estimate, adjust_many, estimate_many
from tests.budget import TIMES, examples
from tests.naive import confidence as naive

RULE = Rule(alpha=0.05, units_max=20_000, value_max=1.0)
# 500 experiments in the suite, 10,000 as a proof.
EXPERIMENTS = 500 * TIMES

ESTIMATE = st.builds(
    lambda units, mean, deviation: Estimate(units=units, mean=mean, variance=deviation**2 / units),
    units=st.integers(2, 100_000),
    mean=st.floats(-1, 1),
    deviation=st.floats(0, 1),
)
NONE_YET = Estimate(units=1, mean=math.nan, variance=math.nan)


def share(units: int, events: int) -> Estimate:
    mean = events / units
    return Estimate(units=units, mean=mean, variance=mean * (1 - mean) / (units - 1))


@examples(60)
@given(ESTIMATE, ESTIMATE, st.floats(0.001, 0.5), st.integers(1, 200_000))
def test_an_interval_holds_the_differences_that_the_evidence_leaves(control, arm, alpha, units_max) -> None:
    found = read_interval(control, arm, Rule(alpha=alpha, units_max=units_max, value_max=1.0))
    both = [(each.units, each.mean, each.variance) for each in (control, arm)]
    assert (found.lower, found.upper) == pytest.approx(naive.interval(both, alpha, units_max, 1.0), rel=1e-6, abs=1e-9)
    evidence = naive.log_e(both, 0.0, units_max, 1.0)
    assert found.is_enough == (evidence is not None)
    assert min(math.log(found.e_value), 690) == pytest.approx(min(evidence or 0.0, 690), rel=1e-9, abs=1e-9)


@examples(60)
@given(ESTIMATE, ESTIMATE)
def test_an_interval_leaves_zero_when_the_e_value_reaches_one_over_alpha(control, arm) -> None:
    found = read_interval(control, arm, RULE)
    assert found.e_value == e_value(control, arm, RULE)
    if not math.isclose(found.e_value, 1 / RULE.alpha, rel_tol=1e-9):
        assert found.is_different == (found.e_value > 1 / RULE.alpha)


@examples(30)
@given(ESTIMATE, ESTIMATE, st.floats(1.0, 1e7))
def test_an_interval_does_not_depend_on_the_unit_of_money(control, arm, cents) -> None:
    def in_cents(each: Estimate) -> Estimate:
        return Estimate(units=each.units, mean=each.mean * cents, variance=each.variance * cents**2)

    one = read_interval(control, arm, RULE)
    other = read_interval(in_cents(control), in_cents(arm), Rule(alpha=0.05, units_max=RULE.units_max, value_max=cents))
    if one.is_enough == other.is_enough:
        assert other.lower == pytest.approx(one.lower * cents, rel=1e-6, abs=1e-9 * cents)
        assert other.upper == pytest.approx(one.upper * cents, rel=1e-6, abs=1e-9 * cents)


@examples(30)
@given(ESTIMATE, ESTIMATE)
def test_swapping_the_arms_turns_the_interval_round(control, arm) -> None:
    one, other = read_interval(control, arm, RULE), read_interval(arm, control, RULE)
    assert (one.lower, one.upper) == (-other.upper, -other.lower)
    assert one.e_value == other.e_value


@examples(30)
@given(st.lists(st.tuples(ESTIMATE, ESTIMATE), min_size=1, max_size=8))
def test_one_look_gives_the_bytes_of_many(looks) -> None:
    units, means, variances = (
        np.array([[getattr(each, name) for each in look] for look in looks], dtype=np.float64)
        for name in ("units", "mean", "variance")
    )
    many = read_intervals(units, means, variances, RULE)
    for at, look in enumerate(looks):
        one = read_interval(*look, RULE)
        assert (one.lower, one.upper, one.is_enough) == (many.lower[at], many.upper[at], many.is_enough[at])


@pytest.mark.parametrize(
    "pair", [(NONE_YET, NONE_YET), (share(500, 50), NONE_YET), (share(100_000, 0), share(500, 50)), (share(9, 4),) * 2]
)
def test_without_enough_events_the_interval_is_all_that_may_be(pair) -> None:
    found = read_interval(*pair, RULE)
    assert (found.lower, found.upper, found.e_value, found.is_enough) == (-2.0, 2.0, 1.0, False)
    assert not found.is_different


def test_overwhelming_evidence_stays_a_number() -> None:
    found = read_interval(share(10**9, 10**8), share(10**9, 9 * 10**8), RULE)
    assert found.is_different
    assert math.isfinite(found.e_value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"alpha": 0.0},
        {"alpha": 1.0},
        {"units_max": 0},
        {"value_max": 0.0},
        {"value_max": math.inf},
        {"value_max": math.nan},
    ],
)
def test_a_rule_without_a_level_a_maximum_or_a_bound_is_refused(wrong) -> None:
    with pytest.raises(BrokenInvariant, match=next(iter(wrong))):
        Rule(**{"alpha": 0.05, "units_max": 1, "value_max": 1.0, **wrong})


@pytest.mark.parametrize("units_max", [100_000_000, 20_000_000, 2_000_000])
def test_an_e_value_is_one_in_expectation_at_every_look(units_max) -> None:
    # So many units that the one that is added for safety weighs next to nothing; z over its whole range in equal steps.
    steps = np.linspace(-60.0, 60.0, 400_001)
    units, variance = np.full((len(steps), 2), 1e7), 0.25 / 1e7
    means = np.stack([np.zeros_like(steps), steps * math.sqrt(2 * variance)], axis=1)
    found = read_intervals(
        units, means, np.full_like(units, variance), Rule(alpha=0.05, units_max=units_max, value_max=1.0)
    )
    density = np.exp(found.log_e_values - 0.5 * steps**2) / math.sqrt(2 * math.pi)
    assert density.sum() * (steps[1] - steps[0]) == pytest.approx(1.0, rel=1e-4)


def test_an_always_valid_p_value_only_falls_and_is_below_alpha_once_the_interval_left_zero() -> None:
    looks = next(draw_looks(World("default", effect=0.02), 50, seed=5))
    units = looks[..., 0]
    means = looks[..., 1] / units
    found = read_intervals(units, means, means * (1 - means) / (units - 1), RULE)
    p_values = always_valid_p_values(found.log_e_values)
    assert (np.diff(p_values, axis=1) <= 0).all()
    assert (p_values > 0).all()
    assert (p_values <= 1).all()
    lower, upper = intersect(found.lower, found.upper)
    assert ((p_values <= RULE.alpha) == ((lower > 0) | (upper < 0))).all()
    assert (lower >= found.lower).all()
    assert (upper <= found.upper).all()


def test_looks_that_contradict_each_other_leave_an_upper_end_below_the_lower() -> None:
    lower, upper = intersect(np.array([0.1, 0.2, -0.5]), np.array([0.4, 0.5, -0.1]))
    assert (lower[1], upper[1]) == (0.2, 0.4)
    assert upper[2] < lower[2]


def test_the_same_seed_draws_the_same_world() -> None:
    world = World("profit", applications_per_day=30, entry_days=20)
    one, other = (np.concatenate(list(draw_looks(world, 5, 9, chunk=chunk))) for chunk in (5, 5))
    assert one.tobytes() == other.tobytes()
    assert look_days(world)[0] == world.window_days + world.lag_days
    assert one.shape == (5, len(look_days(world)), 2, 3)


@pytest.mark.prove
@pytest.mark.parametrize("kind", KINDS)
def test_daily_looks_at_no_difference_alarm_in_at_most_one_of_twenty(kind) -> None:
    watched = watch(World(kind), EXPERIMENTS, seed=61)
    assert watched.missed <= 0.05 + 3 * watched.error
    assert watched.missed_naive > 0.2


@pytest.mark.prove
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.1, 0.3])
def test_small_arms_alarm_as_rarely(kind, share) -> None:
    watched = watch(World(kind, share=share), EXPERIMENTS // 5, seed=62)
    assert watched.missed <= 0.05 + 3 * watched.error


@pytest.mark.prove
@pytest.mark.parametrize("kind", ["early_delinquency", "default", "loss"])
def test_looks_far_beyond_the_planned_maximum_alarm_as_rarely(kind) -> None:
    world = World(kind, entry_days=1_000)
    watched = watch(world, EXPERIMENTS // 5, seed=63, units_planned=world.units_max // 8)
    assert watched.missed <= 0.05 + 3 * watched.error


@pytest.mark.prove
@pytest.mark.parametrize("kind", EFFECTS)
def test_all_intervals_cover_an_effect_and_find_it_with_few_more_units_than_a_fixed_sample(kind) -> None:
    effect = EFFECTS[kind]
    fixed = fixed_units(kind, effect)
    # The fixed samples of these are many times those of the others; 400 days until four times the fixed sample is ripe.
    experiments = EXPERIMENTS // 10 if kind in ("profit", "whole_loss") else EXPERIMENTS
    world = sized(World(kind, effect=effect, entry_days=400), times_fixed=4.0)
    watched = watch(world, experiments, seed=64, units_planned=round(1.75 * fixed))
    assert watched.missed <= 0.05 + 3 * watched.error
    assert (watched.stopped_units <= 1.75 * fixed).mean() >= 0.80 - 3 * math.sqrt(0.8 * 0.2 / experiments)
    assert np.minimum(watched.stopped_units, world.units_max).mean() <= 1.5 * fixed


@pytest.mark.prove
@pytest.mark.parametrize("effect", [0.0, 0.02])
def test_intervals_of_households_cover_at_all_times_and_a_covariate_narrows_them(effect) -> None:
    experiments = 100 * TIMES
    rule = Rule(alpha=0.05, units_max=6_000, value_max=1.0)
    missed = missed_adjusted = 0
    for moments in draw_household_looks(experiments, seed=66, effect=effect):
        plain = read_intervals(*estimate_many(moments), rule)
        adjusted = read_intervals(*adjust_many(moments), rule)
        missed += ((plain.lower > effect) | (plain.upper < effect)).any(axis=1).sum()
        missed_adjusted += ((adjusted.lower > effect) | (adjusted.upper < effect)).any(axis=1).sum()
        widths, narrower = (np.diff([each.lower[:, -1], each.upper[:, -1]], axis=0) for each in (plain, adjusted))
        assert (narrower < widths).mean() > 0.9
    error = math.sqrt(0.05 * 0.95 / experiments)
    assert missed / experiments <= 0.05 + 3 * error
    assert missed_adjusted / experiments <= 0.05 + 3 * error
