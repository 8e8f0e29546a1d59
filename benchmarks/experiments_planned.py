"""Cases of the suite `experiments`: group-sequential bounds at five planned looks, beside those of spotify-confidence."""

import warnings
from importlib import import_module
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.experiments_looks import to_moments
from benchmarks.experiments_sequences import ALPHA, EXPERIMENTS, within
from benchmarks.experiments_worlds import KINDS, WEEKDAY_WEIGHTS, World, draw_looks
from benchmarks.form import Case, time_interleaved
from instant_credit.experiment.boundaries import Spending, bound_looks, find_bounds, inflation
from instant_credit.experiment.sums import estimate_many

PEER: Final = "spotify-confidence"
GAP_MAX: Final = 0.05
LOOKS: Final = 5
# `--quick` takes the middle of both. The peer spends alpha t^rho, here close to Pocock's, between both, and close to O'Brien and Fleming's.
ALPHAS: Final = (0.01, 0.05, 0.1)
POWERS: Final = (1.0, 2.0, 3.0)
POWER: Final = 0.8


def compare_bounds(*, quick: bool, seed: int) -> Case:
    """Bounds of the same looks and the same spending, ours and the peer's: how far apart, and how long each takes.

    The peer's solver is called alone, as its own library calls it for a two-sided test: what it does with frames besides is left out.
    """
    peer = import_module("spotify_confidence.analysis.frequentist.sequential_bound_solver").bounds
    draws = np.random.Generator(np.random.PCG64(seed))
    plans = [np.arange(1, looks + 1) / looks for looks in (1, 2, LOOKS, 12)]
    steps = draws.uniform(0.2, 1.0, (3, LOOKS)).cumsum(axis=1)
    plans += list(steps / steps[:, -1:])
    alphas, powers = (ALPHAS[1:2], POWERS[1:2]) if quick else (ALPHAS, POWERS)
    gap = 0.0
    with warnings.catch_warnings():
        # The peer reads a pandas Series by position, which pandas deprecates.
        warnings.simplefilter("ignore", FutureWarning)
        for looks in plans:
            for alpha in alphas:
                for power in powers:
                    theirs = np.asarray(peer(looks, alpha=alpha, rho=power, ztrun=8.0, sides=2).bounds, np.float64)
                    ours = np.array(bound_looks(looks.tolist(), (alpha * looks**power).tolist()).bounds)
                    gap = max(gap, float(np.abs(ours / theirs - 1.0).max()))
        five = np.arange(1, LOOKS + 1) / LOOKS
        spent = (ALPHA * five**2.0).tolist()
        rounds = 5 if quick else 25
        samples = time_interleaved(
            {
                "ours": lambda _: bound_looks(five.tolist(), spent),
                PEER: lambda _: peer(five, alpha=ALPHA, rho=2.0, ztrun=8.0, sides=2),
            },
            rounds,
            {"ours": 20, PEER: 2},
        )
    return Case(
        name=f"bounds of {LOOKS} planned looks",
        ours=samples["ours"],
        peers={PEER: samples[PEER]},
        checks={
            "bounds_within_5_percent_of_spotify_confidence": gap <= GAP_MAX,
            "largest_gap_of_bounds": round(gap, 5),
        },
        rounds=rounds,
    )


def watch_planned(*, quick: bool, seed: int) -> list[Case]:
    """False alarms at planned looks, of each way to spend the error; beside them what five looks at a fixed test's bound raise."""
    experiments = EXPERIMENTS[quick]
    scores = {kind: _scores(World(kind), experiments, seed + at) for at, kind in enumerate(KINDS)}
    fractions = _fractions(World(KINDS[0]))
    cases = []
    for spending in Spending:
        bounds = np.array(find_bounds(fractions, spending, ALPHA).bounds)
        samples = _time_bounds(fractions, spending)
        checks: dict[str, bool | float] = {
            "maximal_sample_ratio": round(inflation(fractions, spending, ALPHA, POWER), 3)
        }
        for kind, found in scores.items():
            rate = float((found >= bounds).any(axis=1).mean())
            checks[f"false_alarm_{spending.value}_{kind}"] = within(rate, experiments)
            checks[f"false_alarm_rate_{spending.value}_{kind}"] = rate
            checks[f"unplanned_false_alarm_{kind}"] = float((found >= 1.959964).any(axis=1).mean())
        name = f"{experiments:,} at {LOOKS} planned looks, {spending.value.replace('_', ' ')}"
        cases.append(Case(name=name, ours=samples, checks=checks, rounds=5))
    return cases


def _time_bounds(fractions: list[float], spending: Spending) -> list[int]:
    return time_interleaved({"ours": lambda _: find_bounds(fractions, spending, ALPHA)}, 5, 20)["ours"]


def _look_days(world: World) -> NDArray[np.int64]:
    """int64[LOOKS]: at which of the daily looks the planned ones lie."""
    return np.arange(1, LOOKS + 1) * world.entry_days // LOOKS - 1


def _fractions(world: World) -> list[float]:
    """The planned information at each look: the share of the expected applications that is ripe."""
    arrived = WEEKDAY_WEIGHTS[np.arange(world.entry_days) % len(WEEKDAY_WEIGHTS)].cumsum()
    planned: list[float] = (arrived / arrived[-1])[_look_days(world)].tolist()
    return planned


def _scores(world: World, experiments: int, seed: int) -> NDArray[np.float64]:
    """float64[experiments, LOOKS]: absolute z of the difference at each planned look; 0 without a variance."""
    days = _look_days(world)
    parts = []
    for looks in draw_looks(world, experiments, seed):
        _, means, variances = estimate_many(to_moments(looks[:, days]))
        error = np.sqrt(variances.sum(axis=-1))
        away = np.abs(means[..., 1] - means[..., 0])
        parts.append(np.divide(away, error, out=np.zeros_like(away), where=error > 0.0))
    return np.concatenate(parts)
