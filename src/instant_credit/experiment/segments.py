"""Segments declared beforehand: how far an arm's difference varies between them, each one's shrunk towards what all tell. Pure.

Of twenty segments one differs "significantly" by chance, and the one that differs most is always partly luck. The differences d_j of the k
segments of one attribute come from disjoint units, with variances v_j that are known, and are taken as

    d_j | t_j ~ N(t_j, v_j)        t_j ~ N(m, tau^2)        m, tau: flat priors

so that what is told of segment j is its share of its own difference and of the mean: with tau given, (1 - B_j) d_j + B_j m with
B_j = v_j / (v_j + tau^2). Small segments are pulled most.

    differences, variances -> Cochran's Q: chance that one difference for all brings as much -> tau^2 (Paule-Mandel)
                           -> posterior mean, deviation and interval by segment, averaged over what tau may be

The average over tau (Gelman 2006, "Prior distributions for variance parameters in hierarchical models"; on a grid) takes the place of one
tau put in as if it were known: with that one, the intervals of 95% of 5 to 25 segments whose true spread is half to one of their standard errors
cover 83 to 90%; with the average about 93% and more. It needs three segments; of fewer nothing is learned about their spread, and they are
told as they are. An interval here is right in the mean over the segments of an attribute, which is what a list of them is read for.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import Refused
from instant_credit.outcome.chances import chi_square_upper

SEGMENTS_MAX: Final = 1_000
SHRUNK_MIN: Final = 3
_ALPHA: Final = 0.05
_GRID: Final = 400
# The grid's middle in standard errors of the median segment; half of its nodes lie on either side.
_GRID_MIDDLE: Final = 5.0
_TAU2_PRECISION: Final = 1e-12

Floats = NDArray[np.float64]


class SegmentDifference(Struct, frozen=True, kw_only=True):
    """Difference between an arm and the control within one segment, and the variance of that difference, above 0."""

    segment: str
    difference: float
    variance: float


class ShrunkSegment(Struct, frozen=True, kw_only=True):
    """What is told of one segment's difference.

    Attributes
    ----------
    segment, difference, variance : as given.
    mean, deviation : posterior mean and standard deviation.
    low, high : posterior interval.
    """

    segment: str
    difference: float
    variance: float
    mean: float
    deviation: float
    low: float
    high: float


class Heterogeneity(Struct, frozen=True, kw_only=True):
    """How the segments of one attribute differ.

    Attributes
    ----------
    segments : in the order given.
    mean, deviation : posterior mean and standard deviation of the mean over segments.
    tau2 : variance between segments beyond chance (Paule-Mandel), 0 when chance alone explains theirs.
    q, freedom, chance : Cochran's Q, its degrees of freedom, and how likely one difference for all segments brings as much.
    """

    segments: tuple[ShrunkSegment, ...]
    mean: float
    deviation: float
    tau2: float
    q: float
    freedom: int
    chance: float


def shrink_segments(differences: Sequence[SegmentDifference], *, alpha: float = _ALPHA) -> Heterogeneity:
    """Shrink the differences of an attribute's segments towards their mean.

    Parameters
    ----------
    differences : one for each segment, of disjoint units; leave out a segment that nobody ripe is in.
    alpha : the intervals cover at the rate 1 - alpha in the mean over segments.

    Raises
    ------
    Refused : no segments, too many, two of one name, a variance that is not above 0, or numbers that are not finite.

    Source
    ------
    Gelman et al. (2013), "Bayesian Data Analysis", 3rd edition, section 5.4, equations 5.17 to 5.21; Cochran (1954), "The combination of
    estimates from different experiments"; Paule and Mandel (1982), "Consensus values and weighting factors".
    """
    _check(differences, alpha)
    effects = np.array([each.difference for each in differences])
    variances = np.array([each.variance for each in differences])
    freedom = len(effects) - 1
    q = _spread(effects, variances, 0.0)
    if len(effects) < SHRUNK_MIN:
        weights = 1.0 / variances
        means, deviations = effects, np.sqrt(variances)
        mean, deviation = float(weights @ effects / weights.sum()), 1.0 / math.sqrt(float(weights.sum()))
    else:
        means, deviations, mean, deviation = _average_over_tau(effects, variances)
    point = NormalDist().inv_cdf(1.0 - alpha / 2.0)
    shrunk = tuple(
        ShrunkSegment(
            segment=each.segment,
            difference=each.difference,
            variance=each.variance,
            mean=middle,
            deviation=spread,
            low=middle - point * spread,
            high=middle + point * spread,
        )
        for each, middle, spread in zip(differences, means.tolist(), deviations.tolist(), strict=True)
    )
    return Heterogeneity(
        segments=shrunk,
        mean=mean,
        deviation=deviation,
        tau2=find_tau2(effects, variances),
        q=q,
        freedom=freedom,
        chance=chi_square_upper(q, freedom) if freedom else 1.0,
    )


def find_tau2(effects: Floats, variances: Floats) -> float:
    """Variance between segments at which their weighted spread is what is expected; 0 where none is too much (Paule-Mandel).

    Parameters
    ----------
    effects, variances : float64[k], variances above 0.
    """
    freedom = len(effects) - 1
    if _spread(effects, variances, 0.0) <= freedom:
        return 0.0
    low, high = 0.0, float(variances.max())
    while _spread(effects, variances, high) > freedom:
        low, high = high, 2.0 * high
    while high - low > _TAU2_PRECISION * high:
        middle = (low + high) / 2.0
        low, high = (middle, high) if _spread(effects, variances, middle) > freedom else (low, middle)
    return high


def _spread(effects: Floats, variances: Floats, tau2: float) -> float:
    """Weighted squares around the weighted mean: Cochran's Q at tau2 = 0."""
    weights = 1.0 / (variances + tau2)
    centred = effects - weights @ effects / weights.sum()
    return float(weights @ centred**2)


