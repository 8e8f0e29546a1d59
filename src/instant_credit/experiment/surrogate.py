"""The surrogate index: what the primary will come to, told from early signals by what they meant in past vintages. Pure.

    cell = (signal at 3 months, band of the champion's pd)              a vintage keeps, by cell: units, sum of the primary, sum of its squares
    older vintages  ->  mean of the primary by cell                     thin cells are drawn towards their signal's mean
    arm's units by cell  ->  sum over cells of share x mean             = what its primary will be per application, months before it is known

Right as long as an arm moves the primary through the signals alone (surrogacy) and the signals go on meaning what they meant (comparability;
Athey, Chetty, Imbens and Kang 2019, assumptions 2 and 3). Neither can be seen in the experiment itself, so the index is never told without how it
did: on past vintages (`validity.py`), and on this very experiment once the truth arrives (`compare_truth`).

The variance of a difference between arms adds up, by the delta method, from

    cell means      sum over cells of (difference of shares)^2 x variance of the cell's mean around what it is drawn to
                    + sum over signals of (sum over cells of difference of shares x pull)^2 x variance of the signal's mean
    vintages        (sum over signals of |difference of shares| x deviation of the signal's mean from vintage to vintage)^2: what moves one
                    signal's meaning (the economy) may move all of them together
    shares          each arm's own draw of units: variance of the cell means over its units / units
    (readout only)  each arm's own draw of outcomes: mean of the variances within its cells / units, in place of the shares', which both share

Source: shrinkage, Robbins (1956), variances between groups by the moments of DerSimonian and Laird (1986).
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from statistics import NormalDist
from typing import Final, Self

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import require

Floats = NDArray[np.float64]

PD_BANDS_PPM: Final = (10_000, 20_000, 40_000, 70_000, 100_000, 150_000, 250_000)
"""Lower bounds of the bands of the champion's pd but the first."""

LEVEL: Final = 0.95

# A variance is told as if so many more units had that of the signal (or, for a signal, of the book): few alike outcomes prove no certainty.
_WITHIN_UNITS: Final = 10.0


class Signal(StrEnum):
    """What is known of an application early on. One that was declined or not taken up brings 0 for certain."""

    NOT_BOOKED = "not_booked"
    CLEAN = "clean"
    PAST_DUE = "past_due"
    FIRST_PAYMENT_MISSED = "first_payment_missed"


_SIGNALS: Final = tuple(Signal)
_BANDS: Final = len(PD_BANDS_PPM) + 1
CELLS: Final = len(_SIGNALS) * _BANDS
_SIGNAL_OF_CELL: Final = np.repeat(np.arange(len(_SIGNALS)), _BANDS)
_IS_BOOKED: Final = _SIGNAL_OF_CELL > 0


def cell_of(signal: Signal, pd_ppm: int) -> int:
    """The cell of a unit, 0 .. CELLS - 1.

    Parameters
    ----------
    signal : the worst that is known of it: a first payment that was missed is worse than 30 days past due later on.
    pd_ppm : the champion's, whatever arm the unit is in.
    """
    return _SIGNALS.index(signal) * _BANDS + sum(pd_ppm >= bound for bound in PD_BANDS_PPM)


class Cells(Struct, frozen=True, kw_only=True):
    """Moments of the primary by cell, of one vintage or of one arm; money in cents.

    Attributes
    ----------
    units : by cell.
    totals, squares : sum of the primary and of its squares over them, ripe. All 0 where only the signals are known yet.
    """

    units: tuple[int, ...]
    totals: tuple[float, ...] = (0.0,) * CELLS
    squares: tuple[float, ...] = (0.0,) * CELLS

    def __post_init__(self) -> None:
        """Every cell is there."""
        require(
            len(self.units) == len(self.totals) == len(self.squares) == CELLS and min(self.units) >= 0,
            f"moments are told of each of {CELLS} cells",
        )

    def __add__(self, other: Self) -> Self:
        """Moments of two disjoint sets of units."""
        return type(self)(
            units=tuple(a + b for a, b in zip(self.units, other.units, strict=True)),
            totals=tuple(a + b for a, b in zip(self.totals, other.totals, strict=True)),
            squares=tuple(a + b for a, b in zip(self.squares, other.squares, strict=True)),
        )


