"""Repayment events. Pure.

What a borrower did is never one flag but a list of dated events, each with the day it happened and the day the lender could know
of it. A label can therefore be asked as known at any date (`labels.py`), and nothing that was learned later leaks into it.

Nothing is ever overwritten. What was told wrongly is told again by an event that `corrects` the former one and stands in its place
from the day that this was known; an event of kind `VOID` corrects without a replacement. As known on an earlier day the former one stands.
"""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from instant_credit.canonical import encode_canonical
from instant_credit.units import Cents

DAYS_PAST_DUE_MAX: Final = 10_000
EventId = UUID


class EventKind(StrEnum):
    """What happened to a loan, and what its amount is.

    `DISBURSED` paid out; the amount paid out. `INSTALMENT_DUE` fell due; the amount due. `PAYMENT` received; the amount received. `MISSED` an
    instalment that fell due on the day and was not paid; what was due, 0 when that is not told. `DAYS_PAST_DUE` observed so many days past due, 0 when
    nothing is overdue; the amount overdue, 0 when that is not told. `RESTRUCTURED` new terms; the balance. `PAID` repaid in full at its end or by an unknown
    way; everything received. `PREPAID` repaid in full before its end; the amount that ended it. `CHARGED_OFF` written off; the principal
    lost. `RECOVERED` collected after the write-off. `FRAUD`, `DECEASED` and `DISPUTE` were told of; the amount in question, 0 when there is none.
    `VOID` what it corrects did not happen; 0.

    `CURRENT` observed with nothing overdue and `DELINQUENT` observed seriously overdue: states of a single observation, for tapes that tell no
    days; their amount is 0 when the tape does not tell one.
    """

    PAID = "paid"
    CHARGED_OFF = "charged_off"
    RECOVERED = "recovered"
    CURRENT = "current"
    DELINQUENT = "delinquent"
    DISBURSED = "disbursed"
    INSTALMENT_DUE = "instalment_due"
    PAYMENT = "payment"
    MISSED = "missed"
    DAYS_PAST_DUE = "days_past_due"
    RESTRUCTURED = "restructured"
    PREPAID = "prepaid"
    FRAUD = "fraud"
    DECEASED = "deceased"
    DISPUTE = "dispute"
    VOID = "void"


# A member is found through its class at eight times the price of a name, and events come by the million.
_DAYS_PAST_DUE: Final = EventKind.DAYS_PAST_DUE
_VOID: Final = EventKind.VOID


class RepaymentEvent(Struct, frozen=True, kw_only=True, gc=False):
    """One event: it happened on `event_on`, the lender knew on `known_on`, which is never earlier.

    Attributes
    ----------
    days_past_due : told by the kind `DAYS_PAST_DUE` and by no other.
    event_id : names the event, so that it can be corrected; None before it has a name.
    corrects : the event in whose place this one stands; None for what corrects nothing. `VOID` always corrects.
    """

    schema_version: int = 1
    kind: EventKind
    amount_cents: Annotated[Cents, Meta(ge=0)]
    event_on: date
    known_on: date
    days_past_due: Annotated[int, Meta(ge=0, le=DAYS_PAST_DUE_MAX)] | None = None
    event_id: UUID | None = None
    corrects: UUID | None = None

    def __post_init__(self) -> None:
        """Nothing is known before it happened, amounts are not negative, and each kind tells what belongs to it."""
        if self.known_on < self.event_on:
            raise ValueError("an event is not known before it happened")
        if self.amount_cents < 0:
            raise ValueError("an event's amount is not negative")
        if (self.kind is _DAYS_PAST_DUE) != (self.days_past_due is not None):
            raise ValueError("days_past_due belongs to the kind days_past_due")
        if self.days_past_due is not None and not 0 <= self.days_past_due <= DAYS_PAST_DUE_MAX:
            raise ValueError(f"days_past_due lies between 0 and {DAYS_PAST_DUE_MAX}")
        if self.kind is _VOID and self.corrects is None:
            raise ValueError("an event of kind void names what it corrects")
        if self.corrects is not None and self.corrects == self.event_id:
            raise ValueError("an event does not correct itself")


class EventContent(Struct, frozen=True, kw_only=True, gc=False):
    """An event without its name and without what it corrects. What an event does not tell is left out, so that its bytes stay what they
    were before events could tell it.
    """

    schema_version: int = 1
    kind: EventKind
    amount_cents: Cents
    event_on: date
    known_on: date
    days_past_due: int | UnsetType = UNSET


def encode_content(event: RepaymentEvent) -> bytes:
    """Canonical bytes of what an event tells: those of two events are equal when nothing but their names tells them apart."""
    return encode_canonical(
        EventContent(
            schema_version=event.schema_version,
            kind=event.kind,
            amount_cents=event.amount_cents,
            event_on=event.event_on,
            known_on=event.known_on,
            days_past_due=UNSET if event.days_past_due is None else event.days_past_due,
        )
    )


def order_events(events: Sequence[RepaymentEvent]) -> tuple[RepaymentEvent, ...]:
    """The same events by day, day known, kind, amount, days past due and names: the one order in which they are recorded and exported."""
    return tuple(sorted(events, key=_order))


def stand_as_known(events: Sequence[RepaymentEvent], known_on: date) -> tuple[RepaymentEvent, ...]:
    """Of one loan's events those that stood on `known_on`, inclusive, in their order: known by then, and not corrected by then."""
    known = [event for event in events if event.known_on <= known_on]
    corrected = {event.corrects for event in known if event.corrects is not None}
    return order_events(
        [event for event in known if event.kind is not EventKind.VOID and event.event_id not in corrected]
    )


def order_content(event: RepaymentEvent) -> tuple[date, date, str, int, int]:
    """By what an event tells, without its names: day, day known, kind, amount, days past due (-1 when not told)."""
    return (
        event.event_on,
        event.known_on,
        event.kind,
        event.amount_cents,
        -1 if event.days_past_due is None else event.days_past_due,
    )


def _order(event: RepaymentEvent) -> tuple[date, date, str, int, int, str, str]:
    return *order_content(event), str(event.event_id or ""), str(event.corrects or "")
