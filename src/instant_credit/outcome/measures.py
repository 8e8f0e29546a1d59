"""What monitoring measures of a window, against the reference population or against the window's own expectation. Pure.

    reference, sketch of the window      -> shifts of score, variables, missing values, unseen categories, approvals, reasons, expected AUC
    labels of an earlier window, ripe    -> bad rate, calibration by band, AUC

Every figure comes with what it is on average when nothing has changed (`expected`) and with how likely chance alone is to bring it at least so far
(`chance`). An index of 0.1 over 200 Cases says little, over 20,000 it says much: a rule looks at both.
"""

import math
from collections.abc import Iterator, Sequence
from enum import StrEnum

import numpy as np
from msgspec import Struct

from instant_credit.outcome.chances import normal_upper, shares_chance
from instant_credit.outcome.drift import expect_psi, homogeneity_chance, measure_psi
from instant_credit.outcome.estimates import (
    NORMAL_DISTANCE,
    Ripened,
    bad_rate_chance,
    calibration_chance,
    estimate_auc,
    list_bands,
    measure_auc,
)
from instant_credit.outcome.sketches import Sketch, SketchReference
from instant_credit.units import PPM


class Metric(StrEnum):
    """What is measured.

    `SCORE_PSI`, `VARIABLE_PSI` the population stability index of the score and of each variable. `MISSING_SHARE`, `UNSEEN_SHARE` the distance
    of a variable's share of missing values, and its share of categories that nobody of the reference has. `APPROVAL_SHARE` the distance of the
    share that gets an offer. `REASON_MIX` half the sum of distances of the shares of first reasons. `EXPECTED_BAD_RATE` the relative distance of the mean
    pd. `EXPECTED_AUC` how far the AUC expected before labels has fallen. Of ripe labels: `BAD_RATE` the relative distance of bads from those expected,
    `CALIBRATION` the same summed over bands, `AUC` how far the AUC lies below the one that was expected of the same loans.
    """

    SCORE_PSI = "score_psi"
    VARIABLE_PSI = "variable_psi"
    MISSING_SHARE = "missing_share"
    UNSEEN_SHARE = "unseen_share"
    APPROVAL_SHARE = "approval_share"
    REASON_MIX = "reason_mix"
    EXPECTED_BAD_RATE = "expected_bad_rate"
    EXPECTED_AUC = "expected_auc"
    BAD_RATE = "bad_rate"
    CALIBRATION = "calibration"
    AUC = "auc"


class Measurement(Struct, frozen=True, kw_only=True):
    """One figure of one window.

    Attributes
    ----------
    subject : the variable, or how many days the labels had to ripen; "" where there is one figure only.
    cases : how many it is told from.
    value : None where there is nothing to tell it from.
    expected : what it is on average when nothing has changed.
    chance : that chance alone brings it at least so far.
    before, now : what was compared, where that is one number each.
    """

    metric: Metric
    subject: str = ""
    cases: int
    value: float | None = None
    expected: float = 0.0
    chance: float = 1.0
    before: float | None = None
    now: float | None = None

    @property
    def excess(self) -> float | None:
        """How far the value lies above what it is on average when nothing has changed."""
        return None if self.value is None else self.value - self.expected


def measure_window(reference: SketchReference, window: Sketch) -> tuple[Measurement, ...]:
    """Every figure that needs no labels, of a window sketched in the bins of `reference`."""
    base = reference.sketch
    told = [_measure_shift(Metric.SCORE_PSI, "", base.scores, window.scores)]
    for place, variable in enumerate(reference.variables):
        before, now = base.variables[place], window.variables[place]
        told.append(_measure_shift(Metric.VARIABLE_PSI, variable.name, before, now))
        told.append(
            _measure_share(Metric.MISSING_SHARE, variable.name, (before[-1], base.cases), (now[-1], window.cases))
        )
        if variable.categories:
            told.append(_measure_unseen(variable.name, before, now))
    told.append(_measure_share(Metric.APPROVAL_SHARE, "", (base.offers, base.cases), (window.offers, window.cases)))
    told.append(_measure_reasons(dict(base.reasons), dict(window.reasons)))
    told.append(_measure_mean_pd(base, window))
    told.append(_measure_expected_auc(base, window))
    return tuple(told)


def measure_ripened(ripened: Ripened, subject: str) -> tuple[Measurement, ...]:
    """Every figure of ripe labels; `subject` says how long they had to ripen."""
    return tuple(_measure_ripened(ripened, subject))


def _measure_ripened(ripened: Ripened, subject: str) -> Iterator[Measurement]:
    loans, bands = ripened.loans, list_bands(ripened)
    expected, bads = sum(one.bads_expected for one in bands), sum(one.bads for one in bands)
    if not expected:
        for metric in (Metric.BAD_RATE, Metric.CALIBRATION, Metric.AUC):
            yield Measurement(metric=metric, subject=subject, cases=loans)
        return
    spread = math.sqrt(sum(one.deviation**2 for one in bands))
    yield Measurement(
        metric=Metric.BAD_RATE,
        subject=subject,
        cases=loans,
        value=abs(bads / expected - 1.0),
        expected=NORMAL_DISTANCE * spread / expected,
        chance=bad_rate_chance(bands),
        before=expected / loans,
        now=bads / loans,
    )
    yield Measurement(
        metric=Metric.CALIBRATION,
        subject=subject,
        cases=loans,
        value=sum(abs(one.bads - one.bads_expected) for one in bands) / expected,
        expected=NORMAL_DISTANCE * sum(one.deviation for one in bands) / expected,
        chance=calibration_chance(bands),
    )
    shown = measure_auc(ripened)
    counts = tuple(good + bad for good, bad in zip(ripened.goods, ripened.bads, strict=True))
    wanted = estimate_auc(counts, ripened.pds_ppm)
    if shown is None or wanted is None or not shown.deviation:
        yield Measurement(metric=Metric.AUC, subject=subject, cases=loans)
        return
    yield Measurement(
        metric=Metric.AUC,
        subject=subject,
        cases=loans,
        value=wanted.value - shown.value,
        chance=normal_upper((wanted.value - shown.value) / shown.deviation),
        before=wanted.value,
        now=shown.value,
    )


