"""`POST /v1/products/{product}/applications`: one body in, one decided and recorded answer out."""

from typing import Any, Final

from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.types import HTTPScope

from instant_credit.access.actors import Scope
from instant_credit.api.bodies import header_values, read_body, require_json
from instant_credit.api.deadlines import seconds_left
from instant_credit.api.problems import MALFORMED, REFUSED, Failure
from instant_credit.api.security import Guard, grant_of
from instant_credit.errors import Problem
from instant_credit.underwriting.course import Answered, Submission
from instant_credit.underwriting.desk import UNREADABLE, Desk
from instant_credit.underwriting.lines import Stages

IDEMPOTENCY_KEY_BYTES_MAX: Final = 64
_NS_PER_MS: Final = 1e6


def apply_route(desk: Desk, guard: Guard) -> HTTPRouteHandler:
    """The handler; `guard` admits keys with the scope `apply`."""

    @post("/v1/products/{product:str}/applications", guards=[guard], opt={"scopes": (Scope.APPLY,)})
    async def apply(request: Request[Any, Any, Any], product: FromPath[str]) -> Response[bytes]:
        require_json(request.scope)
        key = read_idempotency_key(request.scope)
        body = await read_body(request)
        grant = grant_of(request)
        submission = Submission(
            product=product,
            body=body,
            client_id=grant.client_id,
            actor=grant.actor,
            idempotency_key=key,
            is_test=grant.is_test,
            seconds=seconds_left(request.scope),
        )
        answered = await desk.apply(submission)
        if isinstance(answered, Answered):
            return created(answered)
        raise refused(answered)

    return apply


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
    if len(values) > 1 or not 1 <= len(key) <= IDEMPOTENCY_KEY_BYTES_MAX or not all(0x21 <= c <= 0x7E for c in key):
        raise Failure(MALFORMED, "Idempotency-Key is 1 to 64 visible ASCII characters, sent once.")
    return key.decode("ascii")


def server_timing(stages: Stages) -> str:
    """Stage times as the Server-Timing header's value, in milliseconds."""
    parts = (
        ("read", stages.read_ns),
        ("decide", stages.decide_ns),
        ("record", stages.record_ns),
        ("total", stages.total_ns),
    )
    return ", ".join(f"{name};dur={spent / _NS_PER_MS:.3f}" for name, spent in parts)


def created(answered: Answered) -> Response[bytes]:
    """201 with the answer's bytes, where its decision is and how long it took."""
    headers = {
        "Location": f"/v1/decisions/{answered.decision_id}",
        "Server-Timing": server_timing(answered.stages),
        "Cache-Control": "no-store",
    }
    if answered.is_repeated:
        headers["Idempotent-Replayed"] = "true"
    return Response(content=answered.body, status_code=201, media_type="application/json", headers=headers)
