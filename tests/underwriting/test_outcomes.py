"""The intake on a real record: what is recorded, what was before, what goes into quarantine, and what races do."""

import asyncio
import gzip
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.purposes import ErasureReason, Reading, ReadPurpose
from instant_credit.errors import NotFound, Refused, Unavailable
from instant_credit.outcome.events import EventKind, stand_as_known
from instant_credit.outcome.inbound import read_json
from instant_credit.record import outcomes as recording
from instant_credit.record.commit import commit_entries
from instant_credit.record.holdings import read_holdings
from instant_credit.record.owning import open_owner
from instant_credit.record.persons import erase_person, list_reads
from instant_credit.record.pool import Record, open_record
from instant_credit.record.quarantine import Origin, end_quarantine, list_quarantined, open_quarantined
from instant_credit.record.reads import iterate_cases
from instant_credit.record.repayments import read_event
from instant_credit.record.rows import Entry, EventRow
from instant_credit.settings import Settings
from instant_credit.underwriting.course import TEST_BOOK
from instant_credit.underwriting.outcome_files import (
    BLOCK_BYTES,
    FileFormat,
    OutcomeFile,
    ingest_file,
    iterate_quarantined,
    retry_quarantined,
)
from instant_credit.underwriting.outcomes import Intake, Line
from instant_credit.underwriting.taken import OutcomesTaken
from tests.clock import FixedClock
from tests.outcome.lives import invent_life
from tests.record.entries import AS_OF, make_entry

pytestmark = pytest.mark.anyio

READING = Reading(actor=Actor(kind=ActorKind.PERSON, id="staff-8"), purpose=ReadPurpose.PERSON_REQUEST)
ORIGIN = Origin(source="api", format="json")
START = AS_OF.date()


def entry_of(record: Record, number: int, book: str = "tape") -> Entry:
    return make_entry(record, number, book, events=())


async def lend(record: Record, actor: Actor, count: int = 1, book: str = "tape") -> list[UUID]:
    """Cases without events."""
    entries = [entry_of(record, number, book) for number in range(count)]
    await commit_entries(record, entries, actor)
    return [entry.case_id for entry in entries]


def told(case_id: UUID | None, kind: str, day: int = 10, **changes: Any) -> dict[str, Any]:
    event = {
        "event_id": str(uuid4()), "application_id": str(case_id), "kind": kind,
        "event_on": str(START + timedelta(days=day)), "known_on": str(START + timedelta(days=day)),
    }  # fmt: skip
    return {name: value for name, value in {**event, **changes}.items() if value is not ...}


def lines_of(record: Record, events: Sequence[dict[str, Any] | bytes]) -> list[Line]:
    today = record.clock.now().date()
    raws = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
    return [Line(number=number, raw=raw, told=read_json(raw, today)) for number, raw in enumerate(raws, start=1)]


async def take(
    record: Record, actor: Actor, *events: dict[str, Any] | bytes, origin: Origin = ORIGIN, held: int = 0
) -> OutcomesTaken:
    return await Intake(record, origin, actor, events_held=held).take(lines_of(record, events))


def counts(taken: OutcomesTaken) -> tuple[int, int, list[str]]:
    return taken.recorded, taken.recorded_before, [line.code for line in taken.quarantined]


def ended(taken: OutcomesTaken | None) -> tuple[int, int, list[str]]:
    assert taken is not None, "a chunk was begun before"
    return counts(taken)


async def events_of(record: Record, book: str = "tape") -> dict[UUID, tuple[EventRow, ...]]:
    return {case.case_id: case.events async for case in iterate_cases(record, book)}


