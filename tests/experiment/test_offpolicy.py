"""What a policy that was never run would have brought: the truth lies in the intervals, and without support nothing is said."""

from collections import Counter
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy import stats

from instant_credit.errors import BrokenInvariant, Refused
from instant_credit.experiment.offpolicy import (
    EFFECTIVE_MIN,
    Estimator,
    Evaluation,
    Floats,
    Interval,
    Logged,
    evaluate_target,
    find_student_point,
)
from tests.budget import TIMES
from tests.experiment.exploring import FLOOR, TARGETS, Applicants, approve_chances, draw_applicants, live

SHARE = 0.03
APPLICATIONS = 12_000
SEEDS = 60 * TIMES


@cache
def population() -> Applicants:
    return draw_applicants(1_000_000, 999)


def find_truth(chances: Floats) -> float:
    """Cents per application of whoever approves the population with these chances."""
    return float((chances * population().expected).mean())


def predict(applicants: Applicants, logged: Logged) -> Floats:
    """What approvals of one half of the applicants say of the other half: rewards by amount and pd, least squares."""
    columns = np.column_stack([np.ones(len(applicants.pds)), applicants.pds, applicants.pds**2])
    columns *= applicants.amounts[:, None]
    halves = np.arange(len(columns)) % 2
    found = np.zeros(len(columns))
    for half in (0, 1):
        rows = (halves != half) & logged.is_approved
        weights, *_ = np.linalg.lstsq(columns[rows], logged.rewards[rows], rcond=None)
        found[halves == half] = columns[halves == half] @ weights
    return found


def holds(interval: Interval, truth: float) -> bool:
    return interval.cents_low <= truth <= interval.cents_high


@pytest.mark.prove
def test_the_truth_lies_in_95_percent_intervals_at_93_percent_or_more_of_pairs_of_policy_and_seed():
    truths = {name: find_truth(target(population())) for name, target in TARGETS.items()}
    own = find_truth(approve_chances(population(), SHARE))
    pairs, values, gains = 0, Counter[Estimator](), Counter[Estimator]()
    for seed in range(SEEDS):
        applicants = draw_applicants(APPLICATIONS, seed)
        logged = live(applicants, SHARE, 1_000_000 + seed)
        predictions = predict(applicants, logged)
        for name, target in TARGETS.items():
            found = evaluate_target(logged, target(applicants), predictions)
            assert found.is_supported == (found.effective >= EFFECTIVE_MIN)
            pairs += found.is_supported
            for one in found.estimates:
                values[one.estimator] += holds(one.value, truths[name])
                gains[one.estimator] += holds(one.gain, truths[name] - own)
    assert pairs >= 200
    assert set(values) == set(Estimator)
    for estimator in Estimator:
        print(
            f"{estimator}: value {values[estimator] / pairs:.4f}, gain {gains[estimator] / pairs:.4f} of {pairs} pairs"
        )
        assert min(values[estimator], gains[estimator]) >= 0.93 * pairs, estimator


@pytest.mark.parametrize("seed", range(20))
def test_a_target_that_approves_where_nobody_ever_was_is_refused(seed):
    applicants = draw_applicants(5_000, seed)
    logged = live(applicants, SHARE, seed)
    beyond = evaluate_target(logged, (applicants.pds < FLOOR + 0.05).astype(np.float64))
    other = evaluate_target(logged, (applicants.others < 0.25).astype(np.float64))
    wider = evaluate_target(live(applicants, 0.0, seed), TARGETS["wider"](applicants))
    for found in (beyond, other, wider):
        assert not found.is_supported
        assert found.estimates == ()
        assert "was never approved" in found.refusals[0]
        assert found.unsupported_share > 0
    approved = (applicants.pds < FLOOR + 0.05).sum()
    assert beyond.unsupported_share == pytest.approx(
        ((applicants.pds >= FLOOR) & (applicants.pds < FLOOR + 0.05)).sum() / approved
    )


def test_too_few_approvals_by_chance_are_refused_whoever_was_drawn():
    applicants = draw_applicants(1_000, 3)
    told = {evaluate_target(live(applicants, SHARE, seed), TARGETS["wider"](applicants)) for seed in range(10)}
    assert len({round(one.effective, 9) for one in told}) == 1
    for one in told:
        assert 0 < one.effective < EFFECTIVE_MIN
        assert "explore longer" in one.refusals[0]


def test_approvals_by_chance_of_one_weight_are_worth_as_many_as_are_to_be_expected():
    applicants = draw_applicants(APPLICATIONS, 4)
    found = evaluate_target(live(applicants, SHARE, 4), TARGETS["widest"](applicants))
    zone = ((applicants.pds >= 0.15) & (applicants.pds < FLOOR)).sum()
    assert found.effective == pytest.approx(zone * SHARE)


@cache
def explored(seed: int = 7) -> tuple[Applicants, Logged]:
    applicants = draw_applicants(APPLICATIONS, seed)
    return applicants, live(applicants, SHARE, seed)


