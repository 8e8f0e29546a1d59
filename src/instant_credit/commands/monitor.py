"""`instant-credit monitor reference`, `run`, `show`, `alerts`: drift, calibration and alerts over the Cases that were decided."""

import os
from datetime import date, datetime
from typing import Final

import click
import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.commands.documents import read_document
from instant_credit.commands.running import run_stoppable
from instant_credit.commands.tables import print_table
from instant_credit.errors import Refused
from instant_credit.outcome.alerts import AlertEvent, load_rules
from instant_credit.outcome.definition import load_definition
from instant_credit.outcome.measures import Measurement
from instant_credit.record.pool import Record, open_record
from instant_credit.record.sketches import list_alert_events, list_latest_windows, list_windows
from instant_credit.review.references import Reference, fix_reference
from instant_credit.review.sketching import SketchRun, sketch_book
from instant_credit.review.windows import JudgedWindow, WindowReport, decode_report, judge_book
from instant_credit.settings import read_settings
from instant_credit.underwriting.course import BOOK
from instant_credit.underwriting.releases import live_releases

ACTOR: Final = Actor(kind=ActorKind.JOB, id="command-line")
STANDARD: Final = "standard"
WINDOWS_MAX: Final = 520
EVENTS_MAX: Final = 10_000
_LEFT: Final = "what is written stands, and the same command goes on from there"

_BOOK = click.option("--book", default=BOOK, show_default=True, help="Book whose decided Cases are looked at.")
_PRODUCT = click.option("--product", "product_name", help="Product; default: every one that is monitored.")
_JSON = click.option("--json", "is_json", is_flag=True, help="Print JSON.")
_DAY = click.DateTime(["%Y-%m-%d"])


class AlertLine(Struct, frozen=True, kw_only=True):
    """An alert opened or closed, as it is printed in JSON."""

    product: str
    last_on: date
    event: AlertEvent
    recorded_at: datetime


@click.group()
def monitor() -> None:
    """Watch what is decided: drift, missing values, approvals, reasons, calibration, AUC, alerts."""


@monitor.command("reference")
@click.option("--book", required=True, help="Book whose Cases are the reference population.")
@click.option(
    "--product", "product_name", help="Product whose live release is monitored; needed when several are live."
)
@click.option("--release", "release_hash", help="Another release's hash, in place of the live one.")
@click.option("--from", "first_on", type=_DAY, help="Cases as of this day and later ones only.")
@click.option("--to", "last_on", type=_DAY, help="Cases as of this day and earlier ones only.")
def make_reference(
    book: str,
    product_name: str | None,
    release_hash: str | None,
    first_on: datetime | None,
    last_on: datetime | None,
) -> None:
    """Fix what a release's Cases are compared with: recorded Cases of a book, as the release decides them. Prints the hash."""

    async def run() -> Reference:
        async with open_record(read_settings(os.environ)) as record:
            chosen = release_hash or await _find_live(record, product_name)
            with Console(stderr=True).status("Counting") as status:
                return await fix_reference(
                    record,
                    chosen,
                    book=book,
                    actor=ACTOR,
                    first_on=date.min if first_on is None else first_on.date(),
                    last_on=date.max if last_on is None else last_on.date(),
                    progress=lambda cases: status.update(f"Counting: {cases:,} Cases read"),
                )

    found = run_stoppable(run(), left="nothing was written")
    click.echo(f"Reference of release {found.reference.release_hash}: {found.reference.definition}", err=True)
    click.echo(found.reference_hash)


@monitor.command("run")
@_BOOK
@click.option(
    "--rules", "rules_name", default=STANDARD, show_default=True, help="Alert rules: a shipped name or a file."
)
@click.option(
    "--labels",
    "labels_name",
    help="Label ripe loans by this definition: a shipped name or a TOML file (docs/labels.md); default: as each release's model was trained.",
)
@click.option(
    "--since", type=_DAY, help="Sketch days from this one on that gained Cases; default: the last five weeks."
)
def run_all(book: str, rules_name: str, labels_name: str | None, since: datetime | None) -> None:
    """Sketch the days that are over and judge the windows that are complete.

    It may be run as often as one likes, by several at once, and stopped at any time: what is done is not done again.
    """
    rules = load_rules(read_document("alerts", rules_name))
    definition = None if labels_name is None else load_definition(read_document("labels", labels_name))

    async def run() -> tuple[SketchRun, tuple[JudgedWindow, ...]]:
        async with open_record(read_settings(os.environ)) as record:
            with Console(stderr=True).status("Sketching") as status:

                def show(done: SketchRun) -> None:
                    status.update(f"Sketching: {done.days:,} days, {done.cases:,} Cases")

                day = None if since is None else since.date()
                sketched = await sketch_book(record, book, ACTOR, since=day, progress=show)
                status.update("Judging")
                judged = await judge_book(
                    record,
                    book,
                    rules,
                    ACTOR,
                    lambda one: status.update(f"Judging: until {one.report.last_on}"),
                    definition=definition,
                )
                return sketched, judged

    sketched, judged = run_stoppable(run(), left=_LEFT)
    click.echo(f"Sketched {sketched.days:,} days of {sketched.cases:,} Cases ({sketched.erased:,} erased)")
    for release_hash in sketched.without_reference:
        click.echo(
            f"Release {release_hash} has nothing to be compared with: instant-credit monitor reference --book BOOK --release {release_hash}",
            err=True,
        )
    click.echo(f"Judged {len(judged):,} windows")
    for one in judged:
        for event in one.events:
            click.echo(f"{one.report.last_on} {one.report.product}: {_tell_event(event)}")


