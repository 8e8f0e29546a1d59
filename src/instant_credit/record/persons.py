"""Edge. Persons: what stands of one, holds against erasure, erasure by destroying the data key, and the log of who read what.

Law of the file: a person is erased when retention has passed and no hold stands, and not before; the database decides it, in the statement that
destroys the keys (migration 0046). A draft that named nobody at first is held and erased with the person whom it names since. Cases, Decisions
and answers stay as ciphertext that nothing opens. Whoever reads data of a person in the clear is written down before the data leave.
"""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.access.purposes import BookPurpose, ErasureReason, HoldReason, Reading, ReleaseReason
from instant_credit.errors import NotFound, Refused, Unavailable
from instant_credit.record.chain import leaf_of
from instant_credit.record.ids import bucket_of, new_id
from instant_credit.record.pool import Record, passing_as_unavailable
from instant_credit.record.read_log import ReadNote, log_reads
from instant_credit.record.sealing import bucket_of_person
from instant_credit.record.shipped import read_sql

RETENTION_MONTHS: Final = 25
RETENTION_SOURCE: Final = "12 CFR 1002.12(b)"


class Hold(Struct, frozen=True, kw_only=True):
    """A hold; `released_at` None = it stands. Actors are their ids."""

    hold_id: UUID
    reason: str
    actor_id: str
    recorded_at: datetime
    release_reason: str | None
    release_actor_id: str | None
    released_at: datetime | None


class Erasure(Struct, frozen=True, kw_only=True):
    """An erasure: which data key was destroyed, why, by whom and when."""

    key_id: UUID
    reason: str
    actor_id: str
    recorded_at: datetime


class PersonalRead(Struct, frozen=True, kw_only=True):
    """Somebody read data of a person: one Case's (`case_id`), all of them, or a book that holds one (`book`)."""

    read_id: UUID
    kind: str
    purpose: str
    case_id: UUID | None
    book: str | None
    actor_kind: str
    actor_id: str
    recorded_at: datetime


class Person(Struct, frozen=True, kw_only=True):
    """What stands of a person, or of a draft that names nobody, without any of it in the clear.

    Attributes
    ----------
    person_id : 32 bytes.
    key_id : the present data key; None = erased, and no application since.
    cases, drafts : how many are recorded, readable or not.
    last_action_at, kept_until : of the last action on any Case or draft, and 25 months after it.
    holds : on the person and on drafts that became the person's, oldest first.
    erasures : oldest first.
    """

    person_id: bytes
    key_id: UUID | None
    cases: int
    drafts: int
    last_action_at: datetime
    kept_until: datetime
    holds: tuple[Hold, ...]
    erasures: tuple[Erasure, ...]

    @property
    def standing_holds(self) -> tuple[Hold, ...]:
        """The holds that have not ended."""
        return tuple(hold for hold in self.holds if hold.released_at is None)


async def find_person(record: Record, case_id: UUID) -> bytes:
    """Whose Case it is: a person id.

    Raises
    ------
    NotFound : there is no such Case.
    """
    return await _find_owner(record, "read_person_of_case", "application", case_id)


async def find_drafter(record: Record, draft_id: UUID) -> bytes:
    """Whose draft it is: a person id, or the draft's own owner while it names nobody. Either can be held, exported and erased.

    Raises
    ------
    NotFound : there is no such draft.
    """
    return await _find_owner(record, "read_owner_of_draft", "draft", draft_id)


async def read_person(record: Record, person_id: bytes) -> Person:
    """What stands of a person.

    Raises
    ------
    NotFound : nothing of this person is recorded.
    """
    bucket = bucket_of_person(person_id)
    async with record.connection() as connection:
        row = await connection.fetchrow(read_sql("read_person"), bucket, person_id)
        holds = await connection.fetch(read_sql("list_person_holds"), bucket, person_id)
        erasures = await connection.fetch(read_sql("list_person_erasures"), bucket, person_id)
    if row["last_action_at"] is None:
        raise NotFound("person", "of this identity number")
    return Person(
        person_id=person_id,
        key_id=None if row["key_id"] is None else _uuid(row["key_id"]),
        cases=row["cases"],
        drafts=row["drafts"],
        last_action_at=row["last_action_at"],
        kept_until=row["kept_until"],
        holds=tuple(
            Hold(
                hold_id=_uuid(hold["hold_id"]),
                reason=hold["reason"],
                actor_id=hold["actor_id"],
                recorded_at=hold["recorded_at"],
                release_reason=hold["release_reason"],
                release_actor_id=hold["release_actor_id"],
                released_at=hold["released_at"],
            )
            for hold in holds
        ),
        erasures=tuple(
            Erasure(
                key_id=_uuid(erasure["key_id"]),
                reason=erasure["reason"],
                actor_id=erasure["actor_id"],
                recorded_at=erasure["recorded_at"],
            )
            for erasure in erasures
        ),
    )


async def place_hold(record: Record, person_id: bytes, reason: HoldReason, actor: Actor) -> UUID:
    """Hold a person's data back from erasure until the hold is released; returns its id.

    Raises
    ------
    NotFound : there is no data key of this person: never recorded, or erased.
    """
    bucket, now = bucket_of_person(person_id), record.clock.now()
    hold_id = new_id(bucket, now, record.entropy)
    row = (bucket, hold_id, person_id, reason.value, actor.kind.value, actor.id, now)
    leaves = [leaf_of("person_holds", row)]
    async with record.writer() as writer, record.connection() as connection:
        placed = await writer.append_some(connection, read_sql("insert_person_hold"), row, leaves, now)
    if placed is None:
        raise NotFound("data key", "of this person")
    return hold_id


