"""Routes of drafts: opened for a product, changed bit by bit, submitted, withdrawn."""

from typing import Any, Final
from uuid import UUID

from litestar import Request, Response, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from instant_credit.access.actors import Scope
from instant_credit.api.applications import created, refused
from instant_credit.api.bodies import read_body, require_json
from instant_credit.api.decisions import parse_id
from instant_credit.api.life import tell
from instant_credit.api.security import Guard, caller_of
from instant_credit.underwriting.course import Answered
from instant_credit.underwriting.pending import DraftDesk

MERGE_PATCH: Final = b"application/merge-patch+json"
_DRAFT: Final = "/v1/drafts/{draft_id:str}"
_APPLY: Final = {"scopes": (Scope.APPLY,)}


def draft_routes(desk: DraftDesk, guard: Guard) -> list[HTTPRouteHandler]:
    """The handlers; `guard` admits keys with the scope `apply`, which see their own client's drafts."""

    @post("/v1/products/{product:str}/drafts", guards=[guard], opt=_APPLY)
    async def open_draft(request: Request[Any, Any, Any], product: FromPath[str]) -> Response[bytes]:
        require_json(request.scope)
        status = await desk.open(product, await read_body(request), caller_of(request))
        if isinstance(status, tuple):
            raise refused(status)
        return tell(status, 201, {"Location": status.links.own.href})

    @get(_DRAFT, guards=[guard], opt=_APPLY)
    async def read_draft(request: Request[Any, Any, Any], draft_id: FromPath[str]) -> Response[bytes]:
        return tell(await desk.read(_draft(draft_id), caller_of(request)))

    @patch(_DRAFT, guards=[guard], opt=_APPLY)
    async def change_draft(request: Request[Any, Any, Any], draft_id: FromPath[str]) -> Response[bytes]:
        require_json(request.scope, also=MERGE_PATCH)
        status = await desk.change(_draft(draft_id), await read_body(request), caller_of(request))
        if isinstance(status, tuple):
            raise refused(status)
        return tell(status)

    @post(f"{_DRAFT}/submit", guards=[guard], opt=_APPLY)
    async def submit_draft(request: Request[Any, Any, Any], draft_id: FromPath[str]) -> Response[bytes]:
        ended = await desk.submit(_draft(draft_id), caller_of(request))
        if isinstance(ended, Answered):
            return created(ended)
        if isinstance(ended, tuple):
            raise refused(ended)
        return tell(ended)

    @post(f"{_DRAFT}/withdraw", guards=[guard], opt=_APPLY)
    async def withdraw_draft(request: Request[Any, Any, Any], draft_id: FromPath[str]) -> Response[bytes]:
        return tell(await desk.withdraw(_draft(draft_id), caller_of(request)))

    return [open_draft, read_draft, change_draft, submit_draft, withdraw_draft]


def _draft(text: str) -> UUID:
    return parse_id(text, "draft")
