"""Slow twin of the policy's evaluation: reads the document itself, tries every amount."""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from instant_credit.policy.document import Band, Comparison, Condition, Policy
from instant_credit.units import PPM, Cents, Ppm, instalment_ceil

COMPARE = {
    Comparison.ABOVE: lambda a, b: a > b,
    Comparison.AT_LEAST: lambda a, b: a >= b,
    Comparison.BELOW: lambda a, b: a < b,
    Comparison.AT_MOST: lambda a, b: a <= b,
    Comparison.IS: lambda a, b: a == b,
    Comparison.IN: lambda a, b: a in b,
}
Values = Mapping[str, Any]


def holds(condition: Condition, facts: Values, variables: Values) -> bool | None:
    """`facts` and `variables` by name, None = missing, categories by name."""
    if condition.compare is not None:
        value: Any
        if condition.total:
            parts = [facts[name] for name in condition.total if facts[name] is not None]
            value = sum(parts) if parts else None
        elif condition.attribute is not None:
            value = facts[condition.attribute]
        else:
            assert condition.variable is not None
            value = variables[condition.variable]
        return None if value is None else bool(COMPARE[condition.compare](value, condition.value))
    if condition.not_ is not None:
        inner = holds(condition.not_, facts, variables)
        return None if inner is None else not inner
    results = [holds(part, facts, variables) for part in (*condition.all, *condition.any)]
    if condition.any:
        return True if True in results else None if None in results else False
    return False if False in results else None if None in results else True


def judge(
    policy: Policy,
    facts: Values,
    variables: Values,
    pd: int | None,
    income: tuple[str, ...],
    *,
    lost: Callable[[Values], int] | None = None,
) -> dict[str, Any]:
    """Outcome and terms; a policy without a grid prices nothing, one without affordability asks for no income.

    `lost` says what a bad loan of the applicant's segment loses, in ppm, where the policy prices it.
    """
    results = [(rule, holds(rule.when, facts, variables)) for rule in policy.rules]
    if any(result and rule.outcome == "decline" for rule, result in results):
        return {"outcome": "decline"}
    offer = best_offer(policy, facts, pd, income, lost) if policy.grid else "eligible"
    if offer == "nothing" or (pd is not None and pd >= policy.cut_offs.decline_from_ppm):
        return {"outcome": "decline"}
    is_referred = any(result or (result is None and rule.unknown == "refer") for rule, result in results)
    if is_referred or offer is None or pd is None or pd >= policy.cut_offs.approve_below_ppm:
        return {"outcome": "refer"}
    if offer == "eligible":
        return {"outcome": "approve"}
    assert isinstance(offer, tuple)
    amount, term, apr = offer
    as_asked = amount == facts["requested_amount_cents"] and term == facts["term_months"]
    return {"outcome": "approve" if as_asked else "counter_offer", "amount": amount, "term": term, "apr": apr}


def best_offer(
    policy: Policy, facts: Values, pd: int | None, income: tuple[str, ...], lost: Callable[[Values], int] | None
) -> tuple[int, int, int] | str | None:
    """The largest amount that may be lent; "nothing" when none may, None when it can't be told."""
    amount, asked_term = facts["requested_amount_cents"], facts["term_months"]
    cap = highest_instalment(policy, facts, income)
    if amount is None or amount < 1 or asked_term is None or cap is None:
        return None
    bands = [b for b in policy.grid if pd is not None and b.pd_from_ppm <= pd < b.pd_below_ppm] or [policy.grid[-1]]
    band = bands[0]
    apr = band.apr_ppm if lost is None else price(policy, band, lost(facts))
    assert policy.amounts is not None
    fitting = [t for t in policy.amounts.terms_months if t <= min(asked_term, band.term_months_max)]
    term = max(fitting, default=min(policy.amounts.terms_months))
    if amount <= band.amount_cents_max and instalment_ceil(Cents(amount), Ppm(apr), term) <= cap:
        return amount, term, apr
    step = policy.amounts.offer_cents_step
    for tried in range(min(amount, band.amount_cents_max) // step * step, policy.amounts.offer_cents_min - 1, -step):
        if instalment_ceil(Cents(tried), Ppm(apr), term) <= cap:
            return tried, term, apr
    return "nothing"


def price(policy: Policy, band: Band, lost_ppm: int) -> int:
    """The cheapest multiple of the step that earns base and expected loss, or the cap."""
    losses: Any = policy.losses
    assert band.loss_apr_ppm is not None
    needed = losses.base_apr_ppm + Fraction(band.loss_apr_ppm * lost_ppm, losses.lost_ppm)
    steps = math.ceil(needed / losses.apr_step_ppm)
    assert policy.apr_ppm_max is not None
    return min(steps * losses.apr_step_ppm, policy.apr_ppm_max)


def highest_instalment(policy: Policy, facts: Values, income: tuple[str, ...]) -> float | None:
    """What income carries a month, infinite when nobody asks; None when it can't be told."""
    if policy.affordability is None:
        return math.inf
    told = [facts[name] for name in income if facts[name] is not None]
    monthly = Fraction(max(sum(told), 0), 12)
    cap = monthly * Fraction(policy.affordability.instalment_to_income_ppm_max, PPM)
    debt_rule = policy.affordability.debt_to_income
    if debt_rule is not None:
        debt = facts[debt_rule.attribute]
        if debt is None and debt_rule.unknown == "pass":
            debt = 0.0
        if debt is None:
            return None
        cap = min(cap, monthly * Fraction(debt_rule.ppm_max - round(max(debt, 0.0) * 10_000), PPM))
    return math.floor(max(cap, 0)) if told else None
