"""An arm beside the control, metric by metric, at every day's look: differences, intervals, evidence. Pure.

    moments by cohort day ─► added up ─► adjusted by the champion's score ─► confidence sequence, every day     (any metric)
                                                                          └► bounds at the planned looks, replayed  (a group-sequential primary)

An arm is compared with the control over the same cohorts: those that came in before the arm was closed. Every look is made out of the frozen
days that it had, so that reading twice, or late, gives the same looks.

Error. Each metric's intervals hold for all of its arms together at the plan's alpha: each has alpha divided by the number of challengers, as the
planner counts. The p-values (e-values) of the primary over the challengers are one family, those of all other metrics another; the verdict rests
on the first, the second says what else moved. Planned looks give p-values and no e-values: there Holm is taken, whatever the plan names; it
keeps the chance of any false alarm, and with it the share of them.
"""

import math
from collections.abc import Sequence
from datetime import date
from itertools import chain
from typing import Final

import numpy as np
from msgspec import UNSET, Struct
from msgspec.structs import replace

from instant_credit.experiment.boundaries import Spending, find_bounds, find_chance, repeat_interval
from instant_credit.experiment.frozen import Floats, Frozen
from instant_credit.experiment.multiplicity import adjust_e_bh, adjust_holm
from instant_credit.experiment.plan import Plan, PlanMetric, StoppingKind
from instant_credit.experiment.sequences import Intervals, Rule, always_valid_p_values, read_intervals
from instant_credit.experiment.sums import adjust_many, estimate_many
from instant_credit.units import PPM

POINTS_MAX: Final = 200
"""Days of a course that are kept, evenly spread, the last one among them."""
_LOG_E_MAX: Final = 700.0
# A look that hardly brings anything decides nothing; `boundaries` refuses less than half a percent.
_GROWTH: Final = 1.006
_BEFORE_LAST: Final = 0.995


class Course(Struct, frozen=True, kw_only=True):
    """The confidence sequence by day; None where there were not enough events yet."""

    days: tuple[date, ...]
    units: tuple[int, ...]
    differences: tuple[float | None, ...]
    lower: tuple[float | None, ...]
    upper: tuple[float | None, ...]


class Look(Struct, frozen=True, kw_only=True):
    """A planned look as it was taken.

    Attributes
    ----------
    on : the first day on which so many units over all arms were ripe, or the day on which the last one was.
    units : ripe ones of both arms; `fraction` of what is planned for them.
    score, bound : the difference over its standard error, and what its absolute value had to reach.
    """

    on: date
    units: int
    fraction: float
    difference: float | None
    score: float
    bound: float
    spent: float
    lower: float | None
    upper: float | None
    is_last: bool


class Compared(Struct, frozen=True, kw_only=True):
    """An arm less the control, in the metric's unit per application.

    Attributes
    ----------
    units : ripe ones of both arms.
    difference, deviation : adjusted by the champion's score, and its standard error; `plain_` without it.
    variance_ratio : what the adjustment left of the variance.
    lower, upper : the interval at alpha / challengers; None while there is not enough.
    e_value : evidence of this day; None at planned looks. p_value: always valid (the least of all days), or of the looks.
    p_adjusted : within its family; `is_found` where it is at most alpha.
    """

    arm: str
    units: int
    difference: float | None
    deviation: float | None
    plain_difference: float | None
    plain_deviation: float | None
    variance_ratio: float | None
    lower: float | None
    upper: float | None
    e_value: float | None
    p_value: float
    p_adjusted: float
    is_enough: bool
    is_found: bool
    looks: tuple[Look, ...]
    course: Course


class ArmMean(Struct, frozen=True, kw_only=True):
    """What an arm brought per application, over its ripe units of those that were exposed."""

    arm: str
    exposed: int
    ripe: int
    applications: int
    mean: float | None
    deviation: float | None


class MetricReading(Struct, frozen=True, kw_only=True):
    """A metric over all arms; `rule` says by what it is looked at, `alpha` at which level each interval holds."""

    name: str
    kind: str
    direction: str
    is_primary: bool
    rule: StoppingKind
    alpha: float
    arms: tuple[ArmMean, ...]
    comparisons: tuple[Compared, ...]


def read_metrics(plan: Plan, frozen: Frozen) -> tuple[MetricReading, ...]:
    """Every metric of the plan as of the last frozen day, families adjusted."""
    readings = [_read_metric(plan, frozen, place) for place in range(len(plan.metrics))]
    primary = [reading for reading in readings if reading.is_primary]
    others = [reading for reading in readings if not reading.is_primary]
    adjusted = {reading.name: reading for family in (primary, others) for reading in _adjust(plan, family)}
    return tuple(adjusted[metric.name] for metric in plan.metrics)


