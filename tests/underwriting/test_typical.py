"""A typical application: the middle of a book, fact by fact, and nobody."""

import json
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.application.document import encode_product, hash_layout, load_product
from instant_credit.application.door import Door, Told
from instant_credit.application.inventing import APPLICANT
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
from instant_credit.application.telling import tell_facts
from instant_credit.canonical import encode_canonical, hash_content
from instant_credit.decision.case import Case
from instant_credit.record.commit import commit_entries
from instant_credit.record.documents import put_document
from instant_credit.record.shipped import list_starters, read_starter
from instant_credit.underwriting import typical as typical_module
from instant_credit.underwriting.typical import CASES_MIN, ToldCase, find_typical, take_middle
from tests.lending import AS_OF, invent_values, personal_loan
from tests.policy.documents import shipped
from tests.record.entries import make_entry

PRODUCTS = {name: load_product(read_starter("products", name)) for name in list_starters("products")}
TODAY = date(2027, 3, 1)


def told_of(product: Product, count: int, seed: int = 3) -> list[ToldCase]:
    chance, door = Random(seed), Door(product)
    facts = [door.check_facts(invent_values(product, chance), AS_OF) for _ in range(count)]
    return [ToldCase(facts=tell_facts(product, one), as_of=AS_OF, weight=1.0) for one in facts]


@pytest.mark.parametrize("name", PRODUCTS)
@given(count=st.integers(CASES_MIN, 90), seed=st.integers(0, 9))
def test_the_door_accepts_the_middle_of_any_book(name: str, count: int, seed: int) -> None:
    product = PRODUCTS[name]
    facts = take_middle(product, told_of(product, count, seed), TODAY)
    body = json.dumps({"applicant": APPLICANT, "facts": facts}).encode()
    assert isinstance(Door(product).read_application(body, TODAY), Told)


NUMBER = Attribute(
    name="number", type=AttributeType.INTEGER, minimum=0, maximum=10_000, legal=Legal.FREE, description="A number."
)
MONEY = replace(NUMBER, name="money", type=AttributeType.CENTS, maximum=10_000_000)
REAL = replace(NUMBER, name="real", type=AttributeType.REAL, unit="ratio", maximum=2)
DAY = replace(NUMBER, name="day", type=AttributeType.DATE, minimum=0, maximum=50)
KIND = replace(NUMBER, name="kind", type=AttributeType.CATEGORY, minimum=None, maximum=None, categories=("a", "b", "c"))
FROM_TAPE = replace(NUMBER, name="tape", source=Source.TAPE)


def middle_of(attribute: Attribute, told: list[Any], weights: list[float] | None = None) -> Any:
    """The typical fact, None where it is left out, of Cases that told this (None: nothing)."""
    product = replace(personal_loan(), attributes=(attribute,), roles=Roles())
    cases = [
        ToldCase(facts={} if one is None else {attribute.name: one}, as_of=AS_OF, weight=weight)
        for one, weight in zip(told, weights or [1.0] * len(told), strict=True)
    ]
    return take_middle(product, cases, TODAY).get(attribute.name)


def test_numbers_are_medians_with_few_figures() -> None:
    assert middle_of(NUMBER, [7] * 60 + [9_999] * 40) == 7
    assert middle_of(NUMBER, [2_014] * 60) == 2_010
    assert middle_of(MONEY, [1_234_567] * 60 + [9_000_000] * 50) == 1_200_000
    assert middle_of(REAL, [0.53124] * 60) == pytest.approx(0.531)
    assert middle_of(NUMBER, [0] * 60) == 0


def test_rounding_stays_within_the_products_range() -> None:
    assert middle_of(replace(MONEY, maximum=1_260_000), [1_260_000] * 60) == 1_260_000
    assert middle_of(replace(REAL, minimum=0.1239), [0.1239] * 60) == pytest.approx(0.124)
    assert middle_of(replace(DAY, maximum=2), [AS_OF.replace(year=AS_OF.year - 2).isoformat()] * 60) >= "2025-03-01"


def test_dates_lie_as_long_before_the_application_as_in_the_middle_case() -> None:
    days = [(AS_OF - timedelta(days=ago)).isoformat() for ago in range(4_000, 4_101)]
    assert middle_of(DAY, days) == (TODAY - timedelta(days=4_050)).isoformat()


