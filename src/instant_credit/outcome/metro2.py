"""Metro 2: a lender's monthly report of one account to the credit bureaus, as events of a loan. Pure.

    line (426 characters and more) ─► MonthlyReport (its fields) ─► events that the loan's history lacks | Fault (field and columns)

A report tells a state, not what happened since the last one, so the same charge-off is told month after month. An event is therefore made only when the loan's
history lacks it, and its name follows from the loan and its content: the same report again changes nothing. Reports of one loan are taken in the order of their days.

The unpacked (character) format is read, of which the base segment is the first 426 characters of a record; appended segments are passed over. Amounts are
whole dollars, days are MMDDYYYY, and zeros or blanks tell nothing.

Source: CDIA, Credit Reporting Resource Guide (base segment, fields 1 to 46; exhibit 4, account status codes); positions cross-checked against public implementations.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final

from msgspec import Struct

from instant_credit.canonical import hash_content
from instant_credit.outcome.events import EventId, EventKind, RepaymentEvent, encode_content
from instant_credit.outcome.inbound import Telling
from instant_credit.outcome.sequence import Fault, LoanHistory
from instant_credit.units import Cents, days_from_date

BASE_LENGTH: Final = 426
PACKED_LENGTH: Final = 366
CENTS: Final = 100
MESSAGE_MAX: Final = 500

RECORD_MALFORMED: Final = "METRO2_RECORD_MALFORMED"
FIELD_MALFORMED: Final = "METRO2_FIELD_MALFORMED"
ACCOUNT_TRANSFERRED: Final = "METRO2_ACCOUNT_TRANSFERRED"
ACCOUNT_DELETED: Final = "METRO2_ACCOUNT_DELETED"


class Field(Struct, frozen=True):
    """A field of the base segment: its name and its columns, from 1."""

    name: str
    first: int
    last: int


ACCOUNT_NUMBER: Final = Field("Consumer Account Number", 43, 72)
DATE_OPENED: Final = Field("Date Opened", 76, 83)
ORIGINAL_AMOUNT: Final = Field("Highest Credit or Original Loan Amount", 93, 101)
SCHEDULED_PAYMENT: Final = Field("Scheduled Monthly Payment Amount", 106, 114)
ACTUAL_PAYMENT: Final = Field("Actual Payment Amount", 115, 123)
ACCOUNT_STATUS: Final = Field("Account Status", 124, 125)
PAYMENT_RATING: Final = Field("Payment Rating", 126, 126)
PAYMENT_HISTORY: Final = Field("Payment History Profile", 127, 150)
SPECIAL_COMMENT: Final = Field("Special Comment", 151, 152)
COMPLIANCE_CONDITION: Final = Field("Compliance Condition Code", 153, 154)
CURRENT_BALANCE: Final = Field("Current Balance", 155, 163)
AMOUNT_PAST_DUE: Final = Field("Amount Past Due", 164, 172)
CHARGE_OFF_AMOUNT: Final = Field("Original Charge-off Amount", 173, 181)
INFORMATION_DATE: Final = Field("Date of Account Information", 182, 189)
FIRST_DELINQUENCY: Final = Field("Date of First Delinquency", 190, 197)
DATE_CLOSED: Final = Field("Date Closed", 198, 205)
LAST_PAYMENT: Final = Field("Date of Last Payment", 206, 213)
ECOA_CODE: Final = Field("ECOA Code", 325, 325)

OVERDUE: Final = {
    "71": (30, 59),
    "78": (60, 89),
    "80": (90, 119),
    "82": (120, 149),
    "83": (150, 179),
    "84": (180, 9_999),
}
"""Least and most days past due by account status."""

REPAID: Final = frozenset({"13", "61", "62", "63", "65"})
"""Paid in full: as agreed (13), or after a surrender (61), a collection (62), a repossession (63), the start of a foreclosure (65)."""

DEFAULTED: Final = frozenset({"88", "89", "93", "94", "95", "96"})
"""A claim on its insurer (88), a deed in lieu of foreclosure (89), collections (93), foreclosure (94), voluntary surrender (95), repossession (96)."""

CURRENT: Final = "11"
REPAID_AFTER_CHARGE_OFF: Final = "64"
CHARGED_OFF: Final = "97"
TRANSFERRED: Final = "05"
DELETED: Final = "DA"
FRAUDULENT: Final = "DF"

STATUSES: Final = frozenset(
    {CURRENT, REPAID_AFTER_CHARGE_OFF, CHARGED_OFF, TRANSFERRED, DELETED, FRAUDULENT, *OVERDUE, *REPAID, *DEFAULTED}
)
RATINGS: Final = frozenset(" 0123456GL")
PROFILE: Final = frozenset(" 0123456BDEGHJKL")
DISPUTED: Final = frozenset({"XB", "XF"})
"""Disputed, and being looked into."""

MODIFIED: Final = frozenset({"CN", "CO"})
"""Loan modified, under a federal plan or otherwise."""

DECEASED: Final = "X"

# The date of first delinquency is 30 days after the due date of the first instalment that was not paid.
_DAYS_TO_DELINQUENCY: Final = 30


_READ: Final = (
    ACCOUNT_NUMBER,
    DATE_OPENED,
    ORIGINAL_AMOUNT,
    SCHEDULED_PAYMENT,
    ACTUAL_PAYMENT,
    ACCOUNT_STATUS,
    PAYMENT_RATING,
    PAYMENT_HISTORY,
    SPECIAL_COMMENT,
    COMPLIANCE_CONDITION,
    CURRENT_BALANCE,
    AMOUNT_PAST_DUE,
    CHARGE_OFF_AMOUNT,
    INFORMATION_DATE,
    FIRST_DELINQUENCY,
    DATE_CLOSED,
    LAST_PAYMENT,
    ECOA_CODE,
)
# Before the account number: the record's length and the furnisher's own marks. No person is told there.
_MARKS_LAST: Final = ACCOUNT_NUMBER.first - 1


class MonthlyReport(Struct, frozen=True, kw_only=True, gc=False):
    """A base segment's fields. Amounts in cents, 0 when not told; days None when not told; codes blank when not told."""

    account_number: str
    opened_on: date | None
    original_cents: int
    scheduled_payment_cents: int
    actual_payment_cents: int
    status: str
    payment_rating: str
    payment_history: str
    special_comment: str
    compliance_condition: str
    balance_cents: int
    past_due_cents: int
    charged_off_cents: int
    information_on: date
    first_delinquency_on: date | None
    closed_on: date | None
    last_payment_on: date | None
    ecoa_code: str