async def test_what_is_told_again_changes_nothing(record: Record, actor: Actor) -> None:
    (loan,) = await lend(record, actor)
    events = [told(loan, "disbursed", 1), told(loan, "payment", 30, amount_cents=7), told(loan, "missed", 60)]
    assert counts(await take(record, actor, *events)) == (3, 0, [])
    assert counts(await take(record, actor, *events)) == (0, 3, [])
    assert counts(await take(record, actor, *events, events[0])) == (0, 4, [])
    rows = (await events_of(record))[loan]
    assert [(row.kind, row.amount_cents, row.number) for row in rows] == [
        ("disbursed", 0, 1), ("payment", 7, 2), ("missed", 0, 3),
    ]  # fmt: skip


async def test_an_event_without_a_day_of_knowledge_is_the_same_on_another_day(
    record: Record, actor: Actor, clock: FixedClock
) -> None:
    (loan,) = await lend(record, actor)
    payment = told(loan, "payment", known_on=...)
    void = told(loan, "correction", corrects=payment["event_id"], known_on=..., event_on=...)
    assert counts(await take(record, actor, payment, void)) == (2, 0, [])
    first_day = clock.now().date()
    clock.advance(timedelta(days=3))
    assert counts(await take(record, actor, payment, void)) == (0, 2, [])
    assert {row.known_on for row in (await events_of(record))[loan]} == {first_day}
    assert counts(await take(record, actor, {**payment, "amount_cents": 1})) == (0, 0, ["EVENT_ID_TAKEN"])


async def test_a_correction_overwrites_nothing_and_both_days_keep_their_events(record: Record, actor: Actor) -> None:
    (loan,) = await lend(record, actor)
    lost = told(loan, "charged_off", 100, amount_cents=9)
    replacement = {"kind": "paid", "amount_cents": 11, "event_on": str(START + timedelta(days=100))}
    late = told(loan, "correction", 150, corrects=lost["event_id"], event_on=..., replacement=replacement)
    assert counts(await take(record, actor, lost, late)) == (2, 0, [])
    events = [read_event(row) for row in (await events_of(record))[loan]]
    (before,) = stand_as_known(events, START + timedelta(days=149))
    (after,) = stand_as_known(events, START + timedelta(days=150))
    assert (before.kind, after.kind, after.amount_cents) == (EventKind.CHARGED_OFF, EventKind.PAID, 11)


async def test_what_can_t_be_taken_is_kept_with_its_reason_and_nothing_is_lost(record: Record, actor: Actor) -> None:
    (loan,) = await lend(record, actor)
    unknown = told(uuid4(), "payment")
    events = [told(loan, "paid", 50), told(loan, "payment", 51), unknown, b"{broken", told(loan, "fraud", 60)]
    taken = await take(record, actor, *events)
    assert counts(taken) == (2, 0, ["EVENT_AFTER_REPAYMENT", "UNKNOWN_APPLICATION", "LINE_UNREADABLE"])
    assert [line.line for line in taken.quarantined] == [2, 3, 4]
    again = await take(record, actor, *events)
    assert counts(again)[:2] == (0, 2)
    assert [line.quarantine_id for line in again.quarantined] == [line.quarantine_id for line in taken.quarantined]
    kept = await iterate_quarantined(record)
    assert {line.case_id for line in kept} == {loan, None}
    opened = [await open_quarantined(record, line.quarantine_id) for line in taken.quarantined]
    assert [one.raw for one in opened] == [json.dumps(events[1]).encode(), json.dumps(unknown).encode(), b"{broken"]
    assert {one.told.actor_id for one in opened} == {actor.id}


async def test_a_loan_is_found_by_its_number_in_its_book(record: Record, actor: Actor) -> None:
    (loan,) = await lend(record, actor)
    known, unknown = ({"application_id": ..., "book": "tape", "account": f"row {number}"} for number in (0, 7))
    other = {**known, "book": "other"}
    taken = await take(record, actor, *(told(None, "payment", **names) for names in (known, unknown, other)))
    assert counts(taken) == (1, 0, ["UNKNOWN_ACCOUNT"] * 2)
    assert len((await events_of(record))[loan]) == 1
    second = replace(entry_of(record, 1), natural_key="row 0")
    await commit_entries(record, [second], actor)
    assert second.case_id.bytes[6:8] != loan.bytes[6:8], "the two persons lie in two buckets"
    assert counts(await take(record, actor, told(None, "missed", **known))) == (0, 0, ["AMBIGUOUS_ACCOUNT"])


