"""Freezing of experiments: their days that are over, one after the other, from the day of the first exposure on. Edge.

    experiments without a verdict, what is frozen of each ─► the earliest day that is due of any ─► some of those it is due of: measured, written ─► the next

The law is that of `record.experiment_statistics`: of some experiments a day is written whole or not at all, once, and no day before those that lie
before it. So it does not matter how often this is started, by how many at once, or when it is killed: the rows that come out are the same.
"""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Final

from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.errors import Refused
from instant_credit.experiment.plan import Plan
from instant_credit.record.experiment_statistics import add_day, list_first_exposures, list_frozen_days
from instant_credit.record.pool import Record
from instant_credit.record.ripening import Followed, measure_day
from instant_credit.review.sketching import last_settled_day
from instant_credit.underwriting.experiment_life import ExperimentDesk
from instant_credit.underwriting.experiment_states import ExperimentLife

EXPERIMENTS_AT_ONCE: Final = 100
"""Experiments whose day is measured together: it bounds the statements' time and what is in memory."""
_DAY: Final = timedelta(days=1)


class FreezeRun(Struct, frozen=True, kw_only=True):
    """What a run did.

    Attributes
    ----------
    until : the last day that it froze or would have frozen.
    experiments : running, or stopped and without a verdict.
    days : frozen by this run, of `due` that were not frozen when it began; each experiment's days count by themselves.
    """

    until: date
    experiments: int
    days: int = 0
    due: int = 0


async def freeze_experiments(
    record: Record,
    actor: Actor,
    *,
    until: date | None = None,
    progress: Callable[[int, int], None] = lambda _, __: None,
) -> FreezeRun:
    """Freeze what is due of every experiment that runs, or was stopped and has no verdict.

    Parameters
    ----------
    until : the last day, by default the last one whose exposures are all recorded.
    progress : told after every write how many days of experiments are frozen, and of how many.

    Raises
    ------
    Refused : `until` is not over yet.
    Unavailable : the database did not answer; what is written stands.
    """
    settled_on = last_settled_day(record.clock.now())
    last_on = settled_on if until is None else until
    if last_on > settled_on:
        raise Refused(
            f"{last_on} is not over yet, or was not ten minutes ago (UTC): give {settled_on} or an earlier day"
        )
    lives = await ExperimentDesk(record).read_open()
    plans = {life.planned.experiment: life.plan for life in lives}
    nexts = await _find_nexts(record, lives)
    due = sum(max(0, (last_on - day).days + 1) for day in nexts.values())
    frozen = 0
    while (chosen := _choose(nexts, last_on)) is not None:
        day, numbers = chosen
        if await _freeze(record, day, {number: plans[number] for number in numbers}, actor):
            nexts |= dict.fromkeys(numbers, day + _DAY)
            frozen += len(numbers)
        else:
            # Somebody else froze this day of one of them, so there is less to do than was read.
            nexts = await _find_nexts(record, lives)
        progress(frozen, due)
    return FreezeRun(until=last_on, experiments=len(lives), days=frozen, due=due)


async def _freeze(record: Record, day: date, plans: Mapping[int, Plan], actor: Actor) -> bool:
    """Freeze a day of some experiments; False when one of them has it already."""
    followed = [Followed(experiment=number, plan=plan) for number, plan in plans.items()]
    return await add_day(record, await measure_day(record, day, followed), actor)


async def _find_nexts(record: Record, lives: tuple[ExperimentLife, ...]) -> dict[int, date]:
    """The first day that is not frozen, by experiment. A process whose clock is behind may have exposed somebody on the day before the start."""
    lasts = await list_frozen_days(record)
    nexts = {}
    for life in lives:
        number, started_at = life.planned.experiment, life.started_at
        assert started_at is not None
        nexts[number] = lasts[number] + _DAY if number in lasts else started_at.date()
    firsts = await list_first_exposures(record, [number for number in nexts if number not in lasts])
    return nexts | {number: min(nexts[number], first) for number, first in firsts.items()}


def _choose(nexts: Mapping[int, date], last_on: date) -> tuple[date, tuple[int, ...]] | None:
    """The earliest day that is due, and some experiments of which it is; None = nothing is due."""
    day = min(nexts.values(), default=date.max)
    if day > last_on:
        return None
    return day, tuple(sorted(number for number, due_on in nexts.items() if due_on == day)[:EXPERIMENTS_AT_ONCE])
