"""A training set is what could have been gathered on its day: nothing that is learned later changes a byte of it."""

from datetime import date, timedelta
from uuid import UUID

import msgspec
import numpy as np
import pytest

from instant_credit.outcome import courses
from instant_credit.outcome.definition import AS_LAST_SEEN, LabelDefinition
from instant_credit.outcome.events import EventKind
from instant_credit.record.commit import commit_events
from instant_credit.record.ids import bucket_of, derive_id
from instant_credit.record.reads import iterate_cases
from instant_credit.record.rows import EventRow
from instant_credit.training.dataset import IMMATURE, NOT_PAID_OUT, Gathering, gather_training_set
from instant_credit.training.tapes.importing import import_tape
from tests.training.tapes.test_importing import MAPPING, PRODUCT, job, row, write_tape

YEAR = LabelDefinition(name="year", title="90 days within a year", window_months=12, lag_days=31)
D = date(2018, 1, 1)
ROWS = [row(place, label="bad" if place % 9 == 0 else "good") for place in range(40)]


def event(number: int, kind: EventKind, event_on: date, known_on: date | None = None, **more) -> EventRow:
    return EventRow(
        event_id=UUID(int=number + 1),
        kind=kind.value,
        amount_cents=100,
        event_on=event_on,
        known_on=known_on or event_on,
        **more,
    )


async def record_cases(record, actor, folder):
    """Recorded Cases whose events are left to the test."""
    await import_tape(record, job(write_tape(folder / "tape.csv", ROWS)), actor)
    cases = [msgspec.structs.replace(stored, events=()) async for stored in iterate_cases(record, "small")]
    return sorted(cases, key=lambda stored: stored.natural_key)


def give_history(stored, place: int):
    """Every loan was paid out; each third is 90 days past due within its year, each fifth began too late to be ripe."""
    start = stored.as_of + timedelta(days=600 if place % 5 == 0 else 0)
    events = [event(0, EventKind.DISBURSED, start)]
    if place % 3 == 0:
        events.append(event(1, EventKind.DAYS_PAST_DUE, start + timedelta(days=120), days_past_due=90))
    return msgspec.structs.replace(stored, events=tuple(events))


def learn_later(stored, place: int):
    """What becomes known after D: another end of each loan, a correction of each bad one and of some beginnings."""
    later = D + timedelta(days=1 + place)
    events = [event(10, EventKind.CHARGED_OFF, stored.as_of + timedelta(days=200), later)]
    if place % 7 == 0:
        start = stored.as_of + timedelta(days=300)
        events.append(event(11, EventKind.DISBURSED, start, later, corrects=UUID(int=1)))
    if place % 3 == 0:
        events.append(event(12, EventKind.VOID, stored.as_of, later, corrects=UUID(int=2)))
    return msgspec.structs.replace(stored, events=(*stored.events, *events))


def apply_later(stored, place: int):
    """A further Case, of another loan after D."""
    return msgspec.structs.replace(stored, as_of=D + timedelta(days=1 + place), natural_key=f"later-{place}")


def gather(cases, definition=YEAR):
    gathering = Gathering(PRODUCT, known_on=D, definition=definition)
    for stored in cases:
        gathering.add(stored)
    return gathering.finish("small")


def list_bytes(training_set):
    arrays = (
        training_set.matrix,
        training_set.labels,
        training_set.days,
        training_set.persons,
        training_set.weights,
    )
    return *(np.ascontiguousarray(one).tobytes() for one in arrays), training_set.cases, training_set.left_out


def check_same(cases):
    """The claim of this module, of Cases as known on D and of the same with all that is learned later."""
    then = [give_history(stored, place) for place, stored in enumerate(cases)]
    now = [learn_later(stored, place) for place, stored in enumerate(then)]
    now += [apply_later(stored, place) for place, stored in enumerate(then)]
    assert list_bytes(gather(then)) == list_bytes(gather(now))


@pytest.mark.anyio
async def test_a_training_set_as_known_on_a_day_is_the_same_after_all_that_is_learned_later(record, actor, tmp_path):
    cases = await record_cases(record, actor, tmp_path)
    then = gather([give_history(stored, place) for place, stored in enumerate(cases)])
    assert then.labels.sum() == sum(1 for place in range(40) if place % 3 == 0 and place % 5)
    assert {one.reason: one.count for one in then.left_out} == {IMMATURE: 8}
    assert then.labels_hash == gather([give_history(one, place) for place, one in enumerate(cases)]).labels_hash
    check_same(cases)


@pytest.mark.anyio
async def test_without_the_as_known_condition_on_events_the_claim_fails(record, actor, tmp_path, monkeypatch):
    cases = await record_cases(record, actor, tmp_path)
    stand = courses.stand_as_known_many
    monkeypatch.setattr(courses, "stand_as_known_many", lambda histories, _: stand(histories, 2**31 - 1))
    with pytest.raises(AssertionError):
        check_same(cases)


@pytest.mark.anyio
async def test_without_the_as_known_condition_on_cases_the_claim_fails(record, actor, tmp_path, monkeypatch):
    cases = await record_cases(record, actor, tmp_path)
    add = Gathering.add

    def add_always(gathering, stored):
        gathering._known_on = date.max
        add(gathering, stored)
        gathering._known_on = D

    monkeypatch.setattr(Gathering, "add", add_always)
    with pytest.raises(AssertionError):
        check_same(cases)


