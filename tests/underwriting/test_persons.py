"""The export of a person: complete, named, canonical, and a read itself."""

import json
from datetime import timedelta
from uuid import UUID

import pytest

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.purposes import ErasureReason, HoldReason, Reading, ReadPurpose
from instant_credit.errors import NotFound, Refused
from instant_credit.record.owning import open_owner
from instant_credit.record.persons import erase_person, find_drafter, find_person, place_hold, read_person
from instant_credit.settings import Settings
from instant_credit.underwriting.life import LifeDesk
from instant_credit.underwriting.pending import DraftDesk
from instant_credit.underwriting.persons import export_person
from instant_credit.underwriting.resources import DraftStatus
from tests.clock import FixedClock
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
    (version,) = json.loads(await export_person(room.record, person_id, READING))["drafts"]
    assert (version["draft_id"], version["number"]) == (str(draft.draft_id), 3)
    assert version["body"]["applicant"] == body["applicant"]
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
    assert [one["body"] for one in exported["drafts"]] == [None]
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
