"""Events as they are told from outside: one JSON object, or one row of a table, each. Pure.

    raw line ─► InboundEvent (its fields) ─► Telling (what it means for a loan) | Fault (why it can't be read)

A loan is named by the application's id, or by the number of its account in a book. A correction names the event that it corrects; its
`replacement` stands in that one's place, and without one nothing does.
"""

import csv
import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from instant_credit.canonical import UNREADABLE
from instant_credit.errors import Refused
from instant_credit.outcome.events import DAYS_PAST_DUE_MAX, EventId, EventKind, RepaymentEvent
from instant_credit.outcome.lines import LINE_BYTES_MAX
from instant_credit.outcome.sequence import Fault, LoanHistory, last_day
from instant_credit.units import Cents

AMOUNT_CENTS_MAX: Final = 10**13
REPLACEMENT: Final = "replacement_kind"

LINE_TOO_LONG: Final = "LINE_TOO_LONG"
LINE_UNREADABLE: Final = "LINE_UNREADABLE"
EVENT_IN_FUTURE: Final = "EVENT_IN_FUTURE"
KNOWN_BEFORE_EVENT: Final = "KNOWN_BEFORE_EVENT"

BookName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
AccountNumber = Annotated[str, Meta(min_length=1, max_length=128)]
Amount = Annotated[int, Meta(ge=0, le=AMOUNT_CENTS_MAX)]
DaysPastDue = Annotated[int, Meta(ge=0, le=DAYS_PAST_DUE_MAX)]


class ToldKind(StrEnum):
    """What can be told: the kinds of events but `void`, and a correction."""

    PAID = "paid"
    CHARGED_OFF = "charged_off"
    RECOVERED = "recovered"
    CURRENT = "current"
    DELINQUENT = "delinquent"
    DISBURSED = "disbursed"
    INSTALMENT_DUE = "instalment_due"
    PAYMENT = "payment"
    MISSED = "missed"
    DAYS_PAST_DUE = "days_past_due"
    RESTRUCTURED = "restructured"
    PREPAID = "prepaid"
    FRAUD = "fraud"
    DECEASED = "deceased"
    DISPUTE = "dispute"
    CORRECTION = "correction"


EVENT_KINDS: Final = {kind: EventKind(kind.value) for kind in ToldKind if kind is not ToldKind.CORRECTION}

# A member is found through its class at eight times the price of a name, and events come by the million.
_CORRECTION: Final = ToldKind.CORRECTION
_DAYS_PAST_DUE: Final = ToldKind.DAYS_PAST_DUE
_VOID: Final = EventKind.VOID


class Replacement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """What stands in the place of a corrected event."""

    kind: ToldKind
    amount_cents: Amount = 0
    event_on: date
    days_past_due: DaysPastDue | None = None

    def __post_init__(self) -> None:
        """A replacement is an event, no correction, and tells what belongs to its kind."""
        if self.kind is _CORRECTION:
            raise ValueError("a replacement is of another kind than correction")
        _check_days(self.kind, self.days_past_due)


