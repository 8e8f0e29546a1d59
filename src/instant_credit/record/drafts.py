"""Edge. Drafts of applications: versions that are only ever added, each sealed, and what happened to the draft, each at most once.

A version is sealed under the person's data key once the person is known, so that erasing the person erases it; before, under a key of
the draft, which lies among the persons' keys under an owner drawn by chance. Its bucket is that owner's, in the id as everywhere.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import asyncpg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.record.chain import leaf_of
from instant_credit.record.columns import open_data_key
from instant_credit.record.ids import bucket_of, new_id
from instant_credit.record.pool import Record
from instant_credit.record.sealing import KEY_BYTES, bucket_of_person, seal, unseal
from instant_credit.record.shipped import read_sql

VERSIONS_MAX: Final = 1_000
DRAFT_PLACE: Final = "draft_versions.body"


class DraftEventKind(StrEnum):
    """What happened to a draft."""

    INCOMPLETE = "incomplete"
    COMPLETED = "completed"
    WITHDRAWN = "withdrawn"


class DraftEvent(Struct, frozen=True, kw_only=True):
    """One event; `complete_by` is set for a draft submitted while incomplete: the instant that the notice named."""

    kind: DraftEventKind
    complete_by: datetime | None = None
    recorded_at: datetime


class DraftVersion(Struct, frozen=True, kw_only=True):
    """A version on its way into the record. `owner` is whose data key seals it: a person, or 32 bytes of chance."""

    draft_id: UUID
    number: int
    product: str
    client_id: str
    is_test: bool
    owner: bytes
    body: bytes
    recorded_at: datetime


class StoredDraft(Struct, frozen=True, kw_only=True):
    """A draft as it stands. `body` None = the person was erased."""

    draft_id: UUID
    number: int
    product: str
    client_id: str
    is_test: bool
    owner: bytes
    body: bytes | None
    opened_at: datetime
    changed_at: datetime
    events: tuple[DraftEvent, ...] = ()


async def read_draft(record: Record, draft_id: UUID) -> StoredDraft | None:
    """The draft with this id, or None."""
    async with record.connection() as connection:
        row = await connection.fetchrow(read_sql("read_draft"), bucket_of(draft_id), draft_id)
    if row is None:
        return None
    return StoredDraft(
        draft_id=draft_id,
        number=row["number"],
        product=row["product"],
        client_id=row["client_id"],
        is_test=row["is_test"],
        owner=row["person_id"],
        body=open_version(record, draft_id, row),
        opened_at=row["opened_at"],
        changed_at=row["recorded_at"],
        events=tuple(
            DraftEvent(kind=DraftEventKind(kind), complete_by=complete_by, recorded_at=recorded_at)
            for kind, complete_by, recorded_at in zip(
                row["kinds"], row["complete_bys"], row["recorded_ats"], strict=True
            )
        ),
    )


async def add_draft_version(record: Record, version: DraftVersion, actor: Actor, *, is_completed: bool = False) -> bool:
    """Add a version; whether it was written, which it is not when another one of its number, or the owner's key, came first,
    or the key was destroyed.

    Parameters
    ----------
    is_completed : write down with it that the draft is completed as of this version, which is then its last one; not written either when the
        draft was completed or withdrawn before.

    Raises
    ------
    Unavailable : the database did not answer; the version may have been written, and reading the draft tells.
    """
    async with record.writer() as writer, record.connection() as connection:
        found = await connection.fetchrow(read_sql("read_person_key"), bucket_of_person(version.owner), version.owner)
        key_id, cipher, wrapped = _open_or_make_key(record, version, found)
        sealed = seal(
            cipher,
            version.body,
            place=DRAFT_PLACE,
            row_id=name_version(version.draft_id, version.number),
            entropy=record.entropy,
        )
        row = (
            bucket_of(version.draft_id),
            version.draft_id,
            version.number,
            version.product,
            version.client_id,
            version.is_test,
            version.owner,
            key_id,
            sealed,
            actor.kind.value,
            actor.id,
            version.recorded_at,
        )
        leaves = [leaf_of("draft_versions", row)]
        if is_completed:
            event = DraftEvent(kind=DraftEventKind.COMPLETED, recorded_at=version.recorded_at)
            leaves.append(leaf_of("draft_events", _row_of_event(version.draft_id, event, actor)))
        statement = read_sql("insert_draft_completion" if is_completed else "insert_draft_version")
        try:
            await writer.append(connection, statement, (*row, *wrapped), leaves, version.recorded_at)
        except (asyncpg.UniqueViolationError, asyncpg.TransactionRollbackError):
            return False
    return True


async def add_draft_event(record: Record, draft_id: UUID, event: DraftEvent, actor: Actor) -> bool:
    """Write down what happened; False when it had happened before, or the draft had ended otherwise: then that stands.

    Raises
    ------
    Unavailable : the database did not answer; the event may have been written, and reading the draft tells.
    """
    row = _row_of_event(draft_id, event, actor)
    leaves = [leaf_of("draft_events", row)]
    async with record.writer() as writer, record.connection() as connection:
        try:
            await writer.append(connection, read_sql("insert_draft_event"), row, leaves, event.recorded_at)
        except asyncpg.UniqueViolationError:
            return False
    return True


def _row_of_event(draft_id: UUID, event: DraftEvent, actor: Actor) -> tuple[Any, ...]:
    return (
        bucket_of(draft_id),
        draft_id,
        event.kind.value,
        event.complete_by,
        actor.kind.value,
        actor.id,
        event.recorded_at,
    )


def _open_or_make_key(
    record: Record, version: DraftVersion, found: Any
) -> tuple[UUID, AESGCM, tuple[str | None, bytes | None]]:
    """Id and cipher of the owner's data key, and what is stored of it when it is new."""
    if found is not None:
        return found["key_id"], open_data_key(record, found), (None, None)
    key_id = new_id(bucket_of_person(version.owner), version.recorded_at, record.entropy)
    data_key = record.entropy(KEY_BYTES)
    record.key_ring.follow()
    wrapped = record.key_ring.wrap_key(key_id, version.owner, data_key, record.entropy)
    return key_id, AESGCM(data_key), (wrapped.master_key_id, wrapped.wrapped)


def open_version(record: Record, draft_id: UUID, row: Any) -> bytes | None:
    """The body of a draft's version, None when its person was erased; `row` carries it sealed, with its number and its data key."""
    if row["wrapped_key"] is None:
        return None
    row_id = name_version(draft_id, row["number"])
    return unseal(open_data_key(record, row), row["sealed_body"], place=DRAFT_PLACE, row_id=row_id)


def name_version(draft_id: UUID, number: int) -> bytes:
    """What a version is sealed as."""
    return draft_id.bytes + number.to_bytes(2, "big")
