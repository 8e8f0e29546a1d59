"""The desk on a record that keeps its connections open and says nothing."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from instant_credit.access.actors import Actor, Scope
from instant_credit.decision.release import Release
from instant_credit.errors import Unavailable
from instant_credit.record import api_keys, grouping
from instant_credit.record.api_keys import KeyDesk, create_key
from instant_credit.record.embedded import APP, Cluster
from instant_credit.record.pool import open_record
from instant_credit.settings import Settings
from instant_credit.underwriting import desk as desk_module
from tests.clock import FixedClock
from tests.lending import Documents, install_release
from tests.record.cutting import Loss, Proxy, proxy_to
from tests.underwriting.rooms import CLIENT, Room

pytestmark = pytest.mark.anyio
SECONDS = 0.5
# Far less than what a statement may take, and more than busy cores need.
PATIENCE = 15


@pytest.fixture
def through(cluster: Cluster, empty_database: str) -> str:
    return cluster.url(APP, empty_database)


@pytest.fixture
async def behind(
    settings: Settings,
    through: str,
    release: Release,
    documents: Documents,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[Room, Proxy]]:
    monkeypatch.setattr(desk_module, "APPLICATION_SECONDS", SECONDS)
    monkeypatch.setattr(grouping, "WRITE_SECONDS", SECONDS)
    monkeypatch.setattr(api_keys, "LOOK_UP_SECONDS", SECONDS)
    async with proxy_to(through) as proxy:
        detour = replace(settings, database_url=proxy.url, database_connections=2)
        async with open_record(detour, clock=FixedClock()) as record:
            await install_release(record, documents)
            room = Room(record, release)
            yield room, proxy
            await room.desk.drain()


# A new person is written by one statement. Of one who is known that statement is refused, and a look-up and another one follow.
@pytest.mark.parametrize("loss", list(Loss))
@pytest.mark.parametrize(("is_known", "cut_at"), [(False, 0), (True, 0), (True, 1), (True, 2)])
async def test_a_caller_is_told_soon_and_a_retry_finds_what_was_committed(
    behind: tuple[Room, Proxy], loss: Loss, is_known: bool, cut_at: int
) -> None:
    room, proxy = behind
    for _ in range(2):
        await room.apply(room.submission(2))  # from here on both statements are prepared, and each is one request
    proxy.arm(loss, cut_at, cuts=1_000, hangs=True)
    submission = room.submission(2 if is_known else 1, key="key", seconds=SECONDS)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(Unavailable):
            await room.desk.apply(submission)
    proxy.arm(loss, 0, cuts=0)
    again = await room.apply(submission)
    assert (await room.apply(submission)).body == again.body
    async with room.record.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM decisions") == 3
    assert again.is_repeated is (loss is Loss.ANSWER and cut_at == (2 if is_known else 0))


async def test_nobody_waits_for_a_key_or_a_decision(behind: tuple[Room, Proxy], actor: Actor) -> None:
    room, proxy = behind
    text = await create_key(
        room.record, client_id="client", scopes=frozenset({Scope.APPLY}), expires_at=None, actor=actor
    )
    decision_id = (await room.apply(room.submission())).decision_id
    proxy.arm(Loss.REQUEST, 0, cuts=1_000, hangs=True)
    async with asyncio.timeout(PATIENCE):
        for ask in (
            lambda: KeyDesk(room.record).verify(text),
            lambda: room.desk.read_decision(decision_id, CLIENT),
        ):
            with pytest.raises(Unavailable, match=r"within 0\.5 s"):
                await ask()
