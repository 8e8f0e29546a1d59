"""`instant-credit person`: shows what stands of a person, exports it, holds it back from erasure, erases it.

A person is named by the id of an application or a draft, or by an identity number that is read from standard input: never on the command line,
where other users of the machine and the shell's history would see it. A draft that names nobody yet is shown, held and erased by its own id.
"""

import os
import sys
from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

import click
from rich.table import Table

from instant_credit.access.actors import Actor
from instant_credit.access.purposes import (
    TOLD_PURPOSES,
    ErasureReason,
    HoldReason,
    Reading,
    ReadPurpose,
    ReleaseReason,
)
from instant_credit.commands.operators import by_option
from instant_credit.commands.running import run_stoppable
from instant_credit.commands.tables import print_table
from instant_credit.errors import Refused
from instant_credit.record.home import refuse_existing, write_private_file
from instant_credit.record.owning import open_owner
from instant_credit.record.persons import (
    Person,
    erase_person,
    find_drafter,
    find_person,
    place_hold,
    read_person,
    release_hold,
)
from instant_credit.record.pool import Record, open_record
from instant_credit.settings import read_settings
from instant_credit.underwriting.persons import export_person

Command = TypeVar("Command", bound=Callable[..., Any])

_LEFT: Final = "nothing was done by halves; the same command may be given again"
_APPLICATION: Final = click.option(
    "--application",
    "application_id",
    help="Id of any application of the person; without an id the identity number is read from standard input.",
)
_DRAFT: Final = click.option(
    "--draft", "draft_id", help="Id of any draft of the person, or of one that names nobody: then of that draft alone."
)


def _named(command: Command) -> Command:
    """The options that say who is meant."""
    return _APPLICATION(_DRAFT(command))


def _choose(name: str, codes: Iterable[StrEnum], text: str) -> Callable[[Command], Command]:
    """A required option out of a set of codes."""
    return click.option(name, required=True, type=click.Choice([code.value for code in codes]), help=text)


@click.group()
def person() -> None:
    """Show, export, hold and erase what is recorded of a person."""


@person.command("show")
@_named
def show_command(*, application_id: str | None, draft_id: str | None) -> None:
    """Show what stands of a person, nothing of it in the clear: counts, dates, holds and erasures."""
    found = _with_person(application_id, draft_id, read_person)
    click.echo(
        f"{_count(found)}; the last action on one was on {found.last_action_at:%Y-%m-%d}, kept until "
        f"{found.kept_until:%Y-%m-%d}; {'erased' if found.key_id is None else 'readable'}"
    )
    if not (found.holds or found.erasures):
        return
    table = Table("what", "id", "reason", "by", "on", "ended on")
    for hold in found.holds:
        ended = "" if hold.released_at is None else f"{hold.released_at:%Y-%m-%d} ({hold.release_reason})"
        table.add_row("hold", str(hold.hold_id), hold.reason, hold.actor_id, f"{hold.recorded_at:%Y-%m-%d}", ended)
    for erasure in found.erasures:
        table.add_row(
            "erasure", str(erasure.key_id), erasure.reason, erasure.actor_id, f"{erasure.recorded_at:%Y-%m-%d}", ""
        )
    print_table(table)


@person.command("export")
@_named
@by_option
@_choose("--purpose", TOLD_PURPOSES, "What it is read for, as it is written down.")
@click.option("--to", required=True, type=click.Path(path_type=Path), help="File to write; must not be there yet.")
def export_command(*, application_id: str | None, draft_id: str | None, actor: Actor, purpose: str, to: Path) -> None:
    """Write everything held on a person as one canonical JSON file that its owner alone can read.

    The file holds it in the clear. The export is written down among the reads of the person's data.
    """
    refuse_existing(to)
    reading = Reading(actor=actor, purpose=ReadPurpose(purpose))

    async def export(record: Record, person_id: bytes) -> bytes:
        return await export_person(record, person_id, reading)

    exported = _with_person(application_id, draft_id, export)
    write_private_file(to, exported, option="--to")
    click.echo(f"exported to {to}: it holds everything in the clear", err=True)


