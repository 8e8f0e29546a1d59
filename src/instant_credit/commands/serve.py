"""`instant-credit serve`: the API server, from its settings to its last answer."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Final

import click
import structlog
import uvicorn
import uvloop

from instant_credit.api.app import create_app, line_writer
from instant_credit.api.logs import configure_logs
from instant_credit.api.metrics import Metrics
from instant_credit.api.wire import BoundedProtocol
from instant_credit.record.api_keys import KeyDesk
from instant_credit.record.pool import open_record
from instant_credit.settings import Settings, read_settings
from instant_credit.underwriting.desk import Desk
from instant_credit.underwriting.releases import LiveReleases, NotLoaded

GRACE_SECONDS: Final = 20
REFRESH_SECONDS: Final = 1.0
KEEP_ALIVE_SECONDS: Final = 30


@click.command()
@click.option("--host", help="Address to listen on; default INSTANT_CREDIT_HOST or 127.0.0.1.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="Port, 0 for a free one; default INSTANT_CREDIT_PORT or 8420."
)
def serve(host: str | None, port: int | None) -> None:
    """Serve the API until SIGTERM or Ctrl-C; requests under way are answered first."""
    settings = read_settings(os.environ)
    configure_logs(sys.stderr)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, host or settings.host, settings.port if port is None else port))


class Server(uvicorn.Server):
    """Uvicorn that says where it listens, and for which a signal is a request to end well, with status 0."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then print the addresses."""
        await super().startup(sockets)
        for listener in self.servers:
            for opened in listener.sockets:
                host, port = opened.getsockname()[:2]
                address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
                click.echo(f"Serving {address}  (document: {address}/openapi.json, ready: {address}/health/ready)")
        sys.stdout.flush()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the loop's own handlers in place."""
        yield


async def _serve(settings: Settings, host: str, port: int) -> None:
    async with open_record(settings) as record:
        for warning in record.warnings:
            structlog.get_logger("instant_credit.record").warning(warning.event, detail=warning.detail)
        releases = LiveReleases(record, _log_not_loaded)
        await releases.refresh()
        if not releases.live() and not releases.not_loaded():
            click.echo(
                "No release is live yet: applications are answered 404 until one is activated (instant-credit release)."
            )
        metrics = Metrics()
        report = line_writer(lambda name: name in releases.live(), metrics)
        desk = Desk(record, releases, report=report)
        config = uvicorn.Config(
            create_app(desk, KeyDesk(record).verify, metrics),
            host=host,
            port=port,
            http=BoundedProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=2048,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        server = Server(config)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, server.handle_exit, number, None)
        async with kept_fresh(releases):
            await server.serve()


def _log_not_loaded(missed: NotLoaded) -> None:
    structlog.get_logger("instant_credit.releases").error(
        "release_not_loaded", product=missed.product, release_hash=missed.release_hash, exc_info=missed.error
    )


@contextlib.asynccontextmanager
async def kept_fresh(releases: LiveReleases) -> AsyncIterator[None]:
    """Look for newly activated releases while the server serves; whatever goes wrong is logged, and it looks again."""

    async def refresh() -> None:
        log = structlog.get_logger("instant_credit.releases")
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await releases.refresh()
            except Exception:
                log.exception("releases_not_refreshed")

    task = asyncio.create_task(refresh())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
