"""`instant-credit train`: a book becomes a model bundle in the record and a report on disk."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import click
from msgspec import Struct
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.application.document import decode_product, load_product
from instant_credit.application.product import Product
from instant_credit.commands.documents import read_document
from instant_credit.errors import Refused
from instant_credit.record.documents import get_document
from instant_credit.record.home import make_home, make_private_folder
from instant_credit.record.pool import Record, open_record
from instant_credit.record.reads import list_book_products
from instant_credit.settings import Settings, read_settings
from instant_credit.training.intervals import Measured
from instant_credit.training.plans import CALIBRATION_MONTHS, Wish
from instant_credit.training.report.page import ReportPaths, write_report
from instant_credit.training.workshop import Training
from instant_credit.training.workshop import train as train_on_book

ACTOR: Final = Actor(kind=ActorKind.JOB, id="train")


class _Request(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    book: str
    wish: Wish
    segment: str | None
    product: str | None
    known_on: date | None
    report: Path | None


@click.command()
@click.option("--book", required=True, help="Book to train on (see `book list`).")
@click.option(
    "--test-from", type=click.DateTime(["%Y-%m-%d"]), help="Test on loans from this day on, fit on those before."
)
@click.option(
    "--test-share", type=float, help="Test on this share of the loans: the latest by date, or of persons by chance."
)
@click.option("--folds", type=int, help="Test in this many folds instead, for a book without dates.")
@click.option(
    "--calibration-months",
    type=click.IntRange(1, 120),
    help=f"Calibrate on this many months before a test by date; default: {CALIBRATION_MONTHS}.",
)
@click.option("--segment", metavar="VARIABLE", help="Calibrate each category of this model variable by itself.")
@click.option(
    "--known-on", type=click.DateTime(["%Y-%m-%d"]), help="Take labels as they were known on this day; default: today."
)
@click.option(
    "--product", help="Product: a shipped name or a TOML file; default: the newest that the book was recorded under."
)
@click.option(
    "--report", type=click.Path(path_type=Path, file_okay=False), help="Folder; default: below INSTANT_CREDIT_HOME."
)
def train(
    *,
    book: str,
    test_from: datetime | None,
    test_share: float | None,
    folds: int | None,
    calibration_months: int | None,
    segment: str | None,
    known_on: datetime | None,
    product: str | None,
    report: Path | None,
) -> None:
    """Fit, calibrate and test a model on a book.

    Prints the hash of the model bundle, which `release make --model` takes, and that of the training's manifest, and writes
    report.html and report.json. Without --test-from, --test-share and --folds a book with dates is tested on the last fifth of its
    loans, one without in five folds.
    """
    if sum(one is not None for one in (test_from, test_share, folds)) > 1:
        raise click.UsageError("give one of --test-from, --test-share and --folds")
    wish = Wish(
        test_from=None if test_from is None else test_from.date(),
        calibration_months=calibration_months,
        test_share=test_share,
        folds=folds,
    )
    request = _Request(
        book=book,
        wish=wish,
        segment=segment,
        product=product,
        known_on=None if known_on is None else known_on.date(),
        report=report,
    )
    training, paths = asyncio.run(_train(read_settings(os.environ), request))
    click.echo(_summarise(training, paths))


async def _train(settings: Settings, request: _Request) -> tuple[Training, ReportPaths]:
    folder = request.report
    if folder is None:
        make_home(settings.home)
        make_private_folder(settings.home / "reports")
        folder = settings.home / "reports" / request.book
    folder.mkdir(parents=True, exist_ok=True)
    async with open_record(settings) as record:
        with _shown_progress(request.book) as show:
            training = await train_on_book(
                record,
                book=request.book,
                product=await _find_product(record, request),
                plan=request.wish,
                segment=request.segment,
                known_on=request.known_on or record.clock.now().astimezone(UTC).date(),
                actor=ACTOR,
                progress=show,
            )
            return training, write_report(training, folder, show)


async def _find_product(record: Record, request: _Request) -> Product:
    """The product named on the command line, or the document that the book was recorded under, its newest version."""
    if request.product is not None:
        return load_product(read_document("products", request.product))
    recorded = await list_book_products(record, request.book)
    if not recorded:
        raise Refused(f"book {request.book} holds no Case: import a tape into it first (instant-credit tape import)")
    if len({one.product for one in recorded}) > 1:
        raise Refused(f"book {request.book} holds Cases of several products: name one with --product")
    return decode_product(await get_document(record, recorded[0].product_hash))


def _summarise(training: Training, paths: ReportPaths) -> str:
    """What a person wants to read at the end."""
    model, scorecard = training.model.quality, training.scorecard_tested.quality
    weighted = "weighted " if training.training_set.is_weighted else ""
    lines = [
        f"Tested on {training.plan_why}",
        *(
            f"{part.name}: {part.loans:,} loans, {part.bads:,} bad ({weighted}bad rate {part.bad_rate:.2%}), "
            f"{part.first_on} to {part.last_on}"
            for part in training.parts
        ),
        f"AUC   {_measured_text(model.auc)}, scorecard {_measured_text(scorecard.auc)}",
        f"KS    {_measured_text(model.ks)}, scorecard {_measured_text(scorecard.ks)}",
        f"Brier {_measured_text(model.brier)}, scorecard {_measured_text(scorecard.brier)}",
        f"Mean pd {model.pd_mean:.4f}, bad rate {_measured_text(model.bad_rate)}",
        f"Bundle: {training.bundle_hash}",
        f"Training: {training.training_hash}",
        f"Report: {paths.html}",
        f"JSON:   {paths.json}",
    ]
    return "\n".join(lines)


def _measured_text(measured: Measured) -> str:
    return f"{measured.value:.4f} ({measured.low:.4f} to {measured.high:.4f})"


@contextmanager
def _shown_progress(book: str) -> Iterator[Callable[[str, int], None]]:
    """What is being done, on the terminal's error stream; nothing where there is no terminal."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"Training on {book}", total=None)

        def show(stage: str, done: int) -> None:
            progress.update(task, description=f"Training on {book}: {stage}" + (f" {done:,} Cases" if done else ""))

        yield show