class Index(Struct, frozen=True, kw_only=True):
    """What each cell came to in past vintages.

    Attributes
    ----------
    means : by cell: the primary per application.
    variances, pulls : by cell: variance of its mean around what it is drawn to, and the weight in [0, 1] with which it is drawn to its signal's mean.
    within : by cell: variance of the primary among its units.
    signal_variances : by signal: variance of its mean.
    between : by signal: variance of a new vintage's mean around the index, beyond what counts alone bring.
    """

    vintages: int
    means: tuple[float, ...]
    variances: tuple[float, ...]
    pulls: tuple[float, ...]
    within: tuple[float, ...]
    signal_variances: tuple[float, ...]
    between: tuple[float, ...]


class Prediction(Struct, frozen=True, kw_only=True):
    """A figure told by the index.

    Attributes
    ----------
    value : the primary per application, or the difference of two arms.
    deviation, interval : standard error of the expected figure, and its interval.
    readout_deviation, readout_interval : of the figure as these very units will bring it.
    """

    value: float
    deviation: float
    interval: tuple[float, float]
    readout_deviation: float
    readout_interval: tuple[float, float]


class SurrogateError(Struct, frozen=True, kw_only=True):
    """What the index said, beside what came.

    Attributes
    ----------
    predicted, interval : as told early, the interval being that of the readout.
    truth, error : what came, and predicted minus truth.
    """

    predicted: float
    interval: tuple[float, float]
    truth: float
    error: float
    is_inside: bool


def fit_index(vintages: Sequence[Cells]) -> Index:
    """The index of past vintages whose primary is ripe.

    Parameters
    ----------
    vintages : moments by vintage, at least one, with any unit that was booked.

    Returns
    -------
    Means by cell. A cell of n units with mean m is told as (n m + k M) / (n + k), where M is its signal's mean and k the variance among units over
    that among the signal's cells. A signal that was never seen has the mean of all booked units and the variance among them.
    """
    require(len(vintages) > 0, "an index is fitted on past vintages")
    pooled = vintages[0]
    for vintage in vintages[1:]:
        pooled += vintage
    units, totals, squares = _arrays(pooled)
    require(float(units[_IS_BOOKED].sum()) > 0.0, "an index is fitted on units that were booked")
    book_mean, book_within = _moments(units[_IS_BOOKED], totals[_IS_BOOKED], squares[_IS_BOOKED])

    means, variances, pulls, within = (np.zeros(CELLS) for _ in range(4))
    signal_variances = np.zeros(len(_SIGNALS))
    for signal in range(1, len(_SIGNALS)):
        here = signal == _SIGNAL_OF_CELL
        n, total, square = units[here], totals[here], squares[here]
        if n.sum() == 0.0:
            means[here], pulls[here], within[here] = book_mean, 1.0, book_within
            signal_variances[signal] = book_within
            continue
        mean, spread = _moments(n, total, square)
        spread = (n.sum() * spread + _WITHIN_UNITS * book_within) / (n.sum() + _WITHIN_UNITS)
        signal_variances[signal] = spread / n.sum()
        apart = _excess_variance(total[n > 0.0] / n[n > 0.0], spread / n[n > 0.0])
        # Cells that differ by chance alone are told as their whole signal.
        pulls[here] = spread / (spread + n * apart) if spread > 0.0 else 1.0
        means[here] = (1.0 - pulls[here]) * np.divide(total, n, out=np.zeros_like(n), where=n > 0.0) + pulls[
            here
        ] * mean
        within[here] = _shrink_within(n, total, square, means[here], spread)
        variances[here] = np.where(n > 0.0, (1.0 - pulls[here]) * within[here] / np.maximum(n, 1.0), apart)
    between = tuple(_between(vintages, means, within, signal) for signal in range(len(_SIGNALS)))
    return Index(
        vintages=len(vintages),
        means=tuple(means.tolist()),
        variances=tuple(variances.tolist()),
        pulls=tuple(pulls.tolist()),
        within=tuple(within.tolist()),
        signal_variances=tuple(signal_variances.tolist()),
        between=between,
    )


def predict_mean(index: Index, arm: Cells, level: float = LEVEL) -> Prediction:
    """What the primary of these units will be per application."""
    shares = _shares(arm)
    return _predict(index, shares, ((shares, float(sum(arm.units))),), level)


def predict_effect(index: Index, arm: Cells, control: Cells, level: float = LEVEL) -> Prediction:
    """By how much the arm's primary per application will lie above the control's.

    Parameters
    ----------
    arm, control : units by cell, as soon as their signals are known; at least one unit each. Totals are not looked at.
    level : of the intervals, in (0, 1).
    """
    shares, others = _shares(arm), _shares(control)
    draws = ((shares, float(sum(arm.units))), (others, float(sum(control.units))))
    return _predict(index, shares - others, draws, level)


