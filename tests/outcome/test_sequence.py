"""What can happen in the life of a loan, and what cannot."""

from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.outcome.events import EventKind, RepaymentEvent, stand_as_known
from instant_credit.outcome.sequence import FaultCode, LoanHistory, make_fault
from instant_credit.units import Cents
from tests.budget import examples
from tests.naive.sequence import naive_faults, naive_standing

START = date(2012, 1, 1)
TODAY = date(2013, 1, 1)


def told(
    kind: str,
    day: int,
    number: int = 0,
    *,
    days_past_due: int | None = None,
    corrects: int | None = None,
    known: int = 0,
) -> RepaymentEvent:
    event_on = START + timedelta(days=day)
    return RepaymentEvent(
        kind=EventKind(kind),
        amount_cents=Cents(100),
        event_on=event_on,
        known_on=event_on + timedelta(days=known),
        days_past_due=days_past_due,
        event_id=UUID(int=number),
        corrects=None if corrects is None else UUID(int=corrects),
    )


def overdue(day: int, days_past_due: int, number: int = 0) -> RepaymentEvent:
    return told("days_past_due", day, number, days_past_due=days_past_due)


def code_of(events: list[RepaymentEvent], event: RepaymentEvent) -> str | None:
    fault = LoanHistory(START, events).find_fault(event, TODAY)
    return None if fault is None else fault.code


def test_a_life_from_disbursement_to_recovery_is_possible() -> None:
    history = LoanHistory(START)
    life = [
        told("disbursed", 2), told("instalment_due", 32), told("payment", 32), told("instalment_due", 62), told("missed", 62),
        overdue(92, 30), told("restructured", 93), told("dispute", 100), overdue(122, 60), overdue(152, 10), overdue(252, 110),
        told("charged_off", 260), told("recovered", 260), told("recovered", 300), told("deceased", 310), told("fraud", 320),
    ]  # fmt: skip
    for number, event in enumerate(life, start=1):
        named = told(event.kind, (event.event_on - START).days, number, days_past_due=event.days_past_due)
        assert history.find_fault(named, TODAY) is None, event
        history.add(named)
    assert len(history.standing()) == len(life)
    assert (history.charged_off_on, history.repaid_on) == (START + timedelta(days=260), None)


PAID = [told("disbursed", 2, 1), told("payment", 30, 2), told("paid", 60, 3)]
LOST = [told("disbursed", 2, 1), overdue(40, 8, 2), told("charged_off", 60, 3), told("recovered", 70, 4)]


@pytest.mark.parametrize(
    ("events", "event", "code"),
    [
        ([], told("payment", 0), None),
        ([], told("disbursed", -1), None),
        ([], told("payment", -2), "EVENT_BEFORE_APPLICATION"),
        ([], told("dispute", -2), "EVENT_BEFORE_APPLICATION"),
        ([], told("payment", 366), None),
        ([], told("payment", 366, known=1), "KNOWN_IN_FUTURE"),
        (PAID[:1], told("payment", 1), "EVENT_BEFORE_DISBURSEMENT"),
        (PAID[:1], told("payment", 2), None),
        (PAID[:1], told("dispute", 1), None),
        (PAID[:1], told("disbursed", 3), "DISBURSED_BEFORE"),
        (PAID[:1], told("disbursed", 1), "DISBURSED_BEFORE"),
        (PAID[1:2], told("disbursed", 30), None),
        (PAID[1:2], told("disbursed", 31), "EARLIER_EVENT_STANDS"),
        (PAID, told("payment", 61), "EVENT_AFTER_REPAYMENT"),
        (PAID, told("payment", 60), None),
        (PAID, told("recovered", 61), "EVENT_AFTER_REPAYMENT"),
        (PAID, told("recovered", 60), "RECOVERED_WITHOUT_CHARGE_OFF"),
        (PAID, told("prepaid", 60), "ENDED_BEFORE"),
        (PAID, told("charged_off", 20), "ENDED_BEFORE"),
        (PAID, told("fraud", 61), None),
        (LOST, told("payment", 61), "EVENT_AFTER_CHARGE_OFF"),
        (LOST, told("payment", 60), None),
        (LOST, overdue(61, 29), "EVENT_AFTER_CHARGE_OFF"),
        (LOST, told("recovered", 60), None),
        (LOST, told("recovered", 59), "RECOVERED_WITHOUT_CHARGE_OFF"),
        (LOST, told("charged_off", 60), "ENDED_BEFORE"),
        (LOST, told("paid", 90), "ENDED_BEFORE"),
        (PAID[:2], told("charged_off", 29), "LATER_EVENT_STANDS"),
        (PAID[:2], told("paid", 29), "LATER_EVENT_STANDS"),
        (PAID[:2], told("paid", 30), None),
        ([], overdue(10, 11), None),
        ([], overdue(10, 12), "OVERDUE_BEFORE_START"),
        (PAID[:1], overdue(10, 8), None),
        (PAID[:1], overdue(10, 9), "OVERDUE_BEFORE_START"),
        ([overdue(10, 9, 1)], told("disbursed", 1), None),
        ([overdue(10, 9, 1)], told("disbursed", 2), "OVERDUE_BEFORE_START"),
        ([overdue(40, 8, 1)], overdue(41, 9), None),
        ([overdue(40, 8, 1)], overdue(41, 10), "OVERDUE_TOO_FAST"),
        ([overdue(40, 8, 1)], overdue(39, 7), None),
        ([overdue(40, 8, 1)], overdue(39, 6), "OVERDUE_TOO_FAST"),
        ([overdue(40, 8, 1)], overdue(39, 20), None),
        ([overdue(40, 8, 1)], overdue(40, 8), None),
        ([overdue(40, 8, 1)], overdue(40, 7), "OVERDUE_TOO_FAST"),
        (PAID, told("payment", 30, corrects=9), "CORRECTED_EVENT_UNKNOWN"),
        (PAID, told("void", 30, corrects=2), None),
        ([told("payment", 30, 2, known=3)], told("void", 32, corrects=2), "CORRECTED_BEFORE_KNOWN"),
        ([*PAID, told("void", 70, 4, corrects=3)], told("void", 70, corrects=3), "CORRECTED_EVENT_REPLACED"),
        ([*PAID, told("void", 70, 4, corrects=3)], told("void", 70, corrects=4), "CORRECTED_EVENT_REPLACED"),
        ([*PAID, told("void", 70, 4, corrects=3)], told("payment", 61), None),
        (PAID, told("paid", 61, corrects=3), None),
        (PAID, told("charged_off", 61, corrects=3), None),
        (PAID, told("paid", 61, corrects=2), "ENDED_BEFORE"),
        (LOST, told("void", 70, corrects=3), "RECOVERED_WITHOUT_CHARGE_OFF"),
        (LOST, told("charged_off", 70, corrects=3), None),
        (LOST, told("charged_off", 71, corrects=3), "RECOVERED_WITHOUT_CHARGE_OFF"),
        (LOST, told("void", 70, corrects=4), None),
    ],
)
def test_each_rule_has_its_code(events: list[RepaymentEvent], event: RepaymentEvent, code: str | None) -> None:
    named = told(
        event.kind, (event.event_on - START).days, 50, days_past_due=event.days_past_due,
        corrects=None if event.corrects is None else event.corrects.int, known=(event.known_on - event.event_on).days,
    )  # fmt: skip
    assert code_of(events, named) == code


