"""Events of releases, written without a look at what they do: as nothing but a hand in the database could."""

from datetime import date, timedelta
from typing import Any

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature
from instant_credit.record.pool import Record
from instant_credit.record.release_life import (
    ReleaseEvent,
    ReleaseEventKind,
    ReleaseTerms,
    Stage,
    Tier,
    add_release_event,
    read_release_events,
)

_SECOND = Actor(kind=ActorKind.PERSON, id="staff-2")


def make_terms(today: date, **changes: Any) -> ReleaseTerms:
    """Terms until a review half a year, and an expiry a year, from today."""
    values: dict[str, Any] = {
        "owner": "risk-team",
        "tier": Tier.HIGH,
        "review_on": today + timedelta(days=180),
        "expires_on": today + timedelta(days=360),
        "allowed_use": "Unsecured loans to consumers.",
    }
    return ReleaseTerms(**(values | changes))


async def put_live(record: Record, product: str, release_hash: str, actor: Actor) -> None:
    """Make a release the champion of a product."""
    await _add(record, product, release_hash, actor, ReleaseEventKind.ACTIVATED, active_at=record.clock.now())


async def write_stage(
    record: Record, product: str, release_hash: str, actor: Actor, stage: Stage = Stage.SHADOW
) -> None:
    """Make a release a shadow of a product, or a challenger."""
    await _add(record, product, release_hash, actor, ReleaseEventKind.STAGED, stage=stage)


async def write_life(record: Record, product: str, release_hash: str, actor: Actor) -> None:
    """Events of every kind but a retirement, with a value in every column between them; the release ends as the champion."""
    kinds, terms = ReleaseEventKind, make_terms(record.clock.now().date())
    await _add(record, product, release_hash, actor, kinds.PROPOSED, terms=terms, client_id="client")
    await _add(record, product, release_hash, _SECOND, kinds.REJECTED, reason="It is too old.")
    await _add(record, product, release_hash, actor, kinds.PROPOSED, terms=terms)
    await _add(record, product, release_hash, _SECOND, kinds.APPROVED)
    await _add(record, product, release_hash, actor, kinds.STAGED, stage=Stage.SHADOW)
    now = record.clock.now()
    back = {"former_hash": release_hash, "active_at": now + timedelta(days=1)}
    await _add(record, product, release_hash, actor, kinds.ROLLED_BACK, **back)
    await put_live(record, product, release_hash, actor)


async def _add(
    record: Record,
    product: str,
    release_hash: str,
    actor: Actor,
    kind: ReleaseEventKind,
    **told: Any,
) -> None:
    events = await read_release_events(record, product)
    event = ReleaseEvent(
        product=product,
        number=max((event.number for event in events if event.number > 0), default=0) + 1,
        kind=kind,
        release_hash=release_hash,
        signature=Signature(actor=actor, client_id=told.pop("client_id", None)),
        recorded_at=record.clock.now(),
        **told,
    )
    assert await add_release_event(record, event)
