from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from instant_credit.access.actors import Actor
from instant_credit.errors import Unavailable
from instant_credit.record.commit import commit_entries, find_answer
from instant_credit.record.embedded import APP, Cluster
from instant_credit.record.pool import Record, open_record
from instant_credit.record.reads import iterate_cases
from instant_credit.settings import Settings
from tests.clock import FixedClock
from tests.record.cutting import Loss, Proxy, proxy_to
from tests.record.entries import make_entry, make_keyed

pytestmark = pytest.mark.anyio


Through = tuple[Record, Proxy]


@pytest.fixture
async def through(
    settings: Settings, cluster: Cluster, empty_database: str, clock: FixedClock
) -> AsyncIterator[Through]:
    """A record with one connection, through a proxy that is not armed yet."""
    async with proxy_to(cluster.url(APP, empty_database)) as proxy:
        detour = replace(settings, database_url=proxy.url, database_connections=1)
        async with open_record(detour, clock=clock) as record:
            yield record, proxy


async def count_cases(record: Record) -> int:
    return len([case async for case in iterate_cases(record, "tape")])


@pytest.mark.parametrize("loss", list(Loss))
@pytest.mark.parametrize("cut_at", range(6))
async def test_a_commit_survives_a_cut_connection(through: Through, actor: Actor, loss: Loss, cut_at: int) -> None:
    record, proxy = through
    entries = [make_keyed(record, 0, "key"), *(make_entry(record, number) for number in range(1, 5))]
    proxy.arm(loss, cut_at, cuts=1)
    outcomes = await commit_entries(record, entries, actor)
    assert [committed.kind for committed in outcomes] == ["recorded"] * 5
    assert [committed.answer for committed in outcomes] == [entry.answer for entry in entries]
    assert await count_cases(record) == 5


@pytest.mark.parametrize("loss", list(Loss))
@pytest.mark.parametrize("cut_at", range(5))
async def test_a_commit_that_gives_up_has_written_all_or_nothing_and_can_be_made_again(
    through: Through, actor: Actor, loss: Loss, cut_at: int
) -> None:
    record, proxy = through
    entries = [make_entry(record, number) for number in range(5)]
    proxy.arm(loss, cut_at, cuts=1_000)
    given_up = False
    try:
        await commit_entries(record, entries, actor)
    except Unavailable:
        given_up = True
    proxy.arm(loss, 0, cuts=0)
    assert await count_cases(record) in ({0, 5} if given_up else {5})
    outcomes = await commit_entries(record, entries, actor)
    assert [committed.answer for committed in outcomes] == [entry.answer for entry in entries]
    assert await count_cases(record) == 5


async def test_a_database_that_is_cut_off_is_unavailable_and_comes_back(through: Through) -> None:
    record, proxy = through
    proxy.arm(Loss.REQUEST, 0, cuts=1_000)
    for ask in (record.ping(), find_answer(record, "client", "key")):
        with pytest.raises(Unavailable, match="did not answer"):
            await ask
    proxy.arm(Loss.REQUEST, 0, cuts=0)
    await record.ping()


async def test_a_database_that_is_not_there_is_unavailable(settings: Settings, clock: FixedClock) -> None:
    nowhere = "postgresql://app:secret@127.0.0.1:1/credit"
    with pytest.raises(Unavailable) as caught:
        async with open_record(replace(settings, database_url=nowhere, database_owner_url=None), clock=clock):
            pass
    assert "secret" not in str(caught.value)
