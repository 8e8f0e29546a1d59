"""A file of outcomes, twice: everything is recorded once, and every malformed event is in quarantine with its reason."""

import asyncio
import json
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest

from instant_credit.access.actors import Actor
from instant_credit.record.commit import commit_entries
from instant_credit.record.pool import Record, open_record
from instant_credit.settings import Settings
from instant_credit.underwriting.outcome_files import FileFormat, OutcomeFile, ingest_file
from tests.budget import IS_PROVING
from tests.outcome.lives import invent_life
from tests.record.entries import AS_OF, make_entry

EVENTS_A_LOAN = 20
LOANS = 50_000 if IS_PROVING else 150
MALFORMED = 10_000 if IS_PROVING else 60
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


def write_events(path: Path, loans: list[UUID]) -> dict[str, int]:
    """The lives of all loans, in the order of their days, with malformed events among them; how many there are of each reason."""
    chance = Random(7)
    told = [
        {**event, "application_id": str(loan)}
        for loan in loans
        for event in invent_life(chance, AS_OF.date() + timedelta(days=chance.randrange(700)), EVENTS_A_LOAN)
    ]
    told.sort(key=lambda event: event["known_on"])
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


def take_in_twice(settings: Settings, actor: Actor, path: Path) -> list[float]:
    """Lines a second of the first and of the second pass."""

    async def run() -> list[float]:
        async with open_record(settings) as record:
            reasons = write_events(path, await lend(record, actor, LOANS))
            events, rates = LOANS * EVENTS_A_LOAN, list[float]()
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
            return rates

    return asyncio.run(run())


@pytest.mark.prove
def test_a_file_is_recorded_once_and_what_is_malformed_is_kept_with_its_reason(
    settings: Settings, actor: Actor, tmp_path: Path
) -> None:
    rates = take_in_twice(settings, actor, tmp_path / "events.ndjson")
    assert min(rates) >= RATE_MIN, rates
