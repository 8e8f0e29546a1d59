"""Edge. Triggers as they are kept: documents under a name, put and stopped by events that are only ever added.

What a document says is read by `factory`. The number of an event decides races, as that of a release's: of two that follow the same one, one is
written.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import asyncpg
from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.canonical import hash_content
from instant_credit.errors import Conflict, NotFound, Unavailable, require
from instant_credit.record.chain import leaf_of
from instant_credit.record.documents import DocumentKind, put_document
from instant_credit.record.pool import Record
from instant_credit.record.shipped import read_sql

TRIGGERS_MAX: Final = 100
_TRIES: Final = 20


class TriggerEventKind(StrEnum):
    """What happened to a trigger."""

    PUT = "put"
    STOPPED = "stopped"


class TriggersFull(Conflict):
    """There are as many triggers as there may be, those that were stopped among them."""


class StoredTrigger(Struct, frozen=True, kw_only=True):
    """A trigger by its latest event.

    Attributes
    ----------
    version : number of that event.
    document_hash, body : of the trigger that stands; None where it was stopped.
    recorded_at : when it was put or stopped.
    """

    name: str
    version: int
    document_hash: str | None
    body: bytes | None
    recorded_at: datetime

    @property
    def is_standing(self) -> bool:
        """Whether it asks for jobs."""
        return self.document_hash is not None


class TriggerJobs(Struct, frozen=True, kw_only=True):
    """How many jobs of a kind a trigger asked for, and when it did last; None = never."""

    jobs: int
    last_at: datetime | None


async def put_trigger(record: Record, name: str, body: bytes, actor: Actor) -> StoredTrigger:
    """Keep a document as the trigger of this name from now on; the same one again changes nothing.

    Raises
    ------
    TriggersFull : there are as many triggers as there may be.
    Unavailable : the trigger changes too fast; try again.
    """
    await put_document(record, DocumentKind.TRIGGER, body, actor)
    for _ in range(_TRIES):
        known = await _find(record, name)
        if known is not None and known.body == body:
            return known
        if known is None and len(await list_triggers(record)) >= TRIGGERS_MAX:
            raise TriggersFull(
                f"there are {TRIGGERS_MAX} triggers already: put another one under the name of one that was stopped"
            )
        if await _add(record, name, known, hash_content(body), actor):
            return await read_trigger(record, name)
    raise Unavailable(f"trigger {name} changes too fast: try again")


async def stop_trigger(record: Record, name: str, actor: Actor) -> StoredTrigger:
    """Have a trigger ask for nothing more; jobs that it asked for go on. Stopped again, nothing changes.

    Raises
    ------
    NotFound : there is no trigger of this name.
    """
    for _ in range(_TRIES):
        known = await read_trigger(record, name)
        if not known.is_standing or await _add(record, name, known, None, actor):
            return await read_trigger(record, name)
    raise Unavailable(f"trigger {name} changes too fast: try again")


async def read_trigger(record: Record, name: str) -> StoredTrigger:
    """One trigger. Raises NotFound when there never was one of this name."""
    found = await _find(record, name)
    if found is None:
        raise NotFound("trigger", name)
    return found


async def list_triggers(record: Record) -> tuple[StoredTrigger, ...]:
    """All triggers by name, those that were stopped among them."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_triggers"), None, TRIGGERS_MAX)
    return tuple(_open(row) for row in rows)


async def count_trigger_jobs(record: Record, name: str, kind: str) -> TriggerJobs:
    """What a trigger has asked for of a kind of job."""
    async with record.connection() as connection:
        row = await connection.fetchrow(read_sql("count_trigger_jobs"), name, kind)
    return TriggerJobs(jobs=row["jobs"], last_at=row["last_at"])


async def _find(record: Record, name: str) -> StoredTrigger | None:
    async with record.connection() as connection:
        row = await connection.fetchrow(read_sql("list_triggers"), name, 1)
    return None if row is None else _open(row)


async def _add(record: Record, name: str, known: StoredTrigger | None, document_hash: str | None, actor: Actor) -> bool:
    """Write the next event; False where somebody else wrote its number."""
    kind = TriggerEventKind.STOPPED if document_hash is None else TriggerEventKind.PUT
    now = record.clock.now()
    number = 1 if known is None else known.version + 1
    row = (name, number, kind.value, document_hash, actor.kind.value, actor.id, now)
    async with record.writer() as writer, record.connection() as connection:
        try:
            await writer.append(
                connection, read_sql("insert_trigger_event"), row, [leaf_of("trigger_events", row)], now
            )
        except asyncpg.UniqueViolationError:
            return False
    return True


def _open(row: Any) -> StoredTrigger:
    body: bytes | None = row["body"]
    document_hash: str | None = row["document_hash"]
    require(body is None or hash_content(body) == document_hash, f"document {document_hash} does not match its hash")
    return StoredTrigger(
        name=row["name"],
        version=row["number"],
        document_hash=document_hash,
        body=body,
        recorded_at=row["recorded_at"],
    )
