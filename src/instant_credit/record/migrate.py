"""Edge. Forward-only migrations: applied in order, each in its own transaction, one process at a time, each with a checksum.

A migration that was applied is never edited: its checksum is kept and compared. A database that is ahead of this code is
left alone, because migrations only add.
"""

import hashlib
import re
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import asyncpg
from msgspec import Struct

from instant_credit.errors import Refused
from instant_credit.record.connecting import connecting
from instant_credit.record.shipped import migrations_folder, read_sql

LOCK_SECONDS: Final = 120

_NAME: Final = re.compile(r"(?P<number>\d{4})_(?P<name>[a-z0-9_]+)\.sql")
# Any number does, as long as every version of this package uses the same.
_LOCK_KEY: Final = 0x1C5EED00
_ROLES: Final = ("instant_credit_owner", "instant_credit_app", "instant_credit_reader")


class Migration(Struct, frozen=True, kw_only=True):
    """One file of ``migrations/``; `checksum` is the SHA-256 of its text in hex."""

    number: int
    name: str
    text: str
    checksum: str


def read_migrations(folder: Path) -> tuple[Migration, ...]:
    """The migrations in `folder` by number.

    Raises
    ------
    Refused : a file is named otherwise than NNNN_name.sql, or a number is there twice.
    """
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise Refused(f"migrations/{path.name} is not named NNNN_name.sql")
        text = path.read_text(encoding="utf-8")
        checksum = hashlib.sha256(text.encode()).hexdigest()
        found.append(Migration(number=int(match["number"]), name=match["name"], text=text, checksum=checksum))
    for former, migration in pairwise(found):
        if former.number == migration.number:
            raise Refused(f"migration number {migration.number:04d} is there twice")
    return tuple(found)


def choose_pending(shipped: tuple[Migration, ...], applied: dict[int, str]) -> tuple[Migration, ...]:
    """What is left to apply, in order.

    Parameters
    ----------
    applied : checksum by number, as the database has them.

    Raises
    ------
    Refused : a migration that was applied reads otherwise now.
    """
    for migration in shipped:
        if applied.get(migration.number, migration.checksum) != migration.checksum:
            raise Refused(
                f"migration {migration.number:04d}_{migration.name} was changed after it was applied: restore its text"
            )
    return tuple(migration for migration in shipped if migration.number not in applied)


async def migrate(
    owner_url: str,
    app_url: str,
    applied_at: datetime,
    folder: Path | None = None,
    *,
    owner_from: str = "the owner's login",
    app_from: str = "the server's login",
) -> tuple[str, ...]:
    """Bring a database to the shipped schema and make the partitions of the next months; returns the names of what was applied now.

    Parameters
    ----------
    owner_url : login that may create the schema (and, on first use, the three roles).
    app_url : login of the server; it is let into the role ``instant_credit_app``.
    applied_at : instant to write down.
    owner_from, app_from : where the logins come from, for what is said when they don't work.

    Raises
    ------
    Refused : a past migration was changed, or the login lacks a right; the message says which statements an administrator runs.
    """
    shipped = read_migrations(folder if folder is not None else migrations_folder())
    with connecting(owner_from):
        connection = await asyncpg.connect(
            owner_url,
            timeout=10,
            command_timeout=LOCK_SECONDS + 30,
            server_settings={"application_name": "instant-credit migrate", "statement_timeout": f"{LOCK_SECONDS}s"},
        )
    try:
        pending = choose_pending(shipped, await _read_applied(connection))
        if pending:
            pending = await _apply(connection, shipped, app_url, applied_at, app_from)
        if folder is None:
            await connection.fetchval(read_sql("make_next_months"))
        return tuple(f"{migration.number:04d}_{migration.name}" for migration in pending)
    finally:
        await connection.close()


async def _apply(
    connection: Any, shipped: tuple[Migration, ...], app_url: str, applied_at: datetime, app_from: str
) -> tuple[Migration, ...]:
    """Apply what is pending, alone; returns what it was, nothing when another process came first."""
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK_KEY)
    await connection.execute("SET lock_timeout = '10s'")
    pending = choose_pending(shipped, await _read_applied(connection))
    if pending:
        await _prepare_roles(connection, app_url, app_from)
        await connection.execute("SET ROLE instant_credit_owner")
    for migration in pending:
        async with connection.transaction():
            await connection.execute(migration.text)
            await connection.execute(
                read_sql("insert_migration"), migration.number, migration.name, migration.checksum, applied_at
            )
    return pending


async def _read_applied(connection: Any) -> dict[int, str]:
    """Checksum by number; empty before the first migration."""
    try:
        rows = await connection.fetch(read_sql("list_migrations"))
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return {}
    except asyncpg.InsufficientPrivilegeError:
        raise Refused(
            "the login may not read the schema instant_credit: make it a member of instant_credit_app, "
            "or set DATABASE_OWNER_URL to the login that migrates"
        ) from None
    return {row["number"]: row["checksum"] for row in rows}


async def _prepare_roles(connection: Any, app_url: str, app_from: str) -> None:
    """Roles, their members, the schema and the table of migrations; every step may have been done before."""
    with connecting(app_from):
        login = await _ask_login(app_url)
    try:
        for role in _ROLES:
            await connection.execute(read_sql("create_role").replace("role_name", role))
        await connection.execute(await _compose_grants(connection, login))
        await connection.execute("SET ROLE instant_credit_owner")
        await connection.execute(read_sql("create_schema"))
        await connection.execute("RESET ROLE")
    except asyncpg.InsufficientPrivilegeError:
        raise Refused(
            "the login may not set up the database. As an administrator run: "
            + "; ".join(f"CREATE ROLE {role} NOLOGIN" for role in _ROLES)
            + "; then GRANT all three to the login and GRANT CREATE ON DATABASE to instant_credit_owner"
        ) from None


async def _ask_login(app_url: str) -> str:
    connection = await asyncpg.connect(app_url, timeout=10)
    try:
        return str(await connection.fetchval("SELECT session_user"))
    finally:
        await connection.close()


async def _compose_grants(connection: Any, login: str) -> str:
    """GRANT statements that are still missing, quoted by the database itself."""
    return str(await connection.fetchval(read_sql("compose_grants"), login) or "SELECT 1")
