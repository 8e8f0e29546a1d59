"""Months of a simulated lender at the real desk: a challenger that does harm is stopped within its loss budget, a good one is promoted."""

import shutil
from datetime import date, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec import Struct

from instant_credit.decision.release import Release
from instant_credit.experiment.plan import Plan
from instant_credit.market.applicants import Applicants, draw_applicants
from instant_credit.market.courses import known_by
from instant_credit.market.instalments import Offers
from instant_credit.market.loans import live_loans
from instant_credit.market.truth import draw_truth
from instant_credit.market.world import MONTH_DAYS, World
from instant_credit.outcome.events import EventKind, RepaymentEvent, order_events
from instant_credit.record.budgets import read_budget
from instant_credit.record.experiments import ExperimentEvent, ExperimentEventKind, read_experiment_events
from instant_credit.record.outcomes import read_loans
from instant_credit.record.pool import open_record
from instant_credit.settings import Settings
from instant_credit.underwriting.experiment_readouts import ReadoutDesk
from instant_credit.underwriting.replay import ReplaySummary, replay
from tests.budget import IS_PROVING
from tests.clock import FixedClock, SeededEntropy
from tests.journeys.markets import GOOD, HARMFUL, Lent, Market, dearer, noon, open_wide
from tests.lending import Documents

pytestmark = [pytest.mark.anyio, pytest.mark.prove, pytest.mark.long, pytest.mark.timeout(1_200)]

# Known late by at most three days, and paid late by at most twenty-five.
SETTLED_DAYS = 28
# By how much riskier those are whom the harmful arm alone lends to.
HARM = 1.5
FIRST_ON = date(2024, 1, 1)
DAYS, A_DAY, BUDGET = (182, 20, 20_000_000) if IS_PROVING else (63, 14, 4_000_000)


def make_plan(name: str, layer: str, overlay: dict[str, str], budget_cents: int, **changes: Any) -> Plan:
    told: dict[str, Any] = {
        "name": name,
        "product": "personal_loan",
        "title": name,
        "hypothesis": "It lends better.",
        "layer": layer,
        "arms": [
            {"name": "control", "share_ppm": 500_000},
            {"name": "challenger", "share_ppm": 500_000, "overlay": overlay},
        ],
        "units_max": DAYS * A_DAY,
        "stopping": {"kind": "confidence_sequence"},
        "guardrails": [{"kind": "loss_budget", "bound": budget_cents, "lost_ppm": 700_000}],
        "entry_days_max": DAYS,
    }
    return msgspec.convert(told | changes, Plan)


def plan_harm(source: str) -> Plan:
    return make_plan(
        "all_welcome",
        "risk",
        {"policy": source},
        BUDGET,
        primary="bad",
        metrics=[
            {"name": "bad", "kind": "default", "direction": "lower", "window_days": 120, "lag_days": 5},
            {"name": "approved", "kind": "approval", "direction": "higher", "window_days": 0},
        ],
        effect_min=0.01,
        expect={"applications_per_day": A_DAY, "mean": 0.04},
    )


def plan_good(source: str) -> Plan:
    return make_plan(
        "fairer_prices",
        "prices",
        {"prices": source},
        10**12,
        primary="taken",
        metrics=[
            {"name": "taken", "kind": "take_up", "direction": "higher", "window_days": 3},
            {"name": "late", "kind": "early_delinquency", "direction": "lower", "window_days": 70, "lag_days": 5},
        ],
        effect_min=0.08,
        expect={"applications_per_day": A_DAY, "mean": 0.3},
    )


class Lived(Struct, frozen=True, kw_only=True):
    """What a run left."""

    market: Market
    export: bytes
    exposures: list[dict[str, Any]]
    events: tuple[ExperimentEvent, ...]
    recorded: dict[int, tuple[RepaymentEvent, ...]]
    leased_cents: int
    replayed: ReplaySummary
    verdict: str
    first_release: Release


async def live(settings: Settings, documents: Documents) -> Lived:
    clock = FixedClock(noon(FIRST_ON))
    world = World(seed=20, first_on=FIRST_ON, applications_per_day=A_DAY)
    async with open_record(settings, clock=clock, entropy=SeededEntropy("journey")) as record:
        market = Market(record, clock, world, dearer(documents))
        await market.open()
        first_release = market.releases.live()[documents.product.name]
        await market.approve(documents)
        harmful = open_wide(documents)
        await market.approve(harmful)
        await market.start(plan_harm(harmful.release_hash))
        await market.start(plan_good(documents.release_hash))
        for day in range(1, DAYS + 1):
            await market.live_day()
            if day % 7 == 0 and market.promoted is None:
                await market.decide()
        loans = await read_loans(record, list(market.lent))
        return Lived(
            market=market,
            export=await market.export(),
            exposures=await market.exposures(),
            events=tuple(await read_experiment_events(record)),
            recorded={market.lent[case_id].number: tuple(loan.events) for case_id, loan in loans.items()},
            leased_cents=(await read_budget(record, f"loss:{HARMFUL}:challenger")).leased_cents,
            replayed=await replay(record),
            verdict=(await ReadoutDesk(record).read(HARMFUL)).verdict.kind,
            first_release=first_release,
        )


