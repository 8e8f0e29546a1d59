"""`instant-credit experiment freeze`: the days of experiments that are over become the sums that readouts are made of."""

import os
from datetime import datetime
from typing import Final

import click
from rich.console import Console

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.commands.running import run_stoppable
from instant_credit.record.pool import open_record
from instant_credit.review.freezing import FreezeRun, freeze_experiments
from instant_credit.settings import read_settings

ACTOR: Final = Actor(kind=ActorKind.JOB, id="command-line")


@click.command("freeze")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Last day (UTC) that is frozen; by default the last one that is over.",
)
def freeze(*, until: datetime | None) -> None:
    """Freeze the days that are over of every experiment that runs, or was stopped and has no verdict: what was exposed, and what became ripe.

    It may be run as often as one likes, by several at once, and stopped at any time: what is frozen is not frozen again.
    """

    async def run() -> FreezeRun:
        async with open_record(read_settings(os.environ)) as record:
            with Console(stderr=True).status("Freezing") as status:
                return await freeze_experiments(
                    record,
                    ACTOR,
                    until=None if until is None else until.date(),
                    progress=lambda done, due: status.update(f"Freezing: {done:,} of {due:,} days of experiments"),
                )

    frozen = run_stoppable(run(), left="what is frozen stands, and the same command goes on from there")
    click.echo(f"Froze {frozen.days:,} days of {frozen.experiments:,} experiments, until {frozen.until}")


COMMANDS: Final = (freeze,)
