"""Shadow decisions: the same Case by another release, recorded apart, and nothing of it on the answer's way."""

import asyncio
import json
from collections import Counter
from uuid import UUID

import asyncpg
import msgspec
import pytest
from msgspec import UNSET
from msgspec.structs import replace

from instant_credit.access.actors import Actor
from instant_credit.access.purposes import Reading, ReadPurpose
from instant_credit.canonical import encode_canonical
from instant_credit.decision.case import decode_case
from instant_credit.decision.decide import decide
from instant_credit.decision.release import Release, compose_release, decode_manifest
from instant_credit.errors import Unavailable
from instant_credit.record.documents import put_document
from instant_credit.record.persons import find_person
from instant_credit.record.pool import Record
from instant_credit.record.reads import read_cases
from instant_credit.record.release_life import Stage
from instant_credit.record.shadows import ShadowEntry, add_shadow_decisions, read_shadow_decisions
from instant_credit.underwriting import shadowing as shadowing_module
from instant_credit.underwriting.answers import Answer, read_ids
from instant_credit.underwriting.desk import Desk
from instant_credit.underwriting.persons import export_person
from instant_credit.underwriting.releases import SHADOWS_HELD_MAX, LiveReleases
from instant_credit.underwriting.shadowing import ShadowEnding, Shadowing
from tests.lending import Documents, vary
from tests.releasing import put_live, write_stage
from tests.underwriting.rooms import Room

pytestmark = pytest.mark.anyio

PRODUCT = "personal_loan"


def compose(documents: Documents) -> Release:
    return compose_release(decode_manifest(documents.parts[-1][1]), documents.by_hash)


@pytest.fixture(scope="module")
def shadow(documents: Documents) -> Release:
    return compose(vary(documents, "A shadow's policy"))


class Dark:
    """A room whose desk offers to shadows, and what was counted and reported of them."""

    def __init__(self, room: Room, *releases: Release, waiting_max: int = 100) -> None:
        self.counts: Counter[ShadowEnding] = Counter()
        self.reported: list[Exception] = []
        self.shadowing = Shadowing(
            room.record,
            lambda: {PRODUCT: releases},
            count=self.count,
            report=lambda _, error: self.reported.append(error),
            waiting_max=waiting_max,
        )
        room.desk = Desk(room.record, room.releases, report=room.lines.append, shadow=self.shadowing.offer)

    def count(self, product: str, ending: ShadowEnding, items: int) -> None:
        assert product == PRODUCT
        self.counts[ending] += items


async def apply(room: Room, seed: int) -> UUID:
    return read_ids((await room.apply(room.submission(seed))).body).application_id


async def test_a_shadow_decides_the_same_case_and_is_recorded_apart(room: Room, shadow: Release) -> None:
    dark = Dark(room, shadow)
    case_ids = [await apply(room, seed) for seed in range(5)]
    assert dark.shadowing.waiting == 5
    assert [await read_shadow_decisions(room.record, one) for one in case_ids] == [()] * 5
    await dark.shadowing.decide_group()
    stored = {case.case_id: case.case for case in await read_cases(room.record, case_ids)}
    for case_id in case_ids:
        (found,) = await read_shadow_decisions(room.record, case_id)
        raw = stored[case_id]
        assert raw is not None
        decision = decide(replace(decode_case(raw), assignment=UNSET), shadow)
        assert (found.release_hash, found.outcome) == (shadow.hash, decision.outcome)
        assert found.decision == encode_canonical(decision)
    assert dark.counts == {ShadowEnding.RECORDED: 5}
    async with room.record.connection() as connection:
        hashes = await connection.fetch("SELECT DISTINCT release_hash FROM decisions")
    assert [row["release_hash"] for row in hashes] == [room.release.hash]


async def test_a_persons_export_holds_the_shadow_decisions(room: Room, shadow: Release, actor: Actor) -> None:
    dark = Dark(room, shadow)
    case_id = await apply(room, 1)
    await dark.shadowing.decide_group()
    reading = Reading(actor=actor, purpose=ReadPurpose.PERSON_REQUEST)
    exported = json.loads(await export_person(room.record, await find_person(room.record, case_id), reading))
    ((found,),) = (one["shadows"] for one in exported["applications"])
    (stored,) = await read_shadow_decisions(room.record, case_id)
    assert (found["release"], found["outcome"]) == (shadow.hash, stored.outcome)
    assert stored.decision is not None
    assert found["decision"] == json.loads(stored.decision)


