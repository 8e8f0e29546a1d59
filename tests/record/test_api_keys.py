from datetime import timedelta

import pytest

from instant_credit.access.actors import Actor, ActorKind, Scope
from instant_credit.errors import NotFound, Refused
from instant_credit.record.api_keys import REMEMBERED_KEYS, REMEMBERED_NS, KeyDesk, create_key, list_keys, revoke_key
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
