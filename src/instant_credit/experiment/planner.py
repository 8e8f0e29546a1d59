"""How long an experiment takes: units that it needs, days to gather them, and the day on which its verdict can be read. Pure.

    effect, variance, error, power ─► units of a fixed test ─► x inflation of the stopping rule ─► days of entry ─► + window + lag = the verdict

The fixed test compares each challenger with the control by the difference of two means, whose variance is v0 / n0 + v1 / n1. With shares c
and s of N units, and the error shared out over k challengers (Bonferroni, which is Holm's first step),

    N = (z(1 - alpha / 2k) + z(power))^2 (v0 / c + v1 / s) / effect^2,      the largest over the challengers

v of a share p is p (1 - p), in the challenger at the share that the effect would bring; v of money is the expected deviation squared in both.

A unit counts when it is ripe, so the verdict comes window and lag after the last unit that is needed came in. Nothing here is shortened by a
hope that the rule stops early.
"""

from math import ceil, inf, isfinite, log, sqrt
from statistics import NormalDist
from typing import Final

from msgspec import UNSET, Struct
from msgspec.structs import replace

from instant_credit.errors import Refused
from instant_credit.experiment.boundaries import Boundaries, Spending, find_drift, inflation
from instant_credit.experiment.plan import Direction, Plan, StoppingKind
from instant_credit.units import PPM

# Precision of the confidence sequences' normal mixture at the planned maximum.
_PRECISION_AT_MAXIMUM: Final = 12.0
# A sequence is counted as if looked at so often, at even steps: looking more often finds an effect a little earlier.
_SEQUENCE_LOOKS: Final = 50
DAYS_PER_MONTH: Final = 365.25 / 12
_NORMAL: Final = NormalDist()
_HALVINGS: Final = 200


class Schedule(Struct, frozen=True, kw_only=True):
    """How long a plan takes, before it is started.

    Attributes
    ----------
    units_fixed : units over all arms that a test looked at once needs to find `effect_min`.
    inflation : times `units_fixed` that the plan's stopping rule needs.
    units_needed : units over all arms that the plan needs.
    units_by_arm : the same by arm, in the plan's order.
    units_per_day : units that enter on a day: applications x eligible x reach x coverage.
    units_gathered : units that can enter: at most `units_max`, and no more than come in by `entry_days_max`.
    is_enough : whether `units_gathered` reaches `units_needed`.
    units_entering : units that the verdict waits for: those needed, or all that can enter where looks are planned or it is not enough.
    entry_days : days until the last of them has come in.
    ripe_days : days until it is ripe: window and lag of the primary metric.
    verdict_days : days from the start to the verdict.
    effect_found : smallest effect that `units_gathered` find at the plan's error and power; null where no effect could be.
    words : the same in sentences.
    """

    units_fixed: int
    inflation: float
    units_needed: int
    units_by_arm: dict[str, int]
    units_per_day: float
    units_gathered: int
    is_enough: bool
    units_entering: int
    entry_days: int
    ripe_days: int
    verdict_days: int
    effect_found: float | None
    words: str


def plan_duration(plan: Plan, *, reach_ppm: int = PPM, coverage_ppm: int = PPM) -> Schedule:
    """How long `plan` takes.

    Parameters
    ----------
    reach_ppm : share of the layer's buckets that it will claim.
    coverage_ppm : share of them that is exposed, as it stands for most of the time.

    Raises
    ------
    Refused : shares outside 1 to 1,000,000, or more units needed than anyone has (the effect is too small for what is expected).
    """
    for name, value in (("reach_ppm", reach_ppm), ("coverage_ppm", coverage_ppm)):
        if not 1 <= value <= PPM:
            raise Refused(f"{name}: give 1 to {PPM}, not {value}")
    fixed = count_units(plan, plan.effect_min)
    if not fixed <= 10**15:
        raise Refused(f"effect_min: {plan.effect_min:g} would take more units than there are people; name a larger one")
    times = inflate(plan)
    needed = max(2 * len(plan.arms), ceil(fixed * times))
    per_day = plan.expect.applications_per_day * plan.expect.eligible_ppm * reach_ppm * coverage_ppm / PPM**3
    gathered = min(plan.units_max, int(per_day * plan.entry_days_max))
    is_enough = gathered >= needed
    has_looks = plan.stopping.kind is StoppingKind.GROUP_SEQUENTIAL
    entering = gathered if has_looks or not is_enough else needed
    is_full = is_enough or gathered == plan.units_max
    entry_days = min(plan.entry_days_max, ceil(entering / per_day)) if is_full else plan.entry_days_max
    ripe_days = plan.primary_metric.ripe_days
    found = find_effect(plan, gathered / times)
    schedule = Schedule(
        units_fixed=ceil(fixed),
        inflation=times,
        units_needed=needed,
        units_by_arm={arm.name: ceil(needed * arm.share_ppm / PPM) for arm in plan.arms},
        units_per_day=per_day,
        units_gathered=gathered,
        is_enough=is_enough,
        units_entering=entering,
        entry_days=entry_days,
        ripe_days=ripe_days,
        verdict_days=entry_days + ripe_days,
        effect_found=found if isfinite(found) else None,
        words="",
    )
    return replace(schedule, words=_tell(plan, schedule))


