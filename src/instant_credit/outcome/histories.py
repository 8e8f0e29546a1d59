"""Many loans' events as columns, and which of them stood on a day. Pure.

A book of a million loans is a few arrays with one entry an event; an event's correction names the entry that it corrects. What is told
of one loan by `events.py` is told here of all of them, and a property holds the two together.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import require
from instant_credit.outcome.events import EventKind, RepaymentEvent
from instant_credit.units import MONTHS_PER_YEAR, days_from_date

Loans = NDArray[np.int64]
Days = NDArray[np.int32]

KIND_CODES: Final[dict[EventKind, int]] = {kind: code for code, kind in enumerate(EventKind)}
NEVER: Final = int(np.iinfo(np.int32).max)
"""A day that does not come."""
NOT_TOLD: Final = -1
_EPOCH_YEAR: Final = 1970


class Histories(Struct, frozen=True, kw_only=True, eq=False):
    """Events of n loans, e of them in any order.

    Attributes
    ----------
    loan_count : n.
    loans : int64[e], the loan of each event, in [0, n).
    kinds : int8[e], by `KIND_CODES`.
    event_days, known_days : int32[e], days since 1970-01-01.
    amounts_cents : int64[e].
    days_past_due : int32[e], -1 where the kind tells none.
    corrects : int64[e], the entry in whose place this one stands, one of the same loan; -1 = none.
    """

    loan_count: int
    loans: Loans
    kinds: NDArray[np.int8]
    event_days: Days
    known_days: Days
    amounts_cents: NDArray[np.int64]
    days_past_due: Days
    corrects: NDArray[np.int64]

    def __post_init__(self) -> None:
        """The columns fit together. Raises BrokenInvariant."""
        require(all(one.shape == (len(self.loans),) for one in self._columns), "events are columns of one length")
        if not len(self.loans):
            return
        require(
            int(self.loans.min()) >= 0 and int(self.loans.max()) < self.loan_count,
            "an event names a loan that is not in the book",
        )
        require(int(self.kinds.min()) >= 0 and int(self.kinds.max()) < len(KIND_CODES), "an event has an unknown kind")
        corrected = self.corrects[self.corrects != NOT_TOLD]
        require(
            not len(corrected) or (int(corrected.min()) >= 0 and int(corrected.max()) < len(self.loans)),
            "an event corrects one that is not there",
        )
        require(
            bool((self.loans[corrected] == self.loans[self.corrects != NOT_TOLD]).all()),
            "an event corrects one of another loan",
        )

    @property
    def _columns(self) -> tuple[NDArray[Any], ...]:
        return (
            self.loans,
            self.kinds,
            self.event_days,
            self.known_days,
            self.amounts_cents,
            self.days_past_due,
            self.corrects,
        )

    def select(self, rows: NDArray[Any]) -> "Histories":
        """Some of the events, by bool[e] or int64[k]; what they correct is forgotten, since it may not be among them."""
        loans = self.loans[rows]
        return Histories(
            loan_count=self.loan_count,
            loans=loans,
            kinds=self.kinds[rows],
            event_days=self.event_days[rows],
            known_days=self.known_days[rows],
            amounts_cents=self.amounts_cents[rows],
            days_past_due=self.days_past_due[rows],
            corrects=np.full(len(loans), NOT_TOLD, dtype=np.int64),
        )

    def is_kind(self, *kinds: EventKind) -> NDArray[np.bool_]:
        """bool[e], whether an event is of one of these kinds."""
        wanted = np.zeros(len(KIND_CODES), dtype=np.bool_)
        wanted[[KIND_CODES[kind] for kind in kinds]] = True
        return wanted[self.kinds]


def lay_out_histories(histories: Sequence[Sequence[RepaymentEvent]]) -> Histories:
    """The events of n loans as columns."""
    places: list[dict[object, int]] = []
    count = 0
    for events in histories:
        places.append({event.event_id: count + i for i, event in enumerate(events) if event.event_id is not None})
        count += len(events)
    rows = [
        (
            loan,
            KIND_CODES[event.kind],
            days_from_date(event.event_on),
            days_from_date(event.known_on),
            event.amount_cents,
            NOT_TOLD if event.days_past_due is None else event.days_past_due,
            NOT_TOLD if event.corrects is None else places[loan].get(event.corrects, NOT_TOLD),
        )
        for loan, events in enumerate(histories)
        for event in events
    ]
    return lay_out_rows(np.array(rows, dtype=np.int64).reshape(len(rows), 7), len(histories))


def lay_out_rows(rows: NDArray[np.int64], loan_count: int) -> Histories:
    """Columns of int64[e, 7]: loan, kind, event day, known day, cents, days past due, entry corrected; -1 where one is not told."""
    return Histories(
        loan_count=loan_count,
        loans=np.ascontiguousarray(rows[:, 0]),
        kinds=rows[:, 1].astype(np.int8),
        event_days=rows[:, 2].astype(np.int32),
        known_days=rows[:, 3].astype(np.int32),
        amounts_cents=np.ascontiguousarray(rows[:, 4]),
        days_past_due=rows[:, 5].astype(np.int32),
        corrects=np.ascontiguousarray(rows[:, 6]),
    )


def stand_as_known_many(histories: Histories, known_on_days: int) -> Histories:
    """The events that stood on a day, inclusive: known by then, and not corrected by then. The twin of `events.stand_as_known`."""
    is_known = histories.known_days <= known_on_days
    is_standing = is_known & ~histories.is_kind(EventKind.VOID)
    corrected = histories.corrects[is_known & (histories.corrects != NOT_TOLD)]
    is_standing[corrected] = False
    return histories.select(is_standing)


def find_starts(standing: Histories) -> Days:
    """The first day on which each loan was told as paid out, int32[n]; `NEVER` where that is not told."""
    return find_first_days(standing, standing.is_kind(EventKind.DISBURSED))


def find_first_days(histories: Histories, rows: NDArray[np.bool_]) -> Days:
    """The first day among these events of each loan, int32[n]; `NEVER` where it has none of them."""
    return first_days(histories.loan_count, histories.loans[rows], histories.event_days[rows])


def first_days(loan_count: int, loans: Loans, days: NDArray[Any]) -> Days:
    """The first of each loan's days, int32[n]; `NEVER` where it has none."""
    first = np.full(loan_count, NEVER, dtype=np.int32)
    np.minimum.at(first, loans, days.astype(np.int32))
    return first


