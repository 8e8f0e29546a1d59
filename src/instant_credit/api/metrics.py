"""What is counted, for Prometheus. Labels are closed sets (products, outcomes, routes, statuses, stages): never an id, never a person."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from instant_credit.underwriting.lines import ApplicationLine

MEDIA_TYPE: Final = CONTENT_TYPE_LATEST
_STAGE_SECONDS: Final = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.05, 0.25, 1.0, 5.0)
_REQUEST_SECONDS: Final = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.25, 1.0, 5.0)
_NS: Final = 1e9


class Metrics:
    """The counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._applications = Counter(
            "instant_credit_applications",
            "Applications by how they ended.",
            ("product", "ending", "outcome"),
            registry=self.registry,
        )
        self._stages = Histogram(
            "instant_credit_stage_seconds",
            "Time of a decided application by stage.",
            ("stage",),
            buckets=_STAGE_SECONDS,
            registry=self.registry,
        )
        self._requests = Histogram(
            "instant_credit_request_seconds",
            "Time of an HTTP request by route and status.",
            ("route", "status"),
            buckets=_REQUEST_SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "instant_credit_requests_in_flight", "HTTP requests that are being answered.", registry=self.registry
        )

    def count_application(self, line: ApplicationLine) -> None:
        """Count one application."""
        self._applications.labels(line.product, line.ending.value, line.outcome or "").inc()
        if line.ending == "decided":
            stages = line.stages
            for name, spent_ns in (
                ("read", stages.read_ns),
                ("decide", stages.decide_ns),
                ("record", stages.record_ns),
                ("total", stages.total_ns),
            ):
                self._stages.labels(name).observe(spent_ns / _NS)

    def count_request(self, route: str, status: int, spent_ns: int) -> None:
        """Count one HTTP request; `route` is the template, "" when there is none."""
        self._requests.labels(route, str(status)).observe(spent_ns / _NS)

    def expose(self) -> bytes:
        """All counters in Prometheus' text format."""
        return generate_latest(self.registry)
