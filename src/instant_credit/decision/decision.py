"""The Decision: outcome, terms, reasons and the trace of every rule. Its canonical bytes hold no id, clock or timing."""

from datetime import date
from enum import StrEnum

import msgspec
from msgspec import Struct

from instant_credit.units import Cents, Ppm

REASONS_MAX = 4


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


class Terms(Struct, frozen=True, kw_only=True):
    """What is offered."""

    amount_cents: Cents
    term_months: int
    apr_ppm: Ppm
    instalment_cents: Cents


class Reason(Struct, frozen=True, kw_only=True):
    """One specific principal reason (12 CFR 1002.9(b)(2)), with the applicant's own value in its text."""

    number: int
    code: str
    family: str
    text: str


class RuleTrace(Struct, frozen=True, kw_only=True):
    """One rule of the policy and what it said."""

    rule: str
    result: RuleResult


class Decision(Struct, frozen=True, kw_only=True):
    """A credit decision.

    `terms` is set for approve and counter_offer. `pd_ppm`, `points`, `expected_log_odds` and `contributions` (log-odds of
    default by model variable, in product order; positive raises the risk) are missing when no score could be computed.
    """

    schema_version: int = 1
    release_hash: str
    product_hash: str
    as_of: date
    outcome: Outcome
    terms: Terms | None = None
    pd_ppm: Ppm | None = None
    points: int | None = None
    reasons: tuple[Reason, ...] = ()
    trace: tuple[RuleTrace, ...] = ()
    expected_log_odds: float | None = None
    contributions: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Approvals carry terms and no reasons; everything else carries one to four reasons."""
        if (self.terms is not None) != (self.outcome in (Outcome.APPROVE, Outcome.COUNTER_OFFER)):
            raise ValueError("terms belong to approve and counter_offer, and to them only")
        if self.outcome is Outcome.APPROVE:
            if self.reasons:
                raise ValueError("an approval carries no adverse reasons")
        elif not 1 <= len(self.reasons) <= REASONS_MAX:
            raise ValueError("one to four reasons are due")


_DECODER = msgspec.json.Decoder(Decision)


def decode_decision(raw: bytes) -> Decision:
    """The Decision behind canonical bytes (`canonical.encode_canonical`)."""
    return _DECODER.decode(raw)
