"""Vintages: how loans of one month of paying out went bad as they aged, how they rolled, and who never paid. Pure.

Everything here is as known on a day, and only what is ripe counts: a month on book of a loan counts once it and the lag of the label
definition have passed. A cohort's curve ends where its youngest loan is no longer ripe, so that every point of it is of the same loans.

=====================  ==============================================================================================
curve                  the share of a cohort's loans that were bad by the end of each month on book, as a label of so many months has
                       it: one that left by an event of an indeterminate kind before it was bad, or that is in doubt by then, is not
                       bad; it stays among the loans. A doubt that comes later takes the loan off the curve again
roll rates             of loans in one bucket of days past due at the end of a month on book, the shares in each bucket a month later
first-payment default  the first instalment was unpaid for so many days
=====================  ==============================================================================================
"""

from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import require
from instant_credit.outcome.courses import Courses
from instant_credit.outcome.definition import LabelDefinition
from instant_credit.outcome.events import EventKind
from instant_credit.outcome.histories import (
    NEVER,
    Days,
    Histories,
    add_months_to_days,
    find_first_days,
    first_days,
    months_between,
)
from instant_credit.outcome.ledger import Instalments

Codes = NDArray[np.int64]

MONTHS_MAX: Final = 600
FIRST_PAYMENT_DAYS: Final = 30
BUCKETS: Final = ("current", "1-29", "30-59", "60-89", "90+", "charged off", "repaid")
_BUCKET_EDGES: Final = np.array([1, 30, 60, 90], dtype=np.int64)
_CHARGED_OFF: Final = BUCKETS.index("charged off")
_REPAID: Final = BUCKETS.index("repaid")
# A loan and a day as one number, so that one search finds the latest entry of each loan.
_DAY_SPAN: Final = 2**32


class VintageCurve(Struct, frozen=True, kw_only=True):
    """One cohort: `bads[m]` of its `loans` were bad by the end of month m on book, m from 0; empty when none of it is ripe."""

    cohort: str
    loans: int
    bads: tuple[int, ...]

    @property
    def bad_rates(self) -> tuple[float, ...]:
        """Cumulative bad rate by month on book."""
        return tuple(bad / self.loans for bad in self.bads)


class FirstPayments(Struct, frozen=True, kw_only=True):
    """First-payment defaults of one cohort, among the loans whose first instalment is old enough to tell."""

    cohort: str
    loans: int
    defaults: int


class RollRates(Struct, frozen=True, kw_only=True):
    """`counts[i][j]` loan-months went from bucket i at the end of one month on book to bucket j at the end of the next; see `BUCKETS`."""

    buckets: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @property
    def rates(self) -> tuple[tuple[float | None, ...], ...]:
        """Shares of each row; None where nothing was in the bucket."""
        return tuple(tuple(one / sum(row) if sum(row) else None for one in row) for row in self.counts)


def draw_vintages(
    courses: Courses,
    cohorts: Codes,
    names: tuple[str, ...],
    *,
    known_on_days: int,
    definition: LabelDefinition,
    months_max: int = MONTHS_MAX,
) -> tuple[VintageCurve, ...]:
    """Cumulative bad rates by months on book.

    Parameters
    ----------
    cohorts : int64[n], the cohort of each loan by its place in `names`; -1 = in none.
    months_max : no curve is longer.

    Returns
    -------
    One curve for each name, in order; a loan without a beginning is in none.
    """
    _check(courses, cohorts, months_max)
    is_counted = (cohorts >= 0) & (courses.starts != NEVER)
    ripe = _count_ripe_months(courses.starts, known_on_days - definition.lag_days, months_max)
    is_bad = is_counted & (courses.bad_days != NEVER) & (courses.bad_days <= courses.left_days)
    is_bad &= courses.bad_days < courses.doubted_days
    is_doubted = is_bad & (courses.doubted_days != NEVER)
    curves = []
    for code, name in enumerate(names):
        rows = is_counted & (cohorts == code)
        last = int(ripe[rows].min()) if rows.any() else -1
        changes = _count_months(courses.starts, courses.bad_days, rows & is_bad, last)
        changes -= _count_months(courses.starts, courses.doubted_days, rows & is_doubted, last)
        bads = tuple(int(one) for one in np.cumsum(changes))
        curves.append(VintageCurve(cohort=name, loans=int(rows.sum()), bads=bads))
    return tuple(curves)


