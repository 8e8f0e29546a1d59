"""The readout of an experiment out of what is frozen: every number of its memo, and its verdict. Pure.

    Frozen ─► sample ratio ─ fails ─► blocked, and no effect is told
                  └ holds ─► metrics (means, differences, intervals, evidence) ─► segments, survival, early signals ─► guardrails ─► verdict

Twice the same frozen days give the same bytes, whenever they are read: looks are replayed out of the days, and nothing is remembered from one
reading to the next. What there is no number of is null.
"""

import math
from datetime import date
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from msgspec import UNSET, Struct
from msgspec.structs import replace

from instant_credit.canonical import ContentHash, encode_canonical, hash_content
from instant_credit.errors import require
from instant_credit.experiment.comparing import (
    Compared,
    MetricReading,
    known,
    read_metrics,
    ripe_totals,
)
from instant_credit.experiment.frozen import Floats, Frozen
from instant_credit.experiment.guardrails import Count, Finding, Tally, judge_guardrails
from instant_credit.experiment.plan import GuardrailKind, MetricKind, Plan
from instant_credit.experiment.sampling import Sampling, check_sampling
from instant_credit.experiment.segments import Heterogeneity, SegmentDifference, shrink_segments
from instant_credit.experiment.sums import Sums, estimate_adjusted
from instant_credit.experiment.surrogate import CELLS, Cells
from instant_credit.experiment.survival import (
    SurvivalDifference,
    compare_survival,
    find_cluster_factor,
    fit_curve,
    rank_defaults,
)
from instant_credit.experiment.validity import EarlyEffect, tell_effect
from instant_credit.experiment.verdict import ExperimentVerdict, block, conclude, stand
from instant_credit.units import PPM, Cents

FROM_SUMS: Final = (GuardrailKind.LOSS_BUDGET, GuardrailKind.EARLY_DELINQUENCY, GuardrailKind.APPROVAL_RATE)
"""Guardrails that frozen sums tell of; the others are watched while the experiment runs, and close the arm."""


class ArmExposure(Struct, frozen=True, kw_only=True):
    """What an arm exposed and offered since the start; the cumulative money by day is the guardrail's course."""

    arm: str
    units: int
    applications: int
    offers: int
    without_pd: int
    units_in_two_arms: int
    offered_cents: int
    reserved_cents: int
    reserved_by_day: tuple[int, ...]


class SegmentReading(Struct, frozen=True, kw_only=True):
    """How an arm's difference in the primary varies over the categories of an attribute, drawn towards what all tell."""

    attribute: str
    arm: str
    heterogeneity: Heterogeneity | None
    left_out: tuple[str, ...]


class SurvivalReading(Struct, frozen=True, kw_only=True):
    """An arm beside the control by months since the first exposure, over all units, ripe or not.

    Attributes
    ----------
    control, curve : shares without default at the end of each month, of the control and of the arm.
    difference : at the last month with enough units; None without one.
    lower, upper : its interval at the level of a single look, 1 - alpha / challengers: beside the verdict, not for it.
    log_rank_score : observed less expected defaults over its standard error; above 0 more of the arm defaulted.
    factor : by how much clusters multiply the variance.
    """

    metric: str
    arm: str
    control: tuple[float, ...]
    curve: tuple[float, ...]
    difference: SurvivalDifference | None
    lower: float | None
    upper: float | None
    log_rank_score: float | None
    factor: float


class EarlyReading(Struct, frozen=True, kw_only=True):
    """What early signals say of the primary: the surrogate index where it can be tested on the past, and why not where it can't."""

    arm: str
    early: str
    effect: EarlyEffect


class Readout(Struct, frozen=True, kw_only=True):
    """Everything that is read off an experiment as of a day.

    Attributes
    ----------
    until : the last frozen day; None = nothing is frozen.
    frozen : hash of what it was read from.
    metrics : in the plan's order; without differences where blocked.
    watched : guardrails of the plan that no frozen sum tells of.
    """

    schema_version: int = 1
    experiment: int
    plan: ContentHash
    until: date | None
    frozen: ContentHash
    verdict: ExperimentVerdict
    sampling: Sampling
    exposure: tuple[ArmExposure, ...]
    metrics: tuple[MetricReading, ...]
    segments: tuple[SegmentReading, ...]
    survival: tuple[SurvivalReading, ...]
    early: tuple[EarlyReading, ...]
    guardrails: tuple[Finding, ...]
    watched: tuple[GuardrailKind, ...]

    @property
    def hash(self) -> str:
        """Names the readout."""
        return hash_content(encode_canonical(self))


