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
from instant_credit.api.experiment_readouts import READOUT_STRUCTS, readout_paths
from instant_credit.api.experiments_document import EXPERIMENT_STRUCTS, experiment_paths
from instant_credit.api.jobs import JOB_STRUCTS, job_paths
from instant_credit.api.life_document import LIFE_STRUCTS, draft_paths, life_paths, make_quote, open_draft, quote_paths
from instant_credit.api.monitoring import MONITORING_STRUCTS, monitoring_paths
from instant_credit.api.operations import (
    GUARDED,
    JSON,
    READ_PURPOSE,
    WITH_BODY,
    answered,
    failures,
    open_operation,
    path_id,
    success,
)
from instant_credit.api.outcomes import OUTCOME_STRUCTS, outcome_paths
from instant_credit.api.receipts import receipt_paths
from instant_credit.api.releases_document import RELEASE_STRUCTS, release_paths
from instant_credit.api.triggers import TRIGGER_STRUCTS, trigger_paths
from instant_credit.record.receipts import Receipt
from instant_credit.underwriting.answers import Answer, Live, ProblemDocument, Ready, RecordedDecision

IDEMPOTENCY_KEY_PATTERN: Final = "^[!-~]{1,64}$"
_DECIDES: Final = {True: "Decides at once.", False: "Decides at once who is eligible; an approval carries no offer."}


class OfferedProduct(Struct, frozen=True, kw_only=True):
    """What the document says about a product: its name, title, the JSON Schema of an application, whether an approval has terms."""

    name: str
    title: str
    body: dict[str, Any]
    is_priced: bool = True


def build_openapi(products: Iterable[OfferedProduct]) -> dict[str, Any]:
    """The whole document as builtins, for `products` in the order of their names."""
    _, components = msgspec.json.schema_components(
        (
            Answer,
            RecordedDecision,
            Receipt,
            ProblemDocument,
            Ready,
            Live,
            *LIFE_STRUCTS,
            *OUTCOME_STRUCTS,
            *MONITORING_STRUCTS,
            *(RELEASE_STRUCTS + EXPERIMENT_STRUCTS + READOUT_STRUCTS),
            *(JOB_STRUCTS + TRIGGER_STRUCTS),
        ),
        ref_template="#/components/schemas/{name}",
    )
    schemas = dict(components)
    paths: dict[str, Any] = {}
    for product in sorted(products, key=lambda p: p.name):
        schemas[f"Application_{product.name}"] = _without_dialect(product.body)
        paths[f"/v1/products/{product.name}/applications"] = {"post": _apply(product)}
        paths[f"/v1/products/{product.name}/quotes"] = {"post": make_quote(product.name, product.title, product.body)}
        paths[f"/v1/products/{product.name}/drafts"] = {"post": open_draft(product.name, product.title)}
    paths["/v1/decisions/{decision_id}"] = {"get": _read_decision()}
    paths.update(receipt_paths())
    paths.update(quote_paths())
    paths.update(draft_paths())
    paths.update(life_paths())
    paths.update(outcome_paths() | monitoring_paths())
    paths.update(release_paths() | experiment_paths() | readout_paths())
    paths.update(job_paths() | trigger_paths())
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


def _apply(product: OfferedProduct) -> dict[str, Any]:
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
            "content": {JSON: {"schema": {"$ref": f"#/components/schemas/Application_{product.name}"}}},
        },
        "responses": {
            "201": answered(),
            **failures(*WITH_BODY, problems.CONFLICT, problems.TOO_MANY_VARIANTS),
        },
    }


def _read_decision() -> dict[str, Any]:
    return {
        "operationId": "read_decision",
        "summary": "A recorded decision with its trace and contributions",
        "description": "Scope: `decisions:read` for the decisions of the key's own client, `decisions:read_all` for all.",
        "tags": ["decisions"],
        "security": [{"api_key": [Scope.DECISIONS_READ.value]}, {"api_key": [Scope.DECISIONS_READ_ALL.value]}],
        "parameters": [path_id("decision_id"), READ_PURPOSE],
        "responses": {
            "200": success("The decision as it was recorded.", "RecordedDecision"),
            **failures(*GUARDED),
        },
    }


def _live() -> dict[str, Any]:
    return open_operation("live", "Whether the server runs", success("It runs.", "Live"))


def _ready() -> dict[str, Any]:
    told = success("It can decide.", "Ready")
    return open_operation("ready", "Whether the server can decide", told, problems.UNAVAILABLE)


def _metrics() -> dict[str, Any]:
    told = {
        "description": "Counters in Prometheus' text format.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
    return open_operation("metrics", "Counters and stage times", told)


def _openapi() -> dict[str, Any]:
    told = {
        "description": "This document.",
        "content": {JSON: {"schema": {"type": "object", "required": ["openapi", "info", "paths"]}}},
    }
    return open_operation("openapi", "This document", told)
