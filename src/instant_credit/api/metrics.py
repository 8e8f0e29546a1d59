"""What is counted, for Prometheus. Labels are closed sets (products, outcomes, routes, statuses, stages): never an id, never a person.

Several workers of one server count into files of one folder (prometheus_client's multiprocess mode), and each of them shows the sums.
"""

from collections import Counter as Counted
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from math import nan
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from instant_credit.api.gate import Cause
from instant_credit.record.grouping import GROUP_MAX, Written
from instant_credit.review.windows import WindowReport
from instant_credit.underwriting.lines import ApplicationLine
from instant_credit.underwriting.release_states import DUE_DAYS, Due
from instant_credit.underwriting.shadowing import ShadowEnding

MEDIA_TYPE: Final = CONTENT_TYPE_LATEST
_STAGE_SECONDS: Final = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.05, 0.25, 1.0, 5.0)
_REQUEST_SECONDS: Final = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.25, 1.0, 5.0)
_GROUP_ITEMS: Final = tuple(2**power for power in range(GROUP_MAX.bit_length()))
STAGES: Final = ("read", "decide", "record", "total")
_NS: Final = 1e9


class Metrics:
    """The counters of one server, in a registry of their own.

    Parameters
    ----------
    folder : where the workers of one server count together; this process then runs with PROMETHEUS_MULTIPROC_DIR set to it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
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
        refusals = Counter(
            "instant_credit_refusals",
            "Requests that were turned away before any work, by cause.",
            ("cause",),
            registry=self.registry,
        )
        self._lost_lines = Counter(
            "instant_credit_log_lines_lost", "Lines of the log that could not be written.", registry=self.registry
        )
        self._group_items = Histogram(
            "instant_credit_commit_items",
            "Applications that one commit recorded.",
            buckets=_GROUP_ITEMS,
            registry=self.registry,
        )
        self._group_seconds = Histogram(
            "instant_credit_commit_seconds", "Time of one commit.", buckets=_STAGE_SECONDS, registry=self.registry
        )
        self._waiting = self._make_gauge(
            "commit_waiting", "Applications that waited on when the last group was recorded."
        )
        self._places = self._make_gauge("places", "Most requests that may be under way.")
        self.in_flight = self._make_gauge("requests_in_flight", "HTTP requests that are being answered.")
        self._make_gauge("workers", "Processes that answer.").set(1)
        self._not_anchoring = self._make_gauge(
            "not_anchoring", "Processes whose last try to anchor what is new was refused."
        )
        self._make_monitoring_metrics()
        self._make_release_metrics()
        # Finding a child by its labels costs more than counting.
        self._of_stage = {f"{name}_ns": self._stages.labels(name) for name in STAGES}
        self._of_request: dict[tuple[str, int], Histogram] = {}
        self._of_application: dict[tuple[str, str, str | None], Counter] = {}
        self._refusals = {cause: refusals.labels(cause.value) for cause in Cause}

    def _make_monitoring_metrics(self) -> None:
        self._alerts_open = self._make_monitored("alerts_open", "Alerts that are open, by rule.", "rule")
        self._monitored = self._make_monitored(
            "monitored_excess",
            "How far a figure of the last window lies above what it is without any change; of several the largest, NaN for none.",
            "metric",
        )
        self._monitored_until = self._make_monitored(
            "monitored_until_seconds", "When the window that was judged last ended, in seconds since 1970."
        )
        self._open_rules: set[tuple[str, str]] = set()
        self._shown_figures: set[tuple[str, str]] = set()

    def _make_release_metrics(self) -> None:
        # Every worker sees the same releases due.
        self._due = Gauge(
            "instant_credit_releases_due",
            f"Releases that decide and are due within {DUE_DAYS} days, by product and by what is due.",
            ("product", "kind"),
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._shadows = Counter(
            "instant_credit_shadow_decisions",
            "Decisions of shadow releases by how they ended.",
            ("product", "ending"),
            registry=self.registry,
        )
        self._told_due: set[tuple[str, str]] = set()

    def _make_gauge(self, name: str, documentation: str) -> Gauge:
        """A gauge of which the workers that live show their sum."""
        return Gauge(f"instant_credit_{name}", documentation, registry=self.registry, multiprocess_mode="livesum")

    def _make_monitored(self, name: str, documentation: str, *labels: str) -> Gauge:
        """A gauge by product that every worker reads out of the record: one of them is enough."""
        return Gauge(
            f"instant_credit_{name}",
            documentation,
            ("product", *labels),
            registry=self.registry,
            multiprocess_mode="livemostrecent",
        )

    def count_application(self, line: ApplicationLine) -> None:
        """Count one application."""
        name = (line.product, line.ending.value, line.outcome)
        applications = self._of_application.get(name)
        if applications is None:
            applications = self._applications.labels(line.product, line.ending.value, line.outcome or "")
            self._of_application[name] = applications
        applications.inc()
        if line.ending == "decided":
            for stage, histogram in self._of_stage.items():
                histogram.observe(getattr(line.stages, stage) / _NS)

    def count_request(self, route: str, status: int, spent_ns: int) -> None:
        """Count one HTTP request; `route` is the template, "" when there is none."""
        requests = self._of_request.get((route, status))
        if requests is None:
            requests = self._of_request[route, status] = self._requests.labels(route, str(status))
        requests.observe(spent_ns / _NS)

    def count_refusal(self, cause: Cause) -> None:
        """Count one request that was turned away at the gate."""
        self._refusals[cause].inc()

    def count_lost_line(self) -> None:
        """Count one line of the log that could not be written."""
        self._lost_lines.inc()

    def count_group(self, written: Written) -> None:
        """Count one group of applications that was recorded by one commit."""
        self._group_items.observe(written.items)
        self._group_seconds.observe(written.spent_ns / _NS)
        self._waiting.set(written.waiting)

    def show_not_anchoring(self, processes: int) -> None:
        """Show how many of this process (0 or 1) cannot anchor what is new."""
        self._not_anchoring.set(processes)

    def show_monitored(self, reports: Iterable[WindowReport]) -> None:
        """Show what the last window of each product found; a figure that it does not have, and that an earlier one had, is no number."""
        for report in reports:
            product = report.product
            open_rules = Counted(state.rule for state in report.states if state.is_open)
            self._open_rules |= {(product, rule) for rule in open_rules}
            for known, rule in self._open_rules:
                if known == product:
                    self._alerts_open.labels(product, rule).set(open_rules[rule])
            largest: dict[str, float] = {}
            for one in report.measurements:
                if one.excess is not None:
                    largest[one.metric.value] = max(largest.get(one.metric.value, one.excess), one.excess)
            self._shown_figures |= {(product, metric) for metric in largest}
            for known, metric in self._shown_figures:
                if known == product:
                    self._monitored.labels(product, metric).set(largest.get(metric, nan))
            ended = datetime.combine(report.last_on + timedelta(days=1), time(), UTC)
            self._monitored_until.labels(product).set(ended.timestamp())

    def show_places(self, places: int) -> None:
        """Show how many requests the gate lets in."""
        self._places.set(places)

    def show_due(self, due: Iterable[Due]) -> None:
        """Show what is due now; what was due and is not any more is shown as 0."""
        tally = Counted((one.product, one.kind.value) for one in due)
        self._told_due |= set(tally)
        for labels in self._told_due:
            self._due.labels(*labels).set(tally[labels])

    def count_shadows(self, product: str, ending: ShadowEnding, items: int) -> None:
        """Count shadow decisions."""
        self._shadows.labels(product, ending.value).inc(items)

    def expose(self) -> bytes:
        """All counters in Prometheus' text format; of all workers together where there are several."""
        if self._folder is None:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(self._folder))  # type: ignore[no-untyped-call] # it is left without types
        return generate_latest(registry)
