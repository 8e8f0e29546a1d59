"""How strongly counts speak against "harmless", looked at as often as one likes: e-processes from counts alone. Pure.

An e-process starts at 1 and, whatever the harmless truth, has an expectation of at most 1 at every time, however that time is chosen. So a
harmless arm ever reaches 1 / alpha with a chance of at most alpha (Ville 1939). Nothing here is asymptotic: the bounds hold from the first
unit on, with rare events too.

============  ==========================================  ==========================================================================
form          harmless means                              e-process
============  ==========================================  ==========================================================================
share         each trial hits with chance <= bound        mixture over rates p > bound of (p / bound)^hits ((1 - p) / (1 - bound))^rest
difference    rate of one - rate of other <= bound        mixture over pairs (p, q) with p - q > bound of their likelihood over that of
                                                          the pair (p0, q0) with p0 - q0 = bound which is closest to them
ratio         rate of group >= bound x rate of reference  mixture over all pairs of rates over the largest harmless likelihood
============  ==========================================  ==========================================================================

Share: one factor has the mean r p / b + (1 - r)(1 - p) / (1 - b), which rises with r and is 1 at r = b.

Difference: a unit falls into the one with the known chance w (assignment draws it). With s(p) = (p - p0) / (p0 (1 - p0)), a factor is
1 + s (y - p0), and closeness (the least w KL(p | p0) + (1 - w) KL(q | q0)) means w s(p) = -(1 - w) s(q) = c > 0. The mean of a factor under
rates a, b is then 1 + c (a - b - bound), at most 1 exactly where a - b <= bound; rates may drift, as long as that holds each day.

Ratio: nobody draws the group, so nothing is assumed of its share; the rates are those of a population that stays the same.

A unit that counts as a fraction (the share of its applications) is allowed everywhere: the logarithm is concave, so that the count's form lies
below the factor 1 + s (y - p0), whose mean is the same.

Source: mixtures, Robbins (1970), Howard, Ramdas, McAuliffe and Sekhon (2021); closest pairs, Turner, Ly and Gruenwald (2024), "Generic
E-variables for exact sequential k-sample tests"; ratio, universal inference, Wasserman, Ramdas and Balakrishnan (2020), with Krichevsky and
Trofimov's (1981) mixture.
"""

import math
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from instant_credit.errors import require

Floats = NDArray[np.float64]
Counts = Floats | float

LOG_E_MAX: Final = 700.0
"""The largest logarithm that is still a float; beyond it evidence is told as this."""

# How far above the bound the rates of a mixture lie, in log odds: from what takes months to see to what a day shows.
_STEPS: Final = np.geomspace(0.05, 6.0, 24)
# Rates of the other group, in log odds (0.3% to 98%), and differences beyond the bound. A bet keeps nine tenths of its growth where its level
# is off by 0.3 in log odds, so that a coarse grid costs little.
_LEVELS: Final = np.linspace(-5.8, 4.0, 16)
_EXCESSES: Final = np.geomspace(0.002, 0.5, 10)
_BISECTIONS: Final = 200


