"""Edge. Repayment events as rows of the record, and back: the one place where the two are told from one another."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from instant_credit.outcome.events import EventKind, RepaymentEvent
from instant_credit.record.ids import bucket_of
from instant_credit.record.rows import EventRow
from instant_credit.units import Cents

KINDS: Final = {kind.value: kind for kind in EventKind}
"""The kinds by the texts that are stored."""

_TEXTS: Final = {kind: text for text, kind in KINDS.items()}


def read_event(row: EventRow) -> RepaymentEvent:
    """A recorded event as the outcome room knows it."""
    return RepaymentEvent(
        kind=KINDS[row.kind],
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


def lay_out_judged(
    judged: Iterable[tuple[UUID, RepaymentEvent, int]], written: tuple[datetime, str, str]
) -> list[tuple[Any, ...]]:
    """Events as they are stored (`columns.event_row` of `write_event`), in order, without a Struct between: they come by the million.

    Parameters
    ----------
    judged : the id of the Case, the event with its name, and its number among the Case's judged events.
    written : when and by whom: instant, kind and id of the actor.
    """
    return [
        (
            bucket_of(case_id),
            case_id,
            event.event_id,
            _TEXTS[event.kind],
            event.amount_cents,
            event.event_on,
            event.known_on,
            *written,
            event.days_past_due,
            event.corrects,
            number,
        )
        for case_id, event, number in judged
    ]
