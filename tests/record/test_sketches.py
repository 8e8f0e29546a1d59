"""What monitoring writes down: once, whole, and read back as it was."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.access.actors import Actor
from instant_credit.outcome.alerts import AlertEvent, AlertEventKind
from instant_credit.record.ids import new_id
from instant_credit.record.pool import Record
from instant_credit.record.sketches import (
    SketchRow,
    WindowRow,
    add_sketch,
    add_window,
    count_decided,
    find_first_day,
    find_sketched_span,
    ids_of_day,
    list_alert_events,
    list_latest_windows,
    list_sketched,
    list_sketches,
    list_windows,
)
from instant_credit.settings import Settings
from tests.budget import examples
from tests.outcome.drifting import QUIET, draw, refer, sketch
from tests.record.anchored import anchor, audit

pytestmark = pytest.mark.anyio

DAY = date(2026, 3, 2)
REFERENCE = refer(np.random.default_rng(1), 300)
KNOWN = {"b" * 64: REFERENCE}
ROW = SketchRow(
    book="applications",
    product="loan",
    release_hash="a" * 64,
    reference_hash="b" * 64,
    day_on=DAY,
    revision=1,
    sketch=sketch(REFERENCE, draw(QUIET, np.random.default_rng(2), 50)),
)
WINDOW = WindowRow(
    book="applications",
    product="loan",
    first_on=DAY,
    last_on=DAY + timedelta(days=27),
    rules_hash="c" * 64,
    release_hash="a" * 64,
    reference_hash="b" * 64,
    cases=50,
    report=b"{}",
)


def event(rule: str, value: float | None = 0.3) -> AlertEvent:
    return AlertEvent(
        kind=AlertEventKind.OPENED,
        rule=rule,
        subject="",
        metric="score_psi",
        value=value,
        owner="risk",
        runbook="runbooks.md",
    )


async def test_a_sketch_is_read_back_as_it_was_written_and_its_newest_revision_counts(
    record: Record, actor: Actor
) -> None:
    newer = replace(ROW, revision=2, sketch=replace(ROW.sketch, cases=51, erased=2))
    other_bins = replace(ROW, reference_hash="d" * 64)
    for row in (ROW, newer, replace(ROW, day_on=DAY + timedelta(days=1)), other_bins):
        assert await add_sketch(record, row, actor)
    found = await list_sketches(record, ROW.book, DAY, DAY, KNOWN)
    assert found == (newer,)
    assert [(one.revision, one.cases) for one in await list_sketched(record, ROW.book, DAY, DAY)] == [(2, 53), (1, 50)]
    assert await find_sketched_span(record, ROW.book) == (DAY, DAY + timedelta(days=1))
    assert await find_sketched_span(record, "another") is None


async def test_what_is_there_already_is_not_written_again(record: Record, actor: Actor, settings: Settings) -> None:
    assert await add_sketch(record, ROW, actor)
    assert not await add_sketch(record, replace(ROW, sketch=replace(ROW.sketch, cases=9)), actor)
    assert await add_window(record, WINDOW, [event("score_shifted")], actor)
    assert not await add_window(record, WINDOW, [event("variable_shifted")], actor)
    assert await list_sketches(record, ROW.book, DAY, DAY, KNOWN) == (ROW,)
    assert [one.event.rule for one in await list_alert_events(record, "applications", "loan", 9)] == ["score_shifted"]
    await anchor(record, settings)
    report = await audit(record, settings)
    assert (report.found, report.rows) == (0, 3)


async def test_windows_and_alerts_come_the_latest_first_and_by_product(record: Record, actor: Actor) -> None:
    later = replace(WINDOW, first_on=WINDOW.last_on + timedelta(days=1), last_on=WINDOW.last_on + timedelta(days=28))
    other = replace(WINDOW, product="card")
    assert await add_window(record, WINDOW, [event("b"), event("a", None)], actor)
    assert await add_window(record, later, [event("c")], actor)
    assert await add_window(record, other, [], actor)
    assert await list_windows(record, "applications", "loan", 9) == (later, WINDOW)
    assert await list_windows(record, "applications", "loan", 1) == (later,)
    assert await list_latest_windows(record, "applications") == (other, later)
    rows = await list_alert_events(record, "applications", "loan", 2)
    assert [(row.last_on, row.event.rule, row.event.value) for row in rows] == [
        (later.last_on, "c", 0.3),
        (WINDOW.last_on, "a", None),
    ]


async def test_an_empty_book_has_no_days(record: Record) -> None:
    assert await find_first_day(record, "applications") is None
    assert await count_decided(record, "applications", DAY, 31) == ()


@examples(100)
@given(st.timedeltas(timedelta(0), timedelta(days=47_000)), st.integers(0, 255))
def test_an_id_lies_in_its_day_and_in_no_other(since: timedelta, bucket: int) -> None:
    at = datetime(1970, 1, 2, tzinfo=UTC) + since
    made = new_id(bucket, at, lambda count: b"\xff" * count)
    least, end = ids_of_day(at.date())
    assert least <= made < end
    assert ids_of_day(at.date() + timedelta(days=1))[0] == end
