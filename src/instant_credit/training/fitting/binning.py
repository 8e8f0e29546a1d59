"""Optimal binning: of all ways to put neighbouring fine bins together, the one that tells most, exactly.

    values -> fine bins (up to 40 quantiles by weight; for a category its codes by rising bad rate)
           -> groups of neighbours, at most 10: each with its share of the weight and its number of good and of bad loans, bad rates
              moving as the shape says
           -> the grouping of largest information value

A shape is the directions in which bad rates move, one after the other: (1,) rises, (-1,) falls, (1, -1) rises to a peak and falls,
(-1, 1) falls into a valley and rises; (0,) moves as it likes. Found by a dynamic programme: best[s, k, i, j] is the largest information of
fine bins 0 .. j in k + 1 groups of which the last is i .. j and s says which direction holds at its left; it follows from the groups
h .. i - 1 before it. Nothing is pruned, so the result is the optimum; a tie goes to fewer groups, then to earlier cuts. One group of
all fine bins is always lawful, so a shape never fails to be held.

Source: information value and weight of evidence after Siddiqi (2017), "Intelligent Credit Scoring"; optimal binning as a programme
over groups of neighbours after Navas-Palencia (2020), "Optimal binning: mathematical programming formulation".
"""

from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

BINS_MAX: Final = 10
FINE_BINS_MAX: Final = 40
SHARE_MIN: Final = 0.05
KIND_MIN: Final = 5
# A turn is clear when it tells this share more, and this many times what chance gives to a group more.
TURN_GAIN_MIN: Final = 0.1
TURN_CHANCES_MIN: Final = 10.0
SMOOTHING: Final = 0.5
# Differences of rates and of information below this are rounding.
ROUNDING: Final = 1e-12

Floats = NDArray[np.float64]
Shape = tuple[int, ...]

RISING: Final[Shape] = (1,)
FALLING: Final[Shape] = (-1,)
PEAK: Final[Shape] = (1, -1)
VALLEY: Final[Shape] = (-1, 1)
ANY: Final[Shape] = (0,)


class FineBins(Struct, frozen=True, kw_only=True, eq=False):
    """Neighbouring bins to group, p > 0 of them.

    Attributes
    ----------
    goods, bads : float64[p], weight of good and of bad loans in each.
    good_loans, bad_loans : int64[p], how many they are.
    good_total, bad_total : weight of all good and of all bad loans, those outside these bins too; above 0.
    chance : information that chance alone gives to a group more, one over the number of good loans and one over that of bad ones.
    """

    goods: Floats
    bads: Floats
    good_loans: NDArray[np.int64]
    bad_loans: NDArray[np.int64]
    good_total: float
    bad_total: float
    chance: float = 0.0

    def take(self, rows: NDArray[np.int64] | slice) -> "FineBins":
        """These bins, in this order."""
        return replace(
            self,
            goods=self.goods[rows],
            bads=self.bads[rows],
            good_loans=self.good_loans[rows],
            bad_loans=self.bad_loans[rows],
        )

    def merge(self, places: NDArray[np.int64]) -> "FineBins":
        """Bins put together: int64[p] tells where each goes, from 0."""
        return replace(
            self,
            goods=sum_places(places, self.goods),
            bads=sum_places(places, self.bads),
            good_loans=sum_places(places, self.good_loans).astype(np.int64),
            bad_loans=sum_places(places, self.bad_loans).astype(np.int64),
        )


class Groups(Struct, frozen=True, kw_only=True, eq=False):
    """A grouping.

    Attributes
    ----------
    ends : int64[g], rising, where each group ends: the position after its last fine bin; the last of them is p.
    evidence : float64[g], weight of evidence of each group; it moves as the shape says, to the last bit where the shape never turns.
    information : information value of all groups together.
    """

    ends: NDArray[np.int64]
    evidence: Floats
    information: float


class Limits(Struct, frozen=True, kw_only=True):
    """What a grouping must keep: groups at most, and of each group its share of the bins' weight, its good and its bad loans."""

    groups: int = BINS_MAX
    share: float = SHARE_MIN
    loans: int = KIND_MIN


LIMITS: Final = Limits()


def group_freely(bins: FineBins, limits: Limits = LIMITS) -> Groups:
    """The better of a rising and a falling grouping, or the better of a peak and a valley where the turn is clear.

    Clear is a turn that tells at least a tenth more, and ten times what chance gives to a group more: information of a group that tells
    nothing is chi-squared with one degree of freedom, in units of the chance.
    """
    straight = max((group_bins(bins, shape, limits) for shape in (RISING, FALLING)), key=lambda one: one.information)
    turned = max((group_bins(bins, shape, limits) for shape in (PEAK, VALLEY)), key=lambda one: one.information)
    gain = max(TURN_GAIN_MIN * straight.information, TURN_CHANCES_MIN * bins.chance, ROUNDING)
    return turned if turned.information >= straight.information + gain else straight


def group_bins(bins: FineBins, shape: Shape, limits: Limits = LIMITS) -> Groups:
    """The grouping of largest information value that moves as `shape` says and keeps the limits."""
    good, bad = _sum_spans(bins.goods), _sum_spans(bins.bads)
    value = np.triu(measure_information(good, bad, bins.good_total, bins.bad_total))
    evidence = weigh_evidence(good, bad, bins.good_total, bins.bad_total)
    is_lawful = _is_lawful(bins, good + bad, limits)
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = np.where(good + bad > 0.0, bad / (good + bad), 0.0)
    starts = _find_starts(np.where(is_lawful, value, -np.inf), rates, evidence, shape, limits.groups)
    spans = list(zip(starts, [*starts[1:], len(bins.goods)], strict=True))
    weights = np.array([evidence[start, end - 1] for start, end in spans])
    if len(shape) == 1:
        weights = shape[0] * np.maximum.accumulate(shape[0] * weights) if shape[0] else weights
    return Groups(
        ends=np.array([end for _, end in spans], dtype=np.int64),
        evidence=weights,
        information=float(sum(value[start, end - 1] for start, end in spans)),
    )


