"""Events of releases as they are written and read back."""

from datetime import timedelta

import asyncpg
import pytest
from msgspec.structs import replace

from instant_credit.access.actors import Actor
from instant_credit.access.four_eyes import Signature
from instant_credit.errors import NotFound
from instant_credit.record.documents import put_document
from instant_credit.record.pool import Record
from instant_credit.record.release_life import (
    ReleaseEvent,
    ReleaseEventKind,
    Stage,
    add_release_event,
    count_release_events,
    read_release_events,
)
from instant_credit.settings import Settings
from tests.record.anchored import write_former_activation
from tests.releasing import make_terms, put_live, write_life

pytestmark = pytest.mark.anyio


@pytest.fixture
async def release_hash(record: Record, actor: Actor) -> str:
    return await put_document(record, "release", b"manifest", actor)


def make_event(record: Record, release_hash: str, actor: Actor) -> ReleaseEvent:
    now = record.clock.now()
    return ReleaseEvent(
        product="loan",
        number=1,
        kind=ReleaseEventKind.PROPOSED,
        release_hash=release_hash,
        terms=make_terms(now.date()),
        reason="It is better.",
        is_single_person=True,
        signature=Signature(actor=actor, client_id="client"),
        recorded_at=now,
    )


async def test_events_are_read_back_as_they_were_written(record: Record, actor: Actor, release_hash: str) -> None:
    proposed = make_event(record, release_hash, actor)
    base = replace(proposed, terms=None, reason=None, is_single_person=False)
    staged = replace(base, number=2, kind=ReleaseEventKind.STAGED, stage=Stage.CHALLENGER)
    at = record.clock.now() + timedelta(hours=1)
    back = replace(base, number=3, kind=ReleaseEventKind.ROLLED_BACK, active_at=at, former_hash=release_hash)
    for event in (proposed, staged, back):
        assert await add_release_event(record, event)
    assert await read_release_events(record, "loan") == (proposed, staged, back)
    assert await read_release_events(record, "card") == ()
    assert await read_release_events(record) == (proposed, staged, back)
    assert await count_release_events(record) == {"loan": 3}


async def test_of_two_events_with_one_number_the_first_is_written(
    record: Record, actor: Actor, release_hash: str
) -> None:
    event = make_event(record, release_hash, actor)
    assert await add_release_event(record, event)
    assert not await add_release_event(record, replace(event, reason="Another."))
    assert await add_release_event(record, replace(event, product="card"))
    (kept,) = await read_release_events(record, "loan")
    assert kept == event


async def test_a_release_that_is_not_recorded_has_no_events(record: Record, actor: Actor) -> None:
    with pytest.raises(NotFound, match="release"):
        await add_release_event(record, make_event(record, "0" * 64, actor))


async def test_events_of_every_kind_are_written(record: Record, actor: Actor, release_hash: str) -> None:
    await write_life(record, "loan", release_hash, actor)
    kinds = {event.kind for event in await read_release_events(record, "loan")}
    assert kinds == set(ReleaseEventKind) - {ReleaseEventKind.RETIRED}


async def test_activations_from_before_there_were_events_come_first(
    record: Record, settings: Settings, actor: Actor, release_hash: str
) -> None:
    await write_former_activation(record, settings, actor)
    await put_live(record, "former_loan", release_hash, actor)
    former, later = await read_release_events(record, "former_loan")
    assert (former.number, former.kind, former.active_at) == (0, "activated", former.recorded_at)
    assert (later.number, later.release_hash) == (1, release_hash)
    assert former.release_hash != release_hash


async def test_the_app_adds_no_activation_by_the_former_way(record: Record, release_hash: str) -> None:
    async with record.connection() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                "INSERT INTO release_activations (product, release_hash, actor_kind, actor_id, recorded_at)"
                " VALUES ('loan', $1, 'job', 'tests', now())",
                release_hash,
            )
