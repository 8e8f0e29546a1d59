"""Edge. The log of reads: who read data of which person in the clear, and for what, written down before the data leave.

Reads that wait together are written by one commit, in a lane of their own: clients read their decisions as often as they apply, and no application
waits for that.
"""

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from instant_credit.access.purposes import Reading
from instant_credit.record.chain import leaf_of
from instant_credit.record.columns import transpose
from instant_credit.record.grouping import WRITE_SECONDS, Grouping
from instant_credit.record.ids import new_id
from instant_credit.record.pool import Record
from instant_credit.record.sealing import bucket_of_person
from instant_credit.record.shipped import read_sql

_COLUMNS = 9
_NS = 1_000_000_000


class ReadNote(Struct, frozen=True, kw_only=True):
    """One read.

    Attributes
    ----------
    kind : ``decision`` or ``identity`` of the Case `case_id`; ``person`` (then None): everything.
    """

    kind: str
    person_id: bytes
    case_id: UUID | None
    reading: Reading


class ReadLog:
    """Writes reads down in groups."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._grouping = Grouping[ReadNote, None](self._write, record.clock)

    async def log(self, note: ReadNote) -> None:
        """Write down one read; the data may leave once this has returned.

        Raises
        ------
        Unavailable : it was not written down, or nobody knows whether it was.
        """
        until_ns = self._record.clock.monotonic_ns() + int(WRITE_SECONDS * _NS)
        await self._grouping.submit(note, until_ns=until_ns)

    async def drain(self) -> None:
        """Return when nothing waits and nothing is being written."""
        await self._grouping.drain()

    async def _write(self, notes: Sequence[ReadNote]) -> list[None]:
        await log_reads(self._record, notes)
        return [None] * len(notes)


async def log_reads(record: Record, notes: Sequence[ReadNote]) -> None:
    """Write down reads (at least one) by one commit, before the data are given away."""
    now = record.clock.now()
    rows = []
    for note in notes:
        bucket, reading = bucket_of_person(note.person_id), note.reading
        rows.append(
            (
                bucket,
                new_id(bucket, now, record.entropy),
                note.person_id,
                note.case_id,
                note.kind,
                reading.purpose.value,
                reading.actor.kind.value,
                reading.actor.id,
                now,
            )
        )
    leaves = [leaf_of("personal_data_reads", row) for row in rows]
    async with record.writer() as writer, record.connection() as connection:
        statement = read_sql("insert_personal_data_reads")
        await writer.append(connection, statement, transpose(rows, _COLUMNS), leaves, now)