async def release_hold(record: Record, hold_id: UUID, reason: ReleaseReason, actor: Actor) -> None:
    """End a hold; ending it again changes nothing.

    Raises
    ------
    NotFound : there is no such hold.
    """
    now = record.clock.now()
    row = (bucket_of(hold_id), hold_id, reason.value, actor.kind.value, actor.id, now)
    leaves = [leaf_of("person_hold_releases", row)]
    async with record.writer() as writer, record.connection() as connection:
        try:
            await writer.append_some(connection, read_sql("insert_person_hold_release"), row, leaves, now)
        except asyncpg.ForeignKeyViolationError:
            raise NotFound("hold", str(hold_id)) from None


async def erase_person(record: Record, owner: Any, person_id: bytes, reason: ErasureReason, actor: Actor) -> UUID:
    """Destroy a person's data key, and those of the person's drafts from before they named the person; returns the id of the former.

    Everything that was sealed under them is unreadable from then on, for everybody.

    Parameters
    ----------
    owner : the owner's connection (`owning.open_owner`).

    Raises
    ------
    NotFound : nothing of this person is recorded.
    Refused : retention has not passed or a hold stands; the message gives the dates. Or the person is erased already.
    Unavailable : too much is being recorded at once; the same call may be made again.
    """
    person = await read_person(record, person_id)
    if person.key_id is None:
        when = f" since {person.erasures[-1].recorded_at:%Y-%m-%d}" if person.erasures else ""
        raise Refused(f"this person is erased{when}: there is no data key to destroy")
    now = record.clock.now()
    told = (reason.value, actor.kind.value, actor.id, now)
    async with record.connection() as connection:
        drafts = await connection.fetch(read_sql("list_person_draft_keys"), person_id)
    own = (bucket_of_person(person_id), person.key_id, person_id)
    erasures = [(*own, *told), *((row["bucket"], row["key_id"], row["owner_id"], *told) for row in drafts)]
    async with record.writer() as writer:
        link = writer.compose([leaf_of("person_erasures", erasure) for erasure in erasures], now)
        with passing_as_unavailable():
            row = await owner.fetchrow(
                read_sql("erase_person"), *own, *told, [draft["key_id"] for draft in drafts], *link.arguments()
            )
        if row["is_erased"]:
            writer.settle()
            return person.key_id
    in_the_way = []
    if row["kept_until"] > row["judged_at"]:
        clock = "" if row["judged_at"] == now else f"; the database's clock says {row['judged_at']:%Y-%m-%d}"
        in_the_way.append(
            f"the last action on an application was on {row['last_action_at']:%Y-%m-%d}, and it is kept for {RETENTION_MONTHS} "
            f"months, until {row['kept_until']:%Y-%m-%d} ({RETENTION_SOURCE}){clock}"
        )
    if row["holds"]:
        in_the_way += [
            f"hold {hold.hold_id} ({hold.reason}) stands since {hold.recorded_at:%Y-%m-%d}"
            for hold in (await read_person(record, person_id)).standing_holds
        ]
    if not in_the_way:
        raise Unavailable("this person's data key changed meanwhile: run the command again")
    raise Refused("not erased: " + "; ".join(in_the_way))


async def log_read(record: Record, kind: str, person_id: bytes, case_id: UUID | None, reading: Reading) -> None:
    """Write down that data of a person are read in the clear, before they are given away; `kind` and `case_id` as of a `ReadNote`."""
    await log_reads(record, [ReadNote(kind=kind, person_id=person_id, case_id=case_id, reading=reading)])


async def log_book_read(record: Record, book: str, purpose: BookPurpose, actor: Actor) -> None:
    """Write down that a whole book is taken in the clear, before it is given away."""
    now = record.clock.now()
    row = (new_id(0, now, record.entropy), book, purpose.value, actor.kind.value, actor.id, now)
    leaves = [leaf_of("book_reads", row)]
    async with record.writer() as writer, record.connection() as connection:
        await writer.append(connection, read_sql("insert_book_read"), row, leaves, now)


async def list_reads(record: Record, person_id: bytes) -> tuple[PersonalRead, ...]:
    """Who read data of a person, oldest first."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_person_reads"), bucket_of_person(person_id), person_id)
    return tuple(
        PersonalRead(
            read_id=_uuid(row["read_id"]),
            kind=row["kind"],
            purpose=row["purpose"],
            case_id=None if row["case_id"] is None else _uuid(row["case_id"]),
            book=row["book"],
            actor_kind=row["actor_kind"],
            actor_id=row["actor_id"],
            recorded_at=row["recorded_at"],
        )
        for row in rows
    )


async def _find_owner(record: Record, statement: str, what: str, row_id: UUID) -> bytes:
    async with record.connection() as connection:
        found = await connection.fetchval(read_sql(statement), bucket_of(row_id), row_id)
    if found is None:
        raise NotFound(what, str(row_id))
    return bytes(found)


def _uuid(value: Any) -> UUID:
    """A plain UUID: asyncpg's own subclass equals it, but msgspec does not encode it."""
    return UUID(int=value.int)
