"""Guardrails: whether an arm may go on, in money and in harm, judged from counts as often as one likes. Pure.

=================  ===================================================================  ===========================================
guardrail          an arm is harmless when                                              judged by
=================  ===================================================================  ===========================================
loss_budget        what it reserved, and the largest that may come next, fit            counting cents: no chance in it
early_delinquency  its share of early delinquent units <= the control's + bound         `evidence.log_e_difference`
approval_rate      its share of approved units >= the control's - bound                 the same, of the control over the arm
impact_ratio       each group's approval rate >= bound x the reference group's, in it   `evidence.log_e_ratio`, mean over the groups
error_rate         each application fails with chance <= bound                          `evidence.log_e_share`
latency_p99        each answer is slower than the bound with chance <= 1%               the same
=================  ===================================================================  ===========================================

Money. An approval reserves amount x pd x part lost, rounded up to a cent. The pd is the champion's, never the arm's own, so that an arm that
thinks well of bad loans does not look cheap. Reserved cents only grow; the arm is closed as soon as the next one might not fit.

Errors. A statistical guardrail stops when its e-process reaches 1 / alpha_i. A harmless arm ever gets there with a chance of at most alpha_i
(Ville 1939), at whatever times it is looked at. The alpha_i of one experiment, over its guardrails and its arms beside the control, add up to
`alpha` (weighted Bonferroni), so the chance that any of them ever stops a harmless arm is at most alpha. The mean over groups of e-processes is
an e-process where all groups are harmless, so an impact ratio counts once however many groups there are.

A unit counts once: one that applies several times counts as the share of its applications. So households make no figure look surer than it is.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Self

import numpy as np
from msgspec import UNSET, Struct

from instant_credit.errors import require
from instant_credit.experiment.evidence import LOG_E_MAX, log_e_difference, log_e_ratio, log_e_share
from instant_credit.experiment.plan import Guardrail, GuardrailKind, Plan
from instant_credit.units import PPM, Cents

ALPHA: Final = 0.05
"""The chance that any statistical guardrail of an experiment ever stops a harmless arm."""

# Harm to people and to the book is rarer and slower to see than errors and latency, of which each day brings thousands.
_WEIGHTS: Final = {
    GuardrailKind.EARLY_DELINQUENCY: 2,
    GuardrailKind.APPROVAL_RATE: 2,
    GuardrailKind.IMPACT_RATIO: 2,
    GuardrailKind.ERROR_RATE: 1,
    GuardrailKind.LATENCY_P99: 1,
}
_SLOW_SHARE: Final = 0.01


class Count(Struct, frozen=True, kw_only=True):
    """How many there are, and of how many of them it is so (fractions: a unit's share of its applications)."""

    trials: int = 0
    hits: float = 0.0

    def __post_init__(self) -> None:
        """There are no more hits than trials."""
        require(0.0 <= self.hits <= self.trials, "hits lie between 0 and the trials")

    def __add__(self, other: Self) -> Self:
        """The count of two disjoint sets."""
        return type(self)(trials=self.trials + other.trials, hits=self.hits + other.hits)

    @property
    def rate(self) -> float | None:
        """Hits of the trials; None without trials."""
        return self.hits / self.trials if self.trials else None


class Tally(Struct, frozen=True, kw_only=True):
    """What is known of one arm; counts of days add up.

    Attributes
    ----------
    early : ripe units; early delinquent ones.
    approvals : units; approved ones.
    groups : the same by category of the impact ratio's attribute, of units that told it; every category of the product is there.
    answers : applications that came; failed ones.
    timed : answers with a latency; slower ones than the guardrail's bound (`count_slow`).
    reserved_cents : expected loss reserved by all approvals, on the champion's pd.
    reservation_cents_max : the largest that one approval may reserve.
    """

    early: Count = Count()
    approvals: Count = Count()
    groups: Mapping[str, Count] = {}
    answers: Count = Count()
    timed: Count = Count()
    reserved_cents: Cents = Cents(0)
    reservation_cents_max: Cents = Cents(0)


class Finding(Struct, frozen=True, kw_only=True):
    """What one guardrail says of one arm.

    Attributes
    ----------
    value : loss_budget: cents reserved. early_delinquency, approval_rate: ppm by which the arm lies above, below the control. impact_ratio: the
        lowest group's ratio in ppm. error_rate: ppm that failed. latency_p99: ppm slower than the bound. None: nothing counted yet.
    bound : as planned.
    e_value, e_value_stop : the evidence against harmless, and from where on it stops; None where money is counted.
    words : one sentence for people.
    """

    arm: str
    guardrail: GuardrailKind
    value: float | None
    bound: int
    is_breached: bool
    e_value: float | None = None
    e_value_stop: float | None = None
    words: str


def count_slow(lowers_ns: Sequence[int], counts: Sequence[int], bound_ns: int) -> Count:
    """Answers of a histogram, and those slower than the bound.

    Parameters
    ----------
    lowers_ns, counts : by bucket, its lower edge in nanoseconds and how many answers fell into it. A bucket that the bound divides counts as
        fast, so that no arm is stopped by the histogram's coarseness.
    """
    slow = sum(count for lower, count in zip(lowers_ns, counts, strict=True) if lower >= bound_ns)
    return Count(trials=sum(counts), hits=float(slow))


def split_alpha(plan: Plan, alpha: float = ALPHA) -> dict[GuardrailKind, float]:
    """The part of `alpha` in (0, 1) that each statistical guardrail of the plan has for each arm beside the control; all add up to alpha."""
    require(0.0 < alpha < 1.0, "alpha lies between 0 and 1")
    kinds = [guardrail.kind for guardrail in plan.guardrails if guardrail.kind in _WEIGHTS]
    whole = sum(_WEIGHTS[kind] for kind in kinds) * (len(plan.arms) - 1)
    return {kind: alpha * _WEIGHTS[kind] / whole for kind in kinds}


def judge_guardrails(plan: Plan, name: str, arm: Tally, control: Tally, alpha: float = ALPHA) -> tuple[Finding, ...]:
    """What each guardrail of the plan says of one arm, in the plan's order.

    Parameters
    ----------
    plan : as locked at the start.
    name : of the arm, which is not the control.
    arm, control : tallies of the same span of days.
    alpha : chance in (0, 1) that any statistical guardrail of the experiment ever stops a harmless arm.

    Returns
    -------
    One finding a guardrail. A breach stops the arm: counts of an arm that went on in spite of one prove nothing more.

    Raises
    ------
    BrokenInvariant
        The control is not judged against itself.
    """
    require(name != plan.control.name, "the control is what arms are judged against")
    share = plan.arm(name).share_ppm / (plan.arm(name).share_ppm + plan.control.share_ppm)
    alphas = split_alpha(plan, alpha)
    findings = []
    for guardrail in plan.guardrails:
        if guardrail.kind is GuardrailKind.LOSS_BUDGET:
            findings.append(_judge_budget(name, guardrail, arm))
            continue
        value, log_e, words = _JUDGES[guardrail.kind](guardrail, arm, control, share)
        e_value, stop = float(np.exp(min(log_e, LOG_E_MAX))), 1.0 / alphas[guardrail.kind]
        is_breached = e_value >= stop
        findings.append(
            Finding(
                arm=name,
                guardrail=guardrail.kind,
                value=value,
                bound=guardrail.bound,
                is_breached=is_breached,
                e_value=e_value,
                e_value_stop=stop,
                words=f"{words}; evidence {e_value:.3g}, stops from {stop:.3g}{': breached' if is_breached else ''}",
            )
        )
    return tuple(findings)


def _judge_budget(name: str, guardrail: Guardrail, arm: Tally) -> Finding:
    left = guardrail.bound - arm.reserved_cents
    is_breached = left < arm.reservation_cents_max
    fits = "does not fit: breached" if is_breached else "fits"
    return Finding(
        arm=name,
        guardrail=guardrail.kind,
        value=float(arm.reserved_cents),
        bound=guardrail.bound,
        is_breached=is_breached,
        words=f"{arm.reserved_cents:,} of {guardrail.bound:,} cents reserved; the largest next one, "
        f"{arm.reservation_cents_max:,} cents, {fits}",
    )


_Judged = tuple[float | None, float, str]


def _judge_early(guardrail: Guardrail, arm: Tally, control: Tally, share: float) -> _Judged:
    value, log_e = _compare(arm.early, control.early, guardrail.bound, share)
    sides = f"early delinquency {_tell(arm.early)} against {_tell(control.early)} in the control"
    return value, log_e, f"{sides}, {_percent(guardrail.bound)} more allowed"


def _judge_approval(guardrail: Guardrail, arm: Tally, control: Tally, share: float) -> _Judged:
    value, log_e = _compare(control.approvals, arm.approvals, guardrail.bound, 1.0 - share)
    sides = f"approved {_tell(arm.approvals)} against {_tell(control.approvals)} in the control"
    return value, log_e, f"{sides}, {_percent(guardrail.bound)} less allowed"


def _judge_impact(guardrail: Guardrail, arm: Tally, control: Tally, share: float) -> _Judged:
    """The control and its share play no part: the ratio is taken within the arm."""
    del control, share
    require(guardrail.reference is not UNSET, "an impact ratio has a reference")
    base = arm.groups.get(str(guardrail.reference), Count())
    others = {group: count for group, count in arm.groups.items() if group != guardrail.reference}
    ratios = {
        group: count.hits / count.trials / base.rate for group, count in others.items() if count.trials and base.rate
    }
    if not others:
        return None, 0.0, "no group has applied yet"
    counts = others.values()
    hits, trials = np.array([c.hits for c in counts]), np.array([float(c.trials) for c in counts])
    logs = log_e_ratio(
        hits, trials, np.full_like(hits, base.hits), np.full_like(hits, base.trials), guardrail.bound / PPM
    )
    log_e = float(np.logaddexp.reduce(logs) - np.log(logs.size))
    if not ratios:
        return None, log_e, f"no ratio yet: {guardrail.reference} and another group need approvals to compare"
    lowest = min(ratios, key=lambda group: ratios[group])
    words = (
        f"{lowest} is approved {ratios[lowest]:.3f} times as often as {guardrail.reference}: {_tell(others[lowest])} "
        f"against {_tell(base)}, at least {guardrail.bound / PPM:.3f} wanted"
    )
    return ratios[lowest] * PPM, log_e, words


def _judge_errors(guardrail: Guardrail, arm: Tally, control: Tally, share: float) -> _Judged:
    """The control and its share play no part: an arm's failures are its own."""
    del control, share
    log_e = _exceed(arm.answers, guardrail.bound / PPM)
    return _ppm(arm.answers), log_e, f"failed {_tell(arm.answers)}, {_percent(guardrail.bound)} allowed"


def _judge_latency(guardrail: Guardrail, arm: Tally, control: Tally, share: float) -> _Judged:
    """The control and its share play no part: the bound is absolute."""
    del control, share
    log_e = _exceed(arm.timed, _SLOW_SHARE)
    words = f"slower than {guardrail.bound / 1e6:,.1f} ms {_tell(arm.timed)}, {_SLOW_SHARE:.0%} allowed"
    return _ppm(arm.timed), log_e, words


_JUDGES: Final[Mapping[GuardrailKind, Callable[[Guardrail, Tally, Tally, float], _Judged]]] = {
    GuardrailKind.EARLY_DELINQUENCY: _judge_early,
    GuardrailKind.APPROVAL_RATE: _judge_approval,
    GuardrailKind.IMPACT_RATIO: _judge_impact,
    GuardrailKind.ERROR_RATE: _judge_errors,
    GuardrailKind.LATENCY_P99: _judge_latency,
}


def _compare(one: Count, other: Count, bound_ppm: int, share: float) -> tuple[float | None, float]:
    """By how many ppm the one's rate exceeds the other's, and the evidence that it is by more than the bound."""
    value = None if one.rate is None or other.rate is None else (one.rate - other.rate) * PPM
    if bound_ppm >= PPM:
        return value, 0.0
    log_e = log_e_difference(one.hits, one.trials, other.hits, other.trials, bound=bound_ppm / PPM, share=share)
    return value, float(log_e)


def _exceed(count: Count, bound: float) -> float:
    """The evidence that the rate exceeds the bound, which a bound of 1 forbids nobody."""
    return float(log_e_share(count.hits, count.trials, bound)) if bound < 1.0 else 0.0


def _ppm(count: Count) -> float | None:
    return None if count.rate is None else count.rate * PPM


def _tell(count: Count) -> str:
    return "0 of 0" if count.rate is None else f"{count.rate:.2%} of {count.trials:,}"


def _percent(ppm: int) -> str:
    return f"{ppm / PPM:.2%}"
