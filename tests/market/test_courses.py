"""The course of one loan as events: the cents of the arrays, possible in the life of a loan, and labelled as the truth says."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.errors import BrokenInvariant
from instant_credit.market.applicants import draw_applicants
from instant_credit.market.courses import known_by, tell_course
from instant_credit.market.instalments import Offers, offer_as_asked
from instant_credit.market.loans import live_loans
from instant_credit.market.truth import draw_truth
from instant_credit.market.world import World
from instant_credit.outcome.definition import load_definition
from instant_credit.outcome.events import EventKind, RepaymentEvent
from instant_credit.outcome.labels import Label, label_outcome
from instant_credit.outcome.sequence import LoanHistory
from instant_credit.record.shipped import read_starter
from instant_credit.units import date_from_days
from tests.budget import examples
from tests.market.borrowing import PRICE, lend_to_all
from tests.market.lending import WORLD, draw_all

COUNT = 30_000
FAR_AWAY = date(2070, 1, 1)
Events = tuple[RepaymentEvent, ...]

shares = st.floats(0, 1)
worlds = st.builds(
    World,
    seed=st.integers(0, 10**6),
    hidden_seed=st.integers(0, 3),
    risk_shift=st.floats(-3, 5),
    late_base=shares,
    late_pd_effect=shares,
    slip_base=shares,
    cure_share=shares,
    prepay_monthly=st.floats(0, 0.5),
    recovery_share_max=shares,
    reporting_days_max=st.integers(0, 30),
)


def sum_cents(events: Events, *kinds: EventKind) -> int:
    return sum(event.amount_cents for event in events if event.kind in kinds)


def is_late_at_3(events: Events) -> bool:
    """By what was observed on the 90th day on book."""
    on_day = [e.days_past_due for e in events if e.days_past_due and (e.event_on - events[0].event_on).days == 90]
    return bool(on_day)


def check_agreement(world: World, number: int, terms: tuple[int, int, int], months: int = 96) -> Events:
    """That both ways of living through a loan come to the same; its events."""
    applicants = draw_applicants(world, number, 1)
    truth = draw_truth(world, applicants)
    offers = Offers(*(np.array([part], dtype=np.int64) for part in terms))
    events = tell_course(world, applicants, truth, offers, 0)
    loans = live_loans(world, applicants, truth, np.ones(1, dtype=np.bool_), offers, months=months)
    if not loans.taken[0]:
        return events
    start = events[0].event_on
    assert start == date_from_days(int(loans.disbursed_days[0]))
    told = tuple(event for event in events if (event.event_on - start).days < 30 * (months + 1))
    assert sum_cents(told, EventKind.DISBURSED) == loans.lent_cents[0]
    assert sum_cents(told, EventKind.PAYMENT, EventKind.PREPAID) == loans.paid_cents[0]
    assert sum_cents(told, EventKind.CHARGED_OFF) == loans.written_off_cents[0]
    assert sum_cents(told, EventKind.RECOVERED) == loans.recovered_cents[0]
    ends = {
        kind: (event.event_on - start).days // 30
        for event in told
        if (kind := event.kind) in {EventKind.CHARGED_OFF, EventKind.PREPAID}
    }
    assert ends.get(EventKind.CHARGED_OFF, -1) == loans.default_months[0]
    assert ends.get(EventKind.PREPAID, -1) == loans.prepay_months[0]
    is_over = bool(ends) or any(event.kind is EventKind.PAID for event in told)
    assert is_over == (loans.outstanding_cents[0] == 0)
    if months >= 3:
        assert is_late_at_3(told) == loans.late_at_3[0]
    return events


@examples(150)
@given(
    worlds,
    st.integers(0, 10**6),
    st.tuples(st.integers(10_000, 10_000_000), st.integers(0, 400_000), st.integers(6, 84)),
    st.integers(1, 96),
)
def test_the_events_of_a_loan_are_the_cents_of_the_arrays(
    world: World, number: int, terms: tuple[int, int, int], months: int
) -> None:
    events = check_agreement(world, number, terms, months)
    history = LoanHistory(date_from_days(int(world.apply_on(np.array([number]))[0])))
    for event in events:
        assert history.find_fault(event, FAR_AWAY) is None, event
        history.add(event)
    assert len({event.event_id for event in events}) == len(events)
    assert all(0 <= (event.known_on - event.event_on).days <= world.reporting_days_max for event in events)


def test_the_events_of_a_whole_book_are_the_cents_of_its_arrays() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    offers, loans = lend_to_all(WORLD, COUNT)
    kinds = set()
    for row in np.flatnonzero(loans.taken)[:800]:
        events = tell_course(WORLD, applicants, truth, offers, int(row))
        kinds |= {event.kind for event in events}
        assert sum_cents(events, EventKind.PAYMENT, EventKind.PREPAID) == loans.paid_cents[row]
        assert sum_cents(events, EventKind.CHARGED_OFF) == loans.written_off_cents[row]
        assert sum_cents(events, EventKind.RECOVERED) == loans.recovered_cents[row]
        assert is_late_at_3(events) == loans.late_at_3[row]
    assert kinds == {
        *(EventKind.DISBURSED, EventKind.INSTALMENT_DUE, EventKind.PAYMENT, EventKind.MISSED, EventKind.DAYS_PAST_DUE),
        *(EventKind.PAID, EventKind.PREPAID, EventKind.CHARGED_OFF, EventKind.RECOVERED),
    }


def test_a_label_of_twelve_months_is_bad_for_who_defaults_in_them() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    offers, loans = lend_to_all(WORLD, COUNT)
    definition = load_definition(read_starter("labels", "bad_90_in_12"))
    rows = np.flatnonzero(loans.taken)
    chosen = np.concatenate([rows[:150], rows[loans.default_months[rows] > 0][:150]])
    for row in chosen:
        events = tell_course(WORLD, applicants, truth, offers, int(row))
        label = label_outcome(events, known_on=FAR_AWAY, definition=definition)
        assert (label is Label.BAD) == (0 < loans.default_months[row] <= 12)
        year_over = events[0].event_on + timedelta(days=370)
        assert label_outcome(events, known_on=year_over, definition=definition) is Label.IMMATURE


def test_what_happened_is_known_only_later() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    offers, loans = lend_to_all(WORLD, COUNT)
    late_news = 0
    for row in np.flatnonzero(loans.taken)[:50]:
        events = tell_course(WORLD, applicants, truth, offers, int(row))
        day = events[0].event_on + timedelta(days=100)
        known = known_by(events, day)
        assert all(event.known_on <= day for event in known)
        assert all(event.known_on > day for event in events if event not in known)
        late_news += sum(event.known_on > event.event_on for event in events)
    assert late_news > 0


def test_the_same_loan_is_told_the_same_way_twice() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    offers = offer_as_asked(applicants, PRICE)
    once = tell_course(WORLD, applicants, truth, offers, 11)
    alone = slice(11, 12)
    assert once == tell_course(WORLD, applicants.take(alone), truth.take(alone), offers.take(alone), 0)


def test_a_row_that_is_nobodys_is_refused() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    with pytest.raises(BrokenInvariant, match="row is the place"):
        tell_course(WORLD, applicants, truth, offer_as_asked(applicants, PRICE), COUNT)


def test_who_falls_silent_in_the_month_of_an_early_repayment_does_not_repay() -> None:
    world = World(seed=999_999, hidden_seed=2, risk_shift=5.0, prepay_monthly=0.3125)
    check_agreement(world, 254, (10_000, 0, 13), months=10)
