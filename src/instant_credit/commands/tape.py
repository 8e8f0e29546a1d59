"""`instant-credit tape draft` and `import`, `book list` and `book export`: tapes in, books out."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.purposes import BookPurpose
from instant_credit.application.document import decode_product, hash_layout, hash_product, load_product
from instant_credit.application.product import Product
from instant_credit.commands.documents import find_product, read_document
from instant_credit.commands.draft import draft_command
from instant_credit.commands.losses import losses_command
from instant_credit.commands.running import run_stoppable
from instant_credit.commands.tables import print_table
from instant_credit.commands.vintages import vintages_command
from instant_credit.decision.release import Release
from instant_credit.errors import NotFound, Refused
from instant_credit.record.documents import get_document
from instant_credit.record.home import make_private_folder
from instant_credit.record.persons import log_book_read
from instant_credit.record.pool import Record, open_record
from instant_credit.record.reads import list_book_products, list_books
from instant_credit.record.rows import BookCount
from instant_credit.record.shipped import list_starters, read_starter
from instant_credit.settings import Settings, read_settings
from instant_credit.training.tapes.importing import ImportSummary, TapeImport, import_tape
from instant_credit.training.tapes.mapping import load_mapping, read_product_name
from instant_credit.training.whole_files import replace_files
from instant_credit.underwriting.books import export_book
from instant_credit.underwriting.releases import load_live_release

ACTOR = Actor(kind=ActorKind.JOB, id="tape-import")
EXPORT_ACTOR = Actor(kind=ActorKind.JOB, id="book-export")


@click.group()
def tape() -> None:
    """Draft documents for loan tapes, and import them."""


tape.add_command(draft_command)


@tape.command("mappings")
def mappings_command() -> None:
    """List the shipped mappings."""
    for name in list_starters("mappings"):
        click.echo(name)


@tape.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--mapping", required=True, help="A shipped mapping's name (see `tape mappings`) or a TOML file.")
@click.option(
    "--file", "files", multiple=True, metavar="NAME=PATH", help="A file that the mapping joins; once for each."
)
@click.option("--book", help="Book to import into; default: the mapping's name.")
@click.option(
    "--product",
    help="Product: a shipped name or a TOML file; default: the mapping's, shipped or recorded, or with --decide the release's.",
)
@click.option("--decide", is_flag=True, help="Decide every Case under the product's live release.")
@click.option("--rows", "rows_max", type=click.IntRange(1), help="Read the first rows only.")
@click.option("--rejects", type=click.Path(path_type=Path), help="Rejects file; default: below INSTANT_CREDIT_HOME.")
def import_command(
    *,
    file: Path,
    mapping: str,
    files: tuple[str, ...],
    book: str | None,
    product: str | None,
    rows_max: int | None,
    rejects: Path | None,
    decide: bool,
) -> None:
    """Record the loans of FILE (csv, csv.gz or parquet) as Cases with their repayment events.

    Importing the same tape again records only what is missing. Rows that can't be read go to the rejects file, one line of JSON for
    each column that is wrong. Of Cases that are recorded already, newer events are added; they are not decided.
    """
    settings = read_settings(os.environ)
    joined = _read_joined(files)
    run_stoppable(
        _import(settings, _Request(file, mapping, joined, book, product, rows_max, rejects, decide)),
        left="the Cases recorded so far are whole and stay; the same command records the rest",
    )


class _Request(Struct, frozen=True):
    """What was asked for on the command line."""

    file: Path
    mapping: str
    files: dict[str, Path]
    book: str | None
    product: str | None
    rows_max: int | None
    rejects: Path | None
    decide: bool


def _read_joined(files: tuple[str, ...]) -> dict[str, Path]:
    """The paths of ``--file NAME=PATH`` by their names."""
    joined: dict[str, Path] = {}
    for one in files:
        name, sign, path = one.partition("=")
        if not (sign and name and path):
            raise Refused("--file is NAME=PATH, where NAME is one of the mapping's [files.NAME]")
        if name in joined:
            raise Refused(f"--file {name} is given twice")
        joined[name] = Path(path)
    return joined


async def _import(settings: Settings, request: _Request) -> None:
    mapping_text = read_document("mappings", request.mapping)
    product_name = read_product_name(mapping_text)
    async with open_record(settings) as record:
        release = await _find_live(record, product_name) if request.decide else None
        if request.product is not None:
            product = load_product(read_document("products", request.product))
        elif release is not None:
            product = release.product
        elif product_name in list_starters("products"):
            product = load_product(read_starter("products", product_name))
        else:
            product = await find_product(record, product_name)
        mapping = load_mapping(mapping_text, product)
        book = request.book or mapping.name
        if request.rejects is None:
            make_private_folder(settings.home / "rejects")
        job = TapeImport(
            path=request.file,
            files=request.files,
            mapping=mapping,
            product=product,
            book=book,
            rejects_path=request.rejects or settings.home / "rejects" / f"{book}.ndjson",
            decide_with=release,
            rows_max=request.rows_max,
        )
        started_ns = record.clock.monotonic_ns()
        with _shown_progress(book) as show:
            summary = await import_tape(record, job, ACTOR, show)
        seconds = (record.clock.monotonic_ns() - started_ns) / 1e9
        older = await _tell_older(record, product, book) if summary.already else None
    _print_summary(book, summary, job.rejects_path, seconds)
    if older is not None:
        click.echo(older)
    if summary.rejected == summary.rows_in:
        raise Refused("no row could be read: correct the mapping by the reasons above and import again")


def _print_summary(book: str, summary: ImportSummary, rejects_path: Path, seconds: float) -> None:
    click.echo(
        f"Book {book}: {summary.rows_in:,} rows in = {summary.recorded:,} recorded + {summary.already:,} recorded before "
        f"+ {summary.rejected:,} rejected; {summary.events_added:,} events added to Cases recorded before "
        f"({seconds:.1f} s, {summary.rows_in / seconds:,.0f} rows/s)"
    )
    resolved = summary.resolved
    click.echo(
        f"Outcomes that this tape tells as of today: {resolved.goods:,} good, {resolved.bads:,} bad, {resolved.unresolved:,} unresolved"
    )
    if summary.outcome_fault is not None:
        click.echo(f"Of this tape alone {summary.outcome_fault}.")
    for join in summary.joins:
        click.echo(
            f"File {join.file}: {join.loans_matched:,} loans have a row of it and {join.loans_unmatched:,} have none; "
            f"{join.rows_unmatched:,} of its {join.rows:,} rows belong to no loan of the tape"
        )
    for name, count in summary.monitoring_unread.items():
        click.echo(f"Monitoring {name}: {count:,} cells are none of its categories and count as not told")
    if summary.events_added:
        click.echo(
            "Events are never taken back: if an earlier mapping told outcomes wrongly, import the tape into a new book (--book NAME)."
        )
    if summary.undecided:
        click.echo(
            f"{summary.undecided:,} of the Cases recorded before stay undecided: a Case is decided when it is recorded, or "
            "never. To see how the release decides them, import the tape into a new book (--book NAME --decide)."
        )
    if summary.reject_advice is not None:
        click.echo(f"{summary.reject_advice}.")
    if summary.rejected:
        click.echo(f"Rejected rows, with column and reason: {rejects_path}")


async def _tell_older(record: Record, product: Product, book: str) -> str | None:
    """What to do about a book whose Cases were recorded under another version of the product; None where there is nothing to do."""
    recorded = await list_book_products(record, book)
    if recorded[0].product_hash == hash_product(product):
        return None
    told = f"Book {book} holds Cases of another version of product {product.name}, which `train` takes by itself"
    then = decode_product(await get_document(record, recorded[0].product_hash))
    if hash_layout(then) == hash_layout(product):
        return f"{told}: to train on this version add --product with its file."
    return f"{told}; the attributes of this one are others, so import the tape into a new book (--book NAME)."


async def _find_live(record: Record, product_name: str) -> Release:
    try:
        return await load_live_release(record, product_name)
    except NotFound as error:
        raise Refused(f"{error}: activate one (instant-credit release) or leave out --decide") from error


@contextmanager
def _shown_progress(book: str) -> Iterator[Callable[[ImportSummary], None]]:
    """A progress bar on the terminal's error stream; nothing where there is no terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rejected]:,} rejected"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"Importing into {book}", total=None, rejected=0)

        def show(summary: ImportSummary) -> None:
            progress.update(task, completed=summary.rows_in, total=summary.rows_total, rejected=summary.rejected)

        yield show


