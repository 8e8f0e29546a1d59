import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from instant_credit.canonical import encode_canonical
from instant_credit.experiment.boundaries import Spending, find_bounds, find_chance, repeat_interval
from instant_credit.experiment.comparing import rule_of
from instant_credit.experiment.frozen import DaySums, Frozen
from instant_credit.experiment.multiplicity import adjust_e_bh, adjust_holm
from instant_credit.experiment.plan import Plan
from instant_credit.experiment.readout import read_experiment
from instant_credit.experiment.segments import SegmentDifference, shrink_segments
from instant_credit.experiment.sequences import read_interval
from instant_credit.experiment.sums import Sums, estimate, estimate_adjusted
from instant_credit.experiment.surrogate import CELLS, Cells
from instant_credit.experiment.survival import compare_survival, find_cluster_factor
from instant_credit.experiment.verdict import Standing, VerdictKind
from tests.experiment import plans
from tests.experiment.readings import START, close, freeze

SHARE = {"name": "bad", "kind": "default", "direction": "lower", "window_days": 20}
EARLY = {"name": "late", "kind": "early_delinquency", "direction": "lower", "window_days": 10}
PROFIT = {"name": "profit", "kind": "profit", "direction": "higher", "window_days": 20, "cents_max": 1_000}
SEQUENCE = {"kind": "confidence_sequence"}
LOOKS = {"kind": "group_sequential", "looks_units": [100, 300, 600]}


def quick(**changes: Any) -> Plan:
    """A plan that is ripe in twenty days, looked at whenever one likes."""
    told = {
        "metrics": [SHARE, EARLY],
        "stopping": SEQUENCE,
        "units_max": 6_000,
        "effect_min": 0.03,
        "entry_days_max": 60,
    }
    return plans.plan(**(told | changes))


def looked(**changes: Any) -> Plan:
    """The same, looked at three times."""
    return quick(stopping={"kind": "group_sequential", "looks_units": [2_000, 4_000, 6_000]}, **changes)


def three_arms(**changes: Any) -> Plan:
    return quick(arms=plans.split(400_000, 300_000, 300_000), **changes)


def total(frozen: Frozen, metric: int, arm: int, before: int = 10**6, cell: tuple[int, int] = (-1, -1)) -> Sums:
    """An arm's sums over the cohorts before a day, added one by one."""
    found = Sums()
    for one in frozen.sums:
        ripe_days = (20, 10)[metric]
        if (one.metric, one.arm) == (metric, arm) and cell == (one.segment, one.category):
            found = found + one.sums if (one.ripe_on - START).days - ripe_days < before else found
    return found


def as_of(frozen: Frozen, day: int) -> Frozen:
    """What had been frozen by the end of a day since the start."""
    until = START + timedelta(days=day - 1)
    return replace(
        frozen,
        until=until,
        sums=tuple(one for one in frozen.sums if one.ripe_on <= until),
        counts=tuple(one for one in frozen.counts if one.day_on <= until),
        closings=tuple(one for one in frozen.closings if one.closed_on <= until),
    )


def lose(frozen: Frozen, arm: int, share: float) -> Frozen:
    """The experiment with a share of an arm's ripe units lost from the sums of everybody."""

    def thin(one: DaySums) -> DaySums:
        kept = int(one.sums.units * (1.0 - share))
        return replace(one, sums=replace(one.sums, units=kept)) if one.arm == arm and one.segment < 0 else one

    return replace(frozen, sums=tuple(thin(one) for one in frozen.sums))


def test_a_difference_is_that_of_the_adjusted_means_with_its_sequence() -> None:
    plan = quick()
    frozen = freeze(plan, days=60, rates=(0.08, 0.12))
    found = read_experiment(plan, frozen).metrics[0].comparisons[0]
    control, arm = estimate_adjusted((total(frozen, 0, 0), total(frozen, 0, 1)))
    wanted = read_interval(control, arm, rule_of(plan, plan.metrics[0], 500_000))
    assert (found.difference, found.lower, found.upper) == pytest.approx(
        (wanted.difference, wanted.lower, wanted.upper)
    )
    assert found.e_value == pytest.approx(wanted.e_value)
    plain = [estimate(total(frozen, 0, at)) for at in (0, 1)]
    assert found.plain_difference == pytest.approx(plain[1].mean - plain[0].mean)
    assert found.variance_ratio == pytest.approx((control.variance + arm.variance) / sum(one.variance for one in plain))


