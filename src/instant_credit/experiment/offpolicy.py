"""What a policy that was never run would have brought, told from applications that another policy decided partly by chance. Pure.

    logged (approved?, propensity of what was done, reward) x target's chance to approve -> support -> weights -> three estimates, or why not

A declined application brings 0 for certain, so only approvals are weighted. With b the chance that the lender approved, t the chance that the
target approves, r the reward of an approval, w = t / b of those approved (0 else) and q what a reward model expects of an approval:

==============  ===========================================  ====================================================================
estimator       value per application                        influence of one application on it
==============  ===========================================  ====================================================================
ips             mean(w r)                                    w r - value
snips           mean(t) m, where m = sum(w r) / sum(w)       (t - mean(t)) m + mean(t) w (r - m) / mean(w)
doubly_robust   mean(t q + w (r - q))                        t q + w (r - q) - value
==============  ===========================================  ====================================================================

The law:

- Without support there is no estimate. Where the lender never approved, nothing is known of what an approval brings; a target that approves
  there is refused, and so is one whose approvals by chance are worth fewer than `EFFECTIVE_MIN` of equal weight. That is told from the chances,
  not from who was drawn: else the lucky draws alone would be shown.
- An interval comes from the sum of squared influences, by person where persons applied more than once. Few approvals by chance carry most
  of it and their rewards are skewed, so its quantile is Student's at as many degrees of freedom as the variance's own variance is worth
  (Satterthwaite 1946), and its two ends are moved by the skewness (Hall 1992).
- Weights above `weight_max` are clipped and told; beyond `CLIPPED_SHARE_MAX` of all weight the bias is no longer small, and nothing is said.
- A reward model is fitted on other applications than those it predicts; how wrong it is costs precision and no bias.

Sources: Horvitz and Thompson (1952); Swaminathan and Joachims (2015), "The self-normalized estimator for counterfactual learning"; Dudik, Langford and Li
(2011), "Doubly robust policy evaluation and learning"; effective sample: Kish (1965); Satterthwaite (1946); Hall (1992), "On the removal of
skewness by transformation", equation 3. Quantile of Student's law: Abramowitz and Stegun (1972), 26.7.5.
"""

import math
from enum import StrEnum
from statistics import NormalDist
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import Refused, require
from instant_credit.units import PPM

APPLICATIONS_MAX: Final = 50_000_000
EFFECTIVE_MIN: Final = 50.0
CLIPPED_SHARE_MAX: Final = 0.01
# An exploration of 1% weighs an approval with 100 (`training.selection_bias.PROPENSITY_MIN`).
WEIGHT_MAX: Final = 100.0
# Below so many degrees of freedom the expansion of Student's quantile is no longer exact to a thousandth.
FREEDOM_MIN: Final = 4.0
# A mean of rewards that differ by rounding alone has no interval.
_ROUNDING: Final = 1e-12

Floats = NDArray[np.float64]


class Estimator(StrEnum):
    """How the value is estimated."""

    IPS = "ips"
    SNIPS = "snips"
    DOUBLY_ROBUST = "doubly_robust"


class Logged(Struct, frozen=True, kw_only=True):
    """Applications as they were decided, one place each.

    Attributes
    ----------
    is_approved : bool[n].
    propensities : float64[n], the recorded chance in (0, 1] of what was done: of the approval, or of the decline.
    rewards : float64[n], cents that the application brought; 0 where it was declined.
    persons : int64[n], equal for applications of one person (any codes); None = nobody applied twice.
    """

    is_approved: NDArray[np.bool_]
    propensities: Floats
    rewards: Floats
    persons: NDArray[np.int64] | None = None


class Interval(Struct, frozen=True, kw_only=True):
    """An estimate in cents per application and the ends of its interval."""

    cents: float
    cents_low: float
    cents_high: float


class Estimated(Struct, frozen=True, kw_only=True):
    """What one estimator says: `value` of the target, and `gain` over the policy that decided, on the same applications."""

    estimator: Estimator
    value: Interval
    gain: Interval


