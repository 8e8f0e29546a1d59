"""How well a surrogate index told what had come already: each past vintage from the older ones, each past comparison from those before it. Pure.

==============  ==================================================================  ==================================================
shown           is                                                                  speaks against the index where
==============  ==================================================================  ==================================================
vintages        share of past vintages inside their readout intervals               so few would be rarer than 1 in 200 at the level
bias            mean of predicted minus true over them                              it is beyond 3.3 standard errors
slope           of true cell means on predicted ones, weighted by what they know    1 is beyond 3.3 standard errors
correlation     of predicted and true means of vintages                             never: vintages may be alike
comparisons     share of past comparisons inside; share with the sign of the truth  so few inside would be rarer than 1 in 200
==============  ==================================================================  ==================================================

Vintages test whether signals go on meaning what they meant. Only past comparisons of arms test whether arms work through the signals alone: with
none, that is said, and the index stands on that assumption. Where there are too few vintages or bads to measure, nothing is predicted.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.experiment.surrogate import (
    LEVEL,
    Cells,
    Prediction,
    SurrogateError,
    compare_truth,
    fit_index,
    predict_effect,
    predict_mean,
)

VINTAGES_FIT_MIN: Final = 3
"""Vintages that an index is fitted on at least, and as many that it is tested on."""
BADS_MIN: Final = 100
_DEVIATIONS_MAX: Final = 3.3
_CHANCE_MIN: Final = 0.005

Floats = NDArray[np.float64]


class Comparison(Struct, frozen=True, kw_only=True):
    """An arm and its control of the past, ripe, and how many of the vintages were ripe when their signals were known."""

    arm: Cells
    control: Cells
    vintages_known: int


class Slope(Struct, frozen=True, kw_only=True):
    """The slope of true on predicted means of cells: 1 where the index is neither too bold nor too timid."""

    value: float
    deviation: float


class Validity(Struct, frozen=True, kw_only=True):
    """How an index did on the past.

    Attributes
    ----------
    bads : units whose primary is not nothing (money: how many equal ones would bring as much).
    vintages : by past vintage, oldest first, what was predicted from the older ones and what came.
    bias, bias_deviation : mean of predicted minus true, and its standard error.
    slope, correlation : None where all predictions are alike.
    comparisons : by past comparison that could be predicted, the same of the difference.
    sign_share : comparisons whose predicted difference has the sign of the true one; None without any.
    faults : what speaks against the index, in words.
    refusal : why validity cannot be measured; "" where it is.
    """

    bads: float
    vintages: tuple[SurrogateError, ...] = ()
    bias: float = 0.0
    bias_deviation: float = 0.0
    slope: Slope | None = None
    correlation: float | None = None
    comparisons: tuple[SurrogateError, ...] = ()
    sign_share: float | None = None
    faults: tuple[str, ...] = ()
    refusal: str = ""

    @property
    def is_valid(self) -> bool:
        """Whether it was measured and nothing speaks against the index."""
        return not self.refusal and not self.faults


class EarlyEffect(Struct, frozen=True, kw_only=True):
    """A difference told early, never without how the index did; no prediction where that cannot be measured."""

    prediction: Prediction | None
    validity: Validity
    words: str


def measure_validity(
    vintages: Sequence[Cells], comparisons: Sequence[Comparison] = (), level: float = LEVEL
) -> Validity:
    """How an index that is fitted on the older vintages told the newer ones.

    Parameters
    ----------
    vintages : ripe, oldest first.
    comparisons : ripe comparisons of the past; one that fewer than `VINTAGES_FIT_MIN` vintages came before is passed over.
    level : of the intervals, in (0, 1).
    """
    bads = _count_bads(vintages)
    if refusal := _refuse(len(vintages), bads):
        return Validity(bads=bads, refusal=refusal)
    told, deviations, pairs = [], [], []
    for place in range(VINTAGES_FIT_MIN, len(vintages)):
        index, vintage = fit_index(vintages[:place]), vintages[place]
        prediction = predict_mean(index, vintage, level)
        told.append(compare_truth(prediction, _mean(vintage)))
        deviations.append(prediction.readout_deviation)
        pairs.append((np.array(index.means), np.array(index.within), vintage))
    shown = _tell_comparisons(vintages, comparisons, level)
    errors = np.array([one.error for one in told])
    bias_deviation = math.sqrt(sum(d**2 for d in deviations)) / len(told)
    slope = _fit_slope(pairs)
    faults = [*_count_outside("vintages", told, level), *_count_outside("comparisons", shown, level)]
    if abs(float(errors.mean())) > _DEVIATIONS_MAX * bias_deviation:
        faults.append(
            f"the index tells {errors.mean():+.4g} too much in the mean, {bias_deviation:.2g} is its standard error"
        )
    if slope is not None and abs(slope.value - 1.0) > _DEVIATIONS_MAX * slope.deviation:
        faults.append(
            f"true means move {slope.value:.2f} (standard error {slope.deviation:.2f}) where the index moves by 1"
        )
    return Validity(
        bads=bads,
        vintages=tuple(told),
        bias=float(errors.mean()),
        bias_deviation=bias_deviation,
        slope=slope,
        correlation=_correlate(told),
        comparisons=tuple(shown),
        sign_share=_share_signs(shown),
        faults=tuple(faults),
    )


def tell_effect(
    vintages: Sequence[Cells],
    comparisons: Sequence[Comparison],
    arm: Cells,
    control: Cells,
    level: float = LEVEL,
) -> EarlyEffect:
    """By how much the arm's primary will lie above the control's, beside how the index did on the past.

    Parameters
    ----------
    vintages, comparisons, level : as of `measure_validity`.
    arm, control : units by cell as soon as their signals are known.

    Returns
    -------
    Without a prediction where an arm has no unit yet or validity cannot be measured. One that something speaks against is told with that.
    """
    validity = measure_validity(vintages, comparisons, level)
    if validity.refusal:
        return EarlyEffect(prediction=None, validity=validity, words=f"Not predicted: {validity.refusal}.")
    if not sum(arm.units) or not sum(control.units):
        return EarlyEffect(
            prediction=None, validity=validity, words="Not predicted: an arm has no unit whose signals are known."
        )
    prediction = predict_effect(fit_index(vintages), arm, control, level)
    low, high = prediction.interval
    inside = sum(one.is_inside for one in validity.vintages)
    words = (
        f"Predicted difference {prediction.value:+.4g} ({level:.0%} interval {low:+.4g} to {high:+.4g}); "
        f"{inside} of {len(validity.vintages)} past vintages came inside their intervals"
    )
    if validity.comparisons:
        agreed = sum(one.is_inside for one in validity.comparisons)
        words += f", {agreed} of {len(validity.comparisons)} past comparisons"
    else:
        words += "; no past comparison shows whether arms work through these signals alone"
    if validity.faults:
        words += "; do not rely on it: " + "; ".join(validity.faults)
    return EarlyEffect(prediction=prediction, validity=validity, words=words + ".")


def _refuse(vintages: int, bads: float) -> str:
    """Why validity cannot be measured; empty where it can be."""
    if vintages < 2 * VINTAGES_FIT_MIN:
        return f"{vintages} ripe vintages, and {2 * VINTAGES_FIT_MIN} are needed to fit the index on some and test it on others"
    if bads < BADS_MIN:
        return f"{bads:.0f} bads in all ripe vintages, and {BADS_MIN} are needed to see whether signals mean anything"
    return ""


def _count_bads(vintages: Sequence[Cells]) -> float:
    """Kish's effective number of the units that bring something: of shares, the number of bads."""
    squares = sum(sum(vintage.squares) for vintage in vintages)
    total: float = sum(sum(vintage.totals) for vintage in vintages)
    return total**2 / squares if squares else 0.0