def rule_of(plan: Plan, metric: PlanMetric, share_ppm: int) -> Rule:
    """What the sequence of a metric is tuned to, for an arm of this share."""
    pair = plan.units_max * (plan.control.share_ppm + share_ppm) // PPM
    return Rule(
        alpha=plan.stopping.alpha_ppm / PPM / (len(plan.arms) - 1),
        units_max=max(2, pair),
        value_max=1.0 if metric.cents_max is UNSET else float(metric.cents_max),
    )


def ripe_totals(plan: Plan, frozen: Frozen, metric: int) -> list[int]:
    """Ripe units over all arms by cohort day, added up."""
    units: list[int] = np.cumsum(frozen.moments(plan, metric)[:, :, 0].sum(axis=1)).astype(np.int64).tolist()
    return units


def _read_metric(plan: Plan, frozen: Frozen, place: int) -> MetricReading:
    metric = plan.metrics[place]
    moments = frozen.moments(plan, place)[:, :, :-1]
    is_primary = metric.name == plan.primary
    rule = plan.stopping.kind if is_primary else StoppingKind.CONFIDENCE_SEQUENCE
    compared = []
    for arm in range(1, len(plan.arms)):
        pair = moments[:, (0, arm)].copy()
        pair[frozen.closed_place(plan.arms[arm].name) :] = 0.0
        one = _compare(plan, frozen, metric, arm, np.cumsum(pair, axis=0))
        if rule is StoppingKind.GROUP_SEQUENTIAL:
            one = _take_looks(plan, frozen, place, one, np.cumsum(pair, axis=0))
        compared.append(one)
    exposed = frozen.count(plan, "units").sum(axis=0)
    total = moments.sum(axis=0)
    _, means, variances = estimate_many(total)
    return MetricReading(
        name=metric.name,
        kind=metric.kind,
        direction=metric.direction,
        is_primary=is_primary,
        rule=rule,
        alpha=plan.stopping.alpha_ppm / PPM / (len(plan.arms) - 1),
        arms=tuple(
            ArmMean(
                arm=arm.name,
                exposed=int(exposed[at]),
                ripe=int(total[at, 0]),
                applications=int(total[at, 1]),
                mean=known(means[at]),
                deviation=known(math.sqrt(variances[at])),
            )
            for at, arm in enumerate(plan.arms)
        ),
        comparisons=tuple(compared),
    )


def _compare(plan: Plan, frozen: Frozen, metric: PlanMetric, arm: int, pair: Floats) -> Compared:
    """The confidence sequence over all days; pair float64[cohort days, 2, 10], added up."""
    told = plan.arms[arm]
    if not len(pair):
        return _nothing(told.name)
    units, means, variances = adjust_many(pair)
    _, plain_means, plain_variances = estimate_many(pair[-1])
    found = read_intervals(units, means, variances, rule_of(plan, metric, told.share_ppm))
    variance, plain = float(variances[-1].sum()), float(plain_variances.sum())
    is_enough = bool(found.is_enough[-1])
    return Compared(
        arm=told.name,
        units=int(units[-1].sum()),
        difference=known(found.differences[-1]),
        deviation=known(math.sqrt(variance)),
        plain_difference=known(plain_means[1] - plain_means[0]),
        plain_deviation=known(math.sqrt(plain)),
        variance_ratio=known(variance / plain) if plain > 0.0 else None,
        lower=known(found.lower[-1]) if is_enough else None,
        upper=known(found.upper[-1]) if is_enough else None,
        e_value=math.exp(min(float(found.log_e_values[-1]), _LOG_E_MAX)),
        p_value=float(always_valid_p_values(found.log_e_values)[-1]),
        p_adjusted=1.0,
        is_enough=is_enough,
        is_found=False,
        looks=(),
        course=_draw_course(frozen, metric, units, found),
    )


def _draw_course(frozen: Frozen, metric: PlanMetric, units: Floats, found: Intervals) -> Course:
    count = len(units)
    kept = sorted(
        {round(at * (count - 1) / max(1, min(count, POINTS_MAX) - 1)) for at in range(min(count, POINTS_MAX))}
    )

    def tell(values: Floats) -> tuple[float | None, ...]:
        return tuple(known(values[at]) if found.is_enough[at] else None for at in kept)

    return Course(
        days=tuple(frozen.day(at + metric.ripe_days) for at in kept),
        units=tuple(int(units[at].sum()) for at in kept),
        differences=tell(found.differences),
        lower=tell(found.lower),
        upper=tell(found.upper),
    )


