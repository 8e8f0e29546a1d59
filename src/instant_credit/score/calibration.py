"""Calibration: raw score to probability of default, strictly rising, by one kernel for one row and for many.

pd = 1 / (1 + exp(-(intercept + slope x raw))) with slope > 0, so the order of applicants never changes. A model may have slopes and
intercepts by segment (the codes of one category); within a segment the order of applicants never changes either. Rows without a
code, with an unknown one, or of a segment that has no calibration of its own take the overall one.

Source: Platt (1999), "Probabilistic outputs for support vector machines".
"""

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import Refused, require
from instant_credit.score import kernels
from instant_credit.units import PPM, Ppm, ppm_half_even

_NO_CODES = np.empty(0, dtype=np.float32)


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


class CalibrationTable(Struct, frozen=True, kw_only=True, eq=False):
    """`slopes` and `intercepts` float64[k + 1] by code of the segment variable, the overall ones last; k = 0 without segments."""

    slopes: NDArray[np.float64]
    intercepts: NDArray[np.float64]


def tabulate_calibrations(overall: Calibration, segments: Sequence[Calibration | None] = ()) -> CalibrationTable:
    """The table of a model's calibrations; `segments` by code, None = the overall one."""
    each = [*(one or overall for one in segments), overall]
    table = CalibrationTable(
        slopes=np.array([one.slope for one in each]), intercepts=np.array([one.intercept for one in each])
    )
    table.slopes.flags.writeable = table.intercepts.flags.writeable = False
    return table


def calibrate_log_odds(calibration: Calibration, raw_score: float) -> float:
    """Log-odds of default of one raw score."""
    return calibration.intercept + calibration.slope * raw_score


def calibrate_rows(
    table: CalibrationTable, raw_scores: NDArray[np.float64], codes: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Calibrated log-odds float64[n] and probabilities of default float64[n] in [0, 1].

    Parameters
    ----------
    raw_scores : float64[n], finite.
    codes : float32[n], contiguous, of the segment variable; -1 = missing. Needed exactly when the table has segments.
    """
    n = len(raw_scores)
    if len(table.slopes) > 1:
        require(codes is not None and len(codes) == n, "calibration by segment needs a code for every row")
    out = np.empty((2, n))
    kernels.estimate_pds(
        raw_scores, _NO_CODES if codes is None else codes, table.slopes, table.intercepts, out[0], out[1]
    )
    return out[0], out[1]


def calibrate_matrix(
    table: CalibrationTable, segment_position: int, raw_scores: NDArray[np.float64], matrix: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Calibrated log-odds and probabilities of default as `calibrate_rows` gives them, of rows with these raw scores float64[n].

    Parameters
    ----------
    segment_position : column of the segment variable in `matrix`; -1 without segments.
    matrix : float32[n, m] of the model variables; missing as `score.model.score_rows` says.
    """
    codes = None if segment_position < 0 else np.ascontiguousarray(matrix[:, segment_position])
    return calibrate_rows(table, raw_scores, codes)


def estimate_pds(
    calibration: Calibration | CalibrationTable,
    raw_scores: NDArray[np.float64],
    codes: NDArray[np.float32] | None = None,
) -> NDArray[np.float64]:
    """Probabilities of default, float64[n] in [0, 1]; arguments as in `calibrate_rows`."""
    table = tabulate_calibrations(calibration) if isinstance(calibration, Calibration) else calibration
    return calibrate_rows(table, raw_scores, codes)[1]


def pd_to_ppm(pd: float) -> Ppm:
    """A probability of default in parts per million, half to even, never certain: 1 to 999,999."""
    return Ppm(min(max(ppm_half_even(pd), 1), PPM - 1))


def margin_at_pd(calibration: Calibration, pd_ppm: Ppm) -> float:
    """The raw score whose probability of default is `pd_ppm` (1 to 999,999): the inverse of `estimate_pds`."""
    if not 1 <= pd_ppm <= PPM - 1:
        raise Refused("pd_ppm must lie between 1 and 999999")
    return (math.log(pd_ppm / (PPM - pd_ppm)) - calibration.intercept) / calibration.slope
