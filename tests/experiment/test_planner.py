"""How long an experiment takes: against statsmodels, against a simulation, and in words."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import power_proportions_2indep

from instant_credit.errors import Refused
from instant_credit.experiment.plan import Plan, read_plan
from instant_credit.experiment.planner import count_units, find_effect, inflate, plan_duration, word_days
from instant_credit.record.shipped import read_starter
from instant_credit.units import PPM
from tests.budget import examples
from tests.experiment.plans import PLAN, plan, split

SEQUENCE = {"kind": "confidence_sequence"}


def money(**changes: Any) -> Plan:
    metric = {"name": "profit", "kind": "profit", "direction": "higher", "window_days": 300, "cents_max": 1_000_000}
    told: dict[str, Any] = {
        "primary": "profit",
        "metrics": [metric],
        "effect_min": 3_000.0,
        "expect": {"applications_per_day": 400, "mean": 6_000.0, "deviation": 90_000.0},
        "early": None,
        "guardrails": [PLAN["guardrails"][0]],
    }
    return plan(**(told | changes))


@examples(30)
@given(
    share=st.integers(50_000, 950_000),
    power=st.sampled_from([800_000, 900_000, 950_000]),
    alpha=st.sampled_from([10_000, 50_000, 100_000]),
    effect=st.floats(100, 20_000),
)
def test_money_needs_what_statsmodels_says(share: int, power: int, alpha: int, effect: float) -> None:
    found = money(
        arms=split(PPM - share, share),
        effect_min=effect,
        stopping=SEQUENCE | {"alpha_ppm": alpha, "power_ppm": power},
    )
    control = NormalIndPower().solve_power(
        effect_size=effect / 90_000.0, alpha=alpha / PPM, power=power / PPM, ratio=share / (PPM - share)
    )
    assert count_units(found, effect) == pytest.approx(control * PPM / (PPM - share), rel=1e-4)


@examples(30)
@given(
    share=st.integers(200_000, 800_000),
    mean=st.floats(0.05, 0.5),
    part=st.floats(0.05, 0.3),
    power=st.sampled_from([0.8, 0.9]),
)
def test_shares_are_found_at_the_power_that_statsmodels_says(
    share: int, mean: float, part: float, power: float
) -> None:
    effect = mean * part
    found = plan(
        arms=split(PPM - share, share),
        effect_min=effect,
        expect=PLAN["expect"] | {"mean": mean},
        stopping=SEQUENCE | {"power_ppm": int(power * PPM)},
    )
    control = count_units(found, effect) * (PPM - share) / PPM
    theirs = power_proportions_2indep(-effect, mean, control, ratio=share / (PPM - share), return_results=False)
    assert float(theirs) == pytest.approx(power, abs=0.025)


def test_the_error_is_shared_out_over_challengers() -> None:
    two, three = money(), money(arms=split(333_334, 333_333, 333_333))
    strict = money(stopping=SEQUENCE | {"alpha_ppm": 25_000})
    assert count_units(three, 3_000) == pytest.approx(count_units(strict, 3_000) * 1.5, rel=1e-4)
    assert count_units(three, 3_000) > 1.5 * count_units(two, 3_000)


def test_the_smallest_challenger_says_how_many_are_needed() -> None:
    even, uneven = money(arms=split(400_000, 300_000, 300_000)), money(arms=split(400_000, 500_000, 100_000))
    assert count_units(uneven, 3_000) / count_units(even, 3_000) == pytest.approx((2.5 + 10) / (2.5 + 10 / 3))


@examples(50)
@given(st.floats(1e-4, 0.9), st.sampled_from(["higher", "lower"]), st.floats(0.02, 0.98))
def test_the_effect_that_units_find_is_the_one_that_needs_them(effect: float, direction: str, mean: float) -> None:
    metric = {"name": "bad", "kind": "approval", "direction": direction, "window_days": 0}
    one = plan(metrics=[metric], early=None, guardrails=[], expect=PLAN["expect"] | {"mean": mean})
    effect *= mean if direction == "lower" else 1 - mean
    assert find_effect(one, count_units(one, effect)) == pytest.approx(effect, rel=1e-6)


def test_what_cannot_happen_is_not_found() -> None:
    assert find_effect(plan(), 0) == np.inf
    assert find_effect(plan(), 10) == np.inf
    assert plan_duration(plan(units_max=4, stopping=SEQUENCE)).effect_found is None
    assert "No difference that can happen would be found." in plan_duration(plan(units_max=4, stopping=SEQUENCE)).words


def test_a_sequence_is_given_the_units_at_which_a_simulation_finds_the_effect() -> None:
    """A walk with the drift of a test of 80% power, looked at five hundred times against the sequence's bound."""
    times = inflate(plan(stopping=SEQUENCE))
    assert 1.6 < times < 1.75
    drift = (1.959964 + 0.841621) * np.sqrt(times)
    steps = np.arange(1, 501) / 500
    walks = np.random.Generator(np.random.PCG64(7)).normal(scale=np.sqrt(1 / 500), size=(4_000, 500)).cumsum(axis=1)
    precision = 12 * steps
    bounds = np.sqrt((1 + 1 / precision) * np.log((1 + precision) / 0.05**2) * steps)
    found = (walks + drift * steps >= bounds).any(axis=1).mean()
    assert 0.79 < found < 0.84


