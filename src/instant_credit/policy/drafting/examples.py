"""Worked examples of a drafted policy: invented applications whose answers are what the policy gives, found by running it."""

from collections.abc import Iterator, Mapping
from datetime import date

from msgspec.structs import replace

from instant_credit.application.inventing import invent_facts
from instant_credit.application.product import Product
from instant_credit.errors import require
from instant_credit.policy.document import Example, Expected, Policy
from instant_credit.policy.examples import run_example
from instant_credit.policy.offers import usual_request
from instant_credit.policy.program import compile_policy
from instant_credit.policy.verdict import Outcome


def with_examples(policy: Policy, product: Product, as_of: date) -> Policy:
    """`policy`, which has none, with examples of every band, both cut-offs and every limit; all of them hold."""
    compiled = compile_policy(policy, product)
    worked = []
    for asked in _ask(policy, product, as_of):
        verdict = run_example(asked, compiled, product)
        require(not isinstance(verdict, list), "an invented application passes its product's door")
        assert not isinstance(verdict, list)
        terms = verdict.terms
        expect = Expected(
            outcome=verdict.outcome,
            reasons=tuple(reason.code for reason in verdict.reasons),
            amount_cents=None if terms is None else terms.amount_cents,
            term_months=None if terms is None else terms.term_months,
            apr_ppm=None if terms is None else terms.apr_ppm,
            instalment_cents=None if terms is None else terms.instalment_cents,
        )
        worked.append(replace(asked, expect=expect))
    return replace(policy, examples=tuple(worked))


def _ask(policy: Policy, product: Product, as_of: date) -> Iterator[Example]:
    """The applications, without their answers. Only what the door requires is told."""
    roles, cut_offs = product.roles, policy.cut_offs
    required = {a.name for a in product.attributes if a.is_required}

    def ask(name: str, pd_ppm: int | None, wanted: Mapping[str, float]) -> Example:
        told = invent_facts(product, as_of, wanted)
        facts = {attribute: value for attribute, value in told.items() if attribute in required}
        expect = Expected(outcome=Outcome.REFER)
        return Example(name=name, as_of=as_of.isoformat(), pd_ppm=pd_ppm, facts=facts, expect=expect)

    best = usual_request(policy, product, policy.grid[0] if policy.grid else None)
    safest = max(policy.grid[0].pd_below_ppm // 2, 1) if policy.grid else max(cut_offs.approve_below_ppm // 2, 1)
    yield ask("A safe applicant.", safest, best)
    for place, band in enumerate(policy.grid, start=1):
        yield ask(f"The highest pd of band {place}.", band.pd_below_ppm - 1, usual_request(policy, product, band))
    if policy.grid and roles.amount is not None:
        last = policy.grid[-1]
        # Clipped to the product's range where the band lends all that may be asked for: then it is approved as asked.
        fitting = usual_request(policy, product, last)
        above = {roles.amount: last.amount_cents_max + 1}
        yield ask("More than the riskiest band is lent.", last.pd_below_ppm - 1, {**fitting, **above})
        if roles.income_annual is not None:
            poor = {roles.income_annual: 0}
            yield ask("An income that carries no instalment.", safest, {**best, **poor})
    if not policy.grid:
        yield ask("The highest pd that is approved.", max(cut_offs.approve_below_ppm - 1, 1), best)
    yield ask("The lowest pd that a person looks at.", cut_offs.approve_below_ppm, best)
    yield ask("The lowest pd that is declined.", cut_offs.decline_from_ppm, best)
    yield ask("Without a score a person looks at it.", None, best)