def read_experiment(plan: Plan, frozen: Frozen) -> Readout:
    """Read an experiment.

    Parameters
    ----------
    plan : as locked at the start.
    frozen : as of the end of the day that it is read for; places of metrics, arms and segments are those of the plan.
    """
    require(len(frozen.categories) == len(plan.segments), "the categories of each segment are told")
    sampling = check_sampling(plan, frozen)
    guardrails = _read_guardrails(plan, frozen)
    exposure = _read_exposure(plan, frozen)
    watched = tuple(one.kind for one in plan.guardrails if one.kind not in FROM_SUMS)
    metrics = read_metrics(plan, frozen)
    segments: tuple[SegmentReading, ...] = ()
    survival: tuple[SurvivalReading, ...] = ()
    early: tuple[EarlyReading, ...] = ()
    if sampling.is_blocked:
        verdict = block(sampling.words)
        metrics = tuple(_withhold(reading) for reading in metrics)
    else:
        segments, survival = _read_segments(plan, frozen), _read_survival(plan, frozen)
        early = _read_early(plan, frozen)
        verdict = _judge(plan, frozen, metrics, guardrails)
    return Readout(
        experiment=frozen.experiment,
        plan=frozen.plan_hash,
        until=frozen.until,
        frozen=frozen.hash,
        verdict=verdict,
        sampling=sampling,
        exposure=exposure,
        metrics=metrics,
        segments=segments,
        survival=survival,
        early=early,
        guardrails=guardrails,
        watched=watched,
    )


def _withhold(reading: MetricReading) -> MetricReading:
    """How many there are, and nothing that an effect could be read off."""
    arms = tuple(replace(arm, mean=None, deviation=None) for arm in reading.arms)
    return replace(reading, arms=arms, comparisons=())


def _judge(
    plan: Plan, frozen: Frozen, metrics: tuple[MetricReading, ...], findings: tuple[Finding, ...]
) -> ExperimentVerdict:
    place = next(at for at, metric in enumerate(plan.metrics) if metric.name == plan.primary)
    compared: tuple[Compared, ...] = metrics[place].comparisons
    totals = ripe_totals(plan, frozen, place)
    has_ended = bool(totals) and (
        totals[-1] >= plan.units_max or frozen.place(frozen.last_entry_on(plan)) < len(totals)
    )
    closings = {one.arm: one for one in frozen.closings}
    standings = tuple(
        stand(
            plan,
            one,
            closings.get(one.arm),
            tuple(finding for finding in findings if finding.arm == one.arm),
            has_ended=has_ended,
        )
        for one in compared
    )
    return conclude(plan, standings, compared)


def _read_exposure(plan: Plan, frozen: Frozen) -> tuple[ArmExposure, ...]:
    fields = ("units", "applications", "offers", "without_pd", "units_in_two_arms", "offered_cents", "reserved_cents")
    counts = {field: frozen.count(plan, field) for field in fields}
    totals = {field: count.sum(axis=0).tolist() for field, count in counts.items()}
    return tuple(
        ArmExposure(
            arm=arm.name,
            **{field: total[at] for field, total in totals.items()},
            reserved_by_day=tuple(np.cumsum(counts["reserved_cents"][:, at]).tolist()),
        )
        for at, arm in enumerate(plan.arms)
    )


def _read_guardrails(plan: Plan, frozen: Frozen) -> tuple[Finding, ...]:
    """What the guardrails that sums tell of say of each arm, over the days before it was closed."""
    if not plan.guardrails:
        return ()
    early = [at for at, metric in enumerate(plan.metrics) if metric.kind is MetricKind.EARLY_DELINQUENCY]
    moments = frozen.moments(plan, early[0]) if early else None
    units, offered = frozen.count(plan, "units"), frozen.count(plan, "unit_offers")
    reserved = frozen.count(plan, "reserved_cents")
    found: list[Finding] = []
    for place, arm in enumerate(plan.arms[1:], start=1):
        last = frozen.closed_place(arm.name)
        own, control = (
            Tally(
                early=Count() if moments is None else _count_ripe(moments[:last, at]),
                approvals=Count(trials=int(units[:last, at].sum()), hits=float(offered[:last, at].sum())),
                reserved_cents=Cents(int(reserved[:, at].sum())),
            )
            for at in (place, 0)
        )
        found += [one for one in judge_guardrails(plan, control, own, name=arm.name) if one.guardrail in FROM_SUMS]
    return tuple(found)


