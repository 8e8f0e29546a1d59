"""Fills a record with experiments at size: plans, exposures by the million, what is frozen of them until the day before the last one, and what became of
those offers that the last day asks about. For a database that is thrown away.

Rows are made by the database itself out of their numbers, so the same sizes give the same rows. Keys and indexes are laid aside meanwhile and made again at
the end, and triggers and the hash chain are left out: what is measured on it reads exposures and outcomes and writes statistics, as the worker does.

    number i ─► day i // daily, experiment i % experiments, a unit of its own (nine of ten) or one that was there before ─► arm by the unit
             ─► six of ten are offered something, four of five of those take it ─► paid out, and one of eight goes bad

What is frozen has the rows that freezing day by day would have left, a row an experiment, metric, arm and day, with figures made up out of their
numbers: to freeze ten million exposures in earnest takes hours, and only how many rows there are matters to what reads them.
"""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import asyncpg
import msgspec
from msgspec import Struct

from instant_credit.canonical import hash_content
from instant_credit.experiment.plan import MetricKind, Plan, encode_plan
from instant_credit.record.embedded import SUPERUSER, use_cluster
from instant_credit.record.pool import open_record
from instant_credit.record.ripening import MONTH_DAYS, count_months
from instant_credit.settings import Settings

CHUNK: Final = 500_000
_METRICS: Final = (
    {"name": "approved", "kind": "approval", "direction": "higher", "window_days": 0},
    {"name": "taken", "kind": "take_up", "direction": "higher", "window_days": 14},
    {"name": "late", "kind": "early_delinquency", "direction": "lower", "window_days": 90, "lag_days": 15},
    {"name": "bad", "kind": "default", "direction": "lower", "window_days": 180, "lag_days": 15},
    {
        "name": "won",
        "kind": "profit",
        "direction": "higher",
        "window_days": 180,
        "lag_days": 15,
        "cents_max": 2_000_000,
    },
)
_INDEXES: Final = (
    "ALTER TABLE exposures ADD PRIMARY KEY (bucket, case_id, experiment)",
    "CREATE INDEX exposures_of_experiments ON exposures (experiment, exposed_on)",
    "CREATE INDEX exposures_of_units ON exposures (experiment, unit_id, exposed_on)",
)
_ASIDE: Final = (
    "ALTER TABLE exposures DROP CONSTRAINT exposures_pkey",
    "DROP INDEX exposures_of_experiments",
    "DROP INDEX exposures_of_units",
)
# $1, $2 bigint: numbers [from, to); $3 bigint: exposures a day; $4 bigint: experiments; $5 date: first day
_EXPOSURES: Final = """
INSERT INTO exposures (
    bucket, case_id, experiment, arm, unit_id, exposed_on, propensity_ppm, reach_ppm, baseline_pd_ppm, baseline_is_offer, is_offer,
    offered_cents, reserved_cents, segments, recorded_at
)
SELECT
    ((hashint8(row.i) & 2147483647) % 256)::smallint,
    (
        lpad(to_hex((extract(epoch FROM row.day_on::timestamp) * 1000)::bigint), 12, '0') || '7'
        || lpad(to_hex((hashint8(row.i) & 2147483647) % 256), 2, '0') || '08' || left(md5(row.i::text), 15)
    )::uuid,
    (1 + row.i % $4)::integer,
    (get_byte(row.unit_id, 0) & 1)::smallint,
    row.unit_id,
    row.day_on,
    500000,
    1000000,
    20000 + (hashint8(row.i + 7) & 2147483647) % 300000,
    row.is_offer,
    row.is_offer,
    CASE WHEN row.is_offer THEN 500000 ELSE 0 END,
    CASE WHEN row.is_offer THEN 40000 ELSE 0 END,
    '{}',
    row.day_on::timestamptz
FROM (
    SELECT
        i,
        $5::date + (i / $3)::integer AS day_on,
        decode(md5((CASE WHEN i % 10 = 9 AND i >= 100 * $4 THEN i - 9 * $4 ELSE i END)::text), 'hex') AS unit_id,
        (hashint8(i + 3) & 2147483647) % 10 < 6 AS is_offer
    FROM generate_series($1::bigint, $2::bigint - 1) AS i
) AS row
"""
_TAKEN: Final = """
INSERT INTO application_events (bucket, case_id, number, kind, offer_id, actor_kind, actor_id, recorded_at)
SELECT bucket, case_id, 1, 'accepted', case_id, 'job', 'fill', exposed_on + 1
FROM exposures
WHERE exposed_on = ANY($1::date[]) AND is_offer AND (hashtext(case_id::text) & 2147483647) % 5 < 4
"""
# A loan is paid out after a day, looked at after two months and, if it is old enough, after five; one of eight is late then.
_EVENTS: Final = """
INSERT INTO repayment_events (
    bucket, case_id, event_id, kind, amount_cents, event_on, known_on, actor_kind, actor_id, recorded_at, days_past_due, number
)
SELECT
    loan.bucket, loan.case_id, md5(loan.case_id::text || told.number)::uuid, told.kind, told.amount_cents, loan.exposed_on + told.after,
    loan.exposed_on + told.after + 2, 'job', 'fill', loan.exposed_on + told.after + 2,
    CASE told.kind WHEN 'days_past_due' THEN CASE WHEN (hashtext(loan.case_id::text || 'b') & 2147483647) % 8 = 0 THEN 95 ELSE 0 END END, told.number
FROM exposures AS loan
CROSS JOIN (VALUES
    (1, 'disbursed', 1, 500000), (2, 'payment', 31, 48000), (3, 'days_past_due', 60, 0), (4, 'days_past_due', 150, 0)
) AS told (number, kind, after, amount_cents)
WHERE
    loan.exposed_on = ANY($1::date[]) AND loan.is_offer AND (hashtext(loan.case_id::text) & 2147483647) % 5 < 4
    AND loan.exposed_on + told.after < $2
"""
# $1 integer: experiments; $2 date: first day; $3 integer: days that are frozen
_COHORTS: Final = """
CREATE TEMPORARY TABLE cohorts AS
SELECT
    experiment::integer, arm::smallint, $2::date + day AS day_on, 20 + (hashint8(experiment * 4096 + day * 2 + arm) & 2147483647) % 10 AS units
FROM generate_series(1, $1::integer) AS experiment
CROSS JOIN generate_series(0, 1) AS arm
CROSS JOIN generate_series(0, $3::integer - 1) AS day
"""
_COUNTS: Final = """
INSERT INTO experiment_counts (
    experiment, day_on, segment, category, arm, applications, offers, baseline_offers, without_pd, offered_cents, reserved_cents, units, unit_offers,
    units_in_two_arms, actor_kind, actor_id, recorded_at
)
SELECT
    experiment, day_on, -1, -1, arm, units + 2, units * 6 / 10, units * 6 / 10, 0, units * 300000, units * 24000, units, units * 6 / 10, 0,
    'job', 'fill', day_on + 1
FROM cohorts
"""
# $1 date: the last day that is frozen; $2 metric smallint[], $3 ripe_days integer[], $4 mean of a unit float8[], $5 square float8[], $6 hits float8[]
_SUMS: Final = """
INSERT INTO experiment_sums (
    experiment, metric, segment, category, arm, ripe_on, units, s, y, x, ss, sy, sx, yy, yx, xx, hits, actor_kind, actor_id, recorded_at
)
SELECT
    experiment, asked.metric, -1, -1, arm, day_on + asked.ripe_days, units, units, units * asked.mean, units * 0.17, units, units * asked.mean,
    units * 0.17, units * asked.square, units * asked.mean * 0.17, units * 0.04, units * asked.hits, 'job', 'fill', day_on + asked.ripe_days + 1
FROM cohorts
CROSS JOIN unnest($2::smallint[], $3::integer[], $4::float8[], $5::float8[], $6::float8[]) AS asked (metric, ripe_days, mean, square, hits)
WHERE day_on + asked.ripe_days <= $1::date
"""
# $1 date: the last day that is frozen; $2 smallint: metric; $3 integer: lag; $4 integer: months; $5 integer: days of a month
_HAZARDS: Final = """
INSERT INTO experiment_hazards (experiment, metric, arm, month, known_on, at_risk, defaults, actor_kind, actor_id, recorded_at)
SELECT
    experiment, $2::smallint, arm, month, day_on + $3::integer + month * $5::integer, units, units % 2, 'job', 'fill', day_on + 1
FROM cohorts
CROSS JOIN generate_series(1, $4::integer) AS month
WHERE day_on + $3::integer + month * $5::integer <= $1::date
"""
_MEANS: Final = {"approval": 0.6, "take_up": 0.48, "early_delinquency": 0.06, "default": 0.06, "profit": -200_000.0}


