"""The export of a person: complete, named, canonical, and a read itself."""

import json
from datetime import timedelta
from uuid import UUID

import pytest

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.purposes import ErasureReason, HoldReason, Reading, ReadPurpose, ReleaseReason
from instant_credit.errors import NotFound, Refused
from instant_credit.record.owning import open_owner
from instant_credit.record.persons import (
    erase_person,
    find_drafter,
    find_person,
    place_hold,
    read_person,
    release_hold,
)
from instant_credit.settings import Settings
from instant_credit.underwriting.life import LifeDesk
from instant_credit.underwriting.pending import DraftDesk
from instant_credit.underwriting.persons import export_person
from instant_credit.underwriting.resources import DraftStatus
from tests.clock import FixedClock
from tests.record.anchored import anchor, audit
from tests.underwriting.rooms import CLIENT, Room

pytestmark = pytest.mark.anyio

READING = Reading(actor=Actor(kind=ActorKind.PERSON, id="staff-7"), purpose=ReadPurpose.PERSON_REQUEST)


async def test_an_export_holds_everything_by_its_name(room: Room, clock: FixedClock) -> None:
    submission = room.submission(body={"monitoring": {"sex": "female"}})
    body = json.loads(submission.body)
    first = json.loads((await room.apply(submission)).body)
    clock.advance(timedelta(days=3))
    second = json.loads((await room.apply(submission)).body)
    person_id = room.record.key_ring.person_id_of(body["applicant"]["identity_number"])
    await place_hold(room.record, person_id, HoldReason.COMPLAINT, READING.actor)
    raw = await export_person(room.record, person_id, READING)
    read = json.loads(raw)
    assert [one["answer"] for one in read["applications"]] == [first, second]
    for one in read["applications"]:
        assert one["identity"] == {"schema_version": 1, **body["applicant"]}
        assert one["facts"] == {name: value for name, value in body["facts"].items() if value is not None}
        assert one["monitoring"] == {"sex": "female"}
        assert one["decision"]["outcome"] == one["answer"]["outcome"] == one["outcome"]
        assert one["is_erased"] is False
    assert [(one["kind"], one["purpose"], one["actor_id"]) for one in read["reads"]] == [
        ("person", "person_request", "staff-7")
    ]
    assert [one["reason"] for one in read["holds"]] == ["COMPLAINT"]
    assert (read["person_id"], read["erasures"]) == (person_id.hex(), [])


async def test_nobody_has_no_export(room: Room) -> None:
    with pytest.raises(NotFound, match="person of this identity number"):
        await export_person(room.record, b"\x01" * 32, READING)


async def test_a_persons_drafts_are_exported_count_for_retention_and_go_with_the_person(
    room: Room, clock: FixedClock, settings: Settings
) -> None:
    desk, body = DraftDesk(room.desk), json.loads(room.submission().body)
    key_ring, owned = room.record.key_ring, body["applicant"]["identity_number"]
    mistaken = {**body, "applicant": {**body["applicant"], "identity_number": "555-55-5555"}}
    await room.apply(room.submission(body=mistaken))
    draft = await desk.open(room.release.product.name, json.dumps({"facts": body["facts"]}).encode(), CLIENT)
    assert isinstance(draft, DraftStatus)
    for told in (mistaken, body):
        clock.advance(timedelta(days=1))
        await desk.change(draft.draft_id, json.dumps({"applicant": told["applicant"]}).encode(), CLIENT)
    person_id, other = key_ring.person_id_of(owned), key_ring.person_id_of("555-55-5555")
    person = await read_person(room.record, person_id)
    assert (person.cases, person.last_action_at) == (0, clock.now())
    first, last = json.loads(await export_person(room.record, person_id, READING))["drafts"]
    assert {first["draft_id"], last["draft_id"]} == {str(draft.draft_id)}
    assert (first["number"], last["number"]) == (1, 3)
    assert first["body"] == {"facts": body["facts"]}
    assert last["body"]["applicant"] == body["applicant"]
    async with open_owner(settings) as owner:
        assert await owner.fetchval("SELECT count(*) FROM sealed_keys.person_keys") == 3
        with pytest.raises(Refused, match="25 months"):
            await erase_person(room.record, owner, person_id, ErasureReason.PERSON_REQUEST, READING.actor)
        clock.advance(timedelta(days=800))
        await erase_person(room.record, owner, person_id, ErasureReason.PERSON_REQUEST, READING.actor)
        left = await owner.fetch("SELECT person_id FROM sealed_keys.person_keys")
    assert [row["person_id"] for row in left] == [other]
    with pytest.raises(NotFound, match="erased"):
        await desk.read(draft.draft_id, CLIENT)
    exported = json.loads(await export_person(room.record, person_id, READING))
    assert [one["body"] for one in exported["drafts"]] == [None, None]
    assert json.loads(await export_person(room.record, other, READING))["applications"][0]["is_erased"] is False


