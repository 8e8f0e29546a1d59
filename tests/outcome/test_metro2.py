"""Metro 2 reports: their fields, every account status, and months of one account."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.outcome.events import RepaymentEvent
from instant_credit.outcome.metro2 import (
    ACCOUNT_DELETED,
    ACCOUNT_TRANSFERRED,
    FIELD_MALFORMED,
    OVERDUE,
    RECORD_MALFORMED,
    STATUSES,
    MonthlyReport,
    blank_unread,
    list_events,
    read_report,
    tell_report,
)
from instant_credit.outcome.sequence import Fault, LoanHistory
from tests.outcome.reports import FIELDS, PERSON, name_person, write_report

LOAN = UUID(int=7)
AS_OF = date(2011, 6, 1)
DAY = date(2012, 6, 30)
TODAY = date(2013, 6, 30)


def read(**changes: Any) -> MonthlyReport:
    report = read_report(write_report(**changes))
    assert isinstance(report, MonthlyReport), report
    return report


def told(history: LoanHistory | None = None, **changes: Any) -> list[tuple[str, int, date, int | None]]:
    events = list_events(read(**changes), LOAN, history or LoanHistory(AS_OF))
    return [(event.kind.value, event.amount_cents, event.event_on, event.days_past_due) for event in events]


def live(*reports: dict[str, Any]) -> LoanHistory:
    """A history after these reports, each of which is possible."""
    history = LoanHistory(AS_OF)
    for changes in reports:
        for event in list_events(read(**changes), LOAN, history):
            fault = history.find_fault(event, TODAY)
            assert fault is None, (changes, fault)
            history.add(event)
    return history


def kinds(history: LoanHistory) -> list[str]:
    return [event.kind.value for event in history.standing()]


def test_a_base_segment_is_read_field_by_field() -> None:
    report = read(
        account="AB 12", opened=date(2010, 2, 28), original=12, scheduled=34, paid=56, status="78", rating="2", comment="CO",
        condition="XB", balance=78, past_due=90, charged_off=11, first_delinquency=date(2012, 5, 1), closed=date(2012, 6, 1),
        last_payment=date(2012, 6, 2), ecoa="X",
    )  # fmt: skip
    assert report == MonthlyReport(
        account_number="AB 12", opened_on=date(2010, 2, 28), original_cents=1_200, scheduled_payment_cents=3_400,
        actual_payment_cents=5_600, status="78", payment_rating="2", payment_history="000" + "B" * 21, special_comment="CO",
        compliance_condition="XB", balance_cents=7_800, past_due_cents=9_000, charged_off_cents=1_100, information_on=DAY,
        first_delinquency_on=date(2012, 5, 1), closed_on=date(2012, 6, 1), last_payment_on=date(2012, 6, 2), ecoa_code="X",
    )  # fmt: skip


def test_zeros_and_blanks_tell_nothing_and_appended_segments_are_passed_over() -> None:
    blank = read(opened="", original="", paid="", closed="0" * 8, last_payment="", history="", ecoa="")
    assert (blank.opened_on, blank.original_cents, blank.closed_on, blank.last_payment_on) == (None, 0, None, None)
    longer = read_report(write_report(length=526))
    assert longer == read_report(write_report())


@pytest.mark.parametrize("name", ["HEADER", "TRAILER"])
def test_headers_and_trailers_tell_of_no_loan(name: str) -> None:
    assert read_report(f"0426{name}".ljust(426).encode()) is None


OVERDUE_DAY = date(2012, 5, 1)
BY_STATUS: dict[str, list[tuple[str, int, date, int | None]]] = {
    "11": [("current", 0, DAY, None)],
    "13": [("paid", 7_700, date(2012, 6, 20), None)],
    "61": [("paid", 7_700, date(2012, 6, 20), None)],
    "62": [("paid", 7_700, date(2012, 6, 20), None)],
    "63": [("paid", 7_700, date(2012, 6, 20), None)],
    "64": [("charged_off", 300_000, date(2012, 6, 20), None), ("recovered", 7_700, date(2012, 6, 20), None)],
    "65": [("paid", 7_700, date(2012, 6, 20), None)],
    "71": [("days_past_due", 50_000, DAY, 59)],
    "78": [("days_past_due", 50_000, DAY, 89)],
    "80": [("days_past_due", 50_000, DAY, 90)],
    "82": [("days_past_due", 50_000, DAY, 120)],
    "83": [("days_past_due", 50_000, DAY, 150)],
    "84": [("days_past_due", 50_000, DAY, 180)],
    "88": [("delinquent", 50_000, DAY, None)],
    "89": [("delinquent", 50_000, DAY, None)],
    "93": [("delinquent", 50_000, DAY, None)],
    "94": [("delinquent", 50_000, DAY, None)],
    "95": [("delinquent", 50_000, DAY, None)],
    "96": [("delinquent", 50_000, DAY, None)],
    "97": [("charged_off", 300_000, DAY, None)],
    "DF": [("fraud", 400_000, DAY, None)],
}


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_every_account_status_has_its_events(status: str) -> None:
    changes: dict[str, Any] = {
        "status": status,
        "past_due": 500,
        "charged_off": 3_000,
        "first_delinquency": OVERDUE_DAY,
    }
    is_paid = status in {"13", "61", "62", "63", "64", "65"}
    if is_paid:
        changes |= {"paid": 77, "closed": date(2012, 6, 20), "last_payment": date(2012, 6, 20)}
    if status in {"05", "DA"}:
        fault = read_report(write_report(**changes))
        assert isinstance(fault, Fault)
        assert fault.code == {"05": ACCOUNT_TRANSFERRED, "DA": ACCOUNT_DELETED}[status]
        return
    assert told(**changes) == BY_STATUS[status]
    if not is_paid:
        changes |= {"paid": 12, "last_payment": date(2012, 6, 10)}
        assert told(**changes) == [*BY_STATUS[status], ("payment", 1_200, date(2012, 6, 10), None)]


def test_days_past_due_lie_within_what_the_status_says() -> None:
    for status, (least, most) in OVERDUE.items():
        for first in (date(2012, 6, 30), date(2012, 4, 1), date(2011, 6, 30)):
            ((_, _, _, days),) = told(status=status, first_delinquency=first)
            assert days is not None
            assert least <= days <= most
            assert days in (least, most, (DAY - first).days + 30)


def test_a_year_of_an_account_is_one_life() -> None:
    first = date(2012, 1, 31)
    months: list[dict[str, Any]] = [
        {"information": date(2011, 12, 31), "paid": 161, "last_payment": date(2011, 12, 15)},
        {"information": date(2012, 1, 31), "status": "71", "first_delinquency": first, "past_due": 161},
        {"information": date(2012, 3, 2), "status": "78", "first_delinquency": first, "past_due": 322},
        {"information": date(2012, 4, 1), "status": "80", "first_delinquency": first, "past_due": 483},
        {"information": date(2012, 4, 30), "status": "80", "first_delinquency": first, "past_due": 483, "paid": 161,
         "last_payment": date(2012, 4, 20), "condition": "XB"},
        {"information": date(2012, 5, 31), "status": "82", "first_delinquency": first, "comment": "CO", "condition": "XB"},
        {"information": date(2012, 6, 30), "status": "97", "first_delinquency": first, "charged_off": 4_000},
        {"information": date(2012, 7, 31), "status": "97", "first_delinquency": first, "charged_off": 4_000, "paid": 50,
         "last_payment": date(2012, 7, 10)},
        {"information": date(2012, 8, 31), "status": "93", "first_delinquency": first, "ecoa": "X"},
        {"information": date(2012, 9, 30), "status": "64", "paid": 3_950, "closed": date(2012, 9, 5)},
    ]  # fmt: skip
    history = live(*months)
    assert kinds(history) == [
        "current", "payment", "days_past_due", "days_past_due", "days_past_due", "days_past_due", "payment", "dispute",
        "days_past_due", "restructured", "charged_off", "recovered", "deceased", "recovered",
    ]  # fmt: skip
    assert history.charged_off_on == date(2012, 6, 30)
    for changes in months:
        again = list_events(read(**changes), LOAN, history)
        assert all(event.event_id is not None and history.find(event.event_id) == event for event in again)


def test_a_paid_account_that_is_reported_again_is_paid_once() -> None:
    paid = {"status": "13", "paid": 500, "closed": date(2012, 6, 20)}
    history = live(paid, {**paid, "information": date(2012, 7, 31), "paid": 0})
    assert kinds(history) == ["paid"]


def test_a_repayment_after_a_charge_off_is_a_recovery() -> None:
    lost = {"status": "97", "charged_off": 3_000, "information": date(2012, 5, 31)}
    history = live(lost, {"status": "62", "paid": 900, "closed": date(2012, 6, 20)})
    assert kinds(history) == ["charged_off", "recovered"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"account": ""}, "Consumer Account Number (columns 43-72) is blank"),
        ({"status": "12"}, "Account Status (columns 124-125) is no account status code"),
        ({"status": ""}, "Account Status (columns 124-125) is no account status code"),
        ({"rating": "9"}, "Payment Rating (column 126) is no payment rating"),
        ({"history": "0X0"}, "Payment History Profile (columns 127-150) holds a code that is none"),
        ({"paid": "12.50"}, "Actual Payment Amount (columns 115-123) is no whole number of dollars"),
        ({"balance": "-12"}, "Current Balance (columns 155-163) is no whole number of dollars"),
        ({"information": ""}, "Date of Account Information (columns 182-189) is missing"),
        ({"information": "20120630"}, "Date of Account Information (columns 182-189) is no day (MMDDYYYY)"),
        ({"closed": "02302012"}, "Date Closed (columns 198-205) is no day (MMDDYYYY)"),
        ({"closed": date(2012, 7, 1)}, "Date Closed (columns 198-205) lies after the Date of Account Information"),
        ({"last_payment": date(2012, 7, 1)}, "Date of Last Payment (columns 206-213) lies after"),
        ({"status": "80"}, "Date of First Delinquency (columns 190-197) is missing, which this account status needs"),
        ({"status": "80", "first_delinquency": "13012012"}, "Date of First Delinquency (columns 190-197) is no day"),
    ],
)
def test_a_field_that_can_t_be_read_is_named_with_its_columns(changes: dict[str, Any], told: str) -> None:
    fault = read_report(write_report(**changes))
    assert isinstance(fault, Fault)
    assert fault.code == FIELD_MALFORMED
    assert fault.message.startswith(told)
    assert ";" not in fault.message


def test_every_wrong_field_is_named() -> None:
    fault = read_report(write_report(status="12", paid="x", closed="x"))
    assert isinstance(fault, Fault)
    assert fault.message.count("columns") == 3


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "426 characters, and the line has 0"),
        (write_report()[:425], "426 characters, and the line has 425"),
        (write_report()[:366], "the packed format is not read"),
        (write_report() + b" ", "Record Descriptor Word (columns 1-4) is not the line's length, 0427"),
        (b"x" * 426, "Record Descriptor Word"),
        (write_report(account="\xe9"), "no ASCII"),
    ],
)
def test_a_record_that_is_none_is_a_fault(raw: bytes, told: str) -> None:
    fault = read_report(raw)
    assert isinstance(fault, Fault)
    assert (fault.code, told in fault.message) == (RECORD_MALFORMED, True), fault.message


@given(st.binary(max_size=600) | st.binary(min_size=422, max_size=422).map(lambda rest: b"0426" + rest))
def test_no_bytes_are_too_strange(raw: bytes) -> None:
    assert isinstance(read_report(raw), (MonthlyReport, Fault, type(None)))


@given(st.sampled_from(sorted(FIELDS)), st.text(st.characters(codec="ascii", exclude_characters="\n\r"), max_size=9))
def test_a_report_with_any_cell_is_read_or_blamed_on_that_cell(name: str, cell: str) -> None:
    field = FIELDS[name]
    report = read_report(write_report(**{name: cell[: field.last - field.first + 1]}))
    if isinstance(report, Fault) and report.code == FIELD_MALFORMED:
        named = {field.name, "Date of First Delinquency", "Date Closed", "Date of Last Payment"}
        assert any(report.message.startswith(one) for one in named), report.message
    elif isinstance(report, MonthlyReport):
        events = list_events(report, LOAN, LoanHistory(AS_OF))
        assert all(isinstance(event, RepaymentEvent) and event.event_id is not None for event in events)


@pytest.mark.parametrize("length", [426, 700])
def test_a_record_without_what_is_not_read_names_nobody_and_reads_the_same(length: int) -> None:
    plain = write_report(length, status="97", charged_off=900, paid=10, last_payment=date(2012, 6, 3))
    named = name_person(plain)[: length - 20] + b"LOVELACE".rjust(20) if length > 500 else name_person(plain)
    kept = blank_unread(named)
    assert len(kept) == length
    assert read_report(kept) == read_report(plain) == read_report(named)
    assert not any(told.encode() in kept for told in (*PERSON.values(), "LOVELACE"))
    assert blank_unread(kept) == kept


@given(st.binary(max_size=900))
def test_of_a_record_without_its_length_only_its_first_columns_are_kept(raw: bytes) -> None:
    kept = blank_unread(raw)
    assert (len(kept), kept[:42], kept[42:].strip()) == (len(raw), raw[:42], b"")


def test_a_report_tells_of_the_account_in_its_book() -> None:
    telling = tell_report(read(), "tape")
    assert (telling.application_id, telling.account, telling.is_known_today) == (None, ("tape", "row 1"), False)
    (event,) = telling.make_events(LOAN, LoanHistory(AS_OF))
    assert (event.known_on, event.event_id and event.event_id.version) == (DAY, 8)
