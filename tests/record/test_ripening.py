"""What a day gives experiments, from recorded rows: the same as told row by row."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from msgspec.structs import astuple

from instant_credit.experiment.plan import Plan
from instant_credit.outcome.events import EventKind, RepaymentEvent
from instant_credit.record.experiment_statistics import DayStatistics
from instant_credit.record.ids import bucket_of, derive_id
from instant_credit.record.pool import Record
from instant_credit.record.ripening import Followed, count_months, measure_day
from instant_credit.units import Cents
from tests.naive.ripening import Exposed, World, count_day, count_hazards, sum_ripe

pytestmark = pytest.mark.anyio

START = date(2026, 1, 1)
DAYS = 40
PLAN: dict[str, Any] = {
    "name": "new_model",
    "product": "personal_loan",
    "title": "A new model",
    "hypothesis": "It declines more of those who would not have paid back.",
    "layer": "risk",
    "arms": [
        {"name": "control", "share_ppm": 500_000},
        {"name": "challenger", "share_ppm": 500_000},
    ],
    "primary": "bad",
    "metrics": [
        {"name": "approved", "kind": "approval", "direction": "higher", "window_days": 0},
        {"name": "taken", "kind": "take_up", "direction": "higher", "window_days": 3},
        {"name": "late", "kind": "early_delinquency", "direction": "lower", "window_days": 20, "days_past_due": 5},
        {
            "name": "bad",
            "kind": "default",
            "direction": "lower",
            "window_days": 35,
            "lag_days": 4,
            "days_past_due": 10,
        },
        {"name": "lost", "kind": "loss", "direction": "lower", "window_days": 30, "lag_days": 2, "cents_max": 50_000},
        {"name": "won", "kind": "profit", "direction": "higher", "window_days": 30, "cents_max": 10**12},
    ],
    "effect_min": 0.01,
    "units_max": 20_000,
    "stopping": {"kind": "confidence_sequence"},
    "segments": [{"attribute": "home_ownership"}, {"attribute": "purpose"}],
    "entry_days_max": 200,
    "expect": {"applications_per_day": 150, "mean": 0.08},
}
LEDGER = (EventKind.INSTALMENT_DUE, EventKind.PAYMENT, EventKind.MISSED)
TOLD = (
    EventKind.DISBURSED,
    EventKind.PAYMENT,
    EventKind.DAYS_PAST_DUE,
    EventKind.CHARGED_OFF,
    EventKind.RECOVERED,
    EventKind.PAID,
    EventKind.PREPAID,
    EventKind.DELINQUENT,
    EventKind.RESTRUCTURED,
)


def make_plan(**changes: Any) -> Plan:
    return msgspec.convert(PLAN | changes, Plan)


def imagine_world(random: Random, experiments: int, units: int) -> World:
    """Units that apply once or more, few of them in two arms; loans whose events are told late, corrected and taken back."""
    exposures, accepted_on, events = [], {}, {}
    for experiment in range(1, experiments + 1):
        for unit in range(units):
            arm, begin = random.randrange(2), START + timedelta(days=random.randrange(DAYS))
            for number in range(random.choice((1, 1, 1, 2, 4))):
                on = begin + timedelta(days=random.choice((0, 0, 1, 3, 20, 45)) if number else 0)
                bucket = random.randrange(256)
                case_id = derive_id(
                    bucket, datetime.combine(on, time(9), UTC), f"{experiment}/{unit}/{number}".encode()
                )
                is_offer = random.random() < 0.6
                exposures.append(
                    Exposed(
                        case_id=case_id,
                        experiment=experiment,
                        arm=arm if random.random() < 0.95 else 1 - arm,
                        unit_id=f"{experiment}/{unit}".encode().ljust(16),
                        exposed_on=on,
                        pd_ppm=random.choice((None, random.randrange(1_000_001))),
                        baseline_is_offer=random.random() < 0.5,
                        is_offer=is_offer,
                        offered_cents=100_000 if is_offer else 0,
                        reserved_cents=7_001 if is_offer else 0,
                        segments=random.choice(((), (random.randrange(-1, 2), random.randrange(3)))),
                    )
                )
                if is_offer and random.random() < 0.8:
                    accepted_on[case_id] = on + timedelta(days=random.randrange(6))
                    events[case_id] = list(imagine_events(random, case_id, on))
    return World(exposures, accepted_on, events)


def imagine_events(random: Random, case_id: UUID, start: date) -> Iterator[RepaymentEvent]:
    """Events of a loan, some of them in place of others."""
    kinds = random.choice((TOLD, LEDGER, TOLD + LEDGER))
    names: list[UUID] = []
    for number in range(random.randrange(7)):
        event_id = derive_id(bucket_of(case_id), datetime.combine(start, time(), UTC), case_id.bytes + bytes([number]))
        corrects = random.choice(names) if names and random.random() < 0.3 else None
        kind = EventKind.VOID if corrects and random.random() < 0.5 else random.choice(kinds)
        on = start + timedelta(days=random.randrange(50))
        yield RepaymentEvent(
            kind=kind,
            amount_cents=Cents(0 if kind is EventKind.VOID else random.choice((1, 20_000, 100_000))),
            event_on=on,
            known_on=on + timedelta(days=random.choice((0, 0, 2, 6))),
            days_past_due=random.randrange(15) if kind is EventKind.DAYS_PAST_DUE else None,
            event_id=event_id,
            corrects=corrects,
        )
        names.append(event_id)


async def record_world(url: str, world: World) -> None:
    """Write a world's rows as they would lie in the record."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    by = ("job", "test", at)
    cases = {one.case_id: one for one in world.exposures}
    tables: dict[str, list[tuple[Any, ...]]] = {
        "cases (bucket, case_id, person_id, key_id, book, product, product_hash, as_of, sealed_case, actor_kind, actor_id, recorded_at)": [
            (
                bucket_of(name),
                name,
                b"p" * 32,
                name,
                "applications",
                "personal_loan",
                "a" * 64,
                one.exposed_on,
                b"c" * 30,
                *by,
            )
            for name, one in cases.items()
        ],
        "exposures (bucket, case_id, experiment, arm, unit_id, exposed_on, propensity_ppm, reach_ppm, baseline_pd_ppm, baseline_is_offer, "
        "is_offer, offered_cents, reserved_cents, segments, recorded_at)": [
            (
                bucket_of(one.case_id),
                *one[:5],
                500_000,
                1_000_000,
                *one[5:10],
                list(one.segments),
                at,
            )
            for one in world.exposures
        ],
        "application_events (bucket, case_id, number, kind, offer_id, actor_kind, actor_id, recorded_at)": [
            (bucket_of(name), name, 1, "accepted", name, "job", "test", datetime.combine(on, time(23, 59), UTC))
            for name, on in world.accepted_on.items()
        ],
        "repayment_events (bucket, case_id, event_id, kind, amount_cents, event_on, known_on, days_past_due, corrects, actor_kind, actor_id, "
        "recorded_at)": [
            (
                bucket_of(name),
                name,
                event.event_id,
                event.kind.value,
                event.amount_cents,
                event.event_on,
                event.known_on,
                event.days_past_due,
                event.corrects,
                *by,
            )
            for name, told in world.events.items()
            for event in told
        ],
    }
    connection = await asyncpg.connect(url, server_settings={"search_path": "instant_credit", "timezone": "Asia/Tokyo"})
    try:
        await connection.execute("SET session_replication_role = replica")
        for table, rows in tables.items():
            name, columns = table.split(" (")
            await connection.copy_records_to_table(name, columns=columns.strip(")").split(", "), records=rows)
    finally:
        await connection.close()


