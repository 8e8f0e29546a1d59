"""Calibration: fits the strictly rising map from raw score to probability of default, overall and by segment.

*Overall*  Two numbers, slope and intercept, by logistic regression without a penalty over scores of loans that the scoring model was
           not fitted on. Targets are Platt's, a little inside 0 and 1, so that a small and perfectly ordered sample still has a finite
           answer.
*Segment*  The category of one variable. With e the overall calibrated log-odds of a loan and m their mean in the segment,

               log-odds = m + shift + stretch x (e - m),   shift ~ N(0, 0.5^2),   stretch ~ N(1, 0.25^2),

           taken where their posterior is highest: a large segment says for itself how it differs, a small one stays near to all.
           A segment with fewer than 20 good or 20 bad loans keeps the overall calibration; one whose stretch is not above 0 is
           shifted only. So pds rise strictly with the score within every segment.

*Uncertainty*  Errors come from the curvature of the likelihood (of the posterior for a segment); with sampling weights that differ
           from the sandwich of Huber (1967). They take the scores as given.

Source: Platt (1999), "Probabilistic outputs for support vector machines"; Gelman et al. (2013), "Bayesian Data Analysis", 4.1.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from instant_credit.errors import Refused, require
from instant_credit.score.calibration import Calibration, CalibrationTable, tabulate_calibrations
from instant_credit.training.fitting.logistic import fit_logistic
from instant_credit.training.intervals import NORMAL_POINT, Measured
from instant_credit.training.weights import relative_weights

SEGMENT_KIND_MIN: Final = 20
SHIFT_SPREAD: Final = 0.5
STRETCH_SPREAD: Final = 0.25
REFERENCE_SHARES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)

_STEPS_MAX: Final = 50
_STEP_MIN: Final = 1e-12

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]


class ReferencePoint(Struct, frozen=True, kw_only=True):
    """The pd of the loan below whose score this share of the loans lies, with its 95% interval."""

    share: float
    raw: float
    pd: Measured


class CalibrationFit(Struct, frozen=True, kw_only=True):
    """A calibration and how sure it is.

    Attributes
    ----------
    name : the segment's category; None = all loans.
    loans, bads : rows that it was fitted on.
    calibration : None = too few loans, the overall one holds.
    slope_error, intercept_error : standard errors.
    shift, stretch : of the segment against all, in log-odds and as a factor; None overall.
    """

    name: str | None
    loans: int
    bads: int
    calibration: Calibration | None
    slope_error: float = 0.0
    intercept_error: float = 0.0
    shift: float | None = None
    stretch: float | None = None
    points: tuple[ReferencePoint, ...] = ()


class Calibrated(Struct, frozen=True, kw_only=True):
    """The overall fit, and those of the segments by code (empty without segments)."""

    overall: CalibrationFit
    segments: tuple[CalibrationFit, ...] = ()

    @property
    def calibration(self) -> Calibration:
        """The overall one."""
        assert self.overall.calibration is not None
        return self.overall.calibration

    @property
    def segment_calibrations(self) -> tuple[Calibration | None, ...]:
        """By code, None = the overall one."""
        return tuple(segment.calibration for segment in self.segments)

    @property
    def table(self) -> CalibrationTable:
        """As the scoring kernel takes it."""
        return tabulate_calibrations(self.calibration, self.segment_calibrations)


def fit_calibrations(
    raw_scores: Floats,
    labels: Labels,
    weights: Floats | None = None,
    *,
    codes: NDArray[np.float32] | None = None,
    names: Sequence[str] = (),
) -> Calibrated:
    """The overall calibration, and one for each segment that is large enough.

    Parameters
    ----------
    raw_scores, labels, weights : as in `fit_calibration`.
    codes : float32[n], each loan's code of the segment variable, -1 = missing; None = no segments.
    names : of the segments, by code.
    """
    relative = relative_weights(weights)
    calibration = fit_calibration(raw_scores, labels, relative)
    # Sums over several threads depend on their number.
    with threadpool_limits(limits=1):
        overall = _describe_overall(calibration, raw_scores, labels, relative)
        segments = []
        for code, name in enumerate(names if codes is not None else ()):
            rows = np.flatnonzero(codes == code)
            part = None if relative is None else relative_weights(relative[rows])
            segments.append(_fit_segment(name, calibration, raw_scores[rows], labels[rows], part))
    return Calibrated(overall=overall, segments=tuple(segments))


def fit_calibration(raw_scores: Floats, labels: Labels, weights: Floats | None = None) -> Calibration:
    """Platt's calibration.

    Parameters
    ----------
    raw_scores : float64[n], finite, of loans that the model did not see.
    labels : int8[n], 1 = bad; both kinds must occur.
    weights : float64[n], above 0, of which only the ratios count; None = 1 each.

    Raises
    ------
    Refused : the scores do not rise with risk, so no strictly rising map exists.
    """
    if not 0 < int(labels.sum()) < len(labels):
        raise Refused("calibration needs good and bad loans: take more months, or folds")
    relative = relative_weights(weights)
    counted = np.ones(len(labels)) if relative is None else relative
    bads = float(counted @ labels)
    goods = float(counted.sum()) - bads
    middle, spread = float(raw_scores.mean()), float(raw_scores.std())
    slope = 0.0
    if spread > 0.0:
        # A target between 0 and 1 is a loan of both kinds, each by its share.
        targets = np.where(labels == 1, (bads + 1.0) / (bads + 2.0), 1.0 / (goods + 2.0))
        scores = ((raw_scores - middle) / spread)[:, None]
        kinds = np.repeat(np.array([1, 0], dtype=np.int8), len(scores))
        shares = np.concatenate([counted * targets, counted * (1.0 - targets)])
        intercept, slopes = fit_logistic(np.vstack([scores, scores]), kinds, shares, ridge=0.0)
        slope = float(slopes[0]) / spread
    if slope <= 0.0:
        raise Refused("calibration: the score does not rise with risk on the loans kept for calibration")
    return Calibration(slope=slope, intercept=intercept - slope * middle)


def _describe_overall(
    calibration: Calibration, raw_scores: Floats, labels: Labels, weights: Floats | None
) -> CalibrationFit:
    """Errors of intercept and slope about the mean score, where the two hardly depend on each other."""
    middle = float(raw_scores.mean())
    design = np.column_stack([np.ones(len(raw_scores)), raw_scores - middle])
    log_odds = calibration.intercept + calibration.slope * raw_scores
    covariance = _estimate_covariance(design, log_odds, labels, weights, np.zeros(2))
    at_zero = np.array([1.0, -middle])
    points = _list_points(raw_scores, calibration, covariance, lambda raw: np.array([1.0, raw - middle]))
    return CalibrationFit(
        name=None,
        loans=len(labels),
        bads=int(labels.sum()),
        calibration=calibration,
        slope_error=math.sqrt(covariance[1, 1]),
        intercept_error=math.sqrt(float(at_zero @ covariance @ at_zero)),
        points=points,
    )


def _fit_segment(
    name: str, overall: Calibration, raw_scores: Floats, labels: Labels, weights: Floats | None
) -> CalibrationFit:
    bads = int(labels.sum())
    if min(bads, len(labels) - bads) < SEGMENT_KIND_MIN:
        return CalibrationFit(name=name, loans=len(labels), bads=bads, calibration=None)
    log_odds = overall.intercept + overall.slope * raw_scores
    middle = float(log_odds.mean())
    design = np.column_stack([np.ones(len(log_odds)), log_odds - middle])
    precision = np.array([SHIFT_SPREAD**-2.0, STRETCH_SPREAD**-2.0])
    shift, stretch = _climb(design, log_odds, labels, weights, precision)
    if stretch <= 0.0:
        precision[1] = np.inf
        shift, stretch = _climb(design, log_odds, labels, weights, precision)
    fitted = middle + shift + stretch * (log_odds - middle)
    covariance = _estimate_covariance(design, fitted, labels, weights, precision)
    calibration = Calibration(
        slope=stretch * overall.slope, intercept=middle + shift + stretch * (overall.intercept - middle)
    )

    def place(raw: float) -> Floats:
        return np.array([1.0, overall.intercept + overall.slope * raw - middle])

    at_zero = place(0.0)
    return CalibrationFit(
        name=name,
        loans=len(labels),
        bads=bads,
        calibration=calibration,
        slope_error=overall.slope * math.sqrt(covariance[1, 1]),
        intercept_error=math.sqrt(float(at_zero @ covariance @ at_zero)),
        shift=shift,
        stretch=stretch,
        points=_list_points(raw_scores, calibration, covariance, place),
    )


def _climb(
    design: Floats, offsets: Floats, labels: Labels, weights: Floats | None, precision: Floats
) -> tuple[float, float]:
    """Shift and stretch of highest posterior, by Newton's method with halved steps; an infinite precision keeps the stretch at 1."""
    counted = np.ones(len(labels)) if weights is None else weights
    is_free = np.isfinite(precision)
    held = np.where(is_free, precision, 0.0)
    moved = np.zeros(2)

    def value(parameters: Floats) -> float:
        log_odds = offsets + design @ parameters
        gains = counted * (labels * log_odds - np.logaddexp(0.0, log_odds))
        return float(gains.sum()) - 0.5 * float(held @ parameters**2)

    best = value(moved)
    for _ in range(_STEPS_MAX):
        pds = 1.0 / (1.0 + np.exp(-(offsets + design @ moved)))
        slope = design.T @ (counted * (labels - pds)) - held * moved
        curvature = (design * (counted * pds * (1.0 - pds))[:, None]).T @ design + np.diag(held)
        step = np.zeros(2)
        step[is_free] = np.linalg.solve(curvature[np.ix_(is_free, is_free)], slope[is_free])
        while (found := value(moved + step)) < best and np.abs(step).max() > _STEP_MIN:
            step /= 2.0
        moved, best = moved + step, found
        if np.abs(step).max() <= _STEP_MIN:
            return float(moved[0]), 1.0 + float(moved[1])
    require(np.abs(step).max() < 1e-6, "a segment's calibration found no end")
    return float(moved[0]), 1.0 + float(moved[1])


