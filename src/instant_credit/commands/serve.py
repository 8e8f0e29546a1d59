"""`instant-credit serve`: the API server, from its settings to its last answer."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from time import monotonic
from typing import Final

import click
import structlog
import uvicorn
import uvloop

from instant_credit.api.app import create_app, line_writer
from instant_credit.api.logs import configure_logs
from instant_credit.api.metrics import Metrics
from instant_credit.api.wire import BoundedProtocol
from instant_credit.errors import InstantCreditError, Refused, Unavailable
from instant_credit.record.api_keys import KeyDesk
from instant_credit.record.embedded import revive_cluster
from instant_credit.record.pool import open_record
from instant_credit.settings import HOST, PORT, Settings, read_settings
from instant_credit.underwriting.desk import Desk
from instant_credit.underwriting.releases import LiveReleases, NotLoaded

GRACE_SECONDS: Final = 20
REFRESH_SECONDS: Final = 1.0
REVIVE_SECONDS: Final = 5.0
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


def listen_on(host: str, port: int) -> list[socket.socket]:
    """Sockets bound to every address of `host`; connections are refused until the server listens.

    Raises
    ------
    Refused : there is no such host, or the port is taken.
    """
    with contextlib.ExitStack() as stack:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            bound = []
            for family, kind, protocol, _, address in dict.fromkeys(found):
                opened = stack.enter_context(socket.socket(family, kind, protocol))
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                opened.bind(address)
                bound.append(opened)
        except (OSError, UnicodeError) as trouble:
            why = (isinstance(trouble, OSError) and trouble.strerror) or "no such host"
            raise Refused(
                f"cannot listen on {host} port {port}: {why}; choose others with --host and --port, or {HOST} and {PORT}"
            ) from None
        stack.pop_all()
    return bound


async def _serve(settings: Settings, host: str, port: int) -> None:
    sockets = listen_on(host, port)
    async with contextlib.AsyncExitStack() as stack:
        for opened in sockets:
            stack.callback(opened.close)
        record = await stack.enter_async_context(open_record(settings))
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
        revive = None if settings.database_url is not None else lambda: revive_cluster(settings.home)
        async with kept_fresh(releases, revive):
            await server.serve(sockets)
            await desk.drain()


def _log_not_loaded(missed: NotLoaded) -> None:
    # What this package refuses it says in words of its own, about documents only.
    reason = {"reason": str(missed.error)} if isinstance(missed.error, InstantCreditError) else {}
    structlog.get_logger("instant_credit.releases").error(
        "release_not_loaded", product=missed.product, release_hash=missed.release_hash, exc_info=missed.error, **reason
    )


@contextlib.asynccontextmanager
async def kept_fresh(releases: LiveReleases, revive: Callable[[], bool] | None = None) -> AsyncIterator[None]:
    """Look for newly activated releases while the server serves; whatever goes wrong is logged, and it looks again.

    Parameters
    ----------
    revive : starts an embedded database again that has ended, and says whether it had. It is called, in a thread and at most every
        `REVIVE_SECONDS`, while the record does not answer. An outage is logged once, at its start.
    """

    async def refresh() -> None:
        log = structlog.get_logger("instant_credit.releases")
        is_out, revived_at = False, -REVIVE_SECONDS
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await releases.refresh()
                is_out = False
            except Unavailable as trouble:
                if not is_out:
                    log.error("releases_not_refreshed", error=type(trouble).__name__)  # noqa: TRY400 frames say nothing here
                is_out = True
                if revive is not None and monotonic() - revived_at >= REVIVE_SECONDS:
                    await _revive(revive)
                    revived_at = monotonic()
            except Exception:
                log.exception("releases_not_refreshed")

    task = asyncio.create_task(refresh())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _revive(revive: Callable[[], bool]) -> None:
    """Start the database again if it ended, and say so; the caller's end waits until it is done, so that nothing starts after it."""
    log = structlog.get_logger("instant_credit.record")
    reviving = asyncio.ensure_future(asyncio.to_thread(revive))
    try:
        if await asyncio.shield(reviving):
            log.warning("database_restarted", detail="the embedded Postgres had ended and was started again")
    except asyncio.CancelledError:
        await asyncio.wait({reviving})
        raise
    except InstantCreditError as trouble:
        log.error("database_not_restarted", error=type(trouble).__name__)  # noqa: TRY400 frames say nothing here
    except Exception:
        log.exception("database_not_restarted")
