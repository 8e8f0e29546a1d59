"""Sample ratios: the mixture's law, eleven kinds of faults, sound experiments looked at daily."""

import math

import numpy as np
import pytest
from benchmarks.experiments_faults import FAULTS, SHARES_PPM, Fault, run_days
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import dirichlet_multinomial, multinomial

from instant_credit.errors import Refused
from instant_credit.experiment.ratios import (
    ALPHA,
    CONCENTRATIONS,
    ArmCounts,
    Contradiction,
    Finding,
    Ratios,
    Stage,
    check_ratios,
    weigh_counts,
)
from tests.budget import IS_PROVING

DAYS = 60
HALVES = (500_000, 500_000)


def draw_urns(units: list[int], shares: tuple[float, ...]) -> float:
    """Naive twin: the mean over concentrations of a Polya urn's chance of this sequence over the plan's."""
    ratios = []
    for concentration in CONCENTRATIONS:
        urn = [concentration * share for share in shares]
        ratio = 1.0
        for arm in units:
            ratio *= urn[arm] / sum(urn) / shares[arm]
            urn[arm] += 1.0
        ratios.append(ratio)
    return math.log(sum(ratios) / len(ratios))


def even(each: int, **changes: tuple[int, ...] | int) -> ArmCounts:
    return ArmCounts(**{"assigned": (each, each), "exposed": (each, each), "recorded": (each, each), **changes})


@given(st.lists(st.integers(0, 2), max_size=60), st.lists(st.integers(1, 9), min_size=3, max_size=3))
@settings(max_examples=60, deadline=None)
def test_the_evidence_is_that_of_urns_drawn_unit_by_unit(units: list[int], weights: list[int]) -> None:
    shares = tuple(weight / sum(weights) for weight in weights)
    counts = tuple(units.count(arm) for arm in range(3))
    assert weigh_counts(counts, shares) == pytest.approx(draw_urns(units, shares), abs=1e-9)


def test_the_evidence_is_scipys_ratio_of_dirichlet_multinomial_and_multinomial() -> None:
    counts, shares = np.array([5_300, 2_800, 1_900]), np.array([0.5, 0.3, 0.2])
    ratios = [
        math.exp(dirichlet_multinomial.logpmf(counts, k * shares, 10_000) - multinomial.logpmf(counts, 10_000, shares))
        for k in CONCENTRATIONS
    ]
    found = weigh_counts(tuple(counts.tolist()), tuple(shares.tolist()))
    assert found == pytest.approx(math.log(np.mean(ratios)), abs=1e-6)


@given(st.lists(st.integers(1, 9), min_size=2, max_size=4), st.integers(0, 4))
@settings(max_examples=30, deadline=None)
def test_under_the_plans_shares_one_more_unit_leaves_the_evidence_as_it_is_in_the_mean(weights, seen) -> None:
    shares = tuple(weight / sum(weights) for weight in weights)
    counts = tuple(seen * (arm + 1) for arm in range(len(shares)))
    after = [
        share * math.exp(weigh_counts((*counts[:arm], counts[arm] + 1, *counts[arm + 1 :]), shares))
        for arm, share in enumerate(shares)
    ]
    assert math.fsum(after) == pytest.approx(math.exp(weigh_counts(counts, shares)), rel=1e-9)


def test_nobody_yet_is_no_evidence() -> None:
    found = check_ratios(HALVES, even(0))
    assert [check.chance for check in found.checks] == [1.0] * len(Stage)
    assert not found.is_blocked


def test_the_parts_of_the_error_sum_to_the_stated_one() -> None:
    alone = check_ratios(HALVES, even(0))
    split = check_ratios(HALVES, even(0), {"a": even(0), "b": even(0), "c": even(0)})
    assert math.fsum(check.alpha for check in alone.checks) == pytest.approx(ALPHA)
    assert math.fsum(check.alpha for check in split.checks) == pytest.approx(ALPHA)
    assert len(split.checks) == 4 * len(Stage)


