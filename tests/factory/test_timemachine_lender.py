"""A lender of a journey: what it learns of its loans, and when."""

from datetime import date
from uuid import UUID

import pytest

from instant_credit.application.document import load_product
from instant_credit.application.facts import Facts
from instant_credit.factory.timemachine.clock import SimulatedClock
from instant_credit.factory.timemachine.lender import Lender
from instant_credit.factory.timemachine.loans import Loan
from instant_credit.outcome.events import EventKind, RepaymentEvent
from instant_credit.record.pool import Record
from instant_credit.record.shipped import read_starter
from instant_credit.units import Cents

pytestmark = pytest.mark.anyio

KNOWN_ON = date(2010, 2, 1)


def tell(number: int, kind: EventKind) -> RepaymentEvent:
    return RepaymentEvent(
        kind=kind, amount_cents=Cents(100), event_on=KNOWN_ON, known_on=KNOWN_ON, event_id=UUID(int=number)
    )


async def test_all_that_is_known_of_a_loan_on_one_day_is_learned_on_that_day(record: Record) -> None:
    events = tuple(tell(number, kind) for number, kind in enumerate((EventKind.CHARGED_OFF, EventKind.RECOVERED), 1))
    loan = Loan(key="one", person="one", as_of=date(2009, 1, 1), facts=Facts(), weight=1.0, events=events)
    clock = SimulatedClock(date(2010, 1, 31))
    product = load_product(read_starter("products", "personal_loan"))
    lender = Lender(record, clock, product, [loan], sees_all=False)
    await lender.take_over(clock.now().date())
    await lender.learn()
    assert not lender.known
    clock.move_to(KNOWN_ON)
    await lender.learn()
    assert lender.known == {0: list(events)}
