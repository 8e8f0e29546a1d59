"""`instant-credit caps put`, `show`: how much one day may approve, in all and by segment."""

import asyncio
import os
from datetime import UTC
from typing import Final

import click
import msgspec
from rich.table import Table

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.commands.documents import read_document
from instant_credit.commands.tables import print_table
from instant_credit.experiment.caps import Cap, Caps, read_caps
from instant_credit.record.budgets import read_budget
from instant_credit.record.pool import open_record
from instant_credit.settings import read_settings
from instant_credit.underwriting.portfolio import key_of_cap, put_caps, read_caps_held

ACTOR: Final = Actor(kind=ActorKind.JOB, id="command-line")


@click.group("caps")
def caps_group() -> None:
    """Cap what one day may approve, in all and by segment (docs/experiments.md)."""


@caps_group.command("put")
@click.argument("document")
def put_command(document: str) -> None:
    """Record DOCUMENT, a shipped name or a TOML file. Its caps replace those of its product within a second, in every process.

    What the day has brought under a name goes on counting against the cap of that name. A document without caps lifts them all.
    """
    caps = read_caps(read_document("caps", document))

    async def put() -> str:
        async with open_record(read_settings(os.environ)) as record:
            return await put_caps(record, caps, ACTOR)

    click.echo(f"Caps of {caps.product}: {asyncio.run(put())}")


@caps_group.command("show")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
def show_command(*, is_json: bool) -> None:
    """Show the caps that hold, and what is out of them today: reserved by approvals, or leased to a process that may reserve it."""
    held, out = asyncio.run(_read())
    if is_json:
        click.echo(msgspec.json.encode([caps for _, caps in held.values()]).decode())
        return
    if not held:
        click.echo("No caps hold: put some with instant-credit caps put.")
    for product, (content_hash, caps) in sorted(held.items()):
        click.echo(f"{product}: {content_hash}")
        shown = Table("cap", "of", "counts", "cents by day", "out today")
        for cap in caps.caps:
            shown.add_row(
                cap.name, _segment_text(cap), cap.counts, f"{cap.cents_by_day:,}", f"{out[product, cap.name]:,}"
            )
        print_table(shown)


async def _read() -> tuple[dict[str, tuple[str, Caps]], dict[tuple[str, str], int]]:
    """The caps of each product with their hash, and by product and name what is out of each today."""
    async with open_record(read_settings(os.environ)) as record:
        held = await read_caps_held(record)
        today = record.clock.now().astimezone(UTC).date()
        out = {
            (product, cap.name): (await read_budget(record, key_of_cap(product, cap, today))).leased_cents
            for product, (_, caps) in held.items()
            for cap in caps.caps
        }
        return held, dict(out)


def _segment_text(cap: Cap) -> str:
    return "everybody" if not cap.attribute else f"{cap.attribute} = {cap.category}"
