"""A lender of a journey: which loans it takes, what it learns of them, and when."""

from datetime import date
from uuid import UUID

import pytest

from instant_credit.access.actors import Actor
from instant_credit.application.document import load_product
from instant_credit.application.facts import Facts
from instant_credit.errors import Refused
from instant_credit.factory.timemachine.clock import SimulatedClock
from instant_credit.factory.timemachine.lender import Lender
from instant_credit.factory.timemachine.loans import Loan, read_loans
from instant_credit.outcome.events import EventKind, RepaymentEvent
from instant_credit.record.commit import commit_entries
from instant_credit.record.pool import Record
from instant_credit.record.shipped import read_starter
from instant_credit.units import Cents
from tests.record.entries import make_entry

pytestmark = pytest.mark.anyio

KNOWN_ON = date(2010, 2, 1)


def tell(number: int, kind: EventKind) -> RepaymentEvent:
    return RepaymentEvent(
        kind=kind, amount_cents=Cents(100), event_on=KNOWN_ON, known_on=KNOWN_ON, event_id=UUID(int=number)
    )


async def test_all_that_is_known_of_a_loan_on_one_day_is_learned_on_that_day(record: Record) -> None:
    events = tuple(tell(number, kind) for number, kind in enumerate((EventKind.CHARGED_OFF, EventKind.RECOVERED), 1))
    loan = Loan(key="one", person="one", as_of=date(2009, 1, 1), facts=Facts(), events=events)
    clock = SimulatedClock(date(2010, 1, 31))
    product = load_product(read_starter("products", "personal_loan"))
    lender = Lender(record, clock, product, [loan], sees_all=False)
    await lender.take_over(clock.now().date())
    await lender.learn()
    assert not lender.known
    clock.move_to(KNOWN_ON)
    await lender.learn()
    assert lender.known == {0: list(events)}


async def test_a_sample_is_not_lived_through(record: Record, actor: Actor) -> None:
    await commit_entries(record, [make_entry(record, 1, sampling_weight=10.5)], actor)
    product = load_product(read_starter("products", "personal_loan"))
    with pytest.raises(Refused, match=r"a Case stands for 10\.5 loans"):
        await read_loans(record, "tape", product, date(2012, 1, 1))