async def test_a_local_day_beside_the_one_in_utc_is_no_fault(record: Record, actor: Actor) -> None:
    """Applied for in an American evening, which is tomorrow in UTC, and paid out the same day; told of on an Asian morning, tomorrow in UTC."""
    (loan,) = await lend(record, actor)
    today = (record.clock.now().date() - START).days
    first = await take(record, actor, told(loan, "disbursed", -1), told(loan, "payment", today + 1))
    assert counts(first) == (2, 0, [])
    second = await take(record, actor, told(loan, "dispute", -2), told(loan, "payment", today + 2))
    assert counts(second) == (0, 0, ["EVENT_BEFORE_APPLICATION", "KNOWN_IN_FUTURE"])


async def test_tests_and_all_others_are_kept_apart(record: Record, actor: Actor) -> None:
    (real,) = await lend(record, actor)
    (test,) = await lend(record, actor, book=TEST_BOOK)
    tests = replace(ORIGIN, is_test=True)
    assert counts(await take(record, actor, told(test, "payment"))) == (0, 0, ["UNKNOWN_APPLICATION"])
    taken = await take(record, actor, told(real, "payment"), told(test, "payment"), origin=tests)
    assert counts(taken) == (1, 0, ["UNKNOWN_APPLICATION"])
    assert len(await list_quarantined(record)) == len(await list_quarantined(record, is_test=True)) == 1


async def test_two_that_tell_of_one_loan_at_once_end_it_once(record: Record, actor: Actor) -> None:
    (loan,) = await lend(record, actor)
    same = told(loan, "payment")
    ends = [told(loan, kind, 50) for kind in ("paid", "prepaid", "charged_off") * 4]
    taken = await asyncio.gather(*(take(record, actor, same, end) for end in ends))
    assert sum(one.recorded for one in taken) == 2
    assert sum(one.recorded_before for one in taken) == len(ends) - 1
    assert {code for one in taken for code in counts(one)[2]} == {"ENDED_BEFORE"}
    rows = (await events_of(record))[loan]
    assert sorted(row.number or 0 for row in rows) == [1, 2]


async def test_what_others_record_meanwhile_is_noticed_by_an_intake_that_remembers(
    record: Record, actor: Actor
) -> None:
    (loan,) = await lend(record, actor)
    intake = Intake(record, ORIGIN, actor, events_held=100)
    first, end = told(loan, "payment"), told(loan, "paid", 50)
    assert counts(await intake.take(lines_of(record, [first]))) == (1, 0, [])
    assert counts(await take(record, actor, end)) == (1, 0, [])
    late = lines_of(record, [end, told(loan, "payment", 60), told(loan, "fraud", 60)])
    assert counts(await intake.take(late)) == (1, 1, ["EVENT_AFTER_REPAYMENT"])


async def test_many_small_chunks_come_to_what_one_large_one_does(
    record: Record, actor: Actor, other_settings: Settings, clock: FixedClock
) -> None:
    lives = [list(invent_life(Random(number), START, 12)) for number in range(6)]
    loans = await lend(record, actor, len(lives))
    events = [
        {**life[turn], "application_id": str(loan)}
        for turn in range(12)
        for life, loan in zip(lives, loans, strict=True)
    ]
    whole = await take(record, actor, *events)
    assert counts(whole) == (72, 0, [])
    async with open_record(other_settings, clock=clock) as other:
        await commit_entries(
            other, [replace(entry_of(record, number), sampling_weight=1.0) for number in range(6)], actor
        )
        intake = Intake(other, ORIGIN, actor, events_held=30)
        for start in range(0, 30, 5):
            assert counts(await intake.take(lines_of(other, events[start : start + 5])))[0] == 5
        assert await intake.begin(lines_of(other, events[30:35])) is None
        for start in range(35, 72, 5):
            assert ended(await intake.begin(lines_of(other, events[start : start + 5]))) == (5, 0, [])
        assert ended(await intake.end()) == (2, 0, [])
        assert await intake.end() is None
        assert await events_of(other) == await events_of(record)


