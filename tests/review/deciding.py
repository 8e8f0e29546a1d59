"""Cases by number and day, decided by a release and recorded as applications of that day."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any

from instant_credit.access.actors import Actor
from instant_credit.application.document import hash_layout
from instant_credit.application.door import Door
from instant_credit.application.facts import Facts
from instant_credit.canonical import encode_canonical
from instant_credit.decision.case import Case
from instant_credit.decision.decide import decide_many
from instant_credit.decision.decision import Decision
from instant_credit.decision.release import Release
from instant_credit.record.commit import commit_entries
from instant_credit.record.ids import derive_id
from instant_credit.record.pool import Record
from instant_credit.record.rows import Entry, EventRow
from instant_credit.record.sealing import bucket_of_person
from instant_credit.underwriting.course import BOOK
from tests.lending import invent_values

MONDAY = date(2023, 1, 2)
"""The first day of a window of seven days."""


def invent_cases(release: Release, seed: int, count: int, as_of: date = MONDAY, **facts: Any) -> list[Case]:
    """Cases by chance; `facts` replace what was invented, None leaves it out."""
    door, chance = Door(release.product), Random(seed)
    cases = []
    for _ in range(count):
        values = {**invent_values(release.product, chance, as_of), **facts}
        told = door.check_facts({name: value for name, value in values.items() if value is not None}, as_of)
        assert isinstance(told, Facts), told
        cases.append(
            Case(
                product_hash=release.manifest.product_hash,
                layout_hash=hash_layout(release.product),
                as_of=as_of,
                facts=told,
            )
        )
    return cases


async def record_cases(
    record: Record,
    actor: Actor,
    release: Release,
    cases: Sequence[Case],
    *,
    start: int = 0,
    book: str = BOOK,
    is_decided: bool = True,
    events: Mapping[int, Sequence[tuple[str, int]]] | None = None,
) -> list[Decision]:
    """Record Cases under numbers from `start` on; `events` by number: kind and days after the decision."""
    decisions = decide_many(cases, release)
    entries = []
    for number, (case, decision) in enumerate(zip(cases, decisions, strict=True), start=start):
        person_id = record.key_ring.person_id_of(f"{book} {number}")
        bucket, at = bucket_of_person(person_id), datetime.combine(case.as_of, time(9), UTC)
        told = (events or {}).get(number, ())
        entries.append(
            Entry(
                person_id=person_id,
                book=book,
                product=release.product.name,
                product_hash=case.product_hash,
                as_of=case.as_of,
                case_id=derive_id(bucket, at, f"{book} case {number}".encode()),
                case=encode_canonical(case),
                decision_id=derive_id(bucket, at, f"{book} decision {number}".encode()) if is_decided else None,
                decision=encode_canonical(decision) if is_decided else None,
                release_hash=release.hash if is_decided else None,
                outcome=decision.outcome.value if is_decided else None,
                events=tuple(
                    EventRow(
                        event_id=derive_id(bucket, at, f"{book} {number} {kind} {days}".encode()),
                        kind=kind,
                        amount_cents=100,
                        event_on=case.as_of + timedelta(days=days),
                        known_on=case.as_of + timedelta(days=days),
                    )
                    for kind, days in told
                ),
                recorded_at=record.clock.now(),
            )
        )
    await commit_entries(record, entries, actor)
    return decisions
