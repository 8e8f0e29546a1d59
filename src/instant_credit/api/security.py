"""Who is calling: a bearer key, checked against the record, and the scopes that a route asks for."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Scope

from instant_credit.access import actors
from instant_credit.access.keys import Grant
from instant_credit.api.bodies import header_values
from instant_credit.api.deadlines import check_timeout
from instant_credit.api.limits import ClientLimits
from instant_credit.api.problems import FORBIDDEN, UNAUTHENTICATED, Failure
from instant_credit.errors import BrokenInvariant
from instant_credit.underwriting.course import Caller

KEY_BYTES_MAX: Final = 256
_SCHEME: Final = b"bearer "
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="instant_credit"'}

Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]


def read_key(scope: Scope) -> str:
    """The bearer key of a request.

    Raises
    ------
    Failure : 401 unless exactly one well-formed Authorization header carries one.
    """
    values = header_values(scope, b"authorization")
    if len(values) == 1 and len(values[0]) <= KEY_BYTES_MAX and values[0][: len(_SCHEME)].lower() == _SCHEME:
        key = values[0][len(_SCHEME) :].strip()
        if key.isascii():
            return key.decode("ascii")
    raise unauthenticated()


def unauthenticated() -> Failure:
    """The 401 that every wrong key gets: missing, malformed, unknown, expired and revoked look alike."""
    return Failure(UNAUTHENTICATED, "Send Authorization: Bearer and a valid API key.", headers=_CHALLENGE)


FindKey = Callable[[str], Awaitable[Grant | None]]
Admit = Callable[[Scope, tuple[actors.Scope, ...]], Awaitable[Grant]]


def admit_keys(find_key: FindKey, limits: ClientLimits) -> Admit:
    """What admits a valid key with one of some scopes, within its client's limit."""

    async def admit(scope: Scope, scopes: tuple[actors.Scope, ...]) -> Grant:
        grant = await find_key(read_key(scope))
        if grant is None:
            raise unauthenticated()
        limits.admit(grant, scope)
        if grant.scopes.isdisjoint(scopes):
            raise Failure(FORBIDDEN, f"The key needs the scope {' or '.join(scope.value for scope in scopes)}.")
        check_timeout(scope)
        return grant

    return admit


def require_scope(admit: Admit) -> Guard:
    """A guard that asks for one of the scopes in the route's `opt`."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        connection.scope["auth"] = await admit(connection.scope, handler.opt["scopes"])

    return guard


def grant_of(request: Request[Any, Any, Any]) -> Grant:
    """What the guard admitted."""
    grant: Grant | None = request.scope["auth"]
    if grant is None:
        raise BrokenInvariant("a guarded route has its key")
    return grant


def caller_of(request: Request[Any, Any, Any]) -> Caller:
    """Who asks, by the key that the guard admitted."""
    grant = grant_of(request)
    return Caller(client_id=grant.client_id, actor=grant.actor, is_test=grant.is_test)
