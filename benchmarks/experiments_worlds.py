"""Worlds of two arms with delayed outcomes, thousands at once, as the daily sums that a readout sees. Seeded, numpy only.

A world is one experiment. Applications arrive by day (Poisson, fewer at weekends), fall into two arms by a fair draw of the arm's share, and
are ripe `window_days + lag_days` after they came: what is known of them before does not count, so that the first look comes that late and
the looks follow daily until the last application is ripe. Rates swing over the month by a tenth, in both arms alike. Every application
counts, a declined one as zero.

    kind                 an application brings
    approval             1 with 60%
    take_up              1 with 45%
    early_delinquency    1 with 2%
    default              1 with 6%
    loss                 with 6% what is lost of its amount in cents (amounts lognormal up to 40,000 dollars, 30 to 100% of them lost)
    profit               with 6% minus that loss, with 39% a gain of 2 to 14% of its amount
    whole_loss           with 0.5% minus 40,000 dollars, with 9.5% a gain of 2 to 14% of its amount: a tail as heavy as the bound allows

Money is drawn from 4,096 equally likely amounts, so that its mean and its second moment are known exactly. An effect adds to the probability
of the kind's event (where there are gains and losses: of a gain), the same on every day: the true difference is a constant.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

KINDS = ("approval", "take_up", "early_delinquency", "default", "loss", "profit", "whole_loss")
MONEY = frozenset({"loss", "profit", "whole_loss"})
# Nothing brings or costs more than the highest amount that is lent.
CENTS_MAX = 4_000_000
WEEKDAY_WEIGHTS = np.array([1.15, 1.2, 1.15, 1.1, 1.05, 0.7, 0.65])
MONTH_DAYS = 30
MONTH_SWING = 0.1
# What ends in a loss, beside the gains that are the kind's event.
LOSS_PROBABILITIES = {"profit": 0.06, "whole_loss": 0.005}
PROBABILITIES = {
    "approval": 0.60,
    "take_up": 0.45,
    "early_delinquency": 0.02,
    "default": 0.06,
    "loss": 0.06,
    "profit": 0.39,
    "whole_loss": 0.095,
}
# What an arm adds to the probability of the kind's event where its sample is compared with a fixed one's.
EFFECTS = {
    "approval": 0.03,
    "take_up": 0.03,
    "early_delinquency": 0.007,
    "default": 0.012,
    "loss": 0.02,
    "profit": -0.08,
    "whole_loss": 0.06,
}


@dataclass(frozen=True)
class World:
    """What is drawn: a metric kind, how many come for how long, and what the arm changes.

    `share` is the arm's share of the applications, `effect` what it adds to the event's probability.
    """

    kind: str
    applications_per_day: float = 150.0
    entry_days: int = 120
    window_days: int = 90
    lag_days: int = 10
    share: float = 0.5
    effect: float = 0.0

    @property
    def value_max(self) -> float:
        """The highest value of one application, in the metric's unit."""
        return float(CENTS_MAX) if self.kind in MONEY else 1.0

    @property
    def units_max(self) -> int:
        """The applications that are expected in both arms together."""
        return round(self.applications_per_day * self.entry_days)

    @property
    def difference(self) -> float:
        """The true difference of the means, arm less control."""
        return self.effect * float(_event_values(self.kind).mean())


def baseline(kind: str, effect: float = 0.0) -> tuple[float, float]:
    """Mean and variance of one application's value over whole months, with `effect` added to the event's probability."""
    values = _event_values(kind)
    probability = PROBABILITIES[kind] + effect
    first, second = probability * values.mean(), probability * (values**2).mean()
    if kind in LOSS_PROBABILITIES:
        lost, losses = LOSS_PROBABILITIES[kind], _losses(kind)
        first, second = first - lost * losses.mean(), second + lost * (losses**2).mean()
    return float(first), float(second - first**2)


def fixed_units(kind: str, effect: float) -> int:
    """Units of two equal arms with which one z-test, 5% two-sided, finds `effect` with 80% power."""
    (control, variance), (arm, variance_arm) = baseline(kind), baseline(kind, effect)
    return round(2.0 * (1.959964 + 0.841621) ** 2 * (variance + variance_arm) / (arm - control) ** 2)


def sized(world: World, times_fixed: float) -> World:
    """The same world with as many applications a day as bring `times_fixed` times the fixed sample within its days."""
    return replace(world, applications_per_day=times_fixed * fixed_units(world.kind, world.effect) / world.entry_days)


def look_days(world: World) -> NDArray[np.int64]:
    """int64[looks]: the days since the start on which the readout is looked at."""
    return np.arange(world.entry_days) + world.window_days + world.lag_days


