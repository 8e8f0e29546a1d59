"""The document, and the server held to it by schemathesis."""

from collections import Counter
from typing import Any

import httpx
import jsonschema_rs
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import positive_data_acceptance
from schemathesis.specs.openapi.schemas import OpenApiSchema

from instant_credit.api.openapi import OfferedProduct, build_openapi
from tests.lending import House

# Examples by operation and kind of data; together at least `CASES_MIN` requests are made.
EXAMPLES = {
    "apply_personal_loan": (220, 200),
    "read_decision": (60, 60),
    "live": (10, 5),
    "ready": (10, 5),
    "metrics": (10, 5),
    "openapi": (10, 5),
}
CASES_MIN = 500
# What a valid application may come to. 422: a day must lie within bounds that move with the calendar, which no schema can say; 409:
# the same short idempotency key was drawn before.
POSITIVE = {201, 409, 422}


@pytest.fixture(scope="module")
def document(house: House) -> OpenApiSchema:
    return schemathesis.openapi.from_url(f"{house.server.address}/openapi.json")


def test_the_server_keeps_to_its_document(house: House, document: OpenApiSchema) -> None:
    key = house.keys["all"]
    statuses: Counter[tuple[str, int]] = Counter()
    for result in document.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        name = operation.definition.raw["operationId"]
        positive, negative = EXAMPLES[name]
        _try_out(operation, GenerationMode.POSITIVE, positive, key=key, statuses=statuses)
        if operation.body or operation.path_parameters:
            _try_out(operation, GenerationMode.NEGATIVE, negative, key=key, statuses=statuses)
    assert sum(statuses.values()) >= CASES_MIN, statuses
    assert statuses["apply_personal_loan", 201] > 20, statuses
    assert statuses["apply_personal_loan", 422] > 20, statuses


def _try_out(
    operation: APIOperation[Any, Any, Any, Any],
    mode: GenerationMode,
    examples: int,
    *,
    key: str,
    statuses: Counter[tuple[str, int]],
) -> None:
    name = operation.definition.raw["operationId"]
    is_apply = name.startswith("apply_")

    @settings(
        max_examples=examples,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def keep(case: schemathesis.Case) -> None:
        response = case.call(headers={"Authorization": f"Bearer {key}"}, timeout=20)
        statuses[name, response.status_code] += 1
        case.validate_response(response, excluded_checks=[positive_data_acceptance] if is_apply else [])
        if is_apply and mode is GenerationMode.POSITIVE:
            assert response.status_code in POSITIVE, response.content

    keep()


def test_the_document_names_a_path_for_every_offered_product(house: House) -> None:
    document = httpx.get(f"{house.server.address}/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    name = house.documents.product.name
    apply = document["paths"][f"/v1/products/{name}/applications"]["post"]
    assert set(apply["responses"]) == {
        "201", "400", "401", "403", "404", "408", "409", "413", "415", "422", "431", "500", "503",
    }  # fmt: skip
    body = document["components"]["schemas"][f"Application_{name}"]
    told = body["properties"]["facts"]["properties"]
    assert set(told) == {a.name for a in house.documents.product.case_attributes}
    assert body["properties"]["facts"]["additionalProperties"] is False


def test_every_answer_fits_the_document(house: House) -> None:
    document = httpx.get(f"{house.server.address}/openapi.json").json()
    schemas = document["components"]["schemas"]
    for name in ("Answer", "RecordedDecision", "ProblemDocument", "Ready", "Live"):
        schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
        jsonschema_rs.validator_for(schema)


def test_two_products_have_two_paths() -> None:
    products = [OfferedProduct(name=name, title=name, body={"type": "object"}) for name in ("b_loan", "a_loan")]
    document = build_openapi(products)
    assert list(document["paths"])[:2] == ["/v1/products/a_loan/applications", "/v1/products/b_loan/applications"]
    assert msgspec.json.encode(document) == msgspec.json.encode(build_openapi(products))
