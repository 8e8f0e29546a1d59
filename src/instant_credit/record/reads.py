"""Edge. Reading the record: a Decision by its id, the Cases of a book, what there is. Values leave opened; an erased person's are None."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from instant_credit.access.purposes import Reading
from instant_credit.record.columns import (
    ANSWER_PLACE,
    CASE_PLACE,
    DECISION_PLACE,
    IDENTITY_PLACE,
    MONITORING_PLACE,
    open_data_key,
)
from instant_credit.record.ids import bucket_of, span_of
from instant_credit.record.persons import find_person, log_read
from instant_credit.record.pool import Record
from instant_credit.record.rows import BookCount, BookProduct, EventRow, StoredCase, StoredDecision
from instant_credit.record.sealing import unseal
from instant_credit.record.shipped import read_sql

CHUNK_CASES: Final = 2_000


async def read_decision(record: Record, decision_id: UUID) -> StoredDecision | None:
    """The Decision with this id and its Case, or None."""
    async with record.connection() as connection:
        row = await connection.fetchrow(
            read_sql("read_decision"), bucket_of(decision_id), decision_id, *span_of([decision_id])
        )
    if row is None:
        return None
    is_erased = row["wrapped_key"] is None
    case = decision = answer = None
    if not is_erased:
        cipher = open_data_key(record, row)
        case = unseal(cipher, row["sealed_case"], place=CASE_PLACE, row_id=row["case_id"].bytes)
        decision = unseal(cipher, row["sealed_decision"], place=DECISION_PLACE, row_id=decision_id.bytes)
        if row["sealed_answer"] is not None:
            answer = unseal(cipher, row["sealed_answer"], place=ANSWER_PLACE, row_id=decision_id.bytes)
    return StoredDecision(
        person_id=row["person_id"],
        decision_id=decision_id,
        case_id=UUID(int=row["case_id"].int),
        book=row["book"],
        product=row["product"],
        product_hash=row["product_hash"],
        release_hash=row["release_hash"],
        outcome=row["outcome"],
        as_of=row["as_of"],
        case=case,
        decision=decision,
        answer=answer,
        is_erased=is_erased,
        client_id=row["client_id"],
        stage_ns=tuple(row["stage_ns"]),
        recorded_at=row["recorded_at"],
    )


async def iterate_cases(
    record: Record,
    book: str,
    *,
    with_decisions: bool = False,
    with_events: bool = True,
    chunk: int = CHUNK_CASES,
) -> AsyncIterator[StoredCase]:
    """The Cases of a book in order of bucket and id, which is the same order every time.

    Parameters
    ----------
    book : its name; an unknown one has no Cases.
    with_decisions, with_events : what else to read.
    chunk : Cases read at once; no transaction stays open between chunks. A Case recorded meanwhile may be left out.
    """
    bucket, case_id = -1, UUID(int=0)
    while True:
        async with record.connection() as connection:
            rows = await connection.fetch(read_sql("list_cases"), book, bucket, case_id, chunk, with_decisions)
            events = await read_events(connection, rows) if with_events and rows else {}
        for row in rows:
            yield _open_case(record, row, events.get(row["case_id"], ()))
        if len(rows) < chunk:
            return
        bucket, case_id = rows[-1]["bucket"], rows[-1]["case_id"]


async def iterate_decided(
    record: Record, book: str, span: tuple[UUID, UUID], *, with_events: bool = False, chunk: int = CHUNK_CASES
) -> AsyncIterator[StoredCase]:
    """The decided Cases of a book whose ids lie in `span` (its end is outside), with their Decisions, in order of bucket and id.

    Parameters
    ----------
    chunk : Cases read at once; no transaction stays open between chunks.
    """
    bucket, case_id = -1, UUID(int=0)
    while True:
        async with record.connection() as connection:
            rows = await connection.fetch(read_sql("list_decided"), book, bucket, case_id, chunk, *span)
            events = await read_events(connection, rows) if with_events and rows else {}
        for row in rows:
            yield _open_case(record, row, events.get(row["case_id"], ()))
        if len(rows) < chunk:
            return
        bucket, case_id = rows[-1]["bucket"], rows[-1]["case_id"]


async def list_last_cases(record: Record, book: str, product: str, count: int) -> tuple[UUID, ...]:
    """Ids of the Cases of a product that a book recorded last, at most so many, the latest first."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_last_case_ids"), book, product, count)
    return tuple(UUID(int=row["case_id"].int) for row in rows)


