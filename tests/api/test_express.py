"""The express lane against its twin, the route that Litestar serves: whatever is asked, both answer alike."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.access.actors import Scope
from instant_credit.access.keys import Grant
from instant_credit.access.limits import Allowance
from instant_credit.api.app import create_app
from instant_credit.api.applications import APPLY_SCOPES
from instant_credit.api.express import ExpressLane
from instant_credit.api.limits import ClientLimits
from instant_credit.api.metrics import Metrics
from instant_credit.errors import Conflict, NotFound, Overloaded, Problem, Unavailable
from instant_credit.underwriting.course import Answered, Submission
from instant_credit.underwriting.lines import Stages

PATHS = st.sampled_from(
    [
        "/v1/products/p/applications",
        "/v1/products/p/applications/",
        "/v1/products/P/applications",
        "/v1/products/%70/applications",
        "/v1/products/p%2Fq/applications",
        "/v1/products//applications",
        "/v1/products/p/applications?x=1",
        "//v1/products/p/applications",
        "/v1/products/p/drafts",
    ]
)
METHODS = st.sampled_from(["POST", "POST", "POST", "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "authorization": st.sampled_from(["Bearer k", "bearer k", "Bearer other", "Basic k", "Bearer", ""]),
        "content-type": st.sampled_from(["application/json", "application/json; charset=utf-8", "text/plain", ""]),
        "content-encoding": st.sampled_from(["identity", "gzip"]),
        "idempotency-key": st.sampled_from(["a", "b c", "", "x" * 64, "x" * 65]),
        "request-timeout-ms": st.sampled_from(["1", "1000", "0", "-1", "9999999", "soon"]),
        "content-length": st.sampled_from(["2", "0", "99999999999", "x"]),
    },
)
BODIES = st.sampled_from([b"{}", b"", b"x" * 70_000, b"\x00"])
ENDINGS = st.sampled_from(
    [
        None,
        (),
        (Problem(pointer="/facts/x", code="FIELD_MISSING", message="due"),),
        Conflict("key"),
        NotFound("product", "p"),
        Overloaded("full"),
        Unavailable("down"),
        ValueError("bug"),
    ]
)


class Desk:
    """Answers every application in one way, and keeps what it was asked."""

    record = None
    read_log: Any = object()  # nothing is read

    def __init__(self, ending: Any) -> None:
        self.ending = ending
        self.asked: list[Submission] = []

    def offered(self) -> dict[str, Any]:
        return {}

    def not_loaded(self) -> dict[str, str]:
        return {}

    async def apply(self, submission: Submission) -> Any:
        self.asked.append(submission)
        if isinstance(self.ending, Exception):
            raise self.ending
        if self.ending:
            return self.ending
        return Answered(body=b'{"a":1}', decision_id=UUID(int=7), is_repeated=self.ending == (), stages=Stages())


async def find_key(text: str) -> Grant | None:
    if text not in ("k", "other"):
        return None
    return Grant(key_id="key", client_id="client", scopes=frozenset(APPLY_SCOPES if text == "k" else {Scope.READ}))


async def ask(ending: Any, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[Any, ...]:
    desk: Any = Desk(ending)
    limits = ClientLimits(Allowance(rate=1, burst=1), lambda: 0)
    metrics = Metrics()
    app: Any = create_app(desk, find_key, metrics, limits)
    transport = httpx.ASGITransport(app=app)
    seen: list[Any] = []
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        for _ in range(2):
            answer = await client.request(method, path, headers=headers, content=body)
            told = answer.json() if answer.content else None
            if isinstance(told, dict):
                told.pop("instance", None)
            seen.append((answer.status_code, sorted(answer.headers.items(), key=repr), told))
    counted = [line for line in metrics.expose().decode().splitlines() if "request_seconds_count" in line]
    return seen, [(one.product, one.body, one.idempotency_key, one.client_id) for one in desk.asked], counted


@given(METHODS, PATHS, HEADERS, BODIES, ENDINGS)
def test_both_ways_answer_alike(method: str, path: str, headers: dict[str, str], body: bytes, ending: Any) -> None:
    express = asyncio.run(ask(ending, method, path, headers, body))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ExpressLane, "find_product", lambda *_: None)
        assert asyncio.run(ask(ending, method, path, headers, body)) == express


def test_a_plain_application_takes_the_express_lane() -> None:
    nothing: Any = None  # it is not asked to answer
    lane = ExpressLane(nothing, nothing, nothing)
    scope: Any = {"method": "POST", "path": "/v1/products/personal_loan/applications"}
    assert lane.find_product(scope) == "personal_loan"
    assert lane.find_product(scope | {"method": "GET"}) is None