@pytest.mark.parametrize("seed", range(3))
async def test_a_day_s_statistics_are_those_told_row_by_row(record: Record, superuser_url: str, seed: int) -> None:
    world, plan = imagine_world(Random(f"ripening {seed}"), 2, 60), make_plan()
    await record_world(superuser_url, world)
    followed = [Followed(experiment=number, plan=plan) for number in (1, 2)]
    seen = 0
    for number in range(DAYS + 60):
        day = START + timedelta(days=number)
        measured = await measure_day(record, day, followed)
        for one in followed:
            told = sum_ripe(world, one.experiment, plan, day)
            assert sums_of(measured, one.experiment, day) == told, (seed, day)
            assert hazards_of(measured, one.experiment) == count_hazards(world, one.experiment, plan, day), (seed, day)
            assert counts_of(measured, one.experiment) == count_day(world, one.experiment, plan, day), (seed, day)
            seen += len(told)
    assert seen > 500


async def test_applications_with_no_exposure_give_each_arm_a_count_of_nothing(record: Record) -> None:
    measured = await measure_day(record, START, [Followed(experiment=1, plan=make_plan())])
    assert not measured.sums
    assert not measured.hazards
    assert [(one.arm, one.applications) for one in measured.counts] == [(0, 0), (1, 0)]


def test_a_window_has_its_months_begun_or_whole() -> None:
    assert [count_months(days) for days in (0, 30, 31, 365, 1_100)] == [1, 1, 2, 13, 37]


def sums_of(measured: DayStatistics, experiment: int, day: date) -> dict[tuple[int, int, int, int], list[float]]:
    assert all(one.ripe_on == day for one in measured.sums)
    return {
        (one.metric, one.segment, one.category, one.arm): [*astuple(one.sums), one.hits]
        for one in measured.sums
        if one.experiment == experiment
    }


def hazards_of(measured: DayStatistics, experiment: int) -> dict[tuple[int, int, int], tuple[int, int]]:
    return {
        (one.metric, one.arm, one.month): (one.at_risk, one.defaults)
        for one in measured.hazards
        if one.experiment == experiment
    }


def counts_of(measured: DayStatistics, experiment: int) -> dict[tuple[int, int, int], list[int]]:
    return {
        (one.segment, one.category, one.arm): list(astuple(one)[5:])
        for one in measured.counts
        if one.experiment == experiment
    }
