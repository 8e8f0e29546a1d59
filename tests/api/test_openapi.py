"""The document, and the server held to it by schemathesis."""

from collections import Counter
from random import Random
from typing import Any
from uuid import uuid4

import httpx
import jsonschema_rs
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from schemathesis.specs.openapi.schemas import OpenApiSchema

from instant_credit.api.openapi import OfferedProduct, build_openapi
from tests.budget import IS_PROVING, TIMES
from tests.lending import House, invent_body

# Examples by operation and kind of data, of which the suite takes half; together at least `CASES_MIN` requests are made, and under
# `make prove` many times that.
EXAMPLES = {
    "apply_personal_loan": (220, 200),
    "read_decision": (60, 60),
    "read_receipt": (10, 10),
    "open_draft_personal_loan": (40, 40),
    "quote_personal_loan": (40, 40),
    "read_quote": (10, 10),
    "read_draft": (10, 10),
    "change_draft": (20, 20),
    "submit_draft": (10, 10),
    "withdraw_draft": (10, 10),
    "read_application": (20, 20),
    "withdraw_application": (20, 20),
    "list_offers": (20, 20),
    "read_offer": (20, 20),
    "accept_offer": (20, 20),
    "take_outcomes": (40, 40),
    "read_quarantine": (10, 10),
    "read_windows": (10, 10),
    "read_alerts": (10, 10),
    "list_releases": (5, 5),
    "read_release": (10, 10),
    "propose_release": (10, 10),
    "approve_release": (10, 10),
    "reject_release": (10, 10),
    "stage_release": (10, 10),
    "activate_release": (10, 10),
    "roll_release_back": (10, 10),
    "retire_release": (10, 10),
    "read_readout": (5, 5),
    "read_memo": (5, 5),
    "promote_arm": (10, 10),
    "plan_experiment": (10, 20),
    "list_experiments": (5, 5),
    "read_experiment": (10, 10),
    "start_experiment": (10, 10),
    "ramp_experiment": (10, 10),
    "stop_experiment": (10, 10),
    "ask_for_job": (10, 20),
    "list_jobs": (5, 5),
    "read_job": (10, 10),
    "read_gate_report": (10, 10),
    "cancel_job": (10, 10),
    "retry_job": (10, 10),
    "put_trigger": (10, 20),
    "list_triggers": (5, 5),
    "read_trigger": (10, 10),
    "stop_trigger": (10, 10),
    "live": (10, 5),
    "ready": (10, 5),
    "metrics": (10, 5),
    "openapi": (10, 5),
}
CASES_MIN = 500
OF_A_KIND_MIN = 20 if IS_PROVING else 8
# What a valid application may come to. 422: a day must lie within bounds that move with the calendar, which no schema can say; 409:
# the same short idempotency key was drawn before.
POSITIVE = {201, 409, 422}


@pytest.fixture(scope="module")
def document(house: House) -> OpenApiSchema:
    return schemathesis.openapi.from_url(f"{house.server.address}/openapi.json")


@pytest.mark.long
@pytest.mark.prove
def test_the_server_keeps_to_its_document(house: House, document: OpenApiSchema) -> None:
    key = house.keys["all"]
    statuses: Counter[tuple[str, int]] = Counter()
    for result in document.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        name = operation.definition.raw["operationId"]
        positive, negative = EXAMPLES[name]
        try_out(operation, GenerationMode.POSITIVE, positive, key=key, statuses=statuses)
        if operation.body or operation.path_parameters:
            try_out(operation, GenerationMode.NEGATIVE, negative, key=key, statuses=statuses)
    assert sum(statuses.values()) >= CASES_MIN, statuses
    assert statuses["apply_personal_loan", 201] > OF_A_KIND_MIN, statuses
    assert statuses["apply_personal_loan", 422] > OF_A_KIND_MIN, statuses


