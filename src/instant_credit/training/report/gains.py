"""Gains: what share of the bad loans the riskiest part of the loans holds; and how loans went by points.

The interval of a gain is Wilson's over the bad loans, with the cut-off taken as given: the chance in where the cut-off falls is of
a smaller order.
"""

import math
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.score.points import Scale
from instant_credit.training.intervals import Measured, measure_bad_rate, wilson_interval
from instant_credit.training.weights import effective_loans

GAIN_SHARES: Final = (0.01, 0.05, 0.10, 0.20, 0.30, 0.40, 0.50, 0.75)
BAND_POINTS: Final = 20
_BAND_SHARE_MIN: Final = 0.01
_CURVE_POINTS: Final = 200

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]


class Gain(Struct, frozen=True, kw_only=True):
    """The riskiest `share` of the loans: how many of the bad loans are among them, how that compares with chance, their bad rate."""

    share: float
    caught: Measured
    lift: Measured
    bad_rate: Measured


class Band(Struct, frozen=True, kw_only=True):
    """Loans from `points_from` to `points_to`, both inclusive; the outermost bands are open. `share` and rates are weighted."""

    points_from: int
    points_to: int
    loans: int
    bads: int
    share: float
    pd_mean: float
    bad_rate: Measured


def list_gains(pds: Floats, labels: Labels, weights: Floats | None) -> tuple[Gain, ...]:
    """Gains at fixed shares, the riskiest first; shares too small to hold a loan are left out.

    Parameters
    ----------
    pds : float64[n]; labels : int8[n], both kinds occur; weights : float64[n] with mean 1, None = 1 each.
    """
    order = np.argsort(-pds, kind="stable")
    counted = np.ones(len(pds)) if weights is None else weights
    ends = np.cumsum(counted[order])
    bads = counted * labels
    trials = effective_loans(counted[labels == 1])
    gains = []
    for share in GAIN_SHARES:
        taken = order[: int(np.searchsorted(ends, share * ends[-1], side="right"))]
        if not len(taken):
            continue
        caught = wilson_interval(min(1.0, float(bads[taken].sum() / bads.sum())) * trials, trials)
        real_share = float(counted[taken].sum() / ends[-1])
        gains.append(
            Gain(
                share=share,
                caught=caught,
                lift=Measured(
                    value=caught.value / real_share, low=caught.low / real_share, high=caught.high / real_share
                ),
                bad_rate=measure_bad_rate(labels[taken], None if weights is None else weights[taken]),
            )
        )
    return tuple(gains)


def trace_gains(pds: Floats, labels: Labels, weights: Floats | None) -> tuple[Floats, Floats]:
    """Share of loans (the riskiest first) and share of the bad loans among them, from (0, 0) to (1, 1).

    Parameters
    ----------
    pds : float64[n]; labels : int8[n], both kinds occur; weights : float64[n], None = 1 each.

    Returns
    -------
    Two float64[k] of one length, at most 201, neither of which falls.
    """
    order = np.argsort(-pds, kind="stable")
    counted = (np.ones(len(pds)) if weights is None else weights)[order]
    loans = np.concatenate([[0.0], np.cumsum(counted)])
    bads = np.concatenate([[0.0], np.cumsum(counted * labels[order])])
    kept = np.unique(np.linspace(0, len(pds), _CURVE_POINTS + 1).round().astype(np.int64))
    return loans[kept] / loans[-1], bads[kept] / bads[-1]


def count_points(pds: Floats, scale: Scale) -> NDArray[np.int64]:
    """Points int64[n] of pds float64[n] in (0, 1), as `score.points` gives them one by one."""
    factor = scale.points_to_double / math.log(2.0)
    log_odds = np.log(pds) - np.log1p(-pds)
    exact = scale.points + factor * (-log_odds - math.log(scale.odds))
    return np.rint(np.clip(exact, scale.minimum, scale.maximum)).astype(np.int64)


def list_bands(points: NDArray[np.int64], pds: Floats, labels: Labels, weights: Floats | None) -> tuple[Band, ...]:
    """Loans in bands of 20 points, the safest first; an outermost band holds at least a hundredth of the loans.

    Parameters
    ----------
    points : int64[n]; pds : float64[n]; labels : int8[n]; weights : float64[n], None = 1 each.
    """
    counted = np.ones(len(pds)) if weights is None else weights
    bands = points // BAND_POINTS
    first, last = int(bands.min()), int(bands.max())
    shares = np.bincount(bands - first, weights=counted) / counted.sum()
    low = first + int(np.searchsorted(np.cumsum(shares), _BAND_SHARE_MIN))
    high = last - int(np.searchsorted(np.cumsum(shares[::-1]), _BAND_SHARE_MIN))
    low = min(low, high)
    placed = np.clip(bands, low, high)
    told = []
    for band in range(high, low - 1, -1):
        is_in = placed == band
        if not is_in.any():
            continue
        told.append(
            Band(
                points_from=int(points[is_in].min()) if band == low else band * BAND_POINTS,
                points_to=int(points[is_in].max()) if band == high else (band + 1) * BAND_POINTS - 1,
                loans=int(is_in.sum()),
                bads=int(labels[is_in].sum()),
                share=float(counted[is_in].sum() / counted.sum()),
                pd_mean=float(np.average(pds[is_in], weights=counted[is_in])),
                bad_rate=measure_bad_rate(labels[is_in], None if weights is None else weights[is_in]),
            )
        )
    return tuple(told)
