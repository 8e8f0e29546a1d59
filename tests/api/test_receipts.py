"""Receipts over HTTP: refused until an anchor covers the decision, true from then on, for whoever may read the decision."""

from random import Random
from typing import Any

import httpx

from instant_credit.verify_receipt import verify_receipt
from tests.api.test_openapi import Held
from tests.lending import House, anchor_record, invent_body

RECEIPT = "/v1/decisions/{decision_id}/receipt"


def apply(house: House, client: httpx.Client) -> dict[str, Any]:
    answer: dict[str, Any] = client.post(house.apply_url, json=invent_body(house.documents.product, Random(7))).json()
    return answer


def test_a_decision_has_a_receipt_as_soon_as_an_anchor_covers_it(house: House) -> None:
    held = Held(house)
    with house.client() as client:
        answer = apply(house, client)
        links = client.get(f"/v1/applications/{answer['application_id']}").json()["links"]
        early = client.get(links["receipt"]["href"])
        held.check(RECEIPT, "get", early)
        assert (early.status_code, early.json()["type"]) == (409, "urn:instant-credit:problem:not-anchored")
        public_key = anchor_record(house.environ)
        response = client.get(links["receipt"]["href"])
        held.check(RECEIPT, "get", response)
    verified = verify_receipt(response.content, bytes.fromhex(public_key))
    assert (str(verified.decision_id), verified.release_hash) == (answer["decision_id"], answer["release"])
    assert f'"outcome":"{answer["outcome"]}"' in verified.decision


def test_only_who_may_read_the_decision_gets_its_receipt(house: House) -> None:
    with house.client() as client:
        place = f"/v1/decisions/{apply(house, client)['decision_id']}/receipt"
    anchor_record(house.environ)
    statuses = {}
    for key in ("all", "read", "apply", "audit"):
        with house.client(key) as client:
            statuses[key] = client.get(place).status_code
    assert statuses == {"all": 200, "read": 404, "apply": 403, "audit": 200}
    with house.client() as client:
        assert client.get("/v1/decisions/x/receipt").status_code == 404
