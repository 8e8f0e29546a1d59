"""Drafts on a real record, with a clock that moves only when told."""

import asyncio
import json
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from instant_credit.errors import Busy, NotFound, Problem, Unavailable
from instant_credit.record.drafts import VERSIONS_MAX, DraftVersion, add_draft_version
from instant_credit.record.pool import Record
from instant_credit.record.reads import read_decision
from instant_credit.settings import Settings
from instant_credit.underwriting import pending as pending_module
from instant_credit.underwriting.course import Answered
from instant_credit.underwriting.pending import COMPLETION_DAYS, DraftClosed, DraftCompleted, DraftDesk
from instant_credit.underwriting.resources import DraftState, DraftStatus
from tests.clock import FixedClock
from tests.lending import invent_body
from tests.record.anchored import anchor, audit
from tests.underwriting.rooms import ANOTHER, CLIENT, TESTER, Room

pytestmark = pytest.mark.anyio
PRODUCT = "personal_loan"


@pytest.fixture
def desk(room: Room) -> DraftDesk:
    return DraftDesk(room.desk)


def body_of(room: Room) -> dict[str, Any]:
    body = invent_body(room.release.product, Random(1))
    body["facts"]["earliest_credit_on"] = "2001-05-01"
    return body


def raw(value: Any) -> bytes:
    return json.dumps(value).encode()


async def opened(desk: DraftDesk, told: Any, **changes: Any) -> DraftStatus:
    status = await desk.open(PRODUCT, raw(told), changes.get("caller", CLIENT))
    assert isinstance(status, DraftStatus), status
    return status


async def test_a_draft_tells_what_is_missing_until_nothing_is(room: Room, desk: DraftDesk) -> None:
    body = body_of(room)
    draft = await opened(desk, {})
    assert (draft.state, draft.version) == (DraftState.OPEN, 1)
    missing = {problem.pointer for problem in draft.missing}
    assert {"/applicant", "/facts"} <= missing
    for part in ({"facts": body["facts"]}, {"applicant": body["applicant"]}):
        changed = await desk.change(draft.draft_id, raw(part), CLIENT)
        assert isinstance(changed, DraftStatus)
        assert {problem.pointer for problem in changed.missing} < missing
        missing = {problem.pointer for problem in changed.missing}
    assert missing == set()


async def test_what_is_wrong_is_told_and_never_enters_a_draft(desk: DraftDesk) -> None:
    wrong = raw({"facts": {"term_months": "soon"}})
    assert isinstance(await desk.open(PRODUCT, wrong, CLIENT), tuple)
    draft = await opened(desk, {"facts": {"term_months": 36}})
    problems = await desk.change(draft.draft_id, wrong, CLIENT)
    assert isinstance(problems, tuple)
    assert [(problem.pointer, problem.code) for problem in problems] == [("/facts/term_months", "TYPE_WRONG")]
    assert (await desk.read(draft.draft_id, CLIENT)).version == 1


async def test_a_complete_draft_is_decided_as_the_same_application_would_be_and_only_once(
    room: Room, desk: DraftDesk, clock: FixedClock
) -> None:
    body = body_of(room)
    draft = await opened(desk, body)
    first = await desk.submit(draft.draft_id, CLIENT)
    assert isinstance(first, Answered)
    plain = json.loads((await room.apply(room.submission(body=body))).body)
    told = json.loads(first.body)
    assert {name: told[name] for name in ("outcome", "pd_ppm", "points", "reasons")} == {
        name: plain[name] for name in ("outcome", "pd_ppm", "points", "reasons")
    }
    clock.advance(timedelta(days=3))
    again = await desk.submit(draft.draft_id, CLIENT)
    assert isinstance(again, Answered)
    assert (again.is_repeated, again.body) == (True, first.body)
    status = await desk.read(draft.draft_id, CLIENT)
    assert (status.state, status.completed_at) == (DraftState.DECIDED, draft.opened_at)
    assert status.links.application is not None
    assert status.links.application.href.endswith(told["application_id"])
    with pytest.raises(DraftClosed):
        await desk.change(draft.draft_id, b"{}", CLIENT)
    with pytest.raises(DraftClosed):
        await desk.withdraw(draft.draft_id, CLIENT)