def count_units(plan: Plan, effect: float) -> float:
    """Units over all arms that a test looked at once needs to find `effect` in every challenger; not rounded.

    Source
    ------
    Fleiss, Levin and Paik (2003), "Statistical methods for rates and proportions", chapter 4, with unpooled variances, as readouts have them.
    """
    challengers = plan.arms[1:]
    error = plan.stopping.alpha_ppm / PPM / len(challengers)
    reached = _NORMAL.inv_cdf(1 - error / 2) + _NORMAL.inv_cdf(plan.stopping.power_ppm / PPM)
    before, after = _variances(plan, effect)
    spread = max(before * PPM / plan.control.share_ppm + after * PPM / arm.share_ppm for arm in challengers)
    return (reached / effect) ** 2 * spread


def find_effect(plan: Plan, units: float) -> float:
    """Smallest effect that a test of `units` over all arms, looked at once, finds; infinite where none that can happen would be.

    The units that an effect needs fall as it grows, so the effect is found by bisection, to a part in 10^12 of the largest.
    """
    largest = _largest_effect(plan)
    if units <= 0 or count_units(plan, largest) > units:
        return inf
    low, high = 0.0, largest
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if middle <= low or high - low <= largest * 1e-12:
            break
        if count_units(plan, middle) > units:
            low = middle
        else:
            high = middle
    return high


def inflate(plan: Plan) -> float:
    """Times the fixed test's units that the plan's stopping rule needs at the same error and power."""
    stopping = plan.stopping
    error = stopping.alpha_ppm / PPM / (len(plan.arms) - 1)
    power = stopping.power_ppm / PPM
    if stopping.kind is StoppingKind.GROUP_SEQUENTIAL:
        return inflation(stopping.looks_units, Spending(stopping.spending), error, power)
    return _inflate_sequence(error, power)


def _inflate_sequence(error: float, power: float) -> float:
    """The same of a confidence sequence: how far its bound lies beyond the fixed test's, looked at from the first unit to the last."""
    fractions = tuple(look / _SEQUENCE_LOOKS for look in range(1, _SEQUENCE_LOOKS + 1))
    precisions = [_PRECISION_AT_MAXIMUM * fraction for fraction in fractions]
    bounds = tuple(sqrt((1 + 1 / x) * log((1 + x) / error**2)) for x in precisions)
    drift = find_drift(Boundaries(fractions=fractions, bounds=bounds, spent=(error,) * _SEQUENCE_LOOKS), power)
    return (drift / (_NORMAL.inv_cdf(1 - error / 2) + _NORMAL.inv_cdf(power))) ** 2


def _variances(plan: Plan, effect: float) -> tuple[float, float]:
    """Variance per application in the control, and in a challenger that has the effect."""
    deviation = plan.expect.deviation
    if deviation is not UNSET:
        return deviation**2, deviation**2
    mean = plan.expect.mean
    moved = mean + effect if plan.primary_metric.direction is Direction.HIGHER else mean - effect
    return mean * (1 - mean), max(0.0, moved * (1 - moved))


def _largest_effect(plan: Plan) -> float:
    """The largest effect that can happen: money within its bound, a share within 0 and 1."""
    metric, mean = plan.primary_metric, plan.expect.mean
    if metric.cents_max is not UNSET:
        return 2.0 * metric.cents_max
    return 1 - mean if metric.direction is Direction.HIGHER else mean


_TENS: Final = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ONES: Final = (
    *("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)


def word_days(days: int) -> str:
    """A span in plain words: days below three weeks, weeks below three months, else months; begun ones count as whole."""
    if days < 21:
        return _count(days, "day")
    if days < 90:
        return _count(ceil(days / 7), "week")
    return _count(ceil(days / DAYS_PER_MONTH), "month")


def _count(number: int, unit: str) -> str:
    if number < 20:
        word = _ONES[number]
    elif number < 100:
        word = _TENS[number // 10] + (f"-{_ONES[number % 10]}" if number % 10 else "")
    else:
        word = f"{number:,}"
    return f"{word} {unit}" + ("" if number == 1 else "s")


def _tell(plan: Plan, schedule: Schedule) -> str:
    """The schedule in sentences."""
    metric = plan.primary_metric
    unit = "cents" if metric.kind.is_money else "of the applications"
    waiting = (
        f"The verdict can be read {word_days(schedule.verdict_days)} after the start (day {schedule.verdict_days}): "
        f"{word_days(schedule.entry_days)} to gather {schedule.units_entering:,} units at {schedule.units_per_day:,.1f} "
        f"a day, and {word_days(schedule.ripe_days)} until the last of them is ripe."
    )
    needing = (
        f"A test looked at once would need {schedule.units_fixed:,} units to find {_figure(plan, plan.effect_min)} "
        f"{unit} in {metric.name}; the stopping rule needs {schedule.inflation:.2f} times as many, "
        f"{schedule.units_needed:,}."
    )
    sentences = [waiting, needing]
    if not schedule.is_enough:
        limit = f"{schedule.units_gathered:,} come in within entry_days_max, {plan.entry_days_max}"
        if schedule.units_gathered == plan.units_max:
            limit = f"units_max is {plan.units_max:,}"
        sentences.append(
            f"That is not enough: {limit}. Raise it, name a larger effect_min, or expect to hear that there is not enough yet."
        )
    found = schedule.effect_found
    sentences.append(
        "No difference that can happen would be found."
        if found is None
        else f"Differences from {_figure(plan, found)} {unit} on are found at a power of {plan.stopping.power_ppm / PPM:.0%}."
    )
    return " ".join(sentences)


def _figure(plan: Plan, effect: float) -> str:
    """Money to the cent, a share in percent."""
    return f"{ceil(effect):,}" if plan.primary_metric.kind.is_money else f"{effect:.3%}"
