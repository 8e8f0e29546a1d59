"""Who may do what over HTTP."""

import asyncio
from datetime import timedelta
from random import Random

import httpx
import pytest

from instant_credit.access.actors import Actor, ActorKind, Scope
from instant_credit.record.api_keys import create_key, revoke_key
from instant_credit.record.pool import open_record
from tests.clock import FixedClock
from tests.lending import House, invent_body

PLACES = [("POST", "/v1/products/personal_loan/applications"), ("GET", "/v1/decisions/x")]


@pytest.mark.parametrize(("method", "path"), PLACES)
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Basic YTpi",
        "Bearer nonsense",
        "bearer ic_aaaaaaaaaaaaaaaa_" + "a" * 43,
        "Bearer " + "é" * 66,
        "x" * 900,
    ],
)
def test_without_a_valid_key_nothing_is_said(house: House, method: str, path: str, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    response = httpx.request(method, house.server.address + path, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.headers["content-type"] == "application/problem+json"


def test_two_authorizations_are_none(house: House) -> None:
    headers = [("Authorization", f"Bearer {house.keys['all']}")] * 2
    assert httpx.get(house.server.address + "/v1/decisions/x", headers=headers).status_code == 401


def test_a_key_without_the_scope_is_forbidden(house: House) -> None:
    body = invent_body(house.documents.product, Random(1))
    with house.client("read") as reader, house.client("apply") as applicant:
        assert reader.post(house.apply_url, json=body).status_code == 403
        applied = applicant.post(house.apply_url, json=body)
        assert applied.status_code == 201
        refused = applicant.get(applied.headers["location"])
        assert refused.status_code == 403
        assert "decisions:read or decisions:read_all" in refused.json()["detail"]


def test_a_key_reads_its_own_clients_decisions_only(house: House) -> None:
    body = invent_body(house.documents.product, Random(1))
    with house.client("apply") as applicant, house.client("read") as reader, house.client("audit") as auditor:
        location = applicant.post(house.apply_url, json=body).headers["location"]
        foreign = reader.get(location)
        unknown = reader.get("/v1/decisions/00000000-0000-7000-8000-000000000000")
        assert (foreign.status_code, foreign.content) == (404, unknown.content)
        assert auditor.get(location).status_code == 200
        assert auditor.post(house.apply_url, json=body).status_code == 403
    own = asyncio.run(_make_key(house, "client-apply", Scope.DECISIONS_READ))
    read = httpx.get(house.server.address + location, headers={"Authorization": f"Bearer {own}"})
    assert read.status_code == 200


async def _make_key(house: House, client_id: str, scope: Scope) -> str:
    actor = Actor(kind=ActorKind.JOB, id="tests")
    async with open_record(house.settings) as record:
        return await create_key(record, client_id=client_id, scopes=frozenset({scope}), expires_at=None, actor=actor)


def test_expired_and_revoked_keys_are_no_keys(house: House) -> None:
    expired, revoked = asyncio.run(_spoilt_keys(house))
    for key in (expired, revoked):
        headers = {"Authorization": f"Bearer {key}"}
        assert httpx.get(house.server.address + "/v1/decisions/x", headers=headers).status_code == 401


async def _spoilt_keys(house: House) -> tuple[str, str]:
    actor = Actor(kind=ActorKind.JOB, id="tests")
    clock = FixedClock()
    async with open_record(house.settings, clock=clock) as record:
        soon = clock.now() + timedelta(seconds=1)
        scopes = frozenset(Scope)
        expired = await create_key(record, client_id="expired", scopes=scopes, expires_at=soon, actor=actor)
        revoked = await create_key(record, client_id="revoked", scopes=scopes, expires_at=None, actor=actor)
        await revoke_key(record, revoked.split("_")[1], actor)
    return expired, revoked


def test_the_open_routes_need_no_key(house: House) -> None:
    for path in ("/health/live", "/health/ready", "/metrics", "/openapi.json"):
        assert httpx.get(house.server.address + path).status_code == 200


def test_a_purpose_that_is_none_is_refused_and_a_good_one_is_taken(house: House) -> None:
    with house.client("audit") as auditor, house.client("apply") as applicant:
        location = applicant.post(house.apply_url, json=invent_body(house.documents.product, Random(2))).headers[
            "location"
        ]
        for told, status in (({"Read-Purpose": "curiosity"}, 400), ({"Read-Purpose": "legal"}, 200), ({}, 200)):
            assert auditor.get(location, headers=told).status_code == status
        twice = [("Read-Purpose", "audit")] * 2
        assert auditor.get(location, headers=twice).status_code == 400