def compare_truth(prediction: Prediction, truth: float) -> SurrogateError:
    """The prediction beside what the same units brought."""
    low, high = prediction.readout_interval
    return SurrogateError(
        predicted=prediction.value,
        interval=prediction.readout_interval,
        truth=truth,
        error=prediction.value - truth,
        is_inside=low <= truth <= high,
    )


def _predict(index: Index, weights: Floats, draws: Sequence[tuple[Floats, float]], level: float) -> Prediction:
    require(0.0 < level < 1.0, "a level lies between 0 and 1")
    means, within = np.array(index.means), np.array(index.within)
    value = float(weights @ means)
    by_signal = np.bincount(_SIGNAL_OF_CELL, weights=weights)
    pulled = np.bincount(_SIGNAL_OF_CELL, weights=weights * np.array(index.pulls))
    known = float(
        weights**2 @ np.array(index.variances)
        + pulled**2 @ np.array(index.signal_variances)
        + (np.abs(by_signal) @ np.sqrt(np.array(index.between))) ** 2
    )
    drawn = sum(float(shares @ means**2 - (shares @ means) ** 2) / units for shares, units in draws)
    brought = sum(float(shares @ within) / units for shares, units in draws)
    deviation, readout = math.sqrt(known + max(drawn, 0.0)), math.sqrt(known + brought)
    reach = NormalDist().inv_cdf((1.0 + level) / 2.0)
    return Prediction(
        value=value,
        deviation=deviation,
        interval=(value - reach * deviation, value + reach * deviation),
        readout_deviation=readout,
        readout_interval=(value - reach * readout, value + reach * readout),
    )


def _arrays(cells: Cells) -> tuple[Floats, Floats, Floats]:
    return np.array(cells.units, dtype=np.float64), np.array(cells.totals), np.array(cells.squares)


def _shares(cells: Cells) -> Floats:
    units = np.array(cells.units, dtype=np.float64)
    require(float(units.sum()) > 0.0, "an arm without units has no signals")
    shares: Floats = units / units.sum()
    return shares


def _moments(units: Floats, totals: Floats, squares: Floats) -> tuple[float, float]:
    """Mean and variance over all units of several cells."""
    n = float(units.sum())
    mean = float(totals.sum()) / n
    return mean, max(float(squares.sum()) / n - mean**2, 0.0)


def _shrink_within(units: Floats, totals: Floats, squares: Floats, means: Floats, spread: float) -> Floats:
    """Variance among units by cell around its told mean; drawn to the signal's."""
    around = np.maximum(squares - 2.0 * means * totals + units * means**2, 0.0)
    shrunk: Floats = (around + _WITHIN_UNITS * spread) / (units + _WITHIN_UNITS)
    return shrunk


def _excess_variance(estimates: Floats, variances: Floats) -> float:
    """Variance among true values, of estimates with known variances; 0 with fewer than two, or where one is certain."""
    if estimates.size < 2 or not (variances > 0.0).all():
        return 0.0
    weights = 1.0 / variances
    mean = float(weights @ estimates) / float(weights.sum())
    surplus = float(weights @ (estimates - mean) ** 2) - (estimates.size - 1)
    return max(0.0, surplus / (float(weights.sum()) - float(weights @ weights) / float(weights.sum())))


def _between(vintages: Sequence[Cells], means: Floats, within: Floats, signal: int) -> float:
    """Variance from vintage to vintage of what a signal's units bring beyond their cells' means."""
    here = (signal == _SIGNAL_OF_CELL) & _IS_BOOKED
    told, noise = [], []
    for vintage in vintages:
        units, totals, _ = _arrays(vintage)
        n = float(units[here].sum())
        if n > 0.0:
            told.append(float((totals[here] - units[here] * means[here]).sum()) / n)
            noise.append(float(units[here] @ within[here]) / n**2)
    if len(told) < 2:
        return 0.0
    # The index holds the mean of these vintages, which is itself one draw of so many; and their variance is told from as few.
    return _excess_variance(np.array(told), np.array(noise)) * (1.0 + 1.0 / len(told)) * _widen(len(told) - 1) ** 2


def _widen(freedom: int) -> float:
    """How much wider Student's t makes a 95% interval than the normal law (Abramowitz and Stegun 1972, 26.7.5)."""
    z = NormalDist().inv_cdf((1.0 + LEVEL) / 2.0)
    first = (z**3 + z) / 4.0
    second = (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / 96.0
    third = (3.0 * z**7 + 19.0 * z**5 + 17.0 * z**3 - 15.0 * z) / 384.0
    return (z + first / freedom + second / freedom**2 + third / freedom**3) / z
