"""Whether an event is possible in the life of a loan. Pure.

A `LoanHistory` holds the events of one loan; `find_fault` says why another one cannot belong to them, or that it can. Only events that
stand count, that is all but those that were corrected and those of kind `VOID`; a correction is judged among the others, without the one that it corrects.
Events may arrive in any order: what matters is the days on which they happened, so an event must suit both what happened before it and what happened after it.
Two events of one day are in no order.

The law, for any two events that stand:

1. Nothing happens before the application, and but for disputes, fraud and deaths nothing before the disbursement, where one is told. The
   day before the application's is no breach: that day is in UTC, and a lender's own may be one behind it (west) or one ahead (east, `last_day`).
2. A loan is disbursed at most once, and ends at most once: paid, prepaid or charged off.
3. After a charge-off there are recoveries, disputes, fraud and deaths alone, and no recovery comes before it; after a repayment in full there are
   disputes, fraud and deaths alone.
4. The day since which a loan is overdue, the day of an observation less its days past due, is not before the loan's start, and of two observations
   the later one's is not the earlier: days past due rise no faster than days pass.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import date, timedelta
from enum import StrEnum
from typing import Final, final

from msgspec import Struct

from instant_credit.outcome.events import EventId, EventKind, RepaymentEvent


class FaultCode(StrEnum):
    """Why an event is impossible."""

    KNOWN_IN_FUTURE = "KNOWN_IN_FUTURE"
    EVENT_BEFORE_APPLICATION = "EVENT_BEFORE_APPLICATION"
    EVENT_BEFORE_DISBURSEMENT = "EVENT_BEFORE_DISBURSEMENT"
    EVENT_AFTER_CHARGE_OFF = "EVENT_AFTER_CHARGE_OFF"
    EVENT_AFTER_REPAYMENT = "EVENT_AFTER_REPAYMENT"
    DISBURSED_BEFORE = "DISBURSED_BEFORE"
    ENDED_BEFORE = "ENDED_BEFORE"
    EARLIER_EVENT_STANDS = "EARLIER_EVENT_STANDS"
    LATER_EVENT_STANDS = "LATER_EVENT_STANDS"
    RECOVERED_WITHOUT_CHARGE_OFF = "RECOVERED_WITHOUT_CHARGE_OFF"
    OVERDUE_BEFORE_START = "OVERDUE_BEFORE_START"
    OVERDUE_TOO_FAST = "OVERDUE_TOO_FAST"
    CORRECTED_EVENT_UNKNOWN = "CORRECTED_EVENT_UNKNOWN"
    CORRECTED_EVENT_REPLACED = "CORRECTED_EVENT_REPLACED"
    CORRECTED_BEFORE_KNOWN = "CORRECTED_BEFORE_KNOWN"


@final
class Fault(Struct, frozen=True, kw_only=True):
    """Why something that was told is not taken, and what to do about it; `message` holds nothing of what was told."""

    code: str
    message: str


ANY_TIME: Final = frozenset({EventKind.DISPUTE, EventKind.FRAUD, EventKind.DECEASED})
AFTER_CHARGE_OFF: Final = ANY_TIME | {EventKind.RECOVERED}
REPAID: Final = frozenset({EventKind.PAID, EventKind.PREPAID})
ENDS: Final = REPAID | {EventKind.CHARGED_OFF}

# A member is found through its class at eight times the price of a name, and events come by the million.
_CHARGED_OFF: Final = EventKind.CHARGED_OFF
_DISBURSED: Final = EventKind.DISBURSED
_RECOVERED: Final = EventKind.RECOVERED
_VOID: Final = EventKind.VOID
ONE_DAY: Final = timedelta(days=1)
"""By so much a lender's day may differ from the one in UTC."""

_MESSAGES: Final = {
    FaultCode.KNOWN_IN_FUTURE: "known_on lies after today anywhere: tell an event when it is known",
    FaultCode.EVENT_BEFORE_APPLICATION: "event_on lies before the day of the application: correct the day, or the application",
    FaultCode.EVENT_BEFORE_DISBURSEMENT: "event_on lies before the loan's disbursement: correct the day, or the disbursement first",
    FaultCode.EVENT_AFTER_CHARGE_OFF: "the loan was charged off before: tell what is paid later as recovered, or correct the charge-off first",
    FaultCode.EVENT_AFTER_REPAYMENT: "the loan was repaid in full before: correct the repayment first if it was not",
    FaultCode.DISBURSED_BEFORE: "the loan's disbursement is told already: correct that event instead of telling a second one",
    FaultCode.ENDED_BEFORE: "the loan's end (paid, prepaid or charged off) is told already: correct that event instead of telling a second one",
    FaultCode.EARLIER_EVENT_STANDS: "an event of before this disbursement is told: correct that event first, or the day",
    FaultCode.LATER_EVENT_STANDS: "an event of after this end of the loan is told: correct that event first, or the day",
    FaultCode.RECOVERED_WITHOUT_CHARGE_OFF: "nothing is recovered before a charge-off is told: tell the charge-off first, or the event as a payment",
    FaultCode.OVERDUE_BEFORE_START: "days_past_due exceeds the days since the loan's start: correct it or the day",
    FaultCode.OVERDUE_TOO_FAST: "days_past_due rises faster than the days between two observations pass: correct it or the day",
    FaultCode.CORRECTED_EVENT_UNKNOWN: "corrects names no event of this application: tell that event first",
    FaultCode.CORRECTED_EVENT_REPLACED: "the event that corrects names does not stand: name the one that stands in its place",
    FaultCode.CORRECTED_BEFORE_KNOWN: "known_on lies before the day on which the corrected event was known",
}


