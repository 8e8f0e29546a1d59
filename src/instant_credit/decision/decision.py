"""The Decision: outcome, terms, reasons and the trace of every rule. Its canonical bytes hold no id, clock or timing."""

from datetime import date

import msgspec
from msgspec import Struct

from instant_credit.policy.verdict import Outcome, Reason, RuleResult, RuleTrace, Terms
from instant_credit.units import Ppm

__all__ = ["REASONS_MAX", "Decision", "Outcome", "Reason", "RuleResult", "RuleTrace", "Terms", "decode_decision"]

REASONS_MAX = 4


class Decision(Struct, frozen=True, kw_only=True):
    """A credit decision.

    `product_hash` names the release's product, whose variables and texts speak here; the Case names the one it was told to.
    `terms` is set for approve and counter_offer. `pd_ppm`, `points`, `expected_log_odds` and `contributions` (log-odds of
    default by model variable, in product order; positive raises the risk) are missing when no score could be computed. Together
    `expected_log_odds` and `contributions` add up to the raw score, which the release's calibration turns into pd.
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
