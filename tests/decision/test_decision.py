from datetime import date
from typing import Any

import pytest

from instant_credit.decision.decision import Decision, Outcome, Reason, RuleResult, RuleTrace, Terms
from instant_credit.policy.program import PRICE_EXITS
from instant_credit.units import Cents, Ppm

REASON = Reason(number=1, code="INCOME_LOW", family="income", text="Income is low.")
TERMS = Terms(amount_cents=Cents(1), term_months=12, apr_ppm=Ppm(1), instalment_cents=Cents(1))


def make(**fields: Any) -> Decision:
    return Decision(release_hash="r", product_hash="p", as_of=date(2026, 1, 1), **fields)


@pytest.mark.parametrize("outcome", [Outcome.REFER, Outcome.DECLINE])
def test_terms_belong_to_offers_only(outcome: Outcome) -> None:
    with pytest.raises(ValueError, match="terms belong to"):
        make(outcome=outcome, terms=TERMS, reasons=(REASON,))


def test_a_counter_offer_has_terms() -> None:
    with pytest.raises(ValueError, match="an offer carries its terms"):
        make(outcome=Outcome.COUNTER_OFFER, reasons=(REASON,))


def test_an_approval_has_terms_where_the_policy_prices_and_none_where_it_does_not() -> None:
    priced = RuleTrace(rule=PRICE_EXITS[0], result=RuleResult.CLEAR)
    with pytest.raises(ValueError, match="an offer carries its terms"):
        make(outcome=Outcome.APPROVE, trace=(priced,))
    assert make(outcome=Outcome.APPROVE).terms is None


def test_an_approval_has_no_reasons() -> None:
    with pytest.raises(ValueError, match="no adverse reasons"):
        make(outcome=Outcome.APPROVE, terms=TERMS, reasons=(REASON,))


@pytest.mark.parametrize("count", [0, 5])
def test_other_outcomes_have_one_to_four_reasons(count: int) -> None:
    with pytest.raises(ValueError, match="one to four"):
        make(outcome=Outcome.DECLINE, reasons=(REASON,) * count)