def test_the_p_value_is_the_least_of_all_days() -> None:
    plan = quick()
    frozen = freeze(plan, days=45, rates=(0.08, 0.12))
    days = [read_experiment(plan, as_of(frozen, day)).metrics[0].comparisons[0] for day in range(21, 46)]
    least = min(1.0, *(1.0 / one.e_value for one in days if one.e_value is not None))
    assert days[-1].p_value == pytest.approx(least)
    assert [one.p_value for one in days] == sorted((one.p_value for one in days), reverse=True)


def test_planned_looks_are_those_of_the_boundaries() -> None:
    plan = looked()
    frozen = freeze(plan, days=90, rates=(0.08, 0.09))
    found = read_experiment(plan, frozen).metrics[0].comparisons[0]
    # A hundred units come in on a day, so that two thousand are ripe after twenty cohorts.
    pairs = [estimate_adjusted((total(frozen, 0, 0, day), total(frozen, 0, 1, day))) for day in (20, 40, 60)]
    fractions = [sum(one.units for one in pair) / 6_000 for pair in pairs]
    variances = [pair[0].variance + pair[1].variance for pair in pairs]
    scores = [(pair[1].mean - pair[0].mean) / variance**0.5 for pair, variance in zip(pairs, variances, strict=True)]
    bounds = find_bounds(fractions, Spending.OBRIEN_FLEMING, 0.05, is_last=True)
    assert [look.score for look in found.looks] == pytest.approx(scores)
    assert tuple(look.bound for look in found.looks) == bounds.bounds
    wanted = repeat_interval(pairs[-1][1].mean - pairs[-1][0].mean, variances[-1], bounds.bounds[-1])
    assert (found.lower, found.upper) == pytest.approx(wanted)
    assert found.p_value == pytest.approx(find_chance(scores, fractions, Spending.OBRIEN_FLEMING, is_last=True))


def test_looks_are_taken_on_the_day_they_fall_due_and_not_by_when_one_reads() -> None:
    plan = looked()
    frozen = freeze(plan, days=90)
    late = read_experiment(plan, frozen).metrics[0].comparisons[0].looks
    for day in (41, 60, 61, 75):
        looks = read_experiment(plan, as_of(frozen, day)).metrics[0].comparisons[0].looks
        assert looks == late[: len(looks)]
        assert len(looks) == sum(look.on < START + timedelta(days=day) for look in late)


def test_no_look_is_taken_before_it_is_due() -> None:
    found = read_experiment(looked(), freeze(looked(), days=30)).metrics[0].comparisons[0]
    assert (found.looks, found.is_enough, found.lower, found.p_value) == ((), False, None, 1.0)


@pytest.mark.parametrize(
    ("rates", "kind", "standing"),
    [
        ((0.10, 0.03), VerdictKind.PROMOTE, Standing.BETTER),
        ((0.06, 0.14), VerdictKind.KEEP, Standing.WORSE),
        ((0.08, 0.08), VerdictKind.KEEP, Standing.ENDED),
    ],
)
def test_planned_looks_promote_what_is_better_and_keep_what_is_not(
    rates: tuple[float, float], kind: VerdictKind, standing: Standing
) -> None:
    plan = looked(effect_min=0.0001, guardrails=[])
    verdict = read_experiment(plan, freeze(plan, days=90, rates=rates)).verdict
    assert (verdict.kind, verdict.arms[0].standing) == (kind, standing)
    assert verdict.arm == ("challenger" if kind is VerdictKind.PROMOTE else None)


def test_a_sequence_promotes_before_the_end() -> None:
    verdict = read_experiment(quick(), freeze(quick(), days=50, rates=(0.12, 0.03))).verdict
    assert (verdict.kind, verdict.arm) == (VerdictKind.PROMOTE, "challenger")
    assert verdict.words.startswith("Promote challenger.")


def test_a_gain_too_small_to_want_is_kept_away_before_the_end() -> None:
    plan = quick(effect_min=0.2)
    verdict = read_experiment(plan, freeze(plan, days=50)).verdict
    assert (verdict.kind, verdict.arms[0].standing) == (VerdictKind.KEEP, Standing.TOO_SMALL)


