"""Edge. Told events that were not taken: kept sealed, with the reason, until they are recorded after all or dismissed.

The law: a line is in quarantine once, however often it comes: it is known again by a keyed hash. It is sealed under the data key of the
person whose application it names, so that it goes with the person; under a key of chance where none is known. Nothing here is opened but
by its id, and whoever reads a known person's line is written down first.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.access.purposes import Reading
from instant_credit.errors import NotFound, Unavailable
from instant_credit.record.chain import leaf_of
from instant_credit.record.columns import open_data_key, transpose
from instant_credit.record.ids import bucket_of, new_id
from instant_credit.record.persons import find_person, log_read
from instant_credit.record.pool import Record
from instant_credit.record.sealing import KEY_BYTES, seal, unseal
from instant_credit.record.shipped import read_sql

LINE_PLACE: Final = "quarantined_outcomes.line"

_COLUMNS: Final = 17
_ROUNDS_MAX: Final = 8
_OWNER_BYTES: Final = 32


class Origin(Struct, frozen=True, kw_only=True):
    """Where lines came from.

    Attributes
    ----------
    source : ``api`` or ``file``.
    format : ``json``, ``csv`` or ``metro2``.
    book : in which accounts are looked for where a line names none; None = there is no such book.
    is_test : whether they were sent with a key for tests.
    """

    source: str
    format: str
    book: str | None = None
    is_test: bool = False


class RefusedLine(Struct, frozen=True, kw_only=True):
    """A line that was not taken: its number from 1, its bytes, why, and which application it names, None = none that is known.

    `kept` is what is sealed of the bytes by which the line is known again; None = all of them.
    """

    line: int
    raw: bytes
    code: str
    message: str
    case_id: UUID | None = None
    kept: bytes | None = None


class QuarantinedLine(Struct, frozen=True, kw_only=True):
    """A line in quarantine, without what it says. `actor_id` sent it."""

    quarantine_id: UUID
    case_id: UUID | None
    origin: Origin
    line: int
    code: str
    message: str
    actor_id: str
    recorded_at: datetime


class OpenedLine(Struct, frozen=True, kw_only=True):
    """A line in quarantine, opened. `raw` None = its person was erased; `ended` = what became of it, None = it is in quarantine still."""

    told: QuarantinedLine
    raw: bytes | None
    ended: str | None


async def quarantine_lines(record: Record, lines: Sequence[RefusedLine], origin: Origin, actor: Actor) -> list[UUID]:
    """Put lines into quarantine, all or none; their ids in order. A line that is there already stays as it is.

    Raises
    ------
    Unavailable : the database did not answer; the same call may be made again.
    """
    macs = [_name_line(record, line.raw, origin) for line in lines]
    for _ in range(_ROUNDS_MAX):
        found = await _put_new(record, dict(zip(reversed(macs), reversed(lines), strict=True)), origin, actor)
        if found is not None:
            return [found[mac] for mac in macs]
    raise Unavailable("these lines are put into quarantine by somebody else just now: try again")


async def list_quarantined(
    record: Record, *, is_test: bool = False, after: UUID | None = None, limit: int = 1_000
) -> list[QuarantinedLine]:
    """Lines that are in quarantine still, in the order of their ids, which is that of their coming; `after` goes on behind an id."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_quarantined"), is_test, after or UUID(int=0), limit)
    return [_tell(row) for row in rows]


async def open_quarantined(record: Record, quarantine_id: UUID, reading: Reading | None = None) -> OpenedLine:
    """A line with what it says. Who reads it, and for what, is written down first where a person is known.

    Parameters
    ----------
    reading : None = nobody sees it: it is taken in again.

    Raises
    ------
    NotFound : no line of this id was ever in quarantine.
    """
    async with record.connection() as connection:
        row = await connection.fetchrow(read_sql("read_quarantined"), bucket_of(quarantine_id), quarantine_id)
    if row is None:
        raise NotFound("line in quarantine", str(quarantine_id))
    told = _tell(row)
    if row["wrapped_key"] is None:
        return OpenedLine(told=told, raw=None, ended=row["ended"])
    if reading is not None and told.case_id is not None:
        await log_read(record, "identity", await find_person(record, told.case_id), told.case_id, reading)
    raw = unseal(open_data_key(record, row), row["sealed_line"], place=LINE_PLACE, row_id=quarantine_id.bytes)
    return OpenedLine(told=told, raw=raw, ended=row["ended"])


async def end_quarantine(record: Record, quarantine_id: UUID, kind: str, actor: Actor) -> None:
    """Write down that a line was ``recorded`` after all, or ``dismissed``; the first time counts.

    Raises
    ------
    NotFound : no line of this id was ever in quarantine.
    """
    now = record.clock.now()
    row = (bucket_of(quarantine_id), quarantine_id, kind, actor.kind.value, actor.id, now)
    leaves = [leaf_of("quarantine_ends", row)]
    async with record.writer() as writer, record.connection() as connection:
        try:
            await writer.append(connection, read_sql("insert_quarantine_end"), row, leaves, now)
        except asyncpg.UniqueViolationError:
            writer.withdraw()
        except asyncpg.ForeignKeyViolationError:
            raise NotFound("line in quarantine", str(quarantine_id)) from None