def test_every_fault_says_what_to_do() -> None:
    messages = [make_fault(code).message for code in FaultCode]
    assert len(set(messages)) == len(FaultCode)
    assert all(20 <= len(message) <= 200 for message in messages)


def test_what_is_taken_back_out_leaves_no_trace() -> None:
    history = LoanHistory(START, LOST)
    history.add(told("void", 80, 9, corrects=4))
    history.remove([UUID(int=9)])
    assert history.standing() == LOST
    history.remove([UUID(int=4), UUID(int=3)])
    assert history.find_fault(told("payment", 61, 9), TODAY) is None


@st.composite
def attempts(draw: st.DrawFn) -> list[RepaymentEvent]:
    """Events as they might be told, possible and impossible ones; the name of each is its place."""
    tried = []
    for number in range(draw(st.integers(0, 14))):
        kind = draw(st.sampled_from([*EventKind, EventKind.VOID, EventKind.DAYS_PAST_DUE, EventKind.DAYS_PAST_DUE]))
        corrects = draw(st.one_of(st.none(), st.none(), st.integers(0, 14).filter(lambda one, own=number: one != own)))
        if kind is EventKind.VOID and corrects is None:
            corrects = number + 20
        days = draw(st.integers(0, 15)) if kind is EventKind.DAYS_PAST_DUE else None
        day, known = draw(st.integers(-2, 20)), draw(st.integers(0, 5))
        tried.append(told(kind, day, number, days_past_due=days, corrects=corrects, known=known))
    return tried


@examples(300)
@given(attempts())
def test_a_history_judges_as_all_pairs_do(tries: list[RepaymentEvent]) -> None:
    today = START + timedelta(days=21)
    history, events = LoanHistory(START), list[RepaymentEvent]()
    for event in tries:
        expected = naive_faults(events, event, START, today)
        fault = history.find_fault(event, today)
        assert (fault is None) == (not expected), (events, event, expected)
        assert fault is None or FaultCode(fault.code) in expected
        if fault is None:
            history.add(event)
            events.append(event)
    assert history.standing() == naive_standing(events)
    assert set(stand_as_known(events, today)) == set(history.standing())


@given(attempts())
def test_what_is_possible_is_possible_in_a_history_that_was_read_anew(tries: list[RepaymentEvent]) -> None:
    history, events = LoanHistory(START), list[RepaymentEvent]()
    for event in tries:
        anew = LoanHistory(START, reversed(events)).find_fault(event, TODAY)
        assert history.find_fault(event, TODAY) == anew
        if anew is None:
            history.add(event)
            events.append(event)
