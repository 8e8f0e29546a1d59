"""Edge. Events that are judged on the history of their loan: the look-ups that judging takes, and the write that follows.

The law: an event is written for a history that was read. Its number is one more than the last one that was read, and the table keeps the numbers of
a Case apart, so of two events that were judged on the same history one is written and the other one is judged again.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg
from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.outcome.events import RepaymentEvent
from instant_credit.outcome.inbound import name_account
from instant_credit.record.chain import leaves_of
from instant_credit.record.columns import event_arguments
from instant_credit.record.ids import bucket_of, span_of
from instant_credit.record.pool import Record
from instant_credit.record.repayments import KINDS, lay_out_judged
from instant_credit.record.shipped import read_sql

JudgedEvent = tuple[UUID, RepaymentEvent, int]
"""The id of a Case, an event with its name, and its number among the Case's judged events."""


class StoredLoan(Struct, frozen=True, kw_only=True):
    """A recorded Case and its events, those that stand and those that do not; `number` is the last one's, 0 = none has one."""

    book: str
    as_of: date
    events: list[RepaymentEvent]
    number: int


async def find_accounts(record: Record, accounts: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[UUID]]:
    """The Cases of loans by book and number there; several where several persons have loans of one number, none for an unknown one.

    A number is a natural key, or the number that a tape's row is known by.
    """
    numbers = {(book, key): (book, number) for book, number in accounts for key in (number, name_account(number))}
    found: dict[tuple[str, str], list[UUID]] = defaultdict(list)
    async with record.connection() as connection:
        rows = await connection.fetch(
            read_sql("find_accounts"), [book for book, _ in numbers], [key for _, key in numbers]
        )
    for row in rows:
        found[numbers[row["book"], row["natural_key"]]].append(UUID(int=row["case_id"].int))
    return found


async def read_loans(record: Record, case_ids: Collection[UUID]) -> dict[UUID, StoredLoan]:
    """The Cases, of those asked for, that are recorded, by their ids. Ids are as the database driver has them."""
    buckets = [bucket_of(case_id) for case_id in case_ids]
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("find_loans"), buckets, list(case_ids), *span_of(case_ids))
        found: Sequence[Any] = ()
        if rows:
            cases = [row["bucket"] for row in rows], [row["case_id"] for row in rows]
            found = await connection.fetch(read_sql("list_events"), *cases)
    events: dict[UUID, list[RepaymentEvent]] = defaultdict(list)
    numbers: dict[UUID, int] = defaultdict(int)
    last, own = None, list[RepaymentEvent]()
    for row in found:
        case_id, event_id, kind, amount_cents, event_on, known_on, days_past_due, corrects, number = row
        if case_id != last:
            last, own = case_id, events[case_id]
        own.append(
            RepaymentEvent(
                kind=KINDS[kind],
                amount_cents=amount_cents,
                event_on=event_on,
                known_on=known_on,
                days_past_due=days_past_due,
                event_id=event_id,
                corrects=corrects,
            )
        )
        if number is not None and number > numbers[case_id]:
            numbers[case_id] = number
    return {
        row["case_id"]: StoredLoan(
            book=row["book"], as_of=row["as_of"], events=events[row["case_id"]], number=numbers[row["case_id"]]
        )
        for row in rows
    }


async def add_judged_events(record: Record, events: Sequence[JudgedEvent], actor: Actor, recorded_at: datetime) -> bool:
    """Add events (at least one) to recorded Cases, all or none; whether they were written.

    They are not written when an event of one of these Cases, or one of these events, was recorded meanwhile.

    Raises
    ------
    Unavailable : the database did not answer; the events may have been written, and reading the loans tells.
    """
    written = recorded_at, actor.kind.value, actor.id
    rows = lay_out_judged(sorted(events, key=_order), written)
    leaves = leaves_of("repayment_events", rows)
    async with record.writer() as writer, record.connection() as connection:
        try:
            await writer.append(connection, read_sql("insert_events"), event_arguments(rows), leaves, recorded_at)
        except (asyncpg.UniqueViolationError, asyncpg.TransactionRollbackError):
            writer.withdraw()
            return False
    return True


def _order(judged: JudgedEvent) -> int:
    """The order of the primary key as one number (bucket, Case, event), so that two callers lock alike."""
    case_id, event, _ = judged
    assert event.event_id is not None
    number = case_id.int
    return (number >> 68 & 0xFF) << 256 | number << 128 | event.event_id.int
