"""`instant-credit trigger put`, `list`, `show`, `look`, `stop`: when the worker asks for jobs by itself."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import click
from rich.table import Table

from instant_credit.access.actors import Actor
from instant_credit.commands.documents import read_document
from instant_credit.commands.job import ACTOR, keep_document, print_job
from instant_credit.commands.operators import by_option
from instant_credit.commands.tables import print_table
from instant_credit.factory.desk import JobDesk
from instant_credit.factory.requests import LookRequest
from instant_credit.factory.settling import JUDGED_BY, LABELS, RULES, Shelf
from instant_credit.factory.triggers import TriggerDesk, TriggerStatus, convert_trigger, read_tables
from instant_credit.record.pool import Record, open_record
from instant_credit.settings import read_settings

# Documents that a trigger, and its request, may name.
_NAMED: Final = (RULES,)
_NAMED_BY_REQUEST: Final = (RULES, LABELS, JUDGED_BY)

T = TypeVar("T")


@click.group()
def trigger() -> None:
    """Have jobs asked for by the calendar, by new labels, by drift, by an AUC that falls or is expected to."""


@trigger.command("put")
@click.argument("document")
@click.option("--book", help="Book of the request, in place of the document's.")
@by_option
def put(document: str, book: str | None, actor: Actor) -> None:
    """Put the trigger of DOCUMENT, a shipped name or a TOML file; under a name that is known it is the next version.

    Documents that it names (rules, labels, judged_by) are shipped names, files, or hashes of recorded ones; what they say now holds until
    the trigger is put again.
    """
    told = read_tables(read_document("triggers", document))

    async def ask(record: Record) -> TriggerStatus:
        request = told.get("request")
        if isinstance(request, dict):
            await _keep_named(record, request, _NAMED_BY_REQUEST, actor)
            request |= {} if book is None else {"book": book}
        await _keep_named(record, told, _NAMED, actor)
        return await TriggerDesk(record).put(convert_trigger(told), actor)

    _print(_ask(ask))


@trigger.command("list")
def show_list() -> None:
    """List all triggers, those that were stopped among them."""
    triggers = _ask(lambda record: TriggerDesk(record).list()).triggers
    table = Table("trigger", "version", "state", "asks for", "by", "due next")
    for one in triggers:
        kind, by = _tell_definition(one)
        state = "stands" if one.is_standing else "stopped"
        table.add_row(one.name, str(one.version), state, kind, by, "" if one.next_at is None else _at(one.next_at))
    print_table(table)


@trigger.command("show")
@click.argument("name")
def show(name: str) -> None:
    """Show one trigger with its document."""
    _print(_ask(lambda record: TriggerDesk(record).read(name)))


@trigger.command("look")
@click.argument("name")
def look(name: str) -> None:
    """Queue a look now: whether the rules of a trigger ask for its retraining."""
    print_job(_ask(lambda record: JobDesk(record).request(LookRequest(trigger=name), ACTOR)))


@trigger.command("stop")
@click.argument("name")
@by_option
def stop(name: str, actor: Actor) -> None:
    """Have a trigger ask for nothing more; jobs that it asked for go on."""
    _print(_ask(lambda record: TriggerDesk(record).stop(name, actor)))


async def _keep_named(record: Record, table: dict[str, Any], shelves: Sequence[Shelf], actor: Actor) -> None:
    """Put hashes in place of what names documents; what is no text is left for the check of the whole."""
    for shelf in shelves:
        if isinstance(table.get(shelf.field), str):
            table[shelf.field] = await keep_document(record, table[shelf.field], shelf, actor)


def _ask(ask: Callable[[Record], Awaitable[T]]) -> T:
    async def run() -> T:
        async with open_record(read_settings(os.environ)) as record:
            return await ask(record)

    return asyncio.run(run())


def _tell_definition(status: TriggerStatus) -> tuple[str, str]:
    """What it asks for, and when."""
    definition = status.definition
    if definition is None:
        return "", ""
    book = getattr(definition.request, "book", None)
    hour = "" if definition.every == "hour" else f" at {definition.at_hour:02}:00"
    looks = "" if definition.rules is None else ", by rules"
    kind = type(definition.request).__struct_config__.tag
    return f"{kind}{'' if book is None else f' on {book}'}", f"{definition.every}{hour}{looks}"


def _print(status: TriggerStatus) -> None:
    kind, by = _tell_definition(status)
    lines = [
        f"Trigger:  {status.name}",
        f"Version:  {status.version}",
        f"State:    {'stands' if status.is_standing else 'stopped'}",
        f"Changed:  {_at(status.changed_at)}",
    ]
    if status.definition is not None:
        lines += [f"Asks for: {kind}", f"By:       {by}"]
    if status.next_at is not None:
        lines.append(f"Due next: {_at(status.next_at)}")
    click.echo("\n".join(lines))


def _at(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M:%S")
