from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.errors import BrokenInvariant
from instant_credit.outcome.events import EventKind, RepaymentEvent, order_events
from instant_credit.outcome.labels import KIND_CODES, Label, label_outcome, label_outcomes
from instant_credit.units import Cents, days_from_date

FIRST = date(2010, 1, 1)


def event(kind: EventKind, event_day: int, delay_days: int = 0) -> RepaymentEvent:
    event_on = FIRST + timedelta(days=event_day)
    return RepaymentEvent(
        kind=kind, amount_cents=Cents(100), event_on=event_on, known_on=event_on + timedelta(days=delay_days)
    )


events = st.builds(event, st.sampled_from(EventKind), st.integers(0, 12), st.integers(0, 12))
loans = st.lists(st.lists(events, max_size=5), max_size=8)


def test_a_paid_loan_is_good_and_one_without_a_state_is_indeterminate():
    assert label_outcome([event(EventKind.PAID, 3)], FIRST + timedelta(days=3)) is Label.GOOD
    assert label_outcome([], FIRST) is Label.INDETERMINATE
    assert label_outcome([event(EventKind.RECOVERED, 0)], FIRST) is Label.INDETERMINATE


def test_what_is_not_yet_known_does_not_count():
    told_late = [event(EventKind.CHARGED_OFF, 3, delay_days=30)]
    assert label_outcome(told_late, FIRST + timedelta(days=32)) is Label.INDETERMINATE
    assert label_outcome(told_late, FIRST + timedelta(days=33)) is Label.BAD


def test_a_charge_off_stays_bad_after_recovery():
    history = [event(EventKind.CHARGED_OFF, 1), event(EventKind.RECOVERED, 5), event(EventKind.PAID, 9)]
    assert label_outcome(history, FIRST + timedelta(days=20)) is Label.BAD


def test_the_latest_state_counts_and_of_one_day_the_worse():
    cured = [event(EventKind.DELINQUENT, 1), event(EventKind.CURRENT, 2)]
    assert label_outcome(cured, FIRST + timedelta(days=1)) is Label.BAD
    assert label_outcome(cured, FIRST + timedelta(days=2)) is Label.GOOD
    assert label_outcome([*cured, event(EventKind.DELINQUENT, 2)], FIRST + timedelta(days=2)) is Label.BAD


@given(st.lists(events, max_size=6), st.integers(-1, 30), st.randoms())
def test_the_order_in_which_events_arrive_does_not_matter(history, day, random):
    shuffled = list(history)
    random.shuffle(shuffled)
    known_on = FIRST + timedelta(days=day)
    assert label_outcome(shuffled, known_on) is label_outcome(history, known_on)
    assert order_events(shuffled) == order_events(history)


@given(loans, st.integers(-1, 30))
def test_many_loans_are_labelled_as_one_is(book, day):
    known_on = FIRST + timedelta(days=day)
    flat = [(index, told) for index, history in enumerate(book) for told in history]
    labels = label_outcomes(
        loan_count=len(book),
        loans=np.array([index for index, _ in flat], dtype=np.int64),
        kinds=np.array([KIND_CODES[told.kind] for _, told in flat], dtype=np.int8),
        event_days=np.array([days_from_date(told.event_on) for _, told in flat], dtype=np.int32),
        known_days=np.array([days_from_date(told.known_on) for _, told in flat], dtype=np.int32),
        known_on_days=days_from_date(known_on),
    )
    assert labels.dtype == np.int8
    assert labels.tolist() == [label_outcome(history, known_on) for history in book]


@pytest.mark.parametrize(("loan", "kind"), [(1, 0), (-1, 0), (0, len(KIND_CODES)), (0, -1)])
def test_an_event_of_no_loan_or_no_kind_is_refused(loan, kind):
    day = np.zeros(1, dtype=np.int32)
    with pytest.raises(BrokenInvariant):
        label_outcomes(
            loan_count=1,
            loans=np.array([loan], dtype=np.int64),
            kinds=np.array([kind], dtype=np.int8),
            event_days=day,
            known_days=day,
            known_on_days=0,
        )


def test_arrays_of_different_lengths_are_refused():
    day = np.zeros(1, dtype=np.int32)
    with pytest.raises(BrokenInvariant):
        label_outcomes(
            loan_count=1,
            loans=np.zeros(1, dtype=np.int64),
            kinds=np.zeros(2, dtype=np.int8),
            event_days=day,
            known_days=day,
            known_on_days=0,
        )


def test_an_event_is_never_known_before_it_happened_and_never_negative():
    with pytest.raises(ValueError, match="before it happened"):
        RepaymentEvent(kind=EventKind.PAID, amount_cents=Cents(1), event_on=FIRST, known_on=FIRST - timedelta(days=1))
    with pytest.raises(ValueError, match="not negative"):
        RepaymentEvent(kind=EventKind.PAID, amount_cents=Cents(-1), event_on=FIRST, known_on=FIRST)
