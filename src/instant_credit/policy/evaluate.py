"""Runs a compiled policy over one applicant.

Every rule runs, then every guard, then every exit, and where prices follow the losses of segments it is told by which; the trace is what ran. The outcome is the heaviest of what was said: decline, refer,
counter-offer, approve. Because each part can only get lighter as a fact gets better, so can the whole.

Where the product knows no amount and term nothing is priced: rules and score alone say who is eligible.
"""

from collections.abc import Sequence
from typing import NamedTuple

from instant_credit.application.facts import Facts
from instant_credit.policy.document import Band
from instant_credit.policy.guards import History, count_priors
from instant_credit.policy.pricing import Asked, Quote, band_of, quote
from instant_credit.policy.program import CompiledPolicy, CompiledRule, Pricing
from instant_credit.policy.verdict import Outcome, Reason, RuleTrace, Verdict
from instant_credit.units import Cents, Ppm, money_text, percent_text


def evaluate(
    policy: CompiledPolicy,
    facts: Facts,
    variables: Sequence[float],
    pd_ppm: Ppm | None,
    history: History | None = None,
) -> Verdict:
    """What the policy says.

    Parameters
    ----------
    facts : columns in the product's order.
    variables : float64 by variable in the product's order, NaN = missing.
    pd_ppm : probability of default in ppm; None when no score could be computed.
    history : the person's earlier applications; None = not known, and then no guard hits.
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
    declines, refers = _count(policy, trace, history)
    priced = _price(policy.pricing, facts, pd_ppm)
    _trace_exits(policy, trace, pd_ppm, priced)
    if policy.pricing is not None and policy.pricing.by_losses is not None:
        trace.append(policy.pricing.by_losses.tell(facts))

    is_declined_by_score = pd_ppm is not None and pd_ppm >= policy.decline_from
    reasons = [*(rule.reason_for(facts, variables) for rule in declining), *declines]
    if priced is not None and priced.quoted.terms is None:
        reasons.extend(_unaffordable(policy, priced))
    if reasons or is_declined_by_score:
        return _without_terms(Outcome.DECLINE, reasons, trace, by_score=is_declined_by_score)
    is_referred_by_score = pd_ppm is not None and pd_ppm >= policy.approve_below
    reasons = [*(rule.reason_for(facts, variables) for rule in referring), *refers]
    if policy.pricing is not None and priced is None:
        reasons.append(policy.pricing.evidence_missing.fill(None))
    if pd_ppm is None:
        reasons.append(policy.score_unavailable.fill(None))
    if reasons or is_referred_by_score:
        fallback = policy.referred_by_score.fill(None) if is_referred_by_score else None
        return _without_terms(Outcome.REFER, reasons, trace, by_score=is_referred_by_score, fallback=fallback)
    if priced is None:
        return _without_terms(Outcome.APPROVE, [], trace, by_score=False)
    return _offer(policy, priced, trace)


def _count(
    policy: CompiledPolicy, trace: list[RuleTrace], history: History | None
) -> tuple[list[Reason], list[Reason]]:
    """Appends what each guard said; the reasons of those that decline and of those that refer, each with its count."""
    declines: list[Reason] = []
    refers: list[Reason] = []
    for compiled in policy.guards:
        found = count_priors(compiled.guard, history)
        traces = compiled.traces
        trace.append(traces.unknown if found.is_hit is None else traces.hit if found.is_hit else traces.clear)
        if found.is_hit:
            (declines if compiled.declines else refers).append(compiled.reason.fill(str(found.count)))
    return declines, refers


class _Priced(NamedTuple):
    """What the band of a pd offers to a request."""

    pricing: Pricing
    band: Band
    asked: Asked
    quoted: Quote


def _price(pricing: Pricing | None, facts: Facts, pd: Ppm | None) -> _Priced | None:
    """None when nothing is priced, or when a fact that pricing needs is missing."""
    asked = None if pricing is None else _asked(pricing, facts)
    if pricing is None or asked is None:
        return None
    band = band_of(pricing, pd, facts)
    return _Priced(pricing, band, asked, quote(pricing, band, asked))


def _asked(pricing: Pricing, facts: Facts) -> Asked | None:
    """Amount, term, annual income and debt share; None when one that is due is missing or the request is empty."""
    amount = pricing.read_amount(facts, ())
    term = pricing.read_term(facts, ())
    if amount is None or amount < 1 or term is None:
        return None
    means = pricing.means
    if means is None:
        return Asked(amount_cents=Cents(int(amount)), term_months=int(term))
    income = means.read_income(facts, ())
    debt = Ppm(0) if means.read_debt is None else means.read_debt(facts)
    if income is None or debt is None:
        return None
    return Asked(
        amount_cents=Cents(int(amount)), term_months=int(term), income_annual_cents=Cents(int(income)), debt_ppm=debt
    )


def _trace_exits(policy: CompiledPolicy, trace: list[RuleTrace], pd: Ppm | None, priced: _Priced | None) -> None:
    """Appends what each exit said, in the order of `program.EXITS`; those that this policy cannot take stand last and say nothing."""
    is_known = pd is not None
    quoted = None if priced is None else priced.quoted
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
    for traces, result in zip(policy.exit_traces, said, strict=False):
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


def _unaffordable(policy: CompiledPolicy, priced: _Priced) -> list[Reason]:
    """Why the instalment is more than the applicant can carry: the tighter of the two caps; nothing when it is not."""
    means, quoted = priced.pricing.means, priced.quoted
    if means is None or not (quoted.is_instalment_above or quoted.is_debt_above):
        return []
    if quoted.is_debt_above:
        return [means.debt_above_affordable.fill(percent_text(priced.asked.debt_ppm))]
    return [means.instalment_above_affordable.fill(money_text(quoted.instalment_cents_requested, policy.currency))]


def _offer(policy: CompiledPolicy, priced: _Priced, trace: list[RuleTrace]) -> Verdict:
    """Approve as asked, or a counter-offer with the limits that bound it."""
    pricing, band, asked, quoted = priced
    term_text = f"{asked.term_months} months"
    best = pricing.bands[0]
    reasons = _unaffordable(policy, priced)
    by_score = False
    if quoted.is_amount_above_limit:
        reasons.append(pricing.amount_above_limit.fill(money_text(asked.amount_cents, policy.currency)))
        by_score = by_score or band.amount_cents_max < best.amount_cents_max
    if quoted.is_term_above_limit:
        reasons.append(pricing.term_above_limit.fill(term_text))
        by_score = by_score or band.term_months_max < best.term_months_max
    if quoted.is_term_not_offered:
        reasons.append(pricing.term_not_offered.fill(term_text))
    return Verdict(
        outcome=Outcome.COUNTER_OFFER if reasons else Outcome.APPROVE,
        terms=quoted.terms,
        reasons=tuple(reasons),
        has_model_reasons=by_score,
        fallback=None,
        trace=tuple(trace),
    )
