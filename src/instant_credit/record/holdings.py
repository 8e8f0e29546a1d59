"""Edge. Everything that is held on a person, opened: for the person's own export, which is written down as a read."""

from collections import defaultdict
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from instant_credit.access.purposes import Reading
from instant_credit.record.columns import (
    ANSWER_PLACE,
    CASE_PLACE,
    DECISION_PLACE,
    IDENTITY_PLACE,
    MONITORING_PLACE,
    open_data_key,
)
from instant_credit.record.drafts import open_version
from instant_credit.record.persons import log_read
from instant_credit.record.pool import Record
from instant_credit.record.quarantine import LINE_PLACE
from instant_credit.record.reads import read_events
from instant_credit.record.rows import EventRow, HeldCase, HeldDraft, HeldLine, LifeRow, StoredShadow
from instant_credit.record.sealing import bucket_of_person, unseal
from instant_credit.record.shadows import open_shadow
from instant_credit.record.shipped import read_sql


class Holdings(Struct, frozen=True, kw_only=True):
    """Cases with identity, Decision, answer, events and shadow decisions, versions of drafts, and events that were not taken; each oldest first."""

    cases: tuple[HeldCase, ...]
    drafts: tuple[HeldDraft, ...]
    quarantined: tuple[HeldLine, ...]


async def read_holdings(record: Record, person_id: bytes, reading: Reading) -> Holdings:
    """Everything of a person. Who reads it is written down first."""
    await log_read(record, "person", person_id, None, reading)
    bucket = bucket_of_person(person_id)
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_person_cases"), bucket, person_id)
        events = await read_events(connection, rows) if rows else {}
        lives = await connection.fetch(read_sql("list_person_events"), bucket, person_id)
        dark = await connection.fetch(read_sql("list_person_shadows"), bucket, person_id)
        drafts = await connection.fetch(read_sql("list_person_drafts"), person_id)
        lines = await connection.fetch(read_sql("list_person_quarantined"), person_id)
    life: dict[UUID, list[LifeRow]] = defaultdict(list)
    for row in lives:
        life[row["case_id"]].append(
            LifeRow(kind=row["kind"], offer_id=_plain(row["offer_id"]), recorded_at=row["recorded_at"])
        )
    shadows: dict[UUID, list[StoredShadow]] = defaultdict(list)
    for row in dark:
        shadows[row["case_id"]].append(open_shadow(record, row))
    return Holdings(
        cases=tuple(
            replace(
                _open_held(record, row, events.get(row["case_id"], ()), tuple(life.get(row["case_id"], ()))),
                shadows=tuple(shadows.get(row["case_id"], ())),
            )
            for row in rows
        ),
        drafts=tuple(_open_draft(record, row) for row in drafts),
        quarantined=tuple(_open_line(record, row) for row in lines),
    )


def _open_line(record: Record, row: Any) -> HeldLine:
    raw = None
    if row["wrapped_key"] is not None:
        cipher = open_data_key(record, row)
        raw = unseal(cipher, row["sealed_line"], place=LINE_PLACE, row_id=row["quarantine_id"].bytes)
    return HeldLine(
        quarantine_id=UUID(int=row["quarantine_id"].int),
        case_id=UUID(int=row["case_id"].int),
        code=row["code"],
        message=row["message"],
        raw=raw,
        recorded_at=row["recorded_at"],
    )


def _open_draft(record: Record, row: Any) -> HeldDraft:
    draft_id = UUID(int=row["draft_id"].int)
    return HeldDraft(
        draft_id=draft_id,
        number=row["number"],
        product=row["product"],
        client_id=row["client_id"],
        is_test=row["is_test"],
        body=open_version(record, draft_id, row),
        recorded_at=row["recorded_at"],
    )


def _plain(value: Any) -> UUID | None:
    return None if value is None else UUID(int=value.int)


def _open_held(record: Record, row: Any, events: tuple[EventRow, ...], life: tuple[LifeRow, ...]) -> HeldCase:
    is_erased = row["wrapped_key"] is None
    cipher = None if is_erased else open_data_key(record, row)
    case_id = UUID(int=row["case_id"].int)
    decision_id = _plain(row["decision_id"])

    def opened(column: str, place: str, row_id: UUID | None) -> bytes | None:
        if cipher is None or row_id is None or row[column] is None:
            return None
        return unseal(cipher, row[column], place=place, row_id=row_id.bytes)

    return HeldCase(
        case_id=case_id,
        book=row["book"],
        natural_key=row["natural_key"],
        product=row["product"],
        product_hash=row["product_hash"],
        as_of=row["as_of"],
        is_erased=is_erased,
        identity=opened("sealed_identity", IDENTITY_PLACE, case_id),
        case=opened("sealed_case", CASE_PLACE, case_id),
        monitoring=opened("sealed_monitoring", MONITORING_PLACE, case_id),
        actor_kind=row["actor_kind"],
        actor_id=row["actor_id"],
        recorded_at=row["recorded_at"],
        decision_id=decision_id,
        release_hash=row["release_hash"],
        client_id=row["client_id"],
        outcome=row["outcome"],
        decision=opened("sealed_decision", DECISION_PLACE, decision_id),
        answer=opened("sealed_answer", ANSWER_PLACE, decision_id),
        decided_at=row["decided_at"],
        events=events,
        life=life,
    )
