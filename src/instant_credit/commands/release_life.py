"""`instant-credit release propose`, `approve`, `reject`, `stage`, `activate`, `rollback`, `retire`, `due`: the life of a release.

Whoever can run these commands can write any name behind `--by`; the record keeps what was told. Where that is not enough, releases are moved
over HTTP, where each signature is an API key.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any, Final

import click
import msgspec
from rich.table import Table

from instant_credit.access.actors import Actor
from instant_credit.access.four_eyes import Signature
from instant_credit.commands.operators import by_option, read_operator_id
from instant_credit.commands.tables import print_table
from instant_credit.errors import Refused
from instant_credit.record.pool import Record, open_record
from instant_credit.record.release_life import ReleaseTerms, Stage, Tier
from instant_credit.settings import read_settings
from instant_credit.underwriting.release_gates import GateFinding
from instant_credit.underwriting.release_life import ReleaseDesk
from instant_credit.underwriting.release_resources import ReleaseStatus, ToldGates
from instant_credit.underwriting.release_states import DUE_DAYS
from instant_credit.underwriting.releases import list_release_documents

_WORDS_MAX: Final = 400
_DAY: Final = click.DateTime(["%Y-%m-%d"])
_HASH: Final = click.argument("release_hash", metavar="RELEASE_HASH")


async def require_release(record: Record, release_hash: str) -> None:
    """Refused, with where to look, unless the record holds a release of this hash."""
    if release_hash not in {row.content_hash for row in await list_release_documents(record)}:
        raise Refused(f"no release {release_hash} is recorded: `instant-credit release list` prints the hashes of all")


def tell_single_person() -> None:
    """Say what is left out."""
    click.echo(
        "One person proposes, approves and activates this release: nobody else looks at it, and its record says so.",
        err=True,
    )


def _read_words(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not (0 < len(value) <= _WORDS_MAX and value.isprintable()):
        raise click.BadParameter(f"must be 1 to {_WORDS_MAX} characters on one line")
    return value


def reason_option(text: str, *, is_required: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--reason`: why a move is made, one line."""
    return click.option("--reason", required=is_required, callback=_read_words, help=text)


def _move(release_hash: str, make: Callable[[ReleaseDesk], Awaitable[ReleaseStatus]]) -> None:
    """Make a move and say where the release stands then."""

    async def run() -> ReleaseStatus:
        async with open_record(read_settings(os.environ)) as record:
            await require_release(record, release_hash)
            return await make(ReleaseDesk(record))

    status = asyncio.run(run())
    told = f"{status.release} of {status.product}: {status.state}, approval {status.approval}"
    if status.planned_at is not None:
        told += f", to go live at {status.planned_at:%Y-%m-%dT%H:%M:%SZ}"
    if status.waiting is not None:
        told += ", waits for a second person"
    click.echo(told)
    click.echo(f"Gates: {_tell_gates(status.gates)}", err=True)


def _tell_gates(gates: ToldGates) -> str:
    """What the gates say of the release's model, in words."""
    waived = "" if not gates.waived else f", {', '.join(gates.waived)} waived"
    against = "absolute floors" if gates.against is None else f"model {gates.against}"
    judged = f"by thresholds {gates.thresholds} against {against}"
    if gates.is_outdated:
        judged += ", which is not the champion's now"
    match gates.finding:
        case GateFinding.PASSED:
            return f"report {gates.report} lets its model pass{waived}, {judged}."
        case GateFinding.STOPPED:
            return f"its model is stopped by {', '.join(gates.stopped_by)}{waived} (report {gates.report}, {judged})."
        case GateFinding.CHAMPION_MODEL:
            return "its model is the champion's and needs no report."
        case GateFinding.NO_TRAINING:
            return "no training of its model is recorded, so it can't be judged: two persons alone answer for it."
        case GateFinding.NOT_JUDGED:
            return "none has judged its model (`instant-credit gate judge`)."