@click.group()
def book() -> None:
    """List and export books of recorded Cases, and show how their loans went."""


book.add_command(vintages_command)
book.add_command(losses_command)


@book.command("list")
def list_command() -> None:
    """Show every book and how much it holds."""
    counts = asyncio.run(_list(read_settings(os.environ)))
    if not counts:
        click.echo("No book yet: import a tape (instant-credit tape import).")
        return
    table = Table("book", "product", "Cases", "Decisions", "first as of", "last as of")
    for count in counts:
        row = (f"{count.cases:,}", f"{count.decisions:,}", str(count.first_as_of), str(count.last_as_of))
        table.add_row(count.book, count.product, *row)
    print_table(table)


async def _list(settings: Settings) -> tuple[BookCount, ...]:
    async with open_record(settings) as record:
        return await list_books(record)


@book.command("export")
@click.argument("name")
@click.option("--to", type=click.Path(path_type=Path), help="File to write; default: standard output.")
@click.option(
    "--purpose",
    type=click.Choice([purpose.value for purpose in BookPurpose]),
    default=BookPurpose.ANALYSIS.value,
    show_default=True,
    help="What it is taken for, as it is written down.",
)
def export_command(name: str, to: Path | None, purpose: str) -> None:
    """Write book NAME as canonical JSON lines: Cases, events and Decisions, without ids, persons or times of recording.

    The file holds evidence in the clear: keep it as you keep the record. That it was taken is written down.
    """
    asyncio.run(_export(read_settings(os.environ), name, to, BookPurpose(purpose)))


async def _export(settings: Settings, name: str, to: Path | None, purpose: BookPurpose) -> None:
    async with open_record(settings) as record:
        lines = await export_book(record, name)
        await log_book_read(record, name, purpose, EXPORT_ACTOR)
    if to is None:
        sys.stdout.buffer.writelines(lines)
        sys.stdout.buffer.flush()
        return
    try:
        replace_files({to: b"".join(lines)}, mode=0o600)
    except OSError as error:
        raise Refused(f"{to} can't be written: {error.strerror}") from error
    click.echo(f"Book {name}: exported to {to}", err=True)
