"""Experiments whose counts by arm are sound or faulty in a known way, day by day, from one seed.

Each day units of three segments are assigned; all but 3% of them are exposed and all but 1% of those recorded, whatever their arm. A fault
changes the day's counts [segment, arm] as it would in a lender's books.
"""

from collections.abc import Callable, Iterator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.experiment.ratios import ArmCounts

SHARES_PPM = (500_000, 300_000, 200_000)
SHARES = np.array(SHARES_PPM) / 1_000_000
SEGMENTS = ("branch", "broker", "web")
MIX = np.array([0.2, 0.3, 0.5])
UNITS_A_DAY = 400
EXPOSED, RECORDED = 0.97, 0.99

Counts = NDArray[np.int64]
Draws = np.random.Generator


class Day(Struct):
    """New units by segment and arm, int64[segment, arm], and units seen in more than one arm, int64[segment]."""

    assigned: Counts
    exposed: Counts
    recorded: Counts
    crossed: Counts


Fault = Callable[[Day, int, Draws], None]


def assign(draws: Draws, shares: NDArray[np.float64] = SHARES, units: int = UNITS_A_DAY) -> Counts:
    volumes = draws.poisson(units * MIX)
    return np.array([draws.multinomial(volume, shares) for volume in volumes])


def follow(day: Day, draws: Draws) -> None:
    """Draw anew who of the day's assigned is exposed and recorded."""
    day.exposed = draws.binomial(day.assigned, EXPOSED)
    day.recorded = draws.binomial(day.exposed, RECORDED)


def lose_logs_of_one_arm(day: Day, number: int, draws: Draws) -> None:
    day.recorded[:, 1] = draws.binomial(day.recorded[:, 1], 0.96)


def filter_after_assignment(day: Day, number: int, draws: Draws) -> None:
    day.exposed[:, 2] = draws.binomial(day.exposed[:, 2], 0.93)
    day.recorded = draws.binomial(day.exposed, RECORDED)


def send_bots_to_one_arm(day: Day, number: int, draws: Draws) -> None:
    day.assigned[2, 1] += draws.poisson(16.0)
    follow(day, draws)


def break_an_arm_for_some(day: Day, number: int, draws: Draws) -> None:
    day.exposed[0, 1] = draws.binomial(day.exposed[0, 1], 0.8)
    day.recorded = draws.binomial(day.exposed, RECORDED)


def change_the_split_in_mid_run(day: Day, number: int, draws: Draws) -> None:
    if number >= 20:
        day.assigned = assign(draws, np.array([0.44, 0.36, 0.2]))
        follow(day, draws)


def deliver_logs_of_one_arm_late(day: Day, number: int, draws: Draws) -> None:
    """The last arm's logs come by a nightly transfer that misses the day its cohort settles in one night of eight."""
    if number % 8 == 3:
        day.recorded[:, 2] = draws.binomial(day.recorded[:, 2], 0.3)


def expose_twice(day: Day, number: int, draws: Draws) -> None:
    """A retry writes a second exposure of one arm's unit, counted as another unit."""
    extra = draws.binomial(day.exposed[:, 1], 0.05)
    day.exposed[:, 1] += extra
    day.recorded[:, 1] += extra


def reassign_after_a_ramp(day: Day, number: int, draws: Draws) -> None:
    """From the ramp on returning units are drawn again, and two of three change their arm."""
    if number >= 15:
        day.crossed = draws.binomial(draws.poisson(0.1 * UNITS_A_DAY * MIX), 2 / 3)


def let_eligibility_depend_on_the_arm(day: Day, number: int, draws: Draws) -> None:
    day.assigned[1, 2] = draws.binomial(day.assigned[1, 2], 0.75)
    follow(day, draws)


def split_households(day: Day, number: int, draws: Draws) -> None:
    """Persons are drawn where households were planned: some households lie in two arms."""
    day.crossed = draws.poisson(0.5 * MIX)


def start_one_arm_later(day: Day, number: int, draws: Draws) -> None:
    if number < 2:
        for counts in (day.assigned, day.exposed, day.recorded):
            counts[:, 2] = 0


FAULTS: tuple[Fault, ...] = (
    lose_logs_of_one_arm,
    filter_after_assignment,
    send_bots_to_one_arm,
    break_an_arm_for_some,
    change_the_split_in_mid_run,
    deliver_logs_of_one_arm_late,
    expose_twice,
    reassign_after_a_ramp,
    let_eligibility_depend_on_the_arm,
    split_households,
    start_one_arm_later,
)


def run_days(seed: int, days: int, fault: Fault | None = None) -> Iterator[tuple[ArmCounts, dict[str, ArmCounts]]]:
    """Cumulative counts at the end of each day: overall and by segment."""
    draws = np.random.Generator(np.random.PCG64(seed))
    shape = (len(SEGMENTS), len(SHARES))
    totals = np.zeros((3, *shape), np.int64)
    crossed = np.zeros(len(SEGMENTS), np.int64)
    for number in range(days):
        empty = np.zeros(shape, np.int64)
        day = Day(assign(draws), empty, empty, np.zeros(len(SEGMENTS), np.int64))
        follow(day, draws)
        if fault is not None:
            fault(day, number, draws)
        totals += np.stack([day.assigned, day.exposed, day.recorded])
        crossed += day.crossed
        segments = {name: count(totals[:, k], int(crossed[k])) for k, name in enumerate(SEGMENTS)}
        yield count(totals.sum(axis=1), int(crossed.sum())), segments


def count(stages: Counts, crossed: int) -> ArmCounts:
    assigned, exposed, recorded = (tuple(row) for row in stages.tolist())
    return ArmCounts(assigned=assigned, exposed=exposed, recorded=recorded, crossed=crossed)
