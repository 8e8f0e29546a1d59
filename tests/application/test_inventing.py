"""An invented application passes the door of every product, on every day, and is the same one every time."""

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.application.document import load_product
from instant_credit.application.door import Door, Told
from instant_credit.application.inventing import invent_body, invent_facts
from instant_credit.application.product import (
    Attribute,
    AttributeType,
    Better,
    Legal,
    MissingRule,
    Product,
    Roles,
    Source,
)
from instant_credit.record.shipped import list_starters, read_starter
from tests.application.loans import personal_loan

PRODUCTS = [load_product(read_starter("products", name)) for name in list_starters("products")]
DAYS = st.dates(date(1970, 1, 1), date(2200, 1, 1))


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)
@given(as_of=DAYS)
def test_the_door_of_every_shipped_product_accepts_it(product: Product, as_of: date) -> None:
    body = invent_body(product, as_of)
    assert isinstance(Door(product).read_application(json.dumps(body).encode(), as_of), Told)
    assert body == invent_body(product, as_of)
    assert set(body["facts"]) == {a.name for a in product.told_attributes}


@st.composite
def attributes(draw: st.DrawFn) -> Attribute:
    kind = draw(st.sampled_from(AttributeType))
    bounds = {
        AttributeType.REAL: st.floats(-1e12, 1e12),
        AttributeType.DATE: st.integers(0, 1000).map(float),
    }.get(kind, st.integers(-(2**53), 2**53).map(float))
    low, high = sorted([draw(bounds), draw(bounds)])
    is_category = kind is AttributeType.CATEGORY
    return Attribute(
        name="a" + str(draw(st.integers(0, 10**6))),
        type=kind,
        unit="ratio",
        minimum=None if is_category else low,
        maximum=None if is_category else high,
        categories=("one", "two") if is_category else (),
        missing=draw(st.sampled_from([MissingRule.REFUSE, MissingRule.KEEP])),
        source=draw(st.sampled_from([Source.FORM, Source.BUREAU])),
        legal=Legal.AGE if kind is AttributeType.DATE and draw(st.booleans()) else Legal.FREE,
        better=draw(st.sampled_from(Better)),
        description="A fact.",
    )


@given(st.lists(attributes(), min_size=1, max_size=6, unique_by=lambda a: a.name), DAYS, st.floats(-1e18, 1e18))
def test_facts_of_any_ranges_lie_within_them(told: list[Attribute], as_of: date, wanted: float) -> None:
    product = replace(personal_loan(), attributes=tuple(told), variables=(), roles=Roles())
    numbers = {a.name: wanted for a in told[:3]}
    body = json.dumps(invent_body(product, as_of, numbers)).encode()
    assert isinstance(Door(product).read_application(body, as_of), Told)


def test_what_is_wanted_is_told_within_the_range() -> None:
    facts = invent_facts(personal_loan(), date(2026, 1, 1), {"requested_amount_cents": 10**12, "term_months": 1})
    assert (facts["requested_amount_cents"], facts["term_months"]) == (10_000_000, 6)
    assert facts["income_annual_cents"] == 10**10
    assert facts["bankruptcies"] == 0
