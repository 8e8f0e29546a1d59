"""`instant-credit release make`, `list`, `show`, `example`: what decides, by content hash; its life is in `release_life`."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from rich.table import Table

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature
from instant_credit.application.document import decode_product, load_product
from instant_credit.application.inventing import APPLICANT, invent_body
from instant_credit.application.product import Product
from instant_credit.commands.documents import (
    find_losses,
    find_model,
    find_product,
    model_option,
    read_document,
    require_folder,
    write_file,
)
from instant_credit.commands.release_diff import diff
from instant_credit.commands.release_life import LIFE, require_release, tell_single_person
from instant_credit.commands.tables import print_table
from instant_credit.errors import NotFound, Refused
from instant_credit.policy.document import Policy, read_policy
from instant_credit.policy.offers import usual_request
from instant_credit.record.clock import SystemClock
from instant_credit.record.documents import get_document
from instant_credit.record.pool import Record, open_record
from instant_credit.record.shipped import list_starters, read_starter
from instant_credit.score.bundle import decode_bundle
from instant_credit.settings import read_settings
from instant_credit.underwriting.release_life import ReleaseDesk
from instant_credit.underwriting.releases import load_live_release, make_release
from instant_credit.underwriting.showing import show_release
from instant_credit.underwriting.typical import CASES_MIN, find_typical

ACTOR: Final = Actor(kind=ActorKind.JOB, id="command-line")


@click.group()
def release() -> None:
    """Make releases, and lead them from proposal to retirement."""


for command in (*LIFE, diff):
    release.add_command(command)


@release.command("make")
@click.option("--book", required=True, help="Book whose applicants near the cut-off are the reference for reasons.")
@model_option
@click.option(
    "--policy",
    "policy_name",
    help="Policy: a shipped name or a TOML file; default: the shipped one of the product's name.",
)
@click.option("--product", "product_name", help="Product, likewise; default: the one that the model was trained on.")
@click.option("--losses", "losses_hash", help="Hash of a recorded loss table (`book losses --record`) that it names.")
@click.option("--activate", "is_activated", is_flag=True, help="Make it live at once; needs --single-person.")
@click.option(
    "--single-person",
    "is_single_person",
    is_flag=True,
    help="Propose and approve it yourself, where there is nobody else: every event of it says so.",
)
def make(
    *,
    book: str,
    model_hash: str,
    policy_name: str | None,
    product_name: str | None,
    losses_hash: str | None,
    is_activated: bool,
    is_single_person: bool,
) -> None:
    """Put product, model, policy and reference population together, prove that they fit, and print the release's hash."""
    if is_activated != is_single_person:
        raise click.UsageError(
            "--activate and --single-person go together: without a second person to approve it, say so; with one, "
            "use `instant-credit release propose`, `approve` and `activate`"
        )
    policy = None if policy_name is None else read_policy(read_document("policies", policy_name))
    product = None if product_name is None else load_product(read_document("products", product_name))
    if is_single_person:
        tell_single_person()
    click.echo(
        asyncio.run(
            _make(
                book=book,
                model_hash=model_hash,
                policy=policy,
                product=product,
                losses_hash=losses_hash,
                is_activated=is_activated,
            )
        )
    )


async def _make(
    *,
    book: str,
    model_hash: str,
    policy: Policy | None,
    product: Product | None,
    losses_hash: str | None,
    is_activated: bool,
) -> str:
    async with open_record(read_settings(os.environ)) as record:
        model_hash = await find_model(record, model_hash, book, product)
        made = await make_release(
            record,
            policy=await _shipped_policy(record, model_hash, book) if policy is None else policy,
            model_hash=model_hash,
            book=book,
            actor=ACTOR,
            product=product,
            losses_hash=None if losses_hash is None else await find_losses(record, losses_hash),
        )
        if is_activated:
            await ReleaseDesk(record).activate_alone(made.hash, Signature(actor=ACTOR))
    return made.hash