@monitor.command("show")
@_BOOK
@_PRODUCT
@click.option(
    "--windows",
    type=click.IntRange(1, WINDOWS_MAX),
    default=1,
    show_default=True,
    help="How many, from the last one back.",
)
@_JSON
def show(book: str, product_name: str | None, windows: int, is_json: bool) -> None:
    """Show what the last windows found: every figure beside what it is without any change, and how likely chance brings it."""

    async def run() -> list[WindowReport]:
        async with open_record(read_settings(os.environ)) as record:
            reports = []
            for name in await _list_products(record, book, product_name):
                reports += [decode_report(row.report) for row in await list_windows(record, book, name, windows)]
            return reports

    reports = run_stoppable(run(), left="nothing was written")
    if is_json:
        click.echo(msgspec.json.format(msgspec.json.encode(reports), indent=2).decode())
        return
    for report in reports:
        print_table(_tabulate(report))


@monitor.command("alerts")
@_BOOK
@_PRODUCT
@click.option(
    "--most", type=click.IntRange(1, EVENTS_MAX), default=100, show_default=True, help="How many, the latest first."
)
@_JSON
def show_alerts(book: str, product_name: str | None, most: int, is_json: bool) -> None:
    """List alerts opened and closed, the latest first. Ends with status 0 whether any is open or not."""

    async def run() -> list[AlertLine]:
        async with open_record(read_settings(os.environ)) as record:
            return [
                AlertLine(product=name, last_on=row.last_on, event=row.event, recorded_at=row.recorded_at)
                for name in await _list_products(record, book, product_name)
                for row in await list_alert_events(record, book, name, most)
            ]

    lines = run_stoppable(run(), left="nothing was written")
    if is_json:
        click.echo(msgspec.json.format(msgspec.json.encode(lines), indent=2).decode())
        return
    table = Table("window ended", "product", "alert", "rule", "subject", "value", "owner", "what to do")
    for line in lines:
        event = line.event
        table.add_row(
            str(line.last_on),
            line.product,
            event.kind.value,
            event.rule,
            event.subject,
            _number(event.value),
            event.owner,
            event.runbook,
        )
    print_table(table)


async def _find_live(record: Record, product_name: str | None) -> str:
    """The hash of the live release of that product, or of the only one."""
    live = await live_releases(record)
    if product_name is None and len(live) == 1:
        return next(iter(live.values()))
    if product_name in live:
        return live[product_name]
    if not live:
        raise Refused("no release is live: make one (instant-credit release make), or name one with --release")
    raise Refused(f"name the product with --product; live are {', '.join(sorted(live))}")


async def _list_products(record: Record, book: str, product_name: str | None) -> list[str]:
    """The monitored products of a book, or the named one of them."""
    names = sorted(row.product for row in await list_latest_windows(record, book))
    if not names:
        raise Refused(
            f"no window of book {book} was judged yet: fix a reference (instant-credit monitor reference), then instant-credit monitor run"
        )
    if product_name is None:
        return names
    if product_name not in names:
        raise Refused(f"product {product_name} is not monitored in book {book}, only {', '.join(names)}")
    return [product_name]


def _tabulate(report: WindowReport) -> Table:
    table = Table("metric", "subject", "cases", "value", "without change", "chance", "before", "now", "alert")
    table.title = (
        f"{report.product}, {report.first_on} to {report.last_on}: {report.cases:,} Cases of release {report.release_hash[:12]}, "
        f"{report.other_cases:,} of others, {report.erased:,} erased"
    )
    for one in report.measurements:
        table.add_row(*_tell_measurement(one), _name_alerts(one, report))
    return table


def _tell_measurement(one: Measurement) -> tuple[str, ...]:
    figures = (one.value, one.expected, one.chance, one.before, one.now)
    return (
        one.metric.value,
        one.subject,
        f"{one.cases:,}",
        *(_number(None if one.value is None else f) for f in figures),
    )


def _name_alerts(one: Measurement, report: WindowReport) -> str:
    """The open alerts of the rules that look at this figure."""
    return ", ".join(
        state.rule
        for state in report.states
        if state.is_open and (state.metric, state.subject) == (one.metric.value, one.subject)
    )


def _tell_event(event: AlertEvent) -> str:
    subject = f" of {event.subject}" if event.subject else ""
    return f"{event.kind.value} {event.rule}{subject} at {_number(event.value)} for {event.owner}, see {event.runbook}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
