"""`instant-credit policy draft` and `check`: a first policy out of a book, and whether an edited one holds together."""

import asyncio
import os
from pathlib import Path
from typing import Final

import click
import msgspec

from instant_credit.application.document import load_product
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
from instant_credit.errors import Refused
from instant_credit.outcome.losses import decode_losses
from instant_credit.policy.checks import check_policy
from instant_credit.policy.document import read_policy
from instant_credit.policy.drafting.assumptions import Assumptions
from instant_credit.record.documents import get_document
from instant_credit.record.pool import Record, open_record
from instant_credit.settings import read_settings
from instant_credit.underwriting.drafts import BookDraft, draft_from_book
from instant_credit.units import PPM

PERCENT: Final = click.FloatRange(0, 100)
_DEFAULTS: Final = Assumptions()


def _percent(ppm: int) -> float:
    return 100 * ppm / PPM


@click.group()
def policy() -> None:
    """Draft a policy from a book and a model; check an edited one."""


@policy.command("draft")
@click.option("--book", required=True, help="Book whose Cases say how risk, amounts and terms are spread.")
@model_option
@click.option("--to", "path", type=click.Path(path_type=Path, dir_okay=False), help="File; default: standard output.")
@click.option(
    "--approve-share",
    type=PERCENT,
    default=100 * _DEFAULTS.approve_share,
    show_default=True,
    help="Approve this percentage of the book, the safest.",
)
@click.option(
    "--decline-share",
    type=PERCENT,
    default=100 * _DEFAULTS.decline_share,
    show_default=True,
    help="Decline this percentage of the book, the riskiest.",
)
@click.option(
    "--loss",
    type=PERCENT,
    help="Percentage of the amount lent that is lost when a loan goes bad; default: "
    f"{_percent(_DEFAULTS.loss_given_default_ppm):g}.",
)
@click.option(
    "--losses",
    "losses_hash",
    metavar="HASH",
    help="Take that percentage from this recorded loss table instead (`book losses --record`), and price each of its segments by its own.",
)
@click.option(
    "--cost",
    type=PERCENT,
    default=_percent(_DEFAULTS.cost_ppm),
    show_default=True,
    help="Funding and operation, percent a year.",
)
@click.option(
    "--margin", type=PERCENT, default=_percent(_DEFAULTS.margin_ppm), show_default=True, help="Profit, percent a year."
)
@click.option(
    "--apr-max",
    type=PERCENT,
    default=_percent(_DEFAULTS.apr_ppm_max),
    show_default=True,
    help="No price above this, percent a year.",
)
@click.option(
    "--instalment-share",
    type=PERCENT,
    default=_percent(_DEFAULTS.instalment_to_income_ppm_max),
    show_default=True,
    help="Percentage of income that the instalment may take.",
)
def draft(
    *,
    book: str,
    model_hash: str,
    path: Path | None,
    approve_share: float,
    decline_share: float,
    loss: float | None,
    losses_hash: str | None,
    cost: float,
    margin: float,
    apr_max: float,
    instalment_share: float,
) -> None:
    """Write a first policy for the model's product, which `release make` takes as it is and people edit.

    Cut-offs lie at shares of the book. Prices come from the expected loss, limits and terms from the book's own; what is assumed
    stands in the file.
    """
    if loss is not None and losses_hash is not None:
        raise click.UsageError("give one of --loss and --losses")
    assumptions = Assumptions(
        approve_share=approve_share / 100,
        decline_share=decline_share / 100,
        loss_given_default_ppm=_DEFAULTS.loss_given_default_ppm if loss is None else _ppm(loss),
        losses_hash=losses_hash,
        cost_ppm=_ppm(cost),
        margin_ppm=_ppm(margin),
        apr_ppm_max=_ppm(apr_max),
        instalment_to_income_ppm_max=_ppm(instalment_share),
    )
    require_folder(path)
    if path is not None and path.exists():
        raise Refused(f"{path}: there is a file already; name another one, or delete it if nobody has edited it")
    made = asyncio.run(_draft(book, model_hash, assumptions))
    named = "" if losses_hash is None else f" --losses {losses_hash}"
    if path is None:
        click.echo(made.draft.text, nl=False)
    else:
        write_file(path, made.draft.text)
    for line in _summarise(made, book, path, named):
        click.echo(line, err=path is None)


async def _draft(book: str, model_hash: str, assumptions: Assumptions) -> BookDraft:
    async with open_record(read_settings(os.environ)) as record:
        return await draft_from_book(
            record,
            book=book,
            model_hash=await find_model(record, model_hash, book),
            assumptions=await _measure_loss(record, assumptions),
        )


async def _measure_loss(record: Record, assumptions: Assumptions) -> Assumptions:
    """With the loss that the table tells, where one is named."""
    if assumptions.losses_hash is None:
        return assumptions
    losses = decode_losses(await get_document(record, await find_losses(record, assumptions.losses_hash)))
    share = losses.find_lost_share()
    if share is None:
        raise Refused(f"losses {assumptions.losses_hash} tell no loss given default: every charge-off in them is young")
    return msgspec.structs.replace(
        assumptions, loss_given_default_ppm=round(share * PPM), losses_by=losses.attribute if losses.segments else None
    )


def _summarise(made: BookDraft, book: str, path: Path | None, named: str) -> list[str]:
    """What a person wants to read at the end; `named` is the loss table as an option."""
    shares = ", ".join(f"{outcome.replace('_', '-')} {100 * share:.1f}%" for outcome, share in made.shares.items())
    lines = [
        f"Drafted for {made.product.name} with model {made.model_hash}.",
        f"Tried on {made.tried:,} Cases of {book}: {shares}.",
        *(f"Look at this: {doubt}." for doubt in made.doubts),
    ]
    if path is not None:
        lines += [
            f"Written: {path}. Read every line of it, edit it, and check it: instant-credit policy check {path}",
            f"Then: instant-credit release make --book {book} --policy {path}{named} --activate --single-person",
        ]
    return lines


@policy.command("check")
@click.argument("name", metavar="FILE")
@click.option(
    "--product",
    "product_name",
    help="Product: a shipped name or a TOML file; default: the newest recorded or else shipped one that the policy names.",
)
def check(name: str, product_name: str | None) -> None:
    """Check the policy in FILE as a whole, worked examples included, and name everything that is wrong with it."""
    found = read_policy(read_document("policies", name))
    product = asyncio.run(_find_product(found.product, product_name))
    check_policy(found, product)
    click.echo(
        f"{name} is a policy for product {product.name}: {len(found.rules)} rules, {len(found.examples)} examples hold."
    )


async def _find_product(name: str, document: str | None) -> Product:
    """The product document told on the command line, else as `find_product` finds it."""
    if document is not None:
        return load_product(read_document("products", document))
    async with open_record(read_settings(os.environ)) as record:
        return await find_product(record, name)


def _ppm(percent: float) -> int:
    return round(percent * PPM / 100)
