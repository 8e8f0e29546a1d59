"""Routes of quotes: facts without a name in, indicative terms or none out."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from instant_credit.access.actors import Scope
from instant_credit.api.applications import refused
from instant_credit.api.bodies import read_body, require_json
from instant_credit.api.decisions import parse_id
from instant_credit.api.life import tell
from instant_credit.api.security import Guard, caller_of
from instant_credit.underwriting.quoting import QuoteDesk


def quote_routes(desk: QuoteDesk, guard: Guard) -> list[HTTPRouteHandler]:
    """The handlers; `guard` admits keys with the scope `apply`, which see their own client's quotes."""

    @post("/v1/products/{product:str}/quotes", guards=[guard], opt={"scopes": (Scope.APPLY,)})
    async def make_quote(request: Request[Any, Any, Any], product: FromPath[str]) -> Response[bytes]:
        require_json(request.scope)
        quote = await desk.quote(product, await read_body(request), caller_of(request))
        if isinstance(quote, tuple):
            raise refused(quote)
        return tell(quote, 201, {"Location": quote.links.own.href})

    @get("/v1/quotes/{quote_id:str}", guards=[guard], opt={"scopes": (Scope.APPLY,)})
    async def read_quote(request: Request[Any, Any, Any], quote_id: FromPath[str]) -> Response[bytes]:
        return tell(await desk.read(parse_id(quote_id, "quote"), caller_of(request)))

    return [make_quote, read_quote]
