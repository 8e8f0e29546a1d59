"""Windows judged out of a record: measured once, in order, with the alerts that they open and close."""

import asyncio
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.access.actors import Actor
from instant_credit.decision.release import Release
from instant_credit.outcome.alerts import AlertRules, judge_window, load_rules
from instant_credit.outcome.estimates import list_bands
from instant_credit.outcome.labels import Label
from instant_credit.outcome.measures import Metric, measure_ripened, measure_window
from instant_credit.outcome.sketches import OFFERS, OUTCOMES, count_sketch
from instant_credit.record.pool import Record
from instant_credit.record.reads import iterate_cases
from instant_credit.record.shipped import read_sql
from instant_credit.record.sketches import list_alert_events, list_latest_windows, list_windows
from instant_credit.review import ripening
from instant_credit.review.observing import compile_columns, observe
from instant_credit.review.references import Reference, fix_reference
from instant_credit.review.ripening import cohort_of, read_ripened
from instant_credit.review.sketching import sketch_book
from instant_credit.review.windows import JudgedWindow, decode_report, judge_book
from instant_credit.underwriting.course import BOOK
from tests.budget import examples
from tests.clock import FixedClock
from tests.review.deciding import MONDAY, invent_cases, record_cases

pytestmark = pytest.mark.anyio

PRODUCT = "personal_loan"
RULES = """
schema_version = 1
name = "weekly"
window_days = 7
maturities_days = [14]
[[rules]]
name = "variable_shifted"
metric = "variable_psi"
on = 0.2
off = 0.1
windows_in_row = 1
cases_min = 20
owner = "credit-risk"
runbook = "docs/runbooks.md"
[[rules]]
name = "bad_rate_off"
metric = "bad_rate"
on = 0.5
off = 0.3
windows_in_row = 1
cases_min = 5
owner = "credit-risk"
runbook = "docs/runbooks.md"
"""
CASES = 60


@pytest.fixture
def rules() -> AlertRules:
    return load_rules(RULES)


@pytest.fixture
async def reference(stocked: Record, actor: Actor, release: Release) -> Reference:
    await record_cases(stocked, actor, release, invent_cases(release, 1, 400), book="tape", is_decided=False)
    return await fix_reference(stocked, release.hash, book="tape", actor=actor)


def week(number: int) -> date:
    return MONDAY + timedelta(days=7 * number)


async def record_week(record: Record, actor: Actor, release: Release, number: int, events=None, **facts) -> tuple:
    """So many applications in one week; Cases and Decisions."""
    cases = invent_cases(release, 50 + number, CASES, week(number) + timedelta(days=2), **facts)
    return cases, await record_cases(record, actor, release, cases, start=1_000 * number, events=events)


async def run(record: Record, rules: AlertRules, actor: Actor) -> tuple[JudgedWindow, ...]:
    await sketch_book(record, BOOK, actor)
    return await judge_book(record, BOOK, rules, actor)


async def test_a_window_is_measured_from_its_cases_and_judged_once(
    stocked: Record, actor: Actor, release: Release, reference: Reference, rules: AlertRules
) -> None:
    told = await record_week(stocked, actor, release, 0)
    (window,) = await run(stocked, rules, actor)
    bins, report = reference.reference, window.report
    sketch = count_sketch(bins.variables, bins.score_borders_ppm, observe(compile_columns(release.product), *told))
    assert (report.first_on, report.last_on, report.cases) == (week(0), week(1) - timedelta(days=1), CASES)
    assert [one for one in report.measurements if one.subject != "14"] == list(measure_window(bins, sketch))
    assert tuple(one.cases for one in report.outcomes) == sketch.outcomes
    assert judge_window(rules, (), report.measurements, report.last_on).states == report.states
    assert await run(stocked, rules, actor) == ()
    (row,) = await list_windows(stocked, BOOK, PRODUCT, 10)
    assert decode_report(row.report) == report
    assert [one.product for one in await list_latest_windows(stocked, BOOK)] == [PRODUCT]


