"""Edge. Shadow decisions: what a release that answers nobody would have decided on a recorded Case.

They lie apart from Decisions, sealed under the same person's data key, so that an erased person's are unreadable with all the rest. One that
stands already changes nothing.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.record.chain import leaf_of
from instant_credit.record.columns import open_data_key, transpose
from instant_credit.record.ids import bucket_of, span_of
from instant_credit.record.pool import Record
from instant_credit.record.rows import StoredShadow
from instant_credit.record.sealing import seal, unseal
from instant_credit.record.shipped import read_sql

SHADOW_PLACE: Final = "shadow_decisions.decision"

_COLUMNS: Final = 8


class ShadowEntry(Struct, frozen=True, kw_only=True):
    """A shadow decision to be recorded: canonical bytes, in the clear."""

    case_id: UUID
    release_hash: str
    outcome: str
    decision: bytes


class ShadowsWritten(Struct, frozen=True, kw_only=True):
    """What became of a group: how many stand now, and how many are of persons who were erased, or of no recorded Case."""

    recorded: int
    erased: int


async def add_shadow_decisions(record: Record, entries: Sequence[ShadowEntry], actor: Actor) -> ShadowsWritten:
    """Record shadow decisions, all of them or none.

    Raises
    ------
    Unavailable : the database did not answer; they may have been recorded, and may be given again.
    """
    while (written := await _write(record, entries, actor)) is None:
        pass
    return written


async def _write(record: Record, entries: Sequence[ShadowEntry], actor: Actor) -> ShadowsWritten | None:
    """What became of them; None when another process recorded one of them meanwhile."""
    ordered = sorted(entries, key=lambda one: (bucket_of(one.case_id), one.case_id, one.release_hash))
    case_ids = [one.case_id for one in ordered]
    now = record.clock.now()
    written = (actor.kind.value, actor.id, now)
    record.key_ring.follow()
    async with record.writer() as writer, record.connection() as connection:
        found = await connection.fetch(
            read_sql("look_up_shadows"),
            [bucket_of(case_id) for case_id in case_ids],
            case_ids,
            [one.release_hash for one in ordered],
            *span_of(case_ids),
        )
        readable = [(ordered[row["place"] - 1], row) for row in found if row["wrapped_key"] is not None]
        rows = [
            (*_seal(record, open_data_key(record, row), one), *written)
            for one, row in readable
            if not row["is_recorded"]
        ]
        if rows:
            leaves = [leaf_of("shadow_decisions", row) for row in rows]
            try:
                await writer.append(
                    connection, read_sql("insert_shadow_decisions"), transpose(rows, _COLUMNS), leaves, now
                )
            except asyncpg.UniqueViolationError:
                return None
    return ShadowsWritten(recorded=len(readable), erased=len(ordered) - len(readable))


async def read_shadow_decisions(record: Record, case_id: UUID) -> tuple[StoredShadow, ...]:
    """The shadow decisions on one Case, in order of their releases."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("read_shadow_decisions"), bucket_of(case_id), case_id)
    return tuple(open_shadow(record, row) for row in rows)


def open_shadow(record: Record, row: Any) -> StoredShadow:
    """A row of shadow_decisions that carries what opens its person's data key."""
    case_id, decision = UUID(int=row["case_id"].int), None
    if row["wrapped_key"] is not None:
        row_id = _row_id(case_id, row["release_hash"])
        decision = unseal(open_data_key(record, row), row["sealed_decision"], place=SHADOW_PLACE, row_id=row_id)
    return StoredShadow(
        case_id=case_id,
        release_hash=row["release_hash"],
        outcome=row["outcome"],
        decision=decision,
        recorded_at=row["recorded_at"],
    )


def _seal(record: Record, cipher: AESGCM, one: ShadowEntry) -> tuple[Any, ...]:
    """What a row holds of its own."""
    row_id = _row_id(one.case_id, one.release_hash)
    sealed = seal(cipher, one.decision, place=SHADOW_PLACE, row_id=row_id, entropy=record.entropy)
    return bucket_of(one.case_id), one.case_id, one.release_hash, one.outcome, sealed


def _row_id(case_id: UUID, release_hash: str) -> bytes:
    return case_id.bytes + bytes.fromhex(release_hash)