async def test_many_submissions_at_once_are_one_application(room: Room, desk: DraftDesk, superuser_url: str) -> None:
    draft = await opened(desk, body_of(room))
    ends = await asyncio.gather(*(desk.submit(draft.draft_id, CLIENT) for _ in range(12)))
    assert len({end.body for end in ends if isinstance(end, Answered)}) == 1
    assert all(isinstance(end, Answered) for end in ends)
    connection = await asyncpg.connect(superuser_url)
    assert await connection.fetchval("SELECT count(*) FROM instant_credit.cases") == 1
    assert await connection.fetchval("SELECT count(*) FROM instant_credit.draft_events") == 1
    await connection.close()


async def test_the_notice_of_incompleteness_is_given_once_and_keeps_its_date(
    room: Room, desk: DraftDesk, clock: FixedClock
) -> None:
    body = body_of(room)
    draft = await opened(desk, {"applicant": body["applicant"]})
    first = await desk.submit(draft.draft_id, CLIENT)
    assert isinstance(first, DraftStatus)
    assert first.state is DraftState.INCOMPLETE
    assert first.notice is not None
    assert first.notice.complete_by == clock.now() + timedelta(days=COMPLETION_DAYS)
    assert first.missing
    clock.advance(timedelta(days=5))
    again = await desk.submit(draft.draft_id, CLIENT)
    assert isinstance(again, DraftStatus)
    assert (again.notice, again.missing) == (first.notice, first.missing)
    await desk.change(draft.draft_id, raw({"facts": body["facts"]}), CLIENT)
    assert isinstance(await desk.submit(draft.draft_id, CLIENT), Answered)
    assert (await desk.read(draft.draft_id, CLIENT)).completed_at == clock.now()


async def test_what_is_not_completed_in_time_is_not_considered_any_further(
    room: Room, desk: DraftDesk, clock: FixedClock
) -> None:
    body = body_of(room)
    draft = await opened(desk, {"applicant": body["applicant"]})
    await desk.submit(draft.draft_id, CLIENT)
    clock.advance(timedelta(days=COMPLETION_DAYS))
    assert (await desk.read(draft.draft_id, CLIENT)).state is DraftState.LAPSED
    for call in (
        desk.change(draft.draft_id, raw({"facts": body["facts"]}), CLIENT),
        desk.submit(draft.draft_id, CLIENT),
        desk.withdraw(draft.draft_id, CLIENT),
    ):
        with pytest.raises(DraftClosed):
            await call