async def test_a_draft_that_never_named_anybody_is_erased_alone_and_keeps_its_retention(
    room: Room, clock: FixedClock, settings: Settings
) -> None:
    desk, body = DraftDesk(room.desk), json.loads(room.submission().body)
    await room.apply(room.submission())
    told = json.dumps({"applicant": {"name": body["applicant"]["name"]}}).encode()
    draft = await desk.open(room.release.product.name, told, CLIENT)
    assert isinstance(draft, DraftStatus)
    clock.advance(timedelta(days=30))
    await desk.change(draft.draft_id, json.dumps({"facts": body["facts"]}).encode(), CLIENT)
    owner_id = await find_drafter(room.record, draft.draft_id)
    person = await read_person(room.record, owner_id)
    assert (person.cases, person.drafts, person.last_action_at) == (0, 1, clock.now())
    versions = json.loads(await export_person(room.record, owner_id, READING))["drafts"]
    assert [one["number"] for one in versions] == [1, 2]
    async with open_owner(settings) as owner:
        with pytest.raises(Refused, match="25 months"):
            await erase_person(room.record, owner, owner_id, ErasureReason.PERSON_REQUEST, READING.actor)
        clock.advance(timedelta(days=800))
        await erase_person(room.record, owner, owner_id, ErasureReason.PERSON_REQUEST, READING.actor)
        assert await owner.fetchval("SELECT count(*) FROM sealed_keys.person_keys") == 1
    with pytest.raises(NotFound, match="erased"):
        await desk.read(draft.draft_id, CLIENT)
    exported = json.loads(await export_person(room.record, owner_id, READING))
    assert [one["body"] for one in exported["drafts"]] == [None, None]


async def name_later(room: Room, draft_id: UUID, number: str | None = None) -> bytes:
    """Tell a draft who applies; the person."""
    applicant = json.loads(room.submission().body)["applicant"]
    told = {**applicant, "identity_number": number or applicant["identity_number"]}
    await DraftDesk(room.desk).change(draft_id, json.dumps({"applicant": told}).encode(), CLIENT)
    return await find_drafter(room.record, draft_id)


async def open_draft(room: Room) -> UUID:
    """A draft that names nobody."""
    draft = await DraftDesk(room.desk).open(room.release.product.name, b"{}", CLIENT)
    assert isinstance(draft, DraftStatus)
    return draft.draft_id


async def test_a_hold_on_a_draft_holds_whom_it_names_later(room: Room, clock: FixedClock, settings: Settings) -> None:
    draft_id, actor = await open_draft(room), READING.actor
    hold_id = await place_hold(room.record, await find_drafter(room.record, draft_id), HoldReason.LITIGATION, actor)
    person_id = await name_later(room, draft_id)
    assert [hold.hold_id for hold in (await read_person(room.record, person_id)).standing_holds] == [hold_id]
    clock.advance(timedelta(days=800))
    async with open_owner(settings) as owner:
        with pytest.raises(Refused, match=rf"^not erased: hold {hold_id} \(LITIGATION\) stands"):
            await erase_person(room.record, owner, person_id, ErasureReason.PERSON_REQUEST, actor)
        assert await owner.fetchval("SELECT count(*) FROM sealed_keys.person_keys") == 2


