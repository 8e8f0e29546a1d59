"""Parts that operations of the OpenAPI document are made of: answers, failures, parameters."""

from collections.abc import Sequence
from typing import Any, Final

from instant_credit.access.purposes import TOLD_PURPOSES
from instant_credit.api import problems
from instant_credit.api.problems import Kind

JSON: Final = "application/json"
# What any operation that is asked of a key's holder can end with.
GUARDED: Final = (
    problems.MALFORMED,
    problems.UNAUTHENTICATED,
    problems.FORBIDDEN,
    problems.NOT_FOUND,
    problems.RATE_LIMITED,
    problems.HEADERS_TOO_LARGE,
    problems.INTERNAL,
    problems.UNAVAILABLE,
)
# What is added where a body is read.
WITH_BODY: Final = (
    *GUARDED,
    problems.TOO_SLOW,
    problems.TOO_LARGE,
    problems.WRONG_MEDIA_TYPE,
    problems.REFUSED,
)


# What data of a person are read for, by a key that may read all.
READ_PURPOSE: Final[dict[str, Any]] = {
    "name": "Read-Purpose",
    "in": "header",
    "required": False,
    "description": "What a key that may read all decisions reads for, written down with its id. Any other key reads for its client's service.",
    "schema": {"type": "string", "enum": [purpose.value for purpose in TOLD_PURPOSES], "default": "review"},
}


def path_id(name: str) -> dict[str, Any]:
    """A path's parameter that is an id."""
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}


def location(what: str) -> dict[str, Any]:
    """A header that says where `what` is read."""
    return {"required": True, "description": f"Where {what} is read.", "schema": {"type": "string"}}


def answered() -> dict[str, Any]:
    """A recorded answer to an application, with the link to its decision."""
    recorded = success(
        "Decided and durably recorded. A repeated request gets the first answer's bytes.",
        "Answer",
        {
            "Location": location("the decision"),
            "Server-Timing": {
                "required": True,
                "description": "Milliseconds by stage (read, decide, record, total), as they came to be for this response.",
                "schema": {"type": "string"},
            },
            "Idempotent-Replayed": {
                "description": "Present when this is the first answer again.",
                "schema": {"type": "string", "const": "true"},
            },
        },
    )
    recorded["links"] = {
        "decision": {"operationId": "read_decision", "parameters": {"decision_id": "$response.body#/decision_id"}}
    }
    return recorded


def failures(*kinds: Kind) -> dict[str, Any]:
    """Responses by status; several kinds of one status are told as alternatives."""
    by_status: dict[str, list[Kind]] = {}
    for kind in sorted(kinds, key=lambda k: k.status):
        by_status.setdefault(str(kind.status), []).append(kind)
    return {status: _failure(alike) for status, alike in by_status.items()}


def _failure(kinds: Sequence[Kind]) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if problems.UNAUTHENTICATED in kinds:
        headers["WWW-Authenticate"] = {"required": True, "schema": {"type": "string"}}
    if not {problems.RATE_LIMITED, problems.UNAVAILABLE}.isdisjoint(kinds):
        headers["Retry-After"] = {"required": True, "schema": {"type": "string", "pattern": "^[0-9]+$"}}
    return {
        "description": "; ".join(kind.title for kind in kinds),
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
        **({"headers": headers} if headers else {}),
    }


def success(description: str, schema: str, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    """An answer in JSON by the name of its schema."""
    return {
        "description": description,
        "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
        **({"headers": headers} if headers else {}),
    }


def open_operation(operation: str, summary: str, told: dict[str, Any], *kinds: Kind) -> dict[str, Any]:
    """An operation that needs no key."""
    failed = failures(problems.MALFORMED, problems.HEADERS_TOO_LARGE, problems.INTERNAL, *kinds)
    return {
        "operationId": operation,
        "summary": summary,
        "tags": ["operation"],
        "security": [],
        "responses": {"200": told, **failed},
    }
