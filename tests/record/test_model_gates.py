"""What the record holds about a model is found by the model's hash."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature
from instant_credit.canonical import encode_canonical
from instant_credit.decision.gate_report import Gate, GateReport, Verdict
from instant_credit.record.documents import DocumentKind, put_document
from instant_credit.record.model_gates import find_training_of, read_model_gates
from instant_credit.record.pool import Record
from instant_credit.record.shipped import read_sql
from instant_credit.record.waivers import approve_waiver, propose_waiver, put_gate_report
from tests.clock import FixedClock
from tests.decision.gate_reports import make_report

pytestmark = pytest.mark.anyio

MODEL, OTHER = "1" * 64, "2" * 64
STAFF = tuple(Signature(actor=Actor(kind=ActorKind.PERSON, id=name)) for name in ("staff-1", "staff-2"))


def report_on(model: str, *stopped: Gate, champion: str | None = None) -> GateReport:
    return replace(make_report(dict.fromkeys(stopped, Verdict.FAILED)), candidate_hash=model, champion_hash=champion)


async def test_a_model_that_nobody_trained_or_judged_has_nothing(record: Record, clock: FixedClock) -> None:
    gates = await read_model_gates(record, MODEL)
    assert (gates.is_trained, gates.report_hash, gates.standing_at(clock.now())) == (False, None, None)


async def test_the_newest_training_of_a_model_is_found_by_its_hash(
    record: Record, clock: FixedClock, actor: Actor
) -> None:
    bodies = [
        encode_canonical({"schema_version": 2, "bundle_hash": model, "book": book, "labels": OTHER})
        for model, book in ((MODEL, "former"), (MODEL, "later"), ("3" * 64, "another"))
    ]
    for body in bodies:
        await put_document(record, DocumentKind.TRAINING, body, actor)
        clock.advance(timedelta(seconds=1))
    assert await find_training_of(record, MODEL) == bodies[1]
    assert await find_training_of(record, OTHER) is None
    assert (await read_model_gates(record, MODEL)).is_trained


async def test_the_newest_report_of_a_model_counts_and_none_where_it_was_the_champion(
    record: Record, clock: FixedClock, actor: Actor
) -> None:
    hashes = []
    for report in (report_on(MODEL), report_on(MODEL, Gate.LEAKAGE), report_on(OTHER, champion=MODEL)):
        hashes.append(await put_gate_report(record, report, actor))
        clock.advance(timedelta(seconds=1))
    gates = await read_model_gates(record, MODEL)
    assert gates.report_hash == hashes[1]
    standing = gates.standing_at(clock.now())
    assert standing is not None
    assert standing.stopped_by == (Gate.LEAKAGE,)


async def test_waivers_of_the_newest_report_count_until_they_end(
    record: Record, clock: FixedClock, actor: Actor
) -> None:
    report_hash = await put_gate_report(record, report_on(MODEL, Gate.COST), actor)
    until = clock.now().date() + timedelta(days=2)
    waiver = await propose_waiver(record, report_hash, Gate.COST, reason="There is room.", until_on=until, by=STAFF[0])
    await approve_waiver(record, waiver, STAFF[1])
    gates = await read_model_gates(record, MODEL)
    now, later = (gates.standing_at(clock.now() + timedelta(days=days)) for days in (0, 3))
    assert now is not None
    assert now.passes
    assert later is not None
    assert later.stopped_by == (Gate.COST,)


@pytest.mark.parametrize("statement", ["find_training_of_model", "find_gate_report_of_model"])
async def test_documents_of_a_model_are_found_by_an_index(record: Record, statement: str) -> None:
    async with record.connection() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        await connection.execute("SET LOCAL enable_bitmapscan = off")
        rows = await connection.fetch(f"EXPLAIN {read_sql(statement)}", MODEL)
    plan = "\n".join(row[0] for row in rows)
    assert "documents_by_model" in plan
    assert "Sort" not in plan
