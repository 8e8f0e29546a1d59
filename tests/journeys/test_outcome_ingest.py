"""A file of outcomes, twice: everything is recorded once, every malformed event is in quarantine with its reason, and labels see a correction
from the day on which it was known.
"""

import asyncio
import json
import time
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest

from instant_credit.access.actors import Actor
from instant_credit.outcome.labels import Label, label_outcome
from instant_credit.record.commit import commit_entries
from instant_credit.record.outcomes import read_loans
from instant_credit.record.pool import Record, open_record
from instant_credit.settings import Settings
from instant_credit.underwriting.outcome_files import FileFormat, OutcomeFile, ingest_file
from tests.budget import IS_PROVING
from tests.outcome.lives import invent_life
from tests.record.entries import AS_OF, make_entry

EVENTS_A_LOAN = 20
LOANS = 50_000 if IS_PROVING else 150
MALFORMED = 10_000 if IS_PROVING else 60
CORRECTED = 1_000 if IS_PROVING else 10
CORRECTED_AFTER_DAYS = 40
RATE_MIN = 20_000 if IS_PROVING else 0

# Ways in which a line is malformed, each with the reason it must get.
BREAKS: tuple[tuple[str, str], ...] = (
    ("unreadable", "LINE_UNREADABLE"),
    ("kind", "LINE_UNREADABLE"),
    ("amount", "LINE_UNREADABLE"),
    ("loan", "UNKNOWN_APPLICATION"),
    ("day", "EVENT_BEFORE_APPLICATION"),
    ("future", "KNOWN_IN_FUTURE"),
    ("corrected", "CORRECTED_EVENT_UNKNOWN"),
    ("overdue", "OVERDUE_BEFORE_START"),
)


def spoil(way: str, event: dict[str, Any], chance: Random) -> bytes:
    """A malformed event; every one of them is another line."""
    told = {**event, "event_id": str(UUID(int=chance.getrandbits(128), version=4))}
    told.pop("days_past_due", None)
    told["kind"] = "payment"
    if way == "unreadable":
        return json.dumps(told).encode()[:-1]
    if way == "corrected":
        told = {name: told[name] for name in ("event_id", "application_id", "known_on")}
        told |= {"kind": "correction", "corrects": str(UUID(int=chance.getrandbits(128), version=4))}
    changes: dict[str, dict[str, Any]] = {
        "kind": {"kind": "lost"},
        "amount": {"amount_cents": -1},
        "loan": {"application_id": str(UUID(int=chance.getrandbits(128), version=4))},
        "day": {"event_on": "2001-01-01"},
        "future": {"known_on": "2099-01-01"},
        "overdue": {"kind": "days_past_due", "days_past_due": 9_999},
    }
    return json.dumps({**told, **changes.get(way, {})}).encode()


def withdraw_charge_off(life: list[dict[str, Any]], chance: Random) -> date | None:
    """Let a life that is not over end by a charge-off that is withdrawn later; the day on which that was known, None = the life does not suit."""
    if life[-1]["kind"] in {"charged_off", "recovered"} or any(event.get("days_past_due", 0) >= 30 for event in life):
        return None
    lost_on = date.fromisoformat(life[-1]["known_on"]) + timedelta(days=1)
    withdrawn_on = lost_on + timedelta(days=CORRECTED_AFTER_DAYS)
    lost, withdrawal = (str(UUID(int=chance.getrandbits(128), version=4)) for _ in range(2))
    life += [
        {"event_id": lost, "kind": "charged_off", "event_on": str(lost_on), "known_on": str(lost_on)},
        {"event_id": withdrawal, "kind": "correction", "corrects": lost, "known_on": str(withdrawn_on)},
    ]
    return withdrawn_on


