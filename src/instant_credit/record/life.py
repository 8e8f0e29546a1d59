"""Edge. What happens to an application after its decision: events that are only ever added, each with its number.

The law: an event is written for a state that was read. Its number is one more than the events that were read, and the table keeps
numbers apart, so of two events that follow the same state one is written and the other one is not; whoever loses reads again.
"""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import asyncpg
from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.record.chain import leaf_of
from instant_credit.record.columns import ANSWER_PLACE, open_data_key
from instant_credit.record.ids import bucket_of
from instant_credit.record.pool import Record
from instant_credit.record.sealing import unseal
from instant_credit.record.shipped import read_sql


class LifeEventKind(StrEnum):
    """What happened."""

    ACCEPTED = "accepted"
    WITHDRAWN = "withdrawn"


class LifeEvent(Struct, frozen=True, kw_only=True):
    """One event; `offer_id` is set for an accepted offer."""

    kind: LifeEventKind
    offer_id: UUID | None = None
    recorded_at: datetime


class StoredApplication(Struct, frozen=True, kw_only=True):
    """A decided application. `answer` is the first answer's bytes; None = there is none, or the person was erased."""

    person_id: bytes
    case_id: UUID
    decision_id: UUID
    book: str
    product: str
    client_id: str | None
    outcome: str
    answer: bytes | None
    recorded_at: datetime
    events: tuple[LifeEvent, ...] = ()


async def read_application(record: Record, case_id: UUID) -> StoredApplication | None:
    """The decided application with this id and its events in order, or None."""
    async with record.connection() as connection:
        row = await connection.fetchrow(read_sql("read_application"), bucket_of(case_id), case_id)
    if row is None:
        return None
    answer = None
    if row["wrapped_key"] is not None and row["sealed_answer"] is not None:
        cipher = open_data_key(record, row)
        answer = unseal(cipher, row["sealed_answer"], place=ANSWER_PLACE, row_id=row["decision_id"].bytes)
    events = tuple(
        LifeEvent(
            kind=LifeEventKind(kind), offer_id=None if offer_id is None else UUID(int=offer_id.int), recorded_at=at
        )
        for kind, offer_id, at in zip(row["kinds"], row["offer_ids"], row["recorded_ats"], strict=True)
    )
    return StoredApplication(
        person_id=row["person_id"],
        case_id=case_id,
        decision_id=UUID(int=row["decision_id"].int),
        book=row["book"],
        product=row["product"],
        client_id=row["client_id"],
        outcome=row["outcome"],
        answer=answer,
        recorded_at=row["recorded_at"],
        events=events,
    )


async def add_life_event(record: Record, case_id: UUID, event: LifeEvent, *, number: int, actor: Actor) -> bool:
    """Add the event that follows `number` - 1 others; whether it was written, which it is not when another one came first.

    Raises
    ------
    Unavailable : the database did not answer; the event may have been written, and reading the application tells.
    """
    row = (
        bucket_of(case_id),
        case_id,
        number,
        event.kind.value,
        event.offer_id,
        actor.kind.value,
        actor.id,
        event.recorded_at,
    )
    leaves = [leaf_of("application_events", row)]
    async with record.writer() as writer, record.connection() as connection:
        try:
            await writer.append(connection, read_sql("insert_application_event"), row, leaves, event.recorded_at)
        except asyncpg.UniqueViolationError:
            return False
    return True