def _average_over_tau(effects: Floats, variances: Floats) -> tuple[Floats, Floats, float, float]:
    """Posterior means and deviations float64[k] of the segments, then those of their mean; tau by the rows of a grid."""
    places = (np.arange(_GRID) + 0.5) / _GRID
    taus = _GRID_MIDDLE * math.sqrt(float(np.median(variances))) * places / (1.0 - places)
    weights = 1.0 / (variances[None, :] + taus[:, None] ** 2)
    totals = weights.sum(axis=1)
    means = weights @ effects / totals
    squares = (weights * (effects[None, :] - means[:, None]) ** 2).sum(axis=1)
    # The density of tau in steps of the place, which widen by 1 / (1 - place)^2.
    logs = 0.5 * (np.log(weights).sum(axis=1) - np.log(totals) - squares) - 2.0 * np.log1p(-places)
    chances = np.exp(logs - logs.max())
    chances /= chances.sum()
    pulls = variances[None, :] * weights
    given = pulls * means[:, None] + (1.0 - pulls) * effects[None, :]
    given_variances = (1.0 - pulls) * variances[None, :] + pulls**2 / totals[:, None]
    middles = chances @ given
    deviations = np.sqrt(chances @ (given_variances + (given - middles[None, :]) ** 2))
    mean = float(chances @ means)
    return middles, deviations, mean, math.sqrt(float(chances @ (1.0 / totals + (means - mean) ** 2)))


def _check(differences: Sequence[SegmentDifference], alpha: float) -> None:
    if not 1 <= len(differences) <= SEGMENTS_MAX:
        raise Refused(f"segments: give 1 to {SEGMENTS_MAX}, not {len(differences)}")
    if len({each.segment for each in differences}) < len(differences):
        raise Refused("segments: give each one once")
    for each in differences:
        if not (math.isfinite(each.difference) and 0.0 < each.variance < math.inf):
            raise Refused(f"segment {each.segment!r}: give a finite difference and a variance above 0")
    if not 0.0 < alpha < 1.0:
        raise Refused(f"alpha: give a number between 0 and 1, not {alpha}")
