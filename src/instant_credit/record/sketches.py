"""Edge. What monitoring writes down and reads back: sketches of days, judged windows, alerts opened and closed.

A day is the UTC day inside a Case's id: when an application was decided, or of what day a row of a tape is. Nothing here names a person.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.outcome.alerts import AlertEvent, AlertEventKind
from instant_credit.outcome.sketches import Sketch, SketchReference
from instant_credit.record.chain import leaf_of
from instant_credit.record.ids import least_id
from instant_credit.record.pool import Record
from instant_credit.record.shipped import read_sql

DAYS_MAX: Final = 31
"""Days that are counted by one statement."""

_EVENT_COLUMNS: Final = ("rule", "subject", "kind", "metric", "value", "owner", "runbook")


class DayCount(Struct, frozen=True, kw_only=True):
    """How many Cases of a book one release decided on one day."""

    day_on: date
    product: str
    release_hash: str
    cases: int


class SketchRow(Struct, frozen=True, kw_only=True):
    """A day's sketch: of whose Cases, in whose bins."""

    book: str
    product: str
    release_hash: str
    reference_hash: str
    day_on: date
    revision: int
    sketch: Sketch


class SketchedDay(Struct, frozen=True, kw_only=True):
    """How many Cases the newest sketch of a day holds, erased ones among them."""

    day_on: date
    release_hash: str
    reference_hash: str
    revision: int
    cases: int


class WindowRow(Struct, frozen=True, kw_only=True):
    """A window as it was judged; `report` is canonical JSON."""

    book: str
    product: str
    first_on: date
    last_on: date
    rules_hash: str
    release_hash: str
    reference_hash: str
    cases: int
    report: bytes


class AlertRow(Struct, frozen=True, kw_only=True):
    """An alert opened or closed with the window that ended on `last_on`."""

    last_on: date
    event: AlertEvent
    recorded_at: datetime


def ids_of_day(day_on: date) -> tuple[UUID, UUID]:
    """The least id of a day (UTC), and that of the next."""
    start = datetime.combine(day_on, time(), UTC)
    return least_id(start), least_id(start + timedelta(days=1))


async def count_decided(record: Record, book: str, first_on: date, days: int) -> tuple[DayCount, ...]:
    """How many Cases were decided on each of `days` (at most `DAYS_MAX`) days from `first_on` on, by day, product and release."""
    bounds = [ids_of_day(first_on + timedelta(days=number))[0] for number in range(min(days, DAYS_MAX) + 1)]
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("count_decided"), book, bounds, bounds[0], bounds[-1])
    return tuple(
        DayCount(
            day_on=first_on + timedelta(days=row["day_number"] - 1),
            product=row["product"],
            release_hash=row["release_hash"],
            cases=row["cases"],
        )
        for row in rows
    )


async def find_first_day(record: Record, book: str) -> date | None:
    """The day of a book's first decided Case, None where there is none."""
    async with record.connection() as connection:
        case_id = await connection.fetchval(read_sql("find_first_decided"), book)
    return None if case_id is None else datetime.fromtimestamp((case_id.int >> 80) / 1000, UTC).date()


async def find_sketched_span(record: Record, book: str) -> tuple[date, date] | None:
    """First and last day of a book that are sketched; None before there is any."""
    async with record.connection() as connection:
        row = await connection.fetchrow(read_sql("find_sketched_span"), book)
    return None if row["first_on"] is None else (row["first_on"], row["last_on"])


async def add_sketch(record: Record, row: SketchRow, actor: Actor) -> bool:
    """Write down a day's sketch; False when this revision is there already: somebody else counted the same."""
    sketch, now = row.sketch, record.clock.now()
    counts = (
        sketch.cases,
        sketch.erased,
        [count for variable in sketch.variables for count in variable],
        list(sketch.scores),
        list(sketch.outcomes),
        [code for code, _ in sketch.reasons],
        [count for _, count in sketch.reasons],
        list(sketch.grid),
        list(sketch.grid_pds_ppm),
        list(sketch.offered),
        list(sketch.offered_pds_ppm),
    )
    written = (actor.kind.value, actor.id, now)
    stored = (row.book, row.day_on, row.release_hash, row.reference_hash, row.revision, row.product, *counts, *written)
    given = (row.book, row.product, row.release_hash, row.reference_hash, row.day_on, row.revision, *counts, *written)
    return await _append(record, "insert_sketch", given, [leaf_of("sketches", stored)], now)


