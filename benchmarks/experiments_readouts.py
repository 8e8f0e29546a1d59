"""What it takes to refresh what a thousand experiments say: the day that is over is frozen, and every experiment is read out.

The record holds ten million exposures of 200 days, all days but the last one frozen (`experiments_fill`). What is timed is what happens once a day.
"""

import asyncio
import os
import sys
import time
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from typing import Final

from benchmarks.experiments_fill import Filled, fill_home
from benchmarks.form import Case
from benchmarks.home import own_home
from benchmarks.servers import peak_bytes
from instant_credit.access.actors import Actor, ActorKind
from instant_credit.record.embedded import use_cluster
from instant_credit.record.pool import open_record
from instant_credit.review.freezing import freeze_experiments
from instant_credit.settings import Settings
from instant_credit.underwriting.experiment_readouts import ReadoutDesk

SECONDS_MAX: Final = 10.0
DAYS: Final = 200
FIRST_ON: Final = date(2025, 1, 1)
ACTOR: Final = Actor(kind=ActorKind.JOB, id="benchmark")


class _Noon:
    """The clock of the day after the last one."""

    def __init__(self, filled: Filled) -> None:
        self._at = datetime.combine(filled.last_on + timedelta(days=1), clock_time(12), UTC)

    def now(self) -> datetime:
        return self._at

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


def measure_readouts(quick: bool, seed: int) -> Case:
    """Freeze the day that is due of every experiment and read them all out, once.

    The rows come out of their numbers, so `seed` changes nothing. The peak is that of this process from its start on, without the database's.
    """
    del seed
    experiments, exposures = (20, 200_000) if quick else (1_000, 10_000_000)
    with own_home() as settings, use_cluster(settings.home):
        filled = fill_home(settings, experiments=experiments, exposures=exposures, days=DAYS, first_on=FIRST_ON)
        frozen_ns, read_ns = asyncio.run(_refresh(settings, filled))
    spent = frozen_ns + read_ns
    return Case(
        name=f"refresh {experiments:,} readouts of {exposures:,} exposures",
        ours=[spent],
        unit="s",
        checks={
            "refreshed_within_10_s": spent / 1e9 < SECONDS_MAX,
            "frozen_s": round(frozen_ns / 1e9, 2),
            "read_s": round(read_ns / 1e9, 2),
            "peak_mib": round(peak_bytes(os.getpid()) / (1 << 20), 1),
        },
    )


async def _refresh(settings: Settings, filled: Filled) -> tuple[int, int]:
    """Nanoseconds of freezing and of reading."""
    async with open_record(settings, clock=_Noon(filled)) as record:
        started = time.perf_counter_ns()
        run = await freeze_experiments(
            record, ACTOR, progress=lambda done, due: print(f"{done:,} of {due:,} frozen", file=sys.stderr)
        )
        frozen = time.perf_counter_ns()
        told = await ReadoutDesk(record).read_open()
        read = time.perf_counter_ns()
    if run.days != filled.experiments or any(one.until != filled.last_on for one in told):
        raise SystemExit(f"{run.days} of {filled.experiments} experiments were frozen until {filled.last_on}")
    return frozen - started, read - frozen