class InboundEvent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One event as it is sent.

    Attributes
    ----------
    event_id : names the event for ever; the same one again changes nothing.
    application_id : the loan's application; None where `book` and `account` name it.
    book, account : a book of the record and the loan's number there (a tape's natural key).
    event_on, known_on : the day it happened, and the day the lender knew; None = today, or the day it happened where that has begun in the east. A correction has no `event_on` of its own.
    corrects, replacement : of a correction: the event's name, and what stands in its place; None = nothing does.
    """

    event_id: EventId
    application_id: EventId | None = None
    book: BookName | None = None
    account: AccountNumber | None = None
    kind: ToldKind
    amount_cents: Amount = 0
    event_on: date | None = None
    known_on: date | None = None
    days_past_due: DaysPastDue | None = None
    corrects: EventId | None = None
    replacement: Replacement | None = None

    def __post_init__(self) -> None:
        """One loan is named, and each kind tells what belongs to it."""
        if self.application_id is None:
            if self.book is None or self.account is None:
                raise ValueError("a loan is named by application_id, or by book and account")
        elif self.book is not None or self.account is not None:
            raise ValueError("a loan is named by application_id, or by book and account, not by both")
        if self.kind is not _CORRECTION:
            if self.event_on is None:
                raise ValueError("event_on is missing: the day on which it happened")
            if self.corrects is not None or self.replacement is not None:
                raise ValueError("corrects and replacement belong to the kind correction")
            _check_days(self.kind, self.days_past_due)
            return
        if self.corrects is None:
            raise ValueError("corrects is missing: the event_id of what is corrected")
        if self.corrects == self.event_id:
            raise ValueError("an event does not correct itself")
        if self.event_on is not None or self.days_past_due is not None or self.amount_cents:
            raise ValueError("a correction tells amount_cents, event_on and days_past_due inside its replacement")


class Telling(Struct, frozen=True, kw_only=True, gc=False):
    """What a line tells of one loan.

    Attributes
    ----------
    application_id, account : of which loan; `account` is its book and number there. One of the two is None.
    is_known_today : the line tells no day on which it was known, so a day that was recorded before is none other.
    event : what it tells; None where that depends on the loan's history.
    """

    application_id: EventId | None
    account: tuple[str, str] | None
    is_known_today: bool
    event: RepaymentEvent | None

    def make_events(self, case_id: EventId, history: LoanHistory) -> Sequence[RepaymentEvent]:
        """The events that it means for a loan of this id and history, each with a name."""
        assert self.event is not None
        return (self.event,)


_EVENTS: Final = msgspec.json.Decoder(InboundEvent)
_WHOLE: Final = frozenset({"amount_cents", "days_past_due"})


def read_json(raw: bytes, today: date) -> Telling | Fault:
    """The event of one JSON object; `today` is when it was known where it does not say so."""
    if len(raw) > LINE_BYTES_MAX:
        return Fault(code=LINE_TOO_LONG, message=f"an event has at most {LINE_BYTES_MAX:,} bytes")
    try:
        event = _EVENTS.decode(raw)
    except UNREADABLE as error:
        return _tell_unreadable(error)
    return _interpret(event, today)


class TableReader:
    """Events as rows of a table with commas: the first line names the columns, which are the fields of an event; an empty cell tells nothing.

    A correction's replacement is told by the column `replacement_kind` and the columns `amount_cents`, `event_on` and `days_past_due` of its row.

    Raises
    ------
    Refused : the first line names other columns, one twice, or lacks one.
    """

    def __init__(self, header: bytes, book: str | None = None) -> None:
        known = [
            *(field.name for field in msgspec.structs.fields(InboundEvent) if field.name != "replacement"),
            REPLACEMENT,
        ]
        try:
            self._columns = next(csv.reader([header.decode("utf-8-sig")]), [])
        except UnicodeDecodeError:
            self._columns = []
        if not {"event_id", "kind", "event_on"} <= set(self._columns):
            raise Refused("the first line of a table names its columns, event_id, kind and event_on among them")
        if len(set(self._columns)) != len(self._columns) or not set(self._columns) <= set(known):
            raise Refused(f"the columns of a table are {', '.join(known)}, each at most once")
        self._book = book

    def read(self, raw: bytes, today: date) -> Telling | Fault:
        """The event of one row."""
        if len(raw) > LINE_BYTES_MAX:
            return Fault(code=LINE_TOO_LONG, message=f"an event has at most {LINE_BYTES_MAX:,} bytes")
        try:
            text = raw.decode()
            cells = next(csv.reader([text], strict=True), []) if '"' in text else text.split(",")
            if len(cells) != len(self._columns):
                return Fault(
                    code=LINE_UNREADABLE, message=f"the row has not {len(self._columns)} cells as the first line has"
                )
            event = msgspec.convert(self._lay_out(cells), InboundEvent, strict=False)
        except (*UNREADABLE, csv.Error) as error:
            return _tell_unreadable(error)
        return _interpret(event, today)

    def _lay_out(self, cells: Sequence[str]) -> Mapping[str, Any]:
        """A row as the fields of an event."""
        told: dict[str, Any] = {name: cell for name, cell in zip(self._columns, cells, strict=True) if cell}
        if self._book is not None and "account" in told:
            told.setdefault("book", self._book)
        kind = told.pop(REPLACEMENT, None)
        if kind is not None:
            own = [name for name in ("amount_cents", "event_on", "days_past_due") if name in told]
            told["replacement"] = {"kind": kind, **{name: told.pop(name) for name in own}}
        return told


def name_account(number: str) -> str:
    """The natural key that a tape's loan has whose row is known by this number alone."""
    return f"{hashlib.sha256(number.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}-1"


def check_book(book: str) -> None:
    """Raise `Refused` unless `book` is a book's name."""
    try:
        msgspec.convert(book, BookName)
    except msgspec.ValidationError as error:
        raise Refused("a book's name is 1 to 64 of a-z, 0-9, _, . and -, and begins with a letter or digit") from error


def _check_days(kind: ToldKind, days_past_due: int | None) -> None:
    if (kind is _DAYS_PAST_DUE) != (days_past_due is not None):
        raise ValueError("days_past_due belongs to the kind days_past_due")


def _interpret(event: InboundEvent, today: date) -> Telling | Fault:
    known_on = event.known_on or today
    told: InboundEvent | Replacement = event if event.replacement is None else event.replacement
    event_on = known_on if told.event_on is None else told.event_on
    if event.known_on is None and today < event_on <= last_day(today):
        known_on = event_on
    if event_on > known_on:
        if event.known_on is None:
            return Fault(
                code=EVENT_IN_FUTURE, message="event_on lies after today anywhere: tell an event when it has happened"
            )
        return Fault(
            code=KNOWN_BEFORE_EVENT, message="known_on lies before event_on: nothing is known before it happened"
        )
    repayment = RepaymentEvent(
        kind=_VOID if told.kind is _CORRECTION else EVENT_KINDS[told.kind],
        amount_cents=Cents(told.amount_cents),
        event_on=event_on,
        known_on=known_on,
        days_past_due=told.days_past_due,
        event_id=event.event_id,
        corrects=event.corrects,
    )
    account = None if event.book is None or event.account is None else (event.book, event.account)
    return Telling(
        application_id=event.application_id,
        account=account,
        is_known_today=event.known_on is None,
        event=repayment,
    )


def _tell_unreadable(error: Exception) -> Fault:
    """Why a line can't be read, without anything of what it says."""
    text = str(error)
    if "unknown field" in text:
        text = "it has a field that events don't have"
    elif "enum value" in text:
        text = "kind is none of " + ", ".join(ToldKind)
    elif isinstance(error, UnicodeDecodeError):
        text = "it is no UTF-8"
    elif isinstance(error, (RecursionError, csv.Error)):
        text = "it is nested or quoted in a way that can't be read"
    return Fault(code=LINE_UNREADABLE, message=f"the line can't be read: {text}"[:500])
