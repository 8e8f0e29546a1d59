"""The ledger: instalments that fell due and when each was paid, the oldest unpaid one first. Pure.

An instalment that stays unpaid for so many days makes the loan so many days past due, whether or not anybody observed that.

Within a day, what fell due comes first, then what was paid, then what was told as missed, then what ends the ledger:

1. Instalments of one day are one. It is paid out of what was paid too much before, then by later payments, after all older ones.
2. `MISSED` says that the day's instalment was not paid: what was paid too much before that does not count for it. It is of the amount told as
   missed, else of what fell due on the day, else of a cent, so that any payment after all older ones settles it.
3. `PAID`, `PREPAID`, `RESTRUCTURED` and `CHARGED_OFF` end the ledger: nothing stays open, and what falls due later begins a new one.

`trace_instalments` is the definition for one loan, `trace_instalments_many` the same for many. There an instalment asks for the first
payment that brings the sum of payments to the sum of instalments so far, plus what was void of the payments; sums rise, so one sort
finds all of them.
"""

from collections.abc import Sequence
from datetime import date
from itertools import groupby
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.outcome.events import EventKind, RepaymentEvent
from instant_credit.outcome.histories import NEVER, Days, Histories, Loans

ENDING_KINDS: Final = (EventKind.PAID, EventKind.PREPAID, EventKind.RESTRUCTURED, EventKind.CHARGED_OFF)
_LEDGER_KINDS: Final = (EventKind.INSTALMENT_DUE, EventKind.PAYMENT, EventKind.MISSED, *ENDING_KINDS)

Sums = NDArray[np.int64]


class Instalment(Struct, frozen=True, kw_only=True):
    """One instalment; `settled_on` None = it stays open."""

    due_on: date
    settled_on: date | None


class Instalments(Struct, frozen=True, kw_only=True, eq=False):
    """Instalments of many loans by loan and day: int64[k], int32[k], int32[k]; `settled_days` are `NEVER` where one stays open."""

    loans: Loans
    due_days: Days
    settled_days: Days


def trace_instalments(standing: Sequence[RepaymentEvent]) -> tuple[Instalment, ...]:
    """The instalments of one loan in order of their days, from events that stand."""
    settled: dict[date, date] = {}
    due: list[date] = []
    open_cents: dict[date, int] = {}
    credit = 0
    for day, told in groupby(sorted(standing, key=lambda event: event.event_on), key=lambda event: event.event_on):
        events = list(told)
        falls_due = _sum_cents(events, EventKind.INSTALMENT_DUE)
        is_missed = any(event.kind is EventKind.MISSED for event in events)
        if falls_due and not is_missed:
            due.append(day)
            open_cents[day] = falls_due
        credit += _sum_cents(events, EventKind.PAYMENT)
        for oldest in sorted(open_cents):
            paid = min(credit, open_cents[oldest])
            credit -= paid
            open_cents[oldest] -= paid
            if not open_cents[oldest]:
                del open_cents[oldest]
                settled[oldest] = day
        if is_missed:
            credit = 0
            due.append(day)
            open_cents[day] = _sum_cents(events, EventKind.MISSED) or falls_due or 1
        if any(event.kind in ENDING_KINDS for event in events):
            settled.update(dict.fromkeys(open_cents, day))
            open_cents.clear()
            credit = 0
    return tuple(Instalment(due_on=day, settled_on=settled.get(day)) for day in due)


def _sum_cents(events: Sequence[RepaymentEvent], kind: EventKind) -> int:
    return sum(event.amount_cents for event in events if event.kind is kind)


class _LedgerDays(Struct, frozen=True, eq=False):
    """One entry for each loan and day on which its ledger moves, in that order; amounts in cents, int64[k]."""

    loans: Loans
    days: Days
    falls_due: Sums
    paid: Sums
    is_missed: NDArray[np.bool_]
    is_end: NDArray[np.bool_]


