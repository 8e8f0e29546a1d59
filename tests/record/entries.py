"""Entries by number: the same number gives the same Case, whatever process asks."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from instant_credit.record.ids import derive_id
from instant_credit.record.pool import Record
from instant_credit.record.rows import Entry, EventRow
from instant_credit.record.sealing import bucket_of_person

AS_OF = datetime(2011, 6, 1, tzinfo=UTC)


def make_entry(record: Record, number: int, book: str = "tape", **changes: Any) -> Entry:
    """A decided tape row with an identity, monitoring and two events."""
    person_id = record.key_ring.person_id_of(f"{book} {number}")
    bucket = bucket_of_person(person_id)

    def row_id(kind: str) -> UUID:
        return derive_id(bucket, AS_OF, f"{book}/{number}/{kind}".encode())

    def event(kind: str, amount_cents: int) -> EventRow:
        return EventRow(
            event_id=row_id(kind),
            kind=kind,
            amount_cents=amount_cents,
            event_on=date(2012, 1, 1),
            known_on=date(2012, 1, 2),
        )

    entry = Entry(
        person_id=person_id,
        identity=f"identity {number}".encode(),
        book=book,
        product="personal_loan",
        product_hash="a" * 64,
        as_of=AS_OF.date(),
        case_id=row_id("case"),
        case=f"case {number}".encode(),
        monitoring=b"monitoring",
        natural_key=f"row {number}",
        decision_id=row_id("decision"),
        decision=f"decision {number}".encode(),
        release_hash="b" * 64,
        outcome="approve",
        answer=f"answer {number}".encode(),
        events=(event("charged_off", 100), event("recovered", 50)),
        recorded_at=record.clock.now(),
        stage_ns=(1, 2, 3),
    )
    return replace(entry, **changes)


def make_keyed(record: Record, number: int, key: str, body: bytes = b"body", client_id: str = "client") -> Entry:
    """An application with an idempotency key; `number` makes its ids and answer its own."""
    return make_entry(
        record,
        number,
        client_id=client_id,
        idempotency_key=key,
        body_mac=record.key_ring.body_mac(client_id, body),
        natural_key=None,
        events=(),
    )