def read_report(raw: bytes) -> MonthlyReport | Fault | None:
    """One record; None for a header or a trailer, a fault for what can't be read: the fields with their columns, nothing of their contents."""
    text = raw.decode("latin-1")
    if text[4:10] == "HEADER" or text[4:11] == "TRAILER":
        return None
    if len(text) < BASE_LENGTH:
        message = f"a base segment has {BASE_LENGTH} characters, and the line has {len(text)}"
        if len(text) == PACKED_LENGTH:
            message += ": the packed format is not read, send the unpacked one"
        return Fault(code=RECORD_MALFORMED, message=message)
    if not text.isascii() or text[:4] != f"{len(text):04d}":
        message = f"the Record Descriptor Word (columns 1-4) is not the line's length, {len(text):04d}, or the line is no ASCII"
        return Fault(code=RECORD_MALFORMED, message=message)
    reader = _Reader(text)
    information_on = reader.read_day(INFORMATION_DATE)
    report = MonthlyReport(
        account_number=reader.take(ACCOUNT_NUMBER).strip(),
        opened_on=reader.read_day(DATE_OPENED),
        original_cents=reader.read_dollars(ORIGINAL_AMOUNT),
        scheduled_payment_cents=reader.read_dollars(SCHEDULED_PAYMENT),
        actual_payment_cents=reader.read_dollars(ACTUAL_PAYMENT),
        status=reader.take(ACCOUNT_STATUS),
        payment_rating=reader.take(PAYMENT_RATING),
        payment_history=reader.take(PAYMENT_HISTORY),
        special_comment=reader.take(SPECIAL_COMMENT),
        compliance_condition=reader.take(COMPLIANCE_CONDITION),
        balance_cents=reader.read_dollars(CURRENT_BALANCE),
        past_due_cents=reader.read_dollars(AMOUNT_PAST_DUE),
        charged_off_cents=reader.read_dollars(CHARGE_OFF_AMOUNT),
        information_on=information_on or date.min,
        first_delinquency_on=reader.read_day(FIRST_DELINQUENCY),
        closed_on=reader.read_day(DATE_CLOSED),
        last_payment_on=reader.read_day(LAST_PAYMENT),
        ecoa_code=reader.take(ECOA_CODE),
    )
    _check(report, reader)
    if reader.faults:
        return Fault(code=FIELD_MALFORMED, message="; ".join(reader.faults)[:MESSAGE_MAX])
    if report.status == TRANSFERRED:
        message = (
            "the account was transferred to another lender: how it ends is not told here, so nothing is recorded of it"
        )
        return Fault(code=ACCOUNT_TRANSFERRED, message=message)
    if report.status == DELETED:
        message = "earlier reports of the account are withdrawn: void their events by corrections"
        return Fault(code=ACCOUNT_DELETED, message=message)
    return report


