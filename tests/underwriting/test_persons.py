"""The export of a person: complete, named, canonical, and a read itself."""

import json
from datetime import timedelta

import pytest

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.purposes import HoldReason, Reading, ReadPurpose
from instant_credit.errors import NotFound
from instant_credit.record.persons import place_hold
from instant_credit.underwriting.persons import export_person
from tests.clock import FixedClock
from tests.underwriting.rooms import Room

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
