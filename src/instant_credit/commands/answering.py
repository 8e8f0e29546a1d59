"""One process that answers, from its settings to its last answer: the record, the releases kept fresh, the desk, the counter."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

import click
import structlog
import uvicorn
import uvloop

from instant_credit.api.app import create_app, line_writer
from instant_credit.api.gate import Gate
from instant_credit.api.limits import ClientLimits
from instant_credit.api.logs import LossyStream
from instant_credit.api.metrics import Metrics
from instant_credit.commands.anchored import kept_anchored
from instant_credit.commands.inheriting import Inheritance
from instant_credit.commands.listening import addresses_of, tell_address
from instant_credit.commands.monitored import keep_monitored
from instant_credit.commands.months import beside, keep_months_ahead
from instant_credit.commands.server import HANDOVER_SECONDS, Server
from instant_credit.errors import InstantCreditError, Refused, Unavailable
from instant_credit.experiment.exploration import Programme
from instant_credit.record.api_keys import KeyDesk
from instant_credit.record.embedded import revive_cluster
from instant_credit.record.partitions import make_months_ahead
from instant_credit.record.pool import NOT_DURABLE, Record, open_record
from instant_credit.settings import Settings
from instant_credit.underwriting.affording import SpentArm
from instant_credit.underwriting.desk import Desk
from instant_credit.underwriting.experiments import Experiments, NotExposing
from instant_credit.underwriting.probing import Probing
from instant_credit.underwriting.releases import LiveReleases, NotLoaded
from instant_credit.underwriting.shadowing import Shadowing

if TYPE_CHECKING:
    from instant_credit.api.tracing import Tracing

REFRESH_SECONDS: Final = 1.0
REVIVE_SECONDS: Final = 5.0
# Less than a caller waits (`APPLICATION_SECONDS`): the database gives up a statement before the one who asked for it.
STATEMENT_SECONDS: Final = 4.0
KEEP_ALIVE_SECONDS: Final = 30
# New objects after which the youngest are looked through for garbage.
GARBAGE_OBJECTS: Final = 50_000
NO_RELEASE: Final = (
    "No release is live yet: applications are answered 404 until one is activated (instant-credit release)."
)


def answer_on(
    sockets: Sequence[socket.socket], settings: Settings, log: LossyStream, inherited: Inheritance | None = None
) -> None:
    """Answer what comes in on `sockets` until told to end.

    Parameters
    ----------
    log : where this process logs; what it loses is counted.
    inherited : what a worker has from its supervisor; None = this process is the whole server, and says where it listens.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_answer(sockets, settings, log, inherited))


