"""What the OpenAPI document says of an application's life: drafts before it, status, offers, acceptance, withdrawal after it."""

from typing import Any, Final

from instant_credit.access.actors import Scope
from instant_credit.api import problems
from instant_credit.api.operations import (
    GUARDED,
    READ_PURPOSE,
    WITH_BODY,
    answered,
    failures,
    location,
    path_id,
    success,
)
from instant_credit.api.problems import Kind
from instant_credit.underwriting.resources import ApplicationStatus, DraftStatus, Offers, OfferStatus, Quote

LIFE_STRUCTS: Final = (ApplicationStatus, OfferStatus, Offers, DraftStatus, Quote)
_READS: Final = (Scope.DECISIONS_READ, Scope.DECISIONS_READ_ALL)
_WRITES: Final = (Scope.APPLY,)


def life_paths() -> dict[str, Any]:
    """Path items by path."""
    application = "/v1/applications/{application_id}"
    offer = f"{application}/offers/{{offer_id}}"
    own, offered = (path_id("application_id"),), (path_id("application_id"), path_id("offer_id"))
    return {
        application: {
            "get": _operation(
                "read_application",
                "An application and what became of it",
                success("The application as it stands.", "ApplicationStatus"),
                parameters=(*own, READ_PURPOSE),
                scopes=_READS,
            )
        },
        f"{application}/withdraw": {
            "post": _operation(
                "withdraw_application",
                "Withdraw an application; again changes nothing",
                success("It is withdrawn.", "ApplicationStatus"),
                problems.APPLICATION_CLOSED,
                parameters=own,
                scopes=_WRITES,
            )
        },
        f"{application}/offers": {
            "get": _operation(
                "list_offers",
                "The offers of an application",
                success("Its offers as they stand.", "Offers"),
                parameters=(*own, READ_PURPOSE),
                scopes=_READS,
            )
        },
        offer: {
            "get": _operation(
                "read_offer",
                "One offer of an application",
                success("The offer as it stands.", "OfferStatus"),
                parameters=(*offered, READ_PURPOSE),
                scopes=_READS,
            )
        },
        f"{offer}/accept": {
            "post": _operation(
                "accept_offer",
                "Accept an offer; again changes nothing",
                success("It is accepted.", "OfferStatus"),
                problems.OFFER_EXPIRED,
                problems.APPLICATION_CLOSED,
                parameters=offered,
                scopes=_WRITES,
            )
        },
    }


def draft_paths() -> dict[str, Any]:
    """Path items of drafts by path; a draft is opened under its product."""
    own = (path_id("draft_id"),)
    draft = "/v1/drafts/{draft_id}"
    change = _operation(
        "change_draft",
        "Merge a part of the application into a draft (RFC 7396)",
        success("The draft as it stands then.", "DraftStatus"),
        *WITH_BODY,
        problems.DRAFT_CLOSED,
        parameters=own,
        scopes=_WRITES,
    )
    submit = _operation(
        "submit_draft",
        "Have a draft decided, or get notice of what is missing",
        success("Something is missing; see `missing` and `notice`.", "DraftStatus"),
        problems.REFUSED,
        problems.DRAFT_CLOSED,
        parameters=own,
        scopes=_WRITES,
    )
    submit["responses"] = {"201": answered(), **submit["responses"]}
    return {
        draft: {
            "get": _operation(
                "read_draft",
                "A draft, and what is missing",
                success("The draft as it stands.", "DraftStatus"),
                parameters=own,
                scopes=_WRITES,
            ),
            "patch": {**change, "requestBody": _part("application/json", "application/merge-patch+json")},
        },
        f"{draft}/submit": {"post": submit},
        f"{draft}/withdraw": {
            "post": _operation(
                "withdraw_draft",
                "Withdraw a draft; again changes nothing",
                success("It is withdrawn.", "DraftStatus"),
                problems.DRAFT_CLOSED,
                parameters=own,
                scopes=_WRITES,
            )
        },
    }


def open_draft(product: str, title: str) -> dict[str, Any]:
    """The operation that opens a draft for a product."""
    opened = success("The draft is kept.", "DraftStatus", {"Location": location("the draft")})
    operation = _operation(
        f"open_draft_{product}",
        f"Open a draft: {title}",
        {},
        *WITH_BODY,
        parameters=(),
        scopes=_WRITES,
    )
    responses = {"201": opened, **{status: told for status, told in operation["responses"].items() if status != "200"}}
    return {**operation, "requestBody": _part("application/json"), "responses": responses}


def make_quote(product: str, title: str, body: dict[str, Any]) -> dict[str, Any]:
    """The operation that quotes for a product; `body` is the schema of an application, whose facts a quote takes."""
    told = success("What can be indicated.", "Quote", {"Location": location("the quote")})
    operation = _operation(
        f"quote_{product}", f"Quote, without a name: {title}", {}, *WITH_BODY, parameters=(), scopes=_WRITES
    )
    schema = {
        "type": "object",
        "properties": {"facts": body.get("properties", {}).get("facts", {"type": "object"})},
        "required": ["facts"],
        "additionalProperties": False,
    }
    responses = {"201": told, **{status: one for status, one in operation["responses"].items() if status != "200"}}
    request = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {**operation, "requestBody": request, "responses": responses}


def quote_paths() -> dict[str, Any]:
    """Path items of quotes by path; a quote is made under its product."""
    read = _operation(
        "read_quote",
        "A quote again",
        success("The quote.", "Quote"),
        parameters=(path_id("quote_id"),),
        scopes=_WRITES,
    )
    return {"/v1/quotes/{quote_id}": {"get": read}}


def _part(*media_types: str) -> dict[str, Any]:
    """A part of an application, in which anything may be missing, and null takes back what was told."""
    schema = {
        "type": "object",
        "properties": {name: {"type": ["object", "null"]} for name in ("applicant", "facts", "monitoring")},
        "additionalProperties": False,
    }
    return {"required": True, "content": {media_type: {"schema": schema} for media_type in media_types}}


def _operation(
    name: str,
    summary: str,
    told: dict[str, Any],
    *more: Kind,
    parameters: tuple[dict[str, Any], ...],
    scopes: tuple[Scope, ...],
) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "description": f"Scope: {' or '.join(f'`{scope.value}`' for scope in scopes)}.",
        "tags": ["applications"],
        "security": [{"api_key": [scope.value]} for scope in scopes],
        "parameters": list(parameters),
        "responses": {"200": told, **failures(*dict.fromkeys((*GUARDED, *more)))},
    }
