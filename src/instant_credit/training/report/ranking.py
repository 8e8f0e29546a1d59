"""AUC of many groups of weighted loans, without a bootstrap of each.

DeLong's variance is a sum over loans of the squared distance of each loan's placement from the AUC; with sampling weights each loan's
part counts by its weight (the linearised variance of a ratio of weighted sums). Equal weights give DeLong's interval itself.

Source: DeLong, DeLong and Clarke-Pearson (1988); Särndal, Swensson and Wretman (1992), "Model Assisted Survey Sampling", 5.5.
"""

import math

import numpy as np
from numpy.typing import NDArray

from instant_credit.training.intervals import NORMAL_POINT, Measured, measure_auc
from instant_credit.training.weights import effective_loans

Floats = NDArray[np.float64]


def measure_ranking(scores: Floats, labels: NDArray[np.int8], weights: Floats | None) -> Measured:
    """AUC with its interval.

    Parameters
    ----------
    scores : float64[n]; higher is riskier.
    labels : int8[n], 1 = bad; at least two of either kind.
    weights : float64[n], above 0; None = 1 each.
    """
    if weights is None:
        return measure_auc(scores, labels)
    _, places = np.unique(scores, return_inverse=True)
    is_bad = labels == 1
    bads = np.bincount(places, weights=weights * is_bad)
    goods = np.bincount(places, weights=weights * ~is_bad)
    goods_below = (np.cumsum(goods) - goods / 2.0) / goods.sum()
    bads_above = 1.0 - (np.cumsum(bads) - bads / 2.0) / bads.sum()
    value = float(bads @ goods_below) / float(bads.sum())
    deviation = math.sqrt(
        _variance(goods_below[places[is_bad]] - value, weights[is_bad])
        + _variance(bads_above[places[~is_bad]] - value, weights[~is_bad])
    )
    return Measured(
        value=value, low=max(0.0, value - NORMAL_POINT * deviation), high=min(1.0, value + NORMAL_POINT * deviation)
    )


def _variance(distances: Floats, weights: Floats) -> float:
    """Variance of a weighted mean whose terms lie at `distances` from it."""
    effective = effective_loans(weights)
    return float(((weights * distances) ** 2).sum()) / float(weights.sum()) ** 2 * effective / (effective - 1.0)
