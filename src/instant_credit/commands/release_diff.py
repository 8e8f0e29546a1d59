"""`instant-credit release diff`: what changed between two releases, and who would be decided otherwise."""

import asyncio
import os
from typing import Final

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from instant_credit.commands.release_life import require_release
from instant_credit.commands.tables import print_table
from instant_credit.record.pool import open_record
from instant_credit.settings import read_settings
from instant_credit.underwriting.course import BOOK
from instant_credit.underwriting.release_diff import CASES_MAX, ReleaseDiff, diff_releases

_IDS_SHOWN: Final = 20


@click.command("diff")
@click.argument("before", metavar="RELEASE_HASH")
@click.argument("after", metavar="OTHER_HASH")
@click.option(
    "--last",
    type=click.IntRange(0, CASES_MAX),
    default=1_000,
    show_default=True,
    help="Decide so many of the Cases recorded last by both.",
)
@click.option("--book", default=BOOK, show_default=True, help="Book whose Cases are decided.")
@click.option(
    "--json", "is_json", is_flag=True, help="Print JSON, with the ids of the Cases that are decided otherwise."
)
def diff(*, before: str, after: str, last: int, book: str, is_json: bool) -> None:
    """Say in words what changes from one release to another, and who of the Cases recorded last would be decided otherwise.

    Nothing is recorded and no release is moved. Cases of erased persons can't be opened, and those with other columns fit neither; both are
    counted apart.
    """
    found = asyncio.run(_diff(before, after, last, book))
    if is_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    click.echo(f"{before} -> {after}, both of {found.product}")
    for change in found.changes or ("nothing: it is one release",):
        click.echo(f"- {change}")
    if last:
        _print_cases(found)


async def _diff(before: str, after: str, last: int, book: str) -> ReleaseDiff:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("Deciding by both", total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        async with open_record(read_settings(os.environ)) as record:
            for one in (before, after):
                await require_release(record, one)
            return await diff_releases(record, before, after, last=last, book=book, progress=show)


def _print_cases(found: ReleaseDiff) -> None:
    click.echo(
        f"\n{found.cases:,} Cases of book {found.book} decided by both: {found.moved_total:,} otherwise, {found.terms_differ:,} of them in "
        f"terms alone; {found.erased:,} erased, {found.other_columns:,} with other columns"
    )
    if not found.cases:
        return
    outcomes = Table("before", "after", "Cases", "share")
    for pair in found.outcomes:
        outcomes.add_row(pair.before, pair.after, f"{pair.cases:,}", f"{100 * pair.cases / found.cases:.1f}%")
    print_table(outcomes)
    if found.reasons:
        reasons = Table("reason", "before", "after", "change")
        for reason in found.reasons:
            reasons.add_row(
                reason.code, f"{reason.before:,}", f"{reason.after:,}", f"{reason.after - reason.before:+,}"
            )
        print_table(reasons)
    for one in found.moved[:_IDS_SHOWN]:
        click.echo(f"{one.case_id}  {one.before} -> {one.after}")
    if found.moved_total > _IDS_SHOWN:
        click.echo(f"and {found.moved_total - _IDS_SHOWN:,} more: --json lists them")
