"""Events as rows and back, in a Case's history, in leaves and in exports."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from instant_credit.access.actors import Actor
from instant_credit.errors import BrokenInvariant
from instant_credit.outcome.events import DAYS_PAST_DUE_MAX, EventKind, RepaymentEvent, encode_content
from instant_credit.record.chain import leaf_of, leaves_of
from instant_credit.record.columns import EVENT_COLUMNS, event_row
from instant_credit.record.commit import commit_entries, commit_events
from instant_credit.record.pool import Record
from instant_credit.record.reads import iterate_cases
from instant_credit.record.repayments import lay_out_judged, read_event, write_event
from instant_credit.underwriting.books import lay_out_events
from instant_credit.units import Cents
from tests.record.entries import make_entry

DAY = date(2012, 3, 1)


def name(number: int) -> UUID:
    return UUID(int=number + 1)


@st.composite
def named_events(draw: st.DrawFn) -> RepaymentEvent:
    kind = draw(st.sampled_from(EventKind))
    corrects = draw(st.one_of(st.none(), st.integers(100, 105).map(name)))
    return RepaymentEvent(
        kind=kind,
        amount_cents=Cents(draw(st.integers(0, 10**9))),
        event_on=DAY,
        known_on=DAY + timedelta(days=draw(st.integers(0, 40))),
        days_past_due=draw(st.integers(0, DAYS_PAST_DUE_MAX)) if kind is EventKind.DAYS_PAST_DUE else None,
        event_id=name(draw(st.integers(0, 50))),
        corrects=name(100) if kind is EventKind.VOID and corrects is None else corrects,
    )


@given(named_events(), st.one_of(st.none(), st.integers(1, 9)))
def test_an_event_is_the_same_after_its_row(event: RepaymentEvent, number: int | None) -> None:
    assert event.event_id is not None
    row = write_event(event, event.event_id, number)
    assert read_event(row) == event
    assert row.number == number
    assert len(event_row(name(7), row, (None, "job", "test"))) == EVENT_COLUMNS


@given(st.lists(st.tuples(st.integers(0, 2**128 - 2).map(name), named_events(), st.integers(1, 9)), max_size=5))
def test_judged_events_are_laid_out_and_leave_leaves_as_one_by_one(
    judged: list[tuple[UUID, RepaymentEvent, int]],
) -> None:
    written = datetime(2026, 3, 1, tzinfo=UTC), "job", "test"
    rows = [
        event_row(case_id, write_event(event, event.event_id, number), written)
        for case_id, event, number in judged
        if event.event_id is not None
    ]
    assert lay_out_judged(judged, written) == rows
    assert leaves_of("repayment_events", rows) == [leaf_of("repayment_events", row) for row in rows]


def test_what_an_event_of_before_tells_is_the_same_bytes() -> None:
    event = RepaymentEvent(kind=EventKind.PAID, amount_cents=Cents(5), event_on=DAY, known_on=DAY, event_id=name(1))
    assert encode_content(event) == (
        b'{"schema_version":1,"kind":"paid","amount_cents":5,"event_on":"2012-03-01","known_on":"2012-03-01"}'
    )


def test_a_row_of_before_leaves_the_leaf_that_it_left() -> None:
    event = RepaymentEvent(kind=EventKind.PAID, amount_cents=Cents(5), event_on=DAY, known_on=DAY)
    row = event_row(name(7), write_event(event, name(1)), (DAY, "job", "test"))
    assert leaf_of("repayment_events", row) == leaf_of("repayment_events", row[:10])
    told = event_row(name(7), write_event(event, name(1), number=1), (DAY, "job", "test"))
    assert leaf_of("repayment_events", told) != leaf_of("repayment_events", row)


@pytest.mark.anyio
async def test_days_past_due_and_corrections_are_read_as_they_were_written(record: Record, actor: Actor) -> None:
    entry = make_entry(record, 1, events=())
    observed = RepaymentEvent(
        kind=EventKind.DAYS_PAST_DUE, amount_cents=Cents(5), event_on=DAY, known_on=DAY, days_past_due=31
    )
    void = RepaymentEvent(kind=EventKind.VOID, amount_cents=Cents(0), event_on=DAY, known_on=DAY, corrects=name(1))
    rows = (write_event(observed, name(1), 1), write_event(void, name(2), 2))
    await commit_entries(record, [replace(entry, events=rows[:1])], actor)
    assert await commit_events(record, {entry.case_id: rows}, actor, record.clock.now()) == 1
    (case,) = [case async for case in iterate_cases(record, "tape")]
    assert set(case.events) == set(rows)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "days_past_due"},
        {"days_past_due": 3},
        {"kind": "days_past_due", "days_past_due": 10_001},
        {"kind": "void"},
        {"kind": "lost"},
        {"corrects": name(1)},
        {"number": 0},
    ],
)
async def test_the_database_takes_no_event_that_makes_no_sense(
    record: Record, actor: Actor, changes: dict[str, object]
) -> None:
    entry = make_entry(record, 1, events=())
    event = RepaymentEvent(kind=EventKind.PAID, amount_cents=Cents(5), event_on=DAY, known_on=DAY)
    with pytest.raises(BrokenInvariant):
        await commit_entries(record, [replace(entry, events=(replace(write_event(event, name(1)), **changes),))], actor)


def chain_of(first: int) -> list[RepaymentEvent]:
    """A payment, its correction and the correction's correction."""
    told = RepaymentEvent(kind=EventKind.PAYMENT, amount_cents=Cents(5), event_on=DAY, known_on=DAY)
    return [
        replace(told, event_id=name(first)),
        replace(told, event_id=name(first + 1), corrects=name(first), amount_cents=Cents(6)),
        replace(told, event_id=name(first + 2), corrects=name(first + 1), kind=EventKind.VOID, amount_cents=Cents(0)),
    ]


def test_an_export_names_a_corrected_event_by_its_place() -> None:
    lines = lay_out_events(chain_of(1))
    assert [(line.kind.value, line.amount_cents, line.corrects) for line in lines] == [
        ("payment", 5, UNSET),
        ("payment", 6, 0),
        ("void", 0, 1),
    ]


@given(st.permutations(range(8)), st.permutations(range(8)))
def test_the_same_history_is_the_same_export_whatever_its_events_are_called(
    names: list[int], arrival: list[int]
) -> None:
    told = [*chain_of(1), *chain_of(4)[:2], *chain_of(7)]
    renamed = {event.event_id: name(20 + names[place]) for place, event in enumerate(told)}
    events = [replace(event, event_id=renamed[event.event_id], corrects=renamed.get(event.corrects)) for event in told]
    assert lay_out_events([events[place] for place in arrival]) == lay_out_events(told)
