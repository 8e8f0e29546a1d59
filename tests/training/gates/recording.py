"""A world's loans as recorded Cases with their events and their borrowers' sex."""

from datetime import date, timedelta

from instant_credit.access.actors import Actor
from instant_credit.application.facts import Monitoring
from instant_credit.canonical import encode_canonical
from instant_credit.record.commit import commit_entries
from instant_credit.record.ids import derive_id
from instant_credit.record.pool import Record
from instant_credit.record.rows import Entry, EventRow
from instant_credit.record.sealing import bucket_of_person
from tests.training.gates.worlds import FIRST, World, record_cases

BOOK = "gates"
_AT_ONCE = 500


async def record_world(record: Record, world: World, actor: Actor) -> None:
    """Each loan of the world as a Case of the book, charged off or repaid half a year later."""
    told = record_cases(world, FIRST)
    at = record.clock.now()
    entries = []
    for place, case in enumerate(told.cases):
        person_id = record.key_ring.person_id_of(f"{place:09d}")
        bucket = bucket_of_person(person_id)
        is_bad = told.labels[place] == 1
        ended_on: date = case.as_of + timedelta(days=180)
        event = EventRow(
            event_id=derive_id(bucket, at, b"event %d" % place),
            kind="charged_off" if is_bad else "paid",
            amount_cents=1_000,
            event_on=ended_on,
            known_on=ended_on,
        )
        entries.append(
            Entry(
                person_id=person_id,
                book=BOOK,
                product="gate_loan",
                product_hash=case.product_hash,
                as_of=case.as_of,
                case_id=derive_id(bucket, at, b"case %d" % place),
                case=encode_canonical(case),
                monitoring=encode_canonical(Monitoring(codes=(int(told.groupings[0].codes[place]),))),
                natural_key=f"{place:06d}",
                events=(event,),
                recorded_at=at,
            )
        )
    for first in range(0, len(entries), _AT_ONCE):
        await commit_entries(record, entries[first : first + _AT_ONCE], actor)
