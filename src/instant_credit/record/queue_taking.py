"""Edge. Taking jobs off the queue: the binding to PgQueuer, and the one module that imports it (ADR 0025).

The library says whose turn it is, wakes idle workers (LISTEN), keeps the heartbeat of what is running, and hands a job whose heartbeat stopped
to the next worker. Its tables are a migration of ours. What a job does, how far it is and how it ends is written by `queue_log`; to the
library every job ends well or is given back, so that no text of ours or of a person is in its tables.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
from msgspec import Struct
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import FailingListenerError, RetryRequested
from pgqueuer.domain.models import Job
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel

from instant_credit.errors import Unavailable
from instant_credit.record.connecting import connecting
from instant_credit.record.embedded import APP
from instant_credit.record.pool import CONNECT_SECONDS, STATEMENT_SECONDS, open_urls, passing_as_unavailable
from instant_credit.record.queue import JobWeight
from instant_credit.settings import Settings

LOST_SECONDS: Final = 20.0
"""A job whose worker gave no heartbeat for so long is taken up by another one."""

LOOK_SECONDS: Final = 2.0
"""How often a worker with nothing to do looks for such jobs; new ones wake it at once."""

LIGHT_AT_ONCE: Final = 3
_CLOSE_SECONDS: Final = 5.0

# Constructed without the library's look into the environment: no variable of its own has a say.
NAMES: Final = DBSettings.model_construct(
    prefix="",
    db_schema="instant_credit",
    channel=Channel("instant_credit_jobs"),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.durable,
    widen_id=False,
)

_SERVER_SETTINGS: Final = {
    "application_name": "instant-credit worker",
    "role": APP,
    "search_path": "instant_credit",
    "timezone": "UTC",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "30s",
}

Run = Callable[[UUID], Awaitable[float | None]]


class Taking(Struct, frozen=True, kw_only=True):
    """How jobs are taken. A job of a dead worker runs again within the sum of both."""

    lost_seconds: float = LOST_SECONDS
    look_seconds: float = LOOK_SECONDS


async def take_jobs(
    settings: Settings,
    run: Run,
    *,
    stop: asyncio.Event,
    taking: Taking | None = None,
    is_taking: Callable[[], None] = lambda: None,
) -> None:
    """Run jobs as they come until `stop` is set; returns when those under way have come back.

    Parameters
    ----------
    run : runs the job of an id, and raises nothing; a number gives it back to the queue for so many seconds.
    is_taking : called once the queue is listened to.

    Raises
    ------
    Unavailable : the database went away; jobs under way have come back, and this can be called again.
    """
    taking = Taking() if taking is None else taking
    async with _connected(settings) as connection:
        manager = _make_manager(connection, run)
        connection.add_termination_listener(lambda _: manager.shutdown.set())
        stopping = asyncio.create_task(_pass_on(stop, manager.shutdown))
        is_taking()
        try:
            with passing_as_unavailable():
                await manager.run(
                    dequeue_timeout=timedelta(seconds=taking.look_seconds),
                    batch_size=1,
                    # One heavy job of its own, as the entry point's limit says, and light ones beside it.
                    max_concurrent_tasks=1 + LIGHT_AT_ONCE,
                    shutdown_on_listener_failure=True,
                    heartbeat_timeout=timedelta(seconds=taking.lost_seconds),
                    log_aggregation_interval=timedelta(0),
                )
        except FailingListenerError:
            raise Unavailable("the queue gave no sign of life: try again") from None
        finally:
            stopping.cancel()
    if not stop.is_set():
        raise Unavailable("the connection to the queue was lost: try again")


def make_queries(connection: Any) -> Queries:
    """The library's statements with our names."""
    return Queries(
        AsyncpgDriver(connection),
        qbe=QueryBuilderEnvironment(NAMES),
        qbq=QueryQueueBuilder(NAMES),
        qbs=QuerySchedulerBuilder(NAMES),
    )


def _make_manager(connection: Any, run: Run) -> QueueManager:
    manager = QueueManager(make_queries(connection), channel=NAMES.channel)

    async def take(job: Job) -> None:
        assert job.payload is not None
        again = await run(UUID(bytes=job.payload))
        if again is not None:
            raise RetryRequested(delay=timedelta(seconds=again))

    limits = {JobWeight.HEAVY: 1, JobWeight.LIGHT: LIGHT_AT_ONCE}
    for weight, limit in limits.items():
        manager.entrypoint(weight.value, concurrency_limit=limit, accepts_context=False)(take)
    return manager


async def _pass_on(stop: asyncio.Event, shutdown: asyncio.Event) -> None:
    await stop.wait()
    shutdown.set()


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[Any]:
    """A connection of the queue's own, as the app."""
    async with open_urls(settings) as urls:
        with connecting(urls.app_from):
            connection = await asyncpg.connect(
                urls.app,
                timeout=CONNECT_SECONDS,
                command_timeout=STATEMENT_SECONDS + 5,
                server_settings=_SERVER_SETTINGS,
            )
        try:
            yield connection
        finally:
            try:
                await connection.close(timeout=_CLOSE_SECONDS)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection.terminate()
