"""How well pds match what came, as a line: log-odds of a bad loan = intercept + slope x log-odds of the pd.

A perfect calibration has intercept 0 and slope 1. A slope below 1 says that pds are spread too far apart (the sign of overfitting),
above 1 too close together; with the slope held at 1, an intercept above 0 says that pds are too low on the whole. Intervals are
Wald's with the sandwich variance, which holds under sampling weights too. It replaces Hosmer and Lemeshow's test, whose answer
depends on how the groups are cut and which says neither how wrong nor in which way.

Source: Cox (1958), "Two further applications of a model for binary regression"; Van Calster et al. (2019), "Calibration: the
Achilles heel of predictive analytics"; White (1982) for the variance.
"""

import math
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.training.intervals import NORMAL_POINT, Measured

_STEPS_MAX: Final = 50
_CLOSE: Final = 1e-10

Floats = NDArray[np.float64]


class CalibrationLine(Struct, frozen=True, kw_only=True):
    """Intercept and slope fitted together; `intercept_at_slope_1` alone is how far pds lie too low (above 0) on the whole."""

    intercept: Measured
    slope: Measured
    intercept_at_slope_1: Measured


def measure_calibration(pds: Floats, labels: NDArray[np.int8], weights: Floats | None) -> CalibrationLine | None:
    """The line of float64[n] pds in (0, 1) and int8[n] labels; None where none can be fitted: one pd for all, or a perfect order."""
    log_odds = np.log(pds) - np.log1p(-pds)
    if float(np.ptp(log_odds)) == 0.0:
        return None
    counted = np.ones(len(pds)) if weights is None else weights
    both = _fit(np.column_stack([np.ones(len(pds)), log_odds]), np.zeros(len(pds)), labels, counted)
    alone = _fit(np.ones((len(pds), 1)), log_odds, labels, counted)
    if both is None or alone is None:
        return None
    return CalibrationLine(intercept=both[0], slope=both[1], intercept_at_slope_1=alone[0])


def _fit(columns: Floats, offset: Floats, labels: NDArray[np.int8], weights: Floats) -> list[Measured] | None:
    """Logistic regression of labels on columns float64[n, k] by Newton's steps; None when it does not settle."""
    values = np.zeros(columns.shape[1])
    for _ in range(_STEPS_MAX):
        fitted = 1.0 / (1.0 + np.exp(-np.clip(offset + columns @ values, -500.0, 500.0)))
        bent = columns.T @ (columns * (weights * fitted * (1.0 - fitted))[:, None])
        try:
            step = np.linalg.solve(bent, columns.T @ (weights * (labels - fitted)))
        except np.linalg.LinAlgError:
            return None
        values = values + step
        if not np.isfinite(values).all():
            return None
        if float(np.abs(step).max()) < _CLOSE:
            spread = columns * (weights * (labels - fitted))[:, None]
            inverse = np.linalg.inv(bent)
            errors = np.sqrt(np.diag(inverse @ (spread.T @ spread) @ inverse))
            return [_around(float(value), float(error)) for value, error in zip(values, errors, strict=True)]
    return None


def _around(value: float, error: float) -> Measured:
    half = NORMAL_POINT * error if math.isfinite(error) else math.inf
    return Measured(value=value, low=value - half, high=value + half)