def draw_looks(world: World, experiments: int, seed: int, chunk: int = 250) -> Iterator[NDArray[np.float64]]:
    """Draw experiments and give them in chunks as they look on every day.

    Parameters
    ----------
    world
        What is drawn.
    experiments
        How many.
    seed
        The same seed gives the same experiments.
    chunk
        Experiments held at once.

    Yields
    ------
    float64[<= chunk, looks, 2, 3]
        Control and arm; ripe units so far, the sum of their values and the sum of their squares.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    for start in range(0, experiments, chunk):
        yield _draw_days(world, min(chunk, experiments - start), rng).cumsum(axis=1)


def draw_household_looks(
    experiments: int, seed: int, *, units_per_day: int = 60, days: int = 100, effect: float = 0.0, chunk: int = 50
) -> Iterator[NDArray[np.float64]]:
    """Defaults of households of one to three applications, with the champion's pd as covariate.

    Three of ten households share one fate. The champion's pd is right in the control, and by household (beta, mean 6%); an arm with an
    `effect` adds to it.

    Yields
    ------
    float64[<= chunk, days, 2, 10]
        Control and arm; units, s, y, x, ss, sy, sx, yy, yx, xx so far.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    for start in range(0, experiments, chunk):
        shape = (min(chunk, experiments - start), days, 2, units_per_day // 2)
        sizes = rng.choice([1, 2, 3], shape, p=[0.7, 0.2, 0.1])
        pd = rng.beta(1.2, 18.8, shape)
        chance = pd + np.array([0.0, effect])[:, None]
        together = sizes * (rng.random(shape) < chance)
        values = np.where(rng.random(shape) < 0.3, together, rng.binomial(sizes, chance))
        s, y, x = sizes.astype(np.float64), values.astype(np.float64), sizes * pd
        products = (np.ones(shape), s, y, x, s * s, s * y, s * x, y * y, y * x, x * x)
        yield np.stack([each.sum(axis=-1) for each in products], axis=-1).cumsum(axis=1)


def _draw_days(world: World, experiments: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """float64[experiments, days, 2, 3]: the sums of what came on one day."""
    days = np.arange(world.entry_days)
    arrivals = world.applications_per_day * WEEKDAY_WEIGHTS[days % 7]
    swing = 1.0 + MONTH_SWING * np.sin(2.0 * np.pi * days / MONTH_DAYS)
    shares = np.array([1.0 - world.share, world.share])
    units = rng.poisson(arrivals[None, :, None] * shares, (experiments, world.entry_days, 2))
    probabilities = PROBABILITIES[world.kind] * swing[:, None] + np.array([0.0, world.effect])
    events = rng.binomial(units, probabilities[None])
    sums = np.zeros((*units.shape, 3))
    sums[..., 0] = units
    if world.kind not in MONEY:
        sums[..., 1] = sums[..., 2] = events
        return sums
    _add_amounts(sums, events, _event_values(world.kind), rng)
    if world.kind in LOSS_PROBABILITIES:
        # An application that brings a gain brings no loss.
        losses = rng.binomial(units - events, LOSS_PROBABILITIES[world.kind] * swing[:, None] / (1.0 - probabilities))
        _add_amounts(sums, losses, -_losses(world.kind), rng)
    return sums


def _add_amounts(
    sums: NDArray[np.float64], counts: NDArray[np.int64], values: NDArray[np.float64], rng: np.random.Generator
) -> None:
    """Add to the sums as many drawn values as each cell counts."""
    cells = np.repeat(np.arange(counts.size), counts.ravel())
    drawn = values[rng.integers(0, len(values), len(cells))]
    sums[..., 1] += np.bincount(cells, drawn, counts.size).reshape(counts.shape)
    sums[..., 2] += np.bincount(cells, drawn**2, counts.size).reshape(counts.shape)


def _event_values(kind: str) -> NDArray[np.float64]:
    """float64[k]: what the kind's event brings, each equally likely."""
    if kind == "loss":
        return _losses(kind)
    if kind in LOSS_PROBABILITIES:
        return np.clip(np.floor(_amounts() * np.tile(np.linspace(0.02, 0.14, 64), 64)), 0, CENTS_MAX)
    return np.ones(1)


def _losses(kind: str) -> NDArray[np.float64]:
    """float64[k] cents: what a loss comes to, each equally likely."""
    if kind == "whole_loss":
        return np.array([float(CENTS_MAX)])
    return np.floor(_amounts() * np.tile(np.linspace(0.3, 1.0, 64), 64))


def _amounts() -> NDArray[np.float64]:
    """float64[4096] cents: 64 quantiles of a lognormal with median 8,000 dollars and sigma 0.8, each 64 times."""
    rng = np.random.Generator(np.random.PCG64(64))
    normal = np.sort(rng.standard_normal(64 * 4096)).reshape(64, 4096).mean(axis=1)
    amounts = np.clip(800_000.0 * np.exp(0.8 * normal), 50_000, CENTS_MAX)
    return np.repeat(amounts, 64)
