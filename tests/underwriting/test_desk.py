"""The desk on a real record, with a clock that stands still."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.purposes import Reading, ReadPurpose
from instant_credit.application.facts import RecordedIdentity
from instant_credit.canonical import encode_canonical
from instant_credit.decision.case import Case
from instant_credit.decision.decide import decide, decide_many
from instant_credit.decision.release import Release
from instant_credit.errors import Conflict, NotFound, Unavailable
from instant_credit.record import read_log
from instant_credit.record.persons import find_person, list_reads
from instant_credit.record.reads import list_books, read_decision, read_identity, read_monitoring
from instant_credit.underwriting import affording, deciding
from instant_credit.underwriting import desk as desk_module
from instant_credit.underwriting.answers import RecordedDecision
from instant_credit.underwriting.course import BOOK, TEST_BOOK, Answered
from instant_credit.underwriting.desk import Desk
from instant_credit.underwriting.lines import Ending
from tests.underwriting.rooms import ANOTHER, CLIENT, TESTER, Room

pytestmark = pytest.mark.anyio
DAY = "2024-03-01"
AUDIT = ReadPurpose.AUDIT
READING = Reading(actor=Actor(kind=ActorKind.API_KEY, id="auditor"), purpose=AUDIT)


async def test_the_recorded_decision_is_what_decide_says_of_the_recorded_case(room: Room) -> None:
    answered = await room.apply(room.submission())
    stored = await read_decision(room.record, answered.decision_id)
    assert stored is not None
    assert stored.case is not None
    case = json.loads(stored.case)
    assert case["as_of"] == DAY
    assert stored.decision == encode_canonical(decide(desk_case(stored.case), room.release))
    assert stored.answer == answered.body


async def test_a_line_that_cannot_be_reported_makes_no_failure_of_a_decision(room: Room) -> None:
    lost: list[bool] = []

    def fail(_: Any) -> None:
        raise OSError("no room")

    desk = Desk(room.record, room.releases, report=fail, lost=lambda: lost.append(True))
    answered = await desk.apply(room.submission(key="key"))
    assert isinstance(answered, Answered)
    assert (await room.apply(room.submission(key="key"))).body == answered.body
    with pytest.raises(Conflict):
        await desk.apply(room.submission(2, key="key"))
    assert lost == [True, True]


def desk_case(raw: bytes) -> Case:
    return msgspec.json.decode(raw, type=Case)


async def test_identity_and_monitoring_are_kept_apart_from_the_case(room: Room) -> None:
    name = room.release.product.monitoring_attributes[0]
    body = {"monitoring": {name.name: name.categories[0]}}
    answered = await room.apply(room.submission(body=body))
    ids = json.loads(answered.body)
    case_id = type(answered.decision_id)(ids["application_id"])
    identity = await read_identity(room.record, case_id, READING)
    monitoring = await read_monitoring(room.record, case_id)
    stored = await read_decision(room.record, answered.decision_id)
    assert stored is not None
    assert stored.case is not None
    assert identity is not None
    assert json.loads(identity)["name"] == "Ada Example"
    assert monitoring is not None
    assert json.loads(monitoring)["codes"][0] == 0
    assert {json.loads(raw)["schema_version"] for raw in (identity, monitoring, stored.case)} == {1}
    assert b"Ada" not in stored.case
    assert b"monitoring" not in stored.case


async def test_a_sealed_identity_of_a_later_version_can_be_read(room: Room) -> None:
    answered = await room.apply(room.submission())
    raw = await read_identity(room.record, UUID(json.loads(answered.body)["application_id"]), READING)
    assert raw is not None
    later = json.dumps({**json.loads(raw), "schema_version": 2, "name": "", "born_on": "2001-02-03"})
    found = msgspec.json.decode(later, type=RecordedIdentity)
    assert (found.schema_version, found.name, found.address) == (2, "", "1 Example Street")


@pytest.mark.parametrize("key", [None, "k"])
async def test_every_decision_belongs_to_the_client_that_asked(room: Room, key: str | None) -> None:
    answered = await room.apply(room.submission(key=key))
    stored = await read_decision(room.record, answered.decision_id)
    assert stored is not None
    assert stored.client_id == "client"


async def test_a_client_reads_its_own_decisions_and_only_it_and_whoever_may_read_all(room: Room) -> None:
    answered = await room.apply(room.submission())
    own = await room.desk.read_decision(answered.decision_id, CLIENT)
    assert await room.desk.read_decision(answered.decision_id, ANOTHER, purpose=AUDIT) == own
    with pytest.raises(NotFound):
        await room.desk.read_decision(answered.decision_id, ANOTHER)


async def test_every_read_is_written_down_with_who_read_and_for_what(room: Room) -> None:
    answered = await room.apply(room.submission())
    own = await room.desk.read_decision(answered.decision_id, CLIENT)
    await room.desk.read_decision(answered.decision_id, ANOTHER, purpose=AUDIT)
    with pytest.raises(NotFound):
        await room.desk.read_decision(answered.decision_id, ANOTHER)
    reads = await list_reads(room.record, await find_person(room.record, own.application_id))
    assert {(read.kind, read.case_id) for read in reads} == {("decision", own.application_id)}
    assert {(read.purpose, read.actor_kind, read.actor_id) for read in reads} == {
        ("service", CLIENT.actor.kind, CLIENT.actor.id),
        ("audit", ANOTHER.actor.kind, ANOTHER.actor.id),
    }
    assert len(reads) == 2


async def test_reads_at_once_are_written_down_together_and_each_by_itself(room: Room, superuser_url: str) -> None:
    answered = await room.apply(room.submission())
    connection = await asyncpg.connect(superuser_url)
    before = await connection.fetchval("SELECT count(*) FROM instant_credit.links")
    await asyncio.gather(*(room.desk.read_decision(answered.decision_id, CLIENT) for _ in range(40)))
    assert await connection.fetchval("SELECT count(*) FROM instant_credit.personal_data_reads") == 40
    assert await connection.fetchval("SELECT count(*) FROM instant_credit.links") - before < 20
    await connection.close()


async def test_a_read_that_cannot_be_written_down_gives_nothing_away(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = await room.apply(room.submission())

    async def fail(*_: object) -> None:
        raise Unavailable("no")

    monkeypatch.setattr(read_log, "log_reads", fail)
    with pytest.raises(Unavailable):
        await room.desk.read_decision(answered.decision_id, CLIENT)


async def test_a_test_is_seen_by_tests_and_whoever_may_read_all(room: Room) -> None:
    real, tried = await room.apply(room.submission()), await room.apply(room.submission(is_test=True))
    assert await room.desk.read_decision(tried.decision_id, TESTER)
    assert await room.desk.read_decision(tried.decision_id, ANOTHER, purpose=AUDIT)
    for decision_id, caller, purpose in ((tried, CLIENT, None), (real, TESTER, None), (real, TESTER, AUDIT)):
        with pytest.raises(NotFound):
            await room.desk.read_decision(decision_id.decision_id, caller, purpose=purpose)


async def test_a_test_goes_into_a_book_of_its_own_and_shares_no_idempotency_key(room: Room) -> None:
    tried = await room.apply(room.submission(key="k", is_test=True))
    real = await room.apply(room.submission(key="k"))
    assert not real.is_repeated
    assert (await room.apply(room.submission(key="k", is_test=True))).body == tried.body
    books = {count.book: count.cases for count in await list_books(room.record)}
    assert books == {BOOK: 1, TEST_BOOK: 1}


async def test_what_was_not_told_for_monitoring_is_not_kept(room: Room) -> None:
    answered = await room.apply(room.submission())
    case_id = type(answered.decision_id)(json.loads(answered.body)["application_id"])
    assert await read_monitoring(room.record, case_id) is None


async def test_every_application_ends_in_one_line(room: Room) -> None:
    await room.apply(room.submission(key="k"))
    await room.apply(room.submission(key="k"))
    with pytest.raises(Conflict):
        await room.desk.apply(room.submission(seed=2, key="k"))
    assert isinstance(await room.desk.apply(room.submission(body={"facts": {}})), tuple)
    with pytest.raises(NotFound):
        await room.desk.apply(room.submission(product="mortgage"))
    endings = [line.ending for line in room.lines]
    assert endings == [Ending.DECIDED, Ending.REPEATED, Ending.CONFLICT, Ending.REFUSED, Ending.REFUSED]
    first, second, _, refused, unknown = room.lines
    assert first.release_hash == room.release.hash
    assert first.model_hash == room.release.manifest.model_hash
    assert first.policy_hash == room.release.manifest.policy_hash
    assert first.outcome is not None
    assert (second.decision_id, second.application_id) == (first.decision_id, first.application_id)
    assert "FIELD_MISSING" in refused.problems
    assert unknown.problems == ("PRODUCT_NOT_OFFERED",)
    assert first.stages.total_ns >= first.stages.decide_ns > 0


async def test_a_lost_record_ends_as_unavailable_and_the_same_key_then_decides(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> Any:
        raise Unavailable("down")

    with monkeypatch.context() as patch:
        patch.setattr(deciding, "commit_group", fail)
        with pytest.raises(Unavailable):
            await room.desk.apply(room.submission(key="k"))
    assert room.lines[-1].ending is Ending.FAILED
    assert room.lines[-1].error == "Unavailable"
    assert not (await room.apply(room.submission(key="k"))).is_repeated


async def test_retries_that_arrive_while_the_first_is_under_way_do_not_decide_again(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = 0

    def count(cases: Sequence[Case], release: Release) -> Any:
        nonlocal decided
        decided += len(cases)
        return decide_many(cases, release)

    monkeypatch.setattr(affording, "decide_many", count)
    answers = await asyncio.gather(*(room.apply(room.submission(key="k")) for _ in range(20)))
    assert decided == 1
    assert len({answer.body for answer in answers}) == 1
    assert sum(not answer.is_repeated for answer in answers) == 1


async def test_two_desks_on_one_record_keep_one_decision(room: Room, superuser_url: str) -> None:
    other = Room(room.record, room.release)
    rooms = [room, other] * 8
    answers = await asyncio.gather(*(one.apply(one.submission(key="k")) for one in rooms))
    assert len({answer.body for answer in answers}) == 1
    connection = await asyncpg.connect(superuser_url)
    assert await connection.fetchval("SELECT count(*) FROM instant_credit.decisions") == 1
    assert await connection.fetchval("SELECT count(*) FROM instant_credit.cases") == 1
    await connection.close()


async def test_a_cancelled_application_lets_the_next_one_pass(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    reached, ended = asyncio.Event(), asyncio.Event()

    async def hang(*_: Any) -> Any:
        reached.set()
        await ended.wait()
        raise Unavailable("down")

    with monkeypatch.context() as patch:
        patch.setattr(deciding, "commit_group", hang)
        first = asyncio.create_task(room.desk.apply(room.submission(key="k")))
        await reached.wait()
        second = asyncio.create_task(room.desk.apply(room.submission(key="k")))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
    answered = await second
    assert isinstance(answered, Answered)
    assert not answered.is_repeated
    ended.set()
    await room.desk.drain()


async def test_a_retry_gets_its_answer_after_the_product_was_withdrawn(room: Room) -> None:
    first = await room.apply(room.submission(key="k"))
    room.releases.releases.clear()
    again = await room.apply(room.submission(key="k"))
    assert again.is_repeated
    assert again.body == first.body
    with pytest.raises(NotFound):
        await room.desk.apply(room.submission(key="new"))


async def test_the_same_key_for_another_product_is_another_request(room: Room) -> None:
    await room.apply(room.submission(key="k"))
    room.releases.releases["other_loan"] = room.release
    with pytest.raises(Conflict):
        await room.desk.apply(room.submission(key="k", product="other_loan"))


async def test_a_full_desk_says_so(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_module, "_IN_FLIGHT_MAX", 0)
    with pytest.raises(Unavailable):
        await room.desk.apply(room.submission())


async def test_an_erased_persons_decision_and_answer_are_gone(room: Room, superuser_url: str) -> None:
    answered = await room.apply(room.submission(key="k"))
    assert isinstance(await room.desk.read_decision(answered.decision_id, CLIENT), RecordedDecision)
    connection = await asyncpg.connect(superuser_url)
    await connection.execute("DELETE FROM sealed_keys.person_keys")
    await connection.close()
    for _ in range(2):
        with pytest.raises(NotFound, match="erased"):
            await room.desk.read_decision(answered.decision_id, CLIENT)
        with pytest.raises(NotFound, match="erased"):
            await room.desk.apply(room.submission(key="k"))
        assert (room.lines[-1].ending, room.lines[-1].problems) == (Ending.REFUSED, ("PERSON_ERASED",))
        again = await room.apply(room.submission(key="another"))
        assert isinstance(await room.desk.read_decision(again.decision_id, CLIENT), RecordedDecision)
