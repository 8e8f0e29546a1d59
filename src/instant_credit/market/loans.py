"""Loans: offers are taken, lent and repaid, for many applicants at once. Pure.

    approved ─► taken up ─► true pd under the terms ─► fate ─► month by month ─► cents

The law of month m = 1, 2, ... of a loan that is open, `behind` = how many months the oldest unpaid instalment has waited (`courses.py` tells
the same one loan at a time):

1. The principal outstanding costs interest and funding, a twelfth of a year each, half a cent up. Interest that is not paid is kept apart and bears none.
2. In its month of default the loan is written off: the principal outstanding is lost, interest that was not paid is not asked for.
3. In its month of early repayment, with nothing behind, everything is paid.
4. Whoever will default pays nothing in the three months before.
5. In the last month, two months behind, in the last month before the silence of a default, and in a month of early repayment that finds something
   behind (it comes to nothing then), everything due is paid. Else chance decides: who is behind cures or falls behind further; who is not
   pays, pays late within the month, or falls behind.
6. What is paid is (behind + 1) instalments, in the last month whatever is left, never more than is owed: interest first.
7. Of what was written off a part comes back, half of it six months later and the rest after twelve.

Books of every loan, in whole cents: lent = repaid + written off + outstanding; paid = repaid + interest; loss = written off - recovered;
profit = interest - loss - funding - origination.
"""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from instant_credit.errors import require
from instant_credit.market.applicants import CHUNK_ROWS, Applicants
from instant_credit.market.fates import CLASS_BITS, MONTHS_LATE_AT_DEFAULT, NEVER, Fates, cure_below, draw_fates
from instant_credit.market.instalments import Offers, find_instalments
from instant_credit.market.offers import take_up
from instant_credit.market.truth import Truth, risk_of_terms
from instant_credit.market.world import TERM_MONTHS_MAX, Chances, Days, Mask, World
from instant_credit.units import MONTHS_PER_YEAR, PPM

EARLY_MONTH: Final = 3
FIRST_RECOVERY_MONTHS: Final = 6
LAST_RECOVERY_MONTHS: Final = 12
HORIZON_MONTHS_MAX: Final = TERM_MONTHS_MAX + LAST_RECOVERY_MONTHS
YEAR_PPM: Final = PPM * MONTHS_PER_YEAR

Whole = NDArray[np.int64]
Months = NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Loans:
    """What became of n applicants' offers up to the end of a month on book; 0, False and -1 for who was not lent to.

    Attributes
    ----------
    taken : bool[n], approved and taken up. Only of these does the lender see anything.
    pds : float64[n], true pd under the terms offered; NaN where nothing was offered. Truth, for judging only.
    disbursed_days : int32[n], days since 1970-01-01; what happens in month m on book lies 30 x m days later, or up to 29 days after that.
    default_months : int16[n], month on book of the default (90 days past due, written off), -1 = none so far.
    prepay_months : int16[n], month of full early repayment, -1 = none so far.
    late_at_3 : bool[n], 30 or more days past due on the 90th day on book.
    lent_cents, paid_cents, interest_cents, repaid_cents : int64[n]; paid = interest + repaid principal.
    written_off_cents, recovered_cents, outstanding_cents, funding_cents, origination_cents : int64[n].
    """

    taken: Mask
    pds: Chances
    disbursed_days: Days
    default_months: Months
    prepay_months: Months
    late_at_3: Mask
    lent_cents: Whole
    paid_cents: Whole
    interest_cents: Whole
    repaid_cents: Whole
    written_off_cents: Whole
    recovered_cents: Whole
    outstanding_cents: Whole
    funding_cents: Whole
    origination_cents: Whole

    @property
    def loss_cents(self) -> Whole:
        """Written off less recovered, int64[n]."""
        return self.written_off_cents - self.recovered_cents

    @property
    def profit_cents(self) -> Whole:
        """Interest received less loss, funding and origination, int64[n]; of an unripe loan what was earned so far."""
        return self.interest_cents - self.loss_cents - self.funding_cents - self.origination_cents


def live_loans(
    world: World,
    applicants: Applicants,
    truth: Truth,
    approved: Mask,
    offers: Offers,
    *,
    months: int = HORIZON_MONTHS_MAX,
) -> Loans:
    """Lend to those approved who take the offer, and let so many months pass on each loan.

    Parameters
    ----------
    truth, offers : of the same applicants; an offer is not looked at where nothing is approved.
    approved : bool[n]. All True tells what would have become of the declined as well: the counterfactual, for judging only.
    months : 1 to 96, whole months on book, the same for every loan; by default every loan is over and what comes back has come back.
    """
    require(1 <= months <= HORIZON_MONTHS_MAX, "months lie between 1 and 96")
    require(
        len(applicants) == len(truth) == len(approved) == len(offers),
        "applicants, truth, approvals and offers are of the same length",
    )
    loans = _empty(len(applicants))
    for start in range(0, len(applicants), CHUNK_ROWS):
        rows = start + np.flatnonzero(approved[start : start + CHUNK_ROWS])
        part, known, terms = applicants.take(rows), truth.take(rows), offers.take(rows)
        pds = risk_of_terms(world, part, known, terms)
        loans.pds[rows] = pds
        taken = take_up(world, part, known, terms)
        lent = terms.take(taken)
        fates = draw_fates(world, part.numbers[taken], pds[taken], lent.terms)
        loans.disbursed_days[rows[taken]] = part.applied_days[taken] + fates.disbursed_after
        _live_batch(world, loans, _Batch(rows[taken], lent, fates), months)
    return loans


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """Loans that live side by side: their places among the applicants, their terms and fates."""

    rows: NDArray[np.intp]
    lent: Offers
    fates: Fates


