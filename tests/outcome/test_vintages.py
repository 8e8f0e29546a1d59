from datetime import date, timedelta

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.errors import BrokenInvariant
from instant_credit.outcome.courses import trace_courses
from instant_credit.outcome.definition import AS_LAST_SEEN, LabelDefinition
from instant_credit.outcome.events import EventKind, stand_as_known
from instant_credit.outcome.histories import NEVER, add_months_to_days, lay_out_histories, months_between, name_months
from instant_credit.outcome.labels import Label, label_outcome
from instant_credit.outcome.ledger import trace_instalments
from instant_credit.outcome.vintages import (
    BUCKETS,
    VintageCurve,
    count_first_payments,
    count_rolls,
    draw_vintages,
)
from instant_credit.units import add_months, date_from_days, days_from_date
from tests.budget import examples
from tests.outcome.histories import FIRST, definitions, event, histories

YEAR = LabelDefinition(name="year", title="90 days within a year", window_months=12, lag_days=31)
DUE, PAY, LATE = EventKind.INSTALMENT_DUE, EventKind.PAYMENT, EventKind.DAYS_PAST_DUE
START = event(EventKind.DISBURSED, 0)
NAMES = ("first", "second")

books = st.lists(histories(), min_size=1, max_size=6)


def trace(book, known_on: date, definition=YEAR):
    as_of = np.full(len(book), days_from_date(FIRST), dtype=np.int32)
    known = days_from_date(known_on)
    return trace_courses(lay_out_histories(book), as_of_days=as_of, known_on_days=known, definition=definition)


def on(day: int) -> date:
    return FIRST + timedelta(days=day)


@given(st.dates(date(1970, 1, 1), date(2400, 1, 1)), st.integers(0, 600))
def test_months_are_added_to_days_as_to_dates(day, months):
    days = np.array([days_from_date(day), NEVER], dtype=np.int32)
    assert add_months_to_days(days, months).tolist() == [days_from_date(add_months(day, months)), NEVER]


@given(st.dates(date(1970, 1, 1), date(2100, 1, 1)), st.integers(0, 3_000))
def test_a_month_on_book_is_the_least_whose_last_day_is_not_before_the_day(start, later):
    day = start + timedelta(days=later)
    days = [np.array([days_from_date(one)], dtype=np.int32) for one in (start, day)]
    expected = next(month for month in range(200) if add_months(start, month) >= day)
    assert months_between(*days).tolist() == [expected]


def test_cohorts_are_months_quarters_and_years():
    days = np.array(
        [days_from_date(one) for one in (date(2011, 2, 3), date(2010, 12, 31), date(2011, 3, 1))], dtype=np.int32
    )
    assert name_months(days, 1)[1] == ("2010-12", "2011-02", "2011-03")
    codes, names = name_months(days, 3)
    assert (codes.tolist(), names) == ([1, 0, 1], ("2010-10/12", "2011-01/03"))
    assert name_months(days, 12)[1] == ("2010", "2011")


@examples(30)
@given(books, st.lists(st.integers(-1, 1), min_size=6, max_size=6), st.integers(0, 500))
def test_vintage_curves_are_those_that_a_database_counts(book, codes, day):
    cohorts = np.array(codes[: len(book)], dtype=np.int64)
    courses = trace(book, on(day))
    curves = draw_vintages(
        courses, cohorts, NAMES, known_on_days=days_from_date(on(day)), definition=YEAR, months_max=24
    )
    rows = [
        (
            int(code),
            None if start == NEVER else date_from_days(start),
            None if bad == NEVER or bad > left else date_from_days(bad),
            None if doubted == NEVER else date_from_days(doubted),
        )
        for code, start, bad, left, doubted in zip(
            cohorts.tolist(),
            courses.starts.tolist(),
            courses.bad_days.tolist(),
            courses.left_days.tolist(),
            courses.doubted_days.tolist(),
            strict=True,
        )
    ]
    with duckdb.connect() as database:
        database.execute("CREATE TABLE loans (cohort INTEGER, start DATE, bad DATE, doubted DATE)")
        database.executemany("INSERT INTO loans VALUES (?, ?, ?, ?)", rows)
        found = database.execute(
            """
            WITH told AS (SELECT * FROM loans WHERE start IS NOT NULL AND cohort >= 0),
            months AS (SELECT UNNEST(range(0, 25)) AS month),
            ripe AS (
                SELECT cohort, month FROM told, months GROUP BY cohort, month
                HAVING bool_and(start + to_months(month::INTEGER) + INTERVAL 31 DAY <= ?::DATE)
            )
            SELECT cohort, month, count(*) FILTER (
                WHERE bad <= start + to_months(month::INTEGER)
                AND (doubted IS NULL OR doubted > start + to_months(month::INTEGER))
            )
            FROM ripe JOIN told USING (cohort) GROUP BY cohort, month ORDER BY cohort, month
            """,
            [on(day)],
        ).fetchall()
    assert [(code, month, bads) for code, curve in enumerate(curves) for month, bads in enumerate(curve.bads)] == found
    assert [curve.loans for curve in curves] == [
        sum(1 for code, start, *_ in rows if code == wanted and start is not None) for wanted in range(2)
    ]