def invent_lives(loans: list[UUID], chance: Random) -> tuple[list[dict[str, Any]], dict[UUID, date]]:
    """Every loan's events in the order of their days; and the loans whose charge-off was withdrawn, with the days on which that was known."""
    told, withdrawn = list[dict[str, Any]](), dict[UUID, date]()
    for loan in loans:
        life = list(invent_life(chance, AS_OF.date() + timedelta(days=chance.randrange(700)), EVENTS_A_LOAN))
        if len(withdrawn) < CORRECTED and (day := withdraw_charge_off(life, chance)) is not None:
            withdrawn[loan] = day
        told += [{**event, "application_id": str(loan)} for event in life]
    return sorted(told, key=lambda event: event["known_on"]), withdrawn


def write_events(path: Path, told: list[dict[str, Any]], chance: Random) -> dict[str, int]:
    """The events with malformed ones among them, as a file; how many malformed ones there are of each reason."""
    first = [place for place, event in enumerate(told) if event["kind"] == "disbursed"]
    reasons, broken = Counter[str](), dict[int, list[bytes]]()
    for number in range(MALFORMED):
        way, code = BREAKS[number % len(BREAKS)]
        place = chance.randrange(len(told))
        broken[place] = [*broken.get(place, []), spoil(way, told[chance.choice(first)], chance)]
        reasons[code] += 1
    with path.open("wb") as file:
        for place, event in enumerate(told):
            file.writelines(line + b"\n" for line in (*broken.get(place, ()), json.dumps(event).encode()))
    return reasons


async def lend(record: Record, actor: Actor, count: int) -> list[UUID]:
    entries = [make_entry(record, number, events=(), identity=None, monitoring=None) for number in range(count)]
    for start in range(0, count, 5_000):
        await commit_entries(record, entries[start : start + 5_000], actor)
    return [entry.case_id for entry in entries]


async def check_labels(record: Record, withdrawn: dict[UUID, date]) -> None:
    """Each loan was bad as known on the last day of its charge-off, and is not from the day on which that was withdrawn."""
    assert len(withdrawn) == CORRECTED
    loans = await read_loans(record, withdrawn)
    labels = Counter[tuple[Label, Label]]()
    for case_id, loan in loans.items():
        last_on = withdrawn[UUID(int=case_id.int)]
        before, after = (label_outcome(loan.events, known_on=day) for day in (last_on - timedelta(days=1), last_on))
        labels[before, after] += 1
    assert {before for before, _ in labels} == {Label.BAD}
    assert {after for _, after in labels} <= {Label.GOOD, Label.INDETERMINATE}
    assert sum(labels.values()) == CORRECTED


def take_in_twice(settings: Settings, actor: Actor, path: Path) -> list[float]:
    """Lines a second of the first and of the second pass."""

    async def run() -> list[float]:
        async with open_record(settings) as record:
            chance = Random(7)
            told, withdrawn = invent_lives(await lend(record, actor, LOANS), chance)
            reasons = write_events(path, told, chance)
            events, rates = LOANS * EVENTS_A_LOAN + 2 * CORRECTED, list[float]()
            for expected in ((events, 0), (0, events)):
                started = time.perf_counter()
                summary = await ingest_file(record, OutcomeFile(path=path, format=FileFormat.NDJSON), actor)
                rates.append(summary.lines / (time.perf_counter() - started))
                assert (summary.recorded, summary.recorded_before, summary.quarantined) == (*expected, MALFORMED)
                assert summary.reasons == reasons
                assert summary.bytes_read == summary.bytes_total == path.stat().st_size
            async with record.connection() as connection:
                assert await connection.fetchval("SELECT count(*) FROM repayment_events") == events
                assert await connection.fetchval("SELECT count(*) FROM quarantined_outcomes") == MALFORMED
            await check_labels(record, withdrawn)
            return rates

    return asyncio.run(run())


@pytest.mark.prove
def test_a_file_is_recorded_once_what_is_malformed_is_kept_with_its_reason_and_labels_see_corrections_in_time(
    settings: Settings, actor: Actor, tmp_path: Path
) -> None:
    rates = take_in_twice(settings, actor, tmp_path / "events.ndjson")
    assert min(rates) >= RATE_MIN, rates