class Evaluation(Struct, frozen=True, kw_only=True):
    """What can be said of the target.

    Attributes
    ----------
    applications : how many were decided.
    approval_share : of them, that the target approves.
    unsupported_share : of the target's approvals, those where the lender never approved.
    effective : approvals by chance that were to be expected, as so many of equal weight; infinite where the target needs none.
    clipped : approvals whose weight was clipped; `clipped_share` is what that took of all weight.
    refusals : in words why nothing is estimated.
    estimates : none where `refusals` has any.
    """

    applications: int
    approval_share: float
    unsupported_share: float
    effective: float
    clipped: int
    clipped_share: float
    refusals: tuple[str, ...]
    estimates: tuple[Estimated, ...]

    @property
    def is_supported(self) -> bool:
        """Whether the target has estimates."""
        return not self.refusals


def evaluate_target(
    logged: Logged,
    targets: Floats,
    predictions: Floats | None = None,
    *,
    weight_max: float = WEIGHT_MAX,
    alpha_ppm: int = 50_000,
) -> Evaluation:
    """Estimate what a policy would have brought that approves with other chances.

    Parameters
    ----------
    targets : float64[n], the target's chance in [0, 1] to approve each application, at the terms that an approval had.
    predictions : float64[n], cents that a model expects of each application if it is approved, fitted on other applications; None = there is no
        model, and no doubly robust estimate.
    weight_max : weights above it are clipped.
    alpha_ppm : how often an interval may miss.

    Returns
    -------
    Estimates in cents per application, approved or not; or none, and why.

    Raises
    ------
    Refused : arrays of different lengths, a chance that is none, a reward that is no number, a declined application that brought something.
    """
    _check(logged, targets, predictions)
    if not weight_max >= 1.0 or not 0 < alpha_ppm < PPM:
        raise Refused("weight_max is at least 1, and alpha_ppm lies between 0 and 1,000,000")
    chances = np.where(logged.is_approved, logged.propensities, 1.0 - logged.propensities)
    wanted = float(targets.sum())
    unsupported = float(targets[chances <= 0.0].sum()) / wanted if wanted else 0.0
    full = np.divide(targets, chances, out=np.zeros_like(targets), where=logged.is_approved)
    weights = np.minimum(full, weight_max)
    lost = 1.0 - float(weights.sum()) / float(full.sum()) if full.any() else 0.0
    effective = _count_effective(chances, targets)
    refusals = _refuse(unsupported, effective, lost)
    return Evaluation(
        applications=len(targets),
        approval_share=wanted / len(targets),
        unsupported_share=unsupported,
        effective=effective,
        clipped=int((full > weight_max).sum()),
        clipped_share=lost,
        refusals=refusals,
        estimates=() if refusals else _estimate(logged, targets, weights, predictions, alpha_ppm / PPM),
    )


def _check(logged: Logged, targets: Floats, predictions: Floats | None) -> None:
    """Refuse what is no log."""
    n = len(logged.is_approved)
    if not 2 <= n <= APPLICATIONS_MAX:
        raise Refused(f"{n:,} applications: an evaluation takes 2 to {APPLICATIONS_MAX:,}")
    given = {
        "propensities": logged.propensities,
        "rewards": logged.rewards,
        "persons": logged.persons,
        "targets": targets,
        "predictions": predictions,
    }
    for name, values in given.items():
        if values is not None and values.shape != (n,):
            raise Refused(f"{name}: shape {values.shape} beside {n} applications")
    for name in ("rewards", "predictions"):
        values = given[name]
        if values is not None and not np.isfinite(values).all():
            raise Refused(f"{name}: row {int(np.argmin(np.isfinite(values)))} is no number; leave out what is unknown")
    if not ((logged.propensities > 0.0) & (logged.propensities <= 1.0)).all():
        raise Refused("propensities: the chance of what was done is above 0 and at most 1")
    if not ((targets >= 0.0) & (targets <= 1.0)).all():
        raise Refused("targets: a chance lies between 0 and 1")
    if logged.rewards[~logged.is_approved].any():
        raise Refused("rewards: a declined application brings 0")


def _count_effective(chances: Floats, targets: Floats) -> float:
    """Kish's effective number of the target's approvals by chance, as many as chances promised: who was drawn does not move it."""
    by_chance = (chances > 0.0) & (chances < 1.0) & (targets > 0.0)
    if not by_chance.any():
        return math.inf
    chosen = targets[by_chance]
    return float(chosen.sum()) ** 2 / float((chosen**2 / chances[by_chance]).sum())