def trace_instalments_many(standing: Histories) -> Instalments:
    """The instalments of many loans, from events that stand; the twin of `trace_instalments`."""
    moves = _gather_days(standing)
    starts_new = np.ones(len(moves.days), dtype=np.bool_)
    starts_new[1:] = (moves.loans[1:] != moves.loans[:-1]) | moves.is_end[:-1]
    ledgers = np.cumsum(starts_new) - 1
    paid = _sum_within(moves.paid, starts_new)
    due = _sum_within(moves.falls_due, starts_new)
    surplus = np.where(moves.is_missed, np.maximum(paid - (due - moves.falls_due), 0), 0)
    wanted = due + _highest_within(surplus, ledgers)
    rows = np.flatnonzero(moves.falls_due)
    paying = np.flatnonzero(moves.paid)
    payment = _find_payments(ledgers, wanted, paid, rows, paying)
    settled = np.full(len(rows), NEVER, dtype=np.int32)
    is_paid = payment >= 0
    settled[is_paid] = np.maximum(moves.days[payment[is_paid]], moves.days[rows[is_paid]])
    ends = np.full(len(moves.days) + 1, NEVER, dtype=np.int32)
    ends[ledgers[moves.is_end]] = moves.days[moves.is_end]
    return Instalments(
        loans=moves.loans[rows], due_days=moves.days[rows], settled_days=np.minimum(settled, ends[ledgers[rows]])
    )


def _gather_days(standing: Histories) -> _LedgerDays:
    told = standing.select(standing.is_kind(*_LEDGER_KINDS))
    told = told.select(np.lexsort((told.event_days, told.loans)))
    is_first = np.ones(len(told.loans), dtype=np.bool_)
    is_first[1:] = (told.loans[1:] != told.loans[:-1]) | (told.event_days[1:] != told.event_days[:-1])
    first = np.flatnonzero(is_first)

    def sum_days(*kinds: EventKind) -> Sums:
        return _sum_from(np.where(told.is_kind(*kinds), told.amounts_cents, 0), first)

    def count_days(*kinds: EventKind) -> Sums:
        return _sum_from(told.is_kind(*kinds).astype(np.int64), first)

    due, missed = sum_days(EventKind.INSTALMENT_DUE), sum_days(EventKind.MISSED)
    is_missed = count_days(EventKind.MISSED) > 0
    told_missed = np.where(missed > 0, missed, np.maximum(due, 1))
    return _LedgerDays(
        told.loans[first],
        told.event_days[first],
        np.where(is_missed, told_missed, due),
        sum_days(EventKind.PAYMENT),
        is_missed,
        count_days(*ENDING_KINDS) > 0,
    )


def _sum_from(values: Sums, first: NDArray[np.int64]) -> Sums:
    return np.add.reduceat(values, first) if len(first) else np.zeros(0, dtype=np.int64)


def _sum_within(values: Sums, starts_new: NDArray[np.bool_]) -> Sums:
    """Running sums that begin anew where a ledger does."""
    sums = np.cumsum(values)
    before = np.where(starts_new, sums - values, 0)
    # Running sums never fall, so the highest so far is that of the present ledger's beginning.
    return sums - np.maximum.accumulate(before) if len(sums) else sums


def _highest_within(values: Sums, ledgers: NDArray[np.int64]) -> Sums:
    """Running maxima that begin anew where a ledger does; values are not negative."""
    if not len(values):
        return values
    distinct, ranks = np.unique(values, return_inverse=True)
    # A ledger's ranks lie above all of those before it, so that one running maximum serves them all.
    lifted = np.maximum.accumulate(ledgers * len(distinct) + ranks.reshape(-1))
    return distinct[lifted - ledgers * len(distinct)]


def _find_payments(
    ledgers: NDArray[np.int64], wanted: Sums, paid: Sums, rows: NDArray[np.int64], paying: NDArray[np.int64]
) -> NDArray[np.int64]:
    """For each instalment the first entry whose payments come to what it asks for, -1 = none."""
    places = np.concatenate((rows, paying))
    values = np.concatenate((wanted[rows], paid[paying]))
    is_payment = np.arange(len(places)) >= len(rows)
    order = np.lexsort((places, is_payment, values, ledgers[places]))
    following = np.where(is_payment[order], np.arange(len(order)), len(order))
    following = np.minimum.accumulate(following[::-1])[::-1]
    sorted_places = np.append(places[order], -1)
    found = np.empty(len(places), dtype=np.int64)
    found[order] = sorted_places[following]
    found = found[: len(rows)]
    is_same = (found >= 0) & (ledgers[np.maximum(found, 0)] == ledgers[rows])
    return np.where(is_same, found, -1)
