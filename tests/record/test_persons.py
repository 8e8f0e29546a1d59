"""Erasure, holds and the log of reads on a real record."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.purposes import (
    BookPurpose,
    ErasureReason,
    HoldReason,
    Reading,
    ReadPurpose,
    ReleaseReason,
)
from instant_credit.errors import NotFound, Refused, Unavailable
from instant_credit.record.commit import commit_entries, commit_events
from instant_credit.record.drafts import DraftVersion, add_draft_version
from instant_credit.record.holdings import read_holdings
from instant_credit.record.ids import new_id
from instant_credit.record.owning import open_owner
from instant_credit.record.persons import (
    RETENTION_MONTHS,
    erase_person,
    find_person,
    list_reads,
    log_book_read,
    place_hold,
    read_person,
    release_hold,
)
from instant_credit.record.pool import Record
from instant_credit.record.reads import read_decision, read_identity
from instant_credit.record.rings import read_key_ring, turn_ring
from instant_credit.record.rotating import retire_former, rewrap_keys
from instant_credit.record.rows import Entry, HeldCase
from instant_credit.settings import Settings
from tests.budget import examples
from tests.clock import FixedClock
from tests.record.entries import make_entry

pytestmark = pytest.mark.anyio

REQUEST = ErasureReason.PERSON_REQUEST
READING = Reading(actor=Actor(kind=ActorKind.PERSON, id="reader"), purpose=ReadPurpose.PERSON_REQUEST)
OPERATOR = Actor(kind=ActorKind.PERSON, id="staff-7")
# The clock of these tests stands at 2024-03-01 12:00.
KEPT_UNTIL = datetime(2026, 4, 1, 12, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
# A Case like any other, of the person $2, under that person's key.
WRITE_CASE = """
    INSERT INTO cases
    SELECT (jsonb_populate_record(cases, jsonb_build_object(
        'bucket', key.bucket, 'case_id', $1::uuid, 'person_id', key.person_id, 'key_id', key.key_id, 'natural_key', NULL
    ))).*
    FROM cases, sealed_keys.person_keys AS key
    WHERE key.person_id = $2
"""
OWNER_WAITS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'instant-credit owner' AND wait_event_type = 'Lock' AND datname = current_database()
"""


@pytest.fixture
async def owner(settings: Settings) -> AsyncIterator[Any]:
    async with open_owner(settings) as connection:
        yield connection


def make_again(record: Record, entry: Entry) -> Entry:
    """Another Case of the same person."""
    at = entry.recorded_at
    case_id, decision_id = (new_id(entry.person_id[0], at, record.entropy) for _ in range(2))
    return replace(entry, case_id=case_id, decision_id=decision_id, natural_key=None, events=())


async def read_held(record: Record, person_id: bytes) -> tuple[HeldCase, ...]:
    return (await read_holdings(record, person_id, READING)).cases


def is_open(held: HeldCase) -> bool:
    """Whether all of it is readable; a Case of which only a part is fails."""
    parts = {part is None for part in (held.identity, held.case, held.monitoring, held.decision, held.answer)}
    assert parts == {held.is_erased}
    return not held.is_erased


@pytest.mark.parametrize("early", [timedelta(seconds=1), timedelta(days=1), timedelta(days=700)])
async def test_nobody_is_erased_before_25_months_have_passed(
    record: Record, actor: Actor, clock: FixedClock, owner: Any, early: timedelta
) -> None:
    entry = make_entry(record, 1)
    await commit_entries(record, [entry], actor)
    clock.advance(KEPT_UNTIL - clock.now() - early)
    with pytest.raises(Refused, match=r"not erased.*2024-03-01.*25 months, until 2026-04-01 \(12 CFR 1002.12\(b\)\)"):
        await erase_person(record, owner, entry.person_id, REQUEST, OPERATOR)
    (held,) = await read_held(record, entry.person_id)
    assert is_open(held)
    assert (await read_person(record, entry.person_id)).erasures == ()


async def test_a_person_is_erased_once_25_months_have_passed(
    record: Record, actor: Actor, clock: FixedClock, owner: Any
) -> None:
    entry, other = make_entry(record, 1), make_entry(record, 2)
    await commit_entries(record, [entry, other, make_again(record, entry)], actor)
    clock.advance(KEPT_UNTIL - clock.now())
    key_id = await erase_person(record, owner, entry.person_id, REQUEST, OPERATOR)
    held = await read_held(record, entry.person_id)
    assert [is_open(one) for one in held] == [False, False]
    assert len(held[0].events) + len(held[1].events) == 2
    assert entry.decision_id is not None
    stored = await read_decision(record, entry.decision_id)
    assert stored is not None
    assert (stored.is_erased, stored.outcome) == (True, "approve")
    person = await read_person(record, entry.person_id)
    assert (person.key_id, person.cases) == (None, 2)
    (erasure,) = person.erasures
    assert (erasure.key_id, erasure.reason, erasure.actor_id, erasure.recorded_at) == (
        key_id, "PERSON_REQUEST", "staff-7", KEPT_UNTIL,
    )  # fmt: skip
    assert is_open((await read_held(record, other.person_id))[0])
    with pytest.raises(Refused, match="this person is erased since 2026-04-01"):
        await erase_person(record, owner, entry.person_id, REQUEST, OPERATOR)


