"""Survival of loans that are not ripe yet: the difference between two arms out of counts by month on book. Pure.

Waiting until every loan's window has passed throws away what the older ones told meanwhile. For month m on book count the units that entered
it without default and whose month is over (at risk), and those that defaulted in it. Both add up over days and cohorts.

    at risk n, defaults d by month -> Kaplan-Meier curve, Greenwood's variance -> difference at a horizon, repeated intervals
                                   -> log-rank statistic and its variance      -> z and information for the boundaries

============  ==========================================================================================================
counted       who is at risk
============  ==========================================================================================================
applications  everyone who was assigned, by months since the assignment; the declined survive all months (`add_survivors`), as does a
              loan repaid early. The curve is one minus the share that defaulted by then, and arms may be compared as assigned.
loans         the booked ones, by months on book. An arm that books others than its rival is no longer compared like with like: beside, not for
              the verdict.
============  ==========================================================================================================

The difference at one horizon and the log-rank statistic both have independent increments over looks in large samples (Jennison and Turnbull
2000, chapters 3.5 and 13), so that the group-sequential boundaries hold for either: the share of information is V / V planned for the
log-rank statistic, with V from `expect_information`, and planned variance / variance for the difference.

Households default together. Their counts by month do not tell how much; the ripe units' moments do. `find_cluster_factor` is the variance of
their share with households as they are over that of independent applications (Kish's design effect), and multiplies the variances here.
"""

import math
from itertools import zip_longest
from typing import Final, Self

from msgspec import Struct

from instant_credit.errors import Refused
from instant_credit.experiment.sums import Sums

MONTHS_MAX: Final = 120
# Below these the normal law of a difference is a guess: rules of thumb, not tests.
DEFAULTS_MIN: Final = 10
AT_RISK_MIN: Final = 10


class Lives(Struct, frozen=True, kw_only=True):
    """Units of one arm by month on book, the first month first: how many were at risk and how many of them defaulted.

    Adding two of disjoint unit months gives those of both.
    """

    at_risk: tuple[int, ...] = ()
    defaults: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Raise `Refused` unless both have one count for each month and nobody defaults who is not at risk."""
        if len(self.at_risk) != len(self.defaults) or len(self.at_risk) > MONTHS_MAX:
            raise Refused(f"lives: give at_risk and defaults for the same months, at most {MONTHS_MAX}")
        for month, (units, gone) in enumerate(zip(self.at_risk, self.defaults, strict=True), start=1):
            if not 0 <= gone <= units:
                raise Refused(f"lives, month {month}: defaults lie between 0 and those at risk")

    def __add__(self, other: Self) -> Self:
        """Counts of both."""
        return type(self)(at_risk=_add(self.at_risk, other.at_risk), defaults=_add(self.defaults, other.defaults))


class Curve(Struct, frozen=True, kw_only=True):
    """Share of units without default at the end of each month, and Greenwood's variance of that share."""

    survival: tuple[float, ...]
    variances: tuple[float, ...]


class SurvivalDifference(Struct, frozen=True, kw_only=True):
    """Survival of an arm less that of the control at the end of a month on book, both in [0, 1].

    Attributes
    ----------
    horizon_months : the month.
    control, arm : survival by then.
    difference : arm less control; above 0 fewer units of the arm defaulted.
    variance : of the difference, with the clusters' factor; above 0.
    """

    horizon_months: int
    control: float
    arm: float
    difference: float
    variance: float

    @property
    def score(self) -> float:
        """Difference over its standard error: z for the boundaries."""
        return self.difference / math.sqrt(self.variance)


class LogRank(Struct, frozen=True, kw_only=True):
    """Defaults of an arm beside those expected if both arms had one hazard.

    Attributes
    ----------
    observed, expected : defaults of the arm.
    information : variance of observed less expected among independent units (hypergeometric, month by month), above 0; the
        information on the logarithm of the hazard ratio.
    factor : by how much clusters multiply that variance.
    """

    observed: int
    expected: float
    information: float
    factor: float

    @property
    def score(self) -> float:
        """Observed less expected over its standard error: z for the boundaries; above 0 more units of the arm defaulted."""
        return (self.observed - self.expected) / math.sqrt(self.information * self.factor)


def add_survivors(lives: Lives, survivors: tuple[int, ...]) -> Lives:
    """Lives of all applications: those of the loans and the declined, of whom `survivors` by month had been assigned so long."""
    return lives + Lives(at_risk=survivors, defaults=(0,) * len(survivors))


