"""The life of a loan the slow way: every pair of events that stand is held against the rules."""

from collections.abc import Sequence
from datetime import date, timedelta

from instant_credit.outcome.events import EventKind, RepaymentEvent
from instant_credit.outcome.sequence import FaultCode

ANY_TIME = {EventKind.DISPUTE, EventKind.FRAUD, EventKind.DECEASED}
REPAID = {EventKind.PAID, EventKind.PREPAID}
ENDS = {*REPAID, EventKind.CHARGED_OFF}


def naive_standing(events: Sequence[RepaymentEvent]) -> list[RepaymentEvent]:
    corrected = [event.corrects for event in events]
    return [event for event in events if event.kind is not EventKind.VOID and event.event_id not in corrected]


def naive_faults(events: Sequence[RepaymentEvent], event: RepaymentEvent, as_of: date, today: date) -> set[FaultCode]:
    """Every rule that `event` breaks beside `events`, which break none.

    `today` is the last day on which something can be known. A lender west of UTC may still live on the day before the application's.
    """
    opens_on = as_of - timedelta(days=1)
    faults = {FaultCode.KNOWN_IN_FUTURE} if event.known_on > today else set()
    standing = naive_standing(events)
    if event.corrects is not None:
        former = [one for one in events if one.event_id == event.corrects]
        if not former:
            return faults | {FaultCode.CORRECTED_EVENT_UNKNOWN}
        if former[0] not in standing:
            return faults | {FaultCode.CORRECTED_EVENT_REPLACED}
        if event.known_on < former[0].known_on:
            faults.add(FaultCode.CORRECTED_BEFORE_KNOWN)
        standing = [one for one in standing if one is not former[0]]
    after = standing if event.kind is EventKind.VOID else [*standing, event]
    if event.kind is not EventKind.VOID:
        if event.event_on < opens_on:
            faults.add(FaultCode.EVENT_BEFORE_APPLICATION)
        for other in standing:
            faults |= naive_clash(event, other)
        faults |= naive_overdue(event, standing, opens_on)
    charge_offs = [one.event_on for one in after if one.kind is EventKind.CHARGED_OFF]
    if any(one.kind is EventKind.RECOVERED and not any(day <= one.event_on for day in charge_offs) for one in after):
        faults.add(FaultCode.RECOVERED_WITHOUT_CHARGE_OFF)
    return faults


def naive_clash(event: RepaymentEvent, other: RepaymentEvent) -> set[FaultCode]:
    """What `event` breaks with one other event."""
    kinds = {event.kind, other.kind}
    faults = set()
    if kinds == {EventKind.DISBURSED}:
        faults.add(FaultCode.DISBURSED_BEFORE)
    if event.kind in ENDS and other.kind in ENDS:
        faults.add(FaultCode.ENDED_BEFORE)
    if kinds & ANY_TIME:
        return set()
    if event.event_on < other.event_on:
        if other.kind is EventKind.DISBURSED:
            faults.add(FaultCode.EVENT_BEFORE_DISBURSEMENT)
        if event.kind in REPAID or (event.kind is EventKind.CHARGED_OFF and other.kind is not EventKind.RECOVERED):
            faults.add(FaultCode.LATER_EVENT_STANDS)
    if event.event_on > other.event_on:
        if event.kind is EventKind.DISBURSED:
            faults.add(FaultCode.EARLIER_EVENT_STANDS)
        if other.kind in REPAID:
            faults.add(FaultCode.EVENT_AFTER_REPAYMENT)
        if other.kind is EventKind.CHARGED_OFF and event.kind is not EventKind.RECOVERED:
            faults.add(FaultCode.EVENT_AFTER_CHARGE_OFF)
    return faults


def naive_overdue(event: RepaymentEvent, standing: Sequence[RepaymentEvent], opens_on: date) -> set[FaultCode]:
    faults = set()
    disbursed = [one.event_on for one in [*standing, event] if one.kind is EventKind.DISBURSED]
    start = disbursed[0] if disbursed else opens_on
    observed = [one for one in [*standing, event] if one.days_past_due is not None]
    if event.kind is EventKind.DISBURSED or event.days_past_due is not None:
        for one in observed:
            if (one.event_on - start).days < (one.days_past_due or 0):
                faults.add(FaultCode.OVERDUE_BEFORE_START)
    if event.days_past_due is not None:
        for one in observed:
            first, last = sorted((event, one), key=lambda each: each.event_on)
            rises = [((first, last))] + ([(last, first)] if first.event_on == last.event_on else [])
            for low, high in rises:
                if (high.days_past_due or 0) - (low.days_past_due or 0) > (high.event_on - low.event_on).days:
                    faults.add(FaultCode.OVERDUE_TOO_FAST)
    return faults
