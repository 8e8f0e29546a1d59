"""`instant-credit inference`: what the ways of answering for declined applicants make of a book, side by side."""

import json
import os
from datetime import UTC, date, datetime
from pathlib import Path

import click
import msgspec
from msgspec import Struct
from rich.table import Table

from instant_credit.commands.documents import (
    find_book_product,
    labels_option,
    read_document,
    refuse_future,
    require_folder,
    write_file,
)
from instant_credit.commands.running import run_stoppable
from instant_credit.commands.tables import print_table
from instant_credit.outcome.definition import load_definition
from instant_credit.record.pool import open_record
from instant_credit.settings import Settings, read_settings
from instant_credit.training.comparing import Compared, compare_variants
from instant_credit.training.dataset import gather_training_set
from instant_credit.training.fitting.choice import PRESETS
from instant_credit.training.intervals import Measured
from instant_credit.training.leaks import refuse_tellers
from instant_credit.training.plans import Wish
from instant_credit.training.selection_bias import INFERRING, PRUDENCE_MAX, Inference, Variant


class _Request(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    book: str
    labels: str
    known_on: date | None
    test_from: date | None
    preset: str
    prudences: tuple[float, ...]
    propensity: str | None
    product: str | None


@click.command("inference")
@click.argument("book")
@labels_option
@click.option(
    "--known-on",
    type=click.DateTime(["%Y-%m-%d"]),
    callback=refuse_future,
    help="Take Cases and labels as known on this day; default: today.",
)
@click.option("--test-from", type=click.DateTime(["%Y-%m-%d"]), help="Test on loans from this day on.")
@click.option(
    "--preset", type=click.Choice(PRESETS), default=PRESETS[0], show_default=True, help="Fit with these parameters."
)
@click.option(
    "--prudence",
    "prudences",
    type=click.FloatRange(1, PRUDENCE_MAX),
    multiple=True,
    default=(1.0,),
    show_default=True,
    metavar="FACTOR",
    help="Infer with this factor; once for each.",
)
@click.option(
    "--propensity",
    metavar="ATTRIBUTE",
    help="Attribute that tells by which chance each loan was approved, for exploration-weighted.",
)
@click.option("--product", help="Product: a shipped name or a TOML file; default: the newest that the book holds.")
@click.option("--json", "to", type=click.Path(path_type=Path, dir_okay=False), help="Write every figure to this file.")
def inference(
    *,
    book: str,
    labels: str,
    known_on: datetime | None,
    test_from: datetime | None,
    preset: str,
    prudences: tuple[float, ...],
    propensity: str | None,
    product: str | None,
    to: Path | None,
) -> None:
    """Train on BOOK approved-only, exploration-weighted and by reject inference, and compare; nothing is recorded.

    All figures are of approved loans that no fit saw. Of declined applicants no outcome is known: the last column is what each variant
    expects of them.
    """
    require_folder(to)
    request = _Request(
        book=book,
        labels=labels,
        known_on=None if known_on is None else known_on.date(),
        test_from=None if test_from is None else test_from.date(),
        preset=preset,
        prudences=tuple(dict.fromkeys(prudences)),
        propensity=propensity,
        product=product,
    )
    compared = run_stoppable(_compare(read_settings(os.environ), request), left="nothing was recorded")
    _print(compared)
    if to is not None:
        write_file(to, json.dumps(msgspec.to_builtins(compared), indent=2) + "\n")


async def _compare(settings: Settings, request: _Request) -> tuple[Compared, ...]:
    definition = load_definition(read_document("labels", request.labels))
    async with open_record(settings) as record:
        training_set = await gather_training_set(
            record,
            book=request.book,
            product=await find_book_product(record, request.book, request.product),
            known_on=request.known_on or record.clock.now().astimezone(UTC).date(),
            definition=definition,
            with_rejects=True,
            propensity=request.propensity,
        )
    refuse_tellers(training_set)
    variants = [
        Inference(variant=Variant.APPROVED_ONLY),
        Inference(variant=Variant.EXPLORATION_WEIGHTED, propensity=request.propensity or msgspec.UNSET),
    ]
    variants += [Inference(variant=one, prudence=factor) for one in INFERRING for factor in request.prudences]
    return compare_variants(training_set, Wish(test_from=request.test_from), request.preset, variants)


def _print(compared: tuple[Compared, ...]) -> None:
    table = Table("variant", "prudence", "AUC", "Brier", "mean pd", "bad rate", "mean pd of the declined")
    for one in compared:
        if one.quality is None:
            continue
        quality = one.quality
        declined = "" if one.rejects_pd_mean is None else f"{one.rejects_pd_mean:.4f}"
        table.add_row(
            one.inference.variant.value,
            f"{one.inference.prudence:g}",
            _measured_text(quality.auc),
            _measured_text(quality.brier),
            f"{quality.pd_mean:.4f}",
            _measured_text(quality.bad_rate),
            declined,
        )
    print_table(table)
    for one in compared:
        if one.explored is not None:
            click.echo(f"Exploration: {one.explored.in_words}")
        if one.refused is not None:
            click.echo(f"Left out: {one.inference.variant.value}: {one.refused}")


def _measured_text(measured: Measured) -> str:
    return f"{measured.value:.4f} ({measured.low:.4f} to {measured.high:.4f})"