@pytest.mark.anyio
async def test_the_order_in_which_a_record_tells_does_not_matter(record, actor, tmp_path):
    cases = [
        learn_later(give_history(stored, place), place)
        for place, stored in enumerate(await record_cases(record, actor, tmp_path))
    ]
    backwards = [msgspec.structs.replace(one, events=one.events[::-1]) for one in cases[::-1]]
    assert list_bytes(gather(cases)) == list_bytes(gather(backwards))


@pytest.mark.anyio
async def test_a_record_that_goes_on_gives_the_training_set_of_then(record, actor, tmp_path):
    """The same through the record itself: later events of recorded Cases and later Cases are committed in between."""
    await import_tape(record, job(write_tape(tmp_path / "tape.csv", ROWS)), actor)
    then = await gather_training_set(record, book="small", product=PRODUCT, known_on=D)
    assert then.definition == AS_LAST_SEEN
    later = {
        stored.case_id: (
            msgspec.structs.replace(
                event(0, EventKind.CHARGED_OFF, D, D + timedelta(days=1)),
                event_id=derive_id(bucket_of(stored.case_id), record.clock.now(), stored.case_id.bytes),
            ),
        )
        async for stored in iterate_cases(record, "small")
    }
    assert await commit_events(record, later, actor, record.clock.now()) == 40
    as_of = msgspec.structs.replace(MAPPING.as_of, column=None, constant=D + timedelta(days=1))
    told = D + timedelta(days=30)
    events = tuple(
        msgspec.structs.replace(
            rule,
            event_on=msgspec.structs.replace(rule.event_on, constant=told),
            known_on=msgspec.structs.replace(rule.known_on, constant=told),
        )
        for rule in MAPPING.events
    )
    mapping = msgspec.structs.replace(MAPPING, as_of=as_of, events=events)
    rows = [row(place, label="bad" if place % 2 else "good", state="NY") for place in range(30)]
    await import_tape(record, job(write_tape(tmp_path / "later.csv", rows), mapping=mapping), actor)
    again = await gather_training_set(record, book="small", product=PRODUCT, known_on=D)
    assert list_bytes(again) == list_bytes(then)
    after = await gather_training_set(record, book="small", product=PRODUCT, known_on=told)
    assert (after.cases, int(after.labels.sum())) == (70, 55)


@pytest.mark.anyio
async def test_a_loan_that_was_not_told_as_paid_out_is_counted_apart(record, actor, tmp_path):
    cases = await record_cases(record, actor, tmp_path)
    told = [give_history(stored, place) for place, stored in enumerate(cases)]
    told[1] = msgspec.structs.replace(told[1], events=())
    reasons = {one.reason: one.count for one in gather(told).left_out}
    assert reasons == {IMMATURE: 8, NOT_PAID_OUT: 1}


@pytest.mark.anyio
async def test_a_recorded_correction_is_seen_from_the_day_it_was_known(record, actor, tmp_path):
    """Through the record: 90 days past due, told; and that they were none, told a year later."""
    await import_tape(record, job(write_tape(tmp_path / "tape.csv", ROWS)), actor)
    start, corrected_on = date(2016, 4, 1), date(2018, 6, 1)
    events = {}
    async for stored in iterate_cases(record, "small"):
        first, second, third = (
            derive_id(bucket_of(stored.case_id), record.clock.now(), stored.case_id.bytes + bytes([number]))
            for number in range(3)
        )
        late = {"kind": EventKind.DAYS_PAST_DUE, "event_on": start + timedelta(days=150)}
        events[stored.case_id] = tuple(
            msgspec.structs.replace(one, event_id=event_id)
            for one, event_id in (
                (event(0, EventKind.DISBURSED, start), first),
                (event(1, **late, days_past_due=90), second),
                (event(2, **late, known_on=corrected_on, days_past_due=0, corrects=second), third),
            )
        )
    assert await commit_events(record, events, actor, record.clock.now()) == 120
    told = {"book": "small", "product": PRODUCT, "definition": msgspec.structs.replace(YEAR, bad_kinds=())}
    before = await gather_training_set(record, known_on=corrected_on - timedelta(days=1), **told)
    after = await gather_training_set(record, known_on=corrected_on, **told)
    assert (int(before.labels.sum()), int(after.labels.sum())) == (40, 0)
    assert before.matrix.tobytes() == after.matrix.tobytes()


@pytest.mark.anyio
async def test_declined_applicants_without_an_outcome_are_the_rejects_and_no_others(record, actor, tmp_path):
    cases = await record_cases(record, actor, tmp_path)
    declined = (
        b'{"schema_version":1,"release_hash":"r","product_hash":"p","as_of":"2016-03-31","outcome":"%s","reasons":%s}'
    )
    reasons = b'[{"code":"X","family":"x","number":1,"text":"It is so."}]'
    told = [give_history(stored, place) for place, stored in enumerate(cases)]
    for place in range(1, 7):
        outcome = (b"approve", b"[]") if place == 6 else (b"decline", reasons)
        events = told[place].events if place == 5 else ()
        told[place] = msgspec.structs.replace(told[place], events=events, decision=declined % outcome)
    gathering = Gathering(PRODUCT, known_on=D, definition=YEAR, with_rejects=True)
    for stored in told:
        gathering.add(stored)
    found = gathering.finish("small")
    assert (found.rejects.days.tolist(), found.rejects.matrix.shape) == ([16_891] * 4, (4, found.matrix.shape[1]))
    assert {one.reason: one.count for one in found.left_out} == {IMMATURE: 8, NOT_PAID_OUT: 5}
    assert gather(told).rejects is None