def check_harm(lived: Lived) -> None:
    """The arm reserved no cent more than its budget, was closed for it, and took nobody from that application on."""
    exposed = [row for row in lived.exposures if row["experiment"] == HARMFUL]
    spent = [row["reserved_cents"] for row in exposed if row["arm"] == 1]
    assert 0 < sum(spent) <= lived.leased_cents <= BUDGET
    ((closed_by, closed),) = lived.market.closed
    assert sum(spent) + closed.wanted_cents > BUDGET
    assert max(row["application"] for row in exposed) < A_DAY * (closed_by // A_DAY + 1) < DAYS * A_DAY // 2
    assert max(row["application"] for row in exposed if row["arm"] == 1) < closed_by
    ends = [event for event in lived.events if event.experiment == HARMFUL][1:]
    assert [(event.kind, event.guardrail) for event in ends] == [
        (ExperimentEventKind.ARM_CLOSED, "loss_budget"),
        (ExperimentEventKind.STOPPED, "loss_budget"),
    ]
    assert ends[0].arm == "challenger"
    assert ends[0].recorded_at.date() == FIRST_ON + timedelta(days=closed_by // A_DAY)
    assert lived.verdict == "keep"
    more = [row["application"] for row in exposed if row["is_offer"] and not row["baseline_is_offer"]]
    others = [row["application"] for row in exposed if row["baseline_is_offer"]]
    world = lived.market.world
    assert true_pd(world, more) > HARM * true_pd(world, others)


def check_good(lived: Lived) -> None:
    """The memo promoted the arm, and the release that came of it is live: the one whose prices were tried."""
    assert lived.market.promoted is not None
    decided_on, memo, promoted = lived.market.promoted
    assert memo.readout.verdict.arm == promoted.arm == "challenger"
    assert (promoted.experiment.state, promoted.experiment.verdict) == ("concluded", "promote")
    assert promoted.release.waiting is not None
    assert promoted.readout == memo.readout_hash
    last = max(row["application"] for row in lived.exposures if row["experiment"] == GOOD)
    assert last == (decided_on - FIRST_ON).days * A_DAY - 1
    ((_, live_now),) = lived.market.releases.live().items()
    assert live_now.hash == promoted.release.release
    prices = [band.apr_ppm for band in live_now.policy.policy.grid]
    before = [band.apr_ppm for band in lived.first_release.policy.policy.grid]
    assert all(now < then for now, then in zip(prices, before, strict=True))


def check_books(lived: Lived) -> None:
    """What is recorded is what the market told, and adds up to the market's own books: cent by cent, loan by loan."""
    market, last_on = lived.market, FIRST_ON + timedelta(days=DAYS - 1)
    loans = list(market.lent.values())
    assert loans
    for loan in loans:
        told = known_by(loan.events, last_on)
        assert order_events(told) == order_events(lived.recorded[loan.number])
    months = np.array([count_settled(loan.events[0].event_on, last_on) for loan in loans])
    assert months.max() >= 1
    for month in range(1, int(months.max()) + 1):
        some = [loan for loan, settled in zip(loans, months, strict=True) if settled == month]
        if some:
            check_month(market.world, some, month, lived)
    recorded = [event for events in lived.recorded.values() for event in events]
    disbursed = sum(event.amount_cents for event in recorded if event.kind is EventKind.DISBURSED)
    assert disbursed == sum(loan.amount_cents for loan in loans if loan.events[0].known_on <= last_on)


def check_month(world: World, some: list[Lent], months: int, lived: Lived) -> None:
    """Loans of which all is known that happened in so many months on book."""
    applicants = pick_applicants(world, [loan.number for loan in some])
    offers = Offers(
        amounts=np.array([loan.amount_cents for loan in some]),
        aprs=np.array([loan.apr_ppm for loan in some]),
        terms=np.array([loan.term_months for loan in some]),
    )
    everybody = np.ones(len(some), dtype=np.bool_)
    books = live_loans(world, applicants, draw_truth(world, applicants), everybody, offers, months=months)
    assert books.taken.all()
    kinds = {
        (EventKind.DISBURSED,): books.lent_cents,
        (EventKind.PAYMENT, EventKind.PREPAID): books.paid_cents,
        (EventKind.CHARGED_OFF,): books.written_off_cents,
        (EventKind.RECOVERED,): books.recovered_cents,
    }
    for kind, cents in kinds.items():
        told = [add_up(lived.recorded[loan.number], kind, months) for loan in some]
        assert told == cents.tolist(), kind


def add_up(events: tuple[RepaymentEvent, ...], kinds: tuple[EventKind, ...], months: int) -> int:
    """Cents of what happened before the month after so many months on book began."""
    begun_on = min(event.event_on for event in events)
    over_on = begun_on + timedelta(days=MONTH_DAYS * (months + 1))
    return sum(event.amount_cents for event in events if event.kind in kinds and event.event_on < over_on)


def count_settled(disbursed_on: date, today: date) -> int:
    """Months on book of which all is known."""
    return max(0, ((today - disbursed_on).days - SETTLED_DAYS) // MONTH_DAYS)


def true_pd(world: World, numbers: list[int]) -> float:
    """The mean over applicants, which no lender knows."""
    return float(draw_truth(world, pick_applicants(world, numbers)).pds.mean())


def pick_applicants(world: World, numbers: list[int]) -> Applicants:
    everybody = draw_applicants(world, 0, max(numbers) + 1)
    return everybody.take(np.array(numbers, dtype=np.intp))


async def test_harm_is_stopped_within_its_budget_good_is_promoted_and_twice_is_the_same(
    settings: Settings, other_settings: Settings, documents: Documents
) -> None:
    lived = await live(settings, documents)
    check_harm(lived)
    check_good(lived)
    check_books(lived)
    assert (lived.replayed.different, lived.replayed.equal) == (0, DAYS * A_DAY)
    assert lived.replayed.erased == lived.replayed.undecided == 0
    other_settings.key_ring.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(settings.key_ring, other_settings.key_ring)
    assert (await live(other_settings, documents)).export == lived.export
