"""Population stability: how far the loans of one part differ from those of another in one variable.

    values -> at most ten bins of one size in the base, or the categories; missing apart -> weights by bin -> index

The population stability index is the sum over bins of (later share - base share) x ln(later share / base share). Below 0.10 is
commonly read as stable, from 0.25 on as a shift that calls for action: Siddiqi (2017), "Intelligent Credit Scoring", chapter 14.
These are habits, not tests: two draws from one population differ too, by about (1/n + 1/m) times a chi-square with one degree less
than there are bins (Yurdakul and Naranjo 2020, "Statistical properties of the population stability index"). Its 95% point stands
beside each index as `chance`; an index below it tells nothing.
"""

from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.stats import chi2

from instant_credit.training.intervals import CONFIDENCE

PSI_WATCH: Final = 0.10
PSI_ACT: Final = 0.25
BINS_MAX: Final = 10
# Half a loan a bin, so that an empty bin gives a large index and no infinite one.
_SMOOTHING: Final = 0.5

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


class Psi(Struct, frozen=True, kw_only=True):
    """A population stability index, and what chance alone would stay below 95 times in 100."""

    value: float
    chance: float

    @property
    def is_watched(self) -> bool:
        """From the first threshold on, and more than chance."""
        return self.value >= PSI_WATCH and self.value > self.chance


def cut_bins(values: Floats, is_base: NDArray[np.bool_], categories: int = 0) -> tuple[Codes, int]:
    """Bins of a variable: (int64[n] in [0, k), k); missing (NaN, or a negative category code) is the last one.

    Numbers are cut at the tenths of the base's known values, so bins are of one size there; equal values stay together.
    """
    if categories:
        codes = values.astype(np.int64)
        return np.where(codes < 0, categories, codes), categories + 1
    is_missing = np.isnan(values)
    known = values[is_base & ~is_missing]
    edges = np.empty(0)
    if len(known):
        edges = np.unique(np.quantile(known, np.arange(1, BINS_MAX) / BINS_MAX, method="inverted_cdf"))
        edges = edges[edges < known.max()]
    codes = np.searchsorted(edges, np.where(is_missing, 0.0, values), side="left")
    return np.where(is_missing, len(edges) + 1, codes).astype(np.int64), len(edges) + 2


def measure_psi(base: Floats, later: Floats, base_loans: float, later_loans: float) -> Psi:
    """Index between two counts by bin.

    Parameters
    ----------
    base, later : float64[k], weighted counts; a bin empty in both tells nothing and is left out.
    base_loans, later_loans : effective numbers of loans behind them, above 0.
    """
    is_seen = (base > 0.0) | (later > 0.0)
    if is_seen.sum() < 2:
        return Psi(value=0.0, chance=0.0)
    bins = int(is_seen.sum())
    shares = (base[is_seen] + _SMOOTHING) / (base.sum() + _SMOOTHING * bins)
    later_shares = (later[is_seen] + _SMOOTHING) / (later.sum() + _SMOOTHING * bins)
    value = float((later_shares - shares) @ np.log(later_shares / shares))
    return Psi(value=value, chance=float(chi2.ppf(CONFIDENCE, bins - 1)) * (1.0 / base_loans + 1.0 / later_loans))


def count_weights(bins: Codes, weights: Floats, count: int) -> Floats:
    """Weight float64[count] in each bin; bins int64[n] in [0, count), weights float64[n]."""
    return np.bincount(bins, weights=weights, minlength=count).astype(np.float64)
