"""Edge. Waivers of gates: proposed by one person, approved by another, until a day; rows are only ever added.

A waiver belongs to one gate report by its hash, so whoever is judged anew needs a new one. What a waiver may be about is checked against
the report itself; four eyes are those of releases (`access.four_eyes`), and the database holds them too (migration 0057).
"""

from collections.abc import Sequence
from datetime import UTC, date
from typing import Any, Final
from uuid import UUID

import asyncpg

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature, is_seconded
from instant_credit.decision.gate_report import (
    REASON_MAX,
    Gate,
    GateReport,
    Standing,
    Waiver,
    check_waiver,
    decode_gate_report,
    encode_gate_report,
    find_standing,
)
from instant_credit.errors import Conflict, NotFound, Refused
from instant_credit.record.chain import leaf_of
from instant_credit.record.documents import DocumentKind, get_document, put_document
from instant_credit.record.ids import new_id
from instant_credit.record.pool import Record
from instant_credit.record.shipped import read_sql

# A waiver has no person, so its id names the first bucket.
_BUCKET: Final = 0


async def put_gate_report(record: Record, report: GateReport, actor: Actor) -> str:
    """Keep a gate report; returns its content hash. Keeping it again changes nothing."""
    return await put_document(record, DocumentKind.GATE_REPORT, encode_gate_report(report), actor)


async def read_gate_report(record: Record, report_hash: str) -> GateReport:
    """A recorded gate report.

    Raises
    ------
    NotFound : no document has this hash.
    Refused : the document is no gate report.
    """
    return decode_gate_report(await get_document(record, report_hash))


async def propose_waiver(
    record: Record, report_hash: str, gate: Gate, *, reason: str, until_on: date, by: Signature
) -> UUID:
    """Propose to waive a gate of a report; returns the waiver's id. It counts only once somebody else approves it.

    Raises
    ------
    NotFound : there is no such report.
    Refused : the gate is never waived or stops nobody, the day is past or too far, the reason is empty or too long, or no person proposes.
    """
    _require_person(by)
    if not reason.strip() or len(reason) > REASON_MAX:
        raise Refused(f"a waiver needs a reason of at most {REASON_MAX} characters, about the model and naming nobody")
    now = record.clock.now()
    check_waiver(await read_gate_report(record, report_hash), gate, until_on, now.astimezone(UTC).date())
    waiver_id = new_id(_BUCKET, now, record.entropy)
    row = (waiver_id, report_hash, gate.value, reason.strip(), until_on, *_told(by), now, by.client_id)
    async with record.writer() as writer, record.connection() as connection:
        await writer.append(connection, read_sql("insert_gate_waiver"), row, [leaf_of("gate_waivers", row)], now)
    return waiver_id


async def approve_waiver(record: Record, waiver_id: UUID, by: Signature) -> Waiver:
    """Approve a waiver, which counts from now on; returns it as it stands.

    Raises
    ------
    NotFound : there is no such waiver.
    Refused : it was proposed by the same person or client, has ended, or no person approves.
    Conflict : it was approved before.
    """
    _require_person(by)
    waiver, now = await read_waiver(record, waiver_id), record.clock.now()
    proposed = Signature(actor=waiver.proposed_by, client_id=waiver.proposed_client_id)
    if not is_seconded(proposed, by):
        raise Refused(f"waiver {waiver_id} was proposed by {' '.join(proposed.signer)}: a second person approves it")
    if now.astimezone(UTC).date() > waiver.until_on:
        raise Refused(f"waiver {waiver_id} ended on {waiver.until_on}: propose another one")
    row = (waiver_id, *_told(by), now, by.client_id)
    leaves = [leaf_of("gate_waiver_approvals", row)]
    async with record.writer() as writer, record.connection() as connection:
        try:
            await writer.append(connection, read_sql("insert_gate_waiver_approval"), row, leaves, now)
        except asyncpg.UniqueViolationError:
            raise Conflict(f"waiver {waiver_id} was approved before") from None
    return await read_waiver(record, waiver_id)


async def read_waiver(record: Record, waiver_id: UUID) -> Waiver:
    """The waiver with this id. Raises NotFound when there is none."""
    found = await _list(record, None, waiver_id)
    if not found:
        raise NotFound("waiver", str(waiver_id))
    return found[0]


async def list_waivers(record: Record, report_hash: str) -> tuple[Waiver, ...]:
    """Waivers of a report, oldest first, whether they count or not."""
    return await _list(record, report_hash, None)


async def read_standing(record: Record, report_hash: str) -> Standing:
    """Where the candidate of a report stands now.

    Raises
    ------
    NotFound : there is no such report.
    """
    report = await read_gate_report(record, report_hash)
    return find_standing(report_hash, report, await list_waivers(record, report_hash), record.clock.now())


async def _list(record: Record, report_hash: str | None, waiver_id: UUID | None) -> tuple[Waiver, ...]:
    async with record.connection() as connection:
        rows: Sequence[Any] = await connection.fetch(read_sql("list_gate_waivers"), report_hash, waiver_id)
    return tuple(
        Waiver(
            waiver_id=str(row["waiver_id"]),
            report_hash=row["report_hash"],
            gate=Gate(row["gate"]),
            reason=row["reason"],
            until_on=row["until_on"],
            proposed_by=Actor(kind=ActorKind(row["actor_kind"]), id=row["actor_id"]),
            proposed_at=row["recorded_at"],
            approved_by=None
            if row["approver_id"] is None
            else Actor(kind=ActorKind(row["approver_kind"]), id=row["approver_id"]),
            approved_at=row["approved_at"],
            proposed_client_id=row["client_id"],
            approved_client_id=row["approver_client_id"],
        )
        for row in rows
    )


def _told(by: Signature) -> tuple[str, str]:
    return by.actor.kind.value, by.actor.id


def _require_person(by: Signature) -> None:
    if by.actor.kind is ActorKind.JOB:
        raise Refused("a waiver is proposed and approved by persons, not by a job")
