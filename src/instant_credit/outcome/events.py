"""Repayment events. Pure.

What a borrower did is never one flag but a list of dated events, each with the day it happened and the day the lender could know
of it. A label can therefore be asked as known at any date (`labels.py`), and nothing that was learned later leaks into it.
"""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from instant_credit.units import Cents


class EventKind(StrEnum):
    """What happened to a loan.

    `PAID` repaid in full; the amount is everything received. `CHARGED_OFF` written off; the amount is the principal lost.
    `RECOVERED` collected after the write-off. `CURRENT` observed with nothing overdue and `DELINQUENT` observed seriously overdue:
    states of an early observation, for tapes whose loans are not resolved; their amount is 0 when the tape does not tell one.
    """

    PAID = "paid"
    CHARGED_OFF = "charged_off"
    RECOVERED = "recovered"
    CURRENT = "current"
    DELINQUENT = "delinquent"


class RepaymentEvent(Struct, frozen=True, kw_only=True, gc=False):
    """One event: it happened on `event_on`, the lender knew on `known_on`, which is never earlier."""

    schema_version: int = 1
    kind: EventKind
    amount_cents: Annotated[Cents, Meta(ge=0)]
    event_on: date
    known_on: date

    def __post_init__(self) -> None:
        """Nothing is known before it happened, and amounts are not negative."""
        if self.known_on < self.event_on:
            raise ValueError("an event is not known before it happened")
        if self.amount_cents < 0:
            raise ValueError("an event's amount is not negative")


def order_events(events: Sequence[RepaymentEvent]) -> tuple[RepaymentEvent, ...]:
    """The same events by day, day known, kind and amount: the one order in which they are recorded and exported."""
    return tuple(sorted(events, key=lambda event: (event.event_on, event.known_on, event.kind, event.amount_cents)))