async def test_a_shift_opens_an_alert_in_the_record_and_its_end_closes_it(
    stocked: Record, actor: Actor, release: Release, reference: Reference, rules: AlertRules
) -> None:
    rules = replace(rules, rules=(replace(rules.rules[0], cool_down_days=0), rules.rules[1]))
    for number in range(4):
        shifted = {"inquiries_6m": 6} if number in (1, 2) else {}
        await record_week(stocked, actor, release, number, **shifted)
    windows = await run(stocked, rules, actor)
    told = [
        (number, event.kind.value, event.rule)
        for number, window in enumerate(windows)
        for event in window.events
        if event.subject == "inquiries_half_year"
    ]
    assert told == [(1, "opened", "variable_shifted"), (3, "closed", "variable_shifted")]
    rows = await list_alert_events(stocked, BOOK, PRODUCT, 100)
    mine = [row for row in rows if row.event.subject == "inquiries_half_year"]
    assert [(row.last_on, row.event.kind.value) for row in mine] == [
        (week(4) - timedelta(days=1), "closed"),
        (week(2) - timedelta(days=1), "opened"),
    ]
    assert mine[1].event.value is not None
    assert mine[1].event.value > 0.2
    assert mine[1].event.owner == "credit-risk"


async def test_windows_judged_one_by_one_by_several_or_together_are_the_same(
    stocked: Record, actor: Actor, release: Release, reference: Reference, rules: AlertRules
) -> None:
    for number in (0, 1, 3):
        await record_week(stocked, actor, release, number, **({"inquiries_6m": 6} if number else {}))
    await sketch_book(stocked, BOOK, actor)

    def stop(_: JudgedWindow) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await judge_book(stocked, BOOK, rules, actor, stop)
    assert len(await list_windows(stocked, BOOK, PRODUCT, 10)) == 1
    await asyncio.gather(*(judge_book(stocked, BOOK, rules, actor) for _ in range(3)))
    await judge_book(stocked, BOOK, rules, actor)
    rows = await list_windows(stocked, BOOK, PRODUCT, 10)
    assert [row.first_on for row in rows] == [week(3), week(1), week(0)]
    async with stocked.connection() as connection:
        written = [tuple(row) for row in await connection.fetch(read_sql("scan_alert_events"))]
    states, expected = (), []
    for row in reversed(rows):
        judged = judge_window(rules, states, decode_report(row.report).measurements, row.last_on)
        states = judged.states
        assert decode_report(row.report).states == states
        expected += [(row.last_on, event.rule, event.subject, event.kind.value) for event in judged.events]
    assert sorted(one[2:6] for one in written) == sorted(expected)
    assert expected


async def test_labels_are_looked_at_when_they_are_ripe_and_as_known_then(
    stocked: Record, actor: Actor, release: Release, reference: Reference, rules: AlertRules
) -> None:
    events = {number: [("charged_off", 10)] for number in range(CASES)}
    told = await record_week(stocked, actor, release, 0, events)
    await record_week(stocked, actor, release, 2)
    windows = await run(stocked, rules, actor)
    offered = [decision for decision in told[1] if OUTCOMES.index(decision.outcome.value) < OFFERS]
    (ripe,) = windows[-1].report.maturities
    assert (ripe.first_on, ripe.days, ripe.bads, ripe.unresolved) == (week(0), 14, len(offered), 0)
    (early,) = windows[0].report.maturities
    assert (early.loans, early.bands) == (0, ())
    assert [(event.rule, event.subject) for event in windows[-1].events if event.rule == "bad_rate_off"] == [
        ("bad_rate_off", "14")
    ]
    found = await read_ripened(
        stocked, BOOK, release.hash, first_on=week(0), last_on=week(1), known_on=week(0) + timedelta(days=11)
    )
    assert (found.loans, found.unresolved) == (0, len(offered))
    assert list_bands(found) == ()
    assert [one.value for one in measure_ripened(found, "14")] == [None] * 3