@examples(60)
@given(books, definitions(), st.integers(0, 600))
def test_each_point_of_a_curve_counts_the_bad_labels_of_so_many_months(book, definition, day):
    """Whoever left or is in doubt is bad in neither, whatever came first."""
    known = days_from_date(on(day))
    definition = replace(definition, window_months=1, starts="disbursed")
    (curve,) = draw_vintages(
        trace(book, on(day), definition),
        np.zeros(len(book), dtype=np.int64),
        ("all",),
        known_on_days=known,
        definition=definition,
    )
    for month in range(1, len(curve.bads)):
        window = replace(definition, window_months=month)
        labels = [label_outcome(events, known_on=on(day), definition=window) for events in book]
        assert curve.bads[month] == labels.count(Label.BAD)


def test_a_charged_off_loan_that_is_in_doubt_is_bad_on_no_curve():
    doubted_before = [START, event(EventKind.DISPUTE, 20), event(EventKind.CHARGED_OFF, 40)]
    doubted_after = [START, event(EventKind.CHARGED_OFF, 40), event(EventKind.DISPUTE, 70)]
    known = on(120 + 31)
    (curve,) = draw_vintages(
        trace([doubted_before, doubted_after], known),
        np.zeros(2, dtype=np.int64),
        ("all",),
        known_on_days=days_from_date(known),
        definition=YEAR,
    )
    assert curve == VintageCurve(cohort="all", loans=2, bads=(0, 0, 1, 0, 0))


def test_what_a_tape_tells_of_before_the_beginning_counts_from_the_beginning():
    book = [[event(EventKind.CHARGED_OFF, 0), event(EventKind.DISBURSED, 60)]]
    (curve,) = draw_vintages(
        trace(book, on(90), AS_LAST_SEEN),
        np.zeros(1, dtype=np.int64),
        ("all",),
        known_on_days=days_from_date(on(90)),
        definition=AS_LAST_SEEN,
    )
    assert curve == VintageCurve(cohort="all", loans=1, bads=(1, 1))


def test_a_curve_rises_with_its_loans_and_stops_at_the_youngest():
    book = [
        [START, event(EventKind.CHARGED_OFF, 40)],
        [START, event(EventKind.CHARGED_OFF, 100)],
        [START],
        [event(EventKind.DISBURSED, 60)],
    ]
    known = on(60 + 31 + 31 + 30)
    (curve,) = draw_vintages(
        trace(book, known), np.zeros(4, dtype=np.int64), ("all",), known_on_days=days_from_date(known), definition=YEAR
    )
    assert curve == VintageCurve(cohort="all", loans=4, bads=(0, 0, 1))
    assert curve.bad_rates == (0.0, 0.0, 0.25)


def test_a_cohort_that_is_not_ripe_has_no_curve():
    (curve,) = draw_vintages(
        trace([[START]], on(30)),
        np.zeros(1, dtype=np.int64),
        ("all",),
        known_on_days=days_from_date(on(30)),
        definition=YEAR,
    )
    assert (curve.loans, curve.bads) == (1, ())


