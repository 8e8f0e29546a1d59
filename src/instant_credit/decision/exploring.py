"""What an exploration programme makes of a verdict. Pure.

    declined by score alone, in the zone of the Case's programme ─┬─ drawn: offered on the terms of the last band     trace: exploration hit
                                                                  └─ not drawn: declined as ever                      trace: exploration clear

The Case holds what is asked of the programme, so a Decision is made again from Case and release. The entry stands behind those of all rules and
exits, and only where the draw decided.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import UNSET
from msgspec.structs import replace

from instant_credit.decision.case import Case
from instant_credit.decision.decision import Decision, Outcome, RuleResult, RuleTrace
from instant_credit.experiment.exploration import find_terms, is_in_zone
from instant_credit.policy.evaluate import evaluate
from instant_credit.policy.program import CompiledPolicy
from instant_credit.policy.verdict import Reason, Terms, Verdict
from instant_credit.units import PPM, Cents, Ppm, money_text

EXPLORATION: Final = "exploration"
CAP: Final = "cap:"
"""Entries of caps stand behind that of an exploration."""


def explore(
    verdict: Verdict, case: Case, policy: CompiledPolicy, variables: Sequence[float], pd: Ppm | None
) -> Verdict:
    """The verdict after what the Case's programme drew.

    Parameters
    ----------
    verdict : what the policy says.
    variables : float64 by variable in the product's order, NaN = missing.
    pd : in ppm; None = no score.
    """
    explored = UNSET if case.assignment is UNSET else case.assignment.exploration
    if explored is UNSET or verdict.outcome is not Outcome.DECLINE:
        return verdict
    if not is_in_zone(explored, pd, Ppm(policy.decline_from)):
        return verdict
    history = None if case.history is UNSET else case.history
    if_last_band = evaluate(policy, case.facts, variables, Ppm(policy.approve_below - 1), history)
    terms = find_terms(explored, policy.policy, pd, verdict, if_last_band)
    if terms is None:
        return verdict
    result = RuleResult.HIT if explored.is_drawn else RuleResult.CLEAR
    trace = (*verdict.trace, RuleTrace(rule=EXPLORATION, result=result))
    if not explored.is_drawn:
        return replace(verdict, trace=trace)
    reasons = _tell_limits(case, policy, if_last_band, terms)
    return Verdict(
        outcome=Outcome.COUNTER_OFFER if reasons else Outcome.APPROVE,
        terms=terms,
        reasons=reasons,
        has_model_reasons=bool(reasons),
        fallback=None,
        trace=trace,
    )


def tell_exploration(decision: Decision) -> RuleResult | None:
    """What the draw of a programme did to a decision: `HIT` made it an offer, `CLEAR` left it declined; None = it had no part in it."""
    for entry in reversed(decision.trace):
        if not entry.rule.startswith(CAP):
            return entry.result if entry.rule == EXPLORATION else None
    return None


def find_chance(decision: Decision) -> Ppm:
    """The probability in ppm with which exploration did what it did: of the offer, or of the decline; 1,000,000 where it had no part."""
    result = tell_exploration(decision)
    if result is None or decision.assignment is UNSET or decision.assignment.exploration is UNSET:
        return Ppm(PPM)
    share = decision.assignment.exploration.propensity_ppm
    return Ppm(share if result is RuleResult.HIT else PPM - share)


def _tell_limits(case: Case, policy: CompiledPolicy, if_last_band: Verdict, terms: Terms) -> tuple[Reason, ...]:
    """Why less is offered than was asked for: what limits the last band, and the programme where it cuts the amount."""
    reasons = if_last_band.reasons
    if policy.pricing is None or if_last_band.terms is None or terms.amount_cents == if_last_band.terms.amount_cents:
        return reasons
    asked = policy.pricing.read_amount(case.facts, ())
    assert asked is not None
    return (*reasons, policy.pricing.amount_above_limit.fill(money_text(Cents(int(asked)), policy.currency)))
