"""Waivers of gates: two persons, until a day, only ever added."""

from datetime import date, timedelta
from uuid import UUID

import asyncpg
import pytest

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature
from instant_credit.decision.gate_report import Gate, Verdict
from instant_credit.errors import Conflict, NotFound, Refused
from instant_credit.record.documents import put_document
from instant_credit.record.pool import Record
from instant_credit.record.waivers import (
    approve_waiver,
    list_waivers,
    propose_waiver,
    put_gate_report,
    read_gate_report,
    read_standing,
    read_waiver,
)
from tests.clock import FixedClock
from tests.decision.gate_reports import make_report

pytestmark = pytest.mark.anyio

ANNA, BERT = (Signature(actor=Actor(kind=ActorKind.PERSON, id=name)) for name in ("staff-1", "staff-2"))
KEYS = [Signature(actor=Actor(kind=ActorKind.API_KEY, id=name), client_id="models") for name in ("key-1", "key-2")]
STOPPED = make_report({Gate.COST: Verdict.FAILED, Gate.LEAKAGE: Verdict.PASSED})
REASON = "The hosts have room for it."


async def propose(record: Record, clock: FixedClock, actor: Actor, days: int = 30) -> tuple[str, UUID]:
    report_hash = await put_gate_report(record, STOPPED, actor)
    until = clock.now().date() + timedelta(days=days)
    return report_hash, await propose_waiver(record, report_hash, Gate.COST, reason=REASON, until_on=until, by=ANNA)


async def test_a_waiver_counts_once_a_second_person_approved_it(
    record: Record, clock: FixedClock, actor: Actor
) -> None:
    report_hash, waiver_id = await propose(record, clock, actor)
    assert (await read_standing(record, report_hash)).stopped_by == (Gate.COST,)
    waiver = await approve_waiver(record, waiver_id, BERT)
    assert (waiver.proposed_by, waiver.approved_by, waiver.reason) == (ANNA.actor, BERT.actor, REASON)
    standing = await read_standing(record, report_hash)
    assert standing.passes
    assert standing.waivers == (waiver,) == await list_waivers(record, report_hash)


async def test_an_expired_waiver_no_longer_counts(record: Record, clock: FixedClock, actor: Actor) -> None:
    report_hash, waiver_id = await propose(record, clock, actor, days=2)
    await approve_waiver(record, waiver_id, BERT)
    clock.advance(timedelta(days=3))
    assert (await read_standing(record, report_hash)).stopped_by == (Gate.COST,)


async def test_nobody_approves_what_they_proposed(record: Record, clock: FixedClock, actor: Actor) -> None:
    report_hash, waiver_id = await propose(record, clock, actor)
    with pytest.raises(Refused, match="a second person approves it"):
        await approve_waiver(record, waiver_id, ANNA)
    async with record.connection() as connection:
        with pytest.raises(asyncpg.CheckViolationError, match="second person"):
            await connection.execute(
                "INSERT INTO gate_waiver_approvals (waiver_id, actor_kind, actor_id, recorded_at) VALUES ($1, 'person', $2, now())",
                waiver_id,
                ANNA.actor.id,
            )
    assert not (await read_standing(record, report_hash)).passes


async def test_the_keys_of_one_client_are_one_signer(record: Record, clock: FixedClock, actor: Actor) -> None:
    report_hash = await put_gate_report(record, STOPPED, actor)
    until = clock.now().date()
    waiver_id = await propose_waiver(record, report_hash, Gate.COST, reason=REASON, until_on=until, by=KEYS[0])
    with pytest.raises(Refused, match="proposed by client models: a second person approves it"):
        await approve_waiver(record, waiver_id, KEYS[1])
    statement = (
        "INSERT INTO gate_waiver_approvals (waiver_id, actor_kind, actor_id, client_id, recorded_at)"
        " VALUES ($1, 'api_key', 'key-2', 'models', now())"
    )
    async with record.connection() as connection:
        with pytest.raises(asyncpg.CheckViolationError, match="second person"):
            await connection.execute(statement, waiver_id)
    waiver = await approve_waiver(record, waiver_id, BERT)
    assert (waiver.proposed_client_id, waiver.approved_client_id) == ("models", None)


async def test_a_waiver_is_approved_once_and_before_it_ends(record: Record, clock: FixedClock, actor: Actor) -> None:
    _, waiver_id = await propose(record, clock, actor)
    await approve_waiver(record, waiver_id, BERT)
    with pytest.raises(Conflict, match="approved before"):
        await approve_waiver(record, waiver_id, BERT)
    _, late = await propose(record, clock, actor, days=1)
    clock.advance(timedelta(days=2))
    with pytest.raises(Refused, match="ended on"):
        await approve_waiver(record, late, BERT)


async def test_what_cannot_be_waived_is_refused_and_leaves_nothing(
    record: Record, clock: FixedClock, actor: Actor
) -> None:
    report_hash = await put_gate_report(record, STOPPED, actor)
    until = clock.now().date()
    with pytest.raises(Refused, match="never waived"):
        await propose_waiver(record, report_hash, Gate.MONOTONICITY, reason=REASON, until_on=until, by=ANNA)
    with pytest.raises(Refused, match="does not stop"):
        await propose_waiver(record, report_hash, Gate.PROFIT, reason=REASON, until_on=until, by=ANNA)
    with pytest.raises(Refused, match="needs a reason"):
        await propose_waiver(record, report_hash, Gate.COST, reason=" ", until_on=until, by=ANNA)
    with pytest.raises(Refused, match="by persons"):
        await propose_waiver(record, report_hash, Gate.COST, reason=REASON, until_on=until, by=Signature(actor=actor))
    assert await list_waivers(record, report_hash) == ()


async def test_what_is_not_recorded_is_not_found(record: Record, clock: FixedClock, actor: Actor) -> None:
    with pytest.raises(NotFound):
        await propose_waiver(record, "f" * 64, Gate.COST, reason=REASON, until_on=date(2026, 7, 1), by=ANNA)
    with pytest.raises(NotFound):
        await read_waiver(record, UUID(int=5))
    other = await put_document(record, "product", b"{}", actor)
    with pytest.raises(Refused, match="gate report"):
        await read_gate_report(record, other)
