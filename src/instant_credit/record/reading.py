"""Edge. The record opened for reading only: nothing is migrated, made or adopted, and no session of it can write.

For whoever judges the record: what looks for changes makes none.
"""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Final, Protocol

import asyncpg

from instant_credit.errors import Refused
from instant_credit.record.clock import Entropy
from instant_credit.record.connecting import connecting
from instant_credit.record.embedded import APP
from instant_credit.record.installation import has_data
from instant_credit.record.migrate import choose_pending, read_migrations
from instant_credit.record.pool import CONNECT_SECONDS, open_urls, passing_as_unavailable
from instant_credit.record.shipped import migrations_folder, read_sql
from instant_credit.settings import DATABASE_URL, Settings

# A scan of a whole table takes as long as it takes.
_SERVER_SETTINGS: Final = {
    "application_name": "instant-credit reader",
    "role": APP,
    "search_path": "instant_credit",
    "timezone": "UTC",
    "default_transaction_read_only": "on",
}


class Readable(Protocol):
    """What can be read: an open record, or one opened by `open_reader`."""

    entropy: Entropy

    def connection(self) -> AbstractAsyncContextManager[Any]:
        """A connection of the app role; database trouble inside the block leaves as `Unavailable`."""
        ...


class Reader:
    """A record opened for reading only."""

    def __init__(self, connection: Any, entropy: Entropy) -> None:
        self._connection = connection
        self.entropy = entropy

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """The one connection there is; database trouble inside the block leaves as `Unavailable`."""
        with passing_as_unavailable():
            yield self._connection


@asynccontextmanager
async def open_reader(settings: Settings, *, entropy: Entropy = os.urandom) -> AsyncIterator[Reader]:
    """The record as it is. It takes no key ring, since nothing of it is unsealed.

    Raises
    ------
    Refused : there is no record, or its schema is another version's.
    Unavailable : the database does not answer.
    """
    if settings.database_url is None and not has_data(settings.home):
        raise Refused(f"there is no record to read: {settings.home} has no database, and {DATABASE_URL} is not set")
    async with AsyncExitStack() as stack:
        urls = await stack.enter_async_context(open_urls(settings))
        with connecting(urls.app_from):
            connection = await asyncpg.connect(
                urls.app, timeout=CONNECT_SECONDS, server_settings=_SERVER_SETTINGS | {"statement_timeout": "0"}
            )
        stack.push_async_callback(connection.close)
        with passing_as_unavailable():
            await _require_own_schema(connection)
        yield Reader(connection, entropy)


async def _require_own_schema(connection: Any) -> None:
    try:
        applied = {row["number"]: row["checksum"] for row in await connection.fetch(read_sql("list_migrations"))}
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        raise Refused("there is no record in this database: nothing was ever recorded in it") from None
    except asyncpg.InsufficientPrivilegeError:
        raise Refused(
            "the login may not read the schema instant_credit: make it a member of instant_credit_app"
        ) from None
    shipped = read_migrations(migrations_folder())
    if pending := choose_pending(shipped, applied):
        raise Refused(
            f"the schema of this record is older than this version, and nothing is changed here: {len(pending)} migrations are "
            "missing. Verify it with the version that it was made with, or run `instant-credit migrate` first"
        )
    newer = sorted(applied.keys() - {migration.number for migration in shipped})
    if newer:
        raise Refused(
            f"the schema of this record is newer than this version, by migration {newer[0]:04d}: verify it with that version"
        )
