"""A journey in figures, quarter by quarter: how well it ranked and foresaw, what it approved, lost and earned; learning against frozen. Pure arithmetic.

    Seen ─► quarters, each: AUC, calibration, stability, approval, loss, profit
         ─► the same quarters decided by the frozen first model, paired application by application

Ranking and calibration are measured over every application whose outcome the source tells, declined ones too. Loss and profit are those of what
was offered, an offer counting as taken: of a loan that was never written off the interest of its terms, of one that was the share that was
lost, its interest not counted; less what money costs, as in the gate of profit. Intervals of 95%: AUC by DeLong, differences paired.
"""

import math
from collections.abc import Sequence
from datetime import date

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.factory.timemachine.route import name_quarter
from instant_credit.factory.timemachine.seen import Floats, Seen
from instant_credit.outcome.drift import Psi, count_weights, cut_bins, measure_psi
from instant_credit.training.gates.profit import measure_mean
from instant_credit.training.gates.redeciding import Answers
from instant_credit.training.intervals import (
    NORMAL_POINT,
    Measured,
    measure_auc,
    measure_auc_difference,
    measure_bad_rate,
)
from instant_credit.units import PPM

LAST_QUARTERS = 4

_YEARS_OF_MONTHS = 24.0
# An AUC has a variance from two loans of each kind on; fewer than this tell nothing worth a line.
_KIND_MIN = 5

Rows = NDArray[np.int64]


class Side(Struct, frozen=True, kw_only=True):
    """What one decider did in a quarter; None where too few loans tell, or nothing was offered.

    Attributes
    ----------
    expected_to_observed : mean pd over the bad rate, 1 = as foreseen.
    offered : share of the applications.
    loss_cents, profit_cents : of an application, on average.
    """

    auc: Measured | None
    pd_mean: float | None
    expected_to_observed: float | None
    offered: Measured
    loss_cents: Measured | None
    profit_cents: Measured | None
    profit_total_cents: int


class Difference(Struct, frozen=True, kw_only=True):
    """Learning less frozen, over the same applications: AUC, Brier score (lower is better), share offered, loss and profit of an application in
    cents; None where too few loans tell.
    """

    auc: Measured | None
    brier: Measured | None
    offered: Measured | None
    loss_cents: Measured | None
    profit_cents: Measured | None


class Quarter(Struct, frozen=True, kw_only=True):
    """One quarter of a journey.

    Attributes
    ----------
    releases : that decided, in their order.
    bads, bad_rate : of the applications whose outcome is told.
    psi : of the pd, against all applications of before, both scored by the release that decided last.
    frozen, difference : None before the frozen model was live.
    """

    name: str
    applications: int
    releases: tuple[str, ...]
    labelled: int
    bads: int
    bad_rate: Measured | None
    psi: Psi | None
    learning: Side
    frozen: Side | None
    difference: Difference | None


class LastYear(Struct, frozen=True, kw_only=True):
    """Learning less frozen over the last quarters together: AUC is the mean of the quarters' differences, money is of an application, Brier score
    of one whose outcome is told.
    """

    quarters: tuple[str, ...]
    auc: Measured
    brier: Measured | None
    loss_cents: Measured | None
    profit_cents: Measured | None


def measure_quarters(seen: Seen, cost_ppm: int) -> tuple[Quarter, ...]:
    """Every quarter that somebody applied in.

    Parameters
    ----------
    cost_ppm : what a year of what is outstanding costs, parts per million.
    """
    firsts = np.array([first.toordinal() for first in seen.quarters], dtype=np.int64)
    return tuple(
        _measure_quarter(seen, date.fromordinal(first), np.flatnonzero(firsts == first), cost_ppm)
        for first in sorted(set(firsts.tolist()))
    )


def measure_last_year(seen: Seen, quarters: Sequence[Quarter], cost_ppm: int) -> LastYear | None:
    """The last four quarters of the journey; None where the frozen model, or an AUC, is missing in one of them."""
    last = quarters[-LAST_QUARTERS:]
    differences = [quarter.difference for quarter in last]
    aucs = [one.auc for one in differences if one is not None and one.auc is not None]
    if len(aucs) < LAST_QUARTERS or seen.frozen is None:
        return None
    names = {quarter.name for quarter in last}
    rows = np.array([place for place, first in enumerate(seen.quarters) if name_quarter(first) in names])
    own, frozen = (keep_books(answers, seen, rows, cost_ppm) for answers in (seen.answers, seen.frozen))
    return LastYear(
        quarters=tuple(quarter.name for quarter in last),
        auc=_mean_of(aucs),
        brier=_Pair(seen, seen.frozen, rows).measure_brier(),
        loss_cents=_measure_mean(own.losses - frozen.losses),
        profit_cents=_measure_mean(own.profits - frozen.profits),
    )


class Books(Struct, frozen=True, kw_only=True, eq=False):
    """What each application lost and earned, float64[n] cents."""

    losses: Floats
    profits: Floats


def keep_books(answers: Answers, seen: Seen, rows: Rows, cost_ppm: int) -> Books:
    """Realised loss and profit of the applications at `rows` under some answers."""
    amounts, months = answers.amounts[rows], answers.months[rows]
    losses = seen.truth.lost_shares[rows] * amounts
    interests = np.where(seen.truth.is_lost[rows], 0.0, answers.interests[rows])
    costs = cost_ppm / PPM * amounts * (months + 1.0) / _YEARS_OF_MONTHS
    return Books(losses=losses, profits=interests - losses - costs)


