"""Edge. The `Record`: connections, key ring, clock and chance, opened once by the composition root.

Every connection acts as the role ``instant_credit_app`` (which cannot change a fact), has a timeout on every statement, and is
never left in a transaction. What goes wrong with the database leaves here as `Unavailable`: the same call may succeed later.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Final

import asyncpg
from msgspec import Struct

from instant_credit.errors import BrokenInvariant, Unavailable
from instant_credit.record.clock import Clock, Entropy, SystemClock
from instant_credit.record.embedded import APP, OWNER, use_cluster
from instant_credit.record.migrate import migrate
from instant_credit.record.sealing import KeyRing, open_key_ring
from instant_credit.record.shipped import read_sql
from instant_credit.settings import Settings

STATEMENT_SECONDS: Final = 30
ACQUIRE_SECONDS: Final = 5
CONNECT_SECONDS: Final = 10

_SERVER_SETTINGS: Final = {
    "application_name": "instant-credit",
    "role": APP,
    "search_path": "instant_credit",
    "timezone": "UTC",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "30s",
}

# Classes of trouble that pass: lost connections, a server that stops or starts, no room, a timeout, a lost race.
_PASSING: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    """A connection without session state, so that giving it back to the pool costs no round trip."""

    def get_reset_query(self) -> str:
        """Nothing to reset: no statement here leaves settings, locks or cursors behind."""
        return ""


class DatabaseUrls(Struct, frozen=True, kw_only=True):
    """Logins: `owner` migrates, `app` serves. They hold passwords, so they show nothing of themselves."""

    owner: str
    app: str

    def __repr__(self) -> str:
        return "DatabaseUrls()"


class Record:
    """An open system of record.

    Attributes
    ----------
    key_ring, clock, entropy : what ids and sealing take.
    warnings : what an operator should know about this database, one sentence each.
    """

    def __init__(
        self, *, pool: Any, key_ring: KeyRing, clock: Clock, entropy: Entropy, warnings: tuple[str, ...] = ()
    ) -> None:
        self._pool = pool
        self.key_ring = key_ring
        self.clock = clock
        self.entropy = entropy
        self.warnings = warnings

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """A connection of the app role; database trouble inside the block leaves as `Unavailable`."""
        with passing_as_unavailable():
            async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
                yield connection

    async def ping(self) -> None:
        """Return when the database answers; raise `Unavailable` when it does not."""
        async with self.connection() as connection:
            await connection.fetchval("SELECT 1", timeout=ACQUIRE_SECONDS)


@contextmanager
def passing_as_unavailable() -> Iterator[None]:
    """Turn trouble that passes into `Unavailable` and other refusals into `BrokenInvariant`, without a word of any row."""
    try:
        yield
    except _PASSING as trouble:
        if isinstance(trouble, ValueError):  # asyncpg calls wrong arguments an InterfaceError too: that is our bug
            raise
        raise Unavailable(f"the record did not answer ({type(trouble).__name__}): try again") from None
    except asyncpg.PostgresError as refusal:
        # Its own text may quote the row.
        named = f"{type(refusal).__name__} {refusal.constraint_name or refusal.sqlstate}"
        raise BrokenInvariant(f"the record refused a statement ({named})") from None


@asynccontextmanager
async def open_urls(settings: Settings) -> AsyncIterator[DatabaseUrls]:
    """The database's logins; starts the embedded Postgres when none is given, and stops it when nobody else uses it."""
    if settings.database_url is not None:
        yield DatabaseUrls(owner=settings.database_owner_url or settings.database_url, app=settings.database_url)
        return
    manager = use_cluster(settings.home)
    cluster = await asyncio.to_thread(manager.__enter__)
    try:
        yield DatabaseUrls(owner=cluster.url(OWNER), app=cluster.url(APP))
    finally:
        await asyncio.shield(asyncio.to_thread(manager.__exit__, None, None, None))


@asynccontextmanager
async def open_record(
    settings: Settings, *, clock: Clock | None = None, entropy: Entropy = os.urandom
) -> AsyncIterator[Record]:
    """The system of record, migrated to this version's schema.

    Parameters
    ----------
    settings : where the database and the key ring are.
    clock, entropy : the machine's own by default.

    Raises
    ------
    Refused : the database or the key ring is not what it should be; the message says what to do.
    Unavailable : the database does not answer.
    """
    clock = SystemClock() if clock is None else clock
    async with AsyncExitStack() as stack:
        urls = await stack.enter_async_context(open_urls(settings))
        with passing_as_unavailable():
            await migrate(urls.owner, urls.app, clock.now())
            pool = await asyncpg.create_pool(
                urls.app,
                min_size=1,
                max_size=settings.database_connections,
                timeout=CONNECT_SECONDS,
                command_timeout=STATEMENT_SECONDS + 5,
                max_inactive_connection_lifetime=0,
                connection_class=_Connection,
                server_settings=_SERVER_SETTINGS,
            )
        stack.push_async_callback(_close, pool)
        key_ring = open_key_ring(settings.key_ring, entropy)
        record = Record(pool=pool, key_ring=key_ring, clock=clock, entropy=entropy)
        record.warnings = await _read_warnings(record)
        yield record


async def _close(pool: Any) -> None:
    """Give running statements a moment, then cut."""
    try:
        await asyncio.wait_for(pool.close(), timeout=ACQUIRE_SECONDS)
    except TimeoutError:
        pool.terminate()


async def _read_warnings(record: Record) -> tuple[str, ...]:
    """What this server's settings would cost in a crash."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_durability"))
    return tuple(
        f"the database runs with {row['name']} = off: an answer may leave before its record is on disk; switch it on"
        for row in rows
        if row["setting"] == "off"
    )
