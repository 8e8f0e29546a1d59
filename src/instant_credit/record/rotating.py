"""Edge. Rotation of the master key while servers run: turn the ring, wrap every data key anew, retire the former master key.

    ring turned ─► servers wrap by the new one ─► data keys rewrapped in batches ─► former one retired ─► it leaves the ring

Data keys and what they seal stay as they are. Each step may be made again after a kill: a rotation that was not finished is finished before
another one begins. A row is locked while its batch is written, and is left alone when it changed since it was read. A master key that is
retired wraps nothing and never will, which the database holds (migration 0019); only then does it leave the ring.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from instant_credit.access.actors import Actor
from instant_credit.errors import Refused
from instant_credit.record.chain import leaf_of
from instant_credit.record.pool import Record
from instant_credit.record.rings import remove_master_keys
from instant_credit.record.sealing import WrappedKey
from instant_credit.record.shipped import read_sql
from instant_credit.settings import Settings

BATCH_KEYS: Final = 1_000


async def count_wrapped(owner: Any) -> Mapping[str, int]:
    """How many data keys each master key wraps; one that wraps none is left out."""
    return {row["master_key_id"]: row["data_keys"] for row in await owner.fetch(read_sql("count_wrapped_keys"))}


async def rewrap_keys(record: Record, owner: Any, progress: Callable[[int], None] = lambda _: None) -> int:
    """Wrap every data key by the current master key; returns how many were wrapped anew.

    Parameters
    ----------
    owner : the owner's connection.
    progress : called with the number of data keys after each batch.

    Raises
    ------
    Refused : the ring lacks a master key that wraps some data key.
    """
    record.key_ring.follow()
    # Whoever was wrapping by the former key when the ring turned may have written behind the first pass.
    return await _pass_over(record, owner, progress) + await _pass_over(record, owner, progress)


async def _pass_over(record: Record, owner: Any, progress: Callable[[int], None]) -> int:
    ring, done = record.key_ring, 0
    bucket, key_id = -1, UUID(int=0)
    while True:
        rows = await owner.fetch(read_sql("list_former_keys"), ring.current, bucket, key_id, BATCH_KEYS)
        if not rows:
            return done
        wrapped = [
            ring.rewrap_key(
                row["key_id"],
                row["person_id"],
                WrappedKey(master_key_id=row["master_key_id"], wrapped=row["wrapped_key"]),
                record.entropy,
            )
            for row in rows
        ]
        done += await owner.fetchval(
            read_sql("rewrap_keys"),
            [row["bucket"] for row in rows],
            [row["key_id"] for row in rows],
            [row["wrapped_key"] for row in rows],
            [one.wrapped for one in wrapped],
            [one.master_key_id for one in wrapped],
        )
        progress(len(rows))
        bucket, key_id = rows[-1]["bucket"], rows[-1]["key_id"]


async def note_current(record: Record, owner: Any, actor: Actor) -> None:
    """Write down which master key is current now."""
    record.key_ring.follow()
    now = record.clock.now()
    row = (record.key_ring.current, "made_current", actor.kind.value, actor.id, now)
    leaves = [leaf_of("master_key_events", row)]
    async with record.writer() as writer:
        await writer.append_some(owner, read_sql("insert_master_key_event"), row, leaves, now)


async def retire_former(record: Record, owner: Any, settings: Settings, actor: Actor) -> tuple[str, ...]:
    """Retire every master key older than the current one and take it out of the ring; returns their ids.

    Raises
    ------
    Refused : one of them still wraps a data key; nothing left the ring.
    """
    ring = record.key_ring
    ring.follow()
    former = ring.master_key_ids[: ring.master_key_ids.index(ring.current)]
    for master_key_id in former:
        if not await _retire(record, owner, master_key_id, actor):
            raise Refused(
                f"master key {master_key_id} still wraps data keys: run `instant-credit key-ring rotate`, which finishes the "
                "last rotation, and then this again"
            )
    remove_master_keys(settings.key_ring, former)
    return former


async def _retire(record: Record, owner: Any, master_key_id: str, actor: Actor) -> bool:
    """Write down that a master key wraps nothing any more; False where it still does. A second time changes nothing."""
    now = record.clock.now()
    row = (master_key_id, "retired", actor.kind.value, actor.id, now)
    async with record.writer() as writer:
        link = writer.compose([leaf_of("master_key_events", row)], now)
        outcome = await owner.fetchrow(
            read_sql("retire_master_key"), master_key_id, actor.kind.value, actor.id, now, *link.arguments()
        )
        if outcome["is_new"]:
            writer.settle()
        else:
            writer.withdraw()
    is_retired: bool = outcome["is_retired"]
    return is_retired