def test_the_months_that_are_told_are_those_of_the_migrations() -> None:
    from instant_credit.record.shipped import migrations_folder, read_sql

    text = "".join(path.read_text() for path in migrations_folder().glob("*.sql")) + read_sql("read_person")
    assert re.findall(r"interval '\d+ months'", text) == [f"interval '{RETENTION_MONTHS} months'"] * 3


@pytest.mark.parametrize("action", ["case", "event"])
async def test_retention_runs_from_the_last_action_on_any_case(
    record: Record, actor: Actor, clock: FixedClock, owner: Any, action: str
) -> None:
    entry = make_entry(record, 1)
    await commit_entries(record, [entry], actor)
    clock.advance(KEPT_UNTIL - clock.now())
    if action == "case":
        await commit_entries(record, [replace(make_again(record, entry), recorded_at=clock.now())], actor)
    else:
        event = replace(entry.events[0], event_id=uuid4())
        assert await commit_events(record, {entry.case_id: [event]}, actor, clock.now()) == 1
    assert (await read_person(record, entry.person_id)).last_action_at == clock.now()
    with pytest.raises(Refused, match="until 2028-05-01"):
        await erase_person(record, owner, entry.person_id, REQUEST, OPERATOR)


async def test_a_hold_keeps_a_person_until_it_is_released(
    record: Record, actor: Actor, clock: FixedClock, owner: Any
) -> None:
    entry = make_entry(record, 1)
    await commit_entries(record, [entry], actor)
    holds = [
        await place_hold(record, entry.person_id, reason, OPERATOR)
        for reason in (HoldReason.LITIGATION, HoldReason.AUDIT)
    ]
    clock.advance(KEPT_UNTIL - clock.now())
    for hold_id in holds:
        with pytest.raises(
            Refused, match=rf"^not erased: .*hold {hold_id} \((LITIGATION|AUDIT)\) stands since 2024-03-01"
        ):
            await erase_person(record, owner, entry.person_id, REQUEST, OPERATOR)
        for _ in range(2):
            await release_hold(record, hold_id, ReleaseReason.MATTER_CLOSED, OPERATOR)
    person = await read_person(record, entry.person_id)
    assert person.standing_holds == ()
    assert [(hold.release_reason, hold.release_actor_id) for hold in person.holds] == [("MATTER_CLOSED", "staff-7")] * 2
    await erase_person(record, owner, entry.person_id, REQUEST, OPERATOR)


async def test_who_is_not_there_is_neither_held_nor_erased(record: Record, owner: Any) -> None:
    nobody = b"\x07" * 32
    with pytest.raises(NotFound, match="person of this identity number not found"):
        await read_person(record, nobody)
    with pytest.raises(NotFound, match="data key of this person not found"):
        await place_hold(record, nobody, HoldReason.AUDIT, OPERATOR)
    with pytest.raises(NotFound, match="person"):
        await erase_person(record, owner, nobody, REQUEST, OPERATOR)
    with pytest.raises(NotFound, match="hold"):
        await release_hold(record, uuid4(), ReleaseReason.HELD_IN_ERROR, OPERATOR)
    with pytest.raises(NotFound, match="application"):
        await find_person(record, uuid4())


async def test_a_person_who_applies_again_is_read_from_then_on_and_can_be_erased_again(
    record: Record, actor: Actor, owner: Any
) -> None:
    entry = replace(make_entry(record, 1), recorded_at=LONG_AGO)
    await commit_entries(record, [entry], actor)
    first = await erase_person(record, owner, entry.person_id, REQUEST, OPERATOR)
    await commit_entries(record, [make_again(record, entry)], actor)
    assert sorted(is_open(one) for one in await read_held(record, entry.person_id)) == [False, True]
    second = await erase_person(record, owner, entry.person_id, REQUEST, OPERATOR)
    assert first != second
    assert [is_open(one) for one in await read_held(record, entry.person_id)] == [False, False]
    assert {erasure.key_id for erasure in (await read_person(record, entry.person_id)).erasures} == {first, second}


