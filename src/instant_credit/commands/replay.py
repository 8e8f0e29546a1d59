"""`instant-credit replay`: decides recorded Cases again and compares bytes."""

import asyncio
import os
import sys

import click
from rich.console import Console

from instant_credit.record.pool import open_record
from instant_credit.settings import Settings, read_settings
from instant_credit.underwriting.replay import ReplaySummary
from instant_credit.underwriting.replay import replay as replay_book


@click.command()
@click.option("--book", help="Replay this book only; default: every book.")
def replay(book: str | None) -> None:
    """Decide recorded Cases again, each under its Decision's own release, and compare the bytes.

    Ends with status 1 when any Decision comes out different. Cases of erased persons can't be opened and are counted apart.
    """
    summary = asyncio.run(_replay(read_settings(os.environ), book))
    decided = summary.equal + summary.different
    share = f" ({100 * summary.equal / decided:.2f}% equal)" if decided else ""
    click.echo(
        f"Replayed {decided:,} Decisions: {summary.equal:,} equal, {summary.different:,} different{share}; "
        f"{summary.erased:,} erased, {summary.undecided:,} Cases never decided"
    )
    if not summary.is_faithful:
        click.echo("Different Decisions (the first ones): " + ", ".join(summary.different_ids), err=True)
        sys.exit(1)


async def _replay(settings: Settings, book: str | None) -> ReplaySummary:
    console = Console(stderr=True)
    with console.status("Replaying") as status:

        def show(summary: ReplaySummary) -> None:
            status.update(f"Replaying: {summary.equal:,} equal, {summary.different:,} different")

        async with open_record(settings) as record:
            return await replay_book(record, book, show)