@release.command("list")
def show_all() -> None:
    """List the newest releases, oldest first, and where each stands."""

    async def run() -> Table:
        table = Table("release", "product", "model", "policy", "state", "approval", "owner", "next review", "expires")
        async with open_record(read_settings(os.environ)) as record:
            for row in (await ReleaseDesk(record).list_releases()).releases:
                terms = row.terms or row.waiting
                table.add_row(
                    row.release,
                    row.product,
                    row.model[:12],
                    row.policy[:12],
                    row.state if row.planned_at is None else f"{row.state}, live {row.planned_at:%Y-%m-%dT%H:%M:%SZ}",
                    f"{row.approval} by one person" if row.is_single_person else row.approval,
                    "" if terms is None else terms.owner,
                    "" if terms is None else str(terms.review_on),
                    "" if terms is None else str(terms.expires_on),
                )
        return table

    print_table(asyncio.run(run()))


@release.command("show")
@click.argument("release_hash")
def show(release_hash: str) -> None:
    """Print what a release is made of, what its model proves and where it stands, as JSON, after proving it anew on this machine."""

    async def run() -> bytes:
        async with open_record(read_settings(os.environ)) as record:
            await require_release(record, release_hash)
            found = await show_release(record, release_hash)
        return msgspec.json.format(msgspec.json.encode(found), indent=2)

    click.echo(asyncio.run(run()).decode())


@release.command("example")
@click.argument("product_name", metavar="PRODUCT")
@click.option("--to", "path", type=click.Path(path_type=Path, dir_okay=False), help="File; default: standard output.")
def example(product_name: str, path: Path | None) -> None:
    """Write the JSON body of an application for PRODUCT, which its live release decides as it stands.

    PRODUCT is a product's name, or the file of a product document. The applicant is invented. The facts are typical ones where a book
    of the record holds Cases of the product (medians and commonest categories, nobody's own), and otherwise invented too; standard
    error says which. Send the body with curl, or change its facts first.
    """
    require_folder(path)
    body, origin = asyncio.run(_example(product_name))
    text = json.dumps(body, indent=2, ensure_ascii=False) + "\n"
    click.echo(origin, err=True)
    if path is None:
        click.echo(text, nl=False)
    else:
        write_file(path, text)
        click.echo(f"Written: {path}")


async def _example(name: str) -> tuple[dict[str, Any], str]:
    """A body for the live release of that product, or else for the product document; and where its facts come from."""
    today = SystemClock().now().date()
    if Path(name).suffix == ".toml":
        product = load_product(read_document("products", name))
        origin = f"Invented within the product's ranges; `instant-credit release example {product.name}` looks into the record's books."
        return invent_body(product, today), origin
    async with open_record(read_settings(os.environ)) as record:
        policy = None
        try:
            live = await load_live_release(record, name)
            product, policy = live.product, live.policy.policy
        except NotFound:
            product = await find_product(record, name, remedy="name one that is, or give the file of its document")
        typical = await find_typical(record, product, today, policy)
    if typical is not None:
        origin = (
            f"Typical of {typical.cases:,} Cases of book {typical.book}: medians, rounded, and commonest categories, nobody's own; "
            "the applicant is invented."
        )
        return {"applicant": dict(APPLICANT), "facts": typical.facts}, origin
    wanted = None if policy is None else usual_request(policy, product)
    origin = f"Invented within the product's ranges: no book of the record holds {CASES_MIN} Cases of {product.name}."
    return invent_body(product, today, wanted), origin


async def _shipped_policy(record: Record, model_hash: str, book: str) -> Policy:
    """The shipped policy of the name of the product that the model was trained on."""
    bundle = decode_bundle(await get_document(record, model_hash))
    name = decode_product(await get_document(record, bundle.product_hash)).name
    if name not in list_starters("policies"):
        raise Refused(
            f"no policy is shipped for product {name}: draft one (instant-credit policy draft --book {book} --model {model_hash} "
            f"--to {name}.policy.toml), edit it, and give it with --policy"
        )
    return read_policy(read_starter("policies", name))
