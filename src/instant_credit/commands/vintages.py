"""`instant-credit book vintages`: how the loans of a book went bad as they aged, as known on a day."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import click
import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from instant_credit.commands.documents import (
    find_book_product,
    read_document,
    refuse_future,
    require_folder,
    write_file,
)
from instant_credit.commands.tables import print_table
from instant_credit.errors import Refused
from instant_credit.outcome.definition import hash_definition, load_definition
from instant_credit.outcome.labels import Label, label_courses
from instant_credit.outcome.vintages import (
    FIRST_PAYMENT_DAYS,
    FirstPayments,
    RollRates,
    VintageCurve,
    count_first_payments,
    count_rolls,
    draw_vintages,
)
from instant_credit.record.pool import open_record
from instant_credit.settings import Settings, read_settings
from instant_credit.training.book_courses import BookCourses, Groups, gather_courses
from instant_credit.units import date_from_days

DEFINITION: Final = "bad_90_in_12"
_SHOWN_MONTHS: Final = (3, 6, 9, 12, 18, 24, 36)


class _Request(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    book: str
    labels: str
    known_on: date | None
    product: str | None
    cohort_months: int
    segment: str | None
    points: int | None
    by_release: bool
    to: Path | None


class VintageReport(Struct, frozen=True, kw_only=True):
    """The figures of a book as known on a day, as they are written by ``--json``.

    `labels` counts the loans by their label, `definition` is the hash of what the labels mean. `first_payments`, `curves` and `cohort_rolls` have
    one entry a cohort, `rolls` are of the whole book.
    """

    schema_version: int = 1
    book: str
    product: str
    definition: str
    known_on: date
    grouped_by: str
    labels: dict[str, int]
    curves: tuple[VintageCurve, ...]
    first_payments: tuple[FirstPayments, ...]
    rolls: RollRates
    cohort_rolls: tuple[RollRates, ...]


@click.command("vintages")
@click.argument("book")
@click.option(
    "--labels",
    default=DEFINITION,
    show_default=True,
    help="What good and bad mean: a shipped definition's name or a TOML file (docs/labels.md).",
)
@click.option(
    "--known-on",
    type=click.DateTime(["%Y-%m-%d"]),
    callback=refuse_future,
    help="Take what was known on this day; default: today.",
)
@click.option("--product", help="Product: a shipped name or a TOML file; default: the newest that the book holds.")
@click.option(
    "--cohort-months",
    type=click.Choice(["1", "3", "12"]),
    default="3",
    show_default=True,
    help="Put loans together that began within so many months.",
)
@click.option("--segment", metavar="ATTRIBUTE", help="Put loans together by this category of their Cases instead.")
@click.option(
    "--points",
    type=click.IntRange(1, 1_000),
    metavar="WIDTH",
    help="Put loans together by bands of so many points of their Decisions instead.",
)
@click.option(
    "--release", "by_release", is_flag=True, help="Put loans together by the release that decided them instead."
)
@click.option("--json", "to", type=click.Path(path_type=Path, dir_okay=False), help="Write every figure to this file.")
def vintages_command(
    *,
    book: str,
    labels: str,
    known_on: datetime | None,
    product: str | None,
    cohort_months: str,
    segment: str | None,
    points: int | None,
    by_release: bool,
    to: Path | None,
) -> None:
    """Show how the loans of BOOK went bad by months on book, and their first-payment defaults and roll rates.

    A curve ends where the youngest loan of its cohort is no longer ripe: a month on book counts once it and the reporting lag of the
    labels have passed on the day. No person is told, only counts.
    """
    if (segment is not None) + (points is not None) + by_release > 1:
        raise click.UsageError("give one of --segment, --points and --release")
    require_folder(to)
    request = _Request(
        book=book,
        labels=labels,
        known_on=None if known_on is None else known_on.date(),
        product=product,
        cohort_months=int(cohort_months),
        segment=segment,
        points=points,
        by_release=by_release,
        to=to,
    )
    report = asyncio.run(_report(read_settings(os.environ), request))
    _print(report)
    if to is not None:
        write_file(to, json.dumps(msgspec.to_builtins(report), indent=2) + "\n")


async def _report(settings: Settings, request: _Request) -> VintageReport:
    definition = load_definition(read_document("labels", request.labels))
    async with open_record(settings) as record:
        product = await find_book_product(record, request.book, request.product)
        with _shown_progress(request.book) as show:
            found = await gather_courses(
                record,
                book=request.book,
                product=product,
                known_on=request.known_on or record.clock.now().astimezone(UTC).date(),
                definition=definition,
                segment=request.segment,
                progress=show,
            )
    return describe_vintages(found, product.name, *_group(found, request))


def _group(found: BookCourses, request: _Request) -> tuple[Groups, str]:
    if request.segment is not None:
        return found.group_by_segment(), request.segment
    if request.points is not None:
        return found.group_by_points(request.points), "points"
    if request.by_release:
        return found.group_by_release(), "release"
    return found.group_by_start(request.cohort_months), "beginning"


def describe_vintages(found: BookCourses, product: str, groups: Groups, grouped_by: str) -> VintageReport:
    """Every figure of a book's loans, cohort by cohort. Raises Refused when no loan has begun."""
    if not groups.names:
        raise Refused(
            f"no loan of book {found.book} is told as paid out: its tape or its lender must tell events of kind disbursed, or take "
            'labels whose window begins with the Case (starts = "as_of")'
        )
    labels = label_courses(found.courses, found.known_on_days, found.definition)
    return VintageReport(
        book=found.book,
        product=product,
        definition=hash_definition(found.definition),
        known_on=date_from_days(found.known_on_days),
        grouped_by=grouped_by,
        labels={label.name.lower(): int((labels == label).sum()) for label in Label},
        curves=draw_vintages(
            found.courses,
            groups.codes,
            groups.names,
            known_on_days=found.known_on_days,
            definition=found.definition,
        ),
        first_payments=count_first_payments(
            found.courses,
            groups.codes,
            groups.names,
            known_on_days=found.known_on_days,
            definition=found.definition,
        ),
        rolls=_count_rolls(found, np.zeros(len(labels), dtype=np.int64), 1)[0],
        cohort_rolls=_count_rolls(found, groups.codes, len(groups.names)),
    )


