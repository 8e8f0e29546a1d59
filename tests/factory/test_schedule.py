"""Jobs by the calendar: every instant once, whoever asks and however often."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.factory.desk import JobDesk
from instant_credit.factory.requests import AuditRequest, MonthsRequest
from instant_credit.factory.schedule import Schedule, ask_due, find_due, find_next
from tests.budget import examples

SINCE = datetime(2024, 1, 1, tzinfo=UTC)
EVERY = ("hour", "day", "week", "month", "quarter")


def make(every: str = "month", at_hour: int = 0, since: datetime = SINCE, name: str = "upkeep", **more) -> Schedule:
    return Schedule(name=name, every=every, at_hour=at_hour, since=since, request=more.get("request", AuditRequest()))


def is_due_at(schedule: Schedule, at: datetime) -> bool:
    """The naive twin: whether the calendar says so of one whole hour."""
    if schedule.every == "hour":
        return True
    first_months = {"month": range(1, 13), "quarter": (1, 4, 7, 10)}.get(schedule.every)
    is_first = {"day": True, "week": at.weekday() == 0}.get(schedule.every, at.day == 1)
    return at.hour == schedule.at_hour and is_first and (first_months is None or at.month in first_months)


@examples(60)
@given(
    every=st.sampled_from(EVERY),
    at_hour=st.integers(0, 23),
    now=st.integers(0, 7 * 365 * 24 * 60).map(lambda minutes: SINCE + timedelta(minutes=minutes)),
)
def test_instants_are_those_that_an_hour_by_hour_walk_finds(every, at_hour, now):
    schedule = make(every, at_hour)
    hour = now.replace(minute=0, second=0, microsecond=0)
    back = (hour - timedelta(hours=n) for n in range(24 * 93))
    expected = next((at for at in back if is_due_at(schedule, at)), None)
    assert find_due(schedule, now) == (expected if expected is not None and expected >= SINCE else None)
    ahead = (hour + timedelta(hours=n) for n in range(1, 24 * 93))
    assert find_next(schedule, now) == next(at for at in ahead if is_due_at(schedule, at))


@examples(30)
@given(now=st.integers(0, 366 * 24 * 60 * 60).map(lambda seconds: SINCE + timedelta(seconds=seconds)))
def test_five_minutes_begin_at_whole_fives(now):
    schedule, due = make("five_minutes"), find_due(make("five_minutes"), now)
    assert due is not None
    assert (due.minute % 5, due.second, due <= now < due + timedelta(minutes=5)) == (0, 0, True)
    assert find_next(schedule, now) == due + timedelta(minutes=5)


@pytest.mark.parametrize("every", EVERY)
def test_nothing_is_due_before_its_time(every):
    schedule = make(every, 9, since=datetime(2024, 5, 15, 12, 30, tzinfo=UTC))
    assert find_due(schedule, schedule.since) is None
    first = find_next(schedule, SINCE)
    assert first >= schedule.since
    assert find_due(schedule, first) == first
    assert find_due(schedule, first - timedelta(seconds=1)) is None


@pytest.mark.anyio
async def test_each_instant_is_asked_for_once(record, actor):
    desk, now = JobDesk(record), datetime(2024, 3, 1, 12, tzinfo=UTC)
    schedules = [make("day", 6), make("month", request=MonthsRequest(), name="months")]
    first = await ask_due(desk, schedules, now, actor)
    assert len(first) == 2
    assert await ask_due(desk, schedules, now + timedelta(hours=5), actor) == ()
    for job_id in first:
        await desk.cancel(job_id, actor)
    assert await ask_due(desk, schedules, now + timedelta(hours=5), actor) == ()
    assert len(await ask_due(desk, schedules, now + timedelta(days=3), actor)) == 1
