"""Confidence sequences: intervals for the difference of two arms' means that hold at all looks together. Pure.

    (units, mean, variance of the mean) of control and arm, at any looks -> difference, lower, upper, e-value

The difference d with variance v is, over time, close to a Brownian motion that is seen at its own precision. Mixing its likelihood ratio
against a true difference of delta over a normal gives, with x = PRECISION_AT_MAXIMUM * units / units_max and z = (d - delta) / sqrt(v),

    e(delta) = exp(z^2 x / (2 (1 + x))) / sqrt(1 + x)

which under delta has expectation 1 at every look and exceeds 1 / alpha at any look, whenever looks stop and however often they are made,
with probability at most alpha (Ville). The deltas that stay below are the interval:

    d -+ sqrt(v) * sqrt((1 + 1 / x) * log((1 + x) / alpha^2))

It is narrowest, for its level, around the planned maximum and holds beyond it. Its probability is that of the central limit theorem,
made uniform in time; with few events that is too bright, in two ways that are seen to:

    no interval yet   until each arm's variance is that of EVENTS_MIN events of the highest value, units^2 * variance / value_max^2: a bounded
                      value cannot hide a tail behind so many. Before, the interval is what any two means may differ by, and e is 1
    an event more     each arm's variance of the mean is widened by value_max^2 / units^2, one unit of the highest value, since the rare
                      large values are first absent from mean and variance alike, and an arm without them looks both better and surer

Money has a declared `cents_max`, beyond which a value counts as that: heavy tails are bounded ones. A metric whose losses are small beside
its declared maximum waits longer for its first interval; declaring what can really be lost makes it earlier.

An interval excludes zero exactly where e(0) >= 1 / alpha. The share of both arms stays as planned, so that units measure precision.

Source: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2024), "Time-uniform central limit theory and asymptotic confidence sequences",
theorem 2.2; Robbins (1970), "Statistical methods related to the law of the iterated logarithm" (normal mixture).
"""

from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import require
from instant_credit.experiment.sums import Estimate

Floats = NDArray[np.float64]

# The mixture's precision at the planned maximum, in units of what is then known. From 8 to 20 the sample to 80% power stays within 1.66 and
# 1.68 times a fixed test's (benchmarks, suite `experiments`).
PRECISION_AT_MAXIMUM: Final = 12.0
# Without them and with nothing widened, an arm of a tenth misses in 18% at shares of 2% and in 26% where losses are rare and whole; with
# both in less than 3% (benchmarks, suite `experiments`).
EVENTS_MIN: Final = 5.0
# exp of more is not a float.
_LOG_E_MAX: Final = 700.0


class Rule(Struct, frozen=True, kw_only=True):
    """What a sequence is tuned to, fixed before the first look.

    Attributes
    ----------
    alpha
        Probability, two-sided, with which any of its intervals misses the truth; above 0 and below 1.
    units_max
        Planned units of both arms together.
    value_max
        Highest absolute value of one application in the metric's unit: 1 for shares, `cents_max` for money.
    """

    alpha: float
    units_max: int
    value_max: float

    def __post_init__(self) -> None:
        """A level, a maximum and a bound that exist."""
        require(0.0 < self.alpha < 1.0, "alpha lies above 0 and below 1")
        require(self.units_max >= 1, "units_max is at least 1")
        require(0.0 < self.value_max < float("inf"), "value_max is above 0 and finite")


class Intervals(NamedTuple):
    """Looks at differences, arm less control; float64[...] each, `is_enough` bool[...].

    While it is not enough, `differences` may be NaN, the interval is as wide as the metric allows and `log_e_values` are 0.
    """

    differences: Floats
    lower: Floats
    upper: Floats
    log_e_values: Floats
    is_enough: NDArray[np.bool_]


class Interval(Struct, frozen=True, kw_only=True):
    """One look at a difference, arm less control, in the metric's unit; without enough events the difference is NaN or not to be shown."""

    units: int
    difference: float
    lower: float
    upper: float
    e_value: float
    is_enough: bool

    @property
    def is_different(self) -> bool:
        """Whether zero lies outside."""
        return self.lower > 0.0 or self.upper < 0.0