def _name_line(record: Record, raw: bytes, origin: Origin) -> bytes:
    """The keyed hash by which the same line of the same kind of source is known again."""
    parts = (origin.format.encode(), (origin.book or "").encode(), b"test" if origin.is_test else b"", raw)
    return record.key_ring.body_mac("outcomes", b"\x00".join(parts))


async def _put_new(
    record: Record, lines: Mapping[bytes, RefusedLine], origin: Origin, actor: Actor
) -> dict[bytes, UUID] | None:
    """Put those that are not there yet; ids of all by their keyed hashes, None when a race was lost."""
    now = record.clock.now()
    async with record.writer() as writer, record.connection() as connection:
        rows = await connection.fetch(read_sql("find_quarantined"), [mac[0] for mac in lines], list(lines))
        found = {row["line_mac"]: UUID(int=row["quarantine_id"].int) for row in rows}
        fresh = {mac: line for mac, line in lines.items() if mac not in found}
        if not fresh:
            return found
        named = [line.case_id for line in fresh.values() if line.case_id is not None]
        keys = await connection.fetch(read_sql("list_keys_of_cases"), [bucket_of(case_id) for case_id in named], named)
        sealing = _Sealing(record, {row["case_id"]: row for row in keys}, now)
        found |= {mac: new_id(mac[0], now, record.entropy) for mac in fresh}
        stored = sorted(
            sealing.write_row(found[mac], mac, line, origin, (actor.kind.value, actor.id, now))
            for mac, line in fresh.items()
        )
        leaves = [leaf_of("quarantined_outcomes", row) for row in stored]
        arguments = (*transpose(stored, _COLUMNS), *sealing.new_key, now, actor.kind.value, actor.id)
        try:
            await writer.append(connection, read_sql("insert_quarantined"), arguments, leaves, now)
        except (asyncpg.UniqueViolationError, asyncpg.TransactionRollbackError):
            writer.withdraw()
            return None
    return found


class _Sealing:
    """Data keys of known persons, and one drawn by chance for all other lines of a statement."""

    def __init__(self, record: Record, keys: Mapping[UUID, Any], now: datetime) -> None:
        self._record = record
        self._keys = keys
        self._now = now
        self._opened: dict[bytes, AESGCM] = {}
        self._chance: tuple[bytes, UUID, AESGCM] | None = None
        self.new_key: tuple[UUID | None, bytes | None, str | None, bytes | None] = (None, None, None, None)

    def write_row(
        self, quarantine_id: UUID, mac: bytes, line: RefusedLine, origin: Origin, written: tuple[str, str, datetime]
    ) -> tuple[Any, ...]:
        """A line as it is stored; `written` is by whom and when."""
        person_id, key_id, cipher = self._find_key(line.case_id)
        kept = line.raw if line.kept is None else line.kept
        sealed = seal(cipher, kept, place=LINE_PLACE, row_id=quarantine_id.bytes, entropy=self._record.entropy)
        told = (origin.source, origin.format, origin.book, line.line, line.code, line.message, origin.is_test)
        return bucket_of(quarantine_id), quarantine_id, mac, person_id, key_id, line.case_id, *told, sealed, *written

    def _find_key(self, case_id: UUID | None) -> tuple[bytes, UUID, AESGCM]:
        row = None if case_id is None else self._keys.get(case_id)
        if row is None:
            return self._draw_key()
        person_id: bytes = row["person_id"]
        if person_id not in self._opened:
            self._opened[person_id] = open_data_key(self._record, row)
        return person_id, row["key_id"], self._opened[person_id]

    def _draw_key(self) -> tuple[bytes, UUID, AESGCM]:
        if self._chance is None:
            entropy, key_ring = self._record.entropy, self._record.key_ring
            owner, data_key = entropy(_OWNER_BYTES), entropy(KEY_BYTES)
            key_id = new_id(owner[0], self._now, entropy)
            key_ring.follow()
            wrapped = key_ring.wrap_key(key_id, owner, data_key, entropy)
            self.new_key = key_id, owner, wrapped.master_key_id, wrapped.wrapped
            self._chance = owner, key_id, AESGCM(data_key)
        return self._chance


def _tell(row: Any) -> QuarantinedLine:
    return QuarantinedLine(
        quarantine_id=UUID(int=row["quarantine_id"].int),
        case_id=None if row["case_id"] is None else UUID(int=row["case_id"].int),
        origin=Origin(source=row["source"], format=row["format"], book=row["book"], is_test=row["is_test"]),
        line=row["line"],
        code=row["code"],
        message=row["message"],
        actor_id=row["actor_id"],
        recorded_at=row["recorded_at"],
    )
