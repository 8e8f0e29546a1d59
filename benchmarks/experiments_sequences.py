"""Cases of the suite `experiments`: confidence sequences that are looked at daily, while outcomes come late."""

import math
import time
from typing import Final

import numpy as np

from benchmarks.experiments_looks import Watched, watch
from benchmarks.experiments_worlds import EFFECTS, KINDS, World, draw_household_looks, fixed_units, sized
from benchmarks.form import ROWS_PER_S, Case
from instant_credit.experiment.sequences import PRECISION_AT_MAXIMUM, Rule, read_intervals
from instant_credit.experiment.sums import adjust_many

ALPHA: Final = 0.05
POWER: Final = 0.80
MEAN_RATIO_MAX: Final = 1.5
POWER_RATIO_MAX: Final = 1.75
EXPERIMENTS: Final = {False: 10_000, True: 500}
# So many that simulation does not hide a miss of one percent of power.
EFFECT_EXPERIMENTS: Final = {False: 40_000, True: 500}
# Days in which four times the fixed sample comes.
EFFECT_DAYS: Final = 400
SMALL_SHARE: Final = 0.1
BEYOND_KINDS: Final = ("early_delinquency", "default", "loss")
BEYOND_TIMES: Final = 8
LOSS_CUT: Final = -0.02
PRECISIONS: Final = (8.0, PRECISION_AT_MAXIMUM, 20.0)
HOUSEHOLD_EFFECT: Final = 0.02
HOUSEHOLD_RULE: Final = Rule(alpha=ALPHA, units_max=6_000, value_max=1.0)


