"""`instant-credit experiment plan`, `start`, `ramp`, `stop`, `list`, `show`: the life of an experiment.

Whoever can run these commands can write any name behind `--by`; the record keeps what was told. Where that is not enough, experiments are
moved over HTTP, where each signature is an API key.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import click
import msgspec
from rich.table import Table

from instant_credit.access.actors import Actor
from instant_credit.access.four_eyes import Signature
from instant_credit.commands.documents import read_document
from instant_credit.commands.operators import by_option
from instant_credit.commands.release_life import reason_option
from instant_credit.commands.tables import print_table
from instant_credit.errors import NotFound, Refused
from instant_credit.record.experiments import Conclusion
from instant_credit.record.pool import open_record
from instant_credit.settings import read_settings
from instant_credit.underwriting.experiment_life import ExperimentDesk
from instant_credit.underwriting.experiment_resources import ExperimentStatus, ListedExperiment, ToldReach
from instant_credit.underwriting.experiment_states import ExperimentState
from instant_credit.units import PPM

T = TypeVar("T")

_EXPERIMENT: Final = click.argument("experiment", type=click.IntRange(1, 10**6), metavar="EXPERIMENT")
_SHARE: Final = click.IntRange(1, PPM)
_STATES: Final = click.Choice([one.value for one in ExperimentState])


def _ask(work: Callable[[ExperimentDesk], Awaitable[T]]) -> T:
    """What the desk tells. Raises Refused, with where to look, for an experiment that nobody planned."""

    async def run() -> T:
        async with open_record(read_settings(os.environ)) as record:
            return await work(ExperimentDesk(record))

    try:
        return asyncio.run(run())
    except NotFound as absent:
        if absent.kind != "experiment":
            raise
        raise Refused(
            f"no experiment {absent.name} is planned: `instant-credit experiment list` prints the numbers of all"
        ) from absent


def _move(make: Callable[[ExperimentDesk], Awaitable[ExperimentStatus]]) -> None:
    """Make a move and say where the experiment stands then."""
    status = _ask(make)
    told = f"Experiment {status.experiment}, {status.name} of {status.product}: {status.state}"
    if status.reach is not None:
        told += f", {status.coverage_ppm:,} ppm of buckets {_tell_reach(status.reach)} of layer {status.document.layer}"
    if status.state is ExperimentState.PLANNED:
        told += f", plan {status.plan}, waits for a second person to start it"
    click.echo(told)
    if status.state in (ExperimentState.PLANNED, ExperimentState.RUNNING):
        click.echo(status.schedule.words, err=True)


@click.command("plan")
@click.argument("document", metavar="FILE")
@by_option
def plan(*, document: str, actor: Actor) -> None:
    """Check the plan in FILE (TOML, or a shipped plan's name), record it and give it a number; another person starts it.

    The plan is locked by its hash: a changed one needs another name. The same plan again changes nothing and tells its number.
    """
    text = read_document("plans", document)
    _move(lambda desk: desk.plan(text, Signature(actor=actor)))


@click.command("start")
@_EXPERIMENT
@by_option
@click.option(
    "--coverage",
    "coverage_ppm",
    type=_SHARE,
    metavar="PPM",
    default=PPM,
    show_default=True,
    help="Part of its buckets that is exposed, in millionths; ramp it up later.",
)
@click.option(
    "--reach",
    "reach_ppm",
    type=_SHARE,
    metavar="PPM",
    default=PPM,
    show_default=True,
    help="Buckets of its layer that it claims, in millionths; the first free range so wide.",
)
@click.option(
    "--single-person",
    "is_single_person",
    is_flag=True,
    help="Start what you planned yourself, where there is nobody else: its start says so.",
)
def start(*, experiment: int, actor: Actor, coverage_ppm: int, reach_ppm: int, is_single_person: bool) -> None:
    """Start a planned experiment, as another person than planned it. Servers notice within about a second.

    Its plan, layers and releases are checked anew. It starts once: after a stop, plan another one.
    """
    if is_single_person:
        click.echo(
            "One person plans and starts this experiment: nobody else looks at it, and its record says so.", err=True
        )
    by = Signature(actor=actor)
    _move(lambda desk: desk.start(experiment, coverage_ppm, reach_ppm, by, is_single_person=is_single_person))


@click.command("ramp")
@_EXPERIMENT
@by_option
@click.option(
    "--coverage",
    "coverage_ppm",
    type=_SHARE,
    metavar="PPM",
    required=True,
    help="Part of its buckets that is exposed from now on, in millionths; it only grows.",
)
def ramp(*, experiment: int, actor: Actor, coverage_ppm: int) -> None:
    """Expose more of a running experiment's buckets; whoever is in stays in, and in the same arm."""
    _move(lambda desk: desk.ramp(experiment, coverage_ppm, Signature(actor=actor)))


@click.command("stop")
@_EXPERIMENT
@by_option
@reason_option("Why.")
def stop(*, experiment: int, actor: Actor, reason: str) -> None:
    """Expose nobody any more, for good; its buckets are free again, and whoever was exposed ripens and is read out."""
    _move(lambda desk: desk.stop(experiment, Signature(actor=actor), reason))


@click.command("conclude")
@_EXPERIMENT
@by_option
@click.option(
    "--verdict",
    type=click.Choice([Conclusion.KEEP.value, Conclusion.EXTEND.value]),
    required=True,
    help="keep the live release, or extend: another plan goes on with the question. `experiment promote` says the third.",
)
@reason_option("Why; what `experiment memo` says.")
def conclude(*, experiment: int, actor: Actor, verdict: str, reason: str) -> None:
    """End an experiment that promotes nothing: nobody is exposed any more, and nothing more is frozen of it."""
    _move(lambda desk: desk.conclude(experiment, Conclusion(verdict), Signature(actor=actor), reason))


@click.command("list")
@click.option("--product", help="Only those of this product.")
@click.option("--state", type=_STATES, help="Only those that stand so.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
def show_all(*, product: str | None, state: str | None, is_json: bool) -> None:
    """List the newest experiments, oldest first, and where each stands."""
    wanted = None if state is None else ExperimentState(state)
    found = _ask(lambda desk: desk.list_experiments(product, wanted))
    if is_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    if not found.experiments:
        click.echo("No such experiment is planned: plan one with instant-credit experiment plan.")
        return
    table = Table(
        "experiment",
        "product",
        "name",
        "layer",
        "state",
        "buckets",
        "coverage ppm",
        "closed arms",
        "started",
        "verdict",
    )
    for one in found.experiments:
        table.add_row(*_tell_row(one))
    print_table(table)


@click.command("show")
@_EXPERIMENT
def show(*, experiment: int) -> None:
    """Print an experiment as JSON: its plan, where it stands, how long it takes, and who did what to it."""
    status = _ask(lambda desk: desk.read(experiment))
    click.echo(msgspec.json.format(msgspec.json.encode(status), indent=2).decode())


def _tell_row(one: ListedExperiment) -> tuple[str, ...]:
    return (
        str(one.experiment),
        one.product,
        one.name,
        one.layer,
        one.state,
        "" if one.reach is None else _tell_reach(one.reach),
        "" if one.reach is None else f"{one.coverage_ppm:,}",
        ", ".join(one.closed_arms),
        "" if one.started_at is None else f"{one.started_at:%Y-%m-%dT%H:%M:%SZ}",
        one.verdict or "",
    )


def _tell_reach(reach: ToldReach) -> str:
    """The range of buckets, its end left out of it."""
    return f"{reach.from_ppm:,} to {reach.to_ppm:,}"


LIFE: Final = (plan, start, ramp, stop, conclude, show_all, show)
