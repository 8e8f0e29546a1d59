"""`instant-credit tape draft`: a first product and mapping for a tape that was never seen."""

import shlex
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from instant_credit.commands.bars import shown_progress
from instant_credit.commands.tables import print_table
from instant_credit.record.clock import SystemClock
from instant_credit.training.drafting.documents.doubts import list_doubts
from instant_credit.training.drafting.documents.folder import choose_name, draft_files, write_folder
from instant_credit.training.drafting.documents.writing import say, tidy
from instant_credit.training.drafting.draft import Draft, Wish
from instant_credit.training.drafting.guessing.guess import Guess, Use
from instant_credit.underwriting.course import API_BOOKS

_COLUMNS_SHOWN = 400
_REMARK = 80
_PLACES_SHOWN = 6


@click.command("draft")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--name", help="Name of product and mapping; default: the first file's.")
@click.option("--outcome", help="Column that tells how a loan went; default: guessed.")
@click.option(
    "--bad", multiple=True, help="Text of the outcome column that is bad; once for each. The others are good."
)
@click.option("--leak", "leaks", multiple=True, help="Column filled after the decision; once for each.")
@click.option("--withhold", "withheld", multiple=True, help="Column known in time that may not be used; once for each.")
@click.option(
    "--keep", "kept", multiple=True, help="Column known in time that may be used, whatever its name; once for each."
)
@click.option("--currency", help="ISO code of the tape's money; default: USD, as a doubt.")
@click.option(
    "--directions",
    "is_directed",
    is_flag=True,
    help="Hold the model to the directions that the tape leaves no doubt about; default: all are free.",
)
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), help="Folder; default: the name.")
@click.option("--force", "is_forced", is_flag=True, help="Write over documents that are there already.")
def draft_command(
    *,
    files: tuple[Path, ...],
    name: str | None,
    outcome: str | None,
    bad: tuple[str, ...],
    leaks: tuple[str, ...],
    withheld: tuple[str, ...],
    kept: tuple[str, ...],
    currency: str | None,
    is_directed: bool,
    folder: Path | None,
    is_forced: bool,
) -> None:
    """Write product.toml and mapping.toml for a tape never seen, with guesses and doubts beside each line.

    The first FILE (csv, csv.gz or parquet) has a row for each loan; others are joined to it by key. The documents load as they are; a
    person reads and edits both before anything is decided by them.
    """
    is_renamed = name is None and choose_name(files[0]) in {f"{book}_tape" for book in API_BOOKS}
    name = name or choose_name(files[0])
    folder = folder or Path(name)
    wish = Wish(
        name=name,
        outcome=outcome,
        bad=bad,
        leaks=leaks,
        withheld=withheld,
        kept=kept,
        currency=currency,
        is_directed=is_directed,
        today=SystemClock().now().date(),
    )
    with _shown_progress() as show:
        drafted = draft_files(files, wish, show)
    product, mapping = write_folder(drafted, folder, is_forced=is_forced)
    _print_columns(drafted.draft)
    _print_doubts(drafted.draft)
    if is_renamed:
        click.echo(
            f"\nNamed {name}, because the book {name.removesuffix('_tape')} holds what comes in through the API."
        )
    _print_next(drafted.draft, product, mapping)


def _print_columns(draft: Draft) -> None:
    table = Table("column", "taken for", "missing", "different", "remark")
    for guess in draft.guesses[:_COLUMNS_SHOWN]:
        rows = draft.tape.rows
        missing = f"{rows - guess.told:,}" if guess.told or guess.use is Use.LEFT_OUT else ""
        table.add_row(
            _tell_column(guess),
            _tell_use(guess),
            missing,
            f"{guess.distinct:,}",
            textwrap.shorten(tidy(guess.why), _REMARK),
        )
    print_table(table)
    if len(draft.guesses) > _COLUMNS_SHOWN:
        click.echo(f"and {len(draft.guesses) - _COLUMNS_SHOWN:,} more: see the documents")


def _tell_column(guess: Guess) -> str:
    if guess.taking is None:
        return say(guess.column, but=60)[1:-1]
    return f"{guess.name} ({guess.taking.take} of {guess.taking.file})"


def _tell_use(guess: Guess) -> str:
    return str(guess.kind) if guess.use is Use.FACT else str(guess.use)


def _print_doubts(draft: Draft) -> None:
    doubts = list_doubts(draft)
    click.echo(f"\nTo check, by their numbers in the documents ({len(doubts)}):")
    width = len(str(len(doubts)))
    for doubt in doubts:
        shown = ", ".join(say(place, but=60)[1:-1] for place in doubt.places[:_PLACES_SHOWN])
        more = len(doubt.places) - _PLACES_SHOWN
        column = f"{shown} and {more} more: " if more > 0 else f"{shown}: " if shown else ""
        click.echo(f"{doubt.number:>{width}}. {column}{doubt.text}")


def _print_next(draft: Draft, product: Path, mapping: Path) -> None:
    """The commands that go on from here; where nothing tells which loans went bad, what has to be said first."""
    book = draft.wish.name
    tape, told, policy = (
        shlex.quote(str(path)) for path in (draft.tape.path, mapping, product.with_name("policy.toml"))
    )
    joined = "".join(f" --file {one.name}={shlex.quote(str(one.tape.path))}" for one in draft.joined)
    click.echo(f"\nWritten: {product} and {mapping}.")
    if draft.outcome is None or not draft.outcome.is_told:
        _print_outcome_missing(draft, product)
        if draft.outcome is None:
            return
    else:
        click.echo("Read and edit both, then:")
    for line in (
        f"tape import {tape} --product {shlex.quote(str(product))} --mapping {told}{joined}",
        f"train --book {book}",
        f"policy draft --book {book} --to {policy}",
        f"release make --book {book} --policy {policy} --activate --single-person",
        f"release example {book} --to application.json",
        "serve",
    ):
        click.echo(f"  instant-credit {line}")


def _print_outcome_missing(draft: Draft, product: Path) -> None:
    """How to say which loans went bad."""
    files = " ".join(shlex.quote(str(path)) for path in (draft.tape.path, *(one.tape.path for one in draft.joined)))
    outcome = draft.outcome
    column = "COLUMN" if outcome is None else shlex.quote(outcome.column)
    click.echo("Nothing can be learnt yet, because nothing tells which loans went bad. Draft again and name it:")
    again = f"tape draft {files} --outcome {column} --bad TEXT --name {draft.wish.name} --to {shlex.quote(str(product.parent))} --force"
    click.echo(f"  instant-credit {again}")
    if outcome is not None:
        texts = ", ".join(say(one.text, but=40) for one in outcome.texts)
        click.echo(f"where TEXT is one of {texts} (--bad once for each bad one).")
        click.echo("Or write the events in the mapping by hand. Once they are there and both documents are edited:")
    elif draft.candidates:
        click.echo(f"where COLUMN may be one of {', '.join(say(one, but=60) for one in draft.candidates)}.")


@contextmanager
def _shown_progress() -> Iterator[Callable[[str, int], None]]:
    """What is being read, on the terminal's error stream; nothing where there is no terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with shown_progress(*columns) as progress:
        task = progress.add_task("Reading", total=None)

        def show(name: str, rows: int) -> None:
            progress.update(task, description=f"Reading {name}: {rows:,} rows" if rows else f"Looking at the {name}")

        yield show
