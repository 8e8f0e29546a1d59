"""The Decision: outcome, terms, reasons and the trace of every rule. Its canonical bytes hold no id, clock or timing."""

from datetime import date

import msgspec
from msgspec import UNSET, Struct, UnsetType

from instant_credit.experiment.assignment import Assignment
from instant_credit.policy.program import PRICE_EXITS
from instant_credit.policy.verdict import Outcome, Reason, RuleResult, RuleTrace, Terms
from instant_credit.units import Ppm

__all__ = ["REASONS_MAX", "Decision", "Outcome", "Reason", "RuleResult", "RuleTrace", "Terms", "decode_decision"]

REASONS_MAX = 4


class Decision(Struct, frozen=True, kw_only=True):
    """A credit decision.

    `product_hash` names the release's product, whose variables and texts speak here; the Case names the one it was told to.
    `terms` is set for approve and counter_offer; an approval under a policy that prices nothing carries none. `pd_ppm`, `points`,
    `expected_log_odds` and `contributions` (log-odds of default by model variable, in product order; positive raises the risk) are
    missing when no score could be computed. Contributions count from the release's reference population, whose mean raw score is
    `expected_log_odds`; under engine 1 both count from the loans trained on. Together they add up to the raw score, which the
    release's calibration turns into pd. `assignment` repeats the Case's: the arms, and the chance with which they were drawn.
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
    assignment: Assignment | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Approvals carry no reasons and, where the policy prices, terms; everything else carries one to four reasons."""
        is_offer = self.outcome in (Outcome.APPROVE, Outcome.COUNTER_OFFER)
        if self.terms is not None and not is_offer:
            raise ValueError("terms belong to approve and counter_offer, and to them only")
        if self.terms is None and is_offer and (self.outcome is Outcome.COUNTER_OFFER or self._is_priced()):
            raise ValueError("an offer carries its terms")
        if self.outcome is Outcome.APPROVE:
            if self.reasons:
                raise ValueError("an approval carries no adverse reasons")
        elif not 1 <= len(self.reasons) <= REASONS_MAX:
            raise ValueError("one to four reasons are due")

    def _is_priced(self) -> bool:
        """Whether the policy that spoke prices: then its trace says what each of the exits of pricing said."""
        return any(entry.rule in PRICE_EXITS for entry in self.trace)


_DECODER = msgspec.json.Decoder(Decision)


def decode_decision(raw: bytes) -> Decision:
    """The Decision behind canonical bytes (`canonical.encode_canonical`)."""
    return _DECODER.decode(raw)
