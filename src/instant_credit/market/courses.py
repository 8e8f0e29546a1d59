"""The course of one loan as the lender is told it: dated repayment events. Pure.

The law is that of `loans.py`, one loan and one month at a time in plain integers; the sums of the events are the cents of the arrays. A month's
instalment falls due on day 30 x month after the disbursement. On that day it is paid or missed, and what is still unpaid from before is
told in days past due. Who pays late pays 1 to 25 days after the day. Each event is known on its day or up to `World.reporting_days_max` days later.

`outcome.sequence` takes these events in the order in which they are told. By `outcome.labels` and a definition of 90 days in 12 months, which is
longer than twelve times thirty days but shorter than thirteen, bad is who defaults in one of the first twelve months.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count
from typing import Final

from msgspec import Struct

from instant_credit.canonical import hash_content
from instant_credit.errors import require
from instant_credit.market.applicants import Applicants
from instant_credit.market.fates import (
    CLASS_BITS,
    DAY_BITS,
    LATE_DAYS_MAX,
    MONTHS_LATE_AT_DEFAULT,
    NEVER,
    cure_below,
    draw_fates,
)
from instant_credit.market.instalments import Offers
from instant_credit.market.loans import (
    FIRST_RECOVERY_MONTHS,
    LAST_RECOVERY_MONTHS,
    YEAR_PPM,
)
from instant_credit.market.truth import Truth, risk_of_terms
from instant_credit.market.world import MONTH_DAYS, World
from instant_credit.outcome.events import EventId, EventKind, RepaymentEvent
from instant_credit.units import Cents, Ppm, date_from_days, instalment_ceil

_CLASS_SHIFT: Final = 32 - CLASS_BITS
_DAY_SHIFT: Final = _CLASS_SHIFT - DAY_BITS
_DAY_MASK: Final = 2**DAY_BITS - 1


class _Plan(Struct, frozen=True, kw_only=True):
    """What is drawn beforehand of one loan."""

    name: str
    disbursed_on: date
    amount_cents: int
    apr_ppm: int
    term_months: int
    instalment_cents: int
    default_month: int
    prepay_month: int
    recovery_share: float
    late_below: int
    slip_below: int
    cure_below: int
    halves: tuple[int, ...]
    reporting_days_max: int


class _Told(Struct, frozen=True, kw_only=True):
    """What happened on a day of a month: days after the disbursement, and days until it is known."""

    kind: EventKind
    amount_cents: int
    after_days: int
    lag_days: int = 0
    days_past_due: int | None = None


def tell_course(
    world: World, applicants: Applicants, truth: Truth, offers: Offers, row: int
) -> tuple[RepaymentEvent, ...]:
    """All events of the loan of one applicant who takes his offer, from its disbursement until nothing more comes of it, in the order of their days.

    Parameters
    ----------
    truth, offers : of the same applicants. Whether the offer is taken is asked of `offers.take_up`, and not looked at here.
    row : the applicant's place.

    Returns
    -------
    Events with names; those of one loan are all different. Nothing of them is known to the lender before its `known_on`.
    """
    one = slice(row, row + 1)
    applicant, offer = applicants.take(one), offers.take(one)
    require(len(applicant) == 1, "row is the place of an applicant")
    pds = risk_of_terms(world, applicant, truth.take(one), offer)
    fates = draw_fates(world, applicant.numbers, pds, offer.terms)
    applied_on = date_from_days(int(applicant.applied_days[0]))
    amount, apr, term_months = Cents(int(offer.amounts[0])), Ppm(int(offer.aprs[0])), int(offer.terms[0])
    plan = _Plan(
        name=f"{world.seed}/{world.hidden_seed}/{int(applicant.numbers[0])}",
        disbursed_on=applied_on + timedelta(days=int(fates.disbursed_after[0])),
        amount_cents=amount,
        apr_ppm=apr,
        term_months=term_months,
        instalment_cents=instalment_ceil(amount, apr, term_months),
        default_month=int(fates.default_months[0]),
        prepay_month=int(fates.prepay_months[0]),
        recovery_share=float(fates.recovery_shares[0]),
        late_below=int(fates.late_below[0]),
        slip_below=int(fates.slip_below[0]),
        cure_below=cure_below(world),
        halves=tuple(fates.months[0].tolist()),
        reporting_days_max=world.reporting_days_max,
    )
    return tuple(_make_event(plan, place, told) for place, told in enumerate(_live(plan)))


def known_by(events: tuple[RepaymentEvent, ...], day: date) -> tuple[RepaymentEvent, ...]:
    """Those of the events that the lender knows at the end of `day`."""
    return tuple(event for event in events if event.known_on <= day)


def _make_event(plan: _Plan, place: int, told: _Told) -> RepaymentEvent:
    event_on = plan.disbursed_on + timedelta(days=told.after_days)
    return RepaymentEvent(
        kind=told.kind,
        amount_cents=Cents(told.amount_cents),
        event_on=event_on,
        known_on=event_on + timedelta(days=told.lag_days),
        days_past_due=told.days_past_due,
        event_id=EventId(hex=hash_content(f"{plan.name}/{place}".encode())[:32], version=4),
    )


def _live(plan: _Plan) -> Iterator[_Told]:
    """What happens, month by month."""
    principal, accrued, behind, received = plan.amount_cents, 0, 0, 0
    yield _Told(kind=EventKind.DISBURSED, amount_cents=principal, after_days=0)
    # In the last month of the term at the latest a loan is repaid or written off.
    for month in count(1):
        accrued += (principal * plan.apr_ppm + YEAR_PPM // 2) // YEAR_PPM
        owed = principal + accrued
        lag = _lag(plan, month)
        if behind:
            yield _late(plan, month, behind, owed)
        if month == plan.default_month:
            yield from _write_off(plan, month, principal, lag)
            return
        if month == plan.prepay_month and behind == 0:
            yield _Told(kind=EventKind.PREPAID, amount_cents=owed, after_days=MONTH_DAYS * month, lag_days=lag)
            return
        due = owed if month == plan.term_months else min(plan.instalment_cents * (behind + 1), owed)
        fallen_due = max(due - plan.instalment_cents * behind, 0)
        yield _Told(kind=EventKind.INSTALMENT_DUE, amount_cents=fallen_due, after_days=MONTH_DAYS * month)
        delay = _find_delay(plan, month, behind)
        if delay != 0:
            yield _Told(kind=EventKind.MISSED, amount_cents=fallen_due, after_days=MONTH_DAYS * month, lag_days=lag)
        if delay is None:
            behind += 1
            continue
        paid_after = MONTH_DAYS * month + delay
        yield _Told(kind=EventKind.PAYMENT, amount_cents=due, after_days=paid_after, lag_days=lag)
        if behind:
            yield _Told(
                kind=EventKind.DAYS_PAST_DUE, amount_cents=0, after_days=paid_after, lag_days=lag, days_past_due=0
            )
        interest = min(due, accrued)
        accrued, principal, received, behind = accrued - interest, principal - (due - interest), received + due, 0
        if principal + accrued == 0:
            yield _Told(kind=EventKind.PAID, amount_cents=received, after_days=paid_after, lag_days=lag)
            return


def _find_delay(plan: _Plan, month: int, behind: int) -> int | None:
    """Days after the due day on which everything due is paid, 0 = on the day; None when it is not paid this month."""
    half = plan.halves[month - 1]
    class_drawn = half >> _CLASS_SHIFT
    late_days = 1 + ((half >> _DAY_SHIFT) & _DAY_MASK) * LATE_DAYS_MAX // 2**DAY_BITS
    silent_from = None if plan.default_month == NEVER else plan.default_month - MONTHS_LATE_AT_DEFAULT
    if silent_from is not None and silent_from <= month:
        return None
    if behind:
        must = month in (plan.term_months, plan.prepay_month) or behind >= MONTHS_LATE_AT_DEFAULT - 1
        return late_days if must or month + 1 == silent_from or class_drawn < plan.cure_below else None
    if month in (plan.term_months, plan.prepay_month) or month + 1 == silent_from:
        return 0
    if class_drawn < plan.late_below:
        return None
    return late_days if class_drawn < plan.slip_below else 0


def _lag(plan: _Plan, month: int) -> int:
    """Days until what happens in a month is known."""
    return (plan.halves[month - 1] & _DAY_MASK) * (plan.reporting_days_max + 1) // 2**DAY_BITS


def _late(plan: _Plan, month: int, behind: int, owed: int) -> _Told:
    """On a due day, what has been overdue for `behind` months."""
    overdue = min(plan.instalment_cents * behind, owed)
    late_days = MONTH_DAYS * behind
    return _Told(
        kind=EventKind.DAYS_PAST_DUE, amount_cents=overdue, after_days=MONTH_DAYS * month, days_past_due=late_days
    )


def _write_off(plan: _Plan, month: int, principal: int, lag: int) -> Iterator[_Told]:
    """The loss, and what comes back of it in two parts; a part of nothing is not told."""
    yield _Told(kind=EventKind.CHARGED_OFF, amount_cents=principal, after_days=MONTH_DAYS * month, lag_days=lag)
    whole = int(principal * plan.recovery_share)
    for months_after, part in ((FIRST_RECOVERY_MONTHS, whole // 2), (LAST_RECOVERY_MONTHS, whole - whole // 2)):
        if part:
            after = MONTH_DAYS * (month + months_after)
            yield _Told(kind=EventKind.RECOVERED, amount_cents=part, after_days=after, lag_days=lag)
