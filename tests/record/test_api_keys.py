import asyncio
from datetime import timedelta

import pytest

from instant_credit.access.actors import Actor, ActorKind, Scope
from instant_credit.errors import Conflict, NotFound, Refused, Throttled
from instant_credit.record.api_keys import (
    REMEMBERED_KEYS,
    REMEMBERED_NS,
    STRANGERS,
    KeyDesk,
    create_key,
    list_keys,
    revoke_key,
    rotate_key,
)
from instant_credit.record.pool import Record
from tests.clock import FixedClock

pytestmark = pytest.mark.anyio

SCOPES = frozenset({Scope.APPLY})


async def make_key(record: Record, actor: Actor, client_id: str = "client", **options: object) -> str:
    return await create_key(
        record, **{"client_id": client_id, "scopes": SCOPES, "expires_at": None, "actor": actor, **options}
    )  # type: ignore[arg-type] # options vary


async def test_a_key_grants_its_client_and_scopes(record: Record, actor: Actor) -> None:
    text = await make_key(record, actor)
    grant = await KeyDesk(record).verify(text)
    assert grant is not None
    assert (grant.client_id, grant.scopes) == ("client", SCOPES)
    assert grant.actor == Actor(kind=ActorKind.API_KEY, id=grant.key_id)


async def test_no_secret_is_kept(record: Record, actor: Actor) -> None:
    text = await make_key(record, actor)
    async with record.connection() as connection:
        row = await connection.fetchrow("SELECT * FROM api_keys")
    secret = text.split("_", 2)[2]
    assert all(secret not in str(value) for value in row.values())


