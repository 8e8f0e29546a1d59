"""Frozen sufficient statistics: what is kept of the units of an arm, and the estimates that follow from it. Pure.

A randomised unit u (a person, or a household with all of its applications) brings three figures: its size s (applications counted),
its value y (the metric's total over them) and its covariate x (the total of the champion's pd, which no arm can move). Kept are how many
units there are, the three sums and the six sums of products: ten numbers by arm, metric and segment, which add up over days, so that no
row is read twice.

    mean per application   m = sum(y) / sum(s)
    variance of m          sum((y - m s)^2) / sum(s)^2 * n / (n - 1)          (linearised ratio: exact for s = 1, robust to clusters else)

With a covariate, y - b (x - s c) takes the place of y, where c is the covariate's mean over all arms and b the pooled slope (CUPED,
Deng et al. 2013; regression adjustment of a ratio): the mean difference between arms keeps its expectation and loses variance.

    b = sum of (y - m s)(x - k s) / sum of (x - k s)^2     over the units of all arms, m and k the arm's own means of y and x
    adjusted mean m - b (k - c), variance as above with y - m s - b (x - k s) in place of y - m s

The adjusted means are for differences between the arms they were adjusted with: c is common to them and falls out. Many looks and
experiments at once go through arrays in the order of the fields (`SUMS_FIELDS`); one of them gives the same bytes as many.
"""

from collections.abc import Sequence
from typing import Final, Self

import numpy as np
from msgspec import Struct
from msgspec.structs import astuple
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Sums(Struct, frozen=True, kw_only=True):
    """Moments of (size s, value y, covariate x) over the ripe units of one arm, in units of the metric (money: cents).

    Adding two of disjoint units gives those of their union.
    """

    units: int = 0
    s: float = 0.0
    y: float = 0.0
    x: float = 0.0
    ss: float = 0.0
    sy: float = 0.0
    sx: float = 0.0
    yy: float = 0.0
    yx: float = 0.0
    xx: float = 0.0

    def __add__(self, other: Self) -> Self:
        """Moments of the union of two disjoint sets of units."""
        return type(self)(
            units=self.units + other.units,
            s=self.s + other.s,
            y=self.y + other.y,
            x=self.x + other.x,
            ss=self.ss + other.ss,
            sy=self.sy + other.sy,
            sx=self.sx + other.sx,
            yy=self.yy + other.yy,
            yx=self.yx + other.yx,
            xx=self.xx + other.xx,
        )


class Estimate(Struct, frozen=True, kw_only=True):
    """A mean per application and the variance of that mean, over `units` ripe units."""

    units: int
    mean: float
    variance: float


SUMS_FIELDS: Final = Sums.__struct_fields__
# A variance needs two.
UNITS_MIN: Final = 2


def estimate(sums: Sums) -> Estimate:
    """Mean per application and its variance; both NaN with fewer than two units or without any application.

    Source: Deng, Knoblich, Lu (2018), "Applying the delta method in metric analytics", section 3 (ratio of sums of independent units).
    """
    _, means, variances = estimate_many(_to_moments((sums,)))
    return Estimate(units=sums.units, mean=float(means[0]), variance=float(variances[0]))


def estimate_adjusted(by_arm: Sequence[Sums]) -> tuple[Estimate, ...]:
    """Means by arm with the covariate's chance imbalance taken out by the pooled slope, for differences between these arms.

    Where the covariate does not vary, or has no value because no arm has two units, the means stay as they are. An arm with fewer than
    two units is NaN and takes no part in the adjustment.

    Source: Deng, Xu, Kohavi, Walker (2013), "Improving the sensitivity of online controlled experiments by utilizing pre-experiment data".
    """
    _, means, variances = adjust_many(_to_moments(by_arm))
    return tuple(
        Estimate(units=sums.units, mean=float(mean), variance=float(variance))
        for sums, mean, variance in zip(by_arm, means, variances, strict=True)
    )


def estimate_many(moments: Floats) -> tuple[Floats, Floats, Floats]:
    """`estimate` of many at once.

    Parameters
    ----------
    moments
        float64[..., 10], in the order of `SUMS_FIELDS`.

    Returns
    -------
    units, means, variances
        float64[...] each; means and variances are NaN where there is no estimate.
    """
    units, s, y, _, ss, sy, _, yy, _, _ = _columns(moments)
    is_known = _is_known(units, s)
    size = np.where(is_known, s, 1.0)
    means = y / size
    squares = yy - 2.0 * means * sy + means * means * ss
    return units, np.where(is_known, means, np.nan), _variances(squares, units, size, is_known)


def adjust_many(moments: Floats) -> tuple[Floats, Floats, Floats]:
    """`estimate_adjusted` of many looks at once.

    Parameters
    ----------
    moments
        float64[..., arms, 10], in the order of `SUMS_FIELDS`. The arms of one look are adjusted together.

    Returns
    -------
    units, means, variances
        float64[..., arms] each; means and variances are NaN where there is no estimate.
    """
    units, s, y, x, ss, sy, sx, yy, yx, xx = _columns(moments)
    is_known = _is_known(units, s)
    size = np.where(is_known, s, 1.0)
    means, covariates = y / size, x / size
    squares = yy - 2.0 * means * sy + means * means * ss
    products = yx - means * sx - covariates * sy + means * covariates * ss
    spreads = np.maximum(xx - 2.0 * covariates * sx + covariates * covariates * ss, 0.0)
    # What rounding leaves of a covariate that does not vary is no spread.
    spreads = np.where(spreads > 1e-12 * xx, spreads, 0.0)
    spread = _over_arms(np.where(is_known, spreads, 0.0))
    slope = np.where(
        spread > 0.0, _over_arms(np.where(is_known, products, 0.0)) / np.where(spread > 0.0, spread, 1.0), 0.0
    )
    sizes = _over_arms(np.where(is_known, s, 0.0))
    centre = _over_arms(np.where(is_known, x, 0.0)) / np.where(sizes > 0.0, sizes, 1.0)
    slope, centre = slope[..., None], centre[..., None]
    adjusted = means - slope * (covariates - centre)
    left = squares - 2.0 * slope * products + slope * slope * spreads
    return units, np.where(is_known, adjusted, np.nan), _variances(left, units, size, is_known)


def _to_moments(sums: Sequence[Sums]) -> Floats:
    """float64[n, 10]."""
    return np.array([astuple(each) for each in sums], dtype=np.float64).reshape(len(sums), len(SUMS_FIELDS))


def _columns(moments: Floats) -> tuple[Floats, ...]:
    return tuple(moments[..., column] for column in range(len(SUMS_FIELDS)))


def _is_known(units: Floats, sizes: Floats) -> NDArray[np.bool_]:
    return (units >= UNITS_MIN) & (sizes > 0.0)


def _variances(squares: Floats, units: Floats, sizes: Floats, is_known: NDArray[np.bool_]) -> Floats:
    """Variance of a mean from its units' squared residuals; rounding below zero is zero."""
    fewer = np.where(is_known, units - 1.0, 1.0)
    return np.where(is_known, np.maximum(squares, 0.0) / (sizes * sizes) * (units / fewer), np.nan)


def _over_arms(by_arm: Floats) -> Floats:
    """float64[...]: the sum over the last axis, in the order of the arms whatever the array's layout."""
    total = np.zeros(by_arm.shape[:-1])
    for arm in range(by_arm.shape[-1]):
        total = total + by_arm[..., arm]
    return total