def _count_rolls(found: BookCourses, codes: NDArray[np.int64], groups: int) -> tuple[RollRates, ...]:
    return count_rolls(found.courses, codes, groups, known_on_days=found.known_on_days, definition=found.definition)


def _print(report: VintageReport) -> None:
    counts = ", ".join(f"{count:,} {name}" for name, count in report.labels.items())
    click.echo(f"Book {report.book} as known on {report.known_on}: {counts}")
    longest = max(len(curve.bads) for curve in report.curves)
    months = [month for month in _SHOWN_MONTHS if month < longest]
    table = Table(
        report.grouped_by,
        "loans",
        f"first payment {FIRST_PAYMENT_DAYS} days late",
        *(f"bad by month {one}" for one in months),
    )
    for curve, first in zip(report.curves, report.first_payments, strict=True):
        shares = (f"{curve.bad_rates[one]:.2%}" if one < len(curve.bads) else "" for one in months)
        late = f"{first.defaults / first.loans:.2%}" if first.loans else ""
        table.add_row(curve.cohort, f"{curve.loans:,}", late, *shares)
    print_table(table)
    rolls = Table("from / to a month later", *report.rolls.buckets)
    for name, row, counted in zip(report.rolls.buckets, report.rolls.rates, report.rolls.counts, strict=True):
        if sum(counted):
            rolls.add_row(name, *("" if one is None else f"{one:.2%}" for one in row))
    print_table(rolls)


@contextmanager
def _shown_progress(book: str) -> Iterator[Callable[[int], None]]:
    """How many Cases were read, on the terminal's error stream; nothing where there is no terminal."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"Reading {book}", total=None)
        yield lambda read: progress.update(task, description=f"Reading {book}: {read:,} Cases")