async def outrun_intake(record: Record, actor: Actor, loan: UUID, end: dict[str, Any]) -> Intake:
    """An intake that remembers the loan as it was before somebody else told `end`."""
    intake = Intake(record, ORIGIN, actor, events_held=100)
    assert counts(await intake.take(lines_of(record, [told(loan, "payment")]))) == (1, 0, [])
    assert counts(await take(record, actor, end)) == (1, 0, [])
    return intake


async def test_a_chunk_that_others_outran_is_judged_again_and_so_is_the_next(record: Record, actor: Actor) -> None:
    (loan,) = await lend(record, actor)
    end = told(loan, "paid", 50)
    intake = await outrun_intake(record, actor, loan, end)
    assert await intake.begin(lines_of(record, [told(loan, "fraud", 50)])) is None
    assert ended(await intake.begin(lines_of(record, [told(loan, "payment", 60), end]))) == (1, 0, [])
    assert ended(await intake.end()) == (0, 1, ["EVENT_AFTER_REPAYMENT"])


async def test_the_last_chunk_is_judged_again_where_others_outran_it(record: Record, actor: Actor) -> None:
    (loan,) = await lend(record, actor)
    intake = await outrun_intake(record, actor, loan, told(loan, "paid", 50))
    late = [told(loan, "payment", 60), told(loan, "payment", 20)]
    assert await intake.begin(lines_of(record, late)) is None
    assert ended(await intake.end()) == (1, 0, ["EVENT_AFTER_REPAYMENT"])


async def test_what_is_given_up_half_way_is_found_or_recorded_when_it_comes_again(record: Record, actor: Actor) -> None:
    (loan,) = await lend(record, actor)
    intake = Intake(record, ORIGIN, actor, events_held=100)
    lines = lines_of(record, [told(loan, "payment"), told(loan, "paid", 50)])
    assert await intake.begin(lines) is None
    await asyncio.sleep(0)
    await intake.stop()
    taken = counts(await Intake(record, ORIGIN, actor).take(lines))
    assert taken in [(2, 0, []), (0, 2, [])]
    assert len((await events_of(record))[loan]) == 2