def test_categories_are_the_commonest() -> None:
    assert middle_of(KIND, ["c"] * 30 + ["b"] * 40 + ["a"] * 20) == "b"


def test_a_weight_counts_like_as_many_cases() -> None:
    assert middle_of(KIND, ["c"] * 50 + ["b"] * 50, [1.0] * 50 + [1.1] * 50) == "b"
    assert middle_of(NUMBER, [1] * 60 + [5] * 40, [1.0] * 60 + [3.0] * 40) == 5


def test_what_most_leave_out_or_too_few_tell_stays_out() -> None:
    assert middle_of(NUMBER, [7] * 60 + [None] * 61) is None
    assert middle_of(NUMBER, [7] * (CASES_MIN - 1)) is None
    assert middle_of(NUMBER, [7] * 60 + [None] * 60) == 7
    assert middle_of(FROM_TAPE, [None] * 60) is None


def test_a_required_fact_that_too_few_tell_is_invented() -> None:
    required = replace(NUMBER, missing=MissingRule.REFUSE, better=Better.LOWER)
    assert middle_of(required, [7] * (CASES_MIN - 1) + [None] * 9) == 0


async def fill(record: Any, actor: Any, product: Product, book: str, count: int, **changes: Any) -> list[ToldCase]:
    """Record a book of the product's Cases, each with an identity."""
    raw = encode_product(product)
    await put_document(record, "product", raw, actor)
    door, chance = Door(product), Random(8)
    nothing = dict.fromkeys(("decision_id", "decision", "release_hash", "outcome", "answer"))
    entries, told = [], []
    for number in range(count):
        facts = door.check_facts(invent_values(product, chance), AS_OF)
        case = Case(product_hash=hash_content(raw), layout_hash=hash_layout(product), as_of=AS_OF, facts=facts)
        named = {"case": encode_canonical(case), "product": product.name, "product_hash": hash_content(raw), **changes}
        entries.append(make_entry(record, number, book, **named, **nothing))
        told.append(ToldCase(facts=tell_facts(product, facts), as_of=AS_OF, weight=1.0))
    await commit_entries(record, entries, actor)
    return told


@pytest.mark.anyio
async def test_the_book_with_most_cases_of_the_product_is_looked_at(record, actor) -> None:
    product = personal_loan()
    await fill(record, actor, product, "few", CASES_MIN - 1)
    assert await find_typical(record, product, TODAY) is None
    await fill(record, actor, product, "small", CASES_MIN)
    told = await fill(record, actor, product, "large", CASES_MIN + 9)
    await fill(record, actor, replace(product, name="another_loan"), "other", CASES_MIN + 30)
    found = await find_typical(record, product, TODAY)
    assert found is not None
    assert (found.book, found.cases) == ("large", CASES_MIN + 9)
    assert found.facts == take_middle(product, told, TODAY)
    assert all(found.facts != one.facts for one in told)


@pytest.mark.anyio
async def test_a_book_of_other_columns_is_passed_over(record, actor) -> None:
    product = personal_loan()
    await fill(record, actor, replace(product, currency="EUR"), "euros", CASES_MIN + 5)
    assert await find_typical(record, product, TODAY) is None
    await fill(record, actor, product, "dollars", CASES_MIN)
    found = await find_typical(record, product, TODAY)
    assert found is not None
    assert found.book == "dollars"


@pytest.mark.anyio
async def test_the_term_is_one_that_the_policy_offers(record, actor) -> None:
    product = personal_loan()
    await fill(record, actor, product, "book", CASES_MIN)
    amounts = shipped().amounts
    assert amounts is not None
    found = await find_typical(
        record, product, TODAY, replace(shipped(), amounts=replace(amounts, terms_months=(12, 50)))
    )
    assert found is not None
    assert found.facts["term_months"] == 50


@pytest.mark.anyio
async def test_of_a_large_book_the_first_cases_are_enough(record, actor, monkeypatch) -> None:
    monkeypatch.setattr(typical_module, "CASES_MAX", CASES_MIN)
    await fill(record, actor, personal_loan(), "large", CASES_MIN + 20)
    found = await find_typical(record, personal_loan(), TODAY)
    assert found is not None
    assert found.cases == CASES_MIN
