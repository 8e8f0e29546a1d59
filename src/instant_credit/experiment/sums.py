"""Frozen sufficient statistics: what is kept of the units of an arm, and the estimates that follow from it. Pure.

A randomised unit u (a person, or a household with all of its applications) brings three figures: its size s (applications counted),
its value y (the metric's total over them) and its covariate x (the total of the champion's pd, which no arm can move). Kept are how many
units there are, the three sums and the six sums of products: ten numbers by arm, metric and segment, which add up over days, so that no
row is read twice.

    mean per application   m = sum(y) / sum(s)
    variance of m          sum((y - m s)^2) / sum(s)^2 * n / (n - 1)          (linearised ratio: exact for s = 1, robust to clusters else)

With a covariate, y - b (x - s c) takes the place of y, where c is the covariate's mean over all arms and b the pooled slope (CUPED,
Deng et al. 2013; regression adjustment of a ratio): the mean difference between arms keeps its expectation and loses variance.
"""

from typing import Self

from msgspec import Struct


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