@dataclass(slots=True, eq=False)
class _Open:
    """Loans of a batch that are still open, in the middle of their course; all int64[k]. `places` are in the batch."""

    rows: NDArray[np.intp]
    places: NDArray[np.intp]
    principal: Whole
    accrued: Whole
    behind: Whole
    aprs: Whole
    terms: Whole
    instalments: Whole
    default_months: Whole
    prepay_months: Whole
    late_below: Whole

    def keep(self, open_rows: Mask) -> "_Open":
        return _Open(**{field.name: getattr(self, field.name)[open_rows] for field in fields(self)})


def _empty(count: int) -> Loans:
    """Nobody was lent to."""
    money = [np.zeros(count, dtype=np.int64) for _ in range(9)]
    return Loans(
        np.zeros(count, dtype=np.bool_),
        np.full(count, np.nan),
        np.full(count, NEVER, dtype=np.int32),
        np.full(count, NEVER, dtype=np.int16),
        np.full(count, NEVER, dtype=np.int16),
        np.zeros(count, dtype=np.bool_),
        *money,
    )


def _live_batch(world: World, loans: Loans, batch: _Batch, months: int) -> None:
    """Live through the loans of a batch and write what became of them."""
    rows, lent, fates = batch.rows, batch.lent, batch.fates
    loans.taken[rows] = True
    loans.lent_cents[rows] = lent.amounts
    loans.origination_cents[rows] = world.origination_cents
    running = _Open(
        rows=rows,
        places=np.arange(len(rows)),
        principal=lent.amounts.copy(),
        accrued=np.zeros(len(rows), dtype=np.int64),
        behind=np.zeros(len(rows), dtype=np.int64),
        aprs=lent.aprs,
        terms=lent.terms,
        instalments=find_instalments(lent),
        default_months=fates.default_months.astype(np.int64),
        prepay_months=fates.prepay_months.astype(np.int64),
        late_below=fates.late_below,
    )
    classes_by_month = np.ascontiguousarray((fates.months >> (32 - CLASS_BITS)).T).astype(np.int64)
    for month in range(1, min(months, TERM_MONTHS_MAX) + 1):
        if not len(running.rows):
            break
        if month == EARLY_MONTH:
            loans.late_at_3[running.rows] = running.behind >= 1
        running = _live_month(world, loans, running, month, classes_by_month[month - 1])
    loans.outstanding_cents[running.rows] = running.principal
    _recover(loans, rows, fates, months)


def _live_month(world: World, loans: Loans, running: _Open, month: int, classes: Whole) -> _Open:
    """One month of all open loans; those that stay open."""
    at = running.rows
    loans.funding_cents[at] += _month_of(running.principal, world.funding_apr_ppm)
    running.accrued += _month_of(running.principal, running.aprs)
    defaults = running.default_months == month
    prepays = (running.prepay_months == month) & (running.behind == 0)
    owed = running.principal + running.accrued
    pays = _find_payers(world, running, month, classes[running.places])
    due = np.minimum(running.instalments * (running.behind + 1), owed)
    paid = np.where(prepays | (running.terms == month), owed, due) * pays
    interest = np.minimum(paid, running.accrued)
    running.accrued -= interest
    running.principal -= paid - interest
    running.behind = np.where(pays, 0, running.behind + 1)
    loans.paid_cents[at] += paid
    loans.interest_cents[at] += interest
    loans.repaid_cents[at] += paid - interest
    loans.default_months[at[defaults]] = month
    loans.written_off_cents[at[defaults]] = running.principal[defaults]
    loans.prepay_months[at[prepays]] = month
    return running.keep(~defaults & (running.principal + running.accrued > 0))


def _find_payers(world: World, running: _Open, month: int, classes: Whole) -> Mask:
    """Who pays all that is due in this month."""
    has_default = running.default_months != NEVER
    silent_from = running.default_months - MONTHS_LATE_AT_DEFAULT
    must = (
        (running.terms == month)
        | (running.behind >= MONTHS_LATE_AT_DEFAULT - 1)
        | (has_default & (silent_from == month + 1))
        | (running.prepay_months == month)
    )
    by_chance = np.where(running.behind == 0, classes >= running.late_below, classes < cure_below(world))
    pays: Mask = (must | by_chance) & ~(has_default & (silent_from <= month))
    return pays


def _month_of(principal: Whole, apr: Whole | int) -> Whole:
    """A twelfth of a year's interest, half a cent up."""
    return (principal * apr + YEAR_PPM // 2) // YEAR_PPM


def _recover(loans: Loans, rows: NDArray[np.intp], fates: Fates, months: int) -> None:
    """What comes back of what was written off."""
    defaulted = loans.default_months[rows] != NEVER
    months_since = months - loans.default_months[rows][defaulted].astype(np.int64)
    whole = np.floor(loans.written_off_cents[rows][defaulted] * fates.recovery_shares[defaulted]).astype(np.int64)
    first = whole // 2
    come = np.where(months_since >= FIRST_RECOVERY_MONTHS, first, 0)
    come += np.where(months_since >= LAST_RECOVERY_MONTHS, whole - first, 0)
    loans.recovered_cents[rows[defaulted]] = come