async def test_the_answer_is_the_one_that_it_is_without_a_shadow(room: Room, shadow: Release) -> None:
    plain = await room.apply(room.submission(3, key="plain"))
    Dark(room, shadow)
    dark = await room.apply(room.submission(3, key="dark"))
    one, other = (msgspec.json.decode(answered.body, type=Answer) for answered in (plain, dark))
    for field in ("release", "outcome", "reasons", "pd_ppm", "points"):
        assert getattr(one, field) == getattr(other, field)


async def test_tests_and_repeated_answers_are_not_decided_by_shadows(room: Room, shadow: Release) -> None:
    dark = Dark(room, shadow)
    await room.apply(room.submission(1, is_test=True))
    assert dark.shadowing.waiting == 0
    for _ in range(3):
        await room.apply(room.submission(1, key="key"))
    assert dark.shadowing.waiting == 1


async def test_without_a_shadow_nothing_is_queued(room: Room) -> None:
    dark = Dark(room)
    await apply(room, 1)
    assert (dark.shadowing.waiting, dark.counts) == (0, {})


async def test_what_the_queue_does_not_hold_is_dropped_and_counted(room: Room, shadow: Release) -> None:
    dark = Dark(room, shadow, shadow, waiting_max=2)
    for seed in range(5):
        await apply(room, seed)
    assert (dark.shadowing.waiting, dark.counts) == (2, {ShadowEnding.DROPPED: 6})


async def test_an_erased_persons_shadow_decision_is_unreadable_and_none_is_added(
    room: Room, shadow: Release, superuser_url: str
) -> None:
    dark = Dark(room, shadow)
    case_id = await apply(room, 1)
    await dark.shadowing.decide_group()
    await apply(room, 2)
    connection = await asyncpg.connect(superuser_url)
    await connection.execute("SET session_replication_role = replica; DELETE FROM sealed_keys.person_keys")
    await connection.close()
    await dark.shadowing.decide_group()
    (found,) = await read_shadow_decisions(room.record, case_id)
    assert found.decision is None
    assert dark.counts == {ShadowEnding.RECORDED: 1, ShadowEnding.ERASED: 1}


async def test_a_case_of_other_columns_is_counted_and_left(room: Room, shadow: Release) -> None:
    dark = Dark(room, shadow)
    await apply(room, 1)
    waiting = dark.shadowing._queue.popleft()
    other = encode_canonical(replace(decode_case(waiting.case), layout_hash="0" * 64))
    dark.shadowing._queue.append(replace(waiting, case=other))
    await dark.shadowing.decide_group()
    assert dark.counts == {ShadowEnding.OTHER_COLUMNS: 1}


@pytest.mark.parametrize(("error", "reported"), [(Unavailable("down"), 0), (ZeroDivisionError(), 1)])
async def test_a_shadow_that_fails_is_counted_and_disturbs_nobody(
    room: Room, shadow: Release, monkeypatch: pytest.MonkeyPatch, error: Exception, reported: int
) -> None:
    async def fail(*_: object) -> None:
        raise error

    dark = Dark(room, shadow)
    await apply(room, 1)
    monkeypatch.setattr(shadowing_module, "add_shadow_decisions", fail)
    await dark.shadowing.decide_group()
    await apply(room, 2)
    assert dark.counts == {ShadowEnding.FAILED: 1}
    assert len(dark.reported) == reported


async def test_a_shadow_decision_is_recorded_once(room: Room, actor: Actor) -> None:
    case_id = await apply(room, 1)
    entry = ShadowEntry(case_id=case_id, release_hash="a" * 64, outcome="decline", decision=b"first")
    for raw in (b"first", b"second"):
        written = await add_shadow_decisions(room.record, [replace(entry, decision=raw)], actor)
        assert (written.recorded, written.erased) == (1, 0)
    (found,) = await read_shadow_decisions(room.record, case_id)
    assert found.decision == b"first"
    unknown = replace(entry, case_id=UUID(int=case_id.int ^ 1))
    assert (await add_shadow_decisions(room.record, [unknown], actor)).erased == 1


async def test_what_two_processes_record_at_once_is_recorded_once(room: Room, actor: Actor) -> None:
    case_ids = [await apply(room, seed) for seed in range(4)]
    entries = [ShadowEntry(case_id=one, release_hash="a" * 64, outcome="refer", decision=b"raw") for one in case_ids]
    written = await asyncio.gather(*(add_shadow_decisions(room.record, entries, actor) for _ in range(4)))
    assert {one.recorded for one in written} == {4}
    async with room.record.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM shadow_decisions") == 4


