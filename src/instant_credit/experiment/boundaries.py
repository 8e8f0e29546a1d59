"""Group-sequential boundaries: how far a difference must lie from nought at each planned look. Pure.

    looks reached (share of the planned information) -> error spent by then -> bound of |z| at each look -> repeated intervals
    planned looks, error, power                      -> drift that is found -> inflation over the fixed test

Whoever tests at five looks as if each were the only one raises false alarms in 14 of 100 experiments. Lan and DeMets (1983) spend the error
alpha over the information instead: a rising function says how much may be spent by a share t of it, and each look's bound is what
spends exactly its part, whatever the looks before it brought. Only the information reached enters, so that looks may fall elsewhere
than planned, as long as the differences seen do not decide when.

================  =======================================  ========================================================
spending          error spent by t (two-sided)             character
================  =======================================  ========================================================
O'Brien-Fleming   4 (1 - Phi(z(1 - alpha / 4) / sqrt(t)))  hardly any early; the last bound is nearly the fixed test's
Pocock            alpha ln(1 + (e - 1) t)                  about the same bound at each look; stops early more often
================  =======================================  ========================================================

Over z = (z_1 .. z_k), jointly normal with correlation sqrt(t_i / t_j), the density of those who have not crossed is carried from look to
look by numerical integration (Armitage, McPherson and Rowe 1969; Jennison and Turnbull 2000, chapter 19), here on Gauss-Legendre nodes
between the bounds, which lie densely where the density bends. A drift enters through its likelihood ratio, so that the power at any drift
comes out of the one pass without drift.

Over-running (more information than planned at the last look) spends what is left at the information reached. Under-running (the experiment
ends early for reasons other than its differences) spends all that is left at its last look: `is_last`.
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from statistics import NormalDist
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import Refused
from instant_credit.outcome.chances import normal_upper

LOOKS_MAX: Final = 100
# A look that brings hardly anything new needs ever finer nodes and decides nothing.
GROWTH_MIN: Final = 0.005
# No bound lies further out: chance alone gets there once in 10^15 looks.
BOUND_MAX: Final = 8.0
# Sequential chances above this are told as 1: the bounds need not fall with alpha there, and nobody decides by them.
_CHANCE_MAX: Final = 0.3
_CHANCE_MIN: Final = 1e-9
# Nodes lie at most this many standard deviations of the next step apart; the rule then errs by less than 10^-10.
_SPACING: Final = 0.8
_NODES_MIN: Final = 64
_STEP: Final = 1e-12
_NORMAL: Final = NormalDist()

Floats = NDArray[np.float64]


class Spending(StrEnum):
    """How the error is spent over the information."""

    OBRIEN_FLEMING = "obrien_fleming"
    POCOCK = "pocock"


class Boundaries(Struct, frozen=True, kw_only=True):
    """The bounds of the looks so far: a difference is found at look k when its absolute z reaches ``bounds[k]``.

    Attributes
    ----------
    fractions : information at each look as a share of the planned maximum, rising.
    bounds : bound of the absolute z at each look, at most `BOUND_MAX`.
    spent : two-sided error spent by each look.
    """

    fractions: tuple[float, ...]
    bounds: tuple[float, ...]
    spent: tuple[float, ...]


class Crossing(Struct, frozen=True, kw_only=True):
    """Chances to cross first at each look, upwards and downwards, and the mean information at the end as a share of the planned."""

    up: tuple[float, ...]
    down: tuple[float, ...]
    mean_fraction: float


class _Mass(Struct, frozen=True):
    """Those who have not crossed by a look: nodes z float64[n], chance at each float64[n], and the look's information."""

    nodes: Floats
    chances: Floats
    information: float


def spend_alpha(spending: Spending, alpha: float, fraction: float) -> float:
    """Two-sided error spent by a share of the planned information, at most `alpha`.

    Source
    ------
    Lan and DeMets (1983), "Discrete sequential boundaries for clinical trials", section 3, on each side with alpha / 2.
    """
    if fraction >= 1.0:
        return alpha
    if spending is Spending.POCOCK:
        return alpha * math.log1p((math.e - 1.0) * fraction)
    return 4.0 * normal_upper(_NORMAL.inv_cdf(1.0 - alpha / 4.0) / math.sqrt(fraction))


def find_bounds(fractions: Sequence[float], spending: Spending, alpha: float, *, is_last: bool = False) -> Boundaries:
    """Bounds of the looks so far at the information they reached.

    Parameters
    ----------
    fractions : information at each look as a share of the planned maximum, rising by at least `GROWTH_MIN` of itself; above 1 when
        the last look over-ran.
    spending : how the error is spent.
    alpha : two-sided error of all looks together, in (0, 1).
    is_last : whether the experiment ends at the last of these looks, so that all the error left is spent there.

    Raises
    ------
    Refused : looks that do not rise, too many of them, or a look after all error is spent.
    """
    looks = _check_looks(fractions)
    _check_chance(alpha, "alpha")
    if any(look >= 1.0 for look in looks[:-1]):
        raise Refused("looks: all error is spent once the planned information is reached; take no look after it")
    spent = [spend_alpha(spending, alpha, look) for look in looks]
    if is_last:
        spent[-1] = alpha
    return bound_looks(looks, spent)