@pytest.mark.parametrize(
    "change", [lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"), lambda _: "", lambda _: "ic_"]
)
async def test_another_text_grants_nothing(record: Record, actor: Actor, change: object) -> None:
    text = await make_key(record, actor)
    assert await KeyDesk(record).verify(change(text)) is None  # type: ignore[operator] # change is a parameter


async def test_an_unknown_key_grants_nothing(record: Record) -> None:
    assert await KeyDesk(record).verify("ic_" + "a" * 16 + "_" + "b" * 43) is None


async def test_a_key_ends_when_it_expires(record: Record, actor: Actor, clock: FixedClock) -> None:
    text = await make_key(record, actor, expires_at=clock.now() + timedelta(days=1))
    desk = KeyDesk(record)
    clock.advance(timedelta(days=1) - timedelta(microseconds=1))
    assert await desk.verify(text) is not None
    clock.advance(timedelta(microseconds=1))
    assert await desk.verify(text) is None


async def test_a_revoked_key_grants_nothing(record: Record, actor: Actor) -> None:
    text = await make_key(record, actor)
    (row,) = await list_keys(record)
    await revoke_key(record, row.key_id, actor)
    await revoke_key(record, row.key_id, actor)
    assert await KeyDesk(record).verify(text) is None
    (row,) = await list_keys(record)
    assert row.revoked_at is not None


async def test_a_revocation_reaches_a_desk_that_remembers_the_key(
    record: Record, actor: Actor, clock: FixedClock
) -> None:
    text = await make_key(record, actor)
    desk = KeyDesk(record)
    assert await desk.verify(text) is not None
    (row,) = await list_keys(record)
    await revoke_key(record, row.key_id, actor)
    assert await desk.verify(text) is not None
    clock.advance_monotonic(REMEMBERED_NS)
    assert await desk.verify(text) is None


async def test_a_desk_forgets_the_oldest_keys(record: Record, actor: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("instant_credit.record.api_keys.REMEMBERED_KEYS", 2)
    assert REMEMBERED_KEYS > 2
    desk = KeyDesk(record)
    for number in range(4):
        assert await desk.verify(await make_key(record, actor, f"client {number}")) is not None
    assert len(desk._remembered) == 2


async def test_a_key_for_tests_grants_tests_alone(record: Record, actor: Actor) -> None:
    for is_test in (False, True):
        grant = await KeyDesk(record).verify(await make_key(record, actor, is_test=is_test))
        assert grant is not None
        assert grant.is_test == is_test


@pytest.mark.parametrize("is_test", [False, True])
async def test_both_keys_of_a_rotation_work_until_the_overlap_ends(
    record: Record, actor: Actor, clock: FixedClock, is_test: bool
) -> None:
    former = await make_key(record, actor, is_test=is_test)
    successor = await rotate_key(record, former.split("_")[1], overlap=timedelta(hours=24), actor=actor)
    desk = KeyDesk(record)
    first, second = await desk.verify(former), await desk.verify(successor)
    assert first is not None
    assert second is not None
    assert (first.client_id, first.scopes, first.is_test) == (second.client_id, second.scopes, second.is_test)
    clock.advance(timedelta(hours=24) - timedelta(microseconds=1))
    assert await desk.verify(former) is not None
    clock.advance(timedelta(microseconds=1))
    assert await desk.verify(former) is None
    assert await desk.verify(successor) is not None


async def test_a_rotated_key_ends_no_later_than_it_would_have(record: Record, actor: Actor, clock: FixedClock) -> None:
    former = await make_key(record, actor, expires_at=clock.now() + timedelta(hours=1))
    successor = await rotate_key(record, former.split("_")[1], overlap=timedelta(hours=24), actor=actor)
    clock.advance(timedelta(hours=1))
    assert await KeyDesk(record).verify(former) is None
    assert await KeyDesk(record).verify(successor) is None


async def test_a_successor_may_live_longer(record: Record, actor: Actor, clock: FixedClock) -> None:
    former = await make_key(record, actor, expires_at=clock.now() + timedelta(hours=1))
    later = clock.now() + timedelta(days=30)
    successor = await rotate_key(record, former.split("_")[1], overlap=timedelta(0), expires_at=later, actor=actor)
    clock.advance(timedelta(hours=2))
    assert await KeyDesk(record).verify(successor) is not None


async def test_a_key_is_rotated_once(record: Record, actor: Actor) -> None:
    former = await make_key(record, actor)
    successor = await rotate_key(record, former.split("_")[1], overlap=timedelta(hours=1), actor=actor)
    with pytest.raises(Conflict, match=successor.split("_")[1]):
        await rotate_key(record, former.split("_")[1], overlap=timedelta(hours=1), actor=actor)
    rows = {row.key_id: row.successor_key_id for row in await list_keys(record)}
    assert rows == {former.split("_")[1]: successor.split("_")[1], successor.split("_")[1]: None}


async def test_of_two_rotations_at_once_one_wins(record: Record, actor: Actor) -> None:
    key_id = (await make_key(record, actor)).split("_")[1]
    found = await asyncio.gather(
        *(rotate_key(record, key_id, overlap=timedelta(hours=1), actor=actor) for _ in range(4)),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in found) == ["Conflict"] * 3 + ["str"]
    assert len(await list_keys(record)) == 2


async def test_a_key_that_has_ended_is_not_rotated(record: Record, actor: Actor, clock: FixedClock) -> None:
    revoked = (await make_key(record, actor)).split("_")[1]
    expired = (await make_key(record, actor, expires_at=clock.now() + timedelta(hours=1))).split("_")[1]
    await revoke_key(record, revoked, actor)
    clock.advance(timedelta(hours=1))
    for key_id in (revoked, expired):
        with pytest.raises(Conflict, match="has ended"):
            await rotate_key(record, key_id, overlap=timedelta(hours=1), actor=actor)
    with pytest.raises(NotFound):
        await rotate_key(record, "a" * 16, overlap=timedelta(hours=1), actor=actor)


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), timedelta(days=91)])
async def test_an_overlap_has_bounds(record: Record, actor: Actor, overlap: timedelta) -> None:
    key_id = (await make_key(record, actor)).split("_")[1]
    with pytest.raises(Refused, match="overlap"):
        await rotate_key(record, key_id, overlap=overlap, actor=actor)


async def test_invented_keys_are_looked_up_so_many_times_and_shut_out_no_key_that_was_seen(
    record: Record, actor: Actor, clock: FixedClock
) -> None:
    text = await make_key(record, actor)
    desk = KeyDesk(record)
    assert await desk.verify(text) is not None
    clock.advance_monotonic(REMEMBERED_NS)
    invented = "ic_" + "a" * 16 + "_" + "b" * 43
    for _ in range(STRANGERS.burst):
        assert await desk.verify(invented) is None
    with pytest.raises(Throttled) as caught:
        await desk.verify(invented)
    assert caught.value.wait_seconds == 1
    assert await desk.verify(text) is not None


async def test_an_unknown_key_cannot_be_revoked(record: Record, actor: Actor) -> None:
    with pytest.raises(NotFound, match="API key"):
        await revoke_key(record, "a" * 16, actor)


@pytest.mark.parametrize(
    ("options", "match"),
    [({"scopes": frozenset()}, "scope"), ({"client_id": ""}, "client id"), ({"client_id": "x" * 65}, "client id")],
)
async def test_a_key_that_makes_no_sense_is_refused(
    record: Record, actor: Actor, options: dict[str, object], match: str
) -> None:
    with pytest.raises(Refused, match=match):
        await make_key(record, actor, **options)  # type: ignore[arg-type] # options vary


async def test_a_key_that_is_expired_already_is_refused(record: Record, actor: Actor, clock: FixedClock) -> None:
    with pytest.raises(Refused, match="expired"):
        await make_key(record, actor, expires_at=clock.now())
