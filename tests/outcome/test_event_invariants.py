"""What no event can say of itself."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from instant_credit.errors import Refused
from instant_credit.outcome.events import DAYS_PAST_DUE_MAX, EventKind, RepaymentEvent
from instant_credit.outcome.inbound import check_book
from instant_credit.outcome.sequence import LoanHistory
from instant_credit.units import Cents

DAY = date(2012, 1, 1)
ONE = UUID(int=1)


def make(**changes: Any) -> RepaymentEvent:
    told = {"kind": EventKind.PAYMENT, "amount_cents": Cents(1), "event_on": DAY, "known_on": DAY, "event_id": ONE}
    return RepaymentEvent(**{**told, **changes})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"known_on": date(2011, 12, 31)}, "not known before it happened"),
        ({"amount_cents": -1}, "not negative"),
        ({"days_past_due": 1}, "belongs to the kind days_past_due"),
        ({"kind": EventKind.DAYS_PAST_DUE}, "belongs to the kind days_past_due"),
        ({"kind": EventKind.DAYS_PAST_DUE, "days_past_due": -1}, "lies between"),
        ({"kind": EventKind.DAYS_PAST_DUE, "days_past_due": DAYS_PAST_DUE_MAX + 1}, "lies between"),
        ({"kind": EventKind.VOID}, "names what it corrects"),
        ({"corrects": ONE}, "does not correct itself"),
    ],
)
def test_an_event_that_makes_no_sense_is_none(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        make(**changes)


def test_a_history_counts_what_stands_and_what_does_not() -> None:
    history = LoanHistory(DAY, [make(), make(kind=EventKind.VOID, event_id=UUID(int=2), corrects=ONE)])
    assert (len(history), history.standing()) == (2, [])


@pytest.mark.parametrize("book", ["", "No Book", "x" * 65, "-x"])
def test_a_book_has_a_book_s_name(book: str) -> None:
    check_book("lending_club")
    with pytest.raises(Refused, match="a book's name is"):
        check_book(book)