def test_not_enough_yet_is_a_verdict() -> None:
    verdict = read_experiment(quick(), freeze(quick(), days=15)).verdict
    assert (verdict.kind, verdict.arms[0].standing) == (VerdictKind.NOT_ENOUGH, Standing.OPEN)


def test_an_experiment_that_ended_too_small_is_extended() -> None:
    plan = quick(entry_days_max=10, effect_min=0.001)
    verdict = read_experiment(plan, freeze(plan, days=40, entry_days=10)).verdict
    assert (verdict.kind, verdict.arms[0].standing) == (VerdictKind.EXTEND, Standing.UNDECIDED)


def test_planned_looks_end_with_what_came_in() -> None:
    plan = looked(entry_days_max=30, effect_min=0.001)
    found = read_experiment(plan, freeze(plan, days=60, entry_days=30))
    assert [look.is_last for look in found.metrics[0].comparisons[0].looks] == [False, True]
    assert found.verdict.kind is VerdictKind.EXTEND


def test_a_stopped_arm_is_not_promoted_and_compares_over_its_own_cohorts() -> None:
    plan = three_arms()
    frozen = freeze(plan, days=60, rates=(0.12, 0.03, 0.03), closings=(close("arm_1", 25, "loss_budget"),))
    found = read_experiment(plan, replace(frozen, counts=_without(frozen, 1, 25), sums=_ripe_without(frozen, 1, 25)))
    assert found.verdict.arm == "arm_2"
    assert found.verdict.arms[0].standing is Standing.STOPPED
    control, arm = estimate_adjusted((total(frozen, 0, 0, 25), total(frozen, 0, 1, 25)))
    stopped = found.metrics[0].comparisons[0]
    assert stopped.difference == pytest.approx(arm.mean - control.mean)
    assert not found.sampling.is_blocked
    assert [span.arms for span in found.sampling.spans] == [("arm_0", "arm_1", "arm_2"), ("arm_0", "arm_2")]


def test_a_look_that_brings_an_arm_nothing_new_is_not_taken() -> None:
    plan = looked(arms=plans.split(400_000, 300_000, 300_000))
    frozen = freeze(plan, days=90, rates=(0.08, 0.08, 0.08), closings=(close("arm_1", 15),))
    stopped, other = read_experiment(plan, frozen).metrics[0].comparisons
    assert len(other.looks) == 3
    assert [look.is_last for look in stopped.looks] == [True]


def test_a_breached_guardrail_forbids_promotion() -> None:
    rails = [{"kind": "loss_budget", "bound": 1_000_000, "lost_ppm": 700_000}]
    plan = quick(guardrails=rails)
    found = read_experiment(plan, freeze(plan, days=50, rates=(0.12, 0.03)))
    assert found.guardrails[0].is_breached
    assert found.verdict.arms[0].standing is Standing.STOPPED


def test_lost_units_block_the_verdict_and_no_effect_is_told() -> None:
    plan = quick()
    frozen = lose(freeze(plan, days=60, rates=(0.12, 0.03)), 1, 0.1)
    found = read_experiment(plan, frozen)
    assert found.verdict.kind is VerdictKind.BLOCKED
    assert all(not one.comparisons and one.arms[0].mean is None for one in found.metrics)
    assert (found.segments, found.survival, found.early) == ((), (), ())
    assert "unrecorded" in found.verdict.words


def test_what_was_once_blocked_stays_blocked() -> None:
    plan = quick()
    frozen = freeze(plan, days=80)
    skewed = replace(
        frozen,
        counts=tuple(
            replace(one, units=0, unit_offers=0) if one.arm and 5 <= (one.day_on - START).days < 12 else one
            for one in frozen.counts
        ),
        sums=(),
    )
    assert all(read_experiment(plan, as_of(skewed, day)).sampling.is_blocked for day in (12, 15, 80))


def test_a_unit_in_two_arms_blocks() -> None:
    plan = quick()
    frozen = freeze(plan, days=25)
    counts = (replace(frozen.counts[0], units_in_two_arms=1), *frozen.counts[1:])
    assert read_experiment(plan, replace(frozen, counts=counts)).verdict.kind is VerdictKind.BLOCKED


