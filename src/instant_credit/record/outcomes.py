"""Edge. Events that are judged on the history of their loan: the look-ups that judging takes, and the write that follows.

The law: an event is written for a history that was read. Its number is one more than the last one that was read, and the table keeps the numbers of
a Case apart, so of two events that were judged on the same history one is written and the other one is judged again.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.outcome.events import EventKind, RepaymentEvent
from instant_credit.record.chain import leaf_of
from instant_credit.record.columns import event_arguments, event_row
from instant_credit.record.ids import bucket_of, span_of
from instant_credit.record.pool import Record
from instant_credit.record.rows import EventRow
from instant_credit.record.shipped import read_sql

_KINDS: Final = {kind.value: kind for kind in EventKind}


class StoredLoan(Struct, frozen=True, kw_only=True):
    """A recorded Case and its events, those that stand and those that do not; `number` is the last one's, 0 = none has one."""

    book: str
    as_of: date
    events: list[RepaymentEvent]
    number: int


async def find_accounts(record: Record, accounts: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[UUID]]:
    """The Cases of loans by book and number there; several where several persons have loans of one number, none for an unknown one."""
    found: dict[tuple[str, str], list[UUID]] = defaultdict(list)
    async with record.connection() as connection:
        rows = await connection.fetch(
            read_sql("find_accounts"), [book for book, _ in accounts], [number for _, number in accounts]
        )
    for row in rows:
        found[row["book"], row["natural_key"]].append(UUID(int=row["case_id"].int))
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
    for row in found:
        case_id, event_id, kind, amount_cents, event_on, known_on, days_past_due, corrects, number = row
        events[case_id].append(
            RepaymentEvent(
                kind=_KINDS[kind],
                amount_cents=amount_cents,
                event_on=event_on,
                known_on=known_on,
                days_past_due=days_past_due,
                event_id=event_id,
                corrects=corrects,
            )
        )
        numbers[case_id] = max(numbers[case_id], number or 0)
    return {
        row["case_id"]: StoredLoan(
            book=row["book"], as_of=row["as_of"], events=events[row["case_id"]], number=numbers[row["case_id"]]
        )
        for row in rows
    }


async def add_judged_events(
    record: Record, events: Sequence[tuple[UUID, EventRow]], actor: Actor, recorded_at: datetime
) -> bool:
    """Add events (at least one) to recorded Cases, each by the id of its Case, all or none; whether they were written.

    They are not written when an event of one of these Cases, or one of these events, was recorded meanwhile.

    Raises
    ------
    Unavailable : the database did not answer; the events may have been written, and reading the loans tells.
    """
    written = recorded_at, actor.kind.value, actor.id
    # In order of their keys, so that two callers lock alike.
    ordered = sorted(events, key=lambda one: (bucket_of(one[0]), one[0].int, one[1].event_id.int))
    rows = [event_row(case_id, event, written) for case_id, event in ordered]
    leaves = [leaf_of("repayment_events", row) for row in rows]
    async with record.writer() as writer, record.connection() as connection:
        try:
            await writer.append(connection, read_sql("insert_events"), event_arguments(rows), leaves, recorded_at)
        except (asyncpg.UniqueViolationError, asyncpg.TransactionRollbackError):
            writer.withdraw()
            return False
    return True
