"""Edge. The owner's login: a connection for the few writes that the app may not do, rewrapping and destroying data keys.

No server opens one. It acts as ``instant_credit_owner``, which owns the tables and still can't change a fact.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from instant_credit.errors import Refused
from instant_credit.record.connecting import connecting
from instant_credit.record.embedded import OWNER
from instant_credit.record.pool import CONNECT_SECONDS, STATEMENT_SECONDS, open_urls, passing_as_unavailable
from instant_credit.settings import DATABASE_OWNER_URL, Settings

# What the owner waits for, servers wait for behind it: less than the deadline of an application.
_SERVER_SETTINGS: Final = {
    "application_name": "instant-credit owner",
    "search_path": "instant_credit",
    "timezone": "UTC",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "lock_timeout": "2s",
}


@asynccontextmanager
async def open_owner(settings: Settings) -> AsyncIterator[Any]:
    """A connection of the owner; database trouble inside the block leaves as `Unavailable`.

    Raises
    ------
    Refused : no such login, or it is no member of ``instant_credit_owner``.
    Unavailable : the database does not answer.
    """
    async with open_urls(settings) as urls:
        with connecting(urls.owner_from):
            connection = await asyncpg.connect(
                urls.owner,
                timeout=CONNECT_SECONDS,
                command_timeout=STATEMENT_SECONDS + 5,
                server_settings=_SERVER_SETTINGS,
            )
        try:
            with passing_as_unavailable():
                try:
                    await connection.execute(f"SET ROLE {OWNER}")
                except asyncpg.InsufficientPrivilegeError:
                    raise Refused(
                        f"the login of {urls.owner_from} may not become {OWNER}, which this takes: let {DATABASE_OWNER_URL} "
                        "name the login that migrates"
                    ) from None
                yield connection
        finally:
            await connection.close()
