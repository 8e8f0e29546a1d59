"""Releases on a real record: moved, raced for, and followed by every process."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature
from instant_credit.canonical import hash_content
from instant_credit.errors import Conflict, NotFound
from instant_credit.record.documents import put_document
from instant_credit.record.pool import Record
from instant_credit.record.release_life import Stage, add_release_event, read_release_events
from instant_credit.underwriting import release_life
from instant_credit.underwriting.release_life import ReleaseDesk
from instant_credit.underwriting.release_moves import ReleaseConflict, ReleaseRefused
from instant_credit.underwriting.release_states import DUE_DAYS, DueKind
from instant_credit.underwriting.releases import LiveReleases, load_live_release
from tests.clock import FixedClock
from tests.lending import Documents, vary
from tests.releasing import make_terms

pytestmark = pytest.mark.anyio

ONE, TWO = (Signature(actor=Actor(kind=ActorKind.PERSON, id=name)) for name in ("staff-1", "staff-2"))
PRODUCT = "personal_loan"


@pytest.fixture(scope="module")
def two(documents: Documents) -> tuple[Documents, Documents]:
    return documents, vary(documents, "Another policy")


@pytest.fixture
async def hashes(record: Record, actor: Actor, two: tuple[Documents, Documents]) -> tuple[str, str]:
    """Two releases of one product, recorded and not proposed."""
    for one in two:
        for kind, raw in one.parts:
            await put_document(record, kind, raw, actor)
    return two[0].release_hash, two[1].release_hash


@pytest.fixture
def desk(record: Record) -> ReleaseDesk:
    return ReleaseDesk(record)


async def approve(desk: ReleaseDesk, record: Record, *hashes: str) -> None:
    for one in hashes:
        await desk.propose(one, make_terms(record.clock.now().date()), ONE)
        await desk.approve(one, TWO, "Looked at.")


async def test_a_release_is_led_from_proposal_to_champion_and_back(
    record: Record, desk: ReleaseDesk, hashes: tuple[str, str]
) -> None:
    first, second = hashes
    proposed = await desk.propose(first, make_terms(record.clock.now().date()), ONE)
    assert (proposed.state, proposed.approval, proposed.terms) == ("candidate", "waiting", None)
    assert proposed.waiting is not None
    with pytest.raises(ReleaseConflict, match="a second person"):
        await desk.approve(first, ONE)
    approved = await desk.approve(first, TWO)
    assert (approved.approval, approved.waiting, approved.terms) == ("approved", None, proposed.waiting)
    assert (await desk.activate(first, ONE)).state == "champion"
    await approve(desk, record, second)
    assert (await desk.stage(second, Stage.SHADOW, ONE)).state == "shadow"
    assert (await desk.activate(second, ONE)).state == "champion"
    back = await desk.roll_back(second, ONE, "It is worse.")
    assert (back.state, back.events[-1].restored, back.events[-1].reason) == ("retired", first, "It is worse.")
    assert (await load_live_release(record, PRODUCT)).hash == first
    assert (await desk.retire(second, ONE, "Done with.")).approval == "withdrawn"
    read = await desk.read(second)
    kinds = ["proposed", "approved", "staged", "activated", "rolled_back", "retired"]
    assert [event.kind for event in read.events] == kinds
    assert [event.actor_id for event in read.events[:2]] == ["staff-1", "staff-2"]


async def test_a_move_that_was_made_adds_nothing_when_it_is_made_again(
    record: Record, desk: ReleaseDesk, hashes: tuple[str, str]
) -> None:
    await approve(desk, record, *hashes)
    at = record.clock.now() + timedelta(hours=1)
    for _ in range(2):
        await approve(desk, record, *hashes)
        await desk.activate(hashes[0], ONE)
        await desk.activate(hashes[1], ONE, at)
        assert len(await read_release_events(record, PRODUCT)) == 6


async def test_of_moves_at_once_each_follows_the_one_before(
    record: Record, desk: ReleaseDesk, hashes: tuple[str, str]
) -> None:
    await approve(desk, record, *hashes)
    desks = [ReleaseDesk(record) for _ in range(4)]
    await asyncio.gather(*(one.activate(hashes[turn % 2], ONE) for turn, one in enumerate(desks)))
    events = await read_release_events(record, PRODUCT)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert (await load_live_release(record, PRODUCT)).hash == events[-1].release_hash


async def test_whoever_is_outrun_is_judged_by_what_stands(
    record: Record, desk: ReleaseDesk, hashes: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = hashes
    await approve(desk, record, first, second)
    await desk.activate(first, ONE)

    async def outrun(own: Record, event: object) -> bool:
        """Somebody else retires the release a moment before it is activated."""
        monkeypatch.setattr(release_life, "add_release_event", add_release_event)
        await desk.retire(second, TWO, "It leaks.")
        return await add_release_event(own, event)  # type: ignore[arg-type] # handed on as it came

    monkeypatch.setattr(release_life, "add_release_event", outrun)
    with pytest.raises(ReleaseConflict, match="approval is withdrawn"):
        await desk.activate(second, ONE)
    assert (await load_live_release(record, PRODUCT)).hash == first


async def test_a_client_seconds_no_other_key_of_its_own(
    record: Record, desk: ReleaseDesk, hashes: tuple[str, str]
) -> None:
    keys = [
        Signature(actor=Actor(kind=ActorKind.API_KEY, id=key), client_id=client)
        for key, client in (("key-1", "models"), ("key-2", "models"), ("key-3", "validation"))
    ]
    await desk.propose(hashes[0], make_terms(record.clock.now().date()), keys[0])
    with pytest.raises(Conflict, match="a second person"):
        await desk.approve(hashes[0], keys[1])
    with pytest.raises(Conflict, match="a second person"):
        await desk.reject(hashes[0], keys[1], "No.")
    assert (await desk.approve(hashes[0], keys[2])).approval == "approved"


async def test_one_person_alone_says_so_in_every_event(
    record: Record, desk: ReleaseDesk, hashes: tuple[str, str], clock: FixedClock
) -> None:
    for _ in range(2):
        status = await desk.activate_alone(hashes[0], ONE)
    assert (status.state, status.is_single_person) == ("champion", True)
    assert [event.kind for event in status.events] == ["proposed", "approved", "activated"]
    assert all(event.is_single_person for event in status.events)
    clock.advance(timedelta(days=400))
    assert len((await desk.activate_alone(hashes[0], ONE)).events) == 5
    await desk.propose(hashes[1], make_terms(clock.now().date()), ONE)
    assert len((await desk.activate_alone(hashes[1], ONE)).events) == 3


async def test_every_process_follows_an_activation_at_its_instant(
    record: Record, desk: ReleaseDesk, hashes: tuple[str, str], clock: FixedClock
) -> None:
    first, second = hashes
    await approve(desk, record, first, second)
    await desk.activate(first, ONE)
    processes = [LiveReleases(record) for _ in range(2)]
    at = clock.now() + timedelta(hours=2)
    planned = await desk.activate(second, ONE, at.astimezone(UTC))
    assert (planned.state, planned.planned_at) == ("candidate", at)
    for one in processes:
        await one.refresh()
        assert one.live()[PRODUCT].hash == first
    clock.advance(timedelta(hours=2))
    for one in processes:
        await one.refresh()
        assert one.live()[PRODUCT].hash == second
    await desk.roll_back(second, ONE, "It is worse.")
    for one in processes:
        await one.refresh()
        assert one.live()[PRODUCT].hash == first


async def test_what_is_not_recorded_or_no_release_is_not_found(
    record: Record, actor: Actor, desk: ReleaseDesk, hashes: tuple[str, str], two: tuple[Documents, Documents]
) -> None:
    policy_hash = hash_content(dict(two[0].parts)["policy"])
    for one in ("0" * 64, policy_hash):
        with pytest.raises(NotFound, match="release"):
            await desk.read(one)
        with pytest.raises(NotFound, match="release"):
            await desk.activate(one, ONE)


async def test_an_instant_beyond_every_calendar_is_refused(desk: ReleaseDesk, hashes: tuple[str, str]) -> None:
    for at in (
        datetime.fromisoformat("0001-01-01T00:00:00+14:00"),
        datetime.fromisoformat("9999-12-31T23:00:00-14:00"),
    ):
        with pytest.raises(ReleaseRefused, match="the instant must lie"):
            await desk.activate(hashes[0], ONE, at)


async def test_the_list_says_where_every_release_stands(
    record: Record, actor: Actor, desk: ReleaseDesk, hashes: tuple[str, str]
) -> None:
    await put_document(record, "release", b"no manifest", actor)
    await approve(desk, record, hashes[0])
    await desk.activate(hashes[0], ONE)
    listed = (await desk.list_releases()).releases
    assert {(one.release, one.state.value, one.approval.value) for one in listed} == {
        (hashes[0], "champion", "approved"),
        (hashes[1], "candidate", "none"),
    }
    assert (await desk.list_releases("another")).releases == ()


async def test_what_is_due_is_listed_and_told_to_the_metrics(
    record: Record, desk: ReleaseDesk, hashes: tuple[str, str], clock: FixedClock
) -> None:
    await approve(desk, record, hashes[0])
    await desk.activate(hashes[0], ONE)
    releases = LiveReleases(record)
    await releases.refresh()
    assert releases.due() == await desk.list_due(DUE_DAYS) == ()
    clock.advance(timedelta(days=180 - DUE_DAYS))
    (due,) = await desk.list_due(DUE_DAYS)
    assert (due.kind, due.product, due.release_hash) == (DueKind.REVIEW, PRODUCT, hashes[0])
    assert releases.due() == (due,)


async def test_a_release_that_expires_goes_on_deciding(
    record: Record, desk: ReleaseDesk, hashes: tuple[str, str], clock: FixedClock
) -> None:
    await approve(desk, record, hashes[0])
    await desk.activate(hashes[0], ONE)
    clock.advance(timedelta(days=1_000))
    releases = LiveReleases(record)
    await releases.refresh()
    assert releases.live()[PRODUCT].hash == hashes[0]
    assert {due.kind for due in releases.due()} == {DueKind.REVIEW, DueKind.EXPIRY}
