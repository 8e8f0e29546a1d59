"""Edge. Repayment events as rows of the record, and back: the one place where the two are told from one another."""

from uuid import UUID

from instant_credit.outcome.events import EventKind, RepaymentEvent
from instant_credit.record.rows import EventRow
from instant_credit.units import Cents


def read_event(row: EventRow) -> RepaymentEvent:
    """A recorded event as the outcome room knows it."""
    return RepaymentEvent(
        kind=EventKind(row.kind),
        amount_cents=Cents(row.amount_cents),
        event_on=row.event_on,
        known_on=row.known_on,
        days_past_due=row.days_past_due,
        event_id=row.event_id,
        corrects=row.corrects,
    )


def write_event(event: RepaymentEvent, event_id: UUID, number: int | None = None) -> EventRow:
    """An event as it is recorded under a name.

    Parameters
    ----------
    number : among the events of its Case that were judged on their history; None = it came with a tape.
    """
    return EventRow(
        event_id=event_id,
        kind=event.kind.value,
        amount_cents=event.amount_cents,
        event_on=event.event_on,
        known_on=event.known_on,
        days_past_due=event.days_past_due,
        corrects=event.corrects,
        number=number,
    )
