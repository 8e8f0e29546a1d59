"""Applying over HTTP against a running server."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from instant_credit.record.ids import bucket_of
from instant_credit.units import instalment_ceil
from tests.budget import examples
from tests.lending import House, invent_body

OUTCOMES = {"approve", "counter_offer", "refer", "decline"}


@pytest.fixture(scope="module")
def client(house: House) -> Iterator[httpx.Client]:
    with house.client() as opened:
        yield opened


def body_of(house: House, seed: int, **facts: Any) -> dict[str, Any]:
    return invent_body(house.documents.product, Random(seed), **facts)


def test_an_application_is_decided_and_read_back(house: House, client: httpx.Client) -> None:
    response = client.post(house.apply_url, json=body_of(house, 1))
    assert response.status_code == 201, response.text
    answer = response.json()
    assert answer["outcome"] in OUTCOMES
    assert answer["release"] == house.documents.release_hash
    assert response.headers["location"] == f"/v1/decisions/{answer['decision_id']}"
    recorded = client.get(response.headers["location"])
    assert recorded.status_code == 200
    found = recorded.json()
    decision = found["decision"]
    assert {k: found[k] for k in ("application_id", "decision_id", "recorded_at", "product", "release")} == {
        k: answer[k] for k in ("application_id", "decision_id", "recorded_at", "product", "release")
    }
    assert (decision["outcome"], decision["pd_ppm"], decision["points"]) == (
        answer["outcome"],
        answer["pd_ppm"],
        answer["points"],
    )
    assert decision["reasons"] == answer["reasons"]
    assert decision["trace"]
    names = [v.name for v in house.documents.product.model_variables]
    assert [c["variable"] for c in found["contributions"]] == names
    assert [c["log_odds"] for c in found["contributions"]] == decision["contributions"]


def test_answers_of_every_kind_keep_their_form(house: House, client: httpx.Client) -> None:
    seen = set()
    for seed in range(60):
        answer = client.post(house.apply_url, json=body_of(house, seed)).json()
        seen.add(answer["outcome"])
        offered = answer["outcome"] in {"approve", "counter_offer"}
        assert (answer["offer"] is not None) == offered
        assert 0 <= len(answer["reasons"]) <= 4
        assert (answer["outcome"] == "approve") == (not answer["reasons"])
        if offered:
            offer = answer["offer"]
            amount, term, apr = offer["amount_cents"], offer["term_months"], offer["apr_ppm"]
            assert offer["currency"] == "USD"
            assert offer["instalment_cents"] == instalment_ceil(amount, apr, term)
    assert {"approve", "decline"} <= seen


def test_ids_carry_one_bucket_and_the_stage_times_are_told(house: House, client: httpx.Client) -> None:
    response = client.post(house.apply_url, json=body_of(house, 2))
    answer = response.json()
    ids = {bucket_of(uuid.UUID(answer[name])) for name in ("application_id", "decision_id")}
    assert len(ids) == 1
    assert answer["timings_ns"]["decide"] > 0
    stages = dict(part.split(";dur=") for part in response.headers["server-timing"].split(", "))
    assert list(stages) == ["read", "decide", "record", "total"]
    assert float(stages["total"]) >= float(stages["record"]) > 0


def test_a_repeated_application_gets_the_first_answers_bytes(house: House, client: httpx.Client) -> None:
    body = json.dumps(body_of(house, 3))
    headers = {"Idempotency-Key": str(uuid.uuid4()), "Content-Type": "application/json"}
    first, second = (client.post(house.apply_url, content=body, headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert first.headers["location"] == second.headers["location"]


def test_a_key_used_for_another_body_conflicts(house: House, client: httpx.Client) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    assert client.post(house.apply_url, json=body_of(house, 4), headers=headers).status_code == 201
    other = client.post(house.apply_url, json=body_of(house, 5), headers=headers)
    assert other.status_code == 409
    assert other.json()["type"] == "urn:instant-credit:problem:idempotency-conflict"
    wrong = client.post(house.apply_url, json={}, headers=headers)
    assert wrong.status_code == 409


def test_a_key_belongs_to_its_client(house: House, client: httpx.Client) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    body = body_of(house, 6)
    first = client.post(house.apply_url, json=body, headers=headers)
    with house.client("apply") as another:
        second = another.post(house.apply_url, json=body, headers=headers)
    assert second.status_code == 201
    assert second.json()["decision_id"] != first.json()["decision_id"]


def test_a_refused_application_leaves_its_key_free(house: House, client: httpx.Client) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    body = body_of(house, 7)
    wrong = {**body, "facts": {**body["facts"], "requested_amount_cents": -1}}
    assert client.post(house.apply_url, json=wrong, headers=headers).status_code == 422
    assert client.post(house.apply_url, json=body, headers=headers).status_code == 201


def test_without_a_key_each_application_is_its_own(house: House, client: httpx.Client) -> None:
    body = body_of(house, 8)
    first, second = (client.post(house.apply_url, json=body).json() for _ in range(2))
    assert first["decision_id"] != second["decision_id"]
    assert first["outcome"] == second["outcome"]


def test_concurrent_retries_get_one_decision(house: House) -> None:
    body = json.dumps(body_of(house, 9)).encode()
    headers = {"Idempotency-Key": str(uuid.uuid4()), "Content-Type": "application/json"}
    answers = asyncio.run(_post_together(house, [body] * 24, headers))
    assert {a.status_code for a in answers} == {201}
    assert len({a.content for a in answers}) == 1
    assert sum("idempotent-replayed" not in a.headers for a in answers) == 1


async def _post_together(house: House, bodies: list[bytes], headers: dict[str, str]) -> list[httpx.Response]:
    bearer = {"Authorization": f"Bearer {house.keys['all']}"}
    limits = httpx.Limits(max_connections=len(bodies))
    async with httpx.AsyncClient(base_url=house.server.address, headers=bearer, timeout=30, limits=limits) as client:
        return await asyncio.gather(*(client.post(house.apply_url, content=b, headers=headers) for b in bodies))


@examples(12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.lists(st.integers(0, 2), min_size=2, max_size=10))
def test_of_concurrent_bodies_one_wins_and_the_others_conflict(house: House, order: list[int]) -> None:
    bodies = [json.dumps(body_of(house, 100 + which)).encode() for which in order]
    headers = {"Idempotency-Key": str(uuid.uuid4()), "Content-Type": "application/json"}
    answers = asyncio.run(_post_together(house, bodies, headers))
    winners = {which for which, a in zip(order, answers, strict=True) if a.status_code == 201}
    assert len(winners) == 1
    for which, a in zip(order, answers, strict=True):
        assert a.status_code == (201 if which in winners else 409)
    assert len({a.content for a in answers if a.status_code == 201}) == 1
    assert sum(a.status_code == 201 and "idempotent-replayed" not in a.headers for a in answers) == 1


def test_many_clients_at_once_are_all_answered(house: House) -> None:
    def apply(seed: int) -> int:
        with house.client() as own:
            return own.post(house.apply_url, json=body_of(house, 1000 + seed)).status_code

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(apply, range(64))) == {201}
