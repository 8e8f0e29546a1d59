"""`instant-credit experiment read`, `memo` and `promote`: what an experiment tells, the memo of it, and the release that it may become."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from pathlib import Path
from typing import Final, TypeVar

import click
from rich.table import Table

from instant_credit.access.actors import Actor
from instant_credit.access.four_eyes import Signature
from instant_credit.canonical import encode_canonical
from instant_credit.commands.experiment_guard import guard
from instant_credit.commands.operators import by_option
from instant_credit.commands.release_life import terms_options, to_terms
from instant_credit.commands.tables import print_table
from instant_credit.experiment.comparing import Compared, MetricReading
from instant_credit.experiment.readout import Readout
from instant_credit.record.pool import Record, open_record
from instant_credit.record.release_life import ReleaseTerms
from instant_credit.settings import read_settings
from instant_credit.underwriting.experiment_promoting import promote as promote_arm
from instant_credit.underwriting.experiment_readouts import ReadoutDesk

T = TypeVar("T")

_EXPERIMENT: Final = click.argument("experiment", type=click.IntRange(1, 10**6), metavar="EXPERIMENT")
_UNTIL: Final = click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Last day (UTC) that is read; by default the last one that is frozen.",
)


def _run(work: Callable[[Record], Awaitable[T]]) -> T:
    async def run() -> T:
        async with open_record(read_settings(os.environ)) as record:
            return await work(record)

    return asyncio.run(run())


def _day(told: datetime | None) -> date | None:
    return None if told is None else told.date()


@click.command("read")
@click.argument("experiment", type=click.IntRange(1, 10**6), required=False)
@_UNTIL
@click.option("--json", "is_json", is_flag=True, help="Print JSON: every number of the memo.")
def read(*, experiment: int | None, until: datetime | None, is_json: bool) -> None:
    """Read an experiment out of what is frozen: its verdict, and what each metric tells. Without a number, what each one without a verdict says."""
    if experiment is None:
        if until is not None:
            raise click.UsageError("--until goes with the number of an experiment")
        _read_open(is_json=is_json)
        return
    readout = _run(lambda record: ReadoutDesk(record).read(experiment, _day(until)))
    if is_json:
        click.echo(encode_canonical(readout))
        return
    click.echo(f"{readout.verdict.words}\nRule: {readout.verdict.rule}.\n{readout.sampling.words}")
    print_table(_tabulate(readout))
    for finding in readout.guardrails:
        click.echo(f"{finding.arm}, {finding.guardrail}: {finding.words}.")
    for early in readout.early:
        click.echo(f"{early.arm}, early: {early.effect.words}")
    click.echo(f"Frozen until {readout.until or 'no day yet'}; readout {readout.hash}")


def _read_open(*, is_json: bool) -> None:
    """Print what every experiment without a verdict says."""
    told = _run(lambda record: ReadoutDesk(record).read_open())
    if is_json:
        click.echo(encode_canonical(told))
        return
    table = Table("experiment", "product", "name", "until", "ripe / exposed", "verdict")
    for one in told:
        verdict = one.verdict.kind if one.verdict.arm is None else f"{one.verdict.kind} {one.verdict.arm}"
        ripe = f"{one.ripe:,} / {one.exposed:,}"
        table.add_row(str(one.experiment), one.product, one.name, str(one.until or ""), ripe, verdict)
    print_table(table)


@click.command("memo")
@_EXPERIMENT
@_UNTIL
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for memo.html and memo.json; by default memo-EXPERIMENT here.",
)
def memo(*, experiment: int, until: datetime | None, out: Path | None) -> None:
    """Write the memo that is decided on: one page that loads nothing, and the same numbers as JSON beside it."""
    # Drawing is the workshop's, which reading does without.
    from instant_credit.training.memos.page import write_memo

    made = _run(lambda record: ReadoutDesk(record).write_memo(experiment, _day(until)))
    paths = write_memo(made, Path(f"memo-{experiment}") if out is None else out)
    click.echo(made.readout.verdict.words)
    click.echo(f"{paths.html}\n{paths.json}\nMemo {made.hash}")


@click.command("promote")
@_EXPERIMENT
@click.option("--arm", required=True, help="The arm that its readout promotes.")
@by_option
@terms_options
def promote(
    *,
    experiment: int,
    arm: str,
    actor: Actor,
    owner: str,
    tier: str,
    review_on: datetime,
    expires_on: datetime,
    allowed_use: str,
) -> None:
    """Propose the arm, laid over the live release, as a release, and conclude the experiment. Another person approves it; nothing goes live."""
    terms = to_terms(owner=owner, tier=tier, review_on=review_on, expires_on=expires_on, allowed_use=allowed_use)
    made = _run(lambda record: _promote(record, experiment, arm, terms, actor))
    click.echo(made)


async def _promote(record: Record, experiment: int, arm: str, terms: ReleaseTerms, actor: Actor) -> str:
    made = await promote_arm(record, experiment, arm, terms, Signature(actor=actor))
    release = made.release
    waits = "" if release.waiting is None else ", waits for a second person"
    return f"{release.release} of {release.product}: {release.state}, approval {release.approval}{waits}"


COMMANDS: Final = (read, memo, promote, guard)
"""Everything that is told of running experiments, and what may follow from it."""


def _tabulate(readout: Readout) -> Table:
    table = Table("metric", "arm", "ripe / exposed", "mean", "difference", "interval", "adjusted p", "found")
    for reading in readout.metrics:
        compared = {one.arm: one for one in reading.comparisons}
        for arm in reading.arms:
            cells = _tell(reading, compared[arm.arm]) if arm.arm in compared else ("", "", "", "")
            table.add_row(
                reading.name + (" (primary)" if reading.is_primary else ""),
                arm.arm,
                f"{arm.ripe:,} / {arm.exposed:,}",
                _value(reading, arm.mean),
                *cells,
            )
    return table


def _tell(reading: MetricReading, one: Compared) -> tuple[str, str, str, str]:
    if not one.is_enough:
        return "", "", "", "not enough yet"
    interval = f"{_value(reading, one.lower)} to {_value(reading, one.upper)}"
    return _value(reading, one.difference), interval, f"{one.p_adjusted:.3g}", "yes" if one.is_found else "no"


def _value(reading: MetricReading, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if reading.kind in ("loss", "profit") else f"{value:.3%}"
