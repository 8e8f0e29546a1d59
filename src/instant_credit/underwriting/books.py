"""Edge. A book as one canonical file: Cases, repayment events and Decisions, without ids, persons or times of recording.

Two books hold the same lending history exactly when their exports are the same bytes, whichever database, key ring or interruption
lies behind them. One line is one Case, in JSON; lines are in order of natural key, then of their bytes.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from uuid import UUID

from msgspec import UNSET, Raw, Struct, UnsetType

from instant_credit.canonical import encode_canonical
from instant_credit.errors import NotFound
from instant_credit.outcome.events import EventContent, RepaymentEvent, order_content
from instant_credit.record.pool import Record
from instant_credit.record.reads import iterate_cases
from instant_credit.record.repayments import read_event
from instant_credit.record.rows import StoredCase


class BookEvent(EventContent, frozen=True, kw_only=True, gc=False):
    """One event of an export. `corrects` is the place, from 0, of the event in whose place it stands, among the Case's in their order."""

    corrects: int | UnsetType = UNSET


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
    events: tuple[BookEvent, ...]
    decision: Raw | None


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
        events=lay_out_events([read_event(row) for row in case.events]),
        decision=None if case.decision is None else Raw(case.decision),
    )
    return encode_canonical(line) + b"\n"


def lay_out_events(events: Sequence[RepaymentEvent]) -> tuple[BookEvent, ...]:
    """One Case's events without their names: by what they tell, then by what they corrected and by what corrected them.

    Where nothing else tells two events apart, their names order them: either order then gives the same bytes.
    """
    former = {event.event_id: event for event in events}
    later: dict[UUID | None, RepaymentEvent] = {event.corrects: event for event in events if event.corrects is not None}

    def order(event: RepaymentEvent) -> tuple[object, ...]:
        before = _follow(event, lambda one: former.get(one.corrects))
        after = _follow(event, lambda one: later.get(one.event_id))
        told = [[order_content(one) for one in chain] for chain in (before, after)]
        return *order_content(event), *told, str(before[-1].event_id)

    ordered = sorted(events, key=order)
    places = {event.event_id: place for place, event in enumerate(ordered)}
    return tuple(
        BookEvent(
            schema_version=event.schema_version,
            kind=event.kind,
            amount_cents=event.amount_cents,
            event_on=event.event_on,
            known_on=event.known_on,
            days_past_due=UNSET if event.days_past_due is None else event.days_past_due,
            corrects=UNSET if event.corrects is None else places.get(event.corrects, UNSET),
        )
        for event in ordered
    )


def _follow(event: RepaymentEvent, step: Callable[[RepaymentEvent], RepaymentEvent | None]) -> list[RepaymentEvent]:
    """The event and those that `step` leads to one after the other, each once."""
    chain = [event]
    while (found := step(chain[-1])) is not None and found not in chain:
        chain.append(found)
    return chain