def terms_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that a release is proposed on, as `to_terms` takes them."""
    options = (
        click.option(
            "--owner", required=True, callback=read_operator_id, help="Id of the team or staff that answers for it."
        ),
        click.option("--tier", required=True, type=click.Choice([one.value for one in Tier]), help="Its materiality."),
        click.option("--review-on", required=True, type=_DAY, help="Day (UTC) by which it is looked at again."),
        click.option(
            "--expires-on", required=True, type=_DAY, help="First day (UTC) on which it can't go live any more."
        ),
        click.option(
            "--use", "allowed_use", required=True, callback=_read_words, help="What it may be used for, in words."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def to_terms(*, owner: str, tier: str, review_on: datetime, expires_on: datetime, allowed_use: str) -> ReleaseTerms:
    """The terms that the options tell."""
    return ReleaseTerms(
        owner=owner,
        tier=Tier(tier),
        review_on=review_on.date(),
        expires_on=expires_on.date(),
        allowed_use=allowed_use,
    )


@click.command("propose")
@_HASH
@by_option
@terms_options
def propose(
    *,
    release_hash: str,
    actor: Actor,
    owner: str,
    tier: str,
    review_on: datetime,
    expires_on: datetime,
    allowed_use: str,
) -> None:
    """Propose a release on terms, for the first time or anew; another person approves or rejects it."""
    terms = to_terms(owner=owner, tier=tier, review_on=review_on, expires_on=expires_on, allowed_use=allowed_use)
    _move(release_hash, lambda desk: desk.propose(release_hash, terms, Signature(actor=actor)))


@click.command("approve")
@_HASH
@by_option
@reason_option("What there is to say about it.", is_required=False)
def approve(*, release_hash: str, actor: Actor, reason: str | None) -> None:
    """Approve the proposal of a release, as another person than proposed it."""
    _move(release_hash, lambda desk: desk.approve(release_hash, Signature(actor=actor), reason))


@click.command("reject")
@_HASH
@by_option
@reason_option("Why.")
def reject(*, release_hash: str, actor: Actor, reason: str) -> None:
    """Reject the proposal of a release, as another person than proposed it."""
    _move(release_hash, lambda desk: desk.reject(release_hash, Signature(actor=actor), reason))


@click.command("stage")
@_HASH
@by_option
@click.option("--as", "stage", required=True, type=click.Choice([one.value for one in Stage]), help="What it becomes.")
def stage_command(*, release_hash: str, actor: Actor, stage: str) -> None:
    """Make an approved release a shadow or a challenger: either decides every application unseen, and answers nobody."""
    _move(release_hash, lambda desk: desk.stage(release_hash, Stage(stage), Signature(actor=actor)))


@click.command("activate")
@_HASH
@by_option
@click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ"]),
    help="From when it decides (UTC), as 2030-01-31T18:00:00Z; default: now.",
)
@click.option(
    "--single-person",
    "is_single_person",
    is_flag=True,
    help="Propose and approve it yourself, where there is nobody else: every event of it says so.",
)
def activate(*, release_hash: str, actor: Actor, at: datetime | None, is_single_person: bool) -> None:
    """Make an approved release the champion of its product. Servers notice within about a second."""
    if is_single_person:
        if at is not None:
            raise click.UsageError("--single-person activates at once: leave out --at")
        tell_single_person()
        _move(release_hash, lambda desk: desk.activate_alone(release_hash, Signature(actor=actor)))
        return
    instant = None if at is None else at.replace(tzinfo=UTC)
    _move(release_hash, lambda desk: desk.activate(release_hash, Signature(actor=actor), instant))


@click.command("rollback")
@_HASH
@by_option
@reason_option("Why.")
def rollback(*, release_hash: str, actor: Actor, reason: str) -> None:
    """Take a release back at once: the champion for the one before it, or one that is to go live."""
    _move(release_hash, lambda desk: desk.roll_back(release_hash, Signature(actor=actor), reason))


@click.command("retire")
@_HASH
@by_option
@reason_option("Why.")
def retire(*, release_hash: str, actor: Actor, reason: str) -> None:
    """Take a release that does not decide out for good, its approval with it."""
    _move(release_hash, lambda desk: desk.retire(release_hash, Signature(actor=actor), reason))


@click.command("due")
@click.option(
    "--within", "days", type=click.IntRange(0, 3_660), default=DUE_DAYS, show_default=True, help="Days from today."
)
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
def due(*, days: int, is_json: bool) -> None:
    """List the releases that decide and are due for review, about to expire, or have no terms."""

    async def run() -> Any:
        async with open_record(read_settings(os.environ)) as record:
            return await ReleaseDesk(record).list_due(days)

    found = asyncio.run(run())
    if is_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    if not found:
        click.echo(f"Nothing is due within {days} days.")
        return
    today = datetime.now(UTC).date()
    table = Table("release", "product", "state", "owner", "due", "on", "")
    for one in found:
        table.add_row(
            one.release_hash,
            one.product,
            one.state,
            one.owner or "",
            one.kind,
            str(one.on or ""),
            _tell_days(one.on, today),
        )
    print_table(table)


def _tell_days(on: date | None, today: date) -> str:
    """How far away a day is."""
    if on is None:
        return "propose it"
    days = (on - today).days
    return f"in {days} days" if days > 0 else "today" if days == 0 else f"{-days} days ago"


LIFE: Final = (propose, approve, reject, stage_command, activate, rollback, retire, due)
