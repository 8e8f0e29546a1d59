"""Edge. A book as one canonical file: Cases, repayment events and Decisions, without ids, persons or times of recording.

Two books hold the same lending history exactly when their exports are the same bytes, whichever database, key ring or interruption
lies behind them. One line is one Case, in JSON; lines are in order of natural key, then of their bytes.
"""

from collections.abc import Iterator
from datetime import date

from msgspec import UNSET, Raw, Struct, UnsetType

from instant_credit.canonical import encode_canonical
from instant_credit.errors import NotFound
from instant_credit.outcome.events import EventKind, RepaymentEvent, order_events
from instant_credit.record.pool import Record
from instant_credit.record.reads import iterate_cases
from instant_credit.record.rows import EventRow, StoredCase
from instant_credit.units import Cents


class BookLine(Struct, frozen=True, kw_only=True):
    """One Case of an export. `case` and `decision` are their canonical JSON, null when erased (`is_erased`) or not decided.

    A `sampling_weight` of 1 is left out, so that a book that is no sample is the same bytes as before there were weights.
    """

    schema_version: int = 1
    natural_key: str | None
    product: str
    as_of: date
    is_erased: bool
    sampling_weight: float | UnsetType = UNSET
    case: Raw | None
    events: tuple[RepaymentEvent, ...]
    decision: Raw | None


def read_event(row: EventRow) -> RepaymentEvent:
    """A recorded event as the outcome room knows it."""
    return RepaymentEvent(
        kind=EventKind(row.kind), amount_cents=Cents(row.amount_cents), event_on=row.event_on, known_on=row.known_on
    )


async def export_book(record: Record, book: str) -> Iterator[bytes]:
    """The lines of a book's canonical export, each with its line feed. The book is held in memory once.

    Raises
    ------
    NotFound : the book holds no Case.
    """
    lines = [
        (case.natural_key or "", _write_line(case))
        async for case in iterate_cases(record, book, with_decisions=True, with_events=True)
    ]
    if not lines:
        raise NotFound("book", book)
    lines.sort()
    return (line for _, line in lines)


def _write_line(case: StoredCase) -> bytes:
    line = BookLine(
        natural_key=case.natural_key,
        product=case.product,
        as_of=case.as_of,
        is_erased=case.is_erased,
        sampling_weight=UNSET if case.sampling_weight == 1 else case.sampling_weight,
        case=None if case.case is None else Raw(case.case),
        events=order_events([read_event(row) for row in case.events]),
        decision=None if case.decision is None else Raw(case.decision),
    )
    return encode_canonical(line) + b"\n"
