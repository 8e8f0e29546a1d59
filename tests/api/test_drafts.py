"""Drafts over HTTP against a running server."""

import json
from random import Random
from typing import Any
from uuid import uuid4

from tests.api.test_openapi import Held
from tests.lending import House, invent_body

DRAFT = "/v1/drafts/{draft_id}"


def body_of(house: House, seed: int = 1) -> dict[str, Any]:
    return invent_body(house.documents.product, Random(seed))


def opens(house: House) -> str:
    return f"/v1/products/{house.documents.product.name}/drafts"


def test_a_draft_becomes_an_application_step_by_step(house: House) -> None:
    held, body = Held(house), body_of(house)
    with house.client() as client:
        opened = client.post(opens(house), json={})
        held.check(opens(house), "post", opened)
        assert opened.status_code == 201
        links = opened.json()["links"]
        assert opened.headers["location"] == links["self"]["href"]
        missing = client.post(links["submit"]["href"])
        held.check(DRAFT + "/submit", "post", missing)
        assert (missing.status_code, missing.json()["state"]) == (200, "incomplete")
        assert missing.json()["notice"]["complete_by"] > missing.json()["notice"]["given_at"]
        for part in ({"facts": body["facts"]}, {"applicant": body["applicant"]}):
            headers = {"Content-Type": "application/merge-patch+json"}
            changed = client.patch(links["self"]["href"], content=json.dumps(part), headers=headers)
            held.check(DRAFT, "patch", changed)
        assert changed.json()["missing"] == []
        first, second = (client.post(links["submit"]["href"]) for _ in range(2))
        held.check(DRAFT + "/submit", "post", first)
        assert (first.status_code, first.content) == (201, second.content)
        assert second.headers["idempotent-replayed"] == "true"
        after = client.get(links["self"]["href"])
        held.check(DRAFT, "get", after)
        assert after.json()["state"] == "decided"
        assert client.get(after.json()["links"]["application"]["href"]).status_code == 200
        assert client.get(first.headers["location"]).status_code == 200
        closed = client.patch(links["self"]["href"], json={})
        held.check(DRAFT, "patch", closed)
        assert closed.json()["type"] == "urn:instant-credit:problem:draft-closed"


def test_wrong_parts_and_wrong_places_are_refused(house: House) -> None:
    held = Held(house)
    with house.client() as client, house.client("apply") as other, house.client("read") as reader:
        place = client.post(opens(house), json={}).json()["links"]["self"]["href"]
        answers = [
            client.patch(place, json={"facts": {"term_months": 9_999}}),
            client.patch(place, content=b"{", headers={"Content-Type": "application/json"}),
            client.patch(place, content=b'{"facts":{},"facts":{}}', headers={"Content-Type": "application/json"}),
            client.patch(place, content=b"{}", headers={"Content-Type": "text/plain"}),
            other.patch(place, json={}),
            reader.patch(place, json={}),
            client.patch(f"/v1/drafts/{uuid4()}", json={}),
        ]
        assert [answer.status_code for answer in answers] == [422, 400, 422, 415, 404, 403, 404]
        for answer in answers:
            held.check(DRAFT, "patch", answer)
        withdrawn = client.post(f"{place}/withdraw")
        held.check(DRAFT + "/withdraw", "post", withdrawn)
        assert withdrawn.json()["state"] == "withdrawn"
        assert client.post(f"{place}/submit").status_code == 409
