"""Edge. The `Record`: connections, key ring, clock and chance, opened once by the composition root.

Every connection acts as the role ``instant_credit_app`` (which cannot change a fact), has a timeout on every statement, and is
never left in a transaction. What goes wrong with the database leaves here as `Unavailable`: the same call may succeed later.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import asyncpg
from msgspec import Struct

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.errors import BrokenInvariant, Refused, Unavailable
from instant_credit.record.adopting import adopt_rows
from instant_credit.record.clock import Clock, Entropy, SystemClock
from instant_credit.record.connecting import connecting
from instant_credit.record.embedded import APP, OWNER, use_cluster
from instant_credit.record.migrate import migrate
from instant_credit.record.patience import seconds_left
from instant_credit.record.rings import FollowedKeyRing, create_key_ring
from instant_credit.record.sealing import KeyRing
from instant_credit.record.shipped import read_sql
from instant_credit.record.writers import Writer, Writers
from instant_credit.settings import ANCHORS, DATABASE_OWNER_URL, DATABASE_URL, KEY_RING, Settings

STATEMENT_SECONDS: Final = 30
LOCK_SECONDS: Final = 10
ACQUIRE_SECONDS: Final = 5
CONNECT_SECONDS: Final = 10
PLAN_SECONDS: Final = 5
"""A statement is planned anew after so long: the plan of a table that was empty reads the whole of it when it has grown, until Postgres
analyses it (64 look-ups: 24 ms instead of 0.4 ms after 30,000 rows)."""

NOT_DURABLE: Final = "record_not_durable"
"""The event of a `Caution` about a database that may lose commits."""

CHAIN_GONE: Final = "chain_gone"
"""The event of a `Caution` about a record whose links are gone, while its anchors are there."""

_ACTOR: Final = Actor(kind=ActorKind.JOB, id="open-record")

_SERVER_SETTINGS: Final = {
    "application_name": "instant-credit",
    "role": APP,
    "search_path": "instant_credit",
    "timezone": "UTC",
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


class _Connection(asyncpg.Connection):  # type: ignore[misc] # asyncpg has no types
    """A connection without session state, so that giving it back to the pool costs no round trip."""

    def get_reset_query(self) -> str:
        """Nothing to reset: no statement here leaves settings, locks or cursors behind."""
        return ""


class DatabaseUrls(Struct, frozen=True, kw_only=True):
    """Logins: `owner` migrates, `app` serves. They hold passwords, so they show nothing of themselves; `owner_from` and `app_from`
    name the variables that they come from.
    """

    owner: str
    app: str
    owner_from: str = "the embedded Postgres"
    app_from: str = "the embedded Postgres"

    def __repr__(self) -> str:
        return "DatabaseUrls()"


class Caution(Struct, frozen=True, kw_only=True):
    """What an operator should know about a database: `event` is its name in the log, `detail` one sentence that says what to do."""

    event: str
    detail: str


class Record:
    """An open system of record.

    Attributes
    ----------
    key_ring, clock, entropy : what ids and sealing take.
    anchors : the file of the hash chain's anchors; None = there is none.
    warnings : what an operator should know about this database.
    durability : the database's settings that a commit's durability rests on, by name.
    """

    def __init__(
        self,
        *,
        pool: Any,
        key_ring: KeyRing,
        clock: Clock,
        entropy: Entropy,
        warnings: tuple[Caution, ...] = (),
        anchors: Path | None = None,
        durability: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._pool = pool
        self.key_ring = key_ring
        self.clock = clock
        self.entropy = entropy
        self.warnings = warnings
        self.anchors = anchors
        self._writers = Writers(entropy)
        self.durability = durability

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """A connection of the app role; database trouble inside the block leaves as `Unavailable`."""
        async with _lend(self._pool) as connection:
            yield connection

    def writer(self) -> AbstractAsyncContextManager[Writer]:
        """A writer of the hash chain, for one user at a time."""
        return self._writers.lend()

    async def ping(self) -> None:
        """Return when the database answers; raise `Unavailable` when it does not."""
        async with within(ACQUIRE_SECONDS), self.connection() as connection:
            await connection.fetchval("SELECT 1")


@asynccontextmanager
async def _lend(pool: Any) -> AsyncIterator[Any]:
    with passing_as_unavailable():
        async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            try:
                yield connection
            except (asyncio.CancelledError, TimeoutError):
                # Whoever gave up does not wait until the database has taken notice.
                connection.terminate()
                raise


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Give up what the block waits for after `seconds`, or when whoever asks waits no more (`patience`), as `Unavailable`; a statement under
    way may still be committed.
    """
    seconds = min(seconds, seconds_left())
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise Unavailable(f"the record did not answer within {seconds:.3g} s: try again") from None


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
        yield DatabaseUrls(
            owner=settings.database_owner_url or settings.database_url,
            app=settings.database_url,
            owner_from=DATABASE_OWNER_URL if settings.database_owner_url is not None else DATABASE_URL,
            app_from=DATABASE_URL,
        )
        return
    manager = use_cluster(settings.home)
    entering = asyncio.ensure_future(asyncio.to_thread(manager.__enter__))
    try:
        cluster = await asyncio.shield(entering)
    except asyncio.CancelledError:
        # The thread goes on: what it starts is stopped here, since nobody else would.
        with suppress(Exception):
            await entering
            await asyncio.to_thread(manager.__exit__, None, None, None)
        raise
    try:
        yield DatabaseUrls(owner=cluster.url(OWNER), app=cluster.url(APP))
    finally:
        await asyncio.shield(asyncio.to_thread(manager.__exit__, None, None, None))