async def _answer(
    sockets: Sequence[socket.socket], settings: Settings, log: LossyStream, inherited: Inheritance | None
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for opened in sockets:
            stack.callback(opened.close)
        record = await stack.enter_async_context(
            open_record(settings, statement_seconds=STATEMENT_SECONDS, plan_cache_mode="force_generic_plan")
        )
        tell_safety(record)
        releases, experiments = LiveReleases(record, _log_not_loaded), Experiments(record, _log_not_exposing)
        await releases.refresh()
        await experiments.refresh()
        if inherited is None and not releases.live() and not releases.not_loaded():
            click.echo(NO_RELEASE)
        metrics = Metrics(None if inherited is None else Path(inherited.metrics))
        log.lost = metrics.count_lost_line
        gate = Gate(turned_away=metrics.count_refusal, resized=metrics.show_places)
        written = line_writer(lambda name: name in releases.live(), metrics)
        tracing = _start_tracing(stack) if settings.has_traces else None
        report = written if tracing is None else tracing.beside(written)
        shadowing = Shadowing(record, releases.shadows, count=metrics.count_shadows, report=_log_shadows_failed)
        desk = Desk(
            record,
            releases,
            report=report,
            lost=metrics.count_lost_line,
            observe=metrics.count_group,
            shadow=shadowing.offer,
            probing=Probing(record, settings.variant_limit),
            experiments=experiments,
            closed=_log_arm_closed,
            caps_unfit=_log_caps_unfit,
            programme_closed=_log_programme_closed,
        )
        await desk.refresh()
        limits = ClientLimits(settings.allowance, record.clock.monotonic_ns)
        app = create_app(desk, KeyDesk(record).verify, metrics, limits)
        config = uvicorn.Config(
            app if tracing is None else tracing.around(app),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
        server = Server(config, gate, lambda: _tell_listening(sockets, inherited))
        _end_when_told(server, inherited)
        revive = None if settings.database_url is not None else lambda: revive_cluster(settings.home)
        settle_memory()
        keeping = beside(keep_months_ahead(lambda: make_months_ahead(record)))
        showing = beside(keep_monitored(record, metrics))
        fresh = kept_fresh((releases, experiments, desk), revive, lambda: metrics.show_due(releases.due()))
        anchoring = kept_anchored(record, settings, metrics.show_not_anchoring)
        async with anchoring, fresh, keeping, showing, beside(shadowing.run()):
            await server.serve(list(sockets))
            await desk.drain()
            await shadowing.finish()


def _start_tracing(stack: contextlib.AsyncExitStack) -> "Tracing":
    """What makes spans until the server ends; its package is loaded only where it's asked for."""
    from instant_credit.api.tracing import Tracing

    tracing = Tracing()
    stack.push_async_callback(asyncio.to_thread, tracing.close)
    return tracing


def tell_safety(record: Record) -> None:
    """Log on which settings of the database the durability of an answer rests, or what takes it away."""
    log = structlog.get_logger("instant_credit.record")
    if not any(warning.event == NOT_DURABLE for warning in record.warnings):
        log.info("record_durable", **record.durability)
    for warning in record.warnings:
        log.warning(warning.event, detail=warning.detail)


def settle_memory() -> None:
    """Leave what is loaded by now out of every later garbage collection, and collect less often.

    An application leaves no cycles behind: looking for them after every 700 objects finds nothing and takes a fifth of its time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)


def _tell_listening(sockets: Sequence[socket.socket], inherited: Inheritance | None) -> None:
    if inherited is not None:
        inherited.tell_ready()
        return
    for address in addresses_of(sockets):
        click.echo(tell_address(address))
    sys.stdout.flush()


def _end_when_told(server: Server, inherited: Inheritance | None) -> None:
    """End on a signal, and with the supervisor. A worker whose place another one has taken gives its clients time to notice.

    A worker may hear of the same end several times: from its supervisor, from whoever signals the whole service, and by the lifeline. So
    only what nobody but the supervisor sends, SIGQUIT, ends it at once.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.insist if inherited is None else server.end)
    if inherited is not None:
        loop.add_signal_handler(signal.SIGHUP, server.end, HANDOVER_SECONDS)
        loop.add_signal_handler(signal.SIGQUIT, server.end_at_once)
        loop.add_reader(inherited.lifeline, _end_with_supervisor, server, inherited.lifeline)


def _end_with_supervisor(server: Server, lifeline: int) -> None:
    asyncio.get_running_loop().remove_reader(lifeline)
    os.close(lifeline)
    server.end()


def _log_not_loaded(missed: NotLoaded) -> None:
    # What this package refuses it says in words of its own, about documents only.
    reason = {"reason": str(missed.error)} if isinstance(missed.error, InstantCreditError) else {}
    structlog.get_logger("instant_credit.releases").error(
        "release_not_loaded", product=missed.product, release_hash=missed.release_hash, exc_info=missed.error, **reason
    )


def _log_not_exposing(missed: NotExposing) -> None:
    reason = {"reason": str(missed.error)} if isinstance(missed.error, InstantCreditError) else {}
    structlog.get_logger("instant_credit.experiments").error(
        "experiment_not_exposing", product=missed.product, experiment=missed.experiment, exc_info=missed.error, **reason
    )


def _log_arm_closed(spent: SpentArm, trouble: Exception | None) -> None:
    log = structlog.get_logger("instant_credit.experiments")
    if trouble is None:
        log.warning("arm_closed", experiment=spent.experiment, arm=spent.arm, guardrail="loss_budget")
    else:
        log.error("arm_not_closed", experiment=spent.experiment, arm=spent.arm, error=type(trouble).__name__)


def _log_caps_unfit(product: str, error: Refused) -> None:
    structlog.get_logger("instant_credit.experiments").error("caps_unfit", product=product, reason=str(error))


def _log_programme_closed(programme: Programme) -> None:
    structlog.get_logger("instant_credit.experiments").warning(
        "exploration_closed", product=programme.product, programme=programme.name
    )


def _log_shadows_failed(release_hash: str, error: Exception) -> None:
    structlog.get_logger("instant_credit.releases").error("shadows_failed", release_hash=release_hash, exc_info=error)


@contextlib.asynccontextmanager
async def kept_fresh(
    kept: Sequence[LiveReleases | Experiments | Desk],
    revive: Callable[[], bool] | None = None,
    tell: Callable[[], None] = lambda: None,
) -> AsyncIterator[None]:
    """Look for what was activated, started or stopped while the server serves; whatever goes wrong is logged, and it looks again.

    Parameters
    ----------
    revive : starts an embedded database again that has ended, and says whether it had. It is called, in a thread and at most every
        `REVIVE_SECONDS`, while the record does not answer. An outage is logged once, at its start.
    tell : called at once and after every look.
    """
    tell()

    async def refresh() -> None:
        log = structlog.get_logger("instant_credit.releases")
        is_out, revived_at = False, -REVIVE_SECONDS
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                for one in kept:
                    await one.refresh()
                tell()
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

    async with beside(refresh()):
        yield


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
