"""Sketches of days in a record: what they count, and that it does not matter how often, by whom or how far the job was run."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest
from msgspec.structs import replace

from instant_credit.access.actors import Actor
from instant_credit.decision.release import Release
from instant_credit.errors import NotFound, Refused
from instant_credit.outcome.sketches import count_sketch
from instant_credit.record import sketches as recorded
from instant_credit.record.documents import DocumentKind, list_documents
from instant_credit.record.pool import Record
from instant_credit.record.shipped import read_sql
from instant_credit.record.sketches import SketchRow, list_sketches
from instant_credit.review import references as references_module
from instant_credit.review import sketching
from instant_credit.review.observing import compile_columns, observe
from instant_credit.review.references import Reference, find_references, fix_reference
from instant_credit.review.sketching import SketchRun, last_settled_day, sketch_book
from instant_credit.underwriting.course import BOOK, TEST_BOOK
from tests.clock import FixedClock
from tests.review.deciding import MONDAY, invent_cases, record_cases
from tests.underwriting.rooms import Room

pytestmark = pytest.mark.anyio

DAYS = tuple(MONDAY + timedelta(days=number) for number in (0, 1, 3))


@pytest.fixture
async def reference(stocked: Record, actor: Actor, release: Release) -> Reference:
    """Counted on a tape whose Cases nobody decided."""
    cases = invent_cases(release, 1, 300)
    await record_cases(stocked, actor, release, cases, book="tape", is_decided=False)
    return await fix_reference(stocked, release.hash, book="tape", actor=actor)


async def record_days(record: Record, actor: Actor, release: Release) -> dict[date, tuple]:
    """Thirty applications on each of `DAYS`; Cases and Decisions by day."""
    told = {}
    for number, day in enumerate(DAYS):
        cases = invent_cases(release, 10 + number, 30, day)
        told[day] = cases, await record_cases(record, actor, release, cases, start=1_000 * number)
    return told


async def read_all(record: Record, reference: Reference) -> tuple[SketchRow, ...]:
    known = {reference.reference_hash: reference.reference}
    return await list_sketches(record, BOOK, MONDAY, MONDAY + timedelta(days=60), known)


async def dump(record: Record) -> list[tuple]:
    """Every stored row of sketches."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("scan_sketches"))
    return sorted((tuple(row) for row in rows), key=repr)


async def test_each_day_is_counted_as_its_cases_were_decided(
    stocked: Record, actor: Actor, release: Release, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sketching, "CHUNK_CASES", 7)
    told = await record_days(stocked, actor, release)
    run = await sketch_book(stocked, BOOK, actor)
    assert (run.days, run.cases, run.erased, run.without_reference) == (3, 90, 0, ())
    rows = await read_all(stocked, reference)
    columns, bins = compile_columns(release.product), reference.reference
    assert [(row.day_on, row.revision, row.release_hash) for row in rows] == [(day, 1, release.hash) for day in DAYS]
    for row in rows:
        assert row.sketch == count_sketch(bins.variables, bins.score_borders_ppm, observe(columns, *told[row.day_on]))


async def test_a_second_run_several_at_once_and_a_stopped_one_leave_the_same_rows(
    stocked: Record, actor: Actor, release: Release, reference: Reference
) -> None:
    await record_days(stocked, actor, release)

    def stop(_: SketchRun) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await sketch_book(stocked, BOOK, actor, progress=stop)
    first = await dump(stocked)
    assert len(first) == 1
    await asyncio.gather(*(sketch_book(stocked, BOOK, actor) for _ in range(3)))
    whole = await dump(stocked)
    assert len(whole) == len(DAYS)
    assert first[0] in whole
    assert await sketch_book(stocked, BOOK, actor) == SketchRun()
    assert await sketch_book(stocked, BOOK, actor, since=MONDAY) == SketchRun()
    assert await dump(stocked) == whole


async def test_a_day_that_gained_cases_is_counted_again_under_the_next_revision(
    stocked: Record, actor: Actor, release: Release, reference: Reference
) -> None:
    await record_days(stocked, actor, release)
    await sketch_book(stocked, BOOK, actor)
    await record_cases(stocked, actor, release, invent_cases(release, 77, 5, DAYS[1]), start=50_000)
    assert (await sketch_book(stocked, BOOK, actor)).days == 1
    rows = await read_all(stocked, reference)
    assert [(row.revision, row.sketch.cases) for row in rows] == [(1, 30), (2, 35), (1, 30)]
    assert len(await dump(stocked)) == 4


async def test_cases_of_erased_persons_are_counted_apart(
    stocked: Record, actor: Actor, release: Release, reference: Reference, superuser_url: str
) -> None:
    await record_days(stocked, actor, release)
    connection = await asyncpg.connect(superuser_url)
    try:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(
            "DELETE FROM sealed_keys.person_keys WHERE key_id IN (SELECT key_id FROM instant_credit.cases WHERE book = $1 AND as_of = $2 LIMIT 4)",
            BOOK,
            DAYS[0],
        )
    finally:
        await connection.close()
    run = await sketch_book(stocked, BOOK, actor)
    assert (run.cases, run.erased) == (86, 4)
    first = (await read_all(stocked, reference))[0].sketch
    assert (first.cases, first.erased, sum(first.outcomes), sum(first.scores)) == (26, 4, 26, 26)
    assert (await sketch_book(stocked, BOOK, actor)).days == 0