def _mean(cells: Cells) -> float:
    units = sum(cells.units)
    return sum(cells.totals) / units if units else 0.0


def _tell_comparisons(
    vintages: Sequence[Cells], comparisons: Sequence[Comparison], level: float
) -> list[SurrogateError]:
    told = []
    for one in comparisons:
        fewest = min(sum(one.arm.units), sum(one.control.units))
        if VINTAGES_FIT_MIN <= one.vintages_known <= len(vintages) and fewest > 0:
            prediction = predict_effect(fit_index(vintages[: one.vintages_known]), one.arm, one.control, level)
            told.append(compare_truth(prediction, _mean(one.arm) - _mean(one.control)))
    return told


def _count_outside(what: str, told: Sequence[SurrogateError], level: float) -> list[str]:
    """A fault where so few inside would be rare if each were inside with the chance `level`."""
    inside = sum(one.is_inside for one in told)
    chance = sum(
        math.comb(len(told), count) * level**count * (1.0 - level) ** (len(told) - count) for count in range(inside + 1)
    )
    if not told or chance >= _CHANCE_MIN:
        return []
    return [f"only {inside} of {len(told)} past {what} came inside their {level:.0%} intervals"]


def _fit_slope(pairs: Sequence[tuple[Floats, Floats, Cells]]) -> Slope | None:
    """Weighted least squares of true on predicted means, over the booked cells of all tested vintages; weights = units / variance within."""
    told, true, weights = [], [], []
    for means, within, vintage in pairs:
        units = np.array(vintage.units, dtype=np.float64)
        seen = (units > 0.0) & (within > 0.0)
        told.append(means[seen])
        true.append(np.array(vintage.totals)[seen] / units[seen])
        weights.append(units[seen] / within[seen])
    x, y, w = np.concatenate(told), np.concatenate(true), np.concatenate(weights)
    if x.size < VINTAGES_FIT_MIN:
        return None
    away = x - float(w @ x) / float(w.sum())
    spread = float(w @ away**2)
    if spread <= 1e-12 * float(w @ x**2):
        return None
    value = float(w @ (away * y)) / spread
    rest = y - float(w @ y) / float(w.sum()) - value * away
    # Cells of one vintage share its weather, so that the rest may be wider than counts alone make it.
    return Slope(value=value, deviation=math.sqrt(max(1.0, float(w @ rest**2) / (x.size - 2)) / spread))


def _correlate(told: Sequence[SurrogateError]) -> float | None:
    predicted, true = np.array([one.predicted for one in told]), np.array([one.truth for one in told])
    if float(np.ptp(predicted)) == 0.0 or float(np.ptp(true)) == 0.0:
        return None
    return float(np.corrcoef(predicted, true)[0, 1])


def _share_signs(told: Sequence[SurrogateError]) -> float | None:
    return sum((one.predicted > 0.0) == (one.truth > 0.0) for one in told) / len(told) if told else None
