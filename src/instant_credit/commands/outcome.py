"""`instant-credit outcome`: takes in files of what borrowers did, and looks after what was not taken."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.purposes import TOLD_PURPOSES, Reading, ReadPurpose
from instant_credit.commands.operators import by_option
from instant_credit.commands.running import run_stoppable
from instant_credit.commands.tables import print_table
from instant_credit.errors import Refused
from instant_credit.record.pool import open_record
from instant_credit.record.quarantine import OpenedLine, QuarantinedLine, end_quarantine, open_quarantined
from instant_credit.record.reads import iterate_cases
from instant_credit.settings import read_settings
from instant_credit.underwriting.outcome_files import (
    FileFormat,
    IngestSummary,
    OutcomeFile,
    Retried,
    guess_format,
    ingest_file,
    iterate_quarantined,
    retry_quarantined,
)

ACTOR: Final = Actor(kind=ActorKind.JOB, id="outcome-ingest")

_LEFT: Final = "what was recorded is whole and stays; the same command records the rest"


@click.group()
def outcome() -> None:
    """Take in what borrowers did, and look after what was not taken."""


@outcome.command("ingest")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format_name",
    type=click.Choice([one.value for one in FileFormat]),
    help="What its lines are; default: what its name tells.",
)
@click.option("--book", help="Book in which account numbers are looked for; Metro 2 needs it.")
def ingest_command(file: Path, format_name: str | None, book: str | None) -> None:
    """Record the events of FILE (ndjson, csv or metro2, plain or .gz).

    The same file again changes nothing. Lines that can't be taken go into quarantine, each with its reason.
    """
    asked = OutcomeFile(path=file, format=FileFormat(format_name) if format_name else guess_format(file), book=book)

    async def run() -> tuple[IngestSummary, float]:
        async with open_record(read_settings(os.environ)) as record:
            if book is not None and await anext(iterate_cases(record, book, with_events=False, chunk=1), None) is None:
                raise Refused(
                    f"book {book} holds no Case: name the one that the loans are in (`instant-credit book list`)"
                )
            started_ns = record.clock.monotonic_ns()
            with _shown_progress(file.name) as show:
                summary = await ingest_file(record, asked, ACTOR, show)
            return summary, (record.clock.monotonic_ns() - started_ns) / 1e9

    summary, seconds = run_stoppable(run(), left=_LEFT)
    click.echo(
        f"{summary.lines:,} lines = {summary.recorded:,} recorded + {summary.recorded_before:,} recorded before "
        f"+ {summary.quarantined:,} in quarantine ({seconds:.1f} s, {summary.lines / seconds:,.0f} lines/s)"
    )
    for code, count in summary.reasons.items():
        click.echo(f"{code}: {count:,}")
    if summary.first is not None:
        click.echo(f"The first one is line {summary.first.line}: {summary.first.message}.")
        click.echo("All of them: instant-credit outcome quarantine list")


@contextmanager
def _shown_progress(name: str) -> Iterator[Callable[[IngestSummary], None]]:
    """A progress bar on the terminal's error stream; nothing where there is no terminal."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"Taking in {name}", total=None, told="")

        def show(summary: IngestSummary) -> None:
            told = f"{summary.recorded:,} recorded, {summary.recorded_before:,} before, {summary.quarantined:,} in quarantine"
            progress.update(task, completed=summary.bytes_read, total=summary.bytes_total, told=told)

        yield show


@outcome.group("quarantine")
def quarantine() -> None:
    """List, show, retry and dismiss lines that were not taken."""


@quarantine.command("list")
@click.option("--test", "is_test", is_flag=True, help="Those that were sent with keys for tests.")
def list_command(*, is_test: bool) -> None:
    """List the lines in quarantine with their reasons, nothing of what they say."""

    async def run() -> list[QuarantinedLine]:
        async with open_record(read_settings(os.environ)) as record:
            return await iterate_quarantined(record, is_test=is_test)

    lines = run_stoppable(run(), left=_LEFT)
    if not lines:
        click.echo("Nothing is in quarantine.")
        return
    table = Table("id", "came", "from", "line", "application", "code", "message")
    for line in lines:
        came = f"{line.recorded_at:%Y-%m-%d %H:%M}"
        origin = f"{line.origin.source} {line.origin.format}"
        named = "" if line.case_id is None else str(line.case_id)
        table.add_row(str(line.quarantine_id), came, origin, f"{line.line}", named, line.code, line.message)
    print_table(table)


@quarantine.command("show")
@click.argument("quarantine_id")
@by_option
@click.option(
    "--purpose",
    type=click.Choice([purpose.value for purpose in TOLD_PURPOSES]),
    default=ReadPurpose.REVIEW.value,
    show_default=True,
    help="What it is read for, as it is written down.",
)
def show_command(quarantine_id: str, actor: Actor, purpose: str) -> None:
    """Show the line QUARANTINE_ID as it came, in the clear; that it was read is written down where a person is known."""
    named = _read_id(quarantine_id)
    reading = Reading(actor=actor, purpose=ReadPurpose(purpose))

    async def run() -> OpenedLine:
        async with open_record(read_settings(os.environ)) as record:
            return await open_quarantined(record, named, reading)

    opened = run_stoppable(run(), left=_LEFT)
    state = "in quarantine" if opened.ended is None else opened.ended
    click.echo(f"{opened.told.code}: {opened.told.message} (line {opened.told.line}, {state})", err=True)
    if opened.raw is None:
        raise Refused("the line can't be read any more: its person was erased")
    click.echo(opened.raw.decode("utf-8", "backslashreplace"))


@quarantine.command("retry")
@click.argument("quarantine_ids", nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="Every line in quarantine but those of tests.")
def retry_command(quarantine_ids: tuple[str, ...], *, is_all: bool) -> None:
    """Take lines in again, those of QUARANTINE_IDS or all; what is recorded then leaves the quarantine."""
    if bool(quarantine_ids) == is_all:
        raise Refused("give the ids of lines, or --all")
    named = [_read_id(one) for one in quarantine_ids]

    async def run() -> list[Retried]:
        async with open_record(read_settings(os.environ)) as record:
            wanted = [line.quarantine_id for line in await iterate_quarantined(record)] if is_all else named
            return [await retry_quarantined(record, one, ACTOR) for one in wanted]

    retried = run_stoppable(run(), left=_LEFT)
    refused = [one for one in retried if one.code is not None]
    click.echo(f"{len(retried) - len(refused):,} recorded, {len(refused):,} still in quarantine")
    for one in refused:
        click.echo(f"{one.quarantine_id} {one.code}: {one.message}")


@quarantine.command("dismiss")
@click.argument("quarantine_id")
@by_option
def dismiss_command(quarantine_id: str, actor: Actor) -> None:
    """Take the line QUARANTINE_ID out of the quarantine without recording it; it stays sealed in the record."""
    named = _read_id(quarantine_id)

    async def run() -> None:
        async with open_record(read_settings(os.environ)) as record:
            await end_quarantine(record, named, "dismissed", actor)

    run_stoppable(run(), left=_LEFT)
    click.echo(f"dismissed {named}")


def _read_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Refused("a line in quarantine is named by the id that `outcome quarantine list` shows") from None