async def test_completion_keeps_its_instant_when_the_decision_fails_and_is_made_later(
    room: Room, desk: DraftDesk, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> Any:
        raise Unavailable("down")

    draft = await opened(desk, body_of(room))
    with monkeypatch.context() as patch:
        patch.setattr(room.desk, "apply", fail)
        with pytest.raises(Unavailable):
            await desk.submit(draft.draft_id, CLIENT)
    status = await desk.read(draft.draft_id, CLIENT)
    assert (status.state, status.completed_at) == (DraftState.COMPLETED, clock.now())
    assert (status.missing, status.links.submit is None, status.links.withdraw) == ((), False, None)
    completed_at = clock.now()
    clock.advance(timedelta(days=1))
    for patch_of_completed in ({"facts": None}, {"facts": {"term_months": 60}}):
        with pytest.raises(DraftCompleted):
            await desk.change(draft.draft_id, raw(patch_of_completed), CLIENT)
    with pytest.raises(DraftCompleted):
        await desk.withdraw(draft.draft_id, CLIENT)
    assert isinstance(await desk.submit(draft.draft_id, CLIENT), Answered)
    assert (await desk.read(draft.draft_id, CLIENT)).completed_at == completed_at


async def test_what_is_decided_is_what_was_complete_however_a_change_comes_in_between(
    room: Room, desk: DraftDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that comes first is decided on; one that comes second is refused, and takes nothing back."""
    drafts: list[UUID] = []

    async def add_after_another(record: Record, version: DraftVersion, *rest: Any, **told: Any) -> bool:
        if told.get("is_completed") and version.draft_id not in drafts:
            drafts.append(version.draft_id)
            status = await desk.change(version.draft_id, raw({"facts": {"term_months": None}}), CLIENT)
            assert isinstance(status, DraftStatus)
        return await add_draft_version(record, version, *rest, **told)

    monkeypatch.setattr(pending_module, "add_draft_version", add_after_another)
    draft = await opened(desk, body_of(room))
    ended = await desk.submit(draft.draft_id, CLIENT)
    assert isinstance(ended, DraftStatus)
    assert (ended.state, ended.completed_at) == (DraftState.INCOMPLETE, None)
    assert [problem.pointer for problem in ended.missing] == ["/facts/term_months"]
    told = await desk.change(draft.draft_id, raw({"facts": {"term_months": 36}}), CLIENT)
    assert isinstance(told, DraftStatus)
    assert isinstance(await desk.submit(draft.draft_id, CLIENT), Answered)
    assert (await desk.read(draft.draft_id, CLIENT)).version == 4


async def test_of_a_change_and_a_submission_at_once_the_decision_is_on_what_was_complete(
    room: Room, desk: DraftDesk, superuser_url: str
) -> None:
    for term in (36, 60) * 4:
        draft = await opened(desk, {**body_of(room), "facts": {**body_of(room)["facts"], "term_months": term}})
        change = raw({"facts": {"term_months": 96 - term}})
        answer, changed = await asyncio.gather(
            desk.submit(draft.draft_id, CLIENT), desk.change(draft.draft_id, change, CLIENT), return_exceptions=True
        )
        assert isinstance(answer, Answered)
        assert isinstance(changed, DraftStatus | DraftClosed)
        stored = await read_decision(room.record, answer.decision_id)
        assert stored is not None
        assert stored.case is not None
        decided = json.loads(stored.case)["facts"]["integers"][0]
        assert decided == (96 - term if isinstance(changed, DraftStatus) else term)


async def test_every_row_of_a_draft_is_chained(room: Room, desk: DraftDesk, settings: Settings) -> None:
    body = body_of(room)
    draft = await opened(desk, {"facts": body["facts"]})
    await desk.submit(draft.draft_id, CLIENT)
    await desk.change(draft.draft_id, raw({"applicant": body["applicant"]}), CLIENT)
    assert isinstance(await desk.submit(draft.draft_id, CLIENT), Answered)
    assert await anchor(room.record, settings) > 0
    report = await audit(room.record, settings)
    assert (report.found, report.findings) == (0, ())


async def test_a_withdrawn_draft_stays_withdrawn(room: Room, desk: DraftDesk) -> None:
    draft = await opened(desk, body_of(room))
    assert (await desk.withdraw(draft.draft_id, CLIENT)).state is DraftState.WITHDRAWN
    assert (await desk.withdraw(draft.draft_id, CLIENT)).state is DraftState.WITHDRAWN
    with pytest.raises(DraftClosed):
        await desk.submit(draft.draft_id, CLIENT)


async def test_of_a_submission_and_a_withdrawal_at_once_exactly_one_happens(room: Room, desk: DraftDesk) -> None:
    for _ in range(5):
        draft = await opened(desk, body_of(room))
        ends = await asyncio.gather(
            desk.submit(draft.draft_id, CLIENT), desk.withdraw(draft.draft_id, CLIENT), return_exceptions=True
        )
        assert sum(isinstance(end, DraftClosed) for end in ends) == 1
        assert sum(isinstance(end, Answered | DraftStatus) for end in ends) == 1


async def test_changes_at_once_are_all_kept(room: Room, desk: DraftDesk) -> None:
    facts = list(body_of(room)["facts"].items())[:8]
    draft = await opened(desk, {})
    before = len((await desk.read(draft.draft_id, CLIENT)).missing)
    await asyncio.gather(*(desk.change(draft.draft_id, raw({"facts": {k: v}}), CLIENT) for k, v in facts))
    status = await desk.read(draft.draft_id, CLIENT)
    assert status.version == 1 + len(facts)
    assert len(status.missing) < before + len(facts)


async def test_only_the_client_in_the_same_mode_sees_a_draft(room: Room, desk: DraftDesk) -> None:
    draft, tried = await opened(desk, body_of(room)), await opened(desk, body_of(room), caller=TESTER)
    for draft_id, caller in (
        (draft.draft_id, ANOTHER),
        (draft.draft_id, TESTER),
        (tried.draft_id, CLIENT),
        (uuid4(), CLIENT),
    ):
        for call in (desk.read, desk.submit, desk.withdraw):
            with pytest.raises(NotFound):
                await call(draft_id, caller)
        with pytest.raises(NotFound):
            await desk.change(draft_id, b"{}", caller)


async def test_a_draft_is_erased_with_its_person_and_not_before_the_person_is_known(
    room: Room, desk: DraftDesk, superuser_url: str
) -> None:
    body = body_of(room)
    draft = await opened(desk, {"facts": body["facts"]})
    known = await opened(desk, {"applicant": body["applicant"]})
    person_id = room.record.key_ring.person_id_of(body["applicant"]["identity_number"])
    connection = await asyncpg.connect(superuser_url)
    await connection.execute("DELETE FROM sealed_keys.person_keys WHERE person_id = $1", person_id)
    assert (await desk.read(draft.draft_id, CLIENT)).version == 1
    with pytest.raises(NotFound, match="erased"):
        await desk.read(known.draft_id, CLIENT)
    await desk.change(draft.draft_id, raw({"applicant": body["applicant"]}), CLIENT)
    await connection.execute("DELETE FROM sealed_keys.person_keys WHERE person_id = $1", person_id)
    await connection.close()
    with pytest.raises(NotFound, match="erased"):
        await desk.submit(draft.draft_id, CLIENT)


async def test_what_was_told_lies_in_no_column_in_the_clear(room: Room, desk: DraftDesk, superuser_url: str) -> None:
    await opened(desk, body_of(room))
    connection = await asyncpg.connect(superuser_url)
    rows = await connection.fetch("SELECT version::text AS whole FROM instant_credit.draft_versions AS version")
    await connection.close()
    for mark in ("Ada Example", "1 Example Street", body_of(room)["applicant"]["identity_number"]):
        assert all(mark not in row["whole"] and mark.encode().hex() not in row["whole"] for row in rows)


async def test_a_draft_has_a_bounded_number_of_versions_and_one_of_them_completes_it(
    room: Room, desk: DraftDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_module, "VERSIONS_MAX", 3)
    assert VERSIONS_MAX == 1_000
    draft = await opened(desk, body_of(room))
    assert isinstance(await desk.change(draft.draft_id, b"{}", CLIENT), DraftStatus)
    with pytest.raises(DraftClosed):
        await desk.change(draft.draft_id, b"{}", CLIENT)
    assert isinstance(await desk.submit(draft.draft_id, CLIENT), Answered)
    assert (await desk.read(draft.draft_id, CLIENT)).version == 3


async def test_losing_every_race_ends_as_busy(room: Room, desk: DraftDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lose(*_: Any, **__: Any) -> bool:
        return False

    draft, complete = await opened(desk, {}), await opened(desk, body_of(room))
    monkeypatch.setattr(pending_module, "add_draft_version", lose)
    for call in (
        desk.open(PRODUCT, b"{}", CLIENT),
        desk.change(draft.draft_id, b"{}", CLIENT),
        desk.submit(complete.draft_id, CLIENT),
    ):
        with pytest.raises(Busy):
            await call


async def test_a_day_that_is_out_of_bounds_by_now_is_told_and_no_clock_starts(
    room: Room, desk: DraftDesk, clock: FixedClock
) -> None:
    draft = await opened(desk, body_of(room))
    clock.advance(timedelta(days=-365 * 30))
    problems = await desk.submit(draft.draft_id, CLIENT)
    clock.advance(timedelta(days=365 * 30))
    assert isinstance(problems, tuple)
    assert all(isinstance(problem, Problem) for problem in problems)
    assert (await desk.read(draft.draft_id, CLIENT)).completed_at is None


async def test_a_product_that_is_not_offered_takes_no_draft(room: Room, desk: DraftDesk) -> None:
    draft = await opened(desk, {})
    room.releases.releases.clear()
    with pytest.raises(NotFound):
        await desk.open(PRODUCT, b"{}", CLIENT)
    with pytest.raises(NotFound):
        await desk.read(draft.draft_id, CLIENT)
