"""What daily looks at worlds of two arms come to: confidence sequences, and beside them the z-test that is looked at daily."""

import time
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from benchmarks.experiments_worlds import World, draw_looks
from instant_credit.experiment.sequences import PRECISION_AT_MAXIMUM, Rule, read_intervals
from instant_credit.experiment.sums import SUMS_FIELDS, estimate_many

# The rule of thumb by which a z-test is begun.
NAIVE_UNITS_MIN = 30


@dataclass(frozen=True)
class Watched:
    """Shares of experiments, and by experiment the units of both arms when zero was first excluded.

    `missed` is the share in which any interval missed the true difference: under no effect the false alarms. `missed_naive` is that of the
    daily z-test, `missed_bare` that of the bare sequence: the same formula from the first two units on, with neither a least number of
    events nor one event more. `stopped_units` is float64[experiments], infinite where zero was never excluded. `read_ns` are the
    nanoseconds in which the sums of `looks_per_read` looks became intervals, by chunk of experiments.
    """

    experiments: int
    missed: float
    missed_naive: float
    missed_bare: float
    stopped_units: NDArray[np.float64]
    read_ns: tuple[int, ...]
    looks_per_read: int

    @property
    def error(self) -> float:
        """Standard error of `missed` if it is 5%."""
        return float(np.sqrt(0.05 * 0.95 / self.experiments))


def watch(world: World, experiments: int, seed: int, alpha: float = 0.05, units_planned: int | None = None) -> Watched:
    """Look at experiments daily until their last application is ripe.

    Parameters
    ----------
    world
        What is drawn.
    experiments, seed
        How many, and from which seed.
    alpha
        Level, two-sided.
    units_planned
        What the sequence is tuned to; the expected applications if None.

    Returns
    -------
    Watched
    """
    rule = Rule(alpha=alpha, units_max=units_planned or world.units_max, value_max=world.value_max)
    critical = NormalDist().inv_cdf(1.0 - alpha / 2.0)
    missed = missed_naive = missed_bare = looks_per_read = 0
    stopped, read_ns = [], []
    for looks in draw_looks(world, experiments, seed):
        moments = to_moments(looks)
        started = time.perf_counter_ns()
        units, means, variances = estimate_many(moments)
        found = read_intervals(units, means, variances, rule)
        read_ns.append(time.perf_counter_ns() - started)
        looks_per_read = max(looks_per_read, looks.shape[0] * looks.shape[1])
        missed += int(((found.lower > world.difference) | (found.upper < world.difference)).any(axis=1).sum())
        both = units.sum(axis=-1)
        is_out = (found.lower > 0.0) | (found.upper < 0.0)
        stopped.append(np.where(is_out, both, np.inf).min(axis=1))
        off, variance = np.abs(found.differences - world.difference), variances.sum(axis=-1)
        away = off > critical * np.sqrt(variance)
        missed_naive += int((away & (units.min(axis=-1) >= NAIVE_UNITS_MIN)).any(axis=1).sum())
        # Without any variance there is nothing that could miss.
        known = PRECISION_AT_MAXIMUM * both / rule.units_max
        bare = np.sqrt(variance * (1.0 + 1.0 / known) * np.log((1.0 + known) / alpha**2))
        missed_bare += int(((off > bare) & (variance > 0.0)).any(axis=1).sum())
    return Watched(
        experiments=experiments,
        missed=missed / experiments,
        missed_naive=missed_naive / experiments,
        missed_bare=missed_bare / experiments,
        stopped_units=np.concatenate(stopped),
        read_ns=tuple(read_ns),
        looks_per_read=looks_per_read,
    )


def to_moments(looks: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64[..., 10] from units of size one without a covariate: float64[..., 3]."""
    moments = np.zeros((*looks.shape[:-1], len(SUMS_FIELDS)))
    for names, column in ((("units", "s", "ss"), 0), (("y", "sy"), 1), (("yy",), 2)):
        for name in names:
            moments[..., SUMS_FIELDS.index(name)] = looks[..., column]
    return moments