def test_forty_lost_exposures_of_one_arm_are_seen_among_a_hundred_thousand() -> None:
    found = check_ratios(HALVES, even(50_000, recorded=(50_000, 49_960)))
    assert [check.stage for check in found.failed] == [Stage.UNRECORDED]
    assert found.is_blocked


@pytest.mark.parametrize(
    ("counts", "contradiction"),
    [
        (even(10, exposed=(10, 11), recorded=(10, 10)), Contradiction.MORE_EXPOSED_THAN_ASSIGNED),
        (even(10, exposed=(10, 9)), Contradiction.MORE_RECORDED_THAN_EXPOSED),
        (even(10, crossed=1), Contradiction.UNIT_IN_TWO_ARMS),
    ],
)
def test_what_no_chance_explains_blocks_at_once_and_for_good(counts: ArmCounts, contradiction: Contradiction) -> None:
    found = check_ratios(HALVES, even(10), {"web": counts})
    assert found.findings == (Finding(contradiction=contradiction, segment="web"),)
    later = check_ratios(HALVES, even(20), {"web": even(20)}, before=found)
    assert later.findings == found.findings
    assert later.is_blocked


def test_a_failure_stays_one_when_later_units_hide_it() -> None:
    failed = check_ratios(HALVES, even(500, recorded=(500, 400)))
    healed = even(1_000_000, recorded=(999_900, 999_900))
    assert failed.is_blocked
    assert not check_ratios(HALVES, healed).is_blocked
    assert check_ratios(HALVES, healed, before=failed).is_blocked


@pytest.mark.parametrize(
    ("shares", "counts", "segments", "alpha", "says"),
    [
        ((1_000_000,), even(1), {}, ALPHA, "shares_ppm"),
        ((400_000, 500_000), even(1), {}, ALPHA, "shares_ppm"),
        ((0, 1_000_000), even(1), {}, ALPHA, "shares_ppm"),
        (HALVES, even(1), {}, 0.0, "alpha"),
        (HALVES, even(1), {"": even(1)}, ALPHA, "each with a name"),
        (HALVES, even(1, assigned=(1, 1, 1)), {}, ALPHA, "each of 2 arms"),
        (HALVES, even(1), {"web": even(1, recorded=(1, -1))}, ALPHA, "'web'"),
        (HALVES, even(1, crossed=-1), {}, ALPHA, "in two arms"),
    ],
)
def test_what_cannot_be_counted_is_refused(shares, counts, segments, alpha, says) -> None:
    with pytest.raises(Refused, match=says):
        check_ratios(shares, counts, segments, alpha=alpha)


def test_segments_may_neither_come_nor_go_between_looks() -> None:
    found = check_ratios(HALVES, even(1), {"web": even(1)})
    with pytest.raises(Refused, match="'branch' was not there"):
        check_ratios(HALVES, even(1), {"branch": even(1), "web": even(1)}, before=found)
    with pytest.raises(Refused, match="all those of the look before"):
        check_ratios(HALVES, even(1), before=found)


def find_block(seed: int, days: int, fault: Fault | None = None) -> int | None:
    """Day on which a daily look first blocks."""
    found: Ratios | None = None
    for day, (counts, segments) in enumerate(run_days(seed, days, fault)):
        found = check_ratios(SHARES_PPM, counts, segments, before=found)
        if found.is_blocked:
            return day
    return None


@pytest.mark.prove
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_every_kind_of_fault_is_caught(fault: Fault) -> None:
    seeds = range(200 if IS_PROVING else 3)
    assert not [seed for seed in seeds if find_block(seed, DAYS, fault) is None]


@pytest.mark.prove
def test_sound_experiments_looked_at_daily_are_blocked_no_more_often_than_stated() -> None:
    """2,000 experiments over 60 days as a proof; 200 over 30 days in the suite."""
    runs, days = (2_000, DAYS) if IS_PROVING else (200, 30)
    blocked = sum(find_block(10_000 + seed, days) is not None for seed in range(runs))
    assert blocked <= ALPHA * runs
