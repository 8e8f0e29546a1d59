"""Commands about the hash chain: check it, sign it, write a decision's receipt, show the public key."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

import click
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from instant_credit.access.purposes import TOLD_PURPOSES, Reading, ReadPurpose
from instant_credit.canonical import encode_canonical
from instant_credit.commands.bars import shown_progress
from instant_credit.commands.key import ACTOR
from instant_credit.commands.running import run_stoppable
from instant_credit.errors import Conflict, Refused
from instant_credit.record.anchoring import find_lost_anchors, open_anchorer
from instant_credit.record.anchors import read_anchor_key
from instant_credit.record.audit import AuditReport, Finding, audit_record
from instant_credit.record.home import refuse_existing, write_private_file
from instant_credit.record.pool import open_record
from instant_credit.record.reading import open_reader
from instant_credit.record.receipts import NotAnchored
from instant_credit.settings import ANCHORS, Settings, read_settings
from instant_credit.underwriting.receipts import read_receipt
from instant_credit.verify_receipt import FalseReceiptError, read_public_key

BROKEN: Final = 1


@click.group()
def audit() -> None:
    """Check the record against its hash chain and its anchors."""


@audit.command("verify")
@click.option("--anchors", type=click.Path(path_type=Path), help=f"File of anchors; default {ANCHORS}.")
@click.option("--public-key", help="Key that signed them: 64 hex digits or a file; default that of this machine's key.")
def verify(anchors: Path | None, public_key: str | None) -> None:
    """Check every row, link and anchor. Says which link is the first bad one, and ends with status 1, when something was changed.

    Writes nothing: the record is opened for reading only, and one of another version is refused.
    """
    settings = read_settings(os.environ)
    path = anchors or settings.anchors_file
    if anchors is not None and not anchors.exists():
        raise Refused(f"there is no file of anchors at {anchors}")
    key = _read_key(settings, public_key)

    async def run() -> tuple[AuditReport, str | None]:
        async with open_reader(settings) as reader:
            with _shown_progress() as show:
                report = await audit_record(reader, path, key, show)
            # A file whose lines are no anchors is a finding already, and is not read again.
            return report, None if report.found else await find_lost_anchors(reader, path, settings.anchor_key_file)

    report, loss = run_stoppable(run(), left="nothing was written; start it again")
    _print_report(report, path, loss)
    if report.found or loss is not None:
        sys.exit(BROKEN)


@audit.command("anchor")
@click.option(
    "--new-file",
    "is_new_file",
    is_flag=True,
    help="Begin a new file of anchors in the place of one that is lost. What the lost one proved stays unproven.",
)
def anchor(*, is_new_file: bool) -> None:
    """Sign every link that no anchor covers, and append the anchor to the file.

    A file that is gone or was cut off is refused: put its copy back. Only where there is no copy begin a new one.
    """
    settings = read_settings(os.environ)

    async def run() -> int:
        async with open_record(settings) as record:
            anchorer = await open_anchorer(
                record, settings.anchors_file, settings.anchor_key_file, is_new_file=is_new_file
            )
            return await anchorer.append()

    links = asyncio.run(run())
    click.echo(f"anchored {links} links in {settings.anchors_file}" if links else "nothing to anchor")


@audit.command("receipt")
@click.argument("decision_id", type=click.UUID)
@click.option(
    "--purpose",
    type=click.Choice([purpose.value for purpose in TOLD_PURPOSES]),
    default=ReadPurpose.AUDIT.value,
    show_default=True,
    help="What it is read for; written down.",
)
@click.option(
    "--to",
    "to",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File to write; must not be there yet.",
)
def receipt(decision_id: UUID, purpose: str, to: Path) -> None:
    """Write the receipt of a decision: what proves offline that it stands in the record.

    It holds the Decision in the clear, so the file is readable by its owner only, and the read is written down.
    """
    refuse_existing(to)
    settings = read_settings(os.environ)

    async def run() -> bytes:
        async with open_record(settings) as record:
            try:
                reading = Reading(actor=ACTOR, purpose=ReadPurpose(purpose))
                return encode_canonical(await read_receipt(record, decision_id, reading))
            except NotAnchored:
                raise Conflict(
                    "no anchor covers this decision yet: run instant-credit audit anchor, then ask again"
                ) from None

    raw = asyncio.run(run())
    write_private_file(to, raw, option="--to")
    click.echo(f"wrote {to}")


@audit.command("public-key")
def show_public_key() -> None:
    """Show the public key of the anchors: publish it where a holder of receipts can trust it."""
    click.echo(_own_key(read_settings(os.environ)).hex())


@contextmanager
def _shown_progress() -> Iterator[Callable[[int, int], None]]:
    """A progress bar on the terminal's error stream; nothing where there is no terminal."""
    columns = (TextColumn("Auditing"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with shown_progress(*columns, is_transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _own_key(settings: Settings) -> bytes:
    return read_anchor_key(settings.anchor_key_file).public_key().public_bytes_raw()


def _read_key(settings: Settings, told: str | None) -> bytes:
    if told is None:
        return _own_key(settings)
    try:
        return read_public_key(told)
    except FalseReceiptError as trouble:
        raise Refused(f"--public-key: {trouble}") from None


def _print_report(report: AuditReport, anchors: Path, loss: str | None) -> None:
    click.echo(f"read {report.rows} rows, {report.links} links and {report.anchors} anchors in {anchors}")
    if report.newer_links:
        since = f"since the last anchor, of {report.last_at}" if report.last_at else "and there is no anchor"
        click.echo(
            f"newer: {report.newer_links} links over {report.newer_rows} rows {since}: a superuser could change them unseen"
        )
    if loss is not None:
        click.echo(
            f"NOT what it was: {loss}. Without its anchors nobody can tell what was changed: put the copy back",
            err=True,
        )
        return
    if not report.found:
        click.echo("all is what it was")
        return
    click.echo(f"NOT what it was: {report.found} findings, the first of them:", err=True)
    for finding in report.findings:
        click.echo(f"  {_describe(finding)}", err=True)


def _describe(finding: Finding) -> str:
    where = [] if finding.anchor is None else [f"anchor {finding.anchor}"]
    if finding.writer_id is not None:
        where.append(f"link {finding.seq} of writer {finding.writer_id}")
    return f"{', '.join(where)}: {finding.what}" if where else finding.what
