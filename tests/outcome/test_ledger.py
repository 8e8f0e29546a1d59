from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from instant_credit.outcome.events import EventKind
from instant_credit.outcome.histories import NEVER, lay_out_histories
from instant_credit.outcome.ledger import trace_instalments, trace_instalments_many
from instant_credit.units import days_from_date
from tests.budget import examples
from tests.outcome.histories import FIRST, event

DUE, PAY, MISS = EventKind.INSTALMENT_DUE, EventKind.PAYMENT, EventKind.MISSED
LEDGER_KINDS = (DUE, DUE, DUE, PAY, PAY, PAY, MISS, EventKind.PAID, EventKind.RESTRUCTURED, EventKind.CURRENT)

moves = st.builds(
    event, st.sampled_from(LEDGER_KINDS), st.integers(0, 12), st.just(0), st.sampled_from((0, 1, 50, 100, 150, 300))
)


def trace(*told):
    """(day due, day settled) of each instalment; None = open."""
    return [
        ((one.due_on - FIRST).days, None if one.settled_on is None else (one.settled_on - FIRST).days)
        for one in trace_instalments(told)
    ]


def test_the_oldest_instalment_is_paid_first_and_in_parts():
    assert trace(event(DUE, 1), event(DUE, 2), event(PAY, 3, cents=150)) == [(1, 3), (2, None)]
    assert trace(event(DUE, 1), event(PAY, 3, cents=60), event(PAY, 5, cents=40)) == [(1, 5)]


def test_what_was_paid_too_much_pays_the_next_instalment_on_its_day():
    assert trace(event(DUE, 1), event(PAY, 1, cents=250), event(DUE, 5), event(DUE, 9)) == [(1, 1), (5, 5), (9, None)]


def test_a_missed_instalment_is_open_whatever_was_paid_before():
    assert trace(event(PAY, 1, cents=900), event(MISS, 5)) == [(5, None)]
    assert trace(
        event(PAY, 1, cents=900), event(DUE, 5, cents=70), event(MISS, 5, cents=0), event(PAY, 7, cents=69)
    ) == [(5, None)]
    assert trace(event(MISS, 5, cents=0), event(PAY, 7, cents=1)) == [(5, 7)]


def test_an_end_of_the_ledger_leaves_nothing_open_and_no_credit():
    for kind in (EventKind.PAID, EventKind.PREPAID, EventKind.RESTRUCTURED, EventKind.CHARGED_OFF):
        assert trace(event(DUE, 1), event(kind, 4), event(DUE, 6)) == [(1, 4), (6, None)]
        assert trace(event(PAY, 1), event(kind, 4), event(DUE, 6)) == [(6, None)]


def test_an_amount_of_nothing_is_no_instalment():
    assert trace(event(DUE, 1, cents=0)) == []


@examples(100)
@given(st.lists(st.lists(moves, max_size=14), max_size=5))
def test_the_ledgers_of_many_loans_are_those_of_each(book):
    found = trace_instalments_many(lay_out_histories(book))
    expected = [
        (loan, days_from_date(one.due_on), NEVER if one.settled_on is None else days_from_date(one.settled_on))
        for loan, events in enumerate(book)
        for one in trace_instalments(events)
    ]
    assert (
        list(zip(found.loans.tolist(), found.due_days.tolist(), found.settled_days.tolist(), strict=True)) == expected
    )


@given(st.lists(moves, max_size=10), st.integers(0, 12), st.integers(1, 300))
def test_a_further_payment_never_settles_an_instalment_later(history, day, cents):
    before = trace_instalments(history)
    after = trace_instalments([*history, event(PAY, day, cents=cents)])
    assert [one.due_on for one in before] == [one.due_on for one in after]
    never = FIRST + timedelta(days=10_000)
    assert all((new.settled_on or never) <= (old.settled_on or never) for old, new in zip(before, after, strict=True))
