"""Edge. What is frozen of experiments: sums of ripe units, defaults by month and counts of exposures, by day; written once, added up when read.

    plans of experiments, a day ─► `freezing.measure_day` ─► DayStatistics ─► three tables with one link, all of it or nothing

Every arm has a count for each frozen day, exposures or none: those rows say how far an experiment is frozen, and two that freeze the same day
exclude each other by them.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, Final

import asyncpg
from msgspec import Struct
from msgspec.structs import astuple

from instant_credit.access.actors import Actor
from instant_credit.errors import require
from instant_credit.experiment.sums import Sums
from instant_credit.record.chain import leaves_of
from instant_credit.record.pool import Record
from instant_credit.record.shipped import read_sql

EVERYBODY: Final = -1
"""The segment that holds everybody; its category is -1 too."""

_SUMS_COLUMNS: Final = 17
_HAZARD_COLUMNS: Final = 7
_COUNT_COLUMNS: Final = 14


class CellSums(Struct, frozen=True, kw_only=True):
    """Sums of one arm's ripe units in a segment.

    Attributes
    ----------
    metric, segment : places in the plan; segment -1 = everybody. `category` is a position in the segment's attribute, -1 = missing.
    ripe_on : None = added up over days.
    hits : sum over units of the share of their applications that the metric is true of; 0 for money.
    """

    experiment: int
    metric: int
    segment: int
    category: int
    arm: int
    ripe_on: date | None
    sums: Sums
    hits: float


class MonthHazard(Struct, frozen=True, kw_only=True):
    """Units of an arm that had not defaulted before a month after their first exposure, and those that did in it.

    `known_on` None = added up over days.
    """

    experiment: int
    metric: int
    arm: int
    month: int
    known_on: date | None
    at_risk: int
    defaults: int


class CellCounts(Struct, frozen=True, kw_only=True):
    """What was exposed in an arm and segment.

    Attributes
    ----------
    day_on : None = added up over days.
    units : exposed for the first time; `unit_offers` of them were offered something then.
    without_pd : applications that the live release could compute no pd of; their covariate is 0.
    units_in_two_arms : that drew this arm after another one; a fault. No sums hold them.
    """

    experiment: int
    day_on: date | None
    segment: int
    category: int
    arm: int
    applications: int = 0
    offers: int = 0
    baseline_offers: int = 0
    without_pd: int = 0
    offered_cents: int = 0
    reserved_cents: int = 0
    units: int = 0
    unit_offers: int = 0
    units_in_two_arms: int = 0


class DayStatistics(Struct, frozen=True, kw_only=True):
    """What a day gave some experiments; there is a count of everybody for each arm of each."""

    sums: tuple[CellSums, ...]
    hazards: tuple[MonthHazard, ...]
    counts: tuple[CellCounts, ...]


async def add_day(record: Record, day: DayStatistics, actor: Actor) -> bool:
    """Freeze a day; False when one of its experiments has it already, and then nothing is written."""
    require(bool(day.counts), "a frozen day counts each arm")
    now = record.clock.now()
    written = actor.kind.value, actor.id, now
    sums = sorted(_sums_row(one) for one in day.sums)
    hazards = sorted(astuple(one) for one in day.hazards)
    counts = sorted(astuple(one) for one in day.counts)
    leaves = leaves_of("experiment_sums", [(*row, *written) for row in sums])
    leaves += leaves_of("experiment_hazards", [(*row, *written) for row in hazards])
    leaves += leaves_of("experiment_counts", [(*row, *written) for row in counts])
    arguments = [
        *_transpose(sums, _SUMS_COLUMNS),
        *_transpose(hazards, _HAZARD_COLUMNS),
        *_transpose(counts, _COUNT_COLUMNS),
        *written,
    ]
    async with record.writer() as writer, record.connection() as connection:
        try:
            await writer.append(connection, read_sql("insert_frozen"), arguments, leaves, now)
        except asyncpg.UniqueViolationError:
            writer.withdraw()
            return False
    return True


async def list_frozen_days(record: Record) -> Mapping[int, date]:
    """The last day that is frozen, by experiment; those without one are left out."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_frozen_days"))
    return {row["experiment"]: row["day_on"] for row in rows}


async def list_first_exposures(record: Record, experiments: Collection[int]) -> Mapping[int, date]:
    """The first day that exposed anybody, by experiment; those without exposures are left out."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_first_exposures"), sorted(experiments))
    return {row["experiment"]: row["exposed_on"] for row in rows}


async def list_sums(
    record: Record,
    experiments: Collection[int],
    *,
    until: date = date.max,
    is_daily: bool = False,
    metric: int | None = None,
    is_overall: bool = False,
) -> tuple[CellSums, ...]:
    """Sums of units that were ripe on `until`, by experiment, metric, segment, category and arm, and by day where `is_daily`.

    Parameters
    ----------
    metric : the place of the one that is asked for; None = all of them.
    is_overall : everybody alone, without segments.
    """
    asked = (sorted(experiments), until, is_daily, metric, is_overall)
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_experiment_sums"), *asked)
    return tuple(_open_sums(row) for row in rows)


async def list_hazards(
    record: Record, experiments: Collection[int], *, until: date = date.max
) -> tuple[MonthHazard, ...]:
    """Defaults by month as they were known on `until`, added up over days, by experiment, metric, arm and month."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_experiment_hazards"), sorted(experiments), until)
    return tuple(MonthHazard(known_on=None, **dict(row)) for row in rows)


async def list_counts(
    record: Record,
    experiments: Collection[int],
    *,
    until: date = date.max,
    is_daily: bool = False,
    is_overall: bool = False,
) -> tuple[CellCounts, ...]:
    """Counts of what was exposed until a day, by experiment, day where `is_daily`, segment, category and arm."""
    asked = (sorted(experiments), until, is_daily, is_overall)
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_experiment_counts"), *asked)
    return tuple(CellCounts(**dict(row)) for row in rows)


def _sums_row(one: CellSums) -> tuple[Any, ...]:
    key = (one.experiment, one.metric, one.segment, one.category, one.arm, one.ripe_on)
    return *key, *astuple(one.sums), one.hits


def _open_sums(row: Any) -> CellSums:
    experiment, metric, segment, category, arm, ripe_on, units, s, y, x, ss, sy, sx, yy, yx, xx, hits = row
    return CellSums(
        experiment=experiment,
        metric=metric,
        segment=segment,
        category=category,
        arm=arm,
        ripe_on=ripe_on,
        sums=Sums(units=units, s=s, y=y, x=x, ss=ss, sy=sy, sx=sx, yy=yy, yx=yx, xx=xx),
        hits=hits,
    )


def _transpose(rows: Sequence[tuple[Any, ...]], columns: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(columns)]