def _nothing(arm: str) -> Compared:
    """Nobody is ripe yet."""
    return Compared(
        arm=arm,
        units=0,
        difference=None,
        deviation=None,
        plain_difference=None,
        plain_deviation=None,
        variance_ratio=None,
        lower=None,
        upper=None,
        e_value=1.0,
        p_value=1.0,
        p_adjusted=1.0,
        is_enough=False,
        is_found=False,
        looks=(),
        course=Course(days=(), units=(), differences=(), lower=(), upper=()),
    )


def _find_looks(plan: Plan, frozen: Frozen, place: int) -> list[tuple[int, bool]]:
    """Cohort days whose ripeness made a planned look due, and whether it is the last: all units planned, or all there will be, are ripe."""
    totals = ripe_totals(plan, frozen, place)
    due = [(int(np.searchsorted(totals, wanted)), wanted >= plan.units_max) for wanted in plan.stopping.looks_units]
    looks = [(at, is_last) for at, is_last in due if at < len(totals)]
    end = frozen.place(frozen.last_entry_on(plan))
    if end < len(totals) and not any(is_last for _, is_last in looks):
        looks = [(at, False) for at, _ in looks if at < end] + [(end, True)]
    return looks


def _take_looks(plan: Plan, frozen: Frozen, place: int, compared: Compared, pair: Floats) -> Compared:
    """The comparison at the planned looks in place of every day; pair float64[cohort days, 2, 10], added up."""
    metric, told = plan.metrics[place], plan.arm(compared.arm)
    alpha, spending = plan.stopping.alpha_ppm / PPM / (len(plan.arms) - 1), Spending(plan.stopping.spending)
    planned = rule_of(plan, metric, told.share_ppm).units_max
    taken: list[tuple[int, float]] = []
    has_ended = False
    for at, is_last in _find_looks(plan, frozen, place):
        fraction, before = float(pair[at, :, 0].sum()) / planned, taken[-1][1] if taken else 0.0
        fraction = fraction if is_last else min(fraction, _BEFORE_LAST)
        if fraction > 0.0 and fraction >= before * _GROWTH:
            taken.append((at, fraction))
        has_ended = has_ended or is_last
    if not taken:
        return replace(compared, lower=None, upper=None, e_value=None, p_value=1.0, is_enough=False)
    places, fractions = [at for at, _ in taken], [fraction for _, fraction in taken]
    units, means, variances = adjust_many(pair[places])
    differences, spreads = means[:, 1] - means[:, 0], variances.sum(axis=1)
    scores = [
        float(difference) / math.sqrt(spread) if spread > 0.0 else 0.0
        for difference, spread in zip(differences.tolist(), spreads.tolist(), strict=True)
    ]
    bounds = find_bounds(fractions, spending, alpha, is_last=has_ended)
    looks = []
    for at, (cohort, fraction) in enumerate(taken):
        is_known = bool(spreads[at] > 0.0)
        low, high = (
            repeat_interval(float(differences[at]), float(spreads[at]), bounds.bounds[at]) if is_known else (None, None)
        )
        looks.append(
            Look(
                on=frozen.day(cohort + metric.ripe_days),
                units=int(units[at].sum()),
                fraction=fraction,
                difference=known(differences[at]),
                score=scores[at],
                bound=bounds.bounds[at],
                spent=bounds.spent[at],
                lower=low,
                upper=high,
                is_last=has_ended and at == len(taken) - 1,
            )
        )
    last = looks[-1]
    return replace(
        compared,
        units=last.units,
        difference=last.difference,
        deviation=known(math.sqrt(spreads[-1])),
        lower=last.lower,
        upper=last.upper,
        e_value=None,
        p_value=find_chance(scores, fractions, spending, is_last=has_ended),
        is_enough=last.lower is not None,
        looks=tuple(looks),
    )


def _adjust(plan: Plan, family: Sequence[MetricReading]) -> list[MetricReading]:
    """The readings of one family with adjusted p-values."""
    all_compared = list(chain.from_iterable(reading.comparisons for reading in family))
    e_values = [one.e_value for one in all_compared if one.e_value is not None]
    if plan.multiplicity == "e_bh" and len(e_values) == len(all_compared):
        adjusted = iter(adjust_e_bh(e_values))
    else:
        adjusted = iter(adjust_holm([one.p_value for one in all_compared]))
    alpha = plan.stopping.alpha_ppm / PPM
    told = []
    for reading in family:
        compared = []
        for one in reading.comparisons:
            p_adjusted = next(adjusted)
            compared.append(replace(one, p_adjusted=p_adjusted, is_found=one.is_enough and p_adjusted <= alpha))
        told.append(replace(reading, comparisons=tuple(compared)))
    return told


def known(value: float) -> float | None:
    """A finite number; None for one that there is none of."""
    return float(value) if math.isfinite(value) else None