@asynccontextmanager
async def open_record(
    settings: Settings,
    *,
    clock: Clock | None = None,
    entropy: Entropy = os.urandom,
    statement_seconds: float = STATEMENT_SECONDS,
    plan_cache_mode: str = "auto",
) -> AsyncIterator[Record]:
    """The system of record, migrated to this version's schema.

    Parameters
    ----------
    settings : where the database and the key ring are.
    clock, entropy : the machine's own by default.
    statement_seconds : after which the database gives up a statement, undoing it.
    plan_cache_mode : Postgres's setting; with ``force_generic_plan`` what names partitions is planned once, not each time.

    Raises
    ------
    Refused : the database or the key ring is not what it should be, or they do not belong together; the message says what to do.
    Unavailable : the database does not answer.
    """
    clock = SystemClock() if clock is None else clock
    async with AsyncExitStack() as stack:
        urls = await stack.enter_async_context(open_urls(settings))
        with passing_as_unavailable():
            await migrate(urls.owner, urls.app, clock.now(), owner_from=urls.owner_from, app_from=urls.app_from)
        with connecting(urls.app_from):
            pool = await asyncpg.create_pool(
                urls.app,
                min_size=1,
                max_size=settings.database_connections,
                timeout=CONNECT_SECONDS,
                command_timeout=statement_seconds + 5,
                max_inactive_connection_lifetime=0,
                max_cached_statement_lifetime=PLAN_SECONDS,
                connection_class=_Connection,
                server_settings=_SERVER_SETTINGS
                | {
                    "plan_cache_mode": plan_cache_mode,
                    "statement_timeout": f"{statement_seconds * 1e3:.0f}ms",
                    "lock_timeout": f"{min(statement_seconds, LOCK_SECONDS) * 1e3:.0f}ms",
                },
            )
        stack.push_async_callback(_close, pool)
        key_ring = await _open_own_ring(pool, settings.key_ring, clock, entropy)
        async with _lend(pool) as connection:
            durability = {row["name"]: row["setting"] for row in await connection.fetch(read_sql("list_durability"))}
            warnings = (*_judge_durability(durability), *await _judge_login(connection))
        record = Record(
            pool=pool,
            key_ring=key_ring,
            clock=clock,
            entropy=entropy,
            warnings=warnings,
            durability=durability,
            anchors=settings.anchors_file,
        )
        await _adopt(record, settings.anchors_file)
        yield record


async def _open_own_ring(pool: Any, path: Path, clock: Clock, entropy: Entropy) -> KeyRing:
    """The key ring that this record was made with; a record without one is made with the ring at `path`, new or not.

    Under another ring every person would get a second name and every idempotency key would count as new.
    """
    async with _lend(pool) as connection:
        fingerprint = await connection.fetchval(read_sql("read_key_ring"))
    if fingerprint is None:
        create_key_ring(path, entropy)
        key_ring = FollowedKeyRing(path)
        # Of two hosts that do so at once one wins; the other one has a ring that is not this record's.
        async with _lend(pool) as connection:
            await connection.execute(
                read_sql("insert_key_ring"), key_ring.fingerprint(), _ACTOR.kind.value, _ACTOR.id, clock.now()
            )
            fingerprint = await connection.fetchval(read_sql("read_key_ring"))
    elif not path.exists():
        raise Refused(
            f"there is no key ring at {path}, and this record was made with one: put a copy of that file there (mode 600), "
            f"or let {KEY_RING} name it. A new ring would open nothing of this record"
        )
    else:
        key_ring = FollowedKeyRing(path)
    if key_ring.fingerprint() != fingerprint:
        raise Refused(
            f"{path} is not the key ring that this record was made with: put a copy of that one there (mode 600), "
            f"let {KEY_RING} name it, or use another database"
        )
    return key_ring


async def _close(pool: Any) -> None:
    """Give running statements a moment, then cut."""
    try:
        await asyncio.wait_for(pool.close(), timeout=ACQUIRE_SECONDS)
    except TimeoutError:
        pool.terminate()


def _judge_durability(durability: Mapping[str, str]) -> Iterator[Caution]:
    """What the database's settings would cost in a crash."""
    for name, setting in durability.items():
        if setting == "off":
            yield Caution(
                event=NOT_DURABLE,
                detail=f"the database runs with {name} = off: an answer may leave before its record is on disk; switch it on",
            )


async def _adopt(record: Record, anchors: Path) -> None:
    """Begin the chain of a record that was made before there was one, or warn that it is gone."""
    if not await adopt_rows(record.connection, record.clock.now(), anchors):
        caution = Caution(
            event=CHAIN_GONE,
            detail=f"the record has rows and no chain, though {anchors} holds anchors: its links were removed, or the anchors are another "
            f"record's. Nothing was linked anew: run instant-credit audit verify, or let {ANCHORS} name this record's own file",
        )
        record.warnings = (*record.warnings, caution)


async def _judge_login(connection: Any) -> tuple[Caution, ...]:
    """What the server's login could undo."""
    login = await connection.fetchrow(read_sql("read_login"))
    if not (login["is_superuser"] or login["may_own"]):
        return ()
    power = "is a superuser" if login["is_superuser"] else f"may become {OWNER}"
    return (
        Caution(
            event="record_not_append_only",
            detail=f"the server's login {power}, so it could change recorded facts: give {DATABASE_URL} a login that is a member "
            f"of {APP} alone, and {DATABASE_OWNER_URL} the one that migrates",
        ),
    )
