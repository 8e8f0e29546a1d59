"""Edge. Budgets in money: what is leased of each to the processes that reserve from it, never more than its cap.

    read (number, what is out) ─► the next row: number + 1, what is out then ─► written, if nobody came first; else read again

The statement reads the last row again, and the number keeps two rows apart that follow the same one; so what is out is never the sum of two
races. A lease whose writing stayed unanswered counts as out, and is in nobody's hands: a budget only ever becomes smaller by trouble.
"""

from typing import Final
from uuid import UUID

import asyncpg
from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.errors import Unavailable, require
from instant_credit.experiment.leases import lease_cents
from instant_credit.record.chain import leaf_of
from instant_credit.record.pool import Record
from instant_credit.record.shipped import read_sql
from instant_credit.units import Cents

KEY_CHARACTERS_MAX: Final = 200
_TRIES: Final = 100


class Budget(Struct, frozen=True, kw_only=True):
    """How much of a budget is out, as of its row of this number; 0 = nothing was ever taken."""

    number: int = 0
    leased_cents: Cents = Cents(0)


class Granted(Struct, frozen=True, kw_only=True):
    """What was taken of a budget, and what it has left for everybody."""

    cents: Cents
    left_cents: Cents


async def read_budget(record: Record, key: str) -> Budget:
    """What is out of the budget `key`."""
    async with record.connection() as connection:
        row = await connection.fetchrow(read_sql("read_budget"), key)
    return Budget() if row is None else Budget(number=row["number"], leased_cents=Cents(row["leased_cents"]))


async def take_lease(
    record: Record,
    key: str,
    cap_cents: Cents,
    *,
    needed_cents: Cents,
    largest_cents: Cents,
    holder_id: UUID,
    actor: Actor,
) -> Granted:
    """Take cents of a budget ahead of what is needed.

    Parameters
    ----------
    cap_cents : what may be out at most.
    needed_cents, largest_cents : as in `experiment.leases.lease_cents`.
    holder_id : names the process that holds the lease.

    Returns
    -------
    What was taken; 0 cents where `needed_cents` do not fit any more, and then nothing was written.

    Raises
    ------
    Unavailable : the record did not answer; then the lease may have been written, and nobody holds it.
    """
    for _ in range(_TRIES):
        budget = await read_budget(record, key)
        left = Cents(cap_cents - budget.leased_cents)
        cents = lease_cents(left, needed_cents, largest_cents)
        if cents == 0:
            return Granted(cents=cents, left_cents=left)
        if await _add(record, key, budget, cents, cap_cents, holder_id=holder_id, actor=actor):
            return Granted(cents=cents, left_cents=Cents(left - cents))
    raise Unavailable(f"budget {key} changes too fast: try again")


async def return_lease(
    record: Record, key: str, cap_cents: Cents, cents: Cents, *, holder_id: UUID, actor: Actor
) -> None:
    """Give back what a lease left; the caller has let go of it already.

    Raises
    ------
    BrokenInvariant : more comes back than is out.
    Unavailable : the record did not answer; then it may have been written, and must not be given back again.
    """
    require(cents > 0, "a lease comes back with something left")
    for _ in range(_TRIES):
        budget = await read_budget(record, key)
        require(cents <= budget.leased_cents, "no more comes back to a budget than is out")
        if await _add(record, key, budget, Cents(-cents), cap_cents, holder_id=holder_id, actor=actor):
            return
    raise Unavailable(f"budget {key} changes too fast: try again")


async def _add(
    record: Record, key: str, budget: Budget, cents: Cents, cap_cents: Cents, *, holder_id: UUID, actor: Actor
) -> bool:
    """Write the row that follows; False where another one came first."""
    now = record.clock.now()
    row = (
        key,
        budget.number + 1,
        cents,
        budget.leased_cents + cents,
        cap_cents,
        holder_id,
        actor.kind.value,
        actor.id,
        now,
    )
    leaves = [leaf_of("budget_leases", row)]
    async with record.writer() as writer, record.connection() as connection:
        try:
            added = await writer.append_some(connection, read_sql("insert_budget_lease"), row, leaves, now)
        except asyncpg.UniqueViolationError:
            return False
    return added is not None
