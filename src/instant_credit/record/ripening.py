"""Edge. From exposures and outcomes to a day's statistics: units that became ripe, months that were over, what was exposed.

    exposures, application events, repayment events ─► SQL: a value for each ripe unit ─► exact sums by metric, segment and arm
                    loans with instalments that fell due ─► `outcome.labels.list_overdue` judges their ledger, unit by unit ─┘

A unit is judged once for each metric: on the day on which `window_days + lag_days` have passed since its first exposure, by what was known on that day
and happened within the window, even when that is done later. Values, by kind, added up over the unit's applications within the window:

==========================  ==========================================================================================================
approval                    something was offered
take_up                     an offer was accepted
early_delinquency, default  so many days past due (told, or by instalments that stayed unpaid), seriously overdue, or charged off
loss                        charged off - recovered, in cents, between -cents_max and cents_max
profit                      received - paid out, in cents, between the same bounds
==========================  ==========================================================================================================

A declined application brings 0. The covariate is the live release's pd; where that could compute none it is 0, which no arm can move, and counted.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from msgspec import UNSET, Struct

from instant_credit.experiment.plan import MetricKind, Plan
from instant_credit.experiment.sums import Sums
from instant_credit.outcome.events import stand_as_known
from instant_credit.outcome.labels import list_overdue
from instant_credit.record.experiment_statistics import EVERYBODY, CellCounts, CellSums, DayStatistics, MonthHazard
from instant_credit.record.outcomes import read_loans
from instant_credit.record.pool import Record
from instant_credit.record.shipped import read_sql
from instant_credit.units import PPM

MONTH_DAYS: Final = 30
_LOANS_AT_ONCE: Final = 2_000

_Key = tuple[int, int, int, int, int]
_Overdue = dict[tuple[UUID, int], date]


class Followed(Struct, frozen=True, kw_only=True):
    """An experiment whose units are followed, and its plan."""

    experiment: int
    plan: Plan


class _Asked(Struct, frozen=True, kw_only=True):
    """A metric of an experiment, as the statements ask for it."""

    experiment: int
    metric: int
    kind: str
    window_days: int
    lag_days: int
    past_due_days: int
    cents_max: int


async def measure_day(record: Record, day: date, followed: Sequence[Followed]) -> DayStatistics:
    """What a day that is over gave some experiments; nothing is written."""
    asked = [one for each in followed for one in _list_asked(each)]
    return DayStatistics(
        sums=await _sum_units(record, day, asked),
        hazards=await _count_hazards(record, day, [one for one in asked if one.kind == MetricKind.DEFAULT]),
        counts=await count_exposed(record, day, followed),
    )


def count_months(window_days: int) -> int:
    """Months, begun or whole, that a window has."""
    return max(1, -(-window_days // MONTH_DAYS))


def _list_asked(followed: Followed) -> list[_Asked]:
    return [
        _Asked(
            experiment=followed.experiment,
            metric=place,
            kind=metric.kind.value,
            window_days=metric.window_days,
            lag_days=metric.lag_days,
            past_due_days=metric.past_due_days,
            cents_max=0 if metric.cents_max is UNSET else metric.cents_max,
        )
        for place, metric in enumerate(followed.plan.metrics)
    ]


async def _sum_units(record: Record, day: date, asked: Sequence[_Asked]) -> tuple[CellSums, ...]:
    """Sums of the units that became ripe on the day."""
    arguments = (
        [one.experiment for one in asked],
        [one.metric for one in asked],
        [one.kind for one in asked],
        [one.window_days for one in asked],
        [one.window_days + one.lag_days for one in asked],
        [one.past_due_days for one in asked],
        [one.cents_max for one in asked],
    )
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("sum_ripe_units"), day, *arguments)
    metrics = {(one.experiment, one.metric): one for one in asked}
    overdue = await _judge_ledgers(
        record,
        day,
        {
            (case_id, metrics[row["experiment"], row["metric"]].past_due_days)
            for row in rows
            for case_id in row["open_cases"] or ()
        },
    )
    totals: dict[_Key, list[int]] = defaultdict(lambda: [0] * 11)
    for row in rows:
        experiment, metric, segment, category, arm, *figures, open_cases = row
        moments = [int(figure) for figure in figures]
        if open_cases:
            one = metrics[experiment, metric]
            last_on = day - timedelta(days=one.lag_days)
            more = sum(overdue.get((case_id, one.past_due_days), date.max) <= last_on for case_id in open_cases)
            moments = _raise_value(moments, more)
        total = totals[experiment, metric, segment, category, arm]
        for place, moment in enumerate(moments):
            total[place] += moment
    return tuple(_tell_sums(key, day, total) for key, total in totals.items())


def _raise_value(moments: Sequence[int], more: int) -> list[int]:
    """The moments of one unit whose value is higher by `more`."""
    units, s, y, x, ss, _, sx, _, _, xx, _ = moments
    y += more
    return [units, s, y, x, ss, s * y, sx, y * y, y * x, xx, y * PPM // s]


def _tell_sums(key: _Key, day: date, total: Sequence[int]) -> CellSums:
    """Sums of whole numbers as those of the metric's units: each is rounded once, whatever the order of the units."""
    experiment, metric, segment, category, arm = key
    units, s, y, x, ss, sy, sx, yy, yx, xx, hits_ppm = total
    return CellSums(
        experiment=experiment,
        metric=metric,
        segment=segment,
        category=category,
        arm=arm,
        ripe_on=day,
        sums=Sums(
            units=units,
            s=float(s),
            y=float(y),
            x=x / PPM,
            ss=float(ss),
            sy=float(sy),
            sx=sx / PPM,
            yy=float(yy),
            yx=yx / PPM,
            xx=xx / PPM**2,
        ),
        hits=hits_ppm / PPM,
    )


