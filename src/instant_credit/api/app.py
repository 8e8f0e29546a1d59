"""The application: routes, guards and failures put together around one desk.

connection ─► wire (bounds the head) ─► edge (counts, begins the deadline) ─► express lane (applications) or Litestar (all routes) ─► desk ─► answer
"""

from collections.abc import Callable
from time import perf_counter_ns
from typing import Final

import msgspec
from litestar import Litestar
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from instant_credit.api.applications import apply_route
from instant_credit.api.deadlines import ARRIVED, begin_waiting
from instant_credit.api.decisions import decision_route
from instant_credit.api.drafts import draft_routes
from instant_credit.api.experiment_readouts import readout_routes
from instant_credit.api.experiments import experiment_routes
from instant_credit.api.express import ExpressLane
from instant_credit.api.health import health_routes
from instant_credit.api.jobs import job_routes
from instant_credit.api.life import life_routes
from instant_credit.api.limits import ClientLimits, tell_limit
from instant_credit.api.logs import write_lines
from instant_credit.api.metrics import Metrics
from instant_credit.api.monitoring import monitoring_routes
from instant_credit.api.openapi import OfferedProduct, build_openapi
from instant_credit.api.outcomes import outcome_routes
from instant_credit.api.problems import HEADERS_TOO_LARGE, MEDIA_TYPE, answer_failure, encode_problem
from instant_credit.api.quotes import quote_routes
from instant_credit.api.receipts import receipt_route
from instant_credit.api.releases import release_routes
from instant_credit.api.security import FindKey, admit_keys, require_scope
from instant_credit.api.triggers import trigger_routes
from instant_credit.api.wire import HEAD_BYTES_MAX
from instant_credit.factory.desk import JobDesk
from instant_credit.factory.triggers import TriggerDesk
from instant_credit.record.patience import wait_forever
from instant_credit.underwriting.desk import Desk
from instant_credit.underwriting.experiment_life import ExperimentDesk
from instant_credit.underwriting.life import LifeDesk
from instant_credit.underwriting.lines import ApplicationLine
from instant_credit.underwriting.pending import DraftDesk
from instant_credit.underwriting.quoting import QuoteDesk
from instant_credit.underwriting.release_life import ReleaseDesk


def create_app(desk: Desk, find_key: FindKey, metrics: Metrics, limits: ClientLimits | None = None) -> ASGIApp:
    """The ASGI application of one server.

    Parameters
    ----------
    desk : decides and records; its lifetime is the caller's.
    find_key : the API key behind a key's text, None when it is not valid.
    metrics : counters of this server.
    limits : what each client may take; None = as much as it likes.
    """
    admit = admit_keys(find_key, limits or ClientLimits(None, perf_counter_ns))
    guard = require_scope(admit)
    routes = [
        apply_route(desk, guard),
        decision_route(desk, guard),
        receipt_route(desk, guard),
        *life_routes(LifeDesk(desk.record, desk.read_log), guard),
        *draft_routes(DraftDesk(desk), guard),
        *quote_routes(QuoteDesk(desk), guard),
        *outcome_routes(desk.record, guard),
        *monitoring_routes(desk.record, guard),
        *release_routes(ReleaseDesk(desk.record), guard),
        *readout_routes(desk.record, guard),
        *experiment_routes(ExperimentDesk(desk.record), guard),
        *job_routes(JobDesk(desk.record), guard),
        *trigger_routes(TriggerDesk(desk.record), guard),
        *health_routes(desk, metrics, openapi_writer(desk)),
    ]
    litestar = Litestar(
        route_handlers=routes,
        exception_handlers={HTTPException: answer_failure, Exception: answer_failure},
        before_send=[tell_limit],
        openapi_config=None,
        logging_config=None,
        pdb_on_exception=False,
        debug=False,
    )
    return Edge(litestar, ExpressLane(desk, admit, litestar), metrics)


def line_writer(is_offered: Callable[[str], bool], metrics: Metrics) -> Callable[[ApplicationLine], None]:
    """What the desk calls with each application's line: it is counted and logged.

    A product that is not offered is a caller's text out of the URL: it is neither logged nor counted by its name. Tests are not counted.
    """
    log = write_lines("application")

    def write(line: ApplicationLine) -> None:
        if not is_offered(line.product):
            line = msgspec.structs.replace(line, product="")
        # First, since it can't fail.
        if not line.is_test:
            metrics.count_application(line)
        log(line)

    return write


def openapi_writer(desk: Desk) -> Callable[[], bytes]:
    """The OpenAPI document's bytes, written anew when other releases are live."""
    written: dict[tuple[tuple[str, str], ...], bytes] = {}

    def write() -> bytes:
        offered = desk.offered()
        state = tuple(sorted((name, release.manifest.product_hash) for name, release in offered.items()))
        if state not in written:
            written.clear()
            document = build_openapi(
                OfferedProduct(
                    name=name,
                    title=release.product.title,
                    body=desk.door_of(release).json_schema(),
                    is_priced=release.product.is_priced,
                )
                for name, release in offered.items()
            )
            written[state] = msgspec.json.encode(document)
        return written[state]

    return write


class Edge:
    """Around all routes: refuses a head that is too long, counts and times every request, and says how long it may take."""

    _REFUSAL: Final = encode_problem(HEADERS_TOO_LARGE, f"A head has at most {HEAD_BYTES_MAX} bytes.")

    def __init__(self, app: ASGIApp, express: ExpressLane, metrics: Metrics) -> None:
        self._app = app
        self._express = express
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        started = scope.get("state", {}).get(ARRIVED) or perf_counter_ns()
        begin_waiting(scope)
        self._metrics.in_flight.inc()
        try:
            status = await self._answer(scope, receive, send)
        finally:
            wait_forever()
            self._metrics.in_flight.dec()
        self._metrics.count_request(scope.get("path_template", ""), status, perf_counter_ns() - started)

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send) -> int:
        """Answer a request; the status."""
        head = len(scope["raw_path"]) + len(scope["query_string"])
        if head + sum([len(name) + len(value) for name, value in scope["headers"]]) > HEAD_BYTES_MAX:
            await self._refuse(send)
            return HEADERS_TOO_LARGE.status
        product = self._express.find_product(scope)
        if product is not None:
            return await self._express.answer(product, scope, receive, send)
        status = 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        await self._app(scope, receive, watch)
        return status

    async def _refuse(self, send: Send) -> None:
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(self._REFUSAL)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": HEADERS_TOO_LARGE.status, "headers": headers})
        await send({"type": "http.response.body", "body": self._REFUSAL, "more_body": False})
