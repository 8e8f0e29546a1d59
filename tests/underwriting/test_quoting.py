"""Quotes on a real record."""

import json
from random import Random
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from instant_credit.errors import NotFound
from instant_credit.underwriting.quoting import QuoteDesk
from instant_credit.underwriting.resources import Indication, Quote, encode_resource
from tests.lending import invent_body
from tests.underwriting.rooms import ANOTHER, CLIENT, TESTER, Room

pytestmark = pytest.mark.anyio
PRODUCT = "personal_loan"


@pytest.fixture
def desk(room: Room) -> QuoteDesk:
    return QuoteDesk(room.desk)


def facts_of(room: Room, seed: int) -> dict[str, Any]:
    facts: dict[str, Any] = invent_body(room.release.product, Random(seed))["facts"]
    return facts | {"earliest_credit_on": "2001-05-01"}


async def quoted(desk: QuoteDesk, facts: dict[str, Any]) -> Quote:
    quote = await desk.quote(PRODUCT, json.dumps({"facts": facts}).encode(), CLIENT)
    assert isinstance(quote, Quote), quote
    return quote


async def test_a_quote_indicates_the_terms_that_an_application_would_get_and_nothing_otherwise(
    room: Room, desk: QuoteDesk
) -> None:
    seen = set()
    for seed in range(25):
        quote = await quoted(desk, facts_of(room, seed))
        body = {"facts": facts_of(room, seed)}
        answer = json.loads((await room.apply(room.submission(seed=seed, body=body))).body)
        seen.add(quote.indication)
        if quote.terms is None:
            assert (quote.indication, answer["offer"]) == (Indication.NONE, None)
        else:
            offer = {name: value for name, value in answer["offer"].items() if name not in ("offer_id", "expires_at")}
            assert json.loads(encode_resource(quote.terms)) == offer
    assert seen == {Indication.TERMS, Indication.NONE}


async def test_a_quote_tells_neither_reasons_nor_risk_nor_an_outcome(room: Room, desk: QuoteDesk) -> None:
    for seed in range(10):
        told = json.loads(encode_resource(await quoted(desk, facts_of(room, seed))))
        assert not {"reasons", "pd_ppm", "points", "outcome", "decision_id"} & set(told)


async def test_a_quote_leaves_no_case_no_decision_and_no_fact_behind(
    room: Room, desk: QuoteDesk, superuser_url: str
) -> None:
    await quoted(desk, facts_of(room, 1) | {"income_annual_cents": 7_654_321})
    connection = await asyncpg.connect(superuser_url)
    for table in ("cases", "decisions", "identities", "idempotency_keys"):
        assert await connection.fetchval(f"SELECT count(*) FROM instant_credit.{table}") == 0  # noqa: S608 names above
    assert await connection.fetchval("SELECT count(*) FROM sealed_keys.person_keys") == 0
    (row,) = await connection.fetch("SELECT quote::text AS whole FROM instant_credit.quotes AS quote")
    await connection.close()
    assert "7654321" not in row["whole"]
    assert room.lines == []


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"facts": {}, "applicant": {"name": "Ada Example"}}, {"/applicant"}),
        ({"facts": {}, "monitoring": {"sex": "female"}}, {"/monitoring"}),
        ({}, {"/facts"}),
        ([], {""}),
    ],
)
async def test_a_quote_takes_facts_alone(desk: QuoteDesk, body: Any, pointers: set[str]) -> None:
    problems = await desk.quote(PRODUCT, json.dumps(body).encode(), CLIENT)
    assert isinstance(problems, tuple)
    assert pointers <= {problem.pointer for problem in problems}
    assert not any(problem.pointer.startswith("/applicant/") for problem in problems)


async def test_a_quote_is_read_again_by_its_client_in_its_mode_alone(room: Room, desk: QuoteDesk) -> None:
    quote = await quoted(desk, facts_of(room, 1))
    assert encode_resource(await desk.read(quote.quote_id, CLIENT)) == encode_resource(quote)
    for quote_id, caller in ((quote.quote_id, ANOTHER), (quote.quote_id, TESTER), (uuid4(), CLIENT)):
        with pytest.raises(NotFound):
            await desk.read(quote_id, caller)


async def test_a_product_that_is_not_offered_is_not_quoted(desk: QuoteDesk) -> None:
    with pytest.raises(NotFound):
        await desk.quote("mortgage", b"{}", CLIENT)
