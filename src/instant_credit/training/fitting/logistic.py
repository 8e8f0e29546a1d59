"""Logistic regression by scikit-learn, pinned so that the same rows give the same coefficients to the last bit.

The solver is Newton's method by Cholesky decomposition: it takes no random start, and it ends where the gradient is nothing, not where
a step got small. The linear algebra below it runs on one thread, because sums over several are added up in an order that depends on
their number.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from instant_credit.errors import require

_GRADIENT_MAX: Final = 1e-9
_STEPS_MAX: Final = 100


def fit_logistic(
    design: NDArray[np.float64], labels: NDArray[np.int8], weights: NDArray[np.float64] | None = None, *, ridge: float
) -> tuple[float, NDArray[np.float64]]:
    """Intercept and coefficients float64[k] of greatest likelihood.

    Parameters
    ----------
    design : float64[n, k], finite; no column is constant when `ridge` is 0.
    labels : int8[n], 0 or 1; both must occur.
    weights : float64[n], above 0; None = 1 each.
    ridge : penalty on half the squared coefficients, never on the intercept; 0 = none.
    """
    model = LogisticRegression(
        C=1.0 / ridge if ridge else np.inf, solver="newton-cholesky", tol=_GRADIENT_MAX, max_iter=_STEPS_MAX
    )
    with threadpool_limits(limits=1):
        model.fit(design, labels, sample_weight=weights)
    require(int(model.n_iter_[0]) < _STEPS_MAX, "a logistic regression found no end")
    return float(model.intercept_[0]), model.coef_[0].astype(np.float64)
