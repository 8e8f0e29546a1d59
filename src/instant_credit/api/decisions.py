"""`GET /v1/decisions/{id}`: what was decided, by which release, by which rules and by how much each variable counted."""

from typing import Any, Final
from uuid import UUID

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from instant_credit.access.actors import Scope
from instant_credit.access.purposes import TOLD_PURPOSES, ReadPurpose
from instant_credit.api.bodies import header_values
from instant_credit.api.problems import MALFORMED, Failure
from instant_credit.api.security import Guard, caller_of, grant_of
from instant_credit.errors import NotFound
from instant_credit.underwriting.answers import encode_answer
from instant_credit.underwriting.desk import Desk

READ_SCOPES: Final = (Scope.DECISIONS_READ, Scope.DECISIONS_READ_ALL)


def decision_route(desk: Desk, guard: Guard) -> HTTPRouteHandler:
    """The handler; `guard` admits keys with one of `READ_SCOPES`. A key reads its own client's decisions, unless it may read all: then
    for the purpose that the request tells. Either read is written down.
    """

    @get("/v1/decisions/{decision_id:str}", guards=[guard], opt={"scopes": READ_SCOPES})
    async def read_decision(request: Request[Any, Any, Any], decision_id: FromPath[str]) -> Response[bytes]:
        recorded = await desk.read_decision(parse_id(decision_id), caller_of(request), purpose=purpose_of(request))
        return Response(
            content=encode_answer(recorded), media_type="application/json", headers={"Cache-Control": "no-store"}
        )

    return read_decision


def purpose_of(request: Request[Any, Any, Any]) -> ReadPurpose | None:
    """What a key that may read all reads for: as the request says, review when it says nothing. None = it reads its own
    client's, which is its service.

    Raises
    ------
    Failure : 400 unless it is one of `TOLD_PURPOSES`, told once.
    """
    told = [value.decode("latin-1") for value in header_values(request.scope, b"read-purpose")] or ["review"]
    if len(told) > 1 or told[0] not in TOLD_PURPOSES:
        raise Failure(MALFORMED, f"Read-Purpose is sent once at most and is one of {', '.join(TOLD_PURPOSES)}.")
    return ReadPurpose(told[0]) if Scope.DECISIONS_READ_ALL in grant_of(request).scopes else None


def parse_id(text: str, kind: str = "decision") -> UUID:
    """The id in its canonical form; `kind` is what it should name.

    Raises
    ------
    NotFound : for anything else; the message does not quote it.
    """
    try:
        found = UUID(text)
    except ValueError:
        found = None
    if found is None or str(found) != text.lower():
        raise NotFound(kind, "with such an id")
    return found
