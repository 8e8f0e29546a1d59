"""Commands about the record: bring its schema up to date, delete the embedded database; create, list and revoke API keys."""

import asyncio
import os
from datetime import UTC, date, datetime, time
from typing import Final

import click
from rich.table import Table

from instant_credit.access.actors import Actor, ActorKind, Scope
from instant_credit.commands.tables import print_table
from instant_credit.errors import Refused
from instant_credit.record.api_keys import create_key, list_keys, revoke_key
from instant_credit.record.clock import SystemClock
from instant_credit.record.embedded import destroy_cluster
from instant_credit.record.migrate import migrate as run_migrations
from instant_credit.record.pool import open_record, open_urls, passing_as_unavailable
from instant_credit.settings import DATABASE_URL, read_settings

ACTOR: Final = Actor(kind=ActorKind.JOB, id="command-line")


@click.command()
def migrate() -> None:
    """Bring the database to this version's schema."""

    async def run() -> tuple[str, ...]:
        async with open_urls(read_settings(os.environ)) as urls:
            with passing_as_unavailable():
                return await run_migrations(
                    urls.owner, urls.app, SystemClock().now(), owner_from=urls.owner_from, app_from=urls.app_from
                )

    applied = asyncio.run(run())
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("nothing to apply: the schema is current")


@click.group()
def database() -> None:
    """Delete the embedded database of this home."""


@database.command("destroy")
@click.option("--yes", "is_confirmed", is_flag=True, help="Don't ask.")
def destroy(*, is_confirmed: bool) -> None:
    """Stop the embedded Postgres of INSTANT_CREDIT_HOME and delete all its data for good, wherever they lie.

    The key ring, reports and rejects stay. Refused while another process uses the database.
    """
    settings = read_settings(os.environ)
    if settings.database_url is not None:
        raise Refused(
            f"{DATABASE_URL} is set, and this deletes the embedded database only: unset it, "
            "or drop that database with its own tools"
        )
    if not is_confirmed:
        click.confirm(f"Delete everything recorded in the embedded database of {settings.home}?", abort=True)
    is_deleted = destroy_cluster(settings.home)
    click.echo(f"{'deleted' if is_deleted else 'nothing to delete'}: the embedded database of {settings.home}")


@click.group()
def key() -> None:
    """Create, list and revoke API keys."""


@key.command("create")
@click.option(
    "--client", "client_id", required=True, help="Whose key it is; idempotency keys are kept apart by client."
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What the key may do; may be given several times.",
)
@click.option(
    "--expires-on", type=click.DateTime(["%Y-%m-%d"]), help="First day (UTC) on which the key no longer works."
)
def create(client_id: str, scopes: tuple[str, ...], expires_on: datetime | None) -> None:
    """Create a key and print it once: only its hash is kept."""
    expires_at = None if expires_on is None else datetime.combine(_day(expires_on), time(), UTC)

    async def run() -> str:
        async with open_record(read_settings(os.environ)) as record:
            return await create_key(
                record,
                client_id=client_id,
                scopes=frozenset(Scope(scope) for scope in scopes),
                expires_at=expires_at,
                actor=ACTOR,
            )

    click.echo(asyncio.run(run()))


@key.command("list")
def show() -> None:
    """List all keys, without their secrets."""

    async def run() -> Table:
        table = Table("key id", "client", "scopes", "created", "expires", "revoked")
        async with open_record(read_settings(os.environ)) as record:
            for row in await list_keys(record):
                table.add_row(
                    row.key_id,
                    row.client_id,
                    " ".join(row.scopes),
                    _instant_text(row.recorded_at),
                    _instant_text(row.expires_at),
                    _instant_text(row.revoked_at),
                )
        return table

    print_table(asyncio.run(run()))


@key.command("revoke")
@click.argument("key_id")
def revoke(key_id: str) -> None:
    """Revoke the key with this id, for good. Servers notice within seconds."""

    async def run() -> None:
        async with open_record(read_settings(os.environ)) as record:
            await revoke_key(record, key_id, ACTOR)

    asyncio.run(run())
    click.echo(f"revoked {key_id}")


def _day(moment: datetime) -> date:
    return moment.date()


def _instant_text(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