async def test_a_server_decides_what_waits_beside_its_work_and_at_its_end(
    room: Room, shadow: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadowing_module, "PAUSE_SECONDS", 0)
    dark = Dark(room, shadow)
    running = asyncio.create_task(dark.shadowing.run())
    await apply(room, 1)
    while not dark.counts:
        await asyncio.sleep(0)
    running.cancel()
    for seed in range(2, 6):
        await apply(room, seed)
    await dark.shadowing.finish()
    assert dark.counts == {ShadowEnding.RECORDED: 5}


async def test_what_is_not_done_in_time_at_the_end_is_dropped_and_counted(
    room: Room, shadow: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(shadowing_module, "FINISH_SECONDS", 0.01)
    monkeypatch.setattr(shadowing_module, "GROUP_MAX", 2)
    monkeypatch.setattr(shadowing_module, "add_shadow_decisions", hang)
    dark = Dark(room, shadow)
    for seed in range(5):
        await apply(room, seed)
    await dark.shadowing.finish()
    assert sum(dark.counts.values()) == 5
    assert dark.counts[ShadowEnding.RECORDED] == 0


async def test_of_a_group_that_is_broken_off_every_shadow_is_counted(
    room: Room, documents: Documents, shadow: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = asyncio.Event()

    async def hang(*_: object) -> None:
        hanging.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(shadowing_module, "add_shadow_decisions", hang)
    dark = Dark(room, shadow, compose(vary(documents, "Another one")), compose(vary(documents, "A third one")))
    for seed in range(2):
        await apply(room, seed)
    deciding = asyncio.create_task(dark.shadowing.decide_group())
    await hanging.wait()
    deciding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deciding
    assert dark.counts == {ShadowEnding.FAILED: 2, ShadowEnding.DROPPED: 4}


async def test_staged_shadows_are_held_in_memory_and_never_more_than_so_many(
    record: Record, actor: Actor, documents: Documents
) -> None:
    made = [documents, *(vary(documents, f"Policy {number}") for number in range(2))]
    for one in made:
        for kind, raw in one.parts:
            await put_document(record, kind, raw, actor)
    champion, first, second = (one.release_hash for one in made)
    await put_live(record, PRODUCT, champion, actor)
    releases = LiveReleases(record)
    await releases.refresh()
    assert releases.shadows() == {}
    await write_stage(record, PRODUCT, first, actor)
    await releases.refresh()
    (held,) = releases.shadows()[PRODUCT]
    assert held.hash == first
    await put_live(record, PRODUCT, first, actor)
    await write_stage(record, PRODUCT, second, actor)
    await releases.refresh()
    assert releases.live()[PRODUCT] is held
    assert [one.hash for one in releases.shadows()[PRODUCT]] == [second]
    for number in range(SHADOWS_HELD_MAX):
        await write_stage(record, f"loan_{number}", second, actor)
    await releases.refresh()
    assert sum(map(len, releases.shadows().values())) == SHADOWS_HELD_MAX


async def test_a_challenger_decides_unseen_like_a_shadow(record: Record, actor: Actor, documents: Documents) -> None:
    made = (documents, vary(documents, "A challenger's policy"))
    for one in made:
        for kind, raw in one.parts:
            await put_document(record, kind, raw, actor)
    champion, challenger = (one.release_hash for one in made)
    await put_live(record, PRODUCT, champion, actor)
    await write_stage(record, PRODUCT, challenger, actor, Stage.CHALLENGER)
    releases = LiveReleases(record)
    await releases.refresh()
    assert [one.hash for one in releases.shadows()[PRODUCT]] == [challenger]
    assert releases.live()[PRODUCT].hash == champion


async def test_a_shadow_that_cannot_be_loaded_is_reported_once_and_decides_nothing(
    record: Record, actor: Actor
) -> None:
    broken = await put_document(record, "release", b"{}", actor)
    await write_stage(record, PRODUCT, broken, actor)
    reported: list[str] = []
    releases = LiveReleases(record, lambda missed: reported.append(missed.release_hash))
    for _ in range(3):
        await releases.refresh()
    assert (reported, releases.shadows(), releases.not_loaded()) == ([broken], {}, {})