def fit_curve(lives: Lives) -> Curve:
    """Kaplan-Meier curve up to the last month that anyone was at risk in.

    Source
    ------
    Kaplan and Meier (1958), "Nonparametric estimation from incomplete observations"; Greenwood (1926) for the variance. Where
    all at risk defaulted survival and its variance are 0.
    """
    share, total = 1.0, 0.0
    survival: list[float] = []
    variances: list[float] = []
    for units, gone in zip(lives.at_risk, lives.defaults, strict=True):
        if not units:
            break
        share *= (units - gone) / units
        total += gone / (units * (units - gone)) if gone < units else 0.0
        survival.append(share)
        variances.append(share**2 * total)
    return Curve(survival=tuple(survival), variances=tuple(variances))


def compare_survival(
    control: Lives, arm: Lives, horizon_months: int, *, factor: float = 1.0
) -> SurvivalDifference | None:
    """Difference of survival at the end of a month on book; None while there is not enough.

    Parameters
    ----------
    control, arm : counts by month of the two arms.
    horizon_months : month on book, from 1 on.
    factor : by how much clusters multiply the variance, at least 1.

    Returns
    -------
    None where fewer than `AT_RISK_MIN` units of an arm have reached the month or fewer than `DEFAULTS_MIN` of both defaulted by then.
    """
    _check_factor(factor)
    if not 1 <= horizon_months <= MONTHS_MAX:
        raise Refused(f"horizon_months: give a month from 1 to {MONTHS_MAX}, not {horizon_months}")
    both = (_until(control, horizon_months), _until(arm, horizon_months))
    if any(len(lives.at_risk) < horizon_months or min(lives.at_risk) < AT_RISK_MIN for lives in both):
        return None
    if sum(sum(lives.defaults) for lives in both) < DEFAULTS_MIN:
        return None
    curves = [fit_curve(lives) for lives in both]
    variance = factor * math.fsum(curve.variances[-1] for curve in curves)
    if variance == 0.0:
        return None
    ours, theirs = (curve.survival[-1] for curve in curves)
    return SurvivalDifference(
        horizon_months=horizon_months, control=ours, arm=theirs, difference=theirs - ours, variance=variance
    )


def rank_defaults(control: Lives, arm: Lives, *, factor: float = 1.0) -> LogRank | None:
    """Log-rank comparison over all months; None while fewer than `DEFAULTS_MIN` units of both arms defaulted.

    Parameters
    ----------
    control, arm : counts by month of the two arms.
    factor : by how much clusters multiply the variance, at least 1.

    Source
    ------
    Mantel (1966), "Evaluation of survival data and two new rank order statistics arising in its consideration".
    """
    _check_factor(factor)
    expected = information = 0.0
    observed = total = 0
    months = zip(control.at_risk, arm.at_risk, control.defaults, arm.defaults, strict=False)
    for units_control, units_arm, gone_control, gone_arm in months:
        units, gone = units_control + units_arm, gone_control + gone_arm
        if units_control and units_arm:
            share = units_arm / units
            observed += gone_arm
            total += gone
            expected += gone * share
            information += gone * share * (1.0 - share) * (units - gone) / (units - 1)
    if total < DEFAULTS_MIN or information == 0.0:
        return None
    return LogRank(observed=observed, expected=expected, information=information, factor=factor)


def expect_information(defaults: float, control_share: float, arm_share: float) -> float:
    """Information of the log-rank statistic when `defaults` of both arms have come: what planned shares of it are taken of.

    Parameters
    ----------
    defaults : of both arms together.
    control_share, arm_share : of the units assigned, in any one unit, positive.

    Source
    ------
    Schoenfeld (1981), "The asymptotic properties of nonparametric tests for comparing survival distributions".
    """
    if not (defaults > 0.0 and control_share > 0.0 and arm_share > 0.0):
        raise Refused("defaults and shares: give numbers above 0")
    return defaults * control_share * arm_share / (control_share + arm_share) ** 2


def find_cluster_factor(sums: Sums) -> float:
    """By how much units of several applications multiply the variance of a default share; at least 1.

    Parameters
    ----------
    sums : moments of ripe units whose value is their number of defaults: the control's, or those of several arms added.

    Source
    ------
    Kish (1965), "Survey Sampling", chapter 8.2: the design effect, with the linearised variance of a ratio above it.
    """
    if sums.units < 2 or not 0.0 < sums.y < sums.s:
        return 1.0
    mean = sums.y / sums.s
    squares = sums.yy - 2.0 * mean * sums.sy + mean**2 * sums.ss
    clustered = squares / sums.s**2 * sums.units / (sums.units - 1)
    return max(1.0, clustered / (mean * (1.0 - mean) / sums.s))


def _add(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip_longest(first, second, fillvalue=0))


def _until(lives: Lives, months: int) -> Lives:
    return Lives(at_risk=lives.at_risk[:months], defaults=lives.defaults[:months])


def _check_factor(factor: float) -> None:
    if not 1.0 <= factor < math.inf:
        raise Refused(f"factor: clusters multiply the variance by at least 1, not {factor}")
