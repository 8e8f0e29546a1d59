"""Commands about the record: bring its schema up to date, delete the embedded database."""

import asyncio
import os

import click

from instant_credit.errors import Refused
from instant_credit.record.clock import SystemClock
from instant_credit.record.embedded import destroy_cluster
from instant_credit.record.home import LIVES
from instant_credit.record.migrate import migrate as run_migrations
from instant_credit.record.pool import open_urls, passing_as_unavailable
from instant_credit.settings import DATABASE_URL, read_settings


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

    So goes what a journey of the time machine that was killed left there. The key ring, reports and rejects stay. Refused while another process uses the database.
    """
    settings = read_settings(os.environ)
    if settings.database_url is not None:
        raise Refused(
            f"{DATABASE_URL} is set, and this deletes the embedded database only: unset it, "
            "or drop that database with its own tools"
        )
    if not is_confirmed:
        click.confirm(f"Delete everything recorded in the embedded database of {settings.home}?", abort=True)
    homes = (settings.home, *sorted((settings.home / LIVES).glob("*")))
    is_deleted = sum(destroy_cluster(home) for home in homes) > 0
    click.echo(f"{'deleted' if is_deleted else 'nothing to delete'}: the embedded database of {settings.home}")
