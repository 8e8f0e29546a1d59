"""Calibration: raw score to probability of default, strictly rising, by one kernel for one row and for many.

pd = 1 / (1 + exp(-(intercept + slope x raw))) with slope > 0, so the order of applicants never changes.
Source: Platt (1999), "Probabilistic outputs for support vector machines".
"""

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import Refused
from instant_credit.score import kernels
from instant_credit.units import PPM, Ppm, ppm_half_even


class Calibration(Struct, frozen=True, kw_only=True):
    """Slope (> 0) and intercept of the log-odds of default over the raw score."""

    slope: float = 1.0
    intercept: float = 0.0

    def __post_init__(self) -> None:
        """A falling or flat calibration would turn or blur the order of risks."""
        if not (math.isfinite(self.slope) and self.slope > 0.0):
            raise Refused("calibration: slope must be finite and above 0")
        if not math.isfinite(self.intercept):
            raise Refused("calibration: intercept must be finite")


def calibrate_log_odds(calibration: Calibration, raw_score: float) -> float:
    """Log-odds of default of one raw score."""
    return calibration.intercept + calibration.slope * raw_score


def estimate_pds(calibration: Calibration, raw_scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of default, float64[n] in [0, 1], of raw scores float64[n] (finite)."""
    pds = np.empty(len(raw_scores))
    kernels.estimate_pds(raw_scores, calibration.slope, calibration.intercept, pds)
    return pds


def pd_to_ppm(pd: float) -> Ppm:
    """A probability of default in parts per million, half to even, never certain: 1 to 999,999."""
    return Ppm(min(max(ppm_half_even(pd), 1), PPM - 1))


def margin_at_pd(calibration: Calibration, pd_ppm: Ppm) -> float:
    """The raw score whose probability of default is `pd_ppm` (1 to 999,999): the inverse of `estimate_pds`."""
    if not 1 <= pd_ppm <= PPM - 1:
        raise Refused("pd_ppm must lie between 1 and 999999")
    return (math.log(pd_ppm / (PPM - pd_ppm)) - calibration.intercept) / calibration.slope