def _refuse(unsupported: float, effective: float, lost: float) -> tuple[str, ...]:
    found = []
    if unsupported > 0.0:
        found.append(
            f"{unsupported:.1%} of what the target approves was never approved, so nobody knows what it brings; explore there, or evaluate a "
            "target that declines it"
        )
    if effective < EFFECTIVE_MIN:
        found.append(
            f"what the target approves by chance is worth {effective:.1f} approvals of equal weight, and {EFFECTIVE_MIN:.0f} are needed; explore longer"
        )
    if lost > CLIPPED_SHARE_MAX:
        found.append(
            f"clipping took {lost:.1%} of all weight, and {CLIPPED_SHARE_MAX:.0%} is the most; raise weight_max"
        )
    return tuple(found)


def _estimate(
    logged: Logged, targets: Floats, weights: Floats, predictions: Floats | None, alpha: float
) -> tuple[Estimated, ...]:
    """Every estimator that the log allows."""
    rewards = logged.rewards
    share, weight = float(targets.mean()), float(weights.mean())
    mean = float(weights @ rewards) / (weight * len(rewards)) if weight else 0.0
    brought = weights * rewards
    parts: dict[Estimator, Floats] = {
        Estimator.IPS: brought,
        Estimator.SNIPS: targets * mean + (weights * (rewards - mean) * (share / weight) if weight else 0.0),
    }
    if predictions is not None:
        parts[Estimator.DOUBLY_ROBUST] = targets * predictions + weights * (rewards - predictions)
    return tuple(
        Estimated(
            estimator=estimator,
            value=_find_interval(part, logged.persons, alpha),
            gain=_find_interval(part - rewards, logged.persons, alpha),
        )
        for estimator, part in parts.items()
    )


def _find_interval(parts: Floats, persons: NDArray[np.int64] | None, alpha: float) -> Interval:
    """The mean of what applications bring to an estimate, and its interval.

    Parameters
    ----------
    parts : float64[n], the estimate is their mean, and their distances from it are the influences.
    """
    mean = float(parts.mean())
    influences = parts - mean
    if persons is not None:
        _, codes = np.unique(persons, return_inverse=True)
        influences = np.bincount(codes, weights=influences).astype(np.float64)
    units = len(influences)
    largest = float(np.abs(influences).max())
    if units < 2 or largest <= _ROUNDING * max(1.0, abs(mean)):
        return Interval(cents=mean, cents_low=mean, cents_high=mean)
    # Powers of cents by the million would lose digits.
    influences /= largest
    second = float((influences**2).sum())
    skewness = float((influences**3).sum()) / second**1.5
    spread = float((influences**4).sum()) - second**2 / units
    freedom = min(units - 1.0, 2.0 * second**2 / spread) if spread > 0.0 else units - 1.0
    point = find_student_point(1.0 - alpha / 2.0, max(freedom, FREEDOM_MIN))
    error = largest * math.sqrt(second * units / (units - 1)) / len(parts)
    return Interval(
        cents=mean,
        cents_low=mean - error * _unskew(point, skewness),
        cents_high=mean - error * _unskew(-point, skewness),
    )


def _unskew(point: float, skewness: float) -> float:
    """Where a studentised mean of this skewness (of the sum) lies when its transformation lies at `point`."""
    if abs(skewness) < 1e-6:
        return point
    return 3.0 / skewness * (float(np.cbrt(1.0 + skewness * (point - skewness / 6.0))) - 1.0)


def find_student_point(below: float, freedom: float) -> float:
    """The value that Student's law with `freedom` degrees (at least 4, whole or not) stays below with the chance `below` in (0, 1).

    Exact to 0.001 for `below` from 0.025 to 0.975.
    """
    require(freedom >= FREEDOM_MIN, "Student's quantile is asked for four degrees of freedom at least")
    z = NormalDist().inv_cdf(below)
    square = z * z
    terms = (
        (square + 1.0) / 4.0,
        ((5.0 * square + 16.0) * square + 3.0) / 96.0,
        (((3.0 * square + 19.0) * square + 17.0) * square - 15.0) / 384.0,
        ((((79.0 * square + 776.0) * square + 1482.0) * square - 1920.0) * square - 945.0) / 92160.0,
    )
    return z * (1.0 + sum(term / freedom**power for power, term in enumerate(terms, 1)))
