"""`GET /v1/monitoring/{product}/windows` and `/alerts`: what monitoring found in the applications that were decided. Nobody's data."""

from datetime import date, datetime
from typing import Annotated, Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Meta, Struct

from instant_credit.access.actors import Scope
from instant_credit.api.life import tell
from instant_credit.api.operations import GUARDED, failures, success
from instant_credit.api.security import Guard
from instant_credit.errors import NotFound
from instant_credit.outcome.alerts import AlertEvent, AlertState
from instant_credit.record.pool import Record, within
from instant_credit.record.sketches import list_alert_events, list_windows
from instant_credit.review.windows import WindowReport, decode_report
from instant_credit.underwriting.course import APPLICATION_SECONDS, BOOK

WINDOWS_MAX: Final = 13
EVENTS_MAX: Final = 100
_READS: Final = {"scopes": (Scope.MONITORING_READ,)}
_PRODUCT: Final = {
    "name": "product",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,62}$"},
}


class MonitoredWindows(Struct, frozen=True, kw_only=True):
    """The windows judged last, the latest first."""

    product: str
    windows: Annotated[tuple[WindowReport, ...], Meta(max_length=WINDOWS_MAX)]


class AlertOpenedOrClosed(Struct, frozen=True, kw_only=True):
    """An alert opened or closed with the window that ended on `last_on`."""

    last_on: date
    event: AlertEvent
    recorded_at: datetime


class Alerts(Struct, frozen=True, kw_only=True):
    """The alerts that are open after the last window, and what opened and closed before, the latest first."""

    product: str
    as_of: date
    open: tuple[AlertState, ...]
    history: Annotated[tuple[AlertOpenedOrClosed, ...], Meta(max_length=EVENTS_MAX)]


MONITORING_STRUCTS: Final = (MonitoredWindows, Alerts)


def monitoring_routes(record: Record, guard: Guard) -> list[HTTPRouteHandler]:
    """The handlers, for keys with the scope `monitoring:read`."""

    @get("/v1/monitoring/{product:str}/windows", guards=[guard], opt=_READS)
    async def read_windows(request: Request[Any, Any, Any], product: FromPath[str]) -> Response[bytes]:
        reports = await _read_reports(record, product, WINDOWS_MAX)
        return tell(MonitoredWindows(product=reports[0].product, windows=reports))

    @get("/v1/monitoring/{product:str}/alerts", guards=[guard], opt=_READS)
    async def read_alerts(request: Request[Any, Any, Any], product: FromPath[str]) -> Response[bytes]:
        (report,) = await _read_reports(record, product, 1)
        async with within(APPLICATION_SECONDS):
            rows = await list_alert_events(record, BOOK, report.product, EVENTS_MAX)
        return tell(
            Alerts(
                product=report.product,
                as_of=report.last_on,
                open=tuple(state for state in report.states if state.is_open),
                history=tuple(
                    AlertOpenedOrClosed(last_on=row.last_on, event=row.event, recorded_at=row.recorded_at)
                    for row in rows
                ),
            )
        )

    return [read_windows, read_alerts]


async def _read_reports(record: Record, product: str, most: int) -> tuple[WindowReport, ...]:
    """The last windows of a product, at least one.

    Raises
    ------
    NotFound : no window of such a product was judged; the message does not quote it.
    """
    async with within(APPLICATION_SECONDS):
        rows = await list_windows(record, BOOK, product, most)
    if not rows:
        raise NotFound("monitored product", "of this name")
    return tuple(decode_report(row.report) for row in rows)


def monitoring_paths() -> dict[str, Any]:
    """Path items by path, for the OpenAPI document."""
    windows = success("The windows judged last, the latest first.", "MonitoredWindows")
    alerts = success("The alerts that are open, and the history of all.", "Alerts")
    return {
        "/v1/monitoring/{product}/windows": {"get": _operation("read_windows", "What the last windows found", windows)},
        "/v1/monitoring/{product}/alerts": {"get": _operation("read_alerts", "Alerts that are open, and were", alerts)},
    }


def _operation(name: str, summary: str, told: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "description": f"Scope: `{Scope.MONITORING_READ.value}`. 404 until a window of the product was judged.",
        "tags": ["monitoring"],
        "security": [{"api_key": [Scope.MONITORING_READ.value]}],
        "parameters": [_PRODUCT],
        "responses": {"200": told, **failures(*GUARDED)},
    }