def by_estimator(found: Evaluation) -> dict[Estimator, Interval]:
    assert found.is_supported
    return {one.estimator: one.value for one in found.estimates}


def test_estimates_are_their_formulas():
    applicants, logged = explored()
    targets, predictions = TARGETS["softly"](applicants), predict(applicants, logged)
    found = by_estimator(evaluate_target(logged, targets, predictions))
    ips = weights = doubly = 0.0
    for n in range(APPLICATIONS):
        weight = targets[n] / logged.propensities[n] if logged.is_approved[n] else 0.0
        weights += weight
        ips += weight * logged.rewards[n]
        doubly += targets[n] * predictions[n] + weight * (logged.rewards[n] - predictions[n])
    assert found[Estimator.IPS].cents == pytest.approx(ips / APPLICATIONS, rel=1e-9)
    assert found[Estimator.SNIPS].cents == pytest.approx(targets.mean() * ips / weights, rel=1e-9)
    assert found[Estimator.DOUBLY_ROBUST].cents == pytest.approx(doubly / APPLICATIONS, rel=1e-9)


def test_the_policy_that_decided_gains_nothing_over_itself():
    applicants, logged = explored()
    found = evaluate_target(logged, approve_chances(applicants, SHARE))
    (ips, _) = found.estimates
    assert ips.value.cents == pytest.approx(logged.rewards.mean())
    assert (ips.gain.cents, ips.gain.cents_low, ips.gain.cents_high) == pytest.approx((0, 0, 0), abs=1e-6)


def test_who_declines_everybody_brings_nothing():
    _, logged = explored()
    found = evaluate_target(logged, np.zeros(APPLICATIONS))
    assert found.unsupported_share == 0
    assert found.effective == np.inf
    for one in found.estimates:
        assert one.value == Interval(cents=0.0, cents_low=0.0, cents_high=0.0)
        assert one.gain.cents == pytest.approx(-logged.rewards.mean())


