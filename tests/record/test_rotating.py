"""Rotation of the master key on a real record: nothing that was sealed is lost, whoever writes meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import asyncpg
import pytest
from msgspec.structs import replace

from instant_credit.access.actors import Actor
from instant_credit.errors import BrokenInvariant, Refused
from instant_credit.record import rotating
from instant_credit.record.audit import audit_record
from instant_credit.record.commit import commit_entries
from instant_credit.record.embedded import APP, Cluster
from instant_credit.record.owning import open_owner
from instant_credit.record.pool import Record, open_record
from instant_credit.record.reads import iterate_cases
from instant_credit.record.rings import add_master_key, read_key_ring, remove_master_keys, turn_ring
from instant_credit.record.rotating import count_wrapped, note_current, retire_former, rewrap_keys
from instant_credit.record.sealing import KEY_BYTES
from instant_credit.settings import Settings
from tests.conftest import run_apart
from tests.record.entries import make_entry

pytestmark = pytest.mark.anyio


@pytest.fixture
async def owner(settings: Settings) -> AsyncIterator[Any]:
    async with open_owner(settings) as connection:
        yield connection


async def commit(record: Record, actor: Actor, *numbers: int) -> None:
    await commit_entries(record, [make_entry(record, number) for number in numbers], actor)


async def read_all(record: Record) -> set[bytes | None]:
    return {case.case async for case in iterate_cases(record, "tape")}


async def test_a_rotation_wraps_every_key_anew_and_seals_nothing_anew(
    record: Record, actor: Actor, owner: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotating, "BATCH_KEYS", 7)
    await commit(record, actor, *range(30))
    sealed = await owner.fetch("SELECT sealed_case FROM cases ORDER BY case_id")
    former, newest = record.key_ring.current, turn_ring(settings.key_ring)
    seen: list[int] = []
    assert await rewrap_keys(record, owner, seen.append) == 30
    assert (sum(seen), max(seen)) == (30, 7)
    assert await count_wrapped(owner) == {newest: 30}
    assert await rewrap_keys(record, owner) == 0
    assert await retire_former(record, owner, settings, actor) == (former,)
    assert read_key_ring(settings.key_ring).master_key_ids == (newest,)
    assert await read_all(record) == {b"case %d" % number for number in range(30)}
    assert await owner.fetch("SELECT sealed_case FROM cases ORDER BY case_id") == sealed


async def test_a_key_that_wraps_something_stays_in_the_ring(
    record: Record, actor: Actor, owner: Any, settings: Settings
) -> None:
    await commit(record, actor, 1)
    former, newest = record.key_ring.current, turn_ring(settings.key_ring)
    with pytest.raises(
        Refused, match=f"master key {former} still wraps data keys: run `instant-credit key-ring rotate`"
    ):
        await retire_former(record, owner, settings, actor)
    assert read_key_ring(settings.key_ring).master_key_ids == (former, newest)
    assert await owner.fetchval("SELECT count(*) FROM master_key_events") == 0


async def test_a_key_that_was_added_and_wraps_nothing_yet_is_not_retired(
    record: Record, owner: Any, settings: Settings, actor: Actor
) -> None:
    added = add_master_key(settings.key_ring)
    assert await retire_former(record, owner, settings, actor) == ()
    assert added in read_key_ring(settings.key_ring).master_key_ids


async def test_a_server_that_has_not_looked_yet_writes_nothing_by_a_retired_key(
    record: Record, actor: Actor, owner: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its wrapping and its writing the whole rotation passes; it loses the race and wraps again."""
    former, ring = record.key_ring.current, record.key_ring
    wrap, rotations = ring.wrap_key, [settings]

    async def rotate() -> None:
        async with open_record(settings) as other, open_owner(settings) as another:
            turn_ring(settings.key_ring)
            await rewrap_keys(other, another)
            await retire_former(other, another, settings, actor)

    def wrap_and_rotate(*arguments: Any) -> Any:
        wrapped = wrap(*arguments)
        while rotations:
            rotations.pop()
            run_apart(rotate())
        return wrapped

    monkeypatch.setattr(ring, "wrap_key", wrap_and_rotate)
    await commit(record, actor, 1)
    assert set(await count_wrapped(owner)) == {read_key_ring(settings.key_ring).current}
    assert former not in read_key_ring(settings.key_ring).master_key_ids
    assert await read_all(record) == {b"case 1"}


