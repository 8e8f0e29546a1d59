"""`instant-credit release make`, `activate`, `list`, `show`: what decides, by content hash."""

import asyncio
import os
from typing import Final

import click
import msgspec
from rich.table import Table

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.application.document import load_product
from instant_credit.application.product import Product
from instant_credit.commands.documents import read_document
from instant_credit.commands.tables import print_table
from instant_credit.errors import Refused
from instant_credit.policy.document import Policy, read_policy
from instant_credit.record.documents import DocumentKind, list_documents
from instant_credit.record.pool import Record, open_record
from instant_credit.settings import read_settings
from instant_credit.underwriting.releases import (
    list_releases,
    load_release,
    make_live,
    make_release,
)

ACTOR: Final = Actor(kind=ActorKind.JOB, id="command-line")
NEWEST: Final = "newest"


@click.group()
def release() -> None:
    """Make, activate and list releases."""


@release.command("make")
@click.option("--book", required=True, help="Book whose applicants near the cut-off are the reference for reasons.")
@click.option("--model", "model_hash", default=NEWEST, show_default=True, help="Hash of a recorded model bundle.")
@click.option(
    "--policy",
    "policy_name",
    default="personal_loan",
    show_default=True,
    help="Policy: a shipped name or a TOML file.",
)
@click.option("--product", "product_name", help="Product, likewise; default: the one that the model was trained on.")
@click.option("--activate", "is_activated", is_flag=True, help="Make it live at once.")
def make(book: str, model_hash: str, policy_name: str, product_name: str | None, is_activated: bool) -> None:
    """Put product, model, policy and reference population together, prove that they fit, and print the release's hash."""
    policy = read_policy(read_document("policies", policy_name))
    product = None if product_name is None else load_product(read_document("products", product_name))
    click.echo(asyncio.run(_make(book, model_hash, policy, product, is_activated)))


async def _make(book: str, model_hash: str, policy: Policy, product: Product | None, is_activated: bool) -> str:
    async with open_record(read_settings(os.environ)) as record:
        made = await make_release(
            record,
            policy=policy,
            model_hash=await _newest_model(record) if model_hash == NEWEST else model_hash,
            book=book,
            actor=ACTOR,
            product=product,
        )
        if is_activated:
            await make_live(record, made.hash, ACTOR)
    return made.hash


@release.command("activate")
@click.argument("release_hash")
def activate(release_hash: str) -> None:
    """Make the release live for its product. Servers notice within seconds."""

    async def run() -> str:
        async with open_record(read_settings(os.environ)) as record:
            return await make_live(record, release_hash, ACTOR)

    click.echo(f"live for {asyncio.run(run())}: {release_hash}")


@release.command("list")
def show_all() -> None:
    """List all releases, oldest first."""

    async def run() -> Table:
        table = Table("release", "product", "model", "policy", "live")
        async with open_record(read_settings(os.environ)) as record:
            for row in await list_releases(record):
                table.add_row(
                    row.release_hash,
                    row.product,
                    row.manifest.model_hash[:12],
                    row.manifest.policy_hash[:12],
                    "yes" if row.is_live else "",
                )
        return table

    print_table(asyncio.run(run()))


@release.command("show")
@click.argument("release_hash")
def show(release_hash: str) -> None:
    """Print what a release is made of, as JSON, after proving that it still composes."""

    async def run() -> bytes:
        async with open_record(read_settings(os.environ)) as record:
            found = await load_release(record, release_hash)
        return msgspec.json.format(msgspec.json.encode(found.manifest), indent=2)

    click.echo(asyncio.run(run()).decode())


async def _newest_model(record: Record) -> str:
    """Hash of the model recorded last."""
    models = await list_documents(record, DocumentKind.MODEL)
    if not models:
        raise Refused("no model is recorded: train one first (instant-credit train)")
    return models[-1].content_hash
