"""What follows from a readout, by rules that the plan fixed: promote, keep, extend, blocked, or not enough yet. Pure.

Each arm beside the control is judged by the first rule that holds:

============  ==============================================================================  ========================================
standing      rule                                                                            says of the arm
============  ==============================================================================  ========================================
stopped       a guardrail or somebody closed it, or a guardrail's bound is reached            not promoted, whatever else it brought
worse         the primary differs, and the wrong way                                          not promoted
better        the primary differs, and the right way                                          may be promoted
too small     the interval leaves out a gain of `effect_min` or more                          not promoted
ended         all planned looks are taken, or as many units as planned are ripe, or all       planned looks, all taken: not promoted
              that came in are, and none of the above                                         else: undecided
open          none of the above                                                               wait
============  ==============================================================================  ========================================

blocked     the sample-ratio check failed: nothing is said of any arm
promote     an arm is better; of several the one whose gain is largest at the interval's near end
keep        every arm is stopped, worse, too small, or at its planned end
extend      no arm is better or open, and one ended undecided
not_enough  otherwise
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from instant_credit.experiment.comparing import Compared
from instant_credit.experiment.frozen import Closing
from instant_credit.experiment.guardrails import Finding
from instant_credit.experiment.plan import Direction, Plan, PlanMetric, StoppingKind

# Arms share the last look's units by chance.
_PLANNED: Final = 0.95


class VerdictKind(StrEnum):
    """What follows."""

    PROMOTE = "promote"
    KEEP = "keep"
    EXTEND = "extend"
    BLOCKED = "blocked"
    NOT_ENOUGH = "not_enough"


class Standing(StrEnum):
    """Which rule an arm met."""

    STOPPED = "stopped"
    WORSE = "worse"
    BETTER = "better"
    TOO_SMALL = "too_small"
    ENDED = "ended"
    UNDECIDED = "undecided"
    OPEN = "open"


class ArmStanding(Struct, frozen=True, kw_only=True):
    """An arm's rule, in words."""

    arm: str
    standing: Standing
    words: str


class ExperimentVerdict(Struct, frozen=True, kw_only=True):
    """What follows; `arm` is the one to promote."""

    kind: VerdictKind
    arm: str | None
    rule: str
    words: str
    arms: tuple[ArmStanding, ...]


def block(words: str) -> ExperimentVerdict:
    """No verdict, for the sample ratio does not hold."""
    return ExperimentVerdict(
        kind=VerdictKind.BLOCKED,
        arm=None,
        rule="the sample-ratio check has to pass before any effect is told",
        words=f"Blocked. {words} Find out what made units drop out before anything is said about an effect.",
        arms=(),
    )


def stand(
    plan: Plan, compared: Compared, closing: Closing | None, findings: tuple[Finding, ...], *, has_ended: bool
) -> ArmStanding:
    """The first rule that an arm meets.

    Parameters
    ----------
    compared : the primary, this arm less the control.
    closing : when the arm was closed, if it was.
    findings : what its guardrails say.
    has_ended : as many units as planned are ripe, or all that came in are.
    """
    metric = plan.primary_metric
    far = _gains(metric, compared)[1]
    told = _tell_difference(plan, compared)
    breached = [finding for finding in findings if finding.is_breached]
    standing, words = Standing.OPEN, f"{told}; more units have to ripen"
    is_through = plan.stopping.kind is StoppingKind.GROUP_SEQUENTIAL and _is_through(plan, compared)
    if closing is not None or breached:
        by = closing.guardrail if closing is not None else breached[0].guardrail.value
        on = "" if closing is None else f" on {closing.closed_on}"
        standing, words = Standing.STOPPED, f"stopped by {f'guardrail {by}' if by else 'a person'}{on}; {told}"
    elif compared.is_found and compared.difference is not None:
        is_better = _sign(metric) * compared.difference > 0.0
        standing = Standing.BETTER if is_better else Standing.WORSE
        words = f"{standing}: {told}{_tell_before(compared)}"
    elif far is not None and far < plan.effect_min:
        words = f"a gain of {figure(metric, plan.effect_min)} or more is ruled out: {told}"
        standing = Standing.TOO_SMALL
    elif is_through:
        standing, words = Standing.ENDED, f"all planned looks are taken and none found a difference: {told}"
    elif has_ended:
        standing, words = Standing.UNDECIDED, f"all units are ripe and a difference worth finding may be there: {told}"
    return ArmStanding(arm=compared.arm, standing=standing, words=f"{compared.arm}: {words}")


