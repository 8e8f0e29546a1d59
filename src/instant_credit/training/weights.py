"""Sampling weights: how many of the lender's loans each loan of a sampled book stands for.

Only the ratios of weights mean anything: a fit or a figure is the same whatever the weights add up to. Equal weights are no weights,
so a book that was not sampled takes the unweighted way to the last bit.
"""

import numpy as np
from numpy.typing import NDArray

from instant_credit.errors import require

Floats = NDArray[np.float64]


def relative_weights(weights: Floats | None) -> Floats | None:
    """Weights float64[n] (finite, above 0) with mean 1; None when all are equal."""
    if weights is None or not len(weights):
        return None
    require(bool(np.isfinite(weights).all() and (weights > 0.0).all()), "sampling weights are finite and above 0")
    if bool((weights == weights[0]).all()):
        return None
    return weights / float(weights.mean())


def effective_loans(weights: Floats) -> float:
    """How many equally weighted loans tell as much as those of float64[n] above 0: (sum w)^2 / sum w^2 (Kish 1965, 8.2)."""
    return float(weights.sum()) ** 2 / float(np.square(weights).sum())
