from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.errors import BrokenInvariant
from instant_credit.outcome.definition import AS_LAST_SEEN, LabelDefinition
from instant_credit.outcome.events import EventKind, RepaymentEvent, order_events
from instant_credit.outcome.histories import NOT_TOLD, Histories, lay_out_histories, stand_as_known_many
from instant_credit.outcome.labels import Label, label_outcome, label_outcomes
from instant_credit.units import Cents, days_from_date
from tests.budget import examples
from tests.outcome.histories import FIRST, definitions, event, histories, name

YEAR = LabelDefinition(name="year", title="90 days within a year", window_months=12, lag_days=31)
START = event(EventKind.DISBURSED, 0)
RIPE = date(2011, 3, 3)
AS_OF = days_from_date(FIRST)


def on(day: int) -> date:
    return FIRST + timedelta(days=day)


def late(day: int, days: int, **more) -> RepaymentEvent:
    return event(EventKind.DAYS_PAST_DUE, day, days=days, **more)


def label_year(*events: RepaymentEvent, known_on: date = RIPE) -> Label:
    return label_outcome([START, *events], known_on=known_on, definition=YEAR)


def test_a_paid_loan_is_good_and_one_without_a_state_is_indeterminate():
    assert label_outcome([event(EventKind.PAID, 3)], known_on=on(3)) is Label.GOOD
    assert label_outcome([], known_on=FIRST) is Label.INDETERMINATE
    assert label_outcome([event(EventKind.RECOVERED, 0)], known_on=FIRST) is Label.INDETERMINATE


def test_what_is_not_yet_known_does_not_count():
    told_late = [event(EventKind.CHARGED_OFF, 3, delay=30)]
    assert label_outcome(told_late, known_on=on(32)) is Label.INDETERMINATE
    assert label_outcome(told_late, known_on=on(33)) is Label.BAD


def test_a_charge_off_stays_bad_after_recovery():
    history = [event(EventKind.CHARGED_OFF, 1), event(EventKind.RECOVERED, 5), event(EventKind.PAID, 9)]
    assert label_outcome(history, known_on=on(20)) is Label.BAD


def test_the_latest_state_counts_and_of_one_day_the_worse():
    cured = [event(EventKind.DELINQUENT, 1), event(EventKind.CURRENT, 2)]
    assert label_outcome(cured, known_on=on(1)) is Label.BAD
    assert label_outcome(cured, known_on=on(2)) is Label.GOOD
    assert label_outcome([*cured, event(EventKind.DELINQUENT, 2)], known_on=on(2)) is Label.BAD
    assert label_outcome([*cured, late(2, 89)], known_on=on(2)) is Label.INDETERMINATE
    assert label_outcome([*cured, late(3, 29)], known_on=on(3)) is Label.GOOD


def test_a_loan_is_immature_until_window_and_lag_have_passed_even_when_it_is_bad_or_repaid():
    for ended in (late(100, 90), event(EventKind.CHARGED_OFF, 100), event(EventKind.PREPAID, 20), None):
        told = [] if ended is None else [ended]
        assert label_year(*told, known_on=RIPE - timedelta(days=1)) is Label.IMMATURE
        assert label_year(*told) is not Label.IMMATURE


def test_no_news_of_a_loan_that_was_paid_out_is_good_news_once_the_lag_has_passed():
    assert label_year() is Label.GOOD
    assert label_outcome([], known_on=RIPE, definition=YEAR) is Label.INDETERMINATE


@pytest.mark.parametrize(
    ("days", "label"),
    [(29, Label.GOOD), (30, Label.INDETERMINATE), (89, Label.INDETERMINATE), (90, Label.BAD), (91, Label.BAD)],
)
def test_days_past_due_divide_loans_at_their_bounds(days, label):
    assert label_year(late(200, days)) is label


def test_only_what_happened_within_the_window_counts():
    assert label_year(late(365, 90)) is Label.BAD
    assert label_year(late(366, 90)) is Label.GOOD
    assert label_year(event(EventKind.CHARGED_OFF, 366)) is Label.GOOD


def test_a_bad_loan_that_is_made_good_later_stays_bad():
    assert label_year(late(100, 90), late(130, 0), event(EventKind.PAID, 140)) is Label.BAD


def test_an_unpaid_instalment_makes_a_loan_bad_without_an_observation():
    due = event(EventKind.INSTALMENT_DUE, 30)
    paid = event(EventKind.PAYMENT, 120)
    assert label_year(due, paid) is Label.INDETERMINATE
    assert label_year(due) is Label.BAD
    assert label_year(due, event(EventKind.PAYMENT, 121)) is Label.BAD
    assert label_year(due, event(EventKind.PAYMENT, 59)) is Label.GOOD
    assert label_year(event(EventKind.INSTALMENT_DUE, 300)) is Label.INDETERMINATE


def test_whichever_came_first_decides_and_a_dispute_decides_always():
    died, bad = event(EventKind.DECEASED, 150), late(150, 90)
    assert label_year(died) is Label.INDETERMINATE
    assert label_year(died, bad) is Label.BAD
    assert label_year(event(EventKind.DECEASED, 149), bad) is Label.INDETERMINATE
    assert label_year(bad, event(EventKind.DISPUTE, 300)) is Label.INDETERMINATE


