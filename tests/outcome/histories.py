"""Invented repayment histories: any events in any order, with corrections, late tellings and voids."""

from datetime import date, timedelta
from uuid import UUID

from hypothesis import strategies as st

from instant_credit.outcome.definition import DECIDING_KINDS, LabelDefinition
from instant_credit.outcome.events import EventKind, RepaymentEvent
from instant_credit.units import Cents

FIRST = date(2010, 1, 31)


def name(number: int) -> UUID:
    return UUID(int=number + 1)


def event(kind: EventKind, day: int, delay: int = 0, cents: int = 100, **more) -> RepaymentEvent:
    """An event so many days after the first day; `days` past due where the kind tells them."""
    event_on = FIRST + timedelta(days=day)
    past_due = more.pop("days", 45)
    return RepaymentEvent(
        kind=kind,
        amount_cents=Cents(cents),
        event_on=event_on,
        known_on=event_on + timedelta(days=delay),
        days_past_due=past_due if kind is EventKind.DAYS_PAST_DUE else None,
        **more,
    )


@st.composite
def histories(draw, size: int = 8) -> list[RepaymentEvent]:
    """One loan's events. Each may correct another one of the loan, or one that is nowhere."""
    count = draw(st.integers(0, size))
    events = []
    for number in range(count):
        kind = draw(st.sampled_from(EventKind))
        others = [name(other) for other in range(count + 1) if other != number]
        wants = kind is EventKind.VOID or draw(st.integers(0, 5)) == 0
        told = event(
            kind,
            draw(st.integers(0, 200)),
            draw(st.integers(0, 60)),
            draw(st.sampled_from((0, 1, 50, 100, 100, 150, 300))),
            days=draw(st.sampled_from((0, 29, 30, 89, 90, 400))),
            event_id=name(number),
            corrects=draw(st.sampled_from(others)) if wants else None,
        )
        events.append(told)
    # Most loans were paid out; without that, a window has no beginning.
    if draw(st.integers(0, 4)):
        events.append(event(EventKind.DISBURSED, draw(st.integers(0, 20)), draw(st.integers(0, 3)), event_id=name(99)))
    return events


@st.composite
def definitions(draw) -> LabelDefinition:
    kinds = draw(st.permutations(sorted(DECIDING_KINDS)))
    first, second, third = sorted(draw(st.lists(st.integers(0, len(kinds)), min_size=3, max_size=3)))
    low, high = sorted((draw(st.sampled_from((1, 30, 60))), draw(st.sampled_from((30, 60, 90)))))
    return LabelDefinition(
        name="drawn",
        title="Drawn",
        bad_days_past_due=high,
        indeterminate_days_past_due=low,
        window_months=draw(st.sampled_from((None, 1, 2, 3, 6))),
        lag_days=draw(st.sampled_from((0, 1, 31))),
        starts=draw(st.sampled_from(("disbursed", "as_of"))),
        bad_kinds=tuple(kinds[:first]),
        indeterminate_kinds=tuple(kinds[first:second]),
        doubtful_kinds=tuple(kinds[second:third]),
    )
