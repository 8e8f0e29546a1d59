"""Spans of requests and stages, and that nothing which was sent is in them."""

from typing import Any

import httpx
import pytest

pytest.importorskip("opentelemetry.sdk", reason="traces are not tested: the extra otel is not installed")

from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from instant_credit.api.tracing import Tracing
from instant_credit.underwriting.lines import ApplicationLine, Ending, Stages

pytestmark = pytest.mark.anyio
SECRET = "zyxwella-quorbitane"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
LINE = ApplicationLine(
    ending=Ending.DECIDED,
    product=SECRET,
    actor_kind="api_key",
    actor_id="key",
    decision_id="decision",
    outcome="approve",
    stages=Stages(read_ns=1_000, decide_ns=2_000, record_ns=3_000, total_ns=7_000),
)


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter) -> Tracing:
    return Tracing(SimpleSpanProcessor(exporter))


async def ask(app: Any, path: str = "/", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x") as client:
        return await client.post(path, content=SECRET, headers=headers)


def answering(status: int, work: Any = lambda: None) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["path_template"] = "/v1/things/{thing}"
        work()
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return app


async def test_a_request_is_a_span_below_its_callers(exporter: InMemorySpanExporter, tracing: Tracing) -> None:
    await ask(tracing.around(answering(201)), f"/v1/things/{SECRET}", traceparent=f"00-{TRACE}-{PARENT}-01")
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.kind) == ("POST /v1/things/{thing}", SpanKind.SERVER)
    assert span.parent is not None
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, PARENT)
    assert dict(span.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/v1/things/{thing}",
        "http.response.status_code": 201,
    }
    assert span.resource.attributes["service.name"] == "instant-credit"
    assert SECRET not in span.to_json()


@pytest.mark.parametrize(
    ("status", "code"), [(200, StatusCode.UNSET), (422, StatusCode.UNSET), (503, StatusCode.ERROR)]
)
async def test_only_the_servers_failures_are_errors(
    exporter: InMemorySpanExporter, tracing: Tracing, status: int, code: StatusCode
) -> None:
    await ask(tracing.around(answering(status)))
    assert exporter.get_finished_spans()[0].status.status_code is code


@pytest.mark.parametrize("error", [ValueError(SECRET), KeyError(SECRET), RuntimeError(f"\n{SECRET}")])
async def test_no_word_of_an_exception_leaves(
    exporter: InMemorySpanExporter, tracing: Tracing, error: Exception
) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        await ask(tracing.around(answering(200, fail)))
    (span,) = exporter.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert (span.attributes or {})["error.type"] == type(error).__name__
    assert SECRET not in span.to_json()


async def test_stages_are_spans_of_their_own_length_one_after_another(
    exporter: InMemorySpanExporter, tracing: Tracing
) -> None:
    lines: list[ApplicationLine] = []
    report = tracing.beside(lines.append)
    await ask(tracing.around(answering(201, lambda: report(LINE))))
    *stages, request = exporter.get_finished_spans()
    assert lines == [LINE]
    assert [(span.name, (span.end_time or 0) - (span.start_time or 0)) for span in stages] == [
        ("read", 1_000),
        ("decide", 2_000),
        ("record", 3_000),
    ]
    assert [one.end_time for one in stages[:-1]] == [one.start_time for one in stages[1:]]
    assert all(span.parent is not None and span.parent.span_id == request.context.span_id for span in stages)
    assert (request.attributes or {})["instant_credit.outcome"] == "approve"
    assert SECRET not in "".join(span.to_json() for span in exporter.get_finished_spans())


def test_a_line_outside_a_request_is_reported_without_spans(exporter: InMemorySpanExporter, tracing: Tracing) -> None:
    lines: list[ApplicationLine] = []
    tracing.beside(lines.append)(LINE)
    assert lines == [LINE]
    assert not exporter.get_finished_spans()