def blank_unread(raw: bytes) -> bytes:
    """The record with blanks in all columns that are not read, so that it tells no name, address, day of birth or number of a person.

    It is as long as before and reads as before. Of one whose columns can't be relied on, for its length is not what it says, only what
    stands before the account number is kept.
    """
    kept = bytearray(b" " * len(raw))
    kept[:_MARKS_LAST] = raw[:_MARKS_LAST]
    if len(raw) >= BASE_LENGTH and raw[:4] == b"%04d" % len(raw) and raw.isascii():
        for field in _READ:
            kept[field.first - 1 : field.last] = raw[field.first - 1 : field.last]
    return bytes(kept)


class ToldReport(Telling, frozen=True, kw_only=True, gc=False):
    """What a report tells of its account: the events that the loan's history lacks."""

    report: MonthlyReport

    def make_events(self, case_id: EventId, history: LoanHistory) -> Sequence[RepaymentEvent]:
        """`list_events`."""
        return list_events(self.report, case_id, history)


def tell_report(report: MonthlyReport, book: str) -> Telling:
    """What a report tells of the loan with its account number in `book`."""
    account = (book, report.account_number)
    return ToldReport(application_id=None, account=account, is_known_today=False, event=None, report=report)


def list_events(report: MonthlyReport, case_id: EventId, history: LoanHistory) -> tuple[RepaymentEvent, ...]:
    """The events of a report that its loan's history lacks, each named by the loan and its content. What they tell was known on the report's day."""
    found = _Events(report, {event.kind for event in history.standing()})
    ended_on = _find_end(report)
    charged_off_on = history.charged_off_on
    if report.status in {REPAID_AFTER_CHARGE_OFF, CHARGED_OFF}:
        day = ended_on if report.status == REPAID_AFTER_CHARGE_OFF else report.information_on
        found.add_once(EventKind.CHARGED_OFF, day, report.charged_off_cents)
        charged_off_on = charged_off_on or day
    elif report.status in REPAID and charged_off_on is None and history.repaid_on is None:
        found.add(EventKind.PAID, ended_on, report.actual_payment_cents)
    elif report.status == CURRENT:
        found.add(EventKind.CURRENT, report.information_on, 0)
    elif report.status in OVERDUE:
        days = _count_days(report, history.find_overdue_since(report.information_on))
        found.add(EventKind.DAYS_PAST_DUE, report.information_on, report.past_due_cents, days)
    elif report.status in DEFAULTED and charged_off_on is None:
        found.add(EventKind.DELINQUENT, report.information_on, report.past_due_cents)
    elif report.status == FRAUDULENT:
        found.add_once(EventKind.FRAUD, report.information_on, report.balance_cents)
    paid_on = (
        ended_on if report.status in REPAID or report.status == REPAID_AFTER_CHARGE_OFF else report.last_payment_on
    )
    if report.actual_payment_cents and paid_on is not None:
        if charged_off_on is not None and paid_on >= charged_off_on:
            found.add(EventKind.RECOVERED, paid_on, report.actual_payment_cents)
        elif report.status not in REPAID:
            found.add(EventKind.PAYMENT, paid_on, report.actual_payment_cents)
    if report.special_comment in MODIFIED:
        found.add_once(EventKind.RESTRUCTURED, report.information_on, report.balance_cents)
    if report.compliance_condition in DISPUTED:
        found.add_once(EventKind.DISPUTE, report.information_on, 0)
    if report.ecoa_code == DECEASED:
        found.add_once(EventKind.DECEASED, report.information_on, 0)
    return tuple(_name_event(event, case_id) for event in found.events)