def bound_looks(fractions: Sequence[float], spent: Sequence[float]) -> Boundaries:
    """Bounds that spend given two-sided errors, one total by look, never falling, below 1.

    What a look cannot spend below `BOUND_MAX` is left to the next one.

    Raises
    ------
    Refused : looks that do not rise or errors that fall or leave [0, 1).
    """
    looks = _check_looks(fractions)
    if len(spent) != len(looks) or any(not before <= after < 1.0 for before, after in pairwise((0.0, *spent))):
        raise Refused("spent: give the error spent by each look, never falling and below 1")
    nodes = _count_nodes(looks)
    mass: _Mass | None = None
    bounds: list[float] = []
    gone = 0.0
    reached: list[float] = []
    for position, (look, total) in enumerate(zip(looks, spent, strict=True)):
        bound = _solve_bound(mass, look, (total - gone) / 2.0)
        gone += 2.0 * _exceed(mass, look, bound)
        bounds.append(bound)
        reached.append(gone)
        if position + 1 < len(looks):
            mass = _carry(mass, look, bound, nodes)
    return Boundaries(fractions=tuple(looks), bounds=tuple(bounds), spent=tuple(reached))


def cross_chances(boundaries: Boundaries, drift: float) -> Crossing:
    """Chances to cross when the mean of z at the planned information is `drift` (and drift sqrt(t) at a share t of it).

    Source
    ------
    Jennison and Turnbull (2000), "Group Sequential Methods with Applications to Clinical Trials", chapter 19.
    """
    passes = _carry_all(boundaries)
    up = tuple(_drift_up(passes, boundaries, drift))
    down = tuple(_drift_up(passes, boundaries, -drift))
    rest = 1.0 - sum(up) - sum(down)
    ends = sum(look * (a + b) for look, a, b in zip(boundaries.fractions, up, down, strict=True))
    return Crossing(up=up, down=down, mean_fraction=ends + boundaries.fractions[-1] * rest)


def find_drift(boundaries: Boundaries, power: float) -> float:
    """Drift at which a difference is found in its own direction with the chance `power` in (0, 1)."""
    _check_chance(power, "power")
    passes = _carry_all(boundaries)
    low, high = 0.0, BOUND_MAX
    while math.fsum(_drift_up(passes, boundaries, high)) < power:
        low, high = high, 2.0 * high
    while high - low > 1e-10 * high:
        middle = (low + high) / 2.0
        low, high = (middle, high) if math.fsum(_drift_up(passes, boundaries, middle)) < power else (low, middle)
    return high


def inflation(looks: Sequence[float], spending: Spending, alpha: float, power: float) -> float:
    """How many times the fixed test's sample the maximal sample of a group-sequential one is, at the same error and power.

    Parameters
    ----------
    looks : planned looks in any unit of information (ripe units, expected defaults), rising; the last is the planned maximum.
    spending, alpha, power : how the error is spent, the two-sided error, and the chance to find the smallest effect.

    Raises
    ------
    Refused : looks that do not rise, or chances outside (0, 1).
    """
    _check_chance(power, "power")
    planned = [look / looks[-1] for look in _check_looks(looks)]
    drift = find_drift(find_bounds(planned, spending, alpha), power)
    fixed = _NORMAL.inv_cdf(1.0 - alpha / 2.0) + _NORMAL.inv_cdf(power)
    return (drift / fixed) ** 2


def repeat_interval(difference: float, variance: float, bound: float) -> tuple[float, float]:
    """Interval of a difference at a look: with the looks' bounds all of them together cover at the rate 1 - alpha.

    Source
    ------
    Jennison and Turnbull (1989), "Interim analyses: the repeated confidence interval approach", section 2.
    """
    half = bound * math.sqrt(variance)
    return difference - half, difference + half


def find_chance(
    scores: Sequence[float], fractions: Sequence[float], spending: Spending, *, is_last: bool = False
) -> float:
    """Sequential p-value: the smallest two-sided alpha whose bounds one of the looks so far has reached.

    It may be read at each planned look and compared across metrics (Holm). Above 0.3 it is told as 1.

    Parameters
    ----------
    scores : z at each look. The others as in `find_bounds`.

    Source
    ------
    Liu and Anderson (2008), "On adaptive extensions of group sequential trials for clinical investigations", section 3.
    """
    if len(scores) != len(fractions):
        raise Refused("scores: give one z for each look")

    def has_crossed(alpha: float) -> bool:
        bounds = find_bounds(fractions, spending, alpha, is_last=is_last).bounds
        return any(abs(score) >= bound for score, bound in zip(scores, bounds, strict=True))

    if not has_crossed(_CHANCE_MAX):
        return 1.0
    low, high = math.log(_CHANCE_MIN), math.log(_CHANCE_MAX)
    if has_crossed(_CHANCE_MIN):
        return _CHANCE_MIN
    while high - low > 1e-6:
        middle = (low + high) / 2.0
        low, high = (low, middle) if has_crossed(math.exp(middle)) else (middle, high)
    return math.exp(high)