def _estimate_covariance(
    design: Floats, log_odds: Floats, labels: Labels, weights: Floats | None, precision: Floats
) -> Floats:
    """Covariance float64[2, 2] of the two coefficients; what has infinite precision is known."""
    pds = 1.0 / (1.0 + np.exp(-log_odds))
    counted = np.ones(len(labels)) if weights is None else weights
    is_free = np.isfinite(precision)
    information = (design * (counted * pds * (1.0 - pds))[:, None]).T @ design
    bread = np.zeros((2, 2))
    place = np.ix_(is_free, is_free)
    bread[place] = np.linalg.inv((information + np.diag(np.where(is_free, precision, 0.0)))[place])
    if weights is None:
        return bread
    scores = design * (counted * (labels - pds))[:, None]
    meat = scores.T @ scores + np.diag(np.where(is_free, precision, 0.0))
    return np.asarray(bread @ meat @ bread, dtype=np.float64)


def _list_points(
    raw_scores: Floats, calibration: Calibration, covariance: Floats, place: Callable[[float], Floats]
) -> tuple[ReferencePoint, ...]:
    points = []
    for share, raw in zip(REFERENCE_SHARES, np.quantile(raw_scores, REFERENCE_SHARES).tolist(), strict=True):
        at = place(raw)
        half = NORMAL_POINT * math.sqrt(float(at @ covariance @ at))
        middle = calibration.intercept + calibration.slope * raw
        low, value, high = (1.0 / (1.0 + math.exp(-one)) for one in (middle - half, middle, middle + half))
        points.append(ReferencePoint(share=share, raw=raw, pd=Measured(value=value, low=low, high=high)))
    return tuple(points)