def test_a_late_correction_changes_the_label_from_the_day_it_was_known_and_not_before():
    wrong = late(100, 90, event_id=name(1))
    right = late(100, 0, delay=500, corrects=name(1), event_id=name(2))
    history = [START, wrong, right]
    known_on = on(100 + 500)
    assert label_outcome(history, known_on=known_on - timedelta(days=1), definition=YEAR) is Label.BAD
    assert label_outcome(history, known_on=known_on, definition=YEAR) is Label.GOOD
    void = event(EventKind.VOID, 600, corrects=name(1))
    assert label_outcome([START, wrong, void], known_on=on(600), definition=YEAR) is Label.GOOD


def test_a_window_may_begin_with_the_case():
    from_case = LabelDefinition(name="case", title="From the Case", window_months=1, starts="as_of")
    assert label_outcome([late(5, 90)], known_on=on(40), started_on=FIRST, definition=from_case) is Label.BAD
    assert label_outcome([], known_on=on(40), started_on=FIRST, definition=from_case) is Label.GOOD
    with pytest.raises(BrokenInvariant, match="needs its day"):
        label_outcome([], known_on=on(40), definition=from_case)


@given(histories(6), st.integers(-1, 300), st.randoms(), definitions())
def test_the_order_in_which_events_arrive_does_not_matter(history, day, random, definition):
    shuffled = list(history)
    random.shuffle(shuffled)
    told = {"known_on": on(day), "started_on": FIRST, "definition": definition}
    assert label_outcome(shuffled, **told) is label_outcome(history, **told)
    assert order_events(shuffled) == order_events(history)


@examples(100)
@given(
    st.lists(histories(), max_size=6),
    st.integers(-1, 500),
    st.lists(st.integers(0, 60), min_size=6, max_size=6),
    definitions(),
)
def test_many_loans_are_labelled_as_one_is(book, day, starts, definition):
    started_on = [on(start) for start in starts[: len(book)]]
    known_on = on(day)
    labels = label_outcomes(
        lay_out_histories(book),
        known_on_days=days_from_date(known_on),
        as_of_days=np.array([days_from_date(start) for start in started_on], dtype=np.int32),
        definition=definition,
    )
    assert labels.dtype == np.int8
    assert labels.tolist() == [
        label_outcome(history, known_on=known_on, started_on=start, definition=definition)
        for history, start in zip(book, started_on, strict=True)
    ]


@given(histories(), st.integers(0, 300), definitions(), st.lists(histories(3), max_size=1))
def test_what_is_learned_later_never_changes_a_label_of_then(history, day, definition, later):
    """Events that become known after a day, corrections among them, say nothing on that day."""
    known_on = on(day)
    told = {"known_on": known_on, "started_on": FIRST, "definition": definition}
    learned = [one for one in (*history, *(one for more in later for one in more)) if one.known_on > known_on]
    known = [one for one in history if one.known_on <= known_on]
    assert label_outcome([*known, *learned], **told) is label_outcome(known, **told)


@pytest.mark.parametrize(
    "wrong",
    [
        {"loans": 1},
        {"loans": -1},
        {"kinds": len(EventKind)},
        {"kinds": -1},
        {"corrects": 1},
        {"known_days": [0, 0]},
    ],
)
def test_columns_that_do_not_fit_together_are_refused(wrong):
    columns = {
        "loans": np.zeros(1, dtype=np.int64),
        "kinds": np.zeros(1, dtype=np.int8),
        "event_days": np.zeros(1, dtype=np.int32),
        "known_days": np.zeros(1, dtype=np.int32),
        "amounts_cents": np.zeros(1, dtype=np.int64),
        "days_past_due": np.zeros(1, dtype=np.int32),
        "corrects": np.full(1, NOT_TOLD, dtype=np.int64),
    }
    for column, value in wrong.items():
        columns[column] = np.atleast_1d(np.array(value, dtype=columns[column].dtype))
    with pytest.raises(BrokenInvariant):
        Histories(loan_count=1, **columns)


def test_a_correction_of_another_loan_s_event_is_refused():
    two = lay_out_histories([[event(EventKind.PAID, 1)], [event(EventKind.PAID, 1)]])
    columns = {field: getattr(two, field) for field in two.__struct_fields__}
    with pytest.raises(BrokenInvariant, match="another loan"):
        Histories(**{**columns, "corrects": np.array([1, NOT_TOLD], dtype=np.int64)})


def test_each_loan_has_its_day():
    with pytest.raises(BrokenInvariant, match="its day"):
        label_outcomes(lay_out_histories([[]]), known_on_days=0, as_of_days=np.zeros(2, dtype=np.int32))


def test_a_book_without_events_stands_as_it_is():
    assert stand_as_known_many(lay_out_histories([[], []]), AS_OF).loan_count == 2
    assert AS_LAST_SEEN.window_months is None


def test_an_event_is_never_known_before_it_happened_and_never_negative():
    with pytest.raises(ValueError, match="before it happened"):
        RepaymentEvent(kind=EventKind.PAID, amount_cents=Cents(1), event_on=FIRST, known_on=FIRST - timedelta(days=1))
    with pytest.raises(ValueError, match="not negative"):
        RepaymentEvent(kind=EventKind.PAID, amount_cents=Cents(-1), event_on=FIRST, known_on=FIRST)
