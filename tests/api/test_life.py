"""The life of an application over HTTP against a running server."""

from random import Random
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.test_openapi import Held
from tests.lending import House, invent_body

APPLICATION = "/v1/applications/{application_id}"
OFFER = APPLICATION + "/offers/{offer_id}"


def apply(house: House, client: httpx.Client, *outcomes: str) -> dict[str, Any]:
    """The answer to an application that was decided so."""
    for seed in range(200):
        answer: dict[str, Any] = client.post(
            house.apply_url, json=invent_body(house.documents.product, Random(seed))
        ).json()
        if answer["outcome"] in outcomes:
            return answer
    raise AssertionError(f"nobody is decided {outcomes}")


def test_links_lead_from_an_answer_to_an_accepted_offer(house: House) -> None:
    held = Held(house)
    with house.client() as client:
        answer = apply(house, client, "approve", "counter_offer")
        status = client.get(f"/v1/applications/{answer['application_id']}")
        held.check(APPLICATION, "get", status)
        assert status.json()["state"] == "offered"
        assert client.get(status.json()["links"]["decision"]["href"]).json()["decision_id"] == answer["decision_id"]
        offers = client.get(status.json()["links"]["offers"]["href"])
        held.check(APPLICATION + "/offers", "get", offers)
        (offer,) = offers.json()["offers"]
        assert offer["offer"] == answer["offer"]
        held.check(OFFER, "get", client.get(offer["links"]["self"]["href"]))
        first, second = (client.post(offer["links"]["accept"]["href"]) for _ in range(2))
        held.check(OFFER + "/accept", "post", first)
        assert first.content == second.content
        assert first.json()["state"] == "accepted"
        assert "accept" not in first.json()["links"]
        after = client.get(offer["links"]["application"]["href"]).json()
        assert (after["state"], after["ended_at"]) == ("accepted", first.json()["accepted_at"])
        closed = client.post(f"/v1/applications/{answer['application_id']}/withdraw")
        held.check(APPLICATION + "/withdraw", "post", closed)
        assert closed.json()["type"] == "urn:instant-credit:problem:application-closed"


def test_a_withdrawn_applications_offer_is_not_accepted(house: House) -> None:
    with house.client() as client:
        answer = apply(house, client, "approve", "counter_offer")
        place = f"/v1/applications/{answer['application_id']}"
        withdrawn = client.post(client.get(place).json()["links"]["withdraw"]["href"])
        assert (withdrawn.status_code, withdrawn.json()["state"]) == (200, "withdrawn")
        refused = client.post(f"{place}/offers/{answer['offer']['offer_id']}/accept")
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:instant-credit:problem:application-closed")


@pytest.mark.parametrize("key", ["read", "apply"])
def test_a_key_sees_no_other_clients_application(house: House, key: str) -> None:
    with house.client() as client, house.client(key) as other, house.client("audit") as auditor:
        answer = apply(house, client, "approve", "counter_offer")
        place = f"/v1/applications/{answer['application_id']}"
        accept = f"{place}/offers/{answer['offer']['offer_id']}/accept"
        reads = [other.get(path).status_code for path in (place, f"{place}/offers")]
        writes = [other.post(path).status_code for path in (accept, f"{place}/withdraw")]
        assert (reads, writes) == (([404, 404], [403, 403]) if key == "read" else ([403, 403], [404, 404]))
        assert auditor.get(place).status_code == 200
        assert client.get(place).json()["state"] == "offered"


def test_what_is_not_there_is_not_found(house: House) -> None:
    held = Held(house)
    with house.client() as client:
        known = apply(house, client, "approve", "counter_offer")["application_id"]
        for place in ("x", uuid4(), known):
            offer = f"/v1/applications/{place}/offers/{uuid4() if place == known else 'x'}"
            held.check(OFFER, "get", client.get(offer))
            assert client.get(offer).status_code == 404
            assert client.post(f"{offer}/accept").status_code == 404
        assert client.get(f"/v1/applications/{uuid4()}").status_code == 404