def make_fault(code: FaultCode) -> Fault:
    """The fault with its message."""
    return Fault(code=code.value, message=_MESSAGES[code])


def last_day(today: date) -> date:
    """The last day on which something can have happened or be known when it is `today` in UTC: in the east tomorrow has begun."""
    return today + ONE_DAY


class LoanHistory:
    """The events of one loan, each with a name.

    Parameters
    ----------
    as_of : the day of the application, UTC.
    events : what is recorded, in any order; it is taken as it is.
    """

    __slots__ = (
        "_charged_off_on",
        "_corrected",
        "_disbursed_on",
        "_events",
        "_first_on",
        "_last_on",
        "_observed_days",
        "_opens_on",
        "_overdue_since",
        "_repaid_on",
        "as_of",
    )

    def __init__(self, as_of: date, events: Iterable[RepaymentEvent] = ()) -> None:
        self.as_of = as_of
        self._opens_on = as_of - ONE_DAY
        # By the names' numbers: a name itself takes ten times as long to be looked up.
        self._events: dict[int, RepaymentEvent] = {}
        self._corrected: set[int] = set()
        self._clear()
        for event in events:
            self.add(event)

    def __len__(self) -> int:
        return len(self._events)

    def find(self, event_id: EventId) -> RepaymentEvent | None:
        """The event of this name, whether it stands or not."""
        return self._events.get(event_id.int)

    @property
    def charged_off_on(self) -> date | None:
        """The day of the charge-off that stands, None without one."""
        return self._charged_off_on

    @property
    def repaid_on(self) -> date | None:
        """The day of the repayment in full that stands, None without one."""
        return self._repaid_on

    def find_overdue_since(self, day: date) -> date | None:
        """The day since which the loan was overdue at the last observation up to `day`, None without one."""
        before = bisect_right(self._observed_days, day.toordinal())
        return date.fromordinal(self._overdue_since[before - 1]) if before else None

    def standing(self) -> list[RepaymentEvent]:
        """The events that stand, in the order of their arrival."""
        return [
            event for name, event in self._events.items() if event.kind is not _VOID and name not in self._corrected
        ]

    def add(self, event: RepaymentEvent) -> None:
        """Take an event into the history, whatever it says."""
        assert event.event_id is not None
        name = event.event_id.int
        self._events[name] = event
        if event.corrects is not None:
            self._corrected.add(event.corrects.int)
            self._count_anew()
        elif name not in self._corrected:
            self._count(event)

    def remove(self, names: Iterable[EventId]) -> None:
        """Take events back out of the history."""
        for name in names:
            del self._events[name.int]
        self._corrected = {event.corrects.int for event in self._events.values() if event.corrects is not None}
        self._count_anew()

    def find_fault(self, event: RepaymentEvent, today: date) -> Fault | None:
        """Why `event` cannot belong to this history, None when it can. `today` is the last day on which something can be known."""
        if event.known_on > today:
            return make_fault(FaultCode.KNOWN_IN_FUTURE)
        code = self._judge(event) if event.corrects is None else self._judge_correction(event, event.corrects)
        return None if code is None else make_fault(code)

    def _judge_correction(self, event: RepaymentEvent, corrects: EventId) -> FaultCode | None:
        """Why an event cannot stand in the place of the one that it corrects."""
        former = self.find(corrects)
        if former is None:
            return FaultCode.CORRECTED_EVENT_UNKNOWN
        if former.kind is _VOID or corrects.int in self._corrected:
            return FaultCode.CORRECTED_EVENT_REPLACED
        if event.known_on < former.known_on:
            return FaultCode.CORRECTED_BEFORE_KNOWN
        others = LoanHistory(self.as_of)
        for one in self.standing():
            if one is not former:
                others._count(one)
        code = None if event.kind is _VOID else others._judge(event)
        if code is not None or former.kind is not _CHARGED_OFF:
            return code
        if event.kind is not _VOID:
            others._count(event)
        return _find_bare_recovery(others, self.standing())

    def _judge(self, event: RepaymentEvent) -> FaultCode | None:
        """Why an event cannot stand beside those that are counted; it corrects none of them."""
        day, kind = event.event_on, event.kind
        if day < self._opens_on:
            return FaultCode.EVENT_BEFORE_APPLICATION
        if kind in ANY_TIME:
            return None
        if self._disbursed_on is not None and day < self._disbursed_on:
            return FaultCode.DISBURSED_BEFORE if kind is _DISBURSED else FaultCode.EVENT_BEFORE_DISBURSEMENT
        if self._repaid_on is not None:
            if kind in ENDS:
                return FaultCode.ENDED_BEFORE
            if day > self._repaid_on:
                return FaultCode.EVENT_AFTER_REPAYMENT
        if self._charged_off_on is not None:
            if kind in ENDS:
                return FaultCode.ENDED_BEFORE
            if day > self._charged_off_on and kind is not _RECOVERED:
                return FaultCode.EVENT_AFTER_CHARGE_OFF
        if kind is _RECOVERED:
            is_bare = self._charged_off_on is None or day < self._charged_off_on
            return FaultCode.RECOVERED_WITHOUT_CHARGE_OFF if is_bare else None
        if kind in ENDS:
            return FaultCode.LATER_EVENT_STANDS if self._last_on is not None and self._last_on > day else None
        if kind is _DISBURSED:
            return self._judge_disbursement(day)
        return self._judge_observation(event) if event.days_past_due is not None else None

    def _judge_disbursement(self, day: date) -> FaultCode | None:
        if self._disbursed_on is not None:
            return FaultCode.DISBURSED_BEFORE
        if self._first_on is not None and self._first_on < day:
            return FaultCode.EARLIER_EVENT_STANDS
        if self._overdue_since and self._overdue_since[0] < day.toordinal():
            return FaultCode.OVERDUE_BEFORE_START
        return None

    def _judge_observation(self, event: RepaymentEvent) -> FaultCode | None:
        assert event.days_past_due is not None
        day = event.event_on.toordinal()
        since = day - event.days_past_due
        if since < (self._disbursed_on or self._opens_on).toordinal():
            return FaultCode.OVERDUE_BEFORE_START
        before, after = bisect_right(self._observed_days, day), bisect_left(self._observed_days, day)
        if before and self._overdue_since[before - 1] > since:
            return FaultCode.OVERDUE_TOO_FAST
        if after < len(self._overdue_since) and self._overdue_since[after] < since:
            return FaultCode.OVERDUE_TOO_FAST
        return None

    def _clear(self) -> None:
        self._disbursed_on: date | None = None
        self._charged_off_on: date | None = None
        self._repaid_on: date | None = None
        # The first and the last day of what happens neither at any time nor after a charge-off.
        self._first_on: date | None = None
        self._last_on: date | None = None
        # Observations by day, and the day since which the loan was overdue at each of them.
        self._observed_days: list[int] = []
        self._overdue_since: list[int] = []

    def _count_anew(self) -> None:
        self._clear()
        for event in self.standing():
            self._count(event)

    def _count(self, event: RepaymentEvent) -> None:
        """Count an event that stands."""
        day, kind = event.event_on, event.kind
        if kind in ANY_TIME or kind is _VOID:
            return
        if kind is _DISBURSED:
            self._disbursed_on = day if self._disbursed_on is None else min(day, self._disbursed_on)
        elif self._first_on is None or day < self._first_on:
            self._first_on = day
        if kind is not _RECOVERED and (self._last_on is None or day > self._last_on):
            self._last_on = day
        if kind is _CHARGED_OFF:
            self._charged_off_on = day if self._charged_off_on is None else min(day, self._charged_off_on)
        elif kind in REPAID:
            self._repaid_on = day if self._repaid_on is None else min(day, self._repaid_on)
        elif event.days_past_due is not None:
            ordinal = day.toordinal()
            place = bisect_right(self._observed_days, ordinal)
            self._observed_days.insert(place, ordinal)
            self._overdue_since.insert(place, ordinal - event.days_past_due)


def _find_bare_recovery(others: LoanHistory, standing: Iterable[RepaymentEvent]) -> FaultCode | None:
    """Whether a correction of the charge-off leaves a recovery without one."""
    for event in standing:
        if event.kind is _RECOVERED and (others.charged_off_on is None or event.event_on < others.charged_off_on):
            return FaultCode.RECOVERED_WITHOUT_CHARGE_OFF
    return None
