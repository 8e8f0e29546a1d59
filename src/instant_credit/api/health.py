"""What operators and machines ask: is it alive, can it decide, what did it count, what does it offer."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from instant_credit.api import metrics as counted
from instant_credit.api.metrics import Metrics
from instant_credit.api.problems import RETRY_AFTER_SECONDS, UNAVAILABLE, Failure
from instant_credit.errors import Unavailable
from instant_credit.underwriting.answers import Live, Ready
from instant_credit.underwriting.desk import Desk

# What fits into a problem's detail.
NAMED_MAX: Final = 2
_JSON: Final = "application/json"
_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_NO_STORE: Final = {"Cache-Control": "no-store"}


def health_routes(desk: Desk, metrics: Metrics, openapi: Callable[[], bytes]) -> list[HTTPRouteHandler]:
    """The handlers, open to every caller: none of them says anything about a person."""

    @get("/health/live", sync_to_thread=False)
    def live() -> Response[bytes]:
        return Response(content=_ENCODER.encode(Live(status="live")), media_type=_JSON, headers=_NO_STORE)

    @get("/health/ready")
    async def ready() -> Response[bytes]:
        try:
            await desk.check_record()
        except Unavailable:
            raise _not_ready("The record does not answer.") from None
        releases = {product: release.hash for product, release in desk.offered().items()}
        not_loaded = dict(desk.not_loaded())
        if not releases:
            raise _not_ready(_without_release(not_loaded))
        body = _ENCODER.encode(Ready(status="ready", releases=releases, not_loaded=not_loaded))
        return Response(content=body, media_type=_JSON, headers=_NO_STORE)

    @get("/metrics", sync_to_thread=False)
    def metrics_text() -> Response[bytes]:
        return Response(content=metrics.expose(), headers={"Content-Type": counted.MEDIA_TYPE})

    @get("/openapi.json", sync_to_thread=False)
    def openapi_document() -> Response[bytes]:
        return Response(content=openapi(), media_type=_JSON)

    return [live, ready, metrics_text, openapi_document]


def _without_release(not_loaded: Mapping[str, str]) -> str:
    """Why nothing can be decided; of many releases the first ones are named."""
    if not not_loaded:
        return "No release is live: make one and activate it."
    named = ", ".join(
        f"{release_hash} of {product}" for product, release_hash in sorted(not_loaded.items())[:NAMED_MAX]
    )
    return f"Not loaded, see the log: release {named}."


def _not_ready(detail: str) -> Failure:
    """Whoever probes learns why; the log does not fill up with an answer that was asked for every few seconds."""
    return Failure(UNAVAILABLE, detail, headers={"Retry-After": RETRY_AFTER_SECONDS})
