"""Runs a compiled policy over one applicant.

Every rule runs, then every exit; the trace is what ran. The outcome is the heaviest of what was said: decline, refer,
counter-offer, approve. Because each part can only get lighter as a fact gets better, so can the whole.
"""

from collections.abc import Sequence

from instant_credit.application.facts import Facts
from instant_credit.policy.document import Band
from instant_credit.policy.pricing import Asked, Quote, band_of, quote
from instant_credit.policy.program import CompiledPolicy, CompiledRule
from instant_credit.policy.verdict import Outcome, Reason, RuleTrace, Verdict
from instant_credit.units import Cents, Ppm, money_text, percent_text


def evaluate(policy: CompiledPolicy, facts: Facts, variables: Sequence[float], pd_ppm: Ppm | None) -> Verdict:
    """What the policy says.

    Parameters
    ----------
    facts : columns in the product's order.
    variables : float64 by variable in the product's order, NaN = missing.
    pd_ppm : probability of default in ppm; None when no score could be computed.
    """
    trace: list[RuleTrace] = []
    declining: list[CompiledRule] = []
    referring: list[CompiledRule] = []
    for rule in policy.rules:
        result = rule.test(facts, variables)
        if result is None:
            trace.append(rule.traces.unknown)
            if rule.unknown_refers:
                referring.append(rule)
        elif result:
            trace.append(rule.traces.hit)
            (declining if rule.declines else referring).append(rule)
        else:
            trace.append(rule.traces.clear)
    asked = _asked(policy, facts)
    band = band_of(policy, pd_ppm)
    quoted = None if asked is None else quote(policy, band, asked)
    _trace_exits(policy, trace, pd_ppm, quoted)

    is_declined_by_score = pd_ppm is not None and pd_ppm >= policy.decline_from
    is_unaffordable = quoted is not None and quoted.terms is None
    if declining or is_declined_by_score or is_unaffordable:
        reasons = [rule.reason_for(facts, variables) for rule in declining]
        if asked is not None and quoted is not None and is_unaffordable:
            reasons.append(_unaffordable(policy, quoted, asked.debt_ppm))
        return _without_terms(Outcome.DECLINE, reasons, trace, by_score=is_declined_by_score)
    is_referred_by_score = pd_ppm is not None and pd_ppm >= policy.approve_below
    if referring or is_referred_by_score or pd_ppm is None or asked is None or quoted is None:
        reasons = [rule.reason_for(facts, variables) for rule in referring]
        if asked is None:
            reasons.append(policy.evidence_missing.fill(None))
        if pd_ppm is None:
            reasons.append(policy.score_unavailable.fill(None))
        fallback = policy.referred_by_score.fill(None) if is_referred_by_score else None
        return _without_terms(Outcome.REFER, reasons, trace, by_score=is_referred_by_score, fallback=fallback)
    return _offer(policy, band, quoted, asked, trace)


def _asked(policy: CompiledPolicy, facts: Facts) -> Asked | None:
    """Amount, term, annual income and debt share; None when one of them is missing or the request is empty."""
    amount = policy.read_amount(facts, ())
    term = policy.read_term(facts, ())
    income = policy.read_income(facts, ())
    debt = Ppm(0) if policy.read_debt is None else policy.read_debt(facts)
    if amount is None or amount < 1 or term is None or income is None or debt is None:
        return None
    return Asked(
        amount_cents=Cents(int(amount)), term_months=int(term), income_annual_cents=Cents(int(income)), debt_ppm=debt
    )


def _trace_exits(policy: CompiledPolicy, trace: list[RuleTrace], pd: Ppm | None, quoted: Quote | None) -> None:
    """Appends what each exit said, in the order of `program.EXITS`."""
    is_known = pd is not None
    said: tuple[bool | None, ...] = (
        not is_known,
        pd >= policy.decline_from if pd is not None else None,
        policy.approve_below <= pd < policy.decline_from if pd is not None else None,
        quoted is None,
        None if quoted is None else quoted.is_amount_above_limit,
        None if quoted is None else quoted.is_term_above_limit,
        None if quoted is None else quoted.is_term_not_offered,
        None if quoted is None else quoted.is_instalment_above,
        None if quoted is None else quoted.is_debt_above,
    )
    for traces, result in zip(policy.exit_traces, said, strict=True):
        trace.append(traces.unknown if result is None else traces.hit if result else traces.clear)


def _without_terms(
    outcome: Outcome, reasons: list[Reason], trace: list[RuleTrace], *, by_score: bool, fallback: Reason | None = None
) -> Verdict:
    return Verdict(
        outcome=outcome,
        terms=None,
        reasons=tuple(reasons),
        has_model_reasons=by_score,
        fallback=fallback,
        trace=tuple(trace),
    )


def _unaffordable(policy: CompiledPolicy, quoted: Quote, debt: Ppm) -> Reason:
    """Why the instalment is more than the applicant can carry: the tighter of the two caps."""
    if quoted.is_debt_above:
        return policy.debt_above_affordable.fill(percent_text(debt))
    return policy.instalment_above_affordable.fill(money_text(quoted.instalment_cents_requested, policy.currency))


def _offer(policy: CompiledPolicy, band: Band, quoted: Quote, asked: Asked, trace: list[RuleTrace]) -> Verdict:
    """Approve as asked, or a counter-offer with the limits that bound it."""
    term_text = f"{asked.term_months} months"
    best = policy.bands[0]
    reasons: list[Reason] = []
    by_score = False
    if quoted.is_instalment_above or quoted.is_debt_above:
        reasons.append(_unaffordable(policy, quoted, asked.debt_ppm))
    if quoted.is_amount_above_limit:
        reasons.append(policy.amount_above_limit.fill(money_text(asked.amount_cents, policy.currency)))
        by_score = by_score or band.amount_cents_max < best.amount_cents_max
    if quoted.is_term_above_limit:
        reasons.append(policy.term_above_limit.fill(term_text))
        by_score = by_score or band.term_months_max < best.term_months_max
    if quoted.is_term_not_offered:
        reasons.append(policy.term_not_offered.fill(term_text))
    return Verdict(
        outcome=Outcome.COUNTER_OFFER if reasons else Outcome.APPROVE,
        terms=quoted.terms,
        reasons=tuple(reasons),
        has_model_reasons=by_score,
        fallback=None,
        trace=tuple(trace),
    )