def test_arms_are_adjusted_as_one_family_and_other_metrics_as_another() -> None:
    plan = three_arms(metrics=[SHARE, EARLY, PROFIT])
    metrics = read_experiment(plan, freeze(plan, days=60, rates=(0.1, 0.05, 0.13))).metrics
    first = [one.p_value for one in metrics[0].comparisons]
    others = [one.p_value for metric in metrics[1:] for one in metric.comparisons]
    assert tuple(one.p_adjusted for one in metrics[0].comparisons) == adjust_holm(first)
    assert tuple(one.p_adjusted for metric in metrics[1:] for one in metric.comparisons) == adjust_holm(others)


def test_e_values_are_adjusted_by_e_bh_where_planned() -> None:
    plan = three_arms(multiplicity="e_bh")
    found = read_experiment(plan, freeze(plan, days=60, rates=(0.1, 0.05, 0.13))).metrics[0].comparisons
    assert tuple(one.p_adjusted for one in found) == adjust_e_bh(
        [one.e_value for one in found if one.e_value is not None]
    )


def test_segments_are_told_shrunk() -> None:
    plan = quick()
    frozen = freeze(plan, days=60, rates=(0.1, 0.05))
    found = read_experiment(plan, frozen).segments[0]
    differences = []
    for category, name in ((0, "own"), (1, "rent")):
        control, arm = estimate_adjusted([total(frozen, 0, at, cell=(0, category)) for at in (0, 1)])
        differences.append(
            SegmentDifference(
                segment=f"home_ownership={name}",
                difference=arm.mean - control.mean,
                variance=arm.variance + control.variance,
            )
        )
    assert found.heterogeneity == shrink_segments(differences, alpha=0.05)
    assert found.left_out == ("home_ownership=missing",)


def test_survival_is_that_of_the_counts_by_month() -> None:
    plan = quick()
    frozen = freeze(plan, days=200, per_day=40, rates=(0.4, 0.2), entry_days=60)
    found = read_experiment(plan, frozen).survival[0]
    assert found.difference is not None
    factor = find_cluster_factor(total(frozen, 0, 0) + total(frozen, 0, 1))
    assert found.difference == compare_survival(
        frozen.lives(0, 0), frozen.lives(0, 1), found.difference.horizon_months, factor=factor
    )
    assert found.lower is not None
    assert found.lower < found.difference.difference


def test_early_signals_say_why_they_say_nothing() -> None:
    found = read_experiment(quick(), freeze(quick(), days=30)).early
    assert [one.arm for one in found] == ["challenger"]
    assert found[0].effect.prediction is None
    assert "0 ripe vintages" in found[0].effect.words


def test_early_signals_are_told_with_how_they_did() -> None:
    units = np.zeros(CELLS)
    units[[0, 10, 20, 30]] = (500, 400, 60, 40)
    bads = np.zeros(CELLS)
    bads[[10, 20, 30]] = (8, 18, 24)
    vintage = Cells(units=tuple(units.astype(int).tolist()), totals=tuple(bads.tolist()), squares=tuple(bads.tolist()))
    better = tuple((units - 20 * (np.arange(CELLS) == 30) + 20 * (np.arange(CELLS) == 10)).astype(int).tolist())
    signals = (Cells(units=vintage.units), Cells(units=better))
    frozen = freeze(quick(), days=30, vintages=(vintage,) * 6, signals=signals)
    effect = read_experiment(quick(), frozen).early[0].effect
    assert effect.prediction is not None
    assert effect.prediction.value < 0.0
    assert "6 past vintages" in effect.words or "3 of 3 past vintages" in effect.words


def test_without_early_no_early_signal_is_told() -> None:
    plan = quick(early=None)
    assert read_experiment(plan, freeze(plan, days=30)).early == ()


def test_guardrails_that_no_sum_tells_of_are_named() -> None:
    found = read_experiment(quick(), freeze(quick(), days=30))
    assert [one.guardrail for one in found.guardrails] == ["loss_budget", "early_delinquency"]
    assert found.watched == ("impact_ratio",)


def test_nothing_frozen_is_not_enough() -> None:
    found = read_experiment(quick(), freeze(quick(), days=0))
    assert found.until is None
    assert found.verdict.kind is VerdictKind.NOT_ENOUGH