def _measure_shift(metric: Metric, subject: str, base: Sequence[int], later: Sequence[int]) -> Measurement:
    before, now = sum(base), sum(later)
    if not before or not now:
        return Measurement(metric=metric, subject=subject, cases=now)
    psi = measure_psi(np.array(base, dtype=np.float64), np.array(later, dtype=np.float64), before, now)
    return Measurement(
        metric=metric,
        subject=subject,
        cases=now,
        value=psi.value,
        expected=expect_psi(base, later),
        chance=homogeneity_chance(base, later),
    )


def _measure_share(metric: Metric, subject: str, base: tuple[int, int], later: tuple[int, int]) -> Measurement:
    """Distance of two shares, each as hits and trials."""
    if not base[1] or not later[1]:
        return Measurement(metric=metric, subject=subject, cases=later[1])
    before, now = base[0] / base[1], later[0] / later[1]
    both = (base[0] + later[0]) / (base[1] + later[1])
    return Measurement(
        metric=metric,
        subject=subject,
        cases=later[1],
        value=abs(now - before),
        expected=NORMAL_DISTANCE * math.sqrt(both * (1.0 - both) * (1.0 / base[1] + 1.0 / later[1])),
        chance=shares_chance(*later, *base),
        before=before,
        now=now,
    )


def _measure_unseen(subject: str, base: Sequence[int], later: Sequence[int]) -> Measurement:
    cases = sum(later)
    if not cases:
        return Measurement(metric=Metric.UNSEEN_SHARE, subject=subject, cases=0)
    unseen = sum(now for before, now in zip(base[:-1], later[:-1], strict=True) if not before)
    return Measurement(
        metric=Metric.UNSEEN_SHARE,
        subject=subject,
        cases=cases,
        value=unseen / cases,
        chance=shares_chance(unseen, cases, 0, sum(base)),
        before=0.0,
        now=unseen / cases,
    )


def _measure_reasons(base: dict[str, int], later: dict[str, int]) -> Measurement:
    before, now = sum(base.values()), sum(later.values())
    if not before or not now:
        return Measurement(metric=Metric.REASON_MIX, cases=now)
    codes = sorted(base.keys() | later.keys())
    counts = [(base.get(code, 0), later.get(code, 0)) for code in codes]
    spread = 1.0 / before + 1.0 / now
    shares = [sum(pair) / (before + now) for pair in counts]
    return Measurement(
        metric=Metric.REASON_MIX,
        cases=now,
        value=sum(abs(one / before - other / now) for one, other in counts) / 2.0,
        expected=NORMAL_DISTANCE * sum(math.sqrt(share * (1.0 - share) * spread) for share in shares) / 2.0,
        chance=homogeneity_chance([one for one, _ in counts], [other for _, other in counts]),
    )


def _measure_mean_pd(base: Sketch, window: Sketch) -> Measurement:
    before, now = sum(base.grid), sum(window.grid)
    if before < 2 or now < 2:
        return Measurement(metric=Metric.EXPECTED_BAD_RATE, cases=now)
    former, former_spread = _mean_pd(base)
    mean, spread = _mean_pd(window)
    deviation = math.hypot(former_spread, spread)
    return Measurement(
        metric=Metric.EXPECTED_BAD_RATE,
        cases=now,
        value=abs(mean / former - 1.0),
        expected=NORMAL_DISTANCE * deviation / former,
        chance=2.0 * normal_upper(abs(mean - former) / deviation) if deviation else float(mean == former),
        before=former,
        now=mean,
    )


def _mean_pd(sketch: Sketch) -> tuple[float, float]:
    """The mean pd, and its standard error."""
    counts = np.array(sketch.grid, dtype=np.float64)
    sums = np.array(sketch.grid_pds_ppm, dtype=np.float64) / PPM
    means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0.0)
    mean = float(sums.sum() / counts.sum())
    return mean, math.sqrt(float(counts @ (means - mean) ** 2)) / float(counts.sum())


def _measure_expected_auc(base: Sketch, window: Sketch) -> Measurement:
    former = estimate_auc(base.grid, base.grid_pds_ppm)
    later = estimate_auc(window.grid, window.grid_pds_ppm)
    cases = sum(window.grid)
    if former is None or later is None:
        return Measurement(metric=Metric.EXPECTED_AUC, cases=cases)
    deviation = math.hypot(former.deviation, later.deviation)
    fall = former.value - later.value
    return Measurement(
        metric=Metric.EXPECTED_AUC,
        cases=cases,
        value=fall,
        chance=normal_upper(fall / deviation) if deviation else float(fall <= 0.0),
        before=former.value,
        now=later.value,
    )