def add_months_to_days(days: Days, months: int | NDArray[np.int64]) -> Days:
    """The twin of `units.add_months` over int32[n] days since 1970-01-01; a day that does not come moves nowhere."""
    is_day = days != NEVER
    dated = np.where(is_day, days, 0).astype("datetime64[D]")
    month = dated.astype("datetime64[M]")
    day_of_month = (dated - month.astype("datetime64[D]")).astype(np.int64)
    moved = month + np.asarray(months).astype("timedelta64[M]")
    first = moved.astype("datetime64[D]").astype(np.int64)
    last = (moved + np.timedelta64(1, "M")).astype("datetime64[D]").astype(np.int64) - 1
    return np.where(is_day, np.minimum(first + day_of_month, last), NEVER).astype(np.int32)


def months_between(starts: Days, days: Days) -> NDArray[np.int64]:
    """Months on book, int64[n]: the least whole number of months after the start whose last day is not before the day.

    What happened up to and including the same day of the next month happened in month 1; on the first day itself in month 0.
    """
    guess = _month_numbers(days) - _month_numbers(starts)
    return np.where(add_months_to_days(starts, guess) < days, guess + 1, guess)


def _month_numbers(days: Days) -> NDArray[np.int64]:
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def name_months(days: Days, months: int) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Cohorts of so many months by day: a code int64[n] from 0 in order of time, and the name of each, such as 2011-02 or 2011-04/06."""
    found, codes = np.unique(_month_numbers(days) // months, return_inverse=True)
    return codes.astype(np.int64).reshape(-1), tuple(_name_month(int(one) * months, months) for one in found)


def _name_month(number: int, months: int) -> str:
    year, month = _EPOCH_YEAR + number // MONTHS_PER_YEAR, number % MONTHS_PER_YEAR + 1
    if months == MONTHS_PER_YEAR:
        return str(year)
    return f"{year}-{month:02d}" if months == 1 else f"{year}-{month:02d}/{month + months - 1:02d}"