async def test_a_key_that_changed_while_it_was_looked_at_is_not_destroyed(
    record: Record, actor: Actor, owner: Any, superuser_url: str
) -> None:
    entry = replace(make_entry(record, 1), recorded_at=LONG_AGO)
    await commit_entries(record, [entry], actor)

    class Late:
        async def fetchrow(self, *arguments: Any) -> Any:
            connection = await asyncpg.connect(superuser_url)
            await connection.execute("DELETE FROM sealed_keys.person_keys")
            await connection.close()
            await commit_entries(record, [make_again(record, entry)], actor)
            return await owner.fetchrow(*arguments)

    with pytest.raises(Unavailable, match="run the command again"):
        await erase_person(record, Late(), entry.person_id, REQUEST, OPERATOR)
    assert sorted(is_open(one) for one in await read_held(record, entry.person_id)) == [False, True]


async def test_a_clock_that_runs_ahead_erases_nobody(
    record: Record, actor: Actor, clock: FixedClock, owner: Any
) -> None:
    entry = replace(make_entry(record, 1), recorded_at=datetime.now(UTC))
    await commit_entries(record, [entry], actor)
    clock.advance(timedelta(days=100 * 365))
    with pytest.raises(Refused, match=r"12 CFR 1002.12.*; the database's clock says"):
        await erase_person(record, owner, entry.person_id, REQUEST, OPERATOR)
    (held,) = await read_held(record, entry.person_id)
    assert is_open(held)


async def test_a_key_under_which_a_case_is_being_recorded_outlives_the_draft_that_named_it_by_mistake(
    record: Record, actor: Actor, owner: Any, superuser_url: str
) -> None:
    """The Case is written and not committed when the draft's person is erased: the erasure waits, and then finds a person."""
    mistaken, entry, template = (make_entry(record, number) for number in (1, 2, 3))
    await commit_entries(record, [template], actor)
    draft_id = new_id(mistaken.person_id[0], LONG_AGO, record.entropy)
    for number, person_id in enumerate((mistaken.person_id, entry.person_id), start=1):
        version = DraftVersion(
            draft_id=draft_id,
            number=number,
            product="personal_loan",
            client_id="client",
            is_test=False,
            owner=person_id,
            body=b"{}",
            recorded_at=LONG_AGO,
        )
        assert await add_draft_version(record, version, actor)
    looking = await asyncpg.connect(superuser_url)
    async with record.connection() as connection:
        writing = connection.transaction()
        await writing.start()
        await connection.execute(WRITE_CASE, mistaken.case_id, mistaken.person_id)
        erasing = asyncio.create_task(erase_person(record, owner, entry.person_id, REQUEST, OPERATOR))
        async with asyncio.timeout(10):
            while not await looking.fetchval(OWNER_WAITS):
                assert not erasing.done(), erasing.exception()
        await writing.commit()
    await asyncio.wait({erasing})
    keys = "SELECT count(*) FROM sealed_keys.person_keys WHERE person_id = $1"
    assert await looking.fetchval(keys, mistaken.person_id) == 1
    with pytest.raises(Unavailable, match="run the command again"):
        erasing.result()
    await erase_person(record, owner, entry.person_id, REQUEST, OPERATOR)
    assert [await looking.fetchval(keys, one.person_id) for one in (mistaken, entry)] == [1, 0]
    await looking.close()


async def test_the_app_neither_erases_nor_retires(record: Record, actor: Actor) -> None:
    entry = replace(make_entry(record, 1), recorded_at=LONG_AGO)
    await commit_entries(record, [entry], actor)
    async with record.connection() as connection:
        for statement in (
            "SELECT instant_credit.erase_person(0::smallint, $1, ''::bytea, 'x', 'job', 'x', now(), '{}')",
            "SELECT instant_credit.end_master_key($1::uuid::text, 'job', 'x', now())",
            "INSERT INTO person_erasures SELECT 0, $1::uuid, person_id, 'PERSON_REQUEST', 'job', 'x', now() FROM cases",
            "INSERT INTO master_key_events VALUES ($1::uuid::text, 'retired', 'job', 'x', now())",
            "SELECT FROM sealed_keys.person_keys WHERE key_id = $1 FOR UPDATE",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement, uuid4())