def _count_months(starts: Days, days: Days, rows: NDArray[np.bool_], last: int) -> Codes:
    """How many days of the loans chosen by bool[n] lie in each month on book up to the last, int64[last + 1]."""
    # Without a window, what was told may have happened before the loan's beginning.
    months = np.maximum(months_between(starts[rows], days[rows]), 0)
    return np.bincount(months[months <= last], minlength=last + 1).astype(np.int64)


def count_first_payments(
    courses: Courses,
    cohorts: Codes,
    names: tuple[str, ...],
    *,
    known_on_days: int,
    definition: LabelDefinition,
    days: int = FIRST_PAYMENT_DAYS,
) -> tuple[FirstPayments, ...]:
    """First-payment defaults: the first instalment was unpaid for `days` days, by the ledger or by what was observed.

    The first instalment is the first that was told; where none was, it fell due a month after the loan's beginning. Days past due
    observed since are of it when they reach back to it.
    """
    _check(courses, cohorts, MONTHS_MAX)
    is_default, is_ripe = find_first_defaults(courses, known_on_days=known_on_days, definition=definition, days=days)
    counted = []
    for code, name in enumerate(names):
        rows = is_ripe & (cohorts == code)
        counted.append(FirstPayments(cohort=name, loans=int(rows.sum()), defaults=int((rows & is_default).sum())))
    return tuple(counted)


