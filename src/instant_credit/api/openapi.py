"""The OpenAPI 3.1 document, written from the products that are offered and from the Structs that are answered.

One path per product, since each product has a body of its own. Every status that an operation can end with is in it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from instant_credit import __version__
from instant_credit.access.actors import Scope
from instant_credit.api import problems
from instant_credit.api.problems import Kind
from instant_credit.underwriting.answers import Answer, Live, ProblemDocument, Ready, RecordedDecision

IDEMPOTENCY_KEY_PATTERN: Final = "^[!-~]{1,64}$"
_JSON: Final = "application/json"
_DECIDES: Final = {True: "Decides at once.", False: "Decides at once who is eligible; an approval carries no offer."}
_SERVER_TIMING: Final = {
    "description": "Milliseconds by stage (read, decide, record, total), as they came to be for this response.",
    "schema": {"type": "string"},
}


class OfferedProduct(Struct, frozen=True, kw_only=True):
    """What the document says about a product: its name, title, the JSON Schema of an application, whether an approval has terms."""

    name: str
    title: str
    body: dict[str, Any]
    is_priced: bool = True


def build_openapi(products: Iterable[OfferedProduct]) -> dict[str, Any]:
    """The whole document as builtins, for `products` in the order of their names."""
    _, components = msgspec.json.schema_components(
        (Answer, RecordedDecision, ProblemDocument, Ready, Live), ref_template="#/components/schemas/{name}"
    )
    schemas = dict(components)
    paths: dict[str, Any] = {}
    for product in sorted(products, key=lambda p: p.name):
        schemas[f"Application_{product.name}"] = _without_dialect(product.body)
        paths[f"/v1/products/{product.name}/applications"] = {"post": _apply(product)}
    paths["/v1/decisions/{decision_id}"] = {"get": _read_decision()}
    paths["/health/live"] = {"get": _live()}
    paths["/health/ready"] = {"get": _ready()}
    paths["/metrics"] = {"get": _metrics()}
    paths["/openapi.json"] = {"get": _openapi()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "instant_credit",
            "version": __version__,
            "summary": "Decides loan applications, at once and with reasons.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "api_key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key made by `instant-credit key create`.",
                }
            },
        },
    }


def _without_dialect(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in ("$schema", "$id")}


def _failures(*kinds: Kind) -> dict[str, Any]:
    return {str(kind.status): _failure(kind) for kind in sorted(kinds, key=lambda k: k.status)}


def _failure(kind: Kind) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if kind is problems.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = {"required": True, "schema": {"type": "string"}}
    if kind is problems.UNAVAILABLE:
        headers["Retry-After"] = {"required": True, "schema": {"type": "string", "pattern": "^[0-9]+$"}}
    return {
        "description": kind.title,
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
        **({"headers": headers} if headers else {}),
    }


def _success(description: str, schema: str, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "description": description,
        "content": {_JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
        **({"headers": headers} if headers else {}),
    }


def _apply(product: OfferedProduct) -> dict[str, Any]:
    recorded = _success(
        "Decided and durably recorded. A repeated request gets the first answer's bytes.",
        "Answer",
        {
            "Location": {"required": True, "description": "Where the decision is read.", "schema": {"type": "string"}},
            "Server-Timing": {**_SERVER_TIMING, "required": True},
            "Idempotent-Replayed": {
                "description": "Present when this is the first answer again.",
                "schema": {"type": "string", "const": "true"},
            },
        },
    )
    recorded["links"] = {
        "decision": {"operationId": "read_decision", "parameters": {"decision_id": "$response.body#/decision_id"}}
    }
    return {
        "operationId": f"apply_{product.name}",
        "summary": f"Apply: {product.title}",
        "description": f"{_DECIDES[product.is_priced]} Scope: `apply`.",
        "tags": ["applications"],
        "security": [{"api_key": [Scope.APPLY.value]}],
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "The same key and body get the first answer again, the same key with another body 409. A refused "
                "application (4xx) leaves its key free.",
                "schema": {"type": "string", "pattern": IDEMPOTENCY_KEY_PATTERN, "maxLength": 64},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {_JSON: {"schema": {"$ref": f"#/components/schemas/Application_{product.name}"}}},
        },
        "responses": {
            "201": recorded,
            **_failures(
                problems.MALFORMED,
                problems.UNAUTHENTICATED,
                problems.FORBIDDEN,
                problems.NOT_FOUND,
                problems.TOO_SLOW,
                problems.CONFLICT,
                problems.TOO_LARGE,
                problems.WRONG_MEDIA_TYPE,
                problems.REFUSED,
                problems.HEADERS_TOO_LARGE,
                problems.INTERNAL,
                problems.UNAVAILABLE,
            ),
        },
    }


def _read_decision() -> dict[str, Any]:
    return {
        "operationId": "read_decision",
        "summary": "A recorded decision with its trace and contributions",
        "description": "Scope: `decisions:read` for the decisions of the key's own client, `decisions:read_all` for all.",
        "tags": ["decisions"],
        "security": [{"api_key": [Scope.DECISIONS_READ.value]}, {"api_key": [Scope.DECISIONS_READ_ALL.value]}],
        "parameters": [
            {
                "name": "decision_id",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "format": "uuid"},
            }
        ],
        "responses": {
            "200": _success("The decision as it was recorded.", "RecordedDecision"),
            **_failures(
                problems.MALFORMED,
                problems.UNAUTHENTICATED,
                problems.FORBIDDEN,
                problems.NOT_FOUND,
                problems.HEADERS_TOO_LARGE,
                problems.INTERNAL,
                problems.UNAVAILABLE,
            ),
        },
    }


def _open(operation: str, summary: str, success: dict[str, Any], *kinds: Kind) -> dict[str, Any]:
    failures = _failures(problems.MALFORMED, problems.HEADERS_TOO_LARGE, problems.INTERNAL, *kinds)
    return {
        "operationId": operation,
        "summary": summary,
        "tags": ["operation"],
        "security": [],
        "responses": {"200": success, **failures},
    }


def _live() -> dict[str, Any]:
    return _open("live", "Whether the server runs", _success("It runs.", "Live"))


def _ready() -> dict[str, Any]:
    success = _success("It can decide.", "Ready")
    return _open("ready", "Whether the server can decide", success, problems.UNAVAILABLE)


def _metrics() -> dict[str, Any]:
    success = {
        "description": "Counters in Prometheus' text format.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
    return _open("metrics", "Counters and stage times", success)


def _openapi() -> dict[str, Any]:
    success = {
        "description": "This document.",
        "content": {_JSON: {"schema": {"type": "object", "required": ["openapi", "info", "paths"]}}},
    }
    return _open("openapi", "This document", success)