async def test_labels_do_not_depend_on_the_chunk_and_other_releases_have_none(
    stocked: Record, actor: Actor, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = {number: [("charged_off" if number % 5 == 0 else "paid", 3)] for number in range(CASES)}
    await record_week(stocked, actor, release, 0, events)
    span = {"first_on": week(0), "last_on": week(1), "known_on": week(9)}
    whole = await read_ripened(stocked, BOOK, release.hash, **span)
    monkeypatch.setattr(ripening, "CHUNK_CASES", 4)
    assert await read_ripened(stocked, BOOK, release.hash, **span) == whole
    assert whole.loans
    assert (await read_ripened(stocked, BOOK, "e" * 64, **span)).loans == 0


async def test_labels_are_those_of_the_events_as_known_then(stocked: Record, actor: Actor, release: Release) -> None:
    events = {
        0: [("paid", 3)],
        1: [("charged_off", 4)],
        2: [("charged_off", 30)],
        4: [("current", 2), ("delinquent", 5)],
    }
    await record_week(stocked, actor, release, 0, events)
    cases = [one async for one in iterate_cases(stocked, BOOK)]
    known_on = week(2)
    labels = ripening.label_cases(cases, known_on).tolist()
    found = {
        max((one.event_on for one in case.events), default=None): label
        for case, label in zip(cases, labels, strict=True)
    }
    decided_on = week(0) + timedelta(days=2)
    assert found == {
        None: Label.INDETERMINATE,
        decided_on + timedelta(days=3): Label.GOOD,
        decided_on + timedelta(days=4): Label.BAD,
        decided_on + timedelta(days=5): Label.BAD,
        decided_on + timedelta(days=30): Label.INDETERMINATE,
    }


async def test_nothing_is_judged_before_anything_is_sketched_or_over(
    stocked: Record, actor: Actor, release: Release, reference: Reference, rules: AlertRules
) -> None:
    assert await judge_book(stocked, BOOK, rules, actor) == ()
    today = stocked.clock.now().date()
    await record_cases(stocked, actor, release, invent_cases(release, 5, 30, today - timedelta(days=1)))
    assert await run(stocked, rules, actor) == ()


@pytest.mark.usefixtures("reference")
async def test_other_windows_begin_after_the_last_one_judged(
    stocked: Record, clock: FixedClock, actor: Actor, release: Release, rules: AlertRules
) -> None:
    for number in range(5):
        await record_week(stocked, actor, release, number)
        if number == 0:
            clock.advance(week(1) + timedelta(days=1) - clock.now().date())
            assert len(await run(stocked, rules, actor)) == 1
    clock.advance(timedelta(days=100))
    longer = replace(rules, window_days=14)
    windows = await run(stocked, longer, actor)
    assert [one.report.first_on > week(1) - timedelta(days=1) for one in windows] == [True] * len(windows)
    assert all((one.report.last_on - one.report.first_on).days == 13 for one in windows)


@examples(100)
@given(st.integers(0, 20_000), st.integers(1, 400), st.integers(1, 400))
def test_the_loans_looked_at_are_a_whole_window_that_is_just_old_enough(
    number: int, maturity: int, window: int
) -> None:
    last_on = MONDAY + timedelta(days=number)
    start, end = cohort_of(last_on, maturity, window)
    assert (end - start).days + 1 == window
    assert (last_on - end).days % window == 0
    assert maturity <= (last_on - end).days < maturity + window


async def test_every_metric_is_in_the_report(
    stocked: Record, actor: Actor, release: Release, reference: Reference, rules: AlertRules
) -> None:
    await record_week(stocked, actor, release, 0)
    (window,) = await run(stocked, rules, actor)
    assert {one.metric for one in window.report.measurements} == set(Metric)