@person.command("hold")
@_named
@by_option
@_choose("--reason", HoldReason, "Why the data must be kept.")
def hold_command(*, application_id: str | None, draft_id: str | None, actor: Actor, reason: str) -> None:
    """Hold a person's data back from erasure until the hold is released; prints the hold's id."""

    async def hold(record: Record, person_id: bytes) -> UUID:
        return await place_hold(record, person_id, HoldReason(reason), actor)

    click.echo(_with_person(application_id, draft_id, hold))


@person.command("release-hold")
@click.argument("hold_id")
@by_option
@_choose("--reason", ReleaseReason, "Why the hold ends.")
def release_command(*, hold_id: str, actor: Actor, reason: str) -> None:
    """End the hold HOLD_ID."""
    named = _read_id(hold_id, "HOLD_ID is the id that `person hold` printed")

    async def run() -> None:
        async with open_record(read_settings(os.environ)) as record:
            await release_hold(record, named, ReleaseReason(reason), actor)

    run_stoppable(run(), left=_LEFT)
    click.echo(f"released {named}")


@person.command("erase")
@_named
@by_option
@_choose("--reason", ErasureReason, "Why the person is erased.")
@click.option("--yes", "is_confirmed", is_flag=True, help="Don't ask.")
def erase_command(
    *, application_id: str | None, draft_id: str | None, actor: Actor, reason: str, is_confirmed: bool
) -> None:
    """Erase a person for good by destroying the data key.

    Refused until 25 months after the last action on any application of the person (12 CFR 1002.12(b)), and while a hold stands. Cases and
    Decisions stay as ciphertext that nothing opens; what the person applies for afterwards is sealed under a new key.
    """
    settings = read_settings(os.environ)

    async def erase(record: Record, person_id: bytes) -> Person:
        found = await read_person(record, person_id)
        if not is_confirmed:
            click.confirm(f"Make {_count(found)} unreadable for good?", abort=True, err=True)
        async with open_owner(settings) as owner:
            await erase_person(record, owner, person_id, ErasureReason(reason), actor)
        return found

    erased = _with_person(application_id, draft_id, erase)
    click.echo(f"erased: {_count(erased)} can't be read any more")


def _count(found: Person) -> str:
    drafts = f" and {found.drafts:,} drafts" if found.drafts else ""
    return f"{found.cases:,} applications and loans{drafts}"


def _with_person(application_id: str | None, draft_id: str | None, act: Callable[[Record, bytes], Any]) -> Any:
    """Open the record, find out who is meant, and act on them."""
    find = _choose_finder(application_id, draft_id)

    async def run() -> Any:
        async with open_record(read_settings(os.environ)) as record:
            return await act(record, await find(record))

    return run_stoppable(run(), left=_LEFT)


def _choose_finder(application_id: str | None, draft_id: str | None) -> Callable[[Record], Awaitable[bytes]]:
    """What finds the person by whichever name is given."""
    if application_id is not None and draft_id is not None:
        raise Refused("give --application or --draft, not both")
    if application_id is not None:
        case_id = _read_id(application_id, "--application takes the application_id of an answer")
        return lambda record: find_person(record, case_id)
    if draft_id is not None:
        named = _read_id(draft_id, "--draft takes the draft_id of a draft")
        return lambda record: find_drafter(record, named)
    number = _read_identity_number()

    async def find(record: Record) -> bytes:
        return record.key_ring.person_id_of(number)

    return find


def _read_id(text: str, expected: str) -> UUID:
    """An id; what was given instead is not repeated, since it may be an identity number."""
    try:
        return UUID(text)
    except ValueError:
        raise Refused(f"{expected}, like 01a2078b-0dc1-7f86-85f3-bb9a7286f72d") from None


def _read_identity_number() -> str:
    """One line of standard input, hidden where somebody types it."""
    if sys.stdin.isatty():
        return str(click.prompt("Identity number", hide_input=True, err=True))
    number = sys.stdin.readline().strip()
    if not number:
        raise Refused("give the identity number on standard input, or --application or --draft with an id")
    return number