def try_out(
    operation: APIOperation[Any, Any, Any, Any],
    mode: GenerationMode,
    examples: int,
    *,
    key: str,
    statuses: Counter[tuple[str, int]],
) -> None:
    name = operation.definition.raw["operationId"]
    is_apply = name.startswith("apply_")
    # 10,001 events are too many or, as they are mostly, too large: 413 is no rejection to the tool.
    is_large = name == "take_outcomes"
    is_said_in_part = name in ("change_draft", "plan_experiment", "ask_for_job", "put_trigger")
    # 1.0 is a whole number to JSON Schema, and none to this server.
    is_whole = name in ("start_experiment", "ramp_experiment")
    is_free = is_apply or name.startswith(("open_draft_", "quote_")) or is_said_in_part or is_whole

    excluded = [positive_data_acceptance] if is_free else [negative_data_rejection] if is_large else []

    @settings(
        max_examples=examples * TIMES if IS_PROVING else examples // 2,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def keep(case: schemathesis.Case) -> None:
        response = case.call(headers={"Authorization": f"Bearer {key}"}, timeout=20)
        statuses[name, response.status_code] += 1
        case.validate_response(response, excluded_checks=excluded)
        if is_apply and mode is GenerationMode.POSITIVE:
            assert response.status_code in POSITIVE, response.content

    keep()


def test_the_document_names_a_path_for_every_offered_product(house: House) -> None:
    document = httpx.get(f"{house.server.address}/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    name = house.documents.product.name
    apply = document["paths"][f"/v1/products/{name}/applications"]["post"]
    assert set(apply["responses"]) == {
        "201", "400", "401", "403", "404", "408", "409", "413", "415", "422", "429", "431", "500", "503",
    }  # fmt: skip
    body = document["components"]["schemas"][f"Application_{name}"]
    told = body["properties"]["facts"]["properties"]
    assert set(told) == {a.name for a in house.documents.product.case_attributes}
    assert body["properties"]["facts"]["additionalProperties"] is False


class Held:
    """The server's document, to which answers are held by the validator that knows nothing of the Structs behind it."""

    def __init__(self, house: House) -> None:
        self.document = httpx.get(f"{house.server.address}/openapi.json").json()

    def check(self, path: str, method: str, response: httpx.Response) -> None:
        """Fail unless the operation knows the response's status, media type and form."""
        known = self.document["paths"][path][method]["responses"][str(response.status_code)]
        media_type = response.headers["content-type"].split(";")[0]
        errors = self.find_errors(known["content"][media_type]["schema"], response.json())
        assert errors == [], (path, response.status_code)
        assert all(name in response.headers for name, said in known.get("headers", {}).items() if said.get("required"))

    def find_errors(self, schema: dict[str, Any], found: Any) -> list[str]:
        whole = {**schema, "components": self.document["components"]}
        validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        return [error.message for error in validator.iter_errors(found)]


def test_real_answers_and_decisions_fit_the_document(house: House) -> None:
    held = Held(house)
    apply, read = f"/v1/products/{house.documents.product.name}/applications", "/v1/decisions/{decision_id}"
    outcomes = set()
    with house.client() as client:
        for seed in range(40):
            answer = client.post(apply, json=invent_body(house.documents.product, Random(seed)))
            held.check(apply, "post", answer)
            held.check(read, "get", client.get(answer.headers["location"]))
            outcomes.add(answer.json()["outcome"])
    assert {"approve", "decline"} <= outcomes


def test_real_failures_fit_the_document(house: House) -> None:
    held = Held(house)
    apply, read = f"/v1/products/{house.documents.product.name}/applications", "/v1/decisions/{decision_id}"
    body = invent_body(house.documents.product, Random(1))
    plain = {"Content-Type": "application/json"}
    keyed = {"Idempotency-Key": uuid4().hex}
    with house.client() as client, house.client("read") as reader, house.client("apply") as applicant:
        assert client.post(apply, json=body, headers=keyed).status_code == 201
        posts = [
            client.post(apply, content=b"{", headers=plain),
            httpx.post(house.server.address + apply, json=body),
            reader.post(apply, json=body),
            client.post(apply, json={**body, "more": 1}, headers=keyed),
            client.post(apply, content=b" " * 70_000, headers=plain),
            client.post(apply, content=b"{}", headers={"Content-Type": "text/plain"}),
            client.post(apply, json={"facts": {"term_months": "soon"}}),
            client.post(apply, json=body, headers={"X-Long": "a" * 17_000}),
        ]
        reads = [
            httpx.get(house.server.address + read),
            applicant.get("/v1/decisions/x"),
            client.get("/v1/decisions/x"),
        ]
    assert [response.status_code for response in posts] == [400, 401, 403, 409, 413, 415, 422, 431]
    assert [response.status_code for response in reads] == [401, 403, 404]
    for response in posts:
        held.check(apply, "post", response)
    for response in reads:
        held.check(read, "get", response)


def test_real_answers_about_the_server_fit_the_document(house: House) -> None:
    held = Held(house)
    for path in ("/health/live", "/health/ready", "/openapi.json"):
        held.check(path, "get", httpx.get(house.server.address + path))


def test_an_answer_that_lacks_or_bends_a_field_does_not_fit_the_document(house: House) -> None:
    held = Held(house)
    with house.client() as client:
        answer = client.post(house.apply_url, json=invent_body(house.documents.product, Random(1))).json()
    schema = {"$ref": "#/components/schemas/Answer"}
    assert held.find_errors(schema, answer) == []
    for name in ("decision_id", "outcome", "offer", "reasons", "pd_ppm"):
        assert held.find_errors(schema, {key: value for key, value in answer.items() if key != name}), name
    for name, value in {"decision_id": "x", "outcome": "maybe", "recorded_at": "today", "release": "0"}.items():
        assert held.find_errors(schema, {**answer, name: value}), name


def test_two_products_have_two_paths() -> None:
    products = [OfferedProduct(name=name, title=name, body={"type": "object"}) for name in ("b_loan", "a_loan")]
    document = build_openapi(products)
    places = [f"/v1/products/{name}_loan/{what}" for name in "ab" for what in ("applications", "quotes", "drafts")]
    assert list(document["paths"])[: len(places)] == places
    assert msgspec.json.encode(document) == msgspec.json.encode(build_openapi(products))