def log_e_share(hits: Counts, trials: Counts, bound: float) -> Floats:
    """Logarithm of the evidence that trials hit with more than the chance `bound`.

    Parameters
    ----------
    hits, trials : float64 or arrays of one shape, 0 <= hits <= trials; hits may be fractions.
    bound : in (0, 1).

    Returns
    -------
    float64 of the counts' shape; 0 where there is no trial.
    """
    require(0.0 < bound < 1.0, "the bound of a share lies between 0 and 1")
    k, n = np.asarray(hits, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    gains, losses = _share_bets(bound)
    return _log_mean_exp(k[..., None] * gains + (n - k)[..., None] * losses)


def log_e_difference(
    hits: Counts, units: Counts, other_hits: Counts, other_units: Counts, *, bound: float, share: float
) -> Floats:
    """Logarithm of the evidence that the one's rate exceeds the other's by more than `bound`.

    Parameters
    ----------
    hits, units, other_hits, other_units : float64 or arrays of one shape, 0 <= hits <= units; hits may be fractions.
    bound : difference of rates, in [0, 1).
    share : chance in (0, 1) with which a unit of the two fell into the one.

    Returns
    -------
    float64 of the counts' shape; 0 where there is no unit.
    """
    require(0.0 <= bound < 1.0 and 0.0 < share < 1.0, "a bound is at least 0 and below 1, a share between 0 and 1")
    bets = _difference_bets(bound, share)
    k, n, j, m = (np.asarray(c, dtype=np.float64)[..., None] for c in (hits, units, other_hits, other_units))
    return _log_mean_exp(k * bets[0] + (n - k) * bets[1] + j * bets[2] + (m - j) * bets[3])


def log_e_ratio(hits: Counts, units: Counts, base_hits: Counts, base_units: Counts, bound: float) -> Floats:
    """Logarithm of the evidence that a group's rate is below `bound` times the reference group's.

    Parameters
    ----------
    hits, units, base_hits, base_units : of the group and of the reference; float64 or arrays of one shape, 0 <= hits <= units.
    bound : in (0, 1].

    Returns
    -------
    float64 of the counts' shape; 0 where there is no unit.
    """
    require(0.0 < bound <= 1.0, "the bound of a ratio lies above 0 and is at most 1")
    k, n, j, m = (np.asarray(c, dtype=np.float64) for c in (hits, units, base_hits, base_units))
    told = _log_mixture(k, n) + _log_mixture(j, m)
    free = _log_likelihood(k, n - k, _divide(k, n)) + _log_likelihood(j, m - j, _divide(j, m))
    hit, missed, base_missed = k + j, n - k, m - j
    # The likelihood along rate = bound x base rate has its peak where a quadratic is zero; the smaller root is the rate.
    slope = hit * (1.0 + bound) + bound * missed + base_missed
    root = np.sqrt(np.maximum(slope**2 - 4.0 * bound * (n + m) * hit, 0.0))
    base_rate = _divide(2.0 * hit, slope + root)
    edge = _log_likelihood(k, missed, bound * base_rate) + _log_likelihood(j, base_missed, base_rate)
    is_harmless = k * m >= bound * j * n
    harmless: Floats = np.where(is_harmless, free, np.minimum(edge, free))
    return told - harmless


@lru_cache(maxsize=1024)
def _share_bets(bound: float) -> tuple[Floats, Floats]:
    """What a hit and a miss add to the logarithm, by rate of the mixture."""
    rates = 1.0 / (1.0 + np.exp(-(math.log(bound / (1.0 - bound)) + _STEPS)))
    return np.log(rates / bound), np.log1p(-rates) - math.log1p(-bound)


@lru_cache(maxsize=1024)
def _difference_bets(bound: float, share: float) -> Floats:
    """What a hit and a miss of the one, a hit and a miss of the other add: shape [4, pair of the mixture]."""
    levels = 1.0 / (1.0 + np.exp(-_LEVELS))
    others = np.repeat(levels, _EXCESSES.size)
    rates = others + bound + np.tile(_EXCESSES, levels.size)
    is_rate = rates < 1.0
    if not is_rate.any():
        others, rates = np.array([(1.0 - bound) / 4.0]), np.array([bound + (1.0 - bound) / 2.0])
    else:
        others, rates = others[is_rate], rates[is_rate]

    # The slope of the distance rises from minus to plus infinity along the edge, so halving finds its one zero.
    low, high = np.zeros(rates.size), np.full(rates.size, 1.0 - bound)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        pulls = share * _pull(rates, middle + bound) + (1.0 - share) * _pull(others, middle)
        low, high = np.where(pulls > 0.0, middle, low), np.where(pulls > 0.0, high, middle)
    edges = (low + high) / 2.0

    # The two bets are tied exactly, so that what halving leaves of error cannot lift a mean above 1.
    tied = share * _pull(rates, edges + bound)
    bets = np.empty((4, rates.size))
    for row, rate, bet in ((0, edges + bound, tied / share), (2, edges, -tied / (1.0 - share))):
        bets[row], bets[row + 1] = np.log1p(bet * (1.0 - rate)), np.log1p(-bet * rate)
    return bets


def _pull(rates: Floats, edges: Floats) -> Floats:
    pulls: Floats = (rates - edges) / (edges * (1.0 - edges))
    return pulls


def _log_mean_exp(logs: Floats) -> Floats:
    """Logarithm of the mean of exp over the last axis."""
    top = logs.max(axis=-1)
    means: Floats = top + np.log(np.exp(logs - top[..., None]).mean(axis=-1))
    return means


def _log_mixture(hits: Floats, units: Floats) -> Floats:
    """Logarithm of the mean likelihood over rates that are distributed as Beta(1/2, 1/2)."""
    gammas = _log_gamma(hits + 0.5) + _log_gamma(units - hits + 0.5) - _log_gamma(units + 1.0)
    mixture: Floats = gammas - math.log(math.pi)
    return mixture


def _log_gamma(values: Floats) -> Floats:
    return np.asarray(_LOG_GAMMA(values), dtype=np.float64)


_LOG_GAMMA: Final = np.frompyfunc(math.lgamma, 1, 1)


def _log_likelihood(hits: Floats, missed: Floats, rates: Floats) -> Floats:
    """Zero times the logarithm of zero is zero."""
    hit_logs = np.log(np.where(hits > 0.0, rates, 1.0))
    missed_logs = np.log1p(-np.where(missed > 0.0, rates, 0.0))
    logs: Floats = hits * hit_logs + missed * missed_logs
    return logs


def _divide(some: Floats, whole: Floats) -> Floats:
    """Some of a whole; 0 of nothing."""
    shares: Floats = some / np.where(whole > 0.0, whole, 1.0)
    return shares
