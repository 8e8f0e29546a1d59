"""Whom an experiment is open to: what may be compared, and what an unknown answer means."""

from typing import Any

import pytest
from msgspec.structs import replace

from instant_credit.application.facts import Facts
from instant_credit.application.product import Product, Source
from instant_credit.errors import Refused
from instant_credit.experiment.checks import check_plan
from instant_credit.experiment.eligibility import compile_eligible
from instant_credit.policy.operands import Catalogue
from tests.experiment.plans import layers, plan, product

RENTERS = {"attribute": "home_ownership", "compare": "is", "value": "rent"}
SMALL = {"attribute": "requested_amount_cents", "compare": "at_most", "value": 1_000_000}


def facts(home: int = 0, amount: int | None = 500_000) -> Facts:
    catalogue = Catalogue(product())
    counts = dict.fromkeys(("cents", "category"), 0)
    for attribute, _ in catalogue.attributes.values():
        if attribute.type.value in counts:
            counts[attribute.type.value] += 1
    codes = [-1] * counts["category"]
    codes[catalogue.attributes["home_ownership"][1]] = home
    cents: list[int | None] = [None] * counts["cents"]
    cents[catalogue.attributes["requested_amount_cents"][1]] = amount
    return Facts(codes=tuple(codes), cents=tuple(cents))


@pytest.mark.parametrize(
    ("condition", "one", "is_open"),
    [
        (None, facts(), True),
        (RENTERS, facts(home=0), True),
        (RENTERS, facts(home=1), False),
        (RENTERS, facts(home=-1), False),
        ({"not": RENTERS}, facts(home=-1), False),
        ({"all": [RENTERS, SMALL]}, facts(), True),
        ({"all": [RENTERS, SMALL]}, facts(amount=1_000_001), False),
        ({"any": [RENTERS, SMALL]}, facts(home=-1), True),
        ({"any": [RENTERS, SMALL]}, facts(home=-1, amount=None), False),
    ],
)
def test_an_unknown_answer_is_a_no(condition: Any, one: Facts, is_open: bool) -> None:
    assert compile_eligible(plan(eligible=condition), product())(one) is is_open


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ({"attribute": "sex", "compare": "is", "value": "male"}, "attribute sex is prohibited"),
        ({"attribute": "colour", "compare": "is", "value": "x"}, "attribute colour is not in product personal_loan"),
        ({"attribute": "home_ownership", "compare": "is", "value": "tent"}, "home_ownership has no category tent"),
        ({"attribute": "home_ownership", "compare": "above", "value": 1}, "compare with is or in"),
        ({"attribute": "requested_amount_cents", "compare": "above", "value": 0.5}, "give a whole number"),
        (
            {"attribute": "income_annual_cents", "compare": "above", "value": 1},
            "income counts in full whatever its kind",
        ),
        ({"not": {"variable": "x", "compare": "above", "value": 1}}, "variable x is not computed yet"),
    ],
)
def test_what_a_policy_may_not_ask_an_experiment_may_not_either(condition: Any, told: str) -> None:
    with pytest.raises(Refused, match=f"- eligible: .*{told}"):
        check_plan(plan(eligible=condition), product(), layers())


def from_tapes(name: str) -> Product:
    """The product, one of whose attributes is told by tapes only."""
    attributes = (replace(one, source=Source.TAPE) if one.name == name else one for one in product().attributes)
    return replace(product(), attributes=tuple(attributes))


def test_what_applications_do_not_tell_is_neither_asked_nor_looked_at() -> None:
    with pytest.raises(Refused, match="eligible: attribute home_ownership is told by tapes only"):
        check_plan(plan(eligible=RENTERS, segments=[]), from_tapes("home_ownership"), layers())
    with pytest.raises(Refused, match="segment home_ownership: is told by tapes only"):
        check_plan(plan(), from_tapes("home_ownership"), layers())
