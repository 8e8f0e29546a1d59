"""Edge. Experiments: plans, locked by their hash, and what happens to them: events that are only ever added, each with its number.

The law is that of `record/release_life.py`: an event is written for a state that was read. Its number is one more than that of the experiment's
last event, and the table keeps numbers apart, so of two events that follow the same state one is written and the other one is not. It keeps
the ranges of starts apart, too: of two experiments that claim the same buckets of a layer at once, one starts.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

import asyncpg
from msgspec import Struct

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature
from instant_credit.errors import Conflict, NotFound
from instant_credit.record.chain import leaf_of
from instant_credit.record.pool import Record
from instant_credit.record.shipped import read_sql


class PlannedExperiment(Struct, frozen=True, kw_only=True):
    """A plan under its number, from 1 over all products; `name` stands once within a product."""

    experiment: int
    plan_hash: str
    product: str
    name: str
    signature: Signature
    recorded_at: datetime


class ExperimentEventKind(StrEnum):
    """What happened."""

    STARTED = "started"
    RAMPED = "ramped"
    ARM_CLOSED = "arm_closed"
    STOPPED = "stopped"
    CONCLUDED = "concluded"


class Conclusion(StrEnum):
    """How an experiment was concluded."""

    PROMOTE = "promote"
    KEEP = "keep"
    EXTEND = "extend"


class ExperimentEvent(Struct, frozen=True, kw_only=True):
    """One event of an experiment.

    Attributes
    ----------
    number : its place among the events of its experiment, from 1.
    reach_from_ppm, reach_to_ppm : the layer's buckets [from, to) that a start claims.
    coverage_ppm : of a start or a ramp: the part of its reach that is exposed from then on.
    arm : that was closed.
    guardrail : that closed or stopped it; None = somebody did.
    is_single_person : whoever started it stood in for the second person.
    """

    experiment: int
    number: int
    kind: ExperimentEventKind
    reach_from_ppm: int | None = None
    reach_to_ppm: int | None = None
    coverage_ppm: int | None = None
    arm: str | None = None
    guardrail: str | None = None
    verdict: Conclusion | None = None
    reason: str | None = None
    is_single_person: bool = False
    signature: Signature
    recorded_at: datetime


async def plan_experiment(
    record: Record, *, plan_hash: str, product: str, name: str, by: Signature, now: datetime
) -> PlannedExperiment:
    """Give a recorded plan document its number; the one that it has when it was planned before.

    Raises
    ------
    NotFound : the plan is not among the documents.
    Conflict : the product has another plan of this name.
    """
    while True:
        planned = await list_experiments(record)
        for one in planned:
            if one.plan_hash == plan_hash:
                return one
            if (one.product, one.name) == (product, name):
                raise Conflict(
                    f"product {product} has another plan named {name}: a plan that changes needs another name"
                )
        number = max((one.experiment for one in planned), default=0) + 1
        row = (number, plan_hash, product, name, by.client_id, by.actor.kind.value, by.actor.id, now)
        leaves = [leaf_of("experiments", row)]
        async with record.writer() as writer, record.connection() as connection:
            try:
                await writer.append(connection, read_sql("insert_experiment"), row, leaves, now)
            except asyncpg.UniqueViolationError:
                continue
            except asyncpg.ForeignKeyViolationError:
                raise NotFound("plan", plan_hash) from None
        return PlannedExperiment(
            experiment=number, plan_hash=plan_hash, product=product, name=name, signature=by, recorded_at=now
        )


async def list_experiments(record: Record) -> tuple[PlannedExperiment, ...]:
    """Every planned experiment, in order of numbers."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_experiments"))
    return tuple(
        PlannedExperiment(
            experiment=row["experiment"],
            plan_hash=row["plan_hash"],
            product=row["product"],
            name=row["name"],
            signature=_open_signature(row),
            recorded_at=row["recorded_at"],
        )
        for row in rows
    )


async def read_experiment_events(record: Record, experiment: int | None = None) -> tuple[ExperimentEvent, ...]:
    """The events of one experiment, or of all, in order of experiment and number."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_experiment_events"), experiment)
    return tuple(_open_event(row) for row in rows)


async def count_experiment_events(record: Record) -> tuple[int, int]:
    """How many experiments and how many events there are: as long as both are the same, so is everything about them."""
    async with record.connection() as connection:
        row = await connection.fetchrow(read_sql("count_experiment_events"))
    return row["experiments"], row["events"]


async def add_experiment_event(record: Record, event: ExperimentEvent) -> bool:
    """Add the next event of its experiment; whether it was written, which it is not when another one took its number, or a start's range.

    Raises
    ------
    NotFound : there is no such experiment.
    Unavailable : the database did not answer; the event may have been written, and reading the events tells.
    """
    signature = event.signature
    row = (
        event.experiment,
        event.number,
        event.kind.value,
        event.reach_from_ppm,
        event.reach_to_ppm,
        event.coverage_ppm,
        event.arm,
        event.guardrail,
        None if event.verdict is None else event.verdict.value,
        event.reason,
        event.is_single_person,
        signature.client_id,
        signature.actor.kind.value,
        signature.actor.id,
        event.recorded_at,
    )
    leaves = [leaf_of("experiment_events", row)]
    async with record.writer() as writer, record.connection() as connection:
        try:
            await writer.append(connection, read_sql("insert_experiment_event"), row, leaves, event.recorded_at)
        except asyncpg.UniqueViolationError:
            return False
        except asyncpg.ForeignKeyViolationError:
            raise NotFound("experiment", str(event.experiment)) from None
    return True


def _open_event(row: Any) -> ExperimentEvent:
    return ExperimentEvent(
        experiment=row["experiment"],
        number=row["number"],
        kind=ExperimentEventKind(row["kind"]),
        reach_from_ppm=row["reach_from_ppm"],
        reach_to_ppm=row["reach_to_ppm"],
        coverage_ppm=row["coverage_ppm"],
        arm=row["arm"],
        guardrail=row["guardrail"],
        verdict=None if row["verdict"] is None else Conclusion(row["verdict"]),
        reason=row["reason"],
        is_single_person=row["is_single_person"],
        signature=_open_signature(row),
        recorded_at=row["recorded_at"],
    )


def _open_signature(row: Any) -> Signature:
    return Signature(actor=Actor(kind=ActorKind(row["actor_kind"]), id=row["actor_id"]), client_id=row["client_id"])