class _Events:
    """The events of one report, as they are found."""

    def __init__(self, report: MonthlyReport, standing: set[EventKind]) -> None:
        self.events: list[RepaymentEvent] = []
        self._known_on = report.information_on
        self._standing = standing

    def add(self, kind: EventKind, event_on: date, amount_cents: int, days_past_due: int | None = None) -> None:
        self.events.append(
            RepaymentEvent(
                kind=kind,
                amount_cents=Cents(amount_cents),
                event_on=event_on,
                known_on=self._known_on,
                days_past_due=days_past_due,
            )
        )

    def add_once(self, kind: EventKind, event_on: date, amount_cents: int) -> None:
        """Unless one of the kind stands."""
        if kind not in self._standing:
            self.add(kind, event_on, amount_cents)


class _Reader:
    """A record's fields, and what is wrong with them."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.faults: list[str] = []

    def take(self, field: Field) -> str:
        return self._text[field.first - 1 : field.last]

    def read_dollars(self, field: Field) -> int:
        """Whole dollars as cents."""
        told = self.take(field).strip()
        if told and not (told.isdigit() and told.isascii()):
            self.blame(field, "is no whole number of dollars")
            return 0
        return int(told or "0") * CENTS

    def read_day(self, field: Field) -> date | None:
        told = self.take(field)
        if not told.strip(" 0"):
            return None
        try:
            if not told.isdigit():
                raise ValueError
            return date(int(told[4:]), int(told[:2]), int(told[2:4]))
        except ValueError:
            self.blame(field, "is no day (MMDDYYYY)")
            return None

    def blame(self, field: Field, why: str) -> None:
        columns = f"columns {field.first}-{field.last}" if field.last > field.first else f"column {field.first}"
        self.faults.append(f"{field.name} ({columns}) {why}")


def _check(report: MonthlyReport, reader: _Reader) -> None:
    """Codes that are known, and days that suit each other."""
    if not report.account_number:
        reader.blame(ACCOUNT_NUMBER, "is blank")
    if report.status not in STATUSES:
        reader.blame(ACCOUNT_STATUS, "is no account status code")
    if report.payment_rating not in RATINGS:
        reader.blame(PAYMENT_RATING, "is no payment rating")
    if not PROFILE.issuperset(report.payment_history):
        reader.blame(PAYMENT_HISTORY, "holds a code that is none")
    if report.information_on == date.min:
        if not reader.take(INFORMATION_DATE).strip(" 0"):
            reader.blame(INFORMATION_DATE, "is missing")
        return
    days = (
        (FIRST_DELINQUENCY, report.first_delinquency_on),
        (DATE_CLOSED, report.closed_on),
        (LAST_PAYMENT, report.last_payment_on),
    )
    for field, day in days:
        if day is not None and day > report.information_on:
            reader.blame(field, "lies after the Date of Account Information")
    if (
        report.status in OVERDUE
        and report.first_delinquency_on is None
        and not reader.take(FIRST_DELINQUENCY).strip(" 0")
    ):
        reader.blame(FIRST_DELINQUENCY, "is missing, which this account status needs")


def _find_end(report: MonthlyReport) -> date:
    """The day on which an account that is paid in full was."""
    return report.closed_on or report.last_payment_on or report.information_on


def _count_days(report: MonthlyReport, since: date | None) -> int:
    """Days past due: since the instalment of the first delinquency, or since a later one where an earlier report says so, within what the
    account status says.
    """
    least, most = OVERDUE[report.status]
    day = days_from_date(report.information_on)
    assert report.first_delinquency_on is not None
    first_due = days_from_date(report.first_delinquency_on) - _DAYS_TO_DELINQUENCY
    start = first_due if since is None else max(first_due, days_from_date(since))
    return min(max(day - start, least), most)


def _name_event(event: RepaymentEvent, case_id: EventId) -> RepaymentEvent:
    """The event under the name that follows from its loan and its content."""
    digest = int(hash_content(case_id.bytes + encode_content(event))[:32], 16)
    # Version 8 of RFC 9562: a name of its maker's own making.
    name = (digest & ~(0xF << 76 | 0b11 << 62)) | 0x8 << 76 | 0b10 << 62
    return RepaymentEvent(
        kind=event.kind,
        amount_cents=event.amount_cents,
        event_on=event.event_on,
        known_on=event.known_on,
        days_past_due=event.days_past_due,
        event_id=EventId(int=name),
    )
