"""Events of releases as they are written and read back."""

from datetime import timedelta

import asyncpg
import pytest
from msgspec.structs import replace

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature
from instant_credit.errors import BrokenInvariant, NotFound
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


@pytest.mark.parametrize("kind", [ReleaseEventKind.APPROVED, ReleaseEventKind.REJECTED])
async def test_the_database_itself_takes_no_verdict_of_whoever_proposed(
    record: Record, release_hash: str, kind: ReleaseEventKind
) -> None:
    key = Actor(kind=ActorKind.API_KEY, id="key-1")
    proposed = replace(make_event(record, release_hash, key), is_single_person=False)
    verdict = replace(proposed, number=2, kind=kind, terms=None)
    with pytest.raises(BrokenInvariant, match="release_events_wait"):
        await add_release_event(record, replace(verdict, number=1))
    assert await add_release_event(record, proposed)
    other_key = Signature(actor=replace(key, id="key-2"), client_id="client")
    job = Signature(actor=Actor(kind=ActorKind.JOB, id="job"))
    for signature in (proposed.signature, other_key, job):
        with pytest.raises(BrokenInvariant, match="release_events_four_eyes"):
            await add_release_event(record, replace(verdict, signature=signature))
    second = Signature(actor=key, client_id="another")
    assert await add_release_event(record, replace(verdict, signature=second))
    with pytest.raises(BrokenInvariant, match="release_events_wait"):
        await add_release_event(record, replace(verdict, number=3, signature=second))


async def test_one_person_alone_may_judge_where_the_event_says_so(
    record: Record, actor: Actor, release_hash: str
) -> None:
    proposed = make_event(record, release_hash, actor)
    assert await add_release_event(record, proposed)
    alone = replace(proposed, number=2, kind=ReleaseEventKind.APPROVED, terms=None, is_single_person=True)
    assert await add_release_event(record, alone)


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
