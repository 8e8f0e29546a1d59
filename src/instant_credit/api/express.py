"""The express lane: the one route that must be quick, answered ahead of Litestar's dispatch.

An application is told by its method and its path. Its key, limits, body, answer and failures are those of the route that Litestar serves
(`applications.apply_route`), by the same functions; left out are the search of the route, the copies around its guard, and the
layers around its answer. Whatever looks like anything else goes on to Litestar. A test holds both to the same answers.
"""

import re
from typing import Any, Final

from litestar import Litestar, Request
from litestar.types import HTTPScope, Receive, Send

from instant_credit.api.applications import APPLY_PATH, APPLY_SCOPES, CREATED, Created, take_application
from instant_credit.api.limits import tell_limit
from instant_credit.api.problems import answer_failure
from instant_credit.api.security import Admit
from instant_credit.api.wire import REPLY
from instant_credit.underwriting.desk import Desk

# What the router would decode or clean up is left to it.
_PATH: Final = re.compile(r"/v1/products/([a-z0-9_]+)/applications", re.ASCII)
# As Litestar tells it: without the parameters' types.
_TEMPLATE: Final = APPLY_PATH.replace(":str", "")


class ExpressLane:
    """Answers applications.

    Parameters
    ----------
    admit : what guards every route.
    litestar : whose settings a failure's answer follows.
    """

    def __init__(self, desk: Desk, admit: Admit, litestar: Litestar) -> None:
        self._desk = desk
        self._admit = admit
        self._litestar = litestar

    def find_product(self, scope: HTTPScope) -> str | None:
        """The product that is applied for, None for any other request."""
        if scope["method"] != "POST":
            return None
        found = _PATH.fullmatch(scope["path"])
        return None if found is None else found[1]

    async def answer(self, product: str, scope: HTTPScope, receive: Receive, send: Send) -> int:
        """Answer one application; the status."""
        scope["path_template"] = _TEMPLATE
        request: Request[Any, Any, Any] = Request(scope, receive, send)
        try:
            grant = await self._admit(scope, APPLY_SCOPES)
            answered = await take_application(self._desk, product, request, grant)
        except Exception as error:
            return await self._fail(request, error)
        start, body = Created(answered).messages()
        await tell_limit(start, scope)
        reply = scope.get("state", {}).get(REPLY)
        if reply is None or not reply(CREATED, start["headers"], body["body"]):
            await send(start)
            await send(body)
        return CREATED

    async def _fail(self, request: Request[Any, Any, Any], error: Exception) -> int:
        response = answer_failure(request, error)
        answer = response.to_asgi_response(app=None, request=request, type_encoders=self._litestar.type_encoders)

        async def send(message: Any) -> None:
            await tell_limit(message, request.scope)
            await request.send(message)

        await answer(request.scope, request.receive, send)
        return int(response.status_code or 0)
