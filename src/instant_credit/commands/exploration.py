"""`instant-credit exploration put`, `show`, `stop`, `report`: approve a few of the declined by chance, within a cap in money."""

import asyncio
import os

import click
import msgspec
from rich.progress import TextColumn
from rich.table import Table

from instant_credit.access.actors import Actor
from instant_credit.commands.bars import shown_progress
from instant_credit.commands.documents import read_document
from instant_credit.commands.operators import by_option
from instant_credit.commands.tables import print_table
from instant_credit.experiment.exploration import Programme, read_programme
from instant_credit.record.pool import open_record
from instant_credit.settings import read_settings
from instant_credit.underwriting.exploration_report import ExplorationReport, report_programme, tell_end
from instant_credit.underwriting.exploring import put_programme
from instant_credit.underwriting.programmes import Recorded, find_programme, stop_programme
from instant_credit.units import percent_text

json_option = click.option("--json", "is_json", is_flag=True, help="Print JSON.")


@click.group("exploration")
def exploration_group() -> None:
    """Approve a few of those whom the score alone declines by chance, within a cap in money (docs/exploration.md)."""


@exploration_group.command("put")
@click.argument("document")
@by_option
def put_command(document: str, actor: Actor) -> None:
    """Record the programme of DOCUMENT, a shipped name or a TOML file. It runs from its first day on, in every process.

    A product has one programme at a time; an ended one does not begin again.
    """
    programme = read_programme(read_document("explorations", document))

    async def put() -> str:
        async with open_record(read_settings(os.environ)) as record:
            return await put_programme(record, programme, actor)

    click.echo(f"Programme {programme.name} of {programme.product}: {asyncio.run(put())}")


@exploration_group.command("show")
@click.argument("product")
@json_option
def show_command(product: str, *, is_json: bool) -> None:
    """Show the programme that was put last for PRODUCT, and whether it has ended."""

    async def read() -> tuple[Recorded, str]:
        async with open_record(read_settings(os.environ)) as record:
            recorded = await find_programme(record, product)
            return recorded, tell_end(recorded, record.clock.now().date())[1]

    recorded, why = asyncio.run(read())
    if is_json:
        click.echo(msgspec.json.encode(recorded.programme).decode())
        return
    click.echo(f"{recorded.content_hash}: {why}")
    shown = Table("field", "value")
    for name, value in _list_fields(recorded.programme):
        shown.add_row(name, value)
    print_table(shown)


@exploration_group.command("stop")
@click.argument("product")
@click.option("--reason", required=True, help="Why, for whoever reads the report; name no person.")
@by_option
def stop_command(product: str, reason: str, actor: Actor) -> None:
    """End the programme of PRODUCT for good: within a second no process explores anybody any more."""
    if not 1 <= len(reason) <= 400:
        raise click.BadParameter("say it in 1 to 400 characters", param_hint="--reason")

    async def stop() -> Recorded:
        async with open_record(read_settings(os.environ)) as record:
            return await stop_programme(record, product, reason, actor)

    click.echo(f"Stopped: programme {asyncio.run(stop()).programme.name} of {product}")


@exploration_group.command("report")
@click.argument("product")
@json_option
def report_command(product: str, *, is_json: bool) -> None:
    """Tell how the programme of PRODUCT stands: spent and left of its cap, whom it approved, why it ended. Reads the decisions of its days."""

    async def report() -> ExplorationReport:
        with shown_progress(TextColumn("{task.completed} decisions read"), is_transient=True) as bar:
            task = bar.add_task("", total=None)
            async with open_record(read_settings(os.environ)) as record:
                return await report_programme(record, product, lambda seen: bar.update(task, completed=seen))

    told = asyncio.run(report())
    if is_json:
        click.echo(msgspec.json.encode(told).decode())
        return
    click.echo(f"Programme {told.name} of {product}, on {told.on}")
    shown = Table("what", "so far")
    for name, value in (
        ("ended" if told.ended else "state", f"{told.ended}: {told.why}" if told.ended else told.why),
        ("spent cents", f"{told.spent_cents:,}"),
        ("left cents", f"{told.left_cents:,}"),
        ("approvals", f"{told.approvals:,}"),
        ("declines in the zone", f"{told.declines:,}"),
        ("referred by caps", f"{told.referred:,}"),
        ("share drawn", "nobody yet" if told.drawn_ppm is None else percent_text(told.drawn_ppm)),
        ("share written", percent_text(told.share_ppm)),
        ("erased", f"{told.erased:,}"),
    ):
        shown.add_row(name, value)
    print_table(shown)


def _list_fields(programme: Programme) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in msgspec.to_builtins(programme).items()]