async def test_what_came_before_a_damage_of_the_file_is_recorded(record: Record, actor: Actor, tmp_path: Path) -> None:
    (loan,) = await lend(record, actor)
    path = tmp_path / "events.ndjson.gz"
    blank = (b" " * 8_000 + b"\n") * (BLOCK_BYTES // 8_000 + 1)
    path.write_bytes(gzip.compress(json.dumps(told(loan, "payment")).encode() + b"\n" + blank) + b"damage")
    with pytest.raises(Refused, match="what came before stands"):
        await ingest_file(record, OutcomeFile(path=path, format=FileFormat.NDJSON, chunk_lines=1), actor)
    assert len((await events_of(record))[loan]) == 1


async def test_a_record_that_fails_leaves_an_intake_that_goes_on_from_what_stands(
    record: Record, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    (loan,) = await lend(record, actor)
    intake = Intake(record, ORIGIN, actor, events_held=100)
    lines = lines_of(record, [told(loan, "payment"), told(loan, "paid", 50)])
    true_add = recording.add_judged_events

    async def write_and_fail(*arguments: Any) -> bool:
        await true_add(*arguments)
        raise Unavailable("cut")

    with monkeypatch.context() as patched:
        patched.setattr("instant_credit.underwriting.outcomes.add_judged_events", write_and_fail)
        with pytest.raises(Unavailable):
            await intake.take(lines)
        fraud = lines_of(record, [told(loan, "fraud", 50)])
        assert await intake.begin(fraud) is None
        with pytest.raises(Unavailable):
            await intake.begin(lines)
    assert counts(await intake.take([*lines, *fraud])) == (0, 3, [])


async def test_a_line_leaves_the_quarantine_when_it_can_be_recorded(record: Record, actor: Actor) -> None:
    entry = entry_of(record, 0)
    payment = told(entry.case_id, "payment")
    (line,) = (await take(record, actor, payment)).quarantined
    still = await retry_quarantined(record, line.quarantine_id, actor)
    assert still.code == "UNKNOWN_APPLICATION"
    await commit_entries(record, [entry], actor)
    assert (await retry_quarantined(record, line.quarantine_id, actor)).code is None
    assert await iterate_quarantined(record) == []
    assert counts(await take(record, actor, payment)) == (0, 1, [])
    with pytest.raises(Refused, match="has left the quarantine: it was recorded"):
        await retry_quarantined(record, line.quarantine_id, actor)


async def test_a_dismissed_line_stays_sealed_and_listed_no_more(record: Record, actor: Actor) -> None:
    (line,) = (await take(record, actor, b"{broken")).quarantined
    for _ in range(2):
        await end_quarantine(record, line.quarantine_id, "dismissed", actor)
    assert await iterate_quarantined(record) == []
    opened = await open_quarantined(record, line.quarantine_id)
    assert (opened.ended, opened.raw) == ("dismissed", b"{broken")
    with pytest.raises(NotFound):
        await end_quarantine(record, uuid4(), "dismissed", actor)
    with pytest.raises(NotFound):
        await open_quarantined(record, uuid4())


async def test_a_line_goes_with_its_person_and_reading_it_is_written_down(
    record: Record, actor: Actor, settings: Settings, clock: FixedClock
) -> None:
    (loan,) = await lend(record, actor)
    taken = await take(record, actor, told(loan, "payment", -2), b"{broken")
    known, unknown = (line.quarantine_id for line in taken.quarantined)
    (held,) = (await read_holdings(record, entry_of(record, 0).person_id, READING)).quarantined
    assert (held.quarantine_id, held.case_id, held.code) == (known, loan, "EVENT_BEFORE_APPLICATION")
    assert held.raw is not None
    reading = Reading(actor=Actor(kind=ActorKind.PERSON, id="staff-7"), purpose=ReadPurpose.REVIEW)
    assert (await open_quarantined(record, known, reading)).raw is not None
    person_id = entry_of(record, 0).person_id
    reads = {(read.kind, read.case_id, read.actor_id) for read in await list_reads(record, person_id)}
    assert reads == {("person", None, "staff-8"), ("identity", loan, "staff-7")}
    clock.advance(timedelta(days=800))
    async with open_owner(settings) as owner:
        await erase_person(record, owner, person_id, ErasureReason.PERSON_REQUEST, actor)
    assert (await open_quarantined(record, known)).raw is None
    (held,) = (await read_holdings(record, person_id, READING)).quarantined
    assert held.raw is None
    assert (await open_quarantined(record, unknown)).raw == b"{broken"
    with pytest.raises(Refused, match="its person was erased"):
        await retry_quarantined(record, known, actor)
    assert counts(await take(record, actor, told(loan, "payment", -2))) == (0, 0, ["EVENT_BEFORE_APPLICATION"])


async def test_the_quarantine_holds_nothing_in_the_clear(record: Record, actor: Actor) -> None:
    await take(record, actor, b'{"name": "Ada Example"}', told(uuid4(), "payment", account="Ada Example"))
    async with record.connection() as connection:
        stored = await connection.fetchval(
            "SELECT string_agg(quarantined_outcomes::text, '') FROM quarantined_outcomes"
        )
    assert "Ada" not in stored
    assert b"Ada".hex() not in stored
