"""What a policy says about one applicant: outcome, terms, reasons and the trace of every rule.

A `Decision` is made of these values; they live here because the policy is the lowest room that speaks of them.
"""

from enum import StrEnum

from msgspec import Struct

from instant_credit.units import Cents, Ppm


class Outcome(StrEnum):
    """What the lender answers."""

    APPROVE = "approve"
    COUNTER_OFFER = "counter_offer"
    REFER = "refer"
    DECLINE = "decline"


class RuleResult(StrEnum):
    """What a rule said; `UNKNOWN` means that a fact it needs is missing."""

    HIT = "hit"
    CLEAR = "clear"
    UNKNOWN = "unknown"


class Terms(Struct, frozen=True, kw_only=True, gc=False):
    """What is offered."""

    amount_cents: Cents
    term_months: int
    apr_ppm: Ppm
    instalment_cents: Cents


class Reason(Struct, frozen=True, kw_only=True, gc=False):
    """One specific principal reason (12 CFR 1002.9(b)(2)), with the applicant's own value in its text."""

    number: int
    code: str
    family: str
    text: str


class RuleTrace(Struct, frozen=True, kw_only=True, gc=False):
    """One rule of the policy and what it said."""

    rule: str
    result: RuleResult


class Verdict(Struct, frozen=True, kw_only=True):
    """What the policy says.

    Attributes
    ----------
    outcome, terms : as in a Decision.
    reasons : reasons that the policy itself gives, the heaviest first; not yet cut to four.
    has_model_reasons : whether the score moved the outcome or the terms, so that the model's adverse variables are reasons too.
    fallback : given when an outcome that needs a reason would otherwise have none (a referral by score alone, without a
        variable worse than the reference).
    trace : every rule in order, then every exit.
    """

    outcome: Outcome
    terms: Terms | None
    reasons: tuple[Reason, ...]
    has_model_reasons: bool
    fallback: Reason | None
    trace: tuple[RuleTrace, ...]
