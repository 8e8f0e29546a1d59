"""Schedules: jobs that come due by the calendar, each instant once however many ask. Edge.

    schedule, clock ─► the latest instant at or before now ─► a job under the natural key name@instant ─► queued, or known already

Of instants that passed while nobody asked, the latest one counts. Nothing here reads a clock of its own.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from instant_credit.access.actors import Actor
from instant_credit.factory.desk import JobDesk
from instant_credit.factory.requests import Request, TriggerName
from instant_credit.factory.settling import Asking
from instant_credit.record.queue import JobExists

Every = Literal["hour", "day", "week", "month", "quarter"]
EveryMinutes = Literal["five_minutes"]
"""How often the program itself asks; no trigger does."""

_MONTHS: dict[str, int] = {"month": 1, "quarter": 3}
_LASTS: dict[str, timedelta] = {
    "five_minutes": timedelta(minutes=5),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
}


class Schedule(Struct, frozen=True, kw_only=True):
    """A job that comes due again and again.

    Attributes
    ----------
    name : by which its jobs are told from those of other schedules, for ever.
    every : hours begin at :00, five minutes at :00, :05 and so on, weeks on Monday, months and quarters on their first day; all in UTC.
    at_hour : hour of the day, UTC; without meaning for hours and minutes.
    since : the first instant that counts is at or after it.
    """

    name: TriggerName
    every: Every | EveryMinutes
    request: Request
    since: Annotated[datetime, Meta(tz=True)]
    at_hour: Annotated[int, Meta(ge=0, le=23)] = 0


def find_due(schedule: Schedule, now: datetime) -> datetime | None:
    """The latest instant at or before `now` (aware) at which the job was due, in UTC; None = not yet."""
    now = now.astimezone(UTC)
    due = _begin(schedule, now)
    if due > now:
        due = _begin(schedule, _begin_of_period(schedule.every, now) - timedelta(hours=1))
    return due if due >= schedule.since else None


def find_next(schedule: Schedule, now: datetime) -> datetime:
    """The first instant after `now` (aware) at which the job is due, in UTC."""
    now = max(now.astimezone(UTC), schedule.since.astimezone(UTC) - timedelta(microseconds=1))
    due = _begin(schedule, now)
    if due > now:
        return due
    return _begin(schedule, _end_of_period(schedule.every, now))


async def ask_due(desk: JobDesk, schedules: Iterable[Schedule], now: datetime, actor: Actor) -> tuple[UUID, ...]:
    """Queue every job that is due and was not asked for yet; ids of the new ones.

    A job that is due while the same one of before still waits or runs is left out: what it would do is being done.

    Raises
    ------
    JobRefused : a schedule's job can't be run.
    Unavailable : the database did not answer; asking again finds what was queued.
    """
    asked = []
    for schedule in schedules:
        due = find_due(schedule, now)
        if due is None:
            continue
        try:
            asking = Asking(
                natural_key=name_instant(schedule.name, due), trigger=schedule.name, reasons=tell_instant(due)
            )
            status = await desk.request(schedule.request, actor, asking)
        except JobExists:
            continue
        asked.append(status.job_id)
    return tuple(asked)


def name_instant(name: str, due: datetime) -> str:
    """The natural key of the job that a schedule asks for at an instant."""
    return f"{name}@{due:%Y-%m-%dT%H:%MZ}"


def tell_instant(due: datetime) -> str:
    """Why a job was asked for at an instant."""
    return f"it was due at {due:%Y-%m-%d %H:%M} UTC"


def _begin(schedule: Schedule, at: datetime) -> datetime:
    """When the job is due in the period of `at`."""
    begin = _begin_of_period(schedule.every, at)
    return begin if schedule.every in ("hour", "five_minutes") else begin + timedelta(hours=schedule.at_hour)


def _begin_of_period(every: Every | EveryMinutes, at: datetime) -> datetime:
    if every == "five_minutes":
        return at.replace(minute=at.minute // 5 * 5, second=0, microsecond=0)
    hour = at.replace(minute=0, second=0, microsecond=0)
    if every == "hour":
        return hour
    day = hour.replace(hour=0)
    if every == "day":
        return day
    if every == "week":
        return day - timedelta(days=day.weekday())
    months = _MONTHS[every]
    return day.replace(day=1, month=(day.month - 1) // months * months + 1)


def _end_of_period(every: Every | EveryMinutes, at: datetime) -> datetime:
    """The begin of the next period."""
    begin = _begin_of_period(every, at)
    if every in _MONTHS:
        # Any day in the month after the period's last one.
        return _begin_of_period(every, begin + timedelta(days=31 * _MONTHS[every] + 1))
    return begin + _LASTS[every]