def read_interval(control: Estimate, arm: Estimate, rule: Rule) -> Interval:
    """The interval at one look, and the e-value against no difference; see `read_intervals`."""
    both = (control, arm)
    units = np.array([each.units for each in both], dtype=np.float64)
    found = read_intervals(
        units, np.array([each.mean for each in both]), np.array([each.variance for each in both]), rule
    )
    return Interval(
        units=control.units + arm.units,
        difference=float(found.differences),
        lower=float(found.lower),
        upper=float(found.upper),
        e_value=float(np.exp(np.minimum(found.log_e_values, _LOG_E_MAX))),
        is_enough=bool(found.is_enough),
    )


def read_intervals(units: Floats, means: Floats, variances: Floats, rule: Rule) -> Intervals:
    """Intervals at many looks of many experiments; each look by itself, so that one gives the same bytes as many.

    Parameters
    ----------
    units
        float64[..., 2], ripe units of control and arm.
    means
        float64[..., 2], in the metric's unit; NaN where there is none.
    variances
        float64[..., 2], of these means; NaN where there is none.
    rule
        Level, planned maximum and bound.

    Returns
    -------
    Intervals
        float64[...] each.

    Source: the module's docstring.
    """
    n, n_arm = units[..., 0], units[..., 1]
    differences = means[..., 1] - means[..., 0]
    enough = _events(n, variances[..., 0], rule) & _events(n_arm, variances[..., 1], rule)
    widened = _widened(n, variances[..., 0], rule) + _widened(n_arm, variances[..., 1], rule)
    variance = np.where(enough, widened, 1.0)
    x = np.where(enough, PRECISION_AT_MAXIMUM * (n + n_arm) / rule.units_max, 1.0)
    away = np.where(enough, differences, 0.0)
    half = np.sqrt(variance * (1.0 + 1.0 / x) * np.log((1.0 + x) / rule.alpha**2))
    log_e = 0.5 * (away * away / variance * (x / (1.0 + x)) - np.log1p(x))
    apart = 2.0 * rule.value_max
    return Intervals(
        differences=differences,
        lower=np.where(enough, away - half, -apart),
        upper=np.where(enough, away + half, apart),
        log_e_values=np.where(enough, log_e, 0.0),
        is_enough=enough,
    )


def e_value(control: Estimate, arm: Estimate, rule: Rule) -> float:
    """Evidence at this look against no difference: expectation at most 1 if there is none, whatever made the looks stop here.

    At 1 / alpha the interval leaves zero. Values at one time may go into `multiplicity.reject_e_bh`; the highest of several looks may not.
    """
    return read_interval(control, arm, rule).e_value


def always_valid_p_values(log_e_values: Floats) -> Floats:
    """float64[..., looks] out of the same: the least p of the looks so far, which holds whenever it is read. Looks are the last axis.

    Source: Johari, Koomen, Pekelis, Walsh (2022), "Always valid inference: continuous monitoring of A/B tests".
    """
    lowest: Floats = np.exp(-np.maximum.accumulate(np.maximum(log_e_values, 0.0), axis=-1))
    return lowest


def intersect(lower: Floats, upper: Floats) -> tuple[Floats, Floats]:
    """What all looks so far leave, float64[..., looks] each, looks as the last axis.

    It covers as the single looks do while the difference is one constant; where the difference moves over time, only the single looks are
    to be shown. An upper end below the lower says that looks contradict each other: with a constant difference at most `alpha` of the time.
    """
    return np.maximum.accumulate(lower, axis=-1), np.minimum.accumulate(upper, axis=-1)


def _events(units: Floats, variances: Floats, rule: Rule) -> NDArray[np.bool_]:
    """Whether an arm's variance is that of enough events; without a variance it is not."""
    enough: NDArray[np.bool_] = np.nan_to_num(variances, nan=0.0) * units * units >= EVENTS_MIN * rule.value_max**2
    return enough


def _widened(units: Floats, variances: Floats, rule: Rule) -> Floats:
    """The variance of a mean with one more unit of the highest value."""
    some = np.maximum(units, 1.0)
    widened: Floats = variances + rule.value_max**2 / (some * some)
    return widened