async def _judge_ledgers(record: Record, day: date, asked: set[tuple[UUID, int]]) -> _Overdue:
    """The first day on which loans were so many days past due, as known on the day, by Case and days; those that never were are left out."""
    wanted: dict[UUID, list[int]] = defaultdict(list)
    for case_id, past_due_days in asked:
        wanted[case_id].append(past_due_days)
    case_ids = sorted(wanted)
    found: _Overdue = {}
    for start in range(0, len(case_ids), _LOANS_AT_ONCE):
        loans = await read_loans(record, case_ids[start : start + _LOANS_AT_ONCE])
        for case_id, loan in loans.items():
            standing = stand_as_known(loan.events, day)
            for past_due_days in wanted[case_id]:
                first = min(list_overdue(standing, past_due_days), default=None)
                if first is not None:
                    found[case_id, past_due_days] = first
    return found


async def _count_hazards(record: Record, day: date, asked: Sequence[_Asked]) -> tuple[MonthHazard, ...]:
    """Defaults of the months that were over on the day."""
    if not asked:
        return ()
    arguments = (
        [one.experiment for one in asked],
        [one.metric for one in asked],
        [one.lag_days for one in asked],
        [one.past_due_days for one in asked],
        [count_months(one.window_days) for one in asked],
    )
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("count_hazards"), day, *arguments, MONTH_DAYS)
    past_due = {(one.experiment, one.metric): one.past_due_days for one in asked}
    overdue = await _judge_ledgers(
        record,
        day,
        {(row["open_case"], past_due[row["experiment"], row["metric"]]) for row in rows if row["open_case"]},
    )
    totals: dict[tuple[int, int, int, int], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        key = row["experiment"], row["metric"]
        at_risk, defaults = row["at_risk"], row["defaults"]
        if row["open_case"]:
            bad_on = min(row["bad_on"] or date.max, overdue.get((row["open_case"], past_due[key]), date.max))
            if bad_on <= row["begin_on"]:
                continue
            defaults = int(bad_on <= row["last_on"])
        total = totals[(*key, row["arm"], row["month"])]
        total[0] += at_risk
        total[1] += defaults
    return tuple(
        MonthHazard(
            experiment=experiment,
            metric=metric,
            arm=arm,
            month=month,
            known_on=day,
            at_risk=at_risk,
            defaults=defaults,
        )
        for (experiment, metric, arm, month), (at_risk, defaults) in totals.items()
    )


async def count_exposed(record: Record, day: date, followed: Sequence[Followed]) -> tuple[CellCounts, ...]:
    """What the day exposed; each arm counts everybody, were it nobody."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("count_exposed"), day, [one.experiment for one in followed])
    counted: dict[Any, CellCounts] = {}
    for one in followed:
        for arm in range(len(one.plan.arms)):
            counted[one.experiment, EVERYBODY, EVERYBODY, arm] = CellCounts(
                experiment=one.experiment, day_on=day, segment=EVERYBODY, category=EVERYBODY, arm=arm
            )
    for row in rows:
        key = row["experiment"], row["segment"], row["category"], row["arm"]
        counted[key] = CellCounts(day_on=day, **dict(row))
    return tuple(counted.values())