def test_planned_looks_cost_hardly_more_than_one_and_pocock_more() -> None:
    looks = PLAN["stopping"]
    assert 1 < inflate(plan()) < 1.05 < inflate(plan(stopping=looks | {"spending": "pocock"})) < 1.3
    assert inflate(plan(stopping=looks | {"looks_units": [20_000]})) == pytest.approx(1)


def test_eighteen_months_are_called_eighteen_months() -> None:
    schedule = plan_duration(read_plan(read_starter("plans", "personal_loan_prices")))
    assert schedule.is_enough
    assert schedule.words.startswith(
        f"The verdict can be read eighteen months after the start (day {schedule.verdict_days})"
    )
    assert schedule.verdict_days == schedule.entry_days + schedule.ripe_days
    assert schedule.entry_days == -(-schedule.units_needed // 360)
    assert sum(schedule.units_by_arm.values()) >= schedule.units_needed


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (0, "no days"),
        (1, "one day"),
        (20, "twenty days"),
        (21, "three weeks"),
        (89, "thirteen weeks"),
        (90, "three months"),
        (365, "twelve months"),
        (533, "eighteen months"),
        (640, "twenty-two months"),
        (1_100, "thirty-seven months"),
        (3_650, "120 months"),
    ],
)
def test_spans_are_told_in_plain_words(days: int, words: str) -> None:
    assert word_days(days) == words


def test_reach_and_coverage_make_it_longer() -> None:
    whole, part = plan_duration(money()), plan_duration(money(), reach_ppm=500_000, coverage_ppm=500_000)
    assert whole.units_per_day == 400
    assert part.units_per_day == 100
    assert part.units_needed == whole.units_needed
    assert part.verdict_days > whole.verdict_days
    eligible = money(expect={"applications_per_day": 400, "eligible_ppm": 1, "mean": 0.0, "deviation": 1.0})
    assert plan_duration(eligible).units_per_day == pytest.approx(0.0004)


def test_too_few_units_are_said_with_what_bounds_them() -> None:
    bounded = plan_duration(plan())
    assert not bounded.is_enough
    assert "That is not enough: units_max is 20,000. Raise it" in bounded.words
    assert bounded.effect_found is not None
    assert bounded.effect_found > 0.01
    hurried = plan_duration(plan(entry_days_max=10))
    assert "That is not enough: 1,500 come in within entry_days_max, 10." in hurried.words
    assert hurried.entry_days == 10
    assert hurried.units_entering == 1_500


def test_planned_looks_wait_for_the_last_of_them() -> None:
    large = plan(units_max=30_000, stopping=PLAN["stopping"] | {"looks_units": [15_000, 30_000]})
    schedule = plan_duration(large)
    assert schedule.is_enough
    assert schedule.units_entering == 30_000
    assert schedule.entry_days == 200


@pytest.mark.parametrize("shares", [{"reach_ppm": 0}, {"coverage_ppm": PPM + 1}])
def test_shares_beyond_the_whole_are_refused(shares: dict[str, int]) -> None:
    with pytest.raises(Refused, match=r"(reach|coverage)_ppm: give 1 to 1000000"):
        plan_duration(plan(), **shares)


def test_an_effect_that_nobody_could_find_is_refused() -> None:
    with pytest.raises(Refused, match="effect_min: 1e-09 would take more units than there are people"):
        plan_duration(plan(effect_min=1e-9))