def _count_ripe(moments: Floats) -> Count:
    """Ripe units and hits of cohorts, moments float64[cohort days, 11]."""
    total = moments.sum(axis=0)
    return Count(trials=int(total[0]), hits=min(float(total[10]), float(total[0])))


def _read_segments(plan: Plan, frozen: Frozen) -> tuple[SegmentReading, ...]:
    """The primary's differences by category, over the cohorts before the arm was closed."""
    place = next(at for at, metric in enumerate(plan.metrics) if metric.name == plan.primary)
    ripe_days = plan.metrics[place].ripe_days
    by_cell: dict[tuple[int, int], dict[tuple[int, int], Sums]] = {}
    lasts = [frozen.closed_place(arm.name) for arm in plan.arms]
    for one in frozen.sums:
        if one.metric != place or one.segment < 0:
            continue
        cohort = frozen.place(one.ripe_on) - ripe_days
        cell = by_cell.setdefault((one.segment, one.category), {})
        for arm in range(1, len(plan.arms)) if one.arm == 0 else (one.arm,):
            if cohort < lasts[arm]:
                key = arm, one.arm
                cell[key] = cell.get(key, Sums()) + one.sums
    alpha = plan.stopping.alpha_ppm / PPM / (len(plan.arms) - 1)
    readings = []
    for segment, told in enumerate(plan.segments):
        names = {category: name for own, category, name in frozen.cells(plan) if own == segment}
        for arm in range(1, len(plan.arms)):
            differences, left_out = [], []
            for category, name in names.items():
                cell = by_cell.get((segment, category), {})
                control, other = estimate_adjusted((cell.get((arm, 0), Sums()), cell.get((arm, arm), Sums())))
                difference, variance = other.mean - control.mean, other.variance + control.variance
                if math.isfinite(difference) and 0.0 < variance < math.inf:
                    differences.append(SegmentDifference(segment=name, difference=difference, variance=variance))
                else:
                    left_out.append(name)
            readings.append(
                SegmentReading(
                    attribute=told.attribute,
                    arm=plan.arms[arm].name,
                    heterogeneity=shrink_segments(differences, alpha=alpha) if differences else None,
                    left_out=tuple(left_out),
                )
            )
    return tuple(readings)


def _read_survival(plan: Plan, frozen: Frozen) -> tuple[SurvivalReading, ...]:
    """Curves of every metric that defaults are counted for; the horizon is the last month that both arms can be compared at."""
    alpha = plan.stopping.alpha_ppm / PPM / (len(plan.arms) - 1)
    reach = NormalDist().inv_cdf(1.0 - alpha / 2.0)
    readings = []
    for place, metric in enumerate(plan.metrics):
        if metric.kind not in (MetricKind.DEFAULT, MetricKind.EARLY_DELINQUENCY):
            continue
        lives = [frozen.lives(place, arm) for arm in range(len(plan.arms))]
        control = lives[0]
        pooled = Sums(**_everybody(frozen.moments(plan, place)))
        factor = find_cluster_factor(pooled)
        for arm in range(1, len(plan.arms)):
            own = lives[arm]
            months = range(min(len(control.at_risk), len(own.at_risk)), 0, -1)
            told = (compare_survival(control, own, month, factor=factor) for month in months)
            difference = next((one for one in told if one is not None), None)
            ranked = rank_defaults(control, own, factor=factor)
            half = 0.0 if difference is None else reach * math.sqrt(difference.variance)
            readings.append(
                SurvivalReading(
                    metric=metric.name,
                    arm=plan.arms[arm].name,
                    control=fit_curve(control).survival,
                    curve=fit_curve(own).survival,
                    difference=difference,
                    lower=None if difference is None else difference.difference - half,
                    upper=None if difference is None else difference.difference + half,
                    log_rank_score=None if ranked is None else known(ranked.score),
                    factor=factor,
                )
            )
    return tuple(readings)


def _everybody(moments: Floats) -> dict[str, Any]:
    """Moments over all cohorts and arms by the names of `Sums`."""
    total = moments.sum(axis=(0, 1))
    return dict(zip(Sums.__struct_fields__, [int(total[0]), *total[1:10].tolist()], strict=True))


def _read_early(plan: Plan, frozen: Frozen) -> tuple[EarlyReading, ...]:
    if plan.early is UNSET:
        return ()
    nobody = Cells(units=(0,) * CELLS)
    signals = frozen.signals or (nobody,) * len(plan.arms)
    return tuple(
        EarlyReading(arm=arm.name, early=plan.early, effect=tell_effect(frozen.vintages, (), signals[at], signals[0]))
        for at, arm in enumerate(plan.arms[1:], start=1)
    )
