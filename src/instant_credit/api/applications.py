"""`POST /v1/products/{product}/applications`: one body in, one decided and recorded answer out."""

import re
from typing import Any, Final

from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send
from litestar.types.asgi_types import HTTPResponseBodyEvent, HTTPResponseStartEvent

from instant_credit.access import actors
from instant_credit.access.keys import Grant
from instant_credit.api.bodies import JSON, header_values, read_body, require_json
from instant_credit.api.deadlines import require_time
from instant_credit.api.problems import MALFORMED, REFUSED, Failure
from instant_credit.api.security import Guard, grant_of
from instant_credit.errors import Problem
from instant_credit.underwriting.course import Answered, Submission
from instant_credit.underwriting.desk import UNREADABLE, Desk
from instant_credit.underwriting.lines import Stages

APPLY_PATH: Final = "/v1/products/{product:str}/applications"
APPLY_SCOPES: Final = (actors.Scope.APPLY,)
IDEMPOTENCY_KEY_BYTES_MAX: Final = 64
CREATED: Final = 201
_IDEMPOTENCY_KEY: Final = re.compile(rb"[\x21-\x7e]{1,%d}" % IDEMPOTENCY_KEY_BYTES_MAX)
_NS_PER_MS: Final = 1e6


def apply_route(desk: Desk, guard: Guard) -> HTTPRouteHandler:
    """The handler; `guard` admits keys with the scope `apply`. Requests that look as they should are answered by `express` instead."""

    @post(APPLY_PATH, guards=[guard], opt={"scopes": APPLY_SCOPES})
    async def apply(request: Request[Any, Any, Any]) -> ASGIApp:
        product = request.scope["path_params"]["product"]
        return Created(await take_application(desk, product, request, grant_of(request)))

    return apply


async def take_application(desk: Desk, product: str, request: Request[Any, Any, Any], grant: Grant) -> Answered:
    """Read one application and have it decided.

    Raises
    ------
    Failure : the request is not what it should be, or the application has problems.
    Late : the caller's time is over.
    """
    require_json(request.scope)
    key = read_idempotency_key(request.scope)
    body = await read_body(request)
    require_time()
    submission = Submission(
        product=product,
        body=body,
        client_id=grant.client_id,
        actor=grant.actor,
        idempotency_key=key,
        is_test=grant.is_test,
    )
    answered = await desk.apply(submission)
    if isinstance(answered, Answered):
        return answered
    raise refused(answered)


def refused(problems: tuple[Problem, ...]) -> Failure:
    """400 when the body is no JSON at all, 422 with every wrong field otherwise."""
    if any(problem.code in UNREADABLE for problem in problems):
        return Failure(MALFORMED, "The body is not the JSON of an application.", problems)
    return Failure(REFUSED, "Correct the fields under errors and send the application again.", problems)


def read_idempotency_key(scope: HTTPScope) -> str | None:
    """The Idempotency-Key header, None without one.

    Raises
    ------
    Failure : 400 unless it is 1 to 64 visible ASCII characters, sent once.
    """
    values = header_values(scope, b"idempotency-key")
    if not values:
        return None
    key = values[0]
    if len(values) > 1 or _IDEMPOTENCY_KEY.fullmatch(key) is None:
        raise Failure(MALFORMED, "Idempotency-Key is 1 to 64 visible ASCII characters, sent once.")
    return key.decode("ascii")


def server_timing(stages: Stages) -> str:
    """Stage times as the Server-Timing header's value, in milliseconds."""
    return (
        f"read;dur={stages.read_ns / _NS_PER_MS:.3f}, decide;dur={stages.decide_ns / _NS_PER_MS:.3f}, "
        f"record;dur={stages.record_ns / _NS_PER_MS:.3f}, total;dur={stages.total_ns / _NS_PER_MS:.3f}"
    )


def created(answered: Answered) -> Response[bytes]:
    """201 with the answer's bytes, where its decision is and how long it took."""
    return Response(
        content=answered.body,
        status_code=CREATED,
        media_type="application/json",
        headers={name.decode(): value.decode() for name, value in _tell_answer(answered)},
    )


class Created:
    """`created` as an ASGI application, for the route that must be quick: Litestar's own response costs as much as checking a body."""

    def __init__(self, answered: Answered) -> None:
        self._answered = answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        start, body = self.messages()
        await send(start)
        await send(body)

    def messages(self) -> tuple[HTTPResponseStartEvent, HTTPResponseBodyEvent]:
        """Its two messages."""
        body = self._answered.body
        headers = [*_tell_answer(self._answered), (b"content-type", JSON), (b"content-length", b"%d" % len(body))]
        return (
            {"type": "http.response.start", "status": CREATED, "headers": headers},
            {"type": "http.response.body", "body": body, "more_body": False},
        )


def _tell_answer(answered: Answered) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"location", f"/v1/decisions/{answered.decision_id}".encode()),
        (b"server-timing", server_timing(answered.stages).encode()),
        (b"cache-control", b"no-store"),
    ]
    if answered.is_repeated:
        headers.append((b"idempotent-replayed", b"true"))
    return headers
