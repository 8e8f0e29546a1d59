"""Applications of one person under guards, on a real record."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from instant_credit.decision.case import decode_case
from instant_credit.decision.release import Release, compose_release, decode_manifest
from instant_credit.errors import Busy
from instant_credit.record.pool import Record
from instant_credit.record.reads import read_decision
from instant_credit.underwriting import affording
from instant_credit.underwriting.course import BOOK
from instant_credit.underwriting.life import LifeDesk
from instant_credit.underwriting.replay import replay
from tests.clock import FixedClock
from tests.lending import Documents, install_release, make_documents
from tests.policy.documents import guarded_policy
from tests.underwriting.rooms import CLIENT, Room

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def guarded_documents() -> Documents:
    return make_documents(policy=guarded_policy())


@pytest.fixture(scope="module")
def guarded_release(guarded_documents: Documents) -> Release:
    return compose_release(decode_manifest(guarded_documents.parts[-1][1]), guarded_documents.by_hash)


@pytest.fixture
async def guarded(record: Record, guarded_release: Release, guarded_documents: Documents) -> Room:
    await install_release(record, guarded_documents)
    return Room(record, guarded_release)


async def said(room: Room, name: str, seed: int = 1, **changes: Any) -> str:
    """What a guard said of one more application."""
    answered = await room.apply(room.submission(seed=seed, **changes))
    stored = await read_decision(room.record, answered.decision_id)
    assert stored is not None
    assert stored.decision is not None
    (result,) = [one["result"] for one in json.loads(stored.decision)["trace"] if one["rule"] == name]
    return str(result)


async def test_the_third_application_within_a_week_is_declined_and_later_ones_are_free_again(
    guarded: Room, clock: FixedClock
) -> None:
    assert [await said(guarded, "velocity") for _ in range(3)] == ["clear", "clear", "hit"]
    assert await said(guarded, "velocity", seed=2) == "clear"
    clock.advance(timedelta(days=8))
    assert await said(guarded, "velocity") == "clear"


async def test_an_accepted_offer_stops_the_next_loan_over_all_products(guarded: Room) -> None:
    life = LifeDesk(guarded.record)
    for seed in range(200):
        answer = json.loads((await guarded.apply(guarded.submission(seed=seed))).body)
        if answer["offer"] is not None:
            break
    guarded.releases.releases["other_loan"] = guarded.release
    assert await said(guarded, "stacked", seed=seed, product="other_loan") == "clear"
    await life.accept(UUID(answer["application_id"]), UUID(answer["offer"]["offer_id"]), CLIENT)
    assert await said(guarded, "stacked", seed=seed, product="other_loan") == "hit"


async def test_applications_at_once_are_decided_one_after_the_other(guarded: Room, superuser_url: str) -> None:
    other = Room(guarded.record, guarded.release)
    rooms = [guarded, other] * 4
    answers = await asyncio.gather(*(room.apply(room.submission()) for room in rooms))
    counts = []
    for answered in answers:
        stored = await read_decision(guarded.record, answered.decision_id)
        assert stored is not None
        assert stored.case is not None
        history = decode_case(stored.case).history
        assert history
        counts.append(len(history.priors))
    assert sorted(counts) == list(range(8))
    declined = sum(json.loads(answered.body)["outcome"] == "decline" for answered in answers)
    assert declined >= 6
    connection = await asyncpg.connect(superuser_url)
    numbers = await connection.fetch("SELECT number FROM instant_credit.person_applications ORDER BY number")
    await connection.close()
    assert [row["number"] for row in numbers] == list(range(1, 9))


async def test_a_repeated_key_is_no_further_application(guarded: Room) -> None:
    answers = await asyncio.gather(*(guarded.apply(guarded.submission(key="k")) for _ in range(6)))
    assert len({answered.body for answered in answers}) == 1
    assert await said(guarded, "velocity") == "clear"


async def test_tests_count_among_themselves(guarded: Room) -> None:
    for _ in range(2):
        await guarded.apply(guarded.submission(is_test=True))
    assert await said(guarded, "velocity") == "clear"
    assert await said(guarded, "velocity", is_test=True) == "hit"


async def test_what_was_decided_on_a_history_is_replayed_alike(guarded: Room, clock: FixedClock) -> None:
    for _ in range(4):
        await guarded.apply(guarded.submission())
        clock.advance(timedelta(days=2))
    summary = await replay(guarded.record, BOOK)
    assert (summary.equal, summary.different) == (4, 0)


async def test_a_policy_without_guards_asks_for_no_history_and_numbers_nothing(room: Room, superuser_url: str) -> None:
    answered = await room.apply(room.submission())
    stored = await read_decision(room.record, answered.decision_id)
    assert stored is not None
    assert stored.case is not None
    assert b"history" not in stored.case
    connection = await asyncpg.connect(superuser_url)
    assert await connection.fetchval("SELECT count(*) FROM instant_credit.person_applications") == 0
    await connection.close()


async def test_losing_every_round_ends_as_busy_and_records_nothing(
    guarded: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    gather = affording.gather_histories

    async def lag(*arguments: Any) -> Any:
        return [None if found is None else (found[0], 1) for found in await gather(*arguments)]

    await guarded.apply(guarded.submission())
    monkeypatch.setattr(affording, "gather_histories", lag)
    with pytest.raises(Busy):
        await guarded.apply(guarded.submission())
    monkeypatch.undo()
    assert await said(guarded, "velocity") == "clear"