def bucket_on(events, day: date) -> str:
    """The bucket of one loan at the end of a day, by the words of the module."""
    told = [one for one in events if one.event_on <= day]
    if any(one.kind is EventKind.CHARGED_OFF for one in told):
        return "charged off"
    if any(one.kind in (EventKind.PAID, EventKind.PREPAID) for one in told):
        return "repaid"
    days = [
        (day - one.due_on).days
        for one in trace_instalments(events)
        if one.due_on <= day and (one.settled_on is None or one.settled_on > day)
    ]
    states = {EventKind.CURRENT: 0, EventKind.DELINQUENT: YEAR.bad_days_past_due}
    observed = [
        (one.event_on, one.days_past_due if one.kind is LATE else states[one.kind])
        for one in told
        if one.kind in (LATE, *states)
    ]
    if observed:
        last_on, past_due = max(observed)
        if past_due and not any(one.kind is PAY and one.event_on > last_on for one in told):
            days.append(past_due + (day - last_on).days)
    worst = max(days, default=0)
    return BUCKETS[sum(worst >= edge for edge in (1, 30, 60, 90))]


@examples(30)
@given(books, st.lists(st.integers(-1, 1), min_size=6, max_size=6), st.integers(0, 400))
def test_roll_rates_count_the_buckets_of_each_loan_of_a_group_month_by_month(book, codes, day):
    known = on(day)
    expected = np.zeros((2, len(BUCKETS), len(BUCKETS)), dtype=int)
    for code, events in zip(codes, book, strict=False):
        standing = stand_as_known(events, known)
        start = min((one.event_on for one in standing if one.kind is EventKind.DISBURSED), default=None)
        if start is None or code < 0:
            continue
        standing = [one for one in standing if one.event_on >= start]
        month = 1
        while add_months(start, month) + timedelta(days=31) <= known:
            before, after = (BUCKETS.index(bucket_on(standing, add_months(start, one))) for one in (month - 1, month))
            expected[code, before, after] += 1
            month += 1
    groups = np.array(codes[: len(book)], dtype=np.int64)
    rolls = count_rolls(trace(book, known), groups, 2, known_on_days=days_from_date(known), definition=YEAR)
    assert [np.array(one.counts).tolist() for one in rolls] == expected.tolist()
    for one in rolls:
        for row, shares in zip(one.counts, one.rates, strict=True):
            assert (None in shares) == (sum(row) == 0)


@pytest.mark.parametrize(
    ("told", "is_default"),
    [
        ([event(DUE, 28)], True),
        ([event(DUE, 28), event(PAY, 58)], False),
        ([event(DUE, 28), event(PAY, 59)], True),
        ([event(DUE, 28), event(PAY, 28), event(DUE, 59)], False),
        ([event(LATE, 118, days=90)], True),
        ([event(LATE, 149, days=90)], False),
        ([event(LATE, 50, days=29)], False),
        ([], False),
    ],
)
def test_a_first_instalment_that_stays_unpaid_is_a_first_payment_default(told, is_default):
    known = on(300)
    (counted,) = count_first_payments(
        trace([[START, *told]], known),
        np.zeros(1, dtype=np.int64),
        ("all",),
        known_on_days=days_from_date(known),
        definition=YEAR,
    )
    assert (counted.loans, counted.defaults) == (1, int(is_default))


def test_a_first_instalment_that_is_too_young_tells_nothing():
    known = on(28 + 30 + 30)
    (counted,) = count_first_payments(
        trace([[START, event(DUE, 28)]], known),
        np.zeros(1, dtype=np.int64),
        ("all",),
        known_on_days=days_from_date(known),
        definition=YEAR,
    )
    assert counted.loans == 0


def test_without_a_window_a_loan_begins_where_it_is_told_or_with_its_case():
    courses = trace([[event(EventKind.DISBURSED, 9)], []], on(30), AS_LAST_SEEN)
    assert courses.starts.tolist() == [days_from_date(on(9)), days_from_date(FIRST)]


def test_each_loan_has_its_cohort():
    with pytest.raises(BrokenInvariant, match="its cohort"):
        draw_vintages(trace([[START]], on(30)), np.zeros(2, dtype=np.int64), ("all",), known_on_days=0, definition=YEAR)