async def test_whoever_is_held_is_held_under_a_number_that_was_told_by_mistake_too(
    room: Room, clock: FixedClock, settings: Settings
) -> None:
    draft_id, actor = await open_draft(room), READING.actor
    mistaken = await name_later(room, draft_id, "555-55-5555")
    person_id = await name_later(room, draft_id)
    hold_id = await place_hold(room.record, person_id, HoldReason.AUDIT, actor)
    clock.advance(timedelta(days=800))
    async with open_owner(settings) as owner:
        with pytest.raises(Refused, match=str(hold_id)):
            await erase_person(room.record, owner, mistaken, ErasureReason.PERSON_REQUEST, actor)


async def test_a_drafts_own_key_goes_with_its_person_though_it_was_held_once(
    room: Room, clock: FixedClock, settings: Settings
) -> None:
    draft_id, actor = await open_draft(room), READING.actor
    own = await find_drafter(room.record, draft_id)
    hold_id = await place_hold(room.record, own, HoldReason.COMPLAINT, actor)
    await release_hold(room.record, hold_id, ReleaseReason.MATTER_CLOSED, actor)
    person_id = await name_later(room, draft_id)
    clock.advance(timedelta(days=800))
    async with open_owner(settings) as owner:
        await erase_person(room.record, owner, person_id, ErasureReason.PERSON_REQUEST, actor)
        assert await owner.fetchval("SELECT count(*) FROM sealed_keys.person_keys") == 0
        erased = await owner.fetch("SELECT person_id FROM person_erasures")
    assert {row["person_id"] for row in erased} == {own, person_id}
    await anchor(room.record, settings)
    assert (await audit(room.record, settings)).found == 0


async def test_a_draft_goes_with_whom_it_names_last(room: Room, clock: FixedClock, settings: Settings) -> None:
    draft_id, actor = await open_draft(room), READING.actor
    mistaken = await name_later(room, draft_id, "555-55-5555")
    person_id = await name_later(room, draft_id)
    clock.advance(timedelta(days=800))
    async with open_owner(settings) as owner:
        await erase_person(room.record, owner, mistaken, ErasureReason.PERSON_REQUEST, actor)
        left = await owner.fetch("SELECT person_id FROM sealed_keys.person_keys")
        assert {row["person_id"] for row in left} >= {person_id}
        assert len(left) == 2
        await erase_person(room.record, owner, person_id, ErasureReason.PERSON_REQUEST, actor)
        assert await owner.fetchval("SELECT count(*) FROM sealed_keys.person_keys") == 0


async def test_a_draft_that_names_its_person_leads_to_the_person(room: Room) -> None:
    desk, body = DraftDesk(room.desk), json.loads(room.submission().body)
    draft = await desk.open(room.release.product.name, b"{}", CLIENT)
    assert isinstance(draft, DraftStatus)
    await desk.change(draft.draft_id, json.dumps({"applicant": body["applicant"]}).encode(), CLIENT)
    person_id = room.record.key_ring.person_id_of(body["applicant"]["identity_number"])
    assert await find_drafter(room.record, draft.draft_id) == person_id


async def test_an_export_tells_what_became_of_an_offer(room: Room) -> None:
    answer = json.loads((await room.apply(room.submission(key="offered"))).body)
    await LifeDesk(room.record).withdraw(UUID(answer["application_id"]), CLIENT)
    person_id = await find_person(room.record, UUID(answer["application_id"]))
    (exported,) = json.loads(await export_person(room.record, person_id, READING))["applications"]
    assert [(one["kind"], one["offer_id"]) for one in exported["life"]] == [("withdrawn", None)]
