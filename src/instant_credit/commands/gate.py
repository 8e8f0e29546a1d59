"""`instant-credit gate judge`, `show`, `waive`, `approve`: whether a candidate model may go on, and who waived what."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature
from instant_credit.commands.documents import (
    find_losses,
    find_model,
    model_option,
    read_document,
    refuse_future,
    require_folder,
    write_file,
)
from instant_credit.commands.operators import by_option
from instant_credit.commands.running import run_stoppable
from instant_credit.commands.tables import print_table
from instant_credit.decision.gate_report import NEVER_WAIVED, Gate, GateReport, Standing, Waiver, find_standing
from instant_credit.errors import NotFound, Refused
from instant_credit.outcome.losses import LossTable, decode_losses
from instant_credit.policy.document import read_policy
from instant_credit.record.documents import get_document
from instant_credit.record.pool import Record, open_record
from instant_credit.record.waivers import (
    approve_waiver,
    list_waivers,
    propose_waiver,
    read_gate_report,
    read_waiver,
)
from instant_credit.settings import read_settings
from instant_credit.underwriting.releases import live_releases

ACTOR: Final = Actor(kind=ActorKind.JOB, id="gate")
LIVE: Final = "live"
NOBODY: Final = "none"

_LEFT: Final = "no report was recorded; the same command may be given again"


@click.group()
def gate() -> None:
    """Judge a candidate model; show its report and cards; waive a gate, by two persons."""


@gate.command("judge")
@click.option("--book", required=True, help="Book to judge over (see `book list`).")
@model_option
@click.option(
    "--champion",
    "champion_told",
    default=LIVE,
    show_default=True,
    metavar="RELEASE",
    help=f"Release to judge against: its hash, `{LIVE}` for the live one of the model's product, or `{NOBODY}` for absolute floors.",
)
@click.option(
    "--thresholds", "thresholds_name", default="standard", show_default=True, help="A shipped name or a TOML file."
)
@click.option(
    "--policy",
    "policy_name",
    help="Policy under which Cases are decided again where there is no champion: a shipped name or a TOML file.",
)
@click.option(
    "--losses",
    "losses_hash",
    metavar="HASH",
    help="Recorded loss table that tells what bad loans lose where there is no champion, whose release tells it otherwise.",
)
@click.option(
    "--test-from",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Judge loans and Cases from this day on; default: as the model's training tested.",
)
@click.option(
    "--known-on",
    type=click.DateTime(["%Y-%m-%d"]),
    callback=refuse_future,
    help="Take labels as they were known on this day; default: today.",
)
def judge(
    *,
    book: str,
    model_hash: str,
    champion_told: str,
    thresholds_name: str,
    policy_name: str | None,
    losses_hash: str | None,
    test_from: datetime | None,
    known_on: datetime | None,
) -> None:
    """Judge a candidate model over a book's loans and Cases, and print what each gate says.

    The report is kept as a document, whose hash is printed. It ends with status 1 when a gate stops the candidate.
    """
    from instant_credit.training.gates.gathering import Filed, Wanted, judge_recorded
    from instant_credit.training.gates.thresholds import read_thresholds

    thresholds = read_thresholds(read_document("gates", thresholds_name))
    policy = None if policy_name is None else read_policy(read_document("policies", policy_name))

    async def run() -> Filed:
        async with open_record(read_settings(os.environ)) as record:
            model = await find_model(record, model_hash, book)
            wanted = Wanted(
                book=book,
                model_hash=model,
                champion_release=await _find_champion(record, model, champion_told),
                policy=policy,
                losses=None if losses_hash is None else await _read_losses(record, losses_hash),
                test_from=None if test_from is None else test_from.date(),
                known_on=(datetime.now(UTC) if known_on is None else known_on).date(),
            )
            with _showing_progress() as progress:
                return await judge_recorded(record, wanted, thresholds=thresholds, actor=ACTOR, progress=progress)

    filed = run_stoppable(run(), left=_LEFT)
    _print_report(filed.report, None)
    click.echo(f"Report: {filed.report_hash}")
    if not filed.report.passes:
        raise SystemExit(1)


@gate.command("show")
@click.argument("report_hash", metavar="REPORT")
@click.option(
    "--as",
    "form",
    type=click.Choice(["table", "markdown", "html"]),
    default="table",
    show_default=True,
    help="The table of verdicts, or a card as Markdown or HTML.",
)
@click.option(
    "--card",
    type=click.Choice(["validation", "model", "data"]),
    default="validation",
    show_default=True,
    help="Which card, where it is not the table.",
)
@click.option("--to", "path", type=click.Path(path_type=Path, dir_okay=False), help="File; default: standard output.")
def show(*, report_hash: str, form: str, card: str, path: Path | None) -> None:
    """Show a recorded report with the waivers that stand, or a card that is generated out of it."""
    require_folder(path)
    if form == "table":
        if path is not None:
            raise Refused("--to takes a card: give --as markdown or --as html with it")
        report, standing, waivers = asyncio.run(_read(report_hash))
        _print_report(report, standing)
        _print_waivers(waivers)
        return
    text = asyncio.run(_write_card(report_hash, card, is_html=form == "html"))
    if path is None:
        click.echo(text, nl=False)
    else:
        write_file(path, text)
        click.echo(f"Written: {path}")


@gate.command("waive")
@click.argument("report_hash", metavar="REPORT")
@click.option(
    "--gate",
    "gate_name",
    required=True,
    type=click.Choice([one.value for one in Gate if one not in NEVER_WAIVED]),
    help=f"Gate to waive; {' and '.join(sorted(NEVER_WAIVED))} never are.",
)
@click.option("--reason", required=True, help="Why, about the model; it names nobody.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), required=True, help="Last day on which it counts (UTC).")
@by_option
def waive(*, report_hash: str, gate_name: str, reason: str, until: datetime, actor: Actor) -> None:
    """Propose to waive a gate that stops a candidate. It counts once a second person approves it (`gate approve`)."""

    async def run() -> UUID:
        async with open_record(read_settings(os.environ)) as record:
            await _require_report(record, report_hash)
            return await propose_waiver(
                record, report_hash, Gate(gate_name), reason=reason, until_on=until.date(), by=Signature(actor=actor)
            )

    click.echo(
        f"Proposed; it counts once a second person approves it: instant-credit gate approve {asyncio.run(run())} --by ID"
    )


@gate.command("approve")
@click.argument("waiver_id", metavar="WAIVER", type=click.UUID)
@by_option
def approve(*, waiver_id: UUID, actor: Actor) -> None:
    """Approve a waiver that somebody else proposed."""

    async def run() -> tuple[Waiver, Standing]:
        async with open_record(read_settings(os.environ)) as record:
            await read_waiver(record, waiver_id)
            waiver = await approve_waiver(record, waiver_id, Signature(actor=actor))
            report = await read_gate_report(record, waiver.report_hash)
            waivers = await list_waivers(record, waiver.report_hash)
            return waiver, find_standing(waiver.report_hash, report, waivers, record.clock.now())

    waiver, standing = asyncio.run(run())
    still = (
        "no gate stops the candidate now" if standing.passes else f"still stopped by {', '.join(standing.stopped_by)}"
    )
    click.echo(f"Gate {waiver.gate} is waived until {waiver.until_on}; {still}.")


async def _find_champion(record: Record, model_hash: str, told: str) -> str | None:
    """Hash of the release that the command line names."""
    from instant_credit.application.document import decode_product
    from instant_credit.score.bundle import decode_bundle

    if told == NOBODY:
        return None
    if told != LIVE:
        return told
    product_hash = decode_bundle(await get_document(record, model_hash)).product_hash
    name = decode_product(await get_document(record, product_hash)).name
    live = await live_releases(record)
    if name not in live:
        raise Refused(f"no release of {name} is live: judge against absolute floors with --champion {NOBODY}")
    return live[name]


async def _read_losses(record: Record, told: str) -> LossTable:
    return decode_losses(await get_document(record, await find_losses(record, told)))


async def _read(report_hash: str) -> tuple[GateReport, Standing, tuple[Waiver, ...]]:
    async with open_record(read_settings(os.environ)) as record:
        report = await _require_report(record, report_hash)
        waivers = await list_waivers(record, report_hash)
        return report, find_standing(report_hash, report, waivers, record.clock.now()), waivers


async def _require_report(record: Record, report_hash: str) -> GateReport:
    try:
        return await read_gate_report(record, report_hash)
    except NotFound as missing:
        raise Refused(
            f"no gate report {report_hash} is recorded: give the hash that `instant-credit gate judge` printed"
        ) from missing


async def _write_card(report_hash: str, name: str, *, is_html: bool) -> str:
    from instant_credit.training.cards.making import read_cards
    from instant_credit.training.cards.pages import render_html, render_markdown

    async with open_record(read_settings(os.environ)) as record:
        await _require_report(record, report_hash)
        card = (await read_cards(record, report_hash))[name]
    return render_html(card) if is_html else render_markdown(card)


def _print_report(report: GateReport, standing: Standing | None) -> None:
    table = Table("gate", "verdict", "in words")
    waived = set() if standing is None else {one.gate for one in standing.waivers}
    for one in report.results:
        verdict = one.verdict.value.replace("_", " ") + (" (waived)" if one.gate in waived else "")
        table.add_row(one.gate.value, verdict, one.sentence)
    print_table(table)
    stopped = report.stopped_by if standing is None else standing.stopped_by
    against = "absolute floors" if report.champion_hash is None else f"champion {report.champion_hash[:12]}"
    head = f"Candidate {report.candidate_hash[:12]} against {against}, loans from {report.test_from} on as known on {report.known_on}"
    click.echo(f"{head}: {'every gate lets it pass' if not stopped else 'stopped by ' + ', '.join(stopped)}.")


def _print_waivers(waivers: tuple[Waiver, ...]) -> None:
    if not waivers:
        return
    table = Table("waiver", "gate", "until", "proposed by", "approved by", "reason")
    for one in waivers:
        approver = "" if one.approved_by is None else one.approved_by.id
        table.add_row(one.waiver_id, one.gate.value, str(one.until_on), one.proposed_by.id, approver, one.reason)
    print_table(table)


@contextmanager
def _showing_progress() -> Iterator["_Shown"]:
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        yield _Shown(bar)


class _Shown:
    """Tells the stage, and how many of it were read, on one line."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("judge", total=None)

    def __call__(self, stage: str, done: int) -> None:
        self._bar.update(self._task, description=f"{stage} {done:,}" if done else stage)
