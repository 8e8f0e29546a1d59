"""Routes of an application's life: its status, its offers, accepting one, withdrawing the application."""

from typing import Any, Final, TypedDict
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Struct

from instant_credit.access.actors import Scope
from instant_credit.access.purposes import ReadPurpose
from instant_credit.api.decisions import READ_SCOPES, parse_id, purpose_of
from instant_credit.api.security import Guard, caller_of
from instant_credit.underwriting.course import Caller
from instant_credit.underwriting.life import LifeDesk
from instant_credit.underwriting.resources import encode_resource

_APPLICATION: Final = "/v1/applications/{application_id:str}"
_OFFER: Final = f"{_APPLICATION}/offers/{{offer_id:str}}"
_READS: Final = {"scopes": READ_SCOPES}
_WRITES: Final = {"scopes": (Scope.APPLY,)}


def life_routes(desk: LifeDesk, guard: Guard) -> list[HTTPRouteHandler]:
    """The handlers. A key reads and changes its own client's applications; one that may read all reads every client's."""

    @get(_APPLICATION, guards=[guard], opt=_READS)
    async def read_application(request: Request[Any, Any, Any], application_id: FromPath[str]) -> Response[bytes]:
        return tell(await desk.read_status(_application(application_id), **_seeing(request)))

    @get(f"{_APPLICATION}/offers", guards=[guard], opt=_READS)
    async def list_offers(request: Request[Any, Any, Any], application_id: FromPath[str]) -> Response[bytes]:
        return tell(await desk.list_offers(_application(application_id), **_seeing(request)))

    @get(_OFFER, guards=[guard], opt=_READS)
    async def read_offer(
        request: Request[Any, Any, Any], application_id: FromPath[str], offer_id: FromPath[str]
    ) -> Response[bytes]:
        ids = _application(application_id), parse_id(offer_id, "offer")
        return tell(await desk.read_offer(*ids, **_seeing(request)))

    @post(f"{_OFFER}/accept", guards=[guard], opt=_WRITES)
    async def accept_offer(
        request: Request[Any, Any, Any], application_id: FromPath[str], offer_id: FromPath[str]
    ) -> Response[bytes]:
        ids = _application(application_id), parse_id(offer_id, "offer")
        return tell(await desk.accept(*ids, caller_of(request)))

    @post(f"{_APPLICATION}/withdraw", guards=[guard], opt=_WRITES)
    async def withdraw_application(request: Request[Any, Any, Any], application_id: FromPath[str]) -> Response[bytes]:
        return tell(await desk.withdraw(_application(application_id), caller_of(request)))

    return [read_application, list_offers, read_offer, accept_offer, withdraw_application]


def tell(resource: Struct, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    """A resource as a response that nobody keeps."""
    return Response(
        content=encode_resource(resource),
        status_code=status,
        media_type="application/json",
        headers={**(headers or {}), "Cache-Control": "no-store"},
    )


def _application(text: str) -> UUID:
    return parse_id(text, "application")


class _Seeing(TypedDict):
    caller: Caller
    purpose: ReadPurpose | None


def _seeing(request: Request[Any, Any, Any]) -> _Seeing:
    """Who reads, and for what every client's applications."""
    return _Seeing(caller=caller_of(request), purpose=purpose_of(request))
