"""`GET /v1/decisions/{id}/receipt`: what proves offline that a decision stands in the record."""

from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from instant_credit.access.actors import Scope
from instant_credit.access.purposes import Reading, ReadPurpose
from instant_credit.api import problems
from instant_credit.api.decisions import READ_SCOPES, parse_id, purpose_of
from instant_credit.api.operations import GUARDED, READ_PURPOSE, failures, path_id, success
from instant_credit.api.security import Guard, caller_of
from instant_credit.canonical import encode_canonical
from instant_credit.record.pool import within
from instant_credit.underwriting.course import APPLICATION_SECONDS
from instant_credit.underwriting.desk import Desk
from instant_credit.underwriting.receipts import read_receipt


def receipt_route(desk: Desk, guard: Guard) -> HTTPRouteHandler:
    """The handler; whoever may read a decision may have its receipt."""

    @get("/v1/decisions/{decision_id:str}/receipt", guards=[guard], opt={"scopes": READ_SCOPES})
    async def read(request: Request[Any, Any, Any], decision_id: FromPath[str]) -> Response[bytes]:
        caller, purpose = caller_of(request), purpose_of(request)
        async with within(APPLICATION_SECONDS):
            receipt = await read_receipt(
                desk.record,
                parse_id(decision_id),
                Reading(actor=caller.actor, purpose=purpose or ReadPurpose.SERVICE),
                lambda stored: caller.may_see(stored.client_id, stored.book, sees_all=purpose is not None),
                desk.read_log,
            )
        return Response(
            content=encode_canonical(receipt), media_type="application/json", headers={"Cache-Control": "no-store"}
        )

    return read


def receipt_paths() -> dict[str, Any]:
    """Path items by path, for the OpenAPI document."""
    operation = {
        "operationId": "read_receipt",
        "summary": "What proves offline that a decision stands in the record",
        "description": "Scope: as for the decision. 409 until an anchor covers it.",
        "tags": ["decisions"],
        "security": [{"api_key": [Scope.DECISIONS_READ.value]}, {"api_key": [Scope.DECISIONS_READ_ALL.value]}],
        "parameters": [path_id("decision_id"), READ_PURPOSE],
        "responses": {
            "200": success("The receipt.", "Receipt"),
            **failures(*GUARDED, problems.NOT_ANCHORED),
        },
    }
    return {"/v1/decisions/{decision_id}/receipt": {"get": operation}}
