"""Traces for OpenTelemetry, where a collector is configured: a span for each request, and below it one for each stage of an application.

A span holds the route's template, the status and what the application's line holds of ids and codes. Nothing that was sent, no URL and
nothing of a person is in it. A caller's `traceparent` is followed. Spans leave in batches, from a thread of their own; what no
collector takes is dropped.
"""

from collections.abc import Callable
from time import time_ns
from typing import Any, Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from instant_credit.api.wire import REPLY
from instant_credit.underwriting.lines import ApplicationLine

SERVICE: Final = "instant-credit"
_TOLD: Final = ("ending", "outcome", "decision_id", "release_hash")
_CONTEXT_HEADERS: Final = (b"traceparent", b"tracestate")
_PROPAGATOR: Final = TraceContextTextMapPropagator()


class Tracing:
    """Makes the spans of one process.

    Parameters
    ----------
    processor : takes finished spans; by default they go to the collector that the OTEL_ variables name.
    """

    def __init__(self, processor: SpanProcessor | None = None) -> None:
        # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say stands above our own name.
        resource = Resource({"service.name": SERVICE}).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor or BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(SERVICE)

    def close(self) -> None:
        """Send what waits, and end. It may take seconds where no collector answers."""
        self._provider.shutdown()

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application, each of whose requests is a span."""

        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == ScopeType.HTTP:
                await self._trace(app, scope, receive, send)
            else:
                await app(scope, receive, send)

        return traced

    def beside(self, report: Callable[[ApplicationLine], None]) -> Callable[[ApplicationLine], None]:
        """`report`, after an application's stages became spans below its request's."""

        def write(line: ApplicationLine) -> None:
            self._add_stages(line)
            report(line)

        return write

    async def _trace(self, app: ASGIApp, scope: HTTPScope, receive: Receive, send: Send) -> None:
        method = str(scope["method"])
        # Every answer passes `watch`.
        scope.get("state", {}).pop(REPLY, None)
        told = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _CONTEXT_HEADERS}
        with self._tracer.start_as_current_span(
            method,
            context=_PROPAGATOR.extract(told),
            kind=SpanKind.SERVER,
            # Both would tell an exception's words.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:

            async def watch(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            try:
                await app(scope, receive, watch)
            except BaseException as error:
                span.set_status(StatusCode.ERROR)
                span.set_attribute("error.type", type(error).__name__)
                raise
            span.set_attribute("http.request.method", method)
            if route := scope.get("path_template", ""):
                span.set_attribute("http.route", route)
                span.update_name(f"{method} {route}")

    def _add_stages(self, line: ApplicationLine) -> None:
        span = trace.get_current_span()
        if not span.is_recording():
            return
        told: dict[str, Any] = {f"instant_credit.{name}": getattr(line, name) for name in _TOLD}
        span.set_attributes({name: value for name, value in told.items() if value is not None})
        stages = line.stages
        at_ns = time_ns() - stages.total_ns
        for name in ("wait", "read", "decide", "record"):
            spent_ns = getattr(stages, f"{name}_ns")
            if spent_ns:
                self._tracer.start_span(name, start_time=at_ns).end(at_ns + spent_ns)
            at_ns += spent_ns
