"""Edge. What a person applied for before: read in one snapshot with the number that the next application takes.

The law: whoever decides on a history writes the number that followed it (`Entry.person_number`). Of two entries with one number the first
stands and the second is `outrun`: it was decided on a history that is no longer whole.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from instant_credit.record.ids import least_id
from instant_credit.record.pool import Record
from instant_credit.record.sealing import bucket_of_person
from instant_credit.record.shipped import read_sql


class PriorRow(Struct, frozen=True, kw_only=True):
    """An earlier application: when and how it was decided, and whether its offer was accepted."""

    recorded_at: datetime
    outcome: str
    is_accepted: bool


class HistoryRows(Struct, frozen=True, kw_only=True):
    """A person's earlier applications, the latest first, and the number that an application decided on them takes."""

    next_number: int
    priors: tuple[PriorRow, ...]


class HistoryAsked(Struct, frozen=True, kw_only=True):
    """Whose history is asked for: of one book, since an instant."""

    person_id: bytes
    book: str
    since: datetime


async def read_histories(record: Record, asked: Sequence[HistoryAsked], *, most: int) -> list[HistoryRows]:
    """The latest applications of each, at most `most`, in the order of asking; all in one snapshot."""
    least = [least_id(one.since) for one in asked]
    async with record.connection() as connection:
        rows = await connection.fetch(
            read_sql("read_histories"),
            [bucket_of_person(one.person_id) for one in asked],
            [one.person_id for one in asked],
            [one.book for one in asked],
            least,
            min(least),
            most,
        )
    return [
        HistoryRows(
            next_number=row["last_number"] + 1,
            priors=tuple(
                PriorRow(recorded_at=recorded_at, outcome=outcome, is_accepted=is_accepted)
                for recorded_at, outcome, is_accepted in zip(
                    row["recorded_ats"], row["outcomes"], row["are_accepted"], strict=True
                )
            ),
        )
        for row in rows
    ]