class Filled(Struct, frozen=True, kw_only=True):
    """What was filled in: experiments from 1 on, exposures of `days` days from `first_on` on, all days but the last one frozen."""

    experiments: int
    exposures: int
    first_on: date
    days: int

    @property
    def last_on(self) -> date:
        """The last day with exposures."""
        return self.first_on + timedelta(days=self.days - 1)


def make_plan(number: int) -> Plan:
    """The plan of the experiment of a number: two arms, five metrics of all that is measured."""
    return msgspec.convert(
        {
            "name": f"experiment_{number}",
            "product": "personal_loan",
            "title": f"Experiment {number}",
            "hypothesis": "The challenger is no worse.",
            "layer": "risk",
            "arms": [{"name": "control", "share_ppm": 500_000}, {"name": "challenger", "share_ppm": 500_000}],
            "primary": "bad",
            "metrics": _METRICS,
            "effect_min": 0.01,
            "units_max": 20_000,
            "stopping": {"kind": "confidence_sequence"},
            "entry_days_max": 365,
            "expect": {"applications_per_day": 50, "mean": 0.05},
        },
        Plan,
    )


async def fill_experiments(
    url: str,
    *,
    experiments: int,
    exposures: int,
    days: int,
    first_on: date,
    tell: Callable[[str], None] = lambda _: None,
) -> Filled:
    """Fill a migrated database; `url` is a superuser's."""
    connection = await asyncpg.connect(url, server_settings={"search_path": "instant_credit", "timezone": "UTC"})
    filled = Filled(experiments=experiments, exposures=exposures, first_on=first_on, days=days)
    try:
        await connection.execute("SET session_replication_role = replica; SET maintenance_work_mem = '1GB'")
        await _plan(connection, filled)
        month = first_on.replace(day=1)
        while month <= filled.last_on:
            await connection.execute("SELECT make_month($1)", month)
            month = (month + timedelta(days=32)).replace(day=1)
        for statement in _ASIDE:
            await connection.execute(statement)
        daily = -(-exposures // days)
        for start in range(0, exposures, CHUNK):
            end = min(start + CHUNK, exposures)
            await connection.execute(_EXPOSURES, start, end, daily, experiments, first_on)
            tell(f"{end:,} exposures")
        for statement in _INDEXES:
            await connection.execute(statement)
        tell("indexes")
        cohorts = find_cohorts(make_plan(1), filled.last_on)
        await connection.execute(_TAKEN, cohorts)
        await connection.execute(_EVENTS, cohorts, filled.last_on)
        tell("outcomes")
        await _freeze(connection, filled)
        tell("what is frozen")
        await connection.execute(
            "VACUUM ANALYZE exposures, application_events, repayment_events, experiment_sums, experiment_hazards, experiment_counts"
        )
    finally:
        await connection.close()
    return filled


def find_cohorts(plan: Plan, day: date) -> list[date]:
    """Days whose exposures the statistics of a day ask about: whose units become ripe on it, or have a month behind them."""
    ages = {metric.window_days + metric.lag_days for metric in plan.metrics}
    for metric in plan.metrics:
        if metric.kind == MetricKind.DEFAULT:
            ages |= {metric.lag_days + MONTH_DAYS * month for month in range(1, count_months(metric.window_days) + 1)}
    return [day - timedelta(days=age) for age in sorted(ages)]


async def _freeze(connection: Any, filled: Filled) -> None:
    """Write what is frozen of all days but the last one."""
    last_on, metrics = filled.last_on - timedelta(days=1), make_plan(1).metrics
    means = [_MEANS[metric.kind] for metric in metrics]
    await connection.execute(_COHORTS, filled.experiments, filled.first_on, filled.days - 1)
    await connection.execute(_COUNTS)
    await connection.execute(
        _SUMS,
        last_on,
        list(range(len(metrics))),
        [metric.window_days + metric.lag_days for metric in metrics],
        means,
        [mean if mean > 0 else mean**2 * 2 for mean in means],
        [max(mean, 0.0) for mean in means],
    )
    for place, metric in enumerate(metrics):
        if metric.kind == MetricKind.DEFAULT:
            await connection.execute(
                _HAZARDS, last_on, place, metric.lag_days, count_months(metric.window_days), MONTH_DAYS
            )


async def _plan(connection: Any, filled: Filled) -> None:
    at = datetime.combine(filled.first_on, time(), UTC)
    plans = [encode_plan(make_plan(number)) for number in range(1, filled.experiments + 1)]
    hashes = [hash_content(raw) for raw in plans]
    by = ("job", "fill", at)
    await connection.copy_records_to_table(
        "documents",
        columns=["content_hash", "kind", "body", "actor_kind", "actor_id", "recorded_at"],
        records=[(name, "plan", raw, *by) for name, raw in zip(hashes, plans, strict=True)],
    )
    await connection.copy_records_to_table(
        "experiments",
        columns=["experiment", "plan_hash", "product", "name", "actor_kind", "actor_id", "recorded_at"],
        records=[(number, name, "personal_loan", f"experiment_{number}", *by) for number, name in enumerate(hashes, 1)],
    )
    await connection.copy_records_to_table(
        "experiment_events",
        columns=[
            "experiment",
            "number",
            "kind",
            "reach_from_ppm",
            "reach_to_ppm",
            "coverage_ppm",
            "is_single_person",
            "actor_kind",
            "actor_id",
            "recorded_at",
        ],
        records=[
            (number, 1, "started", 0, 1_000_000, 1_000_000, True, *by) for number in range(1, filled.experiments + 1)
        ],
    )


async def _fill_home(settings: Settings, url: str, told: dict[str, Any]) -> Filled:
    async with open_record(settings):
        return await fill_experiments(url, **told, tell=lambda what: print(what, file=sys.stderr))


def fill_home(settings: Settings, *, experiments: int, exposures: int, days: int, first_on: date) -> Filled:
    """Fill the embedded database of a home, made where there is none."""
    told = {"experiments": experiments, "exposures": exposures, "days": days, "first_on": first_on}
    with use_cluster(settings.home) as cluster:
        return asyncio.run(_fill_home(settings, cluster.url(SUPERUSER), told))