async def read_cases(record: Record, case_ids: Sequence[UUID]) -> tuple[StoredCase, ...]:
    """The Cases with these ids, without events and Decisions, in order of bucket and id; those that are not there are left out."""
    buckets = [bucket_of(case_id) for case_id in case_ids]
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("read_cases"), buckets, list(case_ids), *span_of(case_ids))
    return tuple(_open_case(record, row, ()) for row in rows)


async def read_monitoring(record: Record, case_id: UUID) -> bytes | None:
    """Monitoring of one Case (prohibited attributes, for fairness measurement only); None = not told, erased or no such Case."""
    return await _read_sealed(record, case_id, "read_monitoring", MONITORING_PLACE)


async def list_monitoring(record: Record, case_ids: Sequence[UUID]) -> dict[UUID, bytes]:
    """Monitoring by Case, as `read_monitoring` gives it, of those that have one."""
    async with record.connection() as connection:
        rows = await connection.fetch(
            read_sql("list_monitoring"), [bucket_of(case_id) for case_id in case_ids], list(case_ids)
        )
    told = {}
    for row in rows:
        case_id = UUID(int=row["case_id"].int)
        told[case_id] = unseal(open_data_key(record, row), row["sealed"], place=MONITORING_PLACE, row_id=case_id.bytes)
    return told


async def read_identity(record: Record, case_id: UUID, reading: Reading) -> bytes | None:
    """Identity behind one Case; None = not told, erased or no such Case. Who reads it, and for what, is written down first."""
    identity = await _read_sealed(record, case_id, "read_identity", IDENTITY_PLACE)
    if identity is not None:
        await log_read(record, "identity", await find_person(record, case_id), case_id, reading)
    return identity


async def list_books(record: Record) -> tuple[BookCount, ...]:
    """Books by name, one row for each product in them."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_books"))
    return tuple(BookCount(**dict(row)) for row in rows)


async def list_book_products(record: Record, book: str) -> tuple[BookProduct, ...]:
    """The product documents that the book's Cases were recorded under, the one recorded last first; empty for no such book."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_book_products"), book)
    return tuple(BookProduct(**dict(row)) for row in rows)


async def _read_sealed(record: Record, case_id: UUID, statement: str, place: str) -> bytes | None:
    async with record.connection() as connection:
        row = await connection.fetchrow(read_sql(statement), bucket_of(case_id), case_id)
    if row is None or row["sealed"] is None or row["wrapped_key"] is None:
        return None
    return unseal(open_data_key(record, row), row["sealed"], place=place, row_id=case_id.bytes)


async def read_events(connection: Any, rows: Iterable[Any]) -> dict[UUID, tuple[EventRow, ...]]:
    """Events by case id, of rows that carry ``bucket`` and ``case_id``."""
    cases = [(row["bucket"], row["case_id"]) for row in rows]
    found = await connection.fetch(
        read_sql("list_events"), [bucket for bucket, _ in cases], [case_id for _, case_id in cases]
    )
    events: dict[UUID, list[EventRow]] = defaultdict(list)
    for row in found:
        events[row["case_id"]].append(
            EventRow(
                event_id=UUID(int=row["event_id"].int),
                kind=row["kind"],
                amount_cents=row["amount_cents"],
                event_on=row["event_on"],
                known_on=row["known_on"],
                days_past_due=row["days_past_due"],
                corrects=None if row["corrects"] is None else UUID(int=row["corrects"].int),
                number=row["number"],
            )
        )
    return {case_id: tuple(found_events) for case_id, found_events in events.items()}


def _open_case(record: Record, row: Any, events: tuple[EventRow, ...]) -> StoredCase:
    is_erased = row["wrapped_key"] is None
    case = decision = None
    decision_id = None if row["decision_id"] is None else UUID(int=row["decision_id"].int)
    if not is_erased:
        cipher = open_data_key(record, row)
        case = unseal(cipher, row["sealed_case"], place=CASE_PLACE, row_id=row["case_id"].bytes)
        if decision_id is not None:
            decision = unseal(cipher, row["sealed_decision"], place=DECISION_PLACE, row_id=decision_id.bytes)
    return StoredCase(
        case_id=UUID(int=row["case_id"].int),
        person_id=row["person_id"],
        natural_key=row["natural_key"],
        product=row["product"],
        product_hash=row["product_hash"],
        as_of=row["as_of"],
        case=case,
        is_erased=is_erased,
        sampling_weight=row["sampling_weight"],
        events=events,
        decision_id=decision_id,
        decision=decision,
        release_hash=row["release_hash"],
    )
