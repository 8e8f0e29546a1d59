"""Commands about API keys: create, rotate, list and revoke them."""

import asyncio
import os
import re
from datetime import UTC, datetime, timedelta
from typing import Final

import click
from rich.table import Table

from instant_credit.access.actors import Actor, ActorKind, Scope
from instant_credit.commands.tables import print_table
from instant_credit.record.api_keys import create_key, list_keys, revoke_key, rotate_key
from instant_credit.record.pool import open_record
from instant_credit.settings import read_settings

ACTOR: Final = Actor(kind=ActorKind.JOB, id="command-line")
_SECONDS_BY_UNIT: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_SPAN: Final = re.compile(r"(\d{1,7})([smhd])", re.ASCII)


class Span(click.ParamType[timedelta]):
    """A span of time as it is typed: 90s, 30m, 24h, 7d."""

    name = "span"

    def convert(self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The span, or an error that says how one is written."""
        if isinstance(value, timedelta):
            return value
        found = _SPAN.fullmatch(value)
        if found is None:
            self.fail("a span is a whole number with its unit: 90s, 30m, 24h, 7d", param, ctx)
        return timedelta(seconds=int(found[1]) * _SECONDS_BY_UNIT[found[2]])


_EXPIRES_ON: Final = click.option(
    "--expires-on", type=click.DateTime(["%Y-%m-%d"]), help="First day (UTC) on which the key no longer works."
)
_EXPIRES_AT: Final = click.option(
    "--expires-at",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ"]),
    help="First second (UTC) in which the key no longer works, as 2030-01-31T18:00:00Z.",
)


@click.group()
def key() -> None:
    """Create, rotate, list and revoke API keys."""


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
@_EXPIRES_ON
@_EXPIRES_AT
@click.option("--test", "is_test", is_flag=True, help="A key for tests, which reads ict_...")
def create(
    client_id: str, scopes: tuple[str, ...], expires_on: datetime | None, expires_at: datetime | None, *, is_test: bool
) -> None:
    """Create a key and print it once: only its hash is kept."""
    ends_at = _end_of(expires_on, expires_at)

    async def run() -> str:
        async with open_record(read_settings(os.environ)) as record:
            return await create_key(
                record,
                client_id=client_id,
                scopes=frozenset(Scope(scope) for scope in scopes),
                expires_at=ends_at,
                actor=ACTOR,
                is_test=is_test,
            )

    click.echo(asyncio.run(run()))


@key.command("rotate")
@click.argument("key_id")
@click.option(
    "--overlap",
    type=Span(),
    default="24h",
    show_default=True,
    help="How long the former key still works: 90s, 30m, 24h, 7d.",
)
@_EXPIRES_ON
@_EXPIRES_AT
def rotate(key_id: str, overlap: timedelta, expires_on: datetime | None, expires_at: datetime | None) -> None:
    """Create a key of the same client and scopes in the place of KEY_ID, and print it once.

    The new key ends when the former one would have by itself, unless another day or instant is given.
    """
    ends_at = _end_of(expires_on, expires_at)

    async def run() -> str:
        async with open_record(read_settings(os.environ)) as record:
            return await rotate_key(record, key_id, overlap=overlap, expires_at=ends_at, actor=ACTOR)

    click.echo(asyncio.run(run()))


@key.command("list")
def show() -> None:
    """List all keys, without their secrets."""

    async def run() -> Table:
        table = Table("key id", "client", "scopes", "mode", "created", "expires", "revoked", "rotated to")
        async with open_record(read_settings(os.environ)) as record:
            for row in await list_keys(record):
                table.add_row(
                    row.key_id,
                    row.client_id,
                    " ".join(row.scopes),
                    "test" if row.is_test else "live",
                    _instant_text(row.recorded_at),
                    _instant_text(row.expires_at),
                    _instant_text(row.revoked_at),
                    row.successor_key_id or "",
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


def _end_of(day: datetime | None, instant: datetime | None) -> datetime | None:
    """When a key ends: at the start of a day or at an instant, both in UTC."""
    if day is not None and instant is not None:
        raise click.UsageError("give --expires-on or --expires-at, not both")
    end = day or instant
    return None if end is None else end.replace(tzinfo=UTC)


def _instant_text(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