def find_first_defaults(
    courses: Courses, *, known_on_days: int, definition: LabelDefinition, days: int = FIRST_PAYMENT_DAYS
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which loans are in first-payment default, and of which that can be told, bool[n] each."""
    standing, instalments = courses.standing, courses.instalments
    told = first_days(standing.loan_count, instalments.loans, instalments.due_days)
    first_due = np.where(told == NEVER, add_months_to_days(courses.starts, 1), told).astype(np.int64)
    until = known_on_days - definition.lag_days
    is_ripe = (courses.starts != NEVER) & (first_due + days <= until)
    reached = instalments.due_days.astype(np.int64) + days
    is_unpaid = (instalments.due_days == first_due[instalments.loans]) & (instalments.settled_days > reached)
    is_observed = (
        standing.is_kind(EventKind.DAYS_PAST_DUE)
        & (standing.days_past_due >= days)
        & (standing.event_days - standing.days_past_due <= first_due[standing.loans])
    )
    is_default = np.zeros(standing.loan_count, dtype=np.bool_)
    is_default[instalments.loans[is_unpaid]] = True
    is_default[standing.loans[is_observed]] = True
    return is_default & is_ripe, is_ripe


def count_rolls(
    courses: Courses,
    codes: Codes,
    groups: int,
    *,
    known_on_days: int,
    definition: LabelDefinition,
    months_max: int = MONTHS_MAX,
) -> tuple[RollRates, ...]:
    """Roll rates over all ripe months on book of the loans of each of `groups` groups; codes int64[n], -1 = in none."""
    _check(courses, codes, months_max)
    ripe = _count_ripe_months(courses.starts, known_on_days - definition.lag_days, months_max)
    ripe[(codes < 0) | (courses.starts == NEVER)] = -1
    snapshots = _Snapshots(courses, definition)
    counts = np.zeros((groups, len(BUCKETS), len(BUCKETS)), dtype=np.int64)
    former = snapshots.find_buckets(courses.starts)
    for month in range(1, int(ripe.max(initial=0)) + 1):
        buckets = snapshots.find_buckets(add_months_to_days(courses.starts, month))
        seen = ripe >= month
        np.add.at(counts, (codes[seen], former[seen], buckets[seen]), 1)
        former = buckets
    return tuple(
        RollRates(buckets=BUCKETS, counts=tuple(tuple(int(one) for one in row) for row in own)) for own in counts
    )


class _Snapshots:
    """Buckets of days past due at the end of a day of each loan's own.

    By the ledger the oldest open instalment tells the days. What was observed last tells them too, and they grow until a payment or
    another observation comes; the worse of the two counts. A charge-off and a repayment in full stay for ever.
    """

    def __init__(self, courses: Courses, definition: LabelDefinition) -> None:
        standing = courses.standing
        self._instalments: Instalments = courses.instalments
        self._count = standing.loan_count
        self._charged_off = find_first_days(standing, standing.is_kind(EventKind.CHARGED_OFF))
        self._repaid = find_first_days(standing, standing.is_kind(EventKind.PAID, EventKind.PREPAID))
        observed = standing.select(standing.is_kind(EventKind.DAYS_PAST_DUE, EventKind.CURRENT, EventKind.DELINQUENT))
        days = np.where(observed.is_kind(EventKind.DELINQUENT), definition.bad_days_past_due, observed.days_past_due)
        days = np.where(observed.is_kind(EventKind.CURRENT), 0, days).astype(np.int64)
        # Of one day's observations the worst comes last, and the last one is found.
        order = np.lexsort((days, observed.event_days, observed.loans))
        self._observed_keys, self._observed_days = _key_days(observed)[order], days[order]
        paid = standing.select(standing.is_kind(EventKind.PAYMENT))
        self._paid_keys = np.sort(_key_days(paid))

    def find_buckets(self, days: Days) -> Codes:
        """The bucket of each loan at the end of its day, int64[n] by `BUCKETS`."""
        loans, due, settled = self._instalments.loans, self._instalments.due_days, self._instalments.settled_days
        is_open = (due <= days[loans]) & (days[loans] < settled)
        oldest = first_days(self._count, loans[is_open], due[is_open])
        from_ledger = np.where(oldest == NEVER, 0, days.astype(np.int64) - oldest)
        past_due = np.maximum(from_ledger, self._find_observed(days))
        buckets = np.searchsorted(_BUCKET_EDGES, past_due, side="right").astype(np.int64)
        buckets[self._repaid <= days] = _REPAID
        buckets[self._charged_off <= days] = _CHARGED_OFF
        return buckets

    def _find_observed(self, days: Days) -> Codes:
        every = np.arange(self._count, dtype=np.int64)
        keys = every * _DAY_SPAN + days.astype(np.int64)
        observed = _find_latest(self._observed_keys, keys)
        paid = _find_latest(self._paid_keys, keys)
        told = self._observed_keys[observed] if len(self._observed_keys) else keys
        is_told = (observed >= 0) & (told >= every * _DAY_SPAN)
        paid_keys = self._paid_keys[paid] if len(self._paid_keys) else keys
        is_told &= ~((paid >= 0) & (paid_keys >= every * _DAY_SPAN) & (paid_keys > told))
        past_due = self._observed_days[observed] if len(self._observed_days) else np.zeros(self._count, dtype=np.int64)
        return np.where(is_told & (past_due > 0), past_due + keys - told, 0)


def _find_latest(keys: Codes, wanted: Codes) -> Codes:
    """The place of the last key that is not above what is wanted, -1 = none."""
    return np.searchsorted(keys, wanted, side="right").astype(np.int64) - 1


def _key_days(histories: Histories) -> Codes:
    return histories.loans * _DAY_SPAN + histories.event_days.astype(np.int64)


def _count_ripe_months(starts: Days, until_days: int, months_max: int) -> Codes:
    """The greatest number of months on book that end by a day, int64[n]; -1 where the loan had not begun by then."""
    is_begun = starts <= until_days
    begun = np.where(is_begun, starts, until_days).astype(np.int32)
    months = months_between(begun, np.full(len(starts), until_days, dtype=np.int32))
    months = np.where(add_months_to_days(begun, months) > until_days, months - 1, months)
    return np.where(is_begun, np.minimum(months, months_max), -1)


def _check(courses: Courses, cohorts: Codes, months_max: int) -> None:
    require(cohorts.shape == courses.starts.shape, "each loan has its cohort")
    require(0 <= months_max <= MONTHS_MAX, f"a curve has at most {MONTHS_MAX} months")