async def list_sketched(record: Record, book: str, first_on: date, last_on: date) -> tuple[SketchedDay, ...]:
    """What is sketched of some days, by day, release and reference."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_sketched"), book, first_on, last_on)
    return tuple(SketchedDay(**dict(row)) for row in rows)


async def list_sketches(
    record: Record, book: str, first_on: date, last_on: date, references: dict[str, SketchReference]
) -> tuple[SketchRow, ...]:
    """The sketches of some days in the bins of `references` (by hash), by day, release and reference; others are left out."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_sketches"), book, first_on, last_on)
    return tuple(
        _open_sketch(row, references[row["reference_hash"]]) for row in rows if row["reference_hash"] in references
    )


async def add_window(record: Record, row: WindowRow, events: Sequence[AlertEvent], actor: Actor) -> bool:
    """Write down a judged window with what it did to alerts; False when it was judged already, and then nothing is written."""
    now = record.clock.now()
    written = (actor.kind.value, actor.id, now)
    hashes = (row.rules_hash, row.release_hash, row.reference_hash)
    stored = (row.book, row.product, row.last_on, row.first_on, *hashes, row.cases, row.report, *written)
    told = [
        (event.rule, event.subject, event.kind.value, event.metric, event.value, event.owner, event.runbook)
        for event in events
    ]
    leaves = [leaf_of("monitoring_windows", stored)]
    leaves += [leaf_of("alert_events", (row.book, row.product, row.last_on, *one, *written)) for one in told]
    columns = [list(column) for column in zip(*told, strict=True)] if told else [[] for _ in _EVENT_COLUMNS]
    return await _append(record, "insert_window", (*stored, *columns), leaves, now)


async def list_windows(record: Record, book: str, product: str, most: int) -> tuple[WindowRow, ...]:
    """The windows judged last, the latest first."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_windows"), book, product, most)
    return tuple(_open_window(row, book, product) for row in rows)


async def list_latest_windows(record: Record, book: str) -> tuple[WindowRow, ...]:
    """The window judged last of every product of a book."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_latest_windows"), book)
    return tuple(_open_window(row, book, row["product"]) for row in rows)


async def list_alert_events(record: Record, book: str, product: str, most: int) -> tuple[AlertRow, ...]:
    """The latest openings and ends of alerts, the latest first."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_alert_events"), book, product, most)
    return tuple(
        AlertRow(
            last_on=row["last_on"],
            event=AlertEvent(
                kind=AlertEventKind(row["kind"]),
                **{name: row[name] for name in _EVENT_COLUMNS if name != "kind"},
            ),
            recorded_at=row["recorded_at"],
        )
        for row in rows
    )


async def _append(
    record: Record, statement: str, arguments: Sequence[Any], leaves: Sequence[bytes], now: datetime
) -> bool:
    async with record.writer() as writer, record.connection() as connection:
        try:
            await writer.append(connection, read_sql(statement), arguments, leaves, now)
        except asyncpg.UniqueViolationError:
            return False
    return True


def _open_sketch(row: Any, reference: SketchReference) -> SketchRow:
    counts = iter(row["variable_counts"])
    return SketchRow(
        book=row["book"],
        product=row["product"],
        release_hash=row["release_hash"],
        reference_hash=row["reference_hash"],
        day_on=row["day_on"],
        revision=row["revision"],
        sketch=Sketch(
            cases=row["cases"],
            erased=row["erased"],
            variables=tuple(tuple(next(counts) for _ in range(one.count)) for one in reference.variables),
            scores=tuple(row["score_counts"]),
            outcomes=tuple(row["outcome_counts"]),
            reasons=tuple(zip(row["reason_codes"], row["reason_counts"], strict=True)),
            grid=tuple(row["grid_counts"]),
            grid_pds_ppm=tuple(row["grid_pd_ppm_sums"]),
            offered=tuple(row["offered_counts"]),
            offered_pds_ppm=tuple(row["offered_pd_ppm_sums"]),
        ),
    )


def _open_window(row: Any, book: str, product: str) -> WindowRow:
    return WindowRow(
        book=book,
        product=product,
        first_on=row["first_on"],
        last_on=row["last_on"],
        rules_hash=row["rules_hash"],
        release_hash=row["release_hash"],
        reference_hash=row["reference_hash"],
        cases=row["cases"],
        report=row["report"],
    )
