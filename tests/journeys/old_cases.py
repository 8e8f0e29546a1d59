"""Cases of so long ago that their persons may be erased."""

from datetime import UTC, datetime
from random import Random
from uuid import UUID

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.application.document import hash_layout
from instant_credit.application.door import Door
from instant_credit.canonical import encode_canonical
from instant_credit.decision.case import Case
from instant_credit.decision.decide import decide
from instant_credit.decision.release import compose_release, decode_manifest
from instant_credit.record.commit import commit_entries
from instant_credit.record.ids import new_id
from instant_credit.record.pool import Record, open_record
from instant_credit.record.rows import Entry
from instant_credit.settings import Settings
from tests.lending import Documents, invent_values

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def make_old(record: Record, documents: Documents, number: int) -> Entry:
    """A Case of long ago that the live release decides as it did then."""
    release = compose_release(decode_manifest(documents.parts[-1][1]), documents.by_hash)
    facts = Door(documents.product).check_facts(
        invent_values(documents.product, Random(number), LONG_AGO.date()), LONG_AGO.date()
    )
    assert not isinstance(facts, tuple)
    case = Case(
        product_hash=release.manifest.product_hash,
        layout_hash=hash_layout(documents.product),
        as_of=LONG_AGO.date(),
        facts=facts,
    )
    decision = decide(case, release)
    person_id = record.key_ring.person_id_of(f"old {number:04d}")
    case_id, decision_id = (new_id(person_id[0], LONG_AGO, record.entropy) for _ in range(2))
    return Entry(
        person_id=person_id,
        book="old",
        product=documents.product.name,
        product_hash=case.product_hash,
        as_of=case.as_of,
        case_id=case_id,
        case=encode_canonical(case),
        decision_id=decision_id,
        decision=encode_canonical(decision),
        release_hash=release.hash,
        outcome=decision.outcome.value,
        recorded_at=LONG_AGO,
    )


async def commit_old(settings: Settings, documents: Documents, count: int) -> list[tuple[UUID, UUID | None]]:
    """Record Cases of persons that may be erased today; ids of each Case and its Decision."""
    async with open_record(settings) as record:
        entries = [make_old(record, documents, number) for number in range(count)]
        await commit_entries(record, entries, Actor(kind=ActorKind.JOB, id="tests"))
        return [(entry.case_id, entry.decision_id) for entry in entries]
