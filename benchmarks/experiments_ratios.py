"""Cases of the suite `experiments`: sample-ratio faults that must be caught, and sound experiments that must not be blocked."""

import math
import time
from typing import Final

import numpy as np

from benchmarks.experiments_faults import FAULTS, SHARES_PPM, Fault, run_days
from benchmarks.form import Case
from instant_credit.experiment.ratios import ALPHA, Ratios, check_ratios

DAYS: Final = 60
FAULTY: Final = {False: 50, True: 5}
CLEAN: Final = {False: 1_000, True: 100}


def catch_faults(*, quick: bool, seed: int) -> Case:
    """Experiments with one fault each, looked at daily: whether every one is blocked, and on which day half of them are."""
    samples: list[int] = []
    checks: dict[str, bool | float] = {"kinds_of_faults": float(len(FAULTS))}
    for at, fault in enumerate(FAULTS):
        seeds = range(seed + 1_000 * at, seed + 1_000 * at + FAULTY[quick])
        days = [_find_block(each, samples, fault) for each in seeds]
        checks[f"caught_{fault.__name__}"] = all(map(math.isfinite, days))
        if checks[f"caught_{fault.__name__}"]:
            checks[f"days_to_catch_{fault.__name__}"] = float(np.median(days))
    return Case(name=f"sample ratios, {FAULTY[quick]} experiments of each fault", ours=samples, checks=checks)


def watch_clean(*, quick: bool, seed: int) -> Case:
    """Sound experiments, looked at daily: blocked no more often than stated."""
    samples: list[int] = []
    runs = CLEAN[quick]
    blocked = sum(math.isfinite(_find_block(seed + 100_000 + each, samples)) for each in range(runs))
    return Case(
        name=f"sample ratios, {runs:,} sound experiments",
        ours=samples,
        checks={"clean_blocked_at_most_as_stated": blocked <= ALPHA * runs, "clean_blocked_rate": blocked / runs},
    )


def _find_block(seed: int, samples: list[int], fault: Fault | None = None) -> float:
    """Day on which a daily look first blocks, counted from 1, or infinity; the looks' nanoseconds go to `samples`."""
    found: Ratios | None = None
    for day, (counts, segments) in enumerate(run_days(seed, DAYS, fault), start=1):
        started = time.perf_counter_ns()
        found = check_ratios(SHARES_PPM, counts, segments, before=found)
        samples.append(time.perf_counter_ns() - started)
        if found.is_blocked:
            return float(day)
    return math.inf