def _measure_quarter(seen: Seen, first: date, rows: Rows, cost_ppm: int) -> Quarter:
    labels = seen.truth.labels[rows]
    is_told = labels >= 0
    told = labels[is_told]
    bads = int(told.sum())
    frozen = None
    if seen.frozen is not None and seen.frozen_from is not None and first >= seen.frozen_from:
        frozen = seen.frozen
    return Quarter(
        name=name_quarter(first),
        applications=len(rows),
        releases=tuple(dict.fromkeys(seen.releases[row] for row in rows.tolist())),
        labelled=int(is_told.sum()),
        bads=bads,
        bad_rate=measure_bad_rate(told) if len(told) else None,
        psi=_measure_stability(seen, rows),
        learning=_measure_side(seen.answers, seen, rows, cost_ppm),
        frozen=None if frozen is None else _measure_side(frozen, seen, rows, cost_ppm),
        difference=None if frozen is None else _measure_difference(seen, frozen, rows, cost_ppm),
    )


def _measure_side(answers: Answers, seen: Seen, rows: Rows, cost_ppm: int) -> Side:
    books = keep_books(answers, seen, rows, cost_ppm)
    pds, labels = _take_told(answers.pds[rows], seen.truth.labels[rows])
    bads = int(labels.sum())
    pd_mean = float(pds.mean()) if len(pds) else None
    return Side(
        auc=measure_auc(pds, labels) if _tells(labels) else None,
        pd_mean=pd_mean,
        expected_to_observed=pd_mean / (bads / len(labels)) if bads and pd_mean is not None else None,
        offered=measure_bad_rate(answers.is_offered[rows].astype(np.int8)),
        loss_cents=_measure_mean(books.losses),
        profit_cents=_measure_mean(books.profits),
        profit_total_cents=round(float(books.profits.sum())),
    )


def _measure_difference(seen: Seen, frozen: Answers, rows: Rows, cost_ppm: int) -> Difference:
    own, other = (keep_books(answers, seen, rows, cost_ppm) for answers in (seen.answers, frozen))
    offers = seen.answers.is_offered[rows].astype(np.float64) - frozen.is_offered[rows].astype(np.float64)
    pair = _Pair(seen, frozen, rows)
    is_told = _tells(pair.labels)
    return Difference(
        auc=measure_auc_difference(pair.pds, pair.frozen_pds, pair.labels) if is_told else None,
        brier=pair.measure_brier() if is_told else None,
        offered=_measure_mean(offers),
        loss_cents=_measure_mean(own.losses - other.losses),
        profit_cents=_measure_mean(own.profits - other.profits),
    )


class _Pair:
    """pds of both over the applications at `rows` that both can score and whose outcome is told, float64[k] and labels int8[k]."""

    def __init__(self, seen: Seen, frozen: Answers, rows: Rows) -> None:
        labels, pds, frozen_pds = seen.truth.labels[rows], seen.answers.pds[rows], frozen.pds[rows]
        is_told = (labels >= 0) & ~np.isnan(pds) & ~np.isnan(frozen_pds)
        self.labels, self.pds, self.frozen_pds = labels[is_told], pds[is_told], frozen_pds[is_told]

    def measure_brier(self) -> Measured | None:
        """Brier score less the frozen one's."""
        gaps = (self.pds - self.labels) ** 2 - (self.frozen_pds - self.labels) ** 2
        return _measure_mean(gaps)


def _measure_stability(seen: Seen, rows: Rows) -> Psi | None:
    """None in the first quarter of a journey that began with no loans."""
    before = seen.former + int(rows.min())
    if not before:
        return None
    pds = seen.scores[seen.releases[int(rows.max())]]
    both = np.concatenate([pds[:before], pds[seen.former + rows]])
    is_base = np.arange(len(both)) < before
    bins, count = cut_bins(both, is_base)
    weights = np.ones(len(both))
    base, later = (count_weights(bins[part], weights[part], count) for part in (is_base, ~is_base))
    return measure_psi(base, later, float(before), float(len(rows)))


def _take_told(pds: Floats, labels: NDArray[np.int8]) -> tuple[Floats, NDArray[np.int8]]:
    """Those that have a score and an outcome."""
    kept = (labels >= 0) & ~np.isnan(pds)
    return pds[kept], labels[kept]


def _measure_mean(values: Floats) -> Measured | None:
    """None of a single one, which tells nothing of how they vary."""
    return measure_mean(values, np.ones(len(values))) if len(values) > 1 else None


def _tells(labels: NDArray[np.int8]) -> bool:
    bads = int(labels.sum())
    return min(bads, len(labels) - bads) >= _KIND_MIN


def _mean_of(measured: Sequence[Measured]) -> Measured:
    """Mean of figures of quarters that share no loan, each counting the same; their normal intervals make its own."""
    value = sum(one.value for one in measured) / len(measured)
    deviations = [(one.high - one.low) / (2.0 * NORMAL_POINT) for one in measured]
    half = NORMAL_POINT * math.sqrt(sum(one * one for one in deviations)) / len(measured)
    return Measured(value=value, low=value - half, high=value + half)