def _check_looks(fractions: Sequence[float]) -> list[float]:
    looks = [float(look) for look in fractions]
    if not 1 <= len(looks) <= LOOKS_MAX:
        raise Refused(f"looks: plan 1 to {LOOKS_MAX} of them, not {len(looks)}")
    if not (looks[0] > 0.0 and math.isfinite(looks[-1])):
        raise Refused("looks: information is positive and finite")
    for position, (before, after) in enumerate(pairwise(looks), start=2):
        if not after >= before * (1.0 + GROWTH_MIN):
            raise Refused(
                f"look {position}: wait until it brings at least {GROWTH_MIN:.1%} more than the one before it"
            )
    return looks


def _check_chance(value: float, name: str) -> None:
    if not 0.0 < value < 1.0:
        raise Refused(f"{name}: give a number between 0 and 1, not {value}")


def _count_nodes(looks: Sequence[float]) -> int:
    """Nodes that the smallest step between looks needs, rounded up to a power of two."""
    step = min((math.sqrt((after - before) / before) for before, after in pairwise(looks)), default=1.0)
    wanted = math.pi * BOUND_MAX / (_SPACING * min(step, 1.0))
    return max(_NODES_MIN, 1 << math.ceil(math.log2(wanted)))


@lru_cache(maxsize=16)
def _legendre(count: int) -> tuple[Floats, Floats]:
    """Gauss-Legendre nodes and weights on [-1, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return nodes, weights


def _upper(points: Floats) -> Floats:
    """Chance that a standard normal reaches each point, float64[n]."""
    return np.array([0.5 * math.erfc(point) for point in (points / math.sqrt(2.0)).tolist()])


def _density(mass: _Mass | None, information: float, points: Floats) -> Floats:
    """Density of z at a look, of those who have not crossed before it, at points float64[m]."""
    if mass is None:
        normal: Floats = np.exp(-0.5 * points**2) / math.sqrt(2.0 * math.pi)
        return normal
    step = information - mass.information
    ways = points[:, None] * math.sqrt(information) - mass.nodes[None, :] * math.sqrt(mass.information)
    carried: Floats = np.exp(-0.5 * ways**2 / step) @ mass.chances * math.sqrt(information / step / (2.0 * math.pi))
    return carried


def _exceed(mass: _Mass | None, information: float, bound: float, drift: float = 0.0) -> float:
    """Chance not to have crossed before a look and to lie at `bound` or above at it."""
    if mass is None:
        return normal_upper(bound - drift * math.sqrt(information))
    step = information - mass.information
    ways = bound * math.sqrt(information) - mass.nodes * math.sqrt(mass.information) - drift * step
    likelihoods = np.exp(drift * math.sqrt(mass.information) * mass.nodes - drift**2 * mass.information / 2.0)
    return float((mass.chances * likelihoods) @ _upper(ways / math.sqrt(step)))


def _carry(mass: _Mass | None, information: float, bound: float, count: int) -> _Mass:
    """Those who stay between the bounds of a look."""
    nodes, weights = _legendre(count)
    points = bound * nodes
    return _Mass(points, bound * weights * _density(mass, information, points), information)


def _carry_all(boundaries: Boundaries) -> list[_Mass | None]:
    """For each look those who have not crossed before it; None at the first, where that is everyone."""
    count = _count_nodes(boundaries.fractions)
    passes: list[_Mass | None] = [None]
    for look, bound in zip(boundaries.fractions[:-1], boundaries.bounds[:-1], strict=True):
        passes.append(_carry(passes[-1], look, bound, count))
    return passes


def _drift_up(passes: Sequence[_Mass | None], boundaries: Boundaries, drift: float) -> list[float]:
    return [
        _exceed(mass, look, bound, drift)
        for mass, look, bound in zip(passes, boundaries.fractions, boundaries.bounds, strict=True)
    ]


def _solve_bound(mass: _Mass | None, information: float, wanted: float) -> float:
    """Bound that is exceeded with the chance `wanted`: Newton's step, halved where it leaves the bracket."""
    if wanted <= _exceed(mass, information, BOUND_MAX):
        return BOUND_MAX
    low, high, step = 0.0, BOUND_MAX, BOUND_MAX
    bound = min(max(-_NORMAL.inv_cdf(min(wanted, 0.5)), 0.0), BOUND_MAX) or 1.0
    while abs(step) > _STEP:
        over = _exceed(mass, information, bound) - wanted
        low, high = (bound, high) if over > 0.0 else (low, bound)
        slope = float(_density(mass, information, np.array([bound]))[0])
        following = bound + over / slope if slope > 0.0 else low
        if not low < following < high:
            following = (low + high) / 2.0
        step = following - bound
        bound = following
    return bound