def _sum_spans(weights: Floats) -> Floats:
    """Sum of each span of neighbours i .. j, float64[p, p]; below the diagonal nothing that counts."""
    sums = np.concatenate([[0.0], np.cumsum(weights)])
    return np.asarray(sums[None, 1:] - sums[:-1, None], dtype=np.float64)


def _is_lawful(bins: FineBins, weight: Floats, limits: Limits) -> NDArray[np.bool_]:
    """Whether each span may be a group, bool[p, p]; all bins together always may."""
    good, bad = (_sum_spans(loans.astype(np.float64)) for loans in (bins.good_loans, bins.bad_loans))
    total = float(weight[0, -1])
    is_large = weight >= limits.share * total * (1.0 - ROUNDING)
    is_lawful = np.triu(is_large & (good >= limits.loans) & (bad >= limits.loans))
    is_lawful[0, -1] = True
    return is_lawful


def _find_starts(value: Floats, rates: Floats, evidence: Floats, shape: Shape, most: int) -> list[int]:
    """Where each group of the best grouping starts. `value` float64[p, p] of each span is -inf where it may not be a group."""
    p, most, turns = len(value), min(most, len(value)), len(shape)
    best = np.full((turns, most, p, p), -np.inf)
    came_turn, came_start = np.zeros(best.shape, dtype=np.int64), np.zeros(best.shape, dtype=np.int64)
    best[0, 0, 0] = value[0]
    for i in range(1, p):
        # Of groups after the cut at i, by their end j, against groups before it, by their start h: [h, j].
        climb = rates[None, i, i:] - rates[:i, i - 1, None]
        gain = evidence[None, i, i:] - evidence[:i, i - 1, None]
        for s, sign in enumerate(shape):
            is_right = (sign * climb >= -ROUNDING) & (sign * gain >= -ROUNDING)
            sources = best[max(s - 1, 0) : s + 1, : most - 1, :i, i - 1]
            source = sources.max(axis=0)
            found = np.where(is_right, source[:, :, None], -np.inf)
            h = found.argmax(axis=1)
            best[s, 1:, i, i:] = np.take_along_axis(found, h[:, None], axis=1)[:, 0] + value[i, i:]
            came_start[s, 1:, i, i:] = h
            came_turn[s, 1:, i, i:] = max(s - 1, 0) + np.take_along_axis(sources.argmax(axis=0), h, axis=1)
    return _trace_back(best[:, :, :, -1], came_turn, came_start)


def _trace_back(last: Floats, came_turn: NDArray[np.int64], came_start: NDArray[np.int64]) -> list[int]:
    """Starts of the groups, from the last to the first; `last` float64[s, k, i] of groupings that hold all bins."""
    turn, count, start = 0, 0, 0
    for k in range(1, last.shape[1]):
        s, i = np.unravel_index(int(last[:, k].argmax()), last[:, k].shape)
        if last[s, k, i] > last[turn, count, start] + ROUNDING:
            turn, count, start = int(s), k, int(i)
    starts, end = [start], last.shape[2] - 1
    while count > 0:
        at = (turn, count, start, end)
        end = start - 1
        turn, count, start = int(came_turn[at]), count - 1, int(came_start[at])
        starts.append(start)
    return starts[::-1]


def measure_information(good: Floats, bad: Floats, good_total: float, bad_total: float) -> Floats:
    """Each group's part of the information value: (share of bads - share of goods) x weight of evidence; 0 for an empty one."""
    shares = bad / bad_total - good / good_total
    return np.asarray(shares * weigh_evidence(good, bad, good_total, bad_total), dtype=np.float64)


def weigh_evidence(good: Floats, bad: Floats, good_total: float, bad_total: float) -> Floats:
    """Log-odds of default of groups less that of all loans, drawn towards 0 when a group is small; 0 for an empty one."""
    prior = bad_total / (good_total + bad_total)
    bads = np.maximum(bad, 0.0) + 2.0 * SMOOTHING * prior
    goods = np.maximum(good, 0.0) + 2.0 * SMOOTHING * (1.0 - prior)
    return np.asarray(np.log(bads / goods) - np.log(prior / (1.0 - prior)), dtype=np.float64)


def sum_places(places: NDArray[np.int64], amounts: NDArray[np.float64] | NDArray[np.int64], count: int = 0) -> Floats:
    """Sum of the amounts [n] that go to each place, float64[at least count]; places int64[n], from 0."""
    return np.asarray(np.bincount(places, weights=amounts, minlength=count), dtype=np.float64)


def cut_finely(values: NDArray[np.float32], weights: Floats) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Fine bins of values float32[n] without NaN, the quantiles by weight.

    Returns
    -------
    edges : float32[p - 1], rising, each a value that occurs; a bin holds what lies up to its edge, and every bin holds some.
    places : int64[n], the bin of each value.
    """
    if not len(values):
        return np.empty(0, dtype=np.float32), np.empty(0, dtype=np.int64)
    distinct, places = np.unique(values, return_inverse=True)
    reached = np.cumsum(sum_places(places, weights))
    wanted = np.arange(1, FINE_BINS_MAX) / FINE_BINS_MAX * reached[-1]
    cuts = np.unique(np.minimum(np.searchsorted(reached, wanted * (1.0 - ROUNDING)), len(distinct) - 1))
    cuts = cuts[cuts < len(distinct) - 1]
    return distinct[cuts], np.searchsorted(cuts, np.arange(len(distinct)), side="left")[places]