@given(st.floats(0.01, 1000), st.integers(0, 2**32 - 1))
def test_neither_currency_nor_order_matters(times, seed):
    applicants, logged = explored()
    rows = np.random.default_rng(seed).permutation(APPLICATIONS)[: APPLICATIONS // 2]
    targets = TARGETS["widest"](applicants)[rows]
    some = Logged(
        is_approved=logged.is_approved[rows], propensities=logged.propensities[rows], rewards=logged.rewards[rows]
    )
    order = np.argsort(rows)
    other = Logged(
        is_approved=some.is_approved[order],
        propensities=some.propensities[order],
        rewards=some.rewards[order] * times,
    )
    one = by_estimator(evaluate_target(some, targets))
    for estimator, found in by_estimator(evaluate_target(other, targets[order])).items():
        told = one[estimator]
        assert (found.cents, found.cents_low, found.cents_high) == pytest.approx(
            (told.cents * times, told.cents_low * times, told.cents_high * times), rel=1e-6
        )


def test_a_person_told_twice_is_no_second_person():
    applicants, logged = explored()
    targets, twice = TARGETS["wider"](applicants), np.repeat(np.arange(APPLICATIONS), 2)
    once = by_estimator(evaluate_target(logged, targets))
    told = Logged(
        is_approved=logged.is_approved[twice], propensities=logged.propensities[twice], rewards=logged.rewards[twice]
    )
    clustered = by_estimator(evaluate_target(replace(told, persons=twice), targets[twice]))
    apart = by_estimator(evaluate_target(told, targets[twice]))
    for estimator, interval in once.items():
        assert clustered[estimator].cents_low == pytest.approx(interval.cents_low, rel=1e-9)
        assert clustered[estimator].cents_high == pytest.approx(interval.cents_high, rel=1e-9)
        assert apart[estimator].cents_low > interval.cents_low


def test_a_right_reward_model_narrows_the_interval_and_a_wrong_one_moves_nothing_but_its_width():
    applicants, logged = explored()
    targets = TARGETS["much_wider"](applicants)
    right = by_estimator(evaluate_target(logged, targets, applicants.expected))
    wrong = by_estimator(evaluate_target(logged, targets, np.full(APPLICATIONS, 300_000.0)))

    def width(interval: Interval) -> float:
        return interval.cents_high - interval.cents_low

    assert width(right[Estimator.DOUBLY_ROBUST]) < width(right[Estimator.SNIPS])
    assert width(wrong[Estimator.DOUBLY_ROBUST]) > width(wrong[Estimator.SNIPS])
    assert holds(wrong[Estimator.DOUBLY_ROBUST], find_truth(TARGETS["much_wider"](population())))


def test_clipped_weights_are_told_and_refused_where_they_hold_too_much():
    applicants, logged = explored()
    targets = TARGETS["widest"](applicants)
    assert evaluate_target(logged, targets).clipped == 0
    hard = evaluate_target(logged, targets, weight_max=20.0)
    zone = logged.is_approved & (logged.propensities < 1)
    assert hard.clipped == zone.sum()
    assert not hard.is_supported
    assert "raise weight_max" in hard.refusals[0]
    assert hard.clipped_share == pytest.approx(
        1
        - (20 * zone.sum() + (~zone & logged.is_approved).sum())
        / (zone.sum() / SHARE + (~zone & logged.is_approved).sum())
    )
    soft = evaluate_target(logged, targets, weight_max=33.3)
    assert soft.is_supported
    assert 0 < soft.clipped_share < 0.01


def test_with_symmetric_rewards_an_interval_is_students():
    rewards = np.random.default_rng(5).normal(1_000, 300, 400)
    rewards = np.concatenate([rewards, 2_000 - rewards])
    everybody = Logged(is_approved=np.full(800, True), propensities=np.ones(800), rewards=rewards)
    found = by_estimator(evaluate_target(everybody, np.ones(800)))[Estimator.IPS]
    low, high = stats.t.interval(0.95, 799, loc=rewards.mean(), scale=stats.sem(rewards))
    assert (found.cents_low, found.cents_high) == pytest.approx((low, high), rel=1e-4)


def test_of_skewed_rewards_the_end_at_the_long_side_lies_further():
    losing = np.concatenate([np.full(95, 100.0), np.full(5, -5_000.0)])
    everybody = Logged(is_approved=np.full(100, True), propensities=np.ones(100), rewards=losing)
    found = by_estimator(evaluate_target(everybody, np.ones(100)))[Estimator.IPS]
    assert found.cents - found.cents_low > 1.5 * (found.cents_high - found.cents)


def test_two_values_that_come_equally_often_have_as_many_degrees_of_freedom_as_applications():
    rewards = np.tile([0.0, 2.0], 50)
    everybody = Logged(is_approved=np.full(100, True), propensities=np.ones(100), rewards=rewards)
    found = by_estimator(evaluate_target(everybody, np.ones(100)))[Estimator.IPS]
    assert found.cents_high == pytest.approx(1 + stats.t.ppf(0.975, 99) * stats.sem(rewards), rel=1e-5)


def test_one_person_has_no_interval_of_any_width():
    alone = Logged(
        is_approved=np.full(3, True),
        propensities=np.ones(3),
        rewards=np.array([1.0, 2.0, 6.0]),
        persons=np.zeros(3, dtype=np.int64),
    )
    found = by_estimator(evaluate_target(alone, np.ones(3)))[Estimator.IPS]
    assert found == Interval(cents=3.0, cents_low=3.0, cents_high=3.0)


@pytest.mark.parametrize("below", [0.025, 0.5, 0.9, 0.975])
@given(freedom=st.floats(4, 1e6))
def test_the_quantile_is_students(below, freedom):
    assert find_student_point(below, freedom) == pytest.approx(stats.t.ppf(below, freedom), abs=1e-3)


def test_fewer_than_four_degrees_of_freedom_are_not_asked_for():
    with pytest.raises(BrokenInvariant, match="four degrees"):
        find_student_point(0.975, 3.9)


def small(**changed: object) -> Logged:
    told = Logged(
        is_approved=np.array([True, False, True]),
        propensities=np.array([1.0, 0.97, 0.03]),
        rewards=np.array([5.0, 0.0, -9.0]),
    )
    return replace(told, **changed)


@pytest.mark.parametrize(
    ("logged", "targets", "predictions", "message"),
    [
        (small(propensities=np.ones(2)), np.ones(3), None, r"propensities: shape \(2,\) beside 3"),
        (small(), np.ones(4), None, "targets: shape"),
        (small(), np.ones(3), np.ones(2), "predictions: shape"),
        (small(persons=np.zeros(1, dtype=np.int64)), np.ones(3), None, "persons: shape"),
        (small(rewards=np.array([1.0, 0.0, np.nan])), np.ones(3), None, "rewards: row 2 is no number"),
        (small(), np.ones(3), np.array([1.0, np.inf, 0.0]), "predictions: row 1 is no number"),
        (small(propensities=np.array([0.0, 1.0, 1.0])), np.ones(3), None, "propensities: the chance"),
        (small(propensities=np.array([np.nan, 1.0, 1.0])), np.ones(3), None, "propensities: the chance"),
        (small(), np.array([0.0, 1.1, 0.0]), None, "targets: a chance"),
        (small(rewards=np.array([5.0, 1.0, 0.0])), np.ones(3), None, "rewards: a declined application brings 0"),
        (
            Logged(is_approved=np.ones(1, dtype=bool), propensities=np.ones(1), rewards=np.ones(1)),
            np.ones(1),
            None,
            "takes 2",
        ),
    ],
)
def test_what_is_no_log_is_refused_by_the_name_of_its_array(logged, targets, predictions, message):
    with pytest.raises(Refused, match=message):
        evaluate_target(logged, targets, predictions)


@pytest.mark.parametrize("wrong", [{"weight_max": 0.5}, {"weight_max": float("nan")}, {"alpha_ppm": 0}])
def test_limits_that_are_none_are_refused(wrong):
    with pytest.raises(Refused, match="weight_max is at least 1"):
        evaluate_target(small(), np.ones(3), **wrong)