async def test_a_day_that_is_not_over_is_left(
    stocked: Record, actor: Actor, release: Release, reference: Reference
) -> None:
    today = stocked.clock.now().date()
    await record_cases(stocked, actor, release, invent_cases(release, 5, 3, today))
    assert (await sketch_book(stocked, BOOK, actor)).days == 0
    assert last_settled_day(datetime(2026, 3, 2, 0, 9, tzinfo=UTC)) == date(2026, 2, 28)
    assert last_settled_day(datetime(2026, 3, 2, 0, 10, tzinfo=UTC)) == date(2026, 3, 1)


async def test_a_release_without_a_reference_is_named_and_counted_from_its_first_day_once_it_has_one(
    stocked: Record, actor: Actor, release: Release
) -> None:
    await record_days(stocked, actor, release)
    run = await sketch_book(stocked, BOOK, actor)
    assert run == SketchRun(without_reference=(release.hash,))
    await record_cases(stocked, actor, release, invent_cases(release, 1, 300), book="tape", is_decided=False)
    await fix_reference(stocked, release.hash, book="tape", actor=actor)
    assert (await sketch_book(stocked, BOOK, actor)).days == 3


async def test_a_newer_reference_counts_the_days_anew(
    stocked: Record, clock: FixedClock, actor: Actor, release: Release, reference: Reference
) -> None:
    await record_days(stocked, actor, release)
    await sketch_book(stocked, BOOK, actor)
    clock.advance(timedelta(seconds=1))
    newer = await fix_reference(stocked, release.hash, book="tape", actor=actor, first_on=MONDAY)
    assert newer.reference_hash != reference.reference_hash
    assert (await find_references(stocked))[release.hash] == newer
    assert (await sketch_book(stocked, BOOK, actor)).days == 3
    assert len(await read_all(stocked, newer)) == 3


async def test_days_are_counted_by_statements_of_a_month(
    stocked: Record, actor: Actor, release: Release, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def count(record: Record, book: str, first_on: date, days: int) -> tuple:
        asked.append((first_on, days))
        return await recorded.count_decided(record, book, first_on, days)

    monkeypatch.setattr(sketching, "count_decided", count)
    await record_days(stocked, actor, release)
    await sketch_book(stocked, BOOK, actor)
    assert all(days <= 31 for _, days in asked)
    last = last_settled_day(stocked.clock.now())
    assert sum(days for _, days in asked) == (last - MONDAY).days + 1


async def test_a_reference_of_too_few_too_many_or_tests_is_refused(
    stocked: Record, actor: Actor, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = invent_cases(release, 1, 210)
    await record_cases(stocked, actor, release, cases, book="tape", is_decided=False)
    with pytest.raises(Refused, match="takes 200"):
        await fix_reference(stocked, release.hash, book="tape", actor=actor, last_on=MONDAY - timedelta(days=1))
    with pytest.raises(Refused, match="keys for tests"):
        await fix_reference(stocked, release.hash, book=TEST_BOOK, actor=actor)
    with pytest.raises(Refused, match="keys for tests"):
        await sketch_book(stocked, TEST_BOOK, actor)
    with pytest.raises(NotFound):
        await fix_reference(stocked, "e" * 64, book="tape", actor=actor)
    monkeypatch.setattr(references_module, "REFERENCE_CASES_MAX", 209)
    with pytest.raises(Refused, match="name fewer days"):
        await fix_reference(stocked, release.hash, book="tape", actor=actor)
    assert await list_documents(stocked, DocumentKind.SKETCH_REFERENCE) == ()


async def test_a_reference_leaves_out_other_layouts_and_does_not_depend_on_the_chunk(
    stocked: Record, actor: Actor, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = invent_cases(release, 1, 250)
    await record_cases(stocked, actor, release, cases, book="tape", is_decided=False)
    stray = replace(invent_cases(release, 2, 1)[0], layout_hash="f" * 64)
    monkeypatch.setattr("tests.review.deciding.decide_many", lambda cases, _: [None for _ in cases])
    await record_cases(stocked, actor, release, [stray], book="tape", is_decided=False, start=9_000)
    monkeypatch.undo()
    monkeypatch.setattr(references_module, "CHUNK_CASES", 64)
    seen: list[int] = []
    one = await fix_reference(stocked, release.hash, book="tape", actor=actor, progress=seen.append)
    assert (one.reference.sketch.cases, seen[-1]) == (250, 251)
    monkeypatch.setattr(references_module, "CHUNK_CASES", 250)
    other = await fix_reference(stocked, release.hash, book="tape", actor=actor)
    assert other.reference_hash == one.reference_hash


async def test_what_the_desk_decided_is_counted_when_the_day_is_over(
    stocked: Record, clock: FixedClock, release: Release, reference: Reference, actor: Actor
) -> None:
    room = Room(stocked, release)
    for seed in range(4):
        await room.apply(room.submission(seed))
    await room.apply(room.submission(9, is_test=True))
    assert (await sketch_book(stocked, BOOK, actor)).days == 0
    clock.advance(timedelta(days=1))
    run = await sketch_book(stocked, BOOK, actor)
    assert (run.days, run.cases) == (1, 4)
    day = last_settled_day(stocked.clock.now())
    (row,) = await list_sketches(stocked, BOOK, day, day, {reference.reference_hash: reference.reference})
    assert sum(row.sketch.outcomes) == 4
