"""Edge. What server processes counted of the arms of experiments: applications, faults, slow answers; written as it comes, added up when read."""

from collections.abc import Collection, Sequence
from uuid import UUID

import asyncpg
from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.errors import require
from instant_credit.record.chain import leaves_of
from instant_credit.record.pool import Record
from instant_credit.record.shipped import read_sql


class ArmTally(Struct, frozen=True, kw_only=True):
    """Counts of one arm, by its place in the plan.

    Attributes
    ----------
    applications : that drew the arm and were answered or failed by a fault; `failed` of them failed.
    timed : answers of a plan that bounds their latency; `slow` of them took longer.
    """

    experiment: int
    arm: int
    applications: int
    failed: int = 0
    timed: int = 0
    slow: int = 0


async def add_arm_tallies(
    record: Record, tallies: Sequence[ArmTally], *, holder_id: UUID, number: int, actor: Actor
) -> bool:
    """Write down what a process counted since its last `number`; False where it is written already.

    Parameters
    ----------
    tallies : at least one, each arm once.

    Raises
    ------
    Unavailable : the record did not answer; the same may be sent again under the same number.
    """
    require(bool(tallies), "a process writes down what it counted")
    now = record.clock.now()
    rows = [(one.experiment, one.arm, one.applications, one.failed, one.timed, one.slow) for one in tallies]
    written = actor.kind.value, actor.id, now
    leaves = leaves_of("arm_tallies", [(*row[:2], holder_id, number, *row[2:], *written) for row in rows])
    arguments = [*(list(column) for column in zip(*rows, strict=True)), holder_id, number, *written]
    async with record.writer() as writer, record.connection() as connection:
        try:
            await writer.append(connection, read_sql("insert_arm_tallies"), arguments, leaves, now)
        except asyncpg.UniqueViolationError:
            writer.withdraw()
            return False
    return True


async def sum_arm_tallies(record: Record, experiments: Collection[int]) -> tuple[ArmTally, ...]:
    """What all processes counted by now, by experiment and arm."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("sum_arm_tallies"), sorted(experiments))
    return tuple(ArmTally(**dict(row)) for row in rows)