async def test_the_database_refuses_what_a_retired_key_wraps(
    record: Record, actor: Actor, owner: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = record.key_ring.current
    turn_ring(settings.key_ring)
    await retire_former(record, owner, settings, actor)
    ring = record.key_ring
    monkeypatch.setattr(ring, "follow", lambda: None)
    monkeypatch.setattr(ring, "_current", former)
    monkeypatch.setattr(ring, "_master_keys", {former: b"m" * KEY_BYTES})
    with pytest.raises(BrokenInvariant, match="losing races"):
        await commit(record, actor, 1)
    assert await owner.fetchval("SELECT count(*) FROM cases") == 0


async def test_a_rotation_that_was_stopped_is_finished_by_the_next_pass(
    record: Record, actor: Actor, owner: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotating, "BATCH_KEYS", 4)
    await commit(record, actor, *range(10))
    newest = turn_ring(settings.key_ring)

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await rewrap_keys(record, owner, stop)
    assert (await count_wrapped(owner))[newest] == 4
    assert await rewrap_keys(record, owner) == 6
    assert await read_all(record) == {b"case %d" % number for number in range(10)}


async def test_a_data_key_that_changed_since_it_was_read_is_left_alone(
    record: Record, actor: Actor, owner: Any, settings: Settings, superuser_url: str
) -> None:
    await commit(record, actor, 1, 2)
    turn_ring(settings.key_ring)

    async def erase() -> None:
        connection = await asyncpg.connect(superuser_url)
        await connection.execute(
            "DELETE FROM sealed_keys.person_keys WHERE person_id = $1", make_entry(record, 1).person_id
        )
        await connection.close()

    class Erasing:
        """The owner's connection, on which a person is erased between reading and writing a batch."""

        erasures: ClassVar = [erase]
        fetchval = staticmethod(owner.fetchval)

        async def fetch(self, *arguments: Any) -> Any:
            rows = await owner.fetch(*arguments)
            while self.erasures:
                await self.erasures.pop()()
            return rows

    assert await rewrap_keys(record, Erasing()) == 1
    assert await read_all(record) == {None, b"case 2"}


async def test_persons_who_come_while_keys_are_wrapped_anew_stay_readable(
    record: Record, actor: Actor, owner: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotating, "BATCH_KEYS", 5)
    await commit(record, actor, *range(40))

    async def apply() -> None:
        for number in range(40, 80):
            await commit(record, actor, number, number - 40)

    async def rotate() -> None:
        for _ in range(4):
            turn_ring(settings.key_ring)
            await rewrap_keys(record, owner)
            await retire_former(record, owner, settings, actor)

    await asyncio.gather(apply(), rotate())
    assert await read_all(record) == {b"case %d" % number for number in range(80)}
    assert set(await count_wrapped(owner)) == {record.key_ring.current}
    assert len(read_key_ring(settings.key_ring).master_key_ids) == 1


async def test_another_process_opens_what_was_wrapped_anew(
    record: Record, actor: Actor, owner: Any, settings: Settings
) -> None:
    async with open_record(settings) as server:
        await commit(server, actor, 1)
        turn_ring(settings.key_ring)
        await rewrap_keys(record, owner)
        assert await read_all(server) == {b"case 1"}
        await retire_former(record, owner, settings, actor)
        assert await read_all(server) == {b"case 1"}
        await commit(server, actor, 2)
        assert await read_all(record) == {b"case 1", b"case 2"}


async def test_a_ring_without_a_needed_key_says_which(
    record: Record, actor: Actor, owner: Any, settings: Settings
) -> None:
    await commit(record, actor, 1)
    former = record.key_ring.current
    turn_ring(settings.key_ring)
    remove_master_keys(settings.key_ring, [former])
    async with open_record(settings) as server:
        with pytest.raises(Refused, match=f"the key ring has no master key {former}"):
            await rewrap_keys(server, owner)


async def test_what_becomes_of_master_keys_is_written_down_once(
    record: Record, owner: Any, settings: Settings, actor: Actor
) -> None:
    former, newest = record.key_ring.current, turn_ring(settings.key_ring)
    for _ in range(2):
        await note_current(record, owner, actor)
        await retire_former(record, owner, settings, actor)
    rows = await owner.fetch("SELECT master_key_id, kind, actor_id FROM master_key_events ORDER BY kind")
    assert [tuple(row) for row in rows] == [(newest, "made_current", "test"), (former, "retired", "test")]
    assert await owner.fetchval("SELECT count(*) FROM links") == 2
    report = await audit_record(record, settings.anchors_file, bytes(32))
    assert (report.found, report.rows) == (0, 2)


async def test_a_login_that_may_not_own_is_refused(settings: Settings, cluster: Cluster, database: str) -> None:
    with pytest.raises(Refused, match=r"DATABASE_URL may not become instant_credit_owner.*let DATABASE_OWNER_URL name"):
        async with open_owner(replace(settings, database_url=cluster.url(APP, database), database_owner_url=None)):
            pass