async def test_every_table_with_dated_facts_of_a_case_counts_for_retention(record: Record) -> None:
    """A person-owned table that names a Case is an action on it, or written with or right after one, or a read of it."""
    apart = {
        "identities",
        "natural_keys",
        "person_applications",
        "personal_data_reads",
        "shadow_decisions",
        "exposures",
    }
    async with record.connection() as connection:
        tables = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'instant_credit'::regnamespace AND relkind IN ('r', 'p')"
            " AND NOT relispartition AND (SELECT count(*) FROM pg_attribute WHERE attrelid = pg_class.oid"
            " AND attname IN ('bucket', 'case_id', 'recorded_at')) = 3"
        )
        definition = await connection.fetchval("SELECT pg_get_viewdef('person_actions'::regclass)")
    named = {row["relname"] for row in tables} - apart
    assert named >= {"cases", "decisions", "repayment_events"}
    assert {name for name in named if f"{name}.recorded_at" not in definition} == set()


async def test_reads_of_personal_data_are_written_down(record: Record, actor: Actor, clock: FixedClock) -> None:
    entry, other = make_entry(record, 1), make_entry(record, 2, book="another")
    await log_book_read(record, "tape", BookPurpose.ANALYSIS, actor)
    clock.advance(timedelta(seconds=1))
    entry = replace(entry, recorded_at=clock.now())
    await commit_entries(record, [entry, other], actor)
    await read_identity(record, entry.case_id, READING)
    clock.advance(timedelta(seconds=1))
    await log_book_read(record, "tape", BookPurpose.AUDIT, actor)
    clock.advance(timedelta(seconds=1))
    await read_held(record, entry.person_id)
    reads = await list_reads(record, entry.person_id)
    assert [(read.kind, read.purpose, read.case_id, read.book, read.actor_id) for read in reads] == [
        ("identity", "person_request", entry.case_id, None, "reader"),
        ("book", "audit", None, "tape", "test"),
        ("person", "person_request", None, None, "reader"),
    ]
    assert await list_reads(record, other.person_id) == ()


async def test_reading_nothing_is_no_read(record: Record) -> None:
    assert await read_identity(record, uuid4(), READING) is None
    async with record.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM personal_data_reads") == 0


NUMBERS = count(1_000)
STEP = st.tuples(st.sampled_from(["apply", "apply", "apply", "erase", "rotate", "retire"]), st.integers(0, 2))


@given(rounds=st.lists(st.lists(STEP, min_size=1, max_size=6), min_size=1, max_size=5))
@examples(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_however_applying_rotating_and_erasing_overlap_a_case_is_readable_or_erased(
    record: Record, actor: Actor, settings: Settings, rounds: list[list[tuple[str, int]]]
) -> None:
    """All steps of a round run at once. A Case that nobody erased since it was answered is readable; no key in use is lost."""
    persons = [replace(make_entry(record, next(NUMBERS)), recorded_at=LONG_AGO) for _ in range(3)]
    recorded: dict[bytes, int] = {one.person_id: 0 for one in persons}

    async def apply(entry: Entry) -> None:
        (committed,) = await commit_entries(record, [make_again(record, entry)], actor)
        assert committed.kind == "recorded"
        recorded[entry.person_id] += 1

    async def run(step: str, entry: Entry) -> None:
        if step == "apply":
            await apply(entry)
            return
        async with open_owner(settings) as owner:
            try:
                if step == "erase":
                    await erase_person(record, owner, entry.person_id, REQUEST, OPERATOR)
                elif step == "rotate":
                    turn_ring(settings.key_ring)
                    await rewrap_keys(record, owner)
                else:
                    await retire_former(record, owner, settings, actor)
            except (NotFound, Refused, Unavailable):
                return

    for steps in rounds:
        standing = {one.person_id: await open_cases(record, one.person_id) for one in persons}
        await asyncio.gather(*(run(step, persons[who]) for step, who in steps))
        erased = {persons[who].person_id for step, who in steps if step == "erase"}
        for one in persons:
            held = await read_held(record, one.person_id)
            assert len(held) == recorded[one.person_id]
            readable = {case.case_id for case in held if is_open(case)}
            applied = steps.count(("apply", persons.index(one)))
            assert one.person_id in erased or (
                readable >= standing[one.person_id] and len(readable) == len(standing[one.person_id]) + applied
            )
    for one in persons:
        await apply(one)
        assert await open_cases(record, one.person_id)
    async with record.connection() as connection:
        orphans = await connection.fetchval(
            "SELECT count(*) FROM cases WHERE NOT EXISTS (SELECT FROM sealed_keys.person_keys AS key WHERE key.key_id = cases.key_id)"
            " AND NOT EXISTS (SELECT FROM person_erasures AS erasure WHERE erasure.key_id = cases.key_id)"
        )
    assert orphans == 0
    assert read_key_ring(settings.key_ring).current == record.key_ring.current


async def open_cases(record: Record, person_id: bytes) -> set[Any]:
    return {case.case_id for case in await read_held(record, person_id) if is_open(case)}
