"""Edge. What happens to the releases of a product: events that are only ever added, each with its number.

The law is that of `record/life.py`: an event is written for a state that was read. Its number is one more than that of the product's last
event, and the table keeps numbers apart, so of two events that follow the same state one is written and the other one is not.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import asyncpg
from msgspec import Struct

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature
from instant_credit.errors import NotFound
from instant_credit.record.chain import leaf_of
from instant_credit.record.pool import Record
from instant_credit.record.shipped import read_sql


class ReleaseEventKind(StrEnum):
    """What happened."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    STAGED = "staged"
    ACTIVATED = "activated"
    ROLLED_BACK = "rolled_back"
    RETIRED = "retired"


class Stage(StrEnum):
    """What an approved release can be besides the champion, deciding unseen: looked at, or next in line for its place."""

    SHADOW = "shadow"
    CHALLENGER = "challenger"


class Tier(StrEnum):
    """How much harm a wrong release can do, and so how closely it is looked at."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class ReleaseTerms(Struct, frozen=True, kw_only=True):
    """On which terms a release may decide.

    Attributes
    ----------
    owner : id of who answers for it: a team or a staff number, never a name.
    tier : its materiality.
    review_on : the day (UTC) by which it is looked at again.
    expires_on : first day (UTC) on which it can't go live any more.
    allowed_use : what it may be used for, in words.
    """

    owner: str
    tier: Tier
    review_on: date
    expires_on: date
    allowed_use: str


class ReleaseEvent(Struct, frozen=True, kw_only=True):
    """One event of a release.

    Attributes
    ----------
    number : its place among the events of its product, from 1; up to 0 for activations from before there were events.
    stage : of a staged release.
    active_at : from when an activated release, or the one that a rollback brings back, decides.
    former_hash : what a rollback takes back; `release_hash` is what it brings back.
    terms : of a proposal.
    is_single_person : whoever did it stood in for the second person.
    """

    product: str
    number: int
    kind: ReleaseEventKind
    release_hash: str
    stage: Stage | None = None
    active_at: datetime | None = None
    former_hash: str | None = None
    terms: ReleaseTerms | None = None
    reason: str | None = None
    is_single_person: bool = False
    signature: Signature
    recorded_at: datetime


async def read_release_events(record: Record, product: str | None = None) -> tuple[ReleaseEvent, ...]:
    """The events of one product's releases, or of all, in order of product and number."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_release_events"), product)
    return tuple(_open_event(row) for row in rows)


async def count_release_events(record: Record) -> dict[str, int]:
    """The number of each product's last event: as long as it is the same, so are the events."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("count_release_events"))
    return {row["product"]: row["number"] for row in rows}


async def add_release_event(record: Record, event: ReleaseEvent) -> bool:
    """Add the next event of its product; whether it was written, which it is not when another one took its number.

    Raises
    ------
    NotFound : the release is not among the documents.
    Unavailable : the database did not answer; the event may have been written, and reading the events tells.
    """
    terms, signature = event.terms, event.signature
    row = (
        event.product,
        event.number,
        event.kind.value,
        event.release_hash,
        None if event.stage is None else event.stage.value,
        event.active_at,
        event.former_hash,
        *(
            (None,) * 5
            if terms is None
            else (terms.owner, terms.tier.value, terms.review_on, terms.expires_on, terms.allowed_use)
        ),
        event.reason,
        event.is_single_person,
        signature.client_id,
        signature.actor.kind.value,
        signature.actor.id,
        event.recorded_at,
    )
    leaves = [leaf_of("release_events", row)]
    async with record.writer() as writer, record.connection() as connection:
        try:
            await writer.append(connection, read_sql("insert_release_event"), row, leaves, event.recorded_at)
        except asyncpg.UniqueViolationError:
            return False
        except asyncpg.ForeignKeyViolationError:
            raise NotFound("release", event.release_hash) from None
    return True


def _open_event(row: Any) -> ReleaseEvent:
    terms = None
    if row["owner"] is not None:
        terms = ReleaseTerms(
            owner=row["owner"],
            tier=Tier(row["tier"]),
            review_on=row["review_on"],
            expires_on=row["expires_on"],
            allowed_use=row["allowed_use"],
        )
    return ReleaseEvent(
        product=row["product"],
        number=row["number"],
        kind=ReleaseEventKind(row["kind"]),
        release_hash=row["release_hash"],
        stage=None if row["stage"] is None else Stage(row["stage"]),
        active_at=row["active_at"],
        former_hash=row["former_hash"],
        terms=terms,
        reason=row["reason"],
        is_single_person=row["is_single_person"],
        signature=Signature(
            actor=Actor(kind=ActorKind(row["actor_kind"]), id=row["actor_id"]), client_id=row["client_id"]
        ),
        recorded_at=row["recorded_at"],
    )