def watch_sequences(*, quick: bool, seed: int) -> list[Case]:
    """Every case of the confidence sequences; the seed moves on from case to case."""
    count = EXPERIMENTS[quick]
    cases = [_null_case(kind, count, seed + at) for at, kind in enumerate(KINDS)]
    cases += [_small_case(kind, count, seed + 100 + at) for at, kind in enumerate(KINDS)]
    cases += [_beyond_case(kind, count // 5, seed + 200 + at) for at, kind in enumerate(BEYOND_KINDS)]
    cases += [_household_case(count // 5, seed + 300)]
    count = EFFECT_EXPERIMENTS[quick]
    for at, (kind, effect) in enumerate(EFFECTS.items()):
        cases.append(_effect_case(kind, effect, kind, count, seed + 400 + at))
    cases.append(_effect_case("loss", LOSS_CUT, "loss_cut_by_a_third", count, seed + 500))
    cases.append(_precision_case("default", EXPERIMENTS[quick], seed + 600))
    return cases


def within(rate: float, experiments: int, bound: float = ALPHA) -> bool:
    """Whether a share of experiments lies at most three standard errors of the simulation above a bound."""
    return rate <= bound + 3.0 * math.sqrt(bound * (1.0 - bound) / experiments)


def _null_case(kind: str, experiments: int, seed: int) -> Case:
    watched = watch(World(kind), experiments, seed, ALPHA)
    checks: dict[str, bool | float] = {
        f"false_alarm_{kind}": within(watched.missed, experiments),
        f"false_alarm_rate_{kind}": watched.missed,
        f"naive_false_alarm_{kind}": watched.missed_naive,
    }
    return _to_case(f"{experiments:,} without a difference, {kind}", watched, checks)


def _small_case(kind: str, experiments: int, seed: int) -> Case:
    watched = watch(World(kind, share=SMALL_SHARE), experiments, seed, ALPHA)
    checks: dict[str, bool | float] = {
        f"false_alarm_small_arm_{kind}": within(watched.missed, experiments),
        f"false_alarm_rate_small_arm_{kind}": watched.missed,
        f"bare_false_alarm_small_arm_{kind}": watched.missed_bare,
    }
    return _to_case(f"{experiments:,} with an arm of a tenth, {kind}", watched, checks)


def _beyond_case(kind: str, experiments: int, seed: int) -> Case:
    world = World(kind, entry_days=1_000)
    watched = watch(world, experiments, seed, ALPHA, world.units_max // BEYOND_TIMES)
    checks: dict[str, bool | float] = {
        f"false_alarm_beyond_plan_{kind}": within(watched.missed, experiments),
        f"false_alarm_rate_beyond_plan_{kind}": watched.missed,
    }
    return _to_case(f"{experiments:,} to {BEYOND_TIMES} times the planned units, {kind}", watched, checks)


def _effect_case(kind: str, effect: float, name: str, experiments: int, seed: int) -> Case:
    """The sample at which zero is excluded, as a multiple of what one z-test needs for 80% power."""
    fixed = fixed_units(kind, effect)
    world = sized(World(kind, effect=effect, entry_days=EFFECT_DAYS), times_fixed=4.0)
    watched = watch(world, experiments, seed, ALPHA, round(POWER_RATIO_MAX * fixed))
    mean_ratio, power_ratio = _ratios(watched, world, fixed)
    power = float((watched.stopped_units <= POWER_RATIO_MAX * fixed).mean())
    checks: dict[str, bool | float] = {
        f"covers_{name}": within(watched.missed, experiments),
        f"uncovered_rate_{name}": watched.missed,
        f"mean_sample_at_most_1_5_times_fixed_{name}": mean_ratio <= MEAN_RATIO_MAX,
        f"mean_sample_ratio_{name}": mean_ratio,
        f"power_80_within_1_75_times_fixed_{name}": within(1.0 - power, experiments, 1.0 - POWER),
        f"power_80_sample_ratio_{name}": power_ratio,
        f"power_at_1_75_times_fixed_{name}": power,
    }
    return _to_case(f"{experiments:,} with an effect, {name.replace('_', ' ')}", watched, checks)


def _precision_case(kind: str, experiments: int, seed: int) -> Case:
    """The mixture's precision at the planned maximum, moved by planning another maximum: the same applications each time."""
    effect = EFFECTS[kind]
    fixed = fixed_units(kind, effect)
    world = sized(World(kind, effect=effect, entry_days=EFFECT_DAYS), times_fixed=4.0)
    checks: dict[str, bool | float] = {}
    for precision in PRECISIONS:
        planned = round(POWER_RATIO_MAX * fixed * PRECISION_AT_MAXIMUM / precision)
        watched = watch(world, experiments, seed, ALPHA, planned)
        mean_ratio, power_ratio = _ratios(watched, world, fixed)
        checks[f"mean_sample_ratio_at_precision_{precision:.0f}"] = mean_ratio
        checks[f"power_80_sample_ratio_at_precision_{precision:.0f}"] = power_ratio
    return _to_case(f"{experiments:,} tuned otherwise, {kind}", watched, checks)


def _household_case(experiments: int, seed: int) -> Case:
    """Defaults of households, adjusted by the champion's pd: without a difference, and with one."""
    missed: dict[float, int] = {}
    read_ns, looks_per_read = [], 0
    for effect in (0.0, HOUSEHOLD_EFFECT):
        missed[effect] = 0
        for moments in draw_household_looks(experiments, seed, effect=effect):
            started = time.perf_counter_ns()
            found = read_intervals(*adjust_many(moments), HOUSEHOLD_RULE)
            read_ns.append(time.perf_counter_ns() - started)
            looks_per_read = moments.shape[0] * moments.shape[1]
            missed[effect] += int(((found.lower > effect) | (found.upper < effect)).any(axis=1).sum())
    alarms, uncovered = (count / experiments for count in missed.values())
    return Case(
        name=f"{experiments:,} of households, adjusted by a covariate",
        ours=read_ns,
        checks={
            "false_alarm_households": within(alarms, experiments),
            "false_alarm_rate_households": alarms,
            "covers_households": within(uncovered, experiments),
            "uncovered_rate_households": uncovered,
        },
        unit=ROWS_PER_S,
        rounds=len(read_ns),
        rows={"ours": looks_per_read},
    )


def _ratios(watched: Watched, world: World, fixed: int) -> tuple[float, float]:
    """Mean sample and the sample to 80% power, as multiples of the fixed one; an experiment that finds nothing counts with all its units."""
    mean = float(np.minimum(watched.stopped_units, world.units_max).mean()) / fixed
    return round(mean, 3), round(float(np.quantile(watched.stopped_units, POWER, method="higher")) / fixed, 3)


def _to_case(name: str, watched: Watched, checks: dict[str, bool | float]) -> Case:
    return Case(
        name=name,
        ours=list(watched.read_ns),
        checks=checks,
        unit=ROWS_PER_S,
        rounds=len(watched.read_ns),
        rows={"ours": watched.looks_per_read},
    )
