"""Guardrails: harmless arms go on, harmful ones are stopped, money is counted to the cent."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from instant_credit.errors import BrokenInvariant
from instant_credit.experiment.guardrails import (
    ALPHA,
    Count,
    Finding,
    Tally,
    count_slow,
    judge_guardrails,
    split_alpha,
)
from instant_credit.experiment.plan import (
    Arm,
    Direction,
    Expected,
    Guardrail,
    GuardrailKind,
    MetricKind,
    Plan,
    PlanMetric,
    Stopping,
    StoppingKind,
)
from instant_credit.units import Cents, Ppm, expected_loss_ceil
from tests.budget import TIMES, examples

BOUNDS = {
    GuardrailKind.EARLY_DELINQUENCY: 10_000,
    GuardrailKind.APPROVAL_RATE: 50_000,
    GuardrailKind.IMPACT_RATIO: 800_000,
    GuardrailKind.ERROR_RATE: 2_000,
    GuardrailKind.LATENCY_P99: 40_000_000,
}
DAYS = 120


def make_plan(*guardrails: Guardrail, arms: int = 2) -> Plan:
    """A plan with these guardrails; by default with every statistical one."""
    statistical = tuple(
        Guardrail(kind=kind, bound=bound, attribute="sex", reference="male")
        if kind is GuardrailKind.IMPACT_RATIO
        else Guardrail(kind=kind, bound=bound)
        for kind, bound in BOUNDS.items()
    )
    return Plan(
        name="deeper_trees",
        product="personal_loan",
        title="Deeper trees",
        hypothesis="Deeper trees lose less",
        layer="risk",
        arms=tuple(Arm(name=f"arm_{i}", share_ppm=1_000_000 // arms) for i in range(arms)),
        primary="approved",
        metrics=(PlanMetric(name="approved", kind=MetricKind.APPROVAL, direction=Direction.HIGHER, window_days=0),),
        effect_min=0.01,
        units_max=100_000,
        stopping=Stopping(kind=StoppingKind.CONFIDENCE_SEQUENCE),
        guardrails=guardrails or statistical,
        entry_days_max=180,
        expect=Expected(applications_per_day=100, mean=0.5),
    )


class Life:
    """One arm and the control from day to day: 40 units a day between them, harmless at the very edge where nothing else is said."""

    def __init__(self, chance: np.random.Generator, **rates: float) -> None:
        self.chance = chance
        edge = {"early": 0.05, "early_control": 0.04, "approval": 0.45, "approval_control": 0.5}
        self.rates = edge | {"group": 0.36, "failed": 0.002, "slow": 0.01} | rates
        self.counts: dict[str, Count] = {}

    def live_a_day(self) -> tuple[Tally, Tally]:
        """The tallies of the control and of the arm after another day."""
        units = int(self.chance.binomial(40, 0.5))
        for name, trials in (("early", units), ("approval", units), ("failed", units), ("slow", units)):
            self._add(name, trials)
        self._add("early_control", 40 - units)
        self._add("approval_control", 40 - units)
        self._add("group", units // 2)
        self._add("base", units - units // 2)
        told = self.counts
        arm = Tally(
            early=told["early"],
            approvals=told["approval"],
            groups={"male": told["base"], "female": told["group"], "unsaid": Count()},
            answers=told["failed"],
            timed=told["slow"],
        )
        return Tally(early=told["early_control"], approvals=told["approval_control"]), arm

    def _add(self, name: str, trials: int) -> None:
        hits = self.chance.binomial(trials, self.rates.get(name, self.rates["approval"]))
        self.counts[name] = self.counts.get(name, Count()) + Count(trials=trials, hits=float(hits))


def live(chance: np.random.Generator, days: int = DAYS, **rates: float) -> tuple[int, tuple[GuardrailKind, ...]]:
    """The day on which an arm is stopped, and by what; `days` + 1 and nothing when it never is."""
    plan, life = make_plan(), Life(chance, **rates)
    for day in range(1, days + 1):
        findings = judge_guardrails(plan, *life.live_a_day(), name="arm_1")
        if breached := tuple(f.guardrail for f in findings if f.is_breached):
            return day, breached
    return days + 1, ()


@pytest.mark.prove
def test_an_arm_at_the_edge_of_every_guardrail_is_stopped_at_most_at_the_stated_rate() -> None:
    experiments = 60 * TIMES
    chance = np.random.Generator(np.random.PCG64(31))
    stopped = sum(live(chance)[0] <= DAYS for _ in range(experiments))
    print(f"{stopped} of {experiments} harmless arms stopped within {DAYS} days")
    assert stopped <= stats.binom.ppf(1 - 1e-4, experiments, ALPHA)


HARMS = [
    ({"early": 0.12}, GuardrailKind.EARLY_DELINQUENCY, 60),
    ({"approval": 0.3, "group": 0.3}, GuardrailKind.APPROVAL_RATE, 90),
    ({"group": 0.18}, GuardrailKind.IMPACT_RATIO, 90),
    ({"failed": 0.02}, GuardrailKind.ERROR_RATE, 50),
    ({"slow": 0.05}, GuardrailKind.LATENCY_P99, 50),
]


@pytest.mark.prove
@pytest.mark.parametrize(("rates", "kind", "days"), HARMS, ids=[kind for _, kind, _ in HARMS])
def test_harm_is_stopped_and_soon(rates: dict[str, float], kind: GuardrailKind, days: int) -> None:
    chance = np.random.Generator(np.random.PCG64(32))
    lives = [live(chance, **rates) for _ in range(10 * TIMES)]
    half = float(np.median([day for day, _ in lives]))
    print(f"{kind}: half of the harmful arms stopped by day {half:.0f}")
    assert half <= days
    assert sum(kind in by for _, by in lives) >= 0.9 * len(lives)


def test_the_parts_of_all_guardrails_and_arms_add_up_to_alpha() -> None:
    parts = split_alpha(make_plan(arms=4))
    assert sum(parts.values()) * 3 == pytest.approx(ALPHA)
    assert parts[GuardrailKind.IMPACT_RATIO] == 2 * parts[GuardrailKind.ERROR_RATE]
    assert split_alpha(make_plan(Guardrail(kind=GuardrailKind.LOSS_BUDGET, bound=1, lost_ppm=1))) == {}
    with pytest.raises(BrokenInvariant, match="between 0 and 1"):
        split_alpha(make_plan(), 1.0)


def judge_budget(reserved: int, largest: int, bound: int) -> Finding:
    """What the loss budget says."""
    plan = make_plan(Guardrail(kind=GuardrailKind.LOSS_BUDGET, bound=bound, lost_ppm=600_000))
    tally = Tally(reserved_cents=Cents(reserved), reservation_cents_max=Cents(largest))
    return judge_guardrails(plan, Tally(), tally, name="arm_1")[0]


def test_a_budget_is_breached_where_the_largest_next_reservation_would_not_fit() -> None:
    assert not judge_budget(900, 100, 1_000).is_breached
    breached = judge_budget(901, 100, 1_000)
    assert breached.is_breached
    assert (breached.value, breached.e_value, breached.e_value_stop) == (901.0, None, None)
    assert breached.words == "901 of 1,000 cents reserved; the largest next one, 100 cents, does not fit: breached"


@examples(50)
@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**6)), max_size=60), st.integers(1, 10**8))
def test_an_arm_that_stops_at_its_breach_never_reserves_more_than_its_budget(
    approvals: list[tuple[int, int]], bound: int
) -> None:
    largest = expected_loss_ceil(Cents(10**7), Ppm(10**6), Ppm(600_000))
    reserved = 0
    for amount, pd in approvals:
        if judge_budget(reserved, largest, bound).is_breached:
            break
        reserved += expected_loss_ceil(Cents(amount), Ppm(pd), Ppm(600_000))
    assert reserved <= bound


def test_nothing_counted_yet_breaches_nothing() -> None:
    findings = judge_guardrails(make_plan(), Tally(), Tally(), name="arm_1")
    assert [f.guardrail for f in findings] == list(BOUNDS)
    assert not any(f.is_breached for f in findings)
    assert {f.value for f in findings} == {None}
    assert [f.e_value for f in findings] == pytest.approx([1.0] * 5)


def find(kind: GuardrailKind, bound: int = 0, **tallies: Any) -> Finding:
    """What one guardrail says."""
    extra = {"attribute": "sex", "reference": "male"} if kind is GuardrailKind.IMPACT_RATIO else {}
    plan = make_plan(Guardrail(kind=kind, bound=bound or BOUNDS[kind], **extra))
    return judge_guardrails(plan, tallies.get("control", Tally()), tallies["arm"], name="arm_1")[0]


def test_each_finding_says_its_figures_in_words() -> None:
    early = find(
        GuardrailKind.EARLY_DELINQUENCY,
        arm=Tally(early=Count(trials=1_000, hits=120.0)),
        control=Tally(early=Count(trials=1_000, hits=40.0)),
    )
    assert early.is_breached
    assert early.value == pytest.approx(80_000)
    assert early.words.startswith(
        "early delinquency 12.00% of 1,000 against 4.00% of 1,000 in the control, 1.00% more allowed; evidence"
    )
    approval = find(
        GuardrailKind.APPROVAL_RATE,
        arm=Tally(approvals=Count(trials=1_000, hits=450.0)),
        control=Tally(approvals=Count(trials=1_000, hits=500.0)),
    )
    assert not approval.is_breached
    assert approval.value == pytest.approx(50_000)
    groups = {"male": Count(trials=900, hits=450.0), "female": Count(trials=900, hits=225.0), "other": Count()}
    impact = find(GuardrailKind.IMPACT_RATIO, arm=Tally(groups=groups))
    assert impact.is_breached
    assert impact.value == pytest.approx(500_000)
    assert impact.words.startswith(
        "female is approved 0.500 times as often as male: 25.00% of 900 against 50.00% of 900"
    )
    slow = find(GuardrailKind.LATENCY_P99, arm=Tally(timed=Count(trials=10_000, hits=300.0)))
    assert slow.is_breached
    assert slow.words.startswith("slower than 40.0 ms: 3.00% of 10,000, 1% allowed")
    assert find(GuardrailKind.ERROR_RATE, arm=Tally(answers=Count(trials=500, hits=500.0))).e_value == pytest.approx(
        np.exp(700.0)
    )


def test_a_bound_that_forbids_nothing_is_never_breached() -> None:
    all_bad = Tally(early=Count(trials=900, hits=900.0), answers=Count(trials=900, hits=900.0))
    none_bad = Tally(early=Count(trials=900))
    assert find(GuardrailKind.EARLY_DELINQUENCY, 1_000_000, arm=all_bad, control=none_bad).e_value == 1.0
    assert find(GuardrailKind.ERROR_RATE, 1_000_000, arm=all_bad).e_value == 1.0


def test_groups_without_a_reference_are_not_compared() -> None:
    finding = find(GuardrailKind.IMPACT_RATIO, arm=Tally(groups={"female": Count(trials=50, hits=1.0)}))
    assert not finding.is_breached
    assert finding.value is None
    assert "no ratio yet" in finding.words


def test_a_bucket_that_the_bound_divides_counts_as_fast() -> None:
    assert count_slow([0, 10, 20, 40], [5, 4, 3, 2], 20) == Count(trials=14, hits=5.0)
    assert count_slow([0, 10, 20, 40], [5, 4, 3, 2], 21) == Count(trials=14, hits=2.0)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(BrokenInvariant, match="between 0 and the trials"):
        Count(trials=1, hits=2.0)
    with pytest.raises(BrokenInvariant, match="the control"):
        judge_guardrails(make_plan(), Tally(), Tally(), name="arm_0")
