"""Calibration: fits the strictly rising map from raw score to probability of default.

Two numbers, slope and intercept, by maximum likelihood over scores of loans that the scoring model was not fitted on. Targets are
Platt's, a little inside 0 and 1, so that a small and perfectly ordered sample still has a finite answer.

Source: Platt (1999), "Probabilistic outputs for support vector machines"; Lin, Lin and Weng (2007), "A note on Platt's probabilistic
outputs", whose damped Newton steps these are.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from instant_credit.errors import Refused
from instant_credit.score.calibration import Calibration

_STEPS_MAX: Final = 100
_GRADIENT_MAX: Final = 1e-9
_SMALLEST_STEP: Final = 1e-10


def fit_calibration(raw_scores: NDArray[np.float64], labels: NDArray[np.int8]) -> Calibration:
    """Platt's calibration.

    Parameters
    ----------
    raw_scores : float64[n], finite, of loans that the model did not see.
    labels : int8[n], 1 = bad; both kinds must occur.

    Raises
    ------
    Refused : the scores do not rise with risk, so no strictly rising map exists.
    """
    bads = int(labels.sum())
    goods = len(labels) - bads
    if not bads or not goods:
        raise Refused("calibration needs good and bad loans: take more months, or folds")
    targets = np.where(labels == 1, (bads + 1.0) / (bads + 2.0), 1.0 / (goods + 2.0))
    middle = float(raw_scores.mean())
    spread = float(raw_scores.std()) or 1.0
    slope, intercept = _maximise((raw_scores - middle) / spread, targets, float(np.log((bads + 1.0) / (goods + 1.0))))
    if slope <= 0.0:
        raise Refused("calibration: the score does not rise with risk on the loans kept for calibration")
    slope /= spread
    return Calibration(slope=slope, intercept=intercept - slope * middle)


def _maximise(scores: NDArray[np.float64], targets: NDArray[np.float64], intercept: float) -> tuple[float, float]:
    """Slope and intercept of greatest likelihood by Newton's method, halving steps that overshoot."""
    slope = 0.0
    loss = _loss(slope, intercept, scores, targets)
    for _ in range(_STEPS_MAX):
        pds = 1.0 / (1.0 + np.exp(-(intercept + slope * scores)))
        errors = pds - targets
        gradient = np.array([float(errors @ scores), float(errors.sum())])
        if float(np.abs(gradient).max()) <= _GRADIENT_MAX * len(scores):
            break
        weights = pds * (1.0 - pds)
        cross = float(weights @ scores)
        curvature = np.array([[float(weights @ (scores * scores)), cross], [cross, float(weights.sum())]])
        step = np.linalg.solve(curvature + 1e-12 * np.eye(2), gradient)
        size = 1.0
        while size > _SMALLEST_STEP:
            tried = slope - size * float(step[0]), intercept - size * float(step[1])
            tried_loss = _loss(*tried, scores, targets)
            if tried_loss <= loss:
                break
            size /= 2.0
        else:
            break
        (slope, intercept), loss = tried, tried_loss
    return slope, intercept


def _loss(slope: float, intercept: float, scores: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    """Negative log-likelihood, without overflow."""
    odds = intercept + slope * scores
    return float((np.logaddexp(0.0, odds) - targets * odds).sum())
