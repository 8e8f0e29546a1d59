"""`instant-credit key-ring`: shows, adds, rotates and retires master keys while servers run."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from instant_credit.commands.bars import shown_progress
from instant_credit.commands.key import ACTOR
from instant_credit.commands.running import run_stoppable
from instant_credit.commands.tables import print_table
from instant_credit.record.owning import open_owner
from instant_credit.record.pool import open_record
from instant_credit.record.rings import add_master_key, turn_ring
from instant_credit.record.rotating import count_wrapped, note_current, retire_former, rewrap_keys
from instant_credit.settings import Settings, read_settings

_LEFT = "the ring and every data key are whole; the same command goes on"


@click.group("key-ring")
def key_ring() -> None:
    """Show, add, rotate and retire the master keys that wrap persons' data keys."""


@key_ring.command("list")
def list_command() -> None:
    """List the master keys of the ring, the oldest first, and how many data keys each wraps."""

    async def run() -> Table:
        settings = read_settings(os.environ)
        async with open_record(settings) as record, open_owner(settings) as owner:
            wrapped = dict(await count_wrapped(owner))
        table = Table("master key", "current", "data keys")
        for name in record.key_ring.master_key_ids:
            is_current = "yes" if name == record.key_ring.current else ""
            table.add_row(name, is_current, f"{wrapped.pop(name, 0):,}")
        for name, count in wrapped.items():
            table.add_row(name, "not in this ring", f"{count:,}")
        return table

    print_table(run_stoppable(run(), left=_LEFT))


@key_ring.command("add")
def add_command() -> None:
    """Add a master key that opens and does not wrap yet.

    Where servers on several hosts use copies of the ring: add, copy the file to every host, then rotate.
    """

    async def run() -> str:
        settings = read_settings(os.environ)
        async with open_record(settings):
            return add_master_key(settings.key_ring)

    click.echo(
        f"added master key {run_stoppable(run(), left=_LEFT)}: `instant-credit key-ring rotate` makes it current"
    )


@key_ring.command("rotate")
def rotate_command() -> None:
    """Make another master key current, and wrap every data key anew by it, while servers run.

    Takes the master key that was added last, or makes one. Stopped half-way, the same command finishes this rotation.
    """
    click.echo(run_stoppable(_rotate(read_settings(os.environ)), left=_LEFT))


async def _rotate(settings: Settings) -> str:
    async with open_record(settings) as record, open_owner(settings) as owner:
        ring = record.key_ring
        wrapped = await count_wrapped(owner)
        if any(name != ring.current and count for name, count in wrapped.items()):
            told = f"The last rotation was not finished: master key {ring.current} stays current"
        else:
            told = f"Master key {turn_ring(settings.key_ring)} is current"
        await note_current(record, owner, ACTOR)
        former = sum(count for name, count in wrapped.items() if name != ring.current)
        with _shown_progress(former) as show:
            done = await rewrap_keys(record, owner, show)
    return f"{told}; {done:,} data keys wrapped anew. Copy the ring to where its copies are kept."


@key_ring.command("retire")
def retire_command() -> None:
    """Take every master key older than the current one out of the ring, for good, once it wraps nothing.

    Backups of data keys that were made before the rotation open with a copy of the ring of that time only.
    """

    async def run() -> tuple[str, ...]:
        settings = read_settings(os.environ)
        async with open_record(settings) as record, open_owner(settings) as owner:
            return await retire_former(record, owner, settings, ACTOR)

    retired = run_stoppable(run(), left=_LEFT)
    click.echo(
        f"retired {', '.join(retired)}" if retired else "nothing to retire: no master key is older than the current one"
    )


@contextmanager
def _shown_progress(total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on the terminal's error stream; nothing where there is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with shown_progress(*columns) as progress:
        task = progress.add_task("Wrapping data keys", total=total)
        yield lambda count: progress.advance(task, count)
