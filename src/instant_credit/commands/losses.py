"""`instant-credit book losses`: exposure at default and loss given default of a book, as known on a day."""

import asyncio
import json
import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import click
import msgspec
import numpy as np
from msgspec import Struct
from rich.table import Table

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.commands.documents import (
    find_book_product,
    read_document,
    refuse_future,
    require_folder,
    write_file,
)
from instant_credit.commands.tables import print_table
from instant_credit.outcome.definition import load_definition
from instant_credit.outcome.losses import (
    RECOVERY_MONTHS,
    LossTable,
    SegmentLosses,
    Share,
    encode_losses,
    measure_losses,
)
from instant_credit.record.documents import DocumentKind, put_document
from instant_credit.record.pool import open_record
from instant_credit.settings import Settings, read_settings
from instant_credit.training.book_courses import Groups, gather_courses
from instant_credit.units import days_from_date

ACTOR: Final = Actor(kind=ActorKind.JOB, id="book-losses")
_MONTHS_MAX: Final = 600


class _Request(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    book: str
    labels: str
    known_on: date | None
    product: str | None
    segment: str | None
    recovery_months: int
    is_recorded: bool


@click.command("losses")
@click.argument("book")
@click.option(
    "--labels",
    default="bad_90_in_12",
    show_default=True,
    help="Where loans begin and how long reports lag: a shipped definition's name or a TOML file (docs/labels.md).",
)
@click.option(
    "--known-on",
    type=click.DateTime(["%Y-%m-%d"]),
    callback=refuse_future,
    help="Take what was known on this day; default: today.",
)
@click.option("--product", help="Product: a shipped name or a TOML file; default: the newest that the book holds.")
@click.option("--segment", metavar="ATTRIBUTE", help="Measure each category of this attribute too.")
@click.option(
    "--recovery-months",
    type=click.IntRange(1, _MONTHS_MAX),
    default=RECOVERY_MONTHS,
    show_default=True,
    help="Count what is recovered within so many months of a charge-off.",
)
@click.option("--record", "is_recorded", is_flag=True, help="Keep the table as a document and print its hash.")
@click.option("--json", "to", type=click.Path(path_type=Path, dir_okay=False), help="Write the table to this file.")
def losses_command(
    *,
    book: str,
    labels: str,
    known_on: datetime | None,
    product: str | None,
    segment: str | None,
    recovery_months: int,
    is_recorded: bool,
    to: Path | None,
) -> None:
    """Show what was owed of BOOK's loans when they were charged off, and how much of it never came back.

    Young charge-offs, whose recoveries are still coming, tell their exposure and not their loss, and are counted apart.
    """
    require_folder(to)
    request = _Request(
        book=book,
        labels=labels,
        known_on=None if known_on is None else known_on.date(),
        product=product,
        segment=segment,
        recovery_months=recovery_months,
        is_recorded=is_recorded,
    )
    table, content_hash = asyncio.run(_measure(read_settings(os.environ), request))
    _print(table)
    if content_hash is not None:
        click.echo(f"Losses: {content_hash}")
    if to is not None:
        write_file(to, json.dumps(msgspec.to_builtins(table), indent=2) + "\n")


async def _measure(settings: Settings, request: _Request) -> tuple[LossTable, str | None]:
    definition = load_definition(read_document("labels", request.labels))
    async with open_record(settings) as record:
        product = await find_book_product(record, request.book, request.product)
        known_on = request.known_on or record.clock.now().astimezone(UTC).date()
        found = await gather_courses(
            record,
            book=request.book,
            product=product,
            known_on=known_on,
            definition=definition,
            segment=request.segment,
        )
        groups = found.group_by_segment() if request.segment is not None else _in_no_segment(len(found.as_of_days))
        table = measure_losses(
            found.courses,
            groups.codes,
            groups.names,
            book=request.book,
            product=product.name,
            attribute=request.segment,
            known_on_days=days_from_date(known_on),
            lag_days=definition.lag_days,
            recovery_months=request.recovery_months,
        )
        if not request.is_recorded:
            return table, None
        return table, await put_document(record, DocumentKind.LOSSES, encode_losses(table), ACTOR)


def _in_no_segment(loans: int) -> Groups:
    return Groups(codes=np.full(loans, -1, dtype=np.int64), names=())


def _print(table: LossTable) -> None:
    click.echo(
        f"Book {table.book} as known on {table.known_on}, recoveries within {table.recovery_months} months of the charge-off"
    )
    shown = Table(
        table.attribute or "loans", "charged off", "young", "exposure at default", "loss given default", "from"
    )
    for one in (table.total, *table.segments):
        shown.add_row(
            one.segment,
            f"{one.charged_off:,}",
            f"{one.young:,}",
            _share_text(one.exposure),
            _share_text(one.loss),
            _source_text(one),
        )
    print_table(shown)
    if table.total.later_cents:
        share = table.total.later_cents / table.total.ripe_cents
        click.echo(
            f"Not counted: recoveries of {share:.1%} of what was written off, dated more than {table.recovery_months} months after the "
            "charge-off. A tape that dates recoveries by the day it was read tells no loss given default."
        )


def _source_text(one: SegmentLosses) -> str:
    return "its own" if one.is_own else "all loans"


def _share_text(share: Share | None) -> str:
    return "" if share is None else f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"