def conclude(plan: Plan, standings: tuple[ArmStanding, ...], compared: tuple[Compared, ...]) -> ExperimentVerdict:
    """The experiment's verdict out of its arms' standings, in the plan's order."""
    gains = {one.arm: _gains(plan.primary_metric, one)[0] for one in compared}
    better = [one for one in standings if one.standing is Standing.BETTER]
    kinds = {one.standing for one in standings}
    arm = None
    if better:
        kind, rule = (
            VerdictKind.PROMOTE,
            f"{plan.primary} is better at the planned error, and no guardrail stopped the arm",
        )
        arm = max(better, key=lambda one: (gains[one.arm] is not None, gains[one.arm] or 0.0)).arm
    elif Standing.OPEN in kinds:
        kind, rule = VerdictKind.NOT_ENOUGH, "an arm is undecided and units are still coming in or ripening"
    elif Standing.UNDECIDED in kinds:
        kind, rule = VerdictKind.EXTEND, "the experiment is over and too small to tell"
    else:
        kind, rule = VerdictKind.KEEP, "no arm may be better by the effect that was planned for"
    head = {
        VerdictKind.PROMOTE: f"Promote {arm}.",
        VerdictKind.NOT_ENOUGH: "Not enough yet.",
        VerdictKind.EXTEND: "Extend: plan a larger experiment.",
        VerdictKind.KEEP: "Keep the live release.",
    }[kind]
    words = " ".join([head, *(f"{one.words[:1].upper()}{one.words[1:]}." for one in standings)])
    return ExperimentVerdict(kind=kind, arm=arm, rule=rule, words=words, arms=standings)


def figure(metric: PlanMetric, value: float) -> str:
    """A value of a metric for people: cents, or percent."""
    return f"{value:,.0f} cents" if metric.kind.is_money else f"{value:.2%}"


def _sign(metric: PlanMetric) -> float:
    return 1.0 if metric.direction is Direction.HIGHER else -1.0


def _gains(metric: PlanMetric, compared: Compared) -> tuple[float | None, float | None]:
    """The interval's ends as gains, the smaller first; None where there is none."""
    if compared.lower is None or compared.upper is None:
        return None, None
    ends = sorted((_sign(metric) * compared.lower, _sign(metric) * compared.upper))
    return ends[0], ends[1]


def _is_through(plan: Plan, compared: Compared) -> bool:
    """Whether the last look was taken at as many units as planned."""
    return bool(compared.looks) and compared.looks[-1].is_last and compared.looks[-1].fraction >= _PLANNED


def _tell_before(compared: Compared) -> str:
    """That what was found was found on an earlier day, where the interval of the last one holds 0: evidence once seen stays valid."""
    if compared.lower is None or compared.upper is None or not compared.lower <= 0.0 <= compared.upper:
        return ""
    return ", the least of all days: the difference was found before, and the interval is that of the last day alone"


def _tell_difference(plan: Plan, compared: Compared) -> str:
    metric = plan.primary_metric
    if compared.lower is None or compared.upper is None or compared.difference is None:
        return f"no interval of {metric.name} yet, {compared.units:,} ripe units"
    ends = f"{figure(metric, compared.lower)} to {figure(metric, compared.upper)}"
    return (
        f"{metric.name} differs by {figure(metric, compared.difference)} ({ends}) over {compared.units:,} ripe units, "
        f"adjusted p {compared.p_adjusted:.3g}"
    )
