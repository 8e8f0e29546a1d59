"""The desk on a record that keeps its connections open and says nothing."""

import asyncio
from collections.abc import AsyncIterator
from random import Random
from time import perf_counter
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from instant_credit.access.actors import Actor, Scope
from instant_credit.api.app import create_app
from instant_credit.api.metrics import Metrics
from instant_credit.decision.release import Release
from instant_credit.errors import Unavailable
from instant_credit.record import api_keys, grouping
from instant_credit.record.api_keys import KeyDesk, create_key
from instant_credit.record.embedded import APP, Cluster
from instant_credit.record.pool import open_record
from instant_credit.settings import Settings
from instant_credit.underwriting import desk as desk_module
from tests.clock import FixedClock
from tests.lending import Documents, install_release, invent_body
from tests.record.cutting import Loss, Proxy, proxy_to
from tests.underwriting.rooms import ACTOR, CLIENT, Room

pytestmark = pytest.mark.anyio
SECONDS = 0.5
# Far less than what a statement may take, and more than busy cores need.
PATIENCE = 15
SOON = 1.5


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


async def test_every_route_keeps_to_its_callers_deadline(
    settings: Settings,
    through: str,
    release: Release,
    documents: Documents,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Far sooner than any step of its own would give up: the look-up of the key after 2 s, every other one after 5."""
    monkeypatch.setattr(grouping, "WRITE_SECONDS", SECONDS)
    async with proxy_to(through) as proxy:
        detour = replace(settings, database_url=proxy.url, database_connections=4)
        async with open_record(detour) as record:
            await install_release(record, documents)
            room = Room(record, release)
            key = await create_key(
                record, client_id="client", scopes=frozenset({Scope.APPLY}), expires_at=None, actor=ACTOR
            )
            told = invent_body(documents.product, Random(1))
            product = f"/v1/products/{documents.product.name}"
            async with asking(room, key) as known:
                draft = (await known.post(f"{product}/drafts", json=told)).json()["draft_id"]
                application, offer = await find_offer(known, documents)
                proxy.arm(Loss.REQUEST, 0, cuts=1_000, hangs=True)
                for path, body in {
                    f"{product}/applications": told,
                    f"/v1/drafts/{draft}/submit": None,
                    f"/v1/applications/{application}/offers/{offer}/accept": None,
                    f"{product}/quotes": {"facts": told["facts"]},
                }.items():
                    async with asking(room, key) as unknown:
                        for client in (known, unknown):
                            began = perf_counter()
                            answer = await client.post(path, json=body, headers={"Request-Timeout-Ms": "100"})
                            assert answer.status_code == 503, answer.text
                            assert perf_counter() - began < SOON, path
            await room.desk.drain()


def asking(room: Room, key: str) -> httpx.AsyncClient:
    """A client of a server that has not looked up any key yet."""
    app: Any = create_app(room.desk, KeyDesk(room.record).verify, Metrics())
    bearer = {"Authorization": f"Bearer {key}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x", headers=bearer)


async def find_offer(client: httpx.AsyncClient, documents: Documents) -> tuple[str, str]:
    """An application with an offer, and its offer."""
    for seed in range(100):
        body = invent_body(documents.product, Random(seed))
        told = (await client.post(f"/v1/products/{documents.product.name}/applications", json=body)).json()
        if told["offer"] is not None:
            return told["application_id"], told["offer"]["offer_id"]
    raise AssertionError("nobody gets an offer")


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
