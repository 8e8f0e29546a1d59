"""Population stability: how far the loans of one part differ from those of another in one variable. Pure.

    values -> at most ten bins of one size in the base, or the categories; missing apart -> weights by bin -> index

The population stability index is the sum over bins of (later share - base share) x ln(later share / base share). Below 0.10 is
commonly read as stable, from 0.25 on as a shift that calls for action: Siddiqi (2017), "Intelligent Credit Scoring", chapter 14.
These are habits, not tests: two draws from one population differ too, by about (1/n + 1/m) times a chi-square with one degree less
than there are bins (Yurdakul and Naranjo 2020, "Statistical properties of the population stability index"). Its 95% point stands
beside each index as `chance`; an index below it tells nothing.

Where counts are whole loans, `homogeneity_chance` says how likely two draws of one population are to differ so much: Pearson's statistic has
the same limit as the index and reaches it with fewer loans, as long as bins that expect few loans are taken together (Cochran 1954).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.outcome.chances import chi_square_point, chi_square_upper, shares_chance

PSI_WATCH: Final = 0.10
PSI_ACT: Final = 0.25
BINS_MAX: Final = 10
# Cochran's rule of thumb for the chi-square's approximation.
EXPECTED_MIN: Final = 5.0
_CONFIDENCE: Final = 0.95
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


def cut_borders(values: Floats) -> Floats:
    """Borders between bins of one size, float64[at most 9], rising: the tenths of the known among float64[n], NaN = missing.

    Equal values stay together; a value that equals a border lies below it.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return np.empty(0)
    edges = np.unique(np.quantile(known, np.arange(1, BINS_MAX) / BINS_MAX, method="inverted_cdf"))
    cut: Floats = edges[edges < known.max()]
    return cut


def find_bins(values: Floats, borders: Floats) -> Codes:
    """Bin of each value by rising borders float64[b]: int64[n] in [0, b + 2); missing (NaN) is the last one."""
    is_missing = np.isnan(values)
    codes = np.searchsorted(borders, np.where(is_missing, 0.0, values), side="left")
    return np.where(is_missing, len(borders) + 1, codes).astype(np.int64)


def find_categories(values: Floats, categories: int) -> Codes:
    """Bin of each category code: int64[n] in [0, categories + 1); missing (a negative code) is the last one."""
    codes = values.astype(np.int64)
    return np.where(codes < 0, categories, codes)


def cut_bins(values: Floats, is_base: NDArray[np.bool_], categories: int = 0) -> tuple[Codes, int]:
    """Bins of a variable: (int64[n] in [0, k), k); missing (NaN, or a negative category code) is the last one.

    Numbers are cut at the tenths of the base's known values, so bins are of one size there; equal values stay together.
    """
    if categories:
        return find_categories(values, categories), categories + 1
    borders = cut_borders(values[is_base])
    return find_bins(values, borders), len(borders) + 2


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
    return Psi(
        value=value, chance=chi_square_point(1.0 - _CONFIDENCE, bins - 1) * (1.0 / base_loans + 1.0 / later_loans)
    )


def expect_psi(base: Sequence[int], later: Sequence[int]) -> float:
    """The index that two draws of one population have on average: (bins - 1) x (1/n + 1/m); counts by bin, both with loans in them.

    Source: Yurdakul and Naranjo (2020), the mean of the index's limiting chi-square.
    """
    bins = sum(1 for one, other in zip(base, later, strict=True) if one or other)
    return max(0, bins - 1) * (1.0 / sum(base) + 1.0 / sum(later))


def homogeneity_chance(base: Sequence[int], later: Sequence[int]) -> float:
    """Chance that two draws of one population differ at least so much by bin; 1 where either holds nothing.

    Parameters
    ----------
    base, later : counts of loans by bin. Bins where either draw expects fewer than `EXPECTED_MIN` count together; two bins that are left
        with fewer are tested exactly.

    Source: Pearson's chi-square for two samples; Cochran (1954), "Some methods for strengthening the common chi-square tests".
    """
    base_total, total = sum(base), sum(later)
    if not base_total or not total:
        return 1.0
    pairs = _pool(list(zip(base, later, strict=True)), min(base_total, total) / (base_total + total))
    if len(pairs) < 2:
        return 1.0
    if len(pairs) == 2:
        return shares_chance(pairs[0][1], total, pairs[0][0], base_total)
    later_share = total / (base_total + total)
    statistic = 0.0
    for one, other in pairs:
        expected = (one + other) * later_share
        statistic += (other - expected) ** 2 / (expected * (1.0 - later_share))
    return chi_square_upper(statistic, len(pairs) - 1)


def _pool(pairs: list[tuple[int, int]], smaller_share: float) -> list[tuple[int, int]]:
    """Bins that expect enough as they are, the others together; what is still too few joins the smallest of the rest."""
    least = EXPECTED_MIN / smaller_share
    kept = sorted((pair for pair in pairs if sum(pair) >= least), key=lambda pair: (sum(pair), pair))
    few = [pair for pair in pairs if 0 < sum(pair) < least]
    pooled = (sum(one for one, _ in few), sum(other for _, other in few))
    together = pooled[0] + pooled[1]
    if together >= least or (len(kept) < 2 and together):
        return [*kept, pooled]
    if together:
        smallest = kept[0]
        return [(smallest[0] + pooled[0], smallest[1] + pooled[1]), *kept[1:]]
    return kept


def count_weights(bins: Codes, weights: Floats, count: int) -> Floats:
    """Weight float64[count] in each bin; bins int64[n] in [0, count), weights float64[n]."""
    return np.bincount(bins, weights=weights, minlength=count).astype(np.float64)