def test_twice_the_same_days_are_the_same_bytes() -> None:
    plan = looked()
    first, second = (read_experiment(plan, freeze(plan, days=70)) for _ in range(2))
    assert encode_canonical(first) == encode_canonical(second)
    assert first.hash == second.hash
    assert read_experiment(plan, freeze(plan, days=70, seed=2)).hash != first.hash


class Drawn(Struct, frozen=True, kw_only=True):
    """An experiment to read."""

    days: int
    entry_days: int
    per_day: int
    rates: tuple[float, float, float]
    is_looked: bool
    primary: str
    multiplicity: str
    closed_on: int | None
    has_three: bool


_DRAWN = st.builds(
    Drawn,
    days=st.integers(0, 60),
    entry_days=st.integers(0, 60),
    per_day=st.integers(0, 30),
    rates=st.tuples(*[st.sampled_from((0.0, 0.001, 0.1, 1.0))] * 3),
    is_looked=st.booleans(),
    primary=st.sampled_from(("bad", "profit")),
    multiplicity=st.sampled_from(("holm", "e_bh")),
    closed_on=st.one_of(st.none(), st.integers(0, 60)),
    has_three=st.booleans(),
)


@settings(max_examples=40)
@given(drawn=_DRAWN)
def test_every_experiment_has_a_readout_in_which_each_number_is_one(drawn: Drawn) -> None:
    told: dict[str, Any] = {
        "metrics": [SHARE, EARLY, PROFIT],
        "primary": drawn.primary,
        "multiplicity": drawn.multiplicity,
        "arms": plans.split(400_000, 300_000, 300_000) if drawn.has_three else plans.split(500_000, 500_000),
        "stopping": LOOKS if drawn.is_looked else SEQUENCE,
    }
    if drawn.primary == "profit":
        told |= {"expect": {"applications_per_day": 10, "mean": 10.0, "deviation": 100.0}, "effect_min": 5.0}
    plan = quick(**told, units_max=600)
    closings = () if drawn.closed_on is None or drawn.closed_on >= drawn.days else (close("arm_1", drawn.closed_on),)
    frozen = freeze(
        plan,
        days=drawn.days,
        per_day=drawn.per_day,
        rates=drawn.rates,
        entry_days=drawn.entry_days,
        closings=closings,
    )
    found = read_experiment(plan, frozen)
    json.loads(encode_canonical(found), parse_constant=_refuse)
    assert found == read_experiment(plan, frozen)
    assert (found.verdict.arm is not None) == (found.verdict.kind is VerdictKind.PROMOTE)
    assert found.sampling.is_blocked == (found.verdict.kind is VerdictKind.BLOCKED)


def _refuse(name: str) -> None:
    raise AssertionError(name)


def _without(frozen: Frozen, arm: int, day: int) -> Any:
    return tuple(one for one in frozen.counts if one.arm != arm or (one.day_on - START).days < day)


def _ripe_without(frozen: Frozen, arm: int, day: int) -> Any:
    ripe = (20, 10)
    return tuple(one for one in frozen.sums if one.arm != arm or (one.ripe_on - START).days - ripe[one.metric] < day)


def test_what_was_found_before_is_told_as_found_before() -> None:
    plan = quick()
    good, bad = freeze(plan, days=90, rates=(0.12, 0.03)), freeze(plan, days=90, rates=(0.04, 0.13), seed=2)
    turn = START + timedelta(days=30)

    def is_before(one: DaySums) -> bool:
        return one.ripe_on - timedelta(days=plan.metrics[one.metric].ripe_days) < turn

    turned = replace(
        good,
        sums=(*filter(is_before, good.sums), *(one for one in bad.sums if not is_before(one))),
        counts=(
            *(one for one in good.counts if one.day_on < turn),
            *(one for one in bad.counts if one.day_on >= turn),
        ),
    )
    readout = read_experiment(plan, turned)
    found = readout.metrics[0].comparisons[0]
    assert found.is_found
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower < 0.0 < found.upper
    assert "found before, and the interval is that of the last day alone" in readout.verdict.arms[0].words
    assert "found before" not in read_experiment(plan, as_of(good, 60)).verdict.arms[0].words
