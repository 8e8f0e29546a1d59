"""Calibration: fits the strictly rising map from raw score to probability of default.

Two numbers, slope and intercept, by logistic regression without a penalty over scores of loans that the scoring model was not fitted
on. Targets are Platt's, a little inside 0 and 1, so that a small and perfectly ordered sample still has a finite answer.

Source: Platt (1999), "Probabilistic outputs for support vector machines".
"""

import numpy as np
from numpy.typing import NDArray

from instant_credit.errors import Refused
from instant_credit.score.calibration import Calibration
from instant_credit.training.fitting.logistic import fit_logistic
from instant_credit.training.weights import relative_weights


def fit_calibration(
    raw_scores: NDArray[np.float64], labels: NDArray[np.int8], weights: NDArray[np.float64] | None = None
) -> Calibration:
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
