"""Experiments and their events as they are written and read back."""

import asyncio

import asyncpg
import pytest
from msgspec.structs import replace

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature
from instant_credit.canonical import hash_content
from instant_credit.errors import BrokenInvariant, Conflict, NotFound
from instant_credit.experiment.plan import encode_plan
from instant_credit.record.documents import get_documents, put_document
from instant_credit.record.experiments import (
    Conclusion,
    ExperimentEvent,
    ExperimentEventKind,
    PlannedExperiment,
    add_experiment_event,
    count_experiment_events,
    list_experiments,
    plan_experiment,
    read_experiment_events,
)
from instant_credit.record.pool import Record
from tests.experiment.plans import plan

pytestmark = pytest.mark.anyio

ONE, TWO = (Signature(actor=Actor(kind=ActorKind.PERSON, id=name)) for name in ("staff-1", "staff-2"))


async def plan_one(record: Record, name: str, layer: str = "risk") -> PlannedExperiment:
    raw = encode_plan(plan(name=name, layer=layer))
    plan_hash = await put_document(record, "plan", raw, ONE.actor)
    return await plan_experiment(
        record, plan_hash=plan_hash, product="personal_loan", name=name, by=ONE, now=record.clock.now()
    )


def start(record: Record, planned: PlannedExperiment, from_ppm: int, to_ppm: int) -> ExperimentEvent:
    return ExperimentEvent(
        experiment=planned.experiment,
        number=1,
        kind=ExperimentEventKind.STARTED,
        reach_from_ppm=from_ppm,
        reach_to_ppm=to_ppm,
        coverage_ppm=1_000,
        signature=TWO,
        recorded_at=record.clock.now(),
    )


def follow(former: ExperimentEvent, kind: ExperimentEventKind, **told: object) -> ExperimentEvent:
    bare = replace(former, number=former.number + 1, kind=kind, reach_from_ppm=None, reach_to_ppm=None)
    return replace(
        bare, **({"coverage_ppm": None, "arm": None, "guardrail": None, "reason": "Enough is known."} | told)
    )


async def test_what_was_planned_and_happened_is_read_back(record: Record) -> None:
    planned = await plan_one(record, "first")
    assert planned.experiment == 1
    started = start(record, planned, 0, 5)
    ramped = follow(started, ExperimentEventKind.RAMPED, coverage_ppm=2_000)
    closed = follow(ramped, ExperimentEventKind.ARM_CLOSED, arm="challenger", guardrail="loss_budget")
    stopped = follow(closed, ExperimentEventKind.STOPPED)
    concluded = follow(stopped, ExperimentEventKind.CONCLUDED, verdict=Conclusion.KEEP)
    events = (started, ramped, closed, stopped, concluded)
    for event in events:
        assert await add_experiment_event(record, event)
        assert not await add_experiment_event(record, event)
    assert await read_experiment_events(record, 1) == events
    assert await read_experiment_events(record, 2) == ()
    assert await list_experiments(record) == (planned,)
    assert await count_experiment_events(record) == (1, 5)


async def test_a_plan_keeps_its_number_and_its_name(record: Record) -> None:
    planned = await asyncio.gather(*(plan_one(record, name) for name in ("first", "second", "first", "second")))
    assert {(one.experiment, one.name) for one in planned} in (
        {(1, "first"), (2, "second")},
        {(2, "first"), (1, "second")},
    )
    with pytest.raises(Conflict, match="another plan named first"):
        await plan_one(record, "first", layer="prices")
    with pytest.raises(NotFound, match="plan"):
        await plan_experiment(record, plan_hash="0" * 64, product="loan", name="third", by=ONE, now=record.clock.now())


async def test_an_experiment_that_was_not_planned_has_no_events(record: Record) -> None:
    planned = replace(await plan_one(record, "first"), experiment=7)
    with pytest.raises(NotFound, match="experiment"):
        await add_experiment_event(record, start(record, planned, 0, 5))


@pytest.mark.parametrize("signature", [ONE, Signature(actor=Actor(kind=ActorKind.JOB, id="jobs"))])
async def test_the_database_itself_takes_no_start_of_whoever_planned_or_of_a_job(
    record: Record, signature: Signature
) -> None:
    event = replace(start(record, await plan_one(record, "first"), 0, 5), signature=signature)
    with pytest.raises(BrokenInvariant, match="experiment_events_four_eyes"):
        await add_experiment_event(record, event)
    assert await add_experiment_event(record, replace(event, is_single_person=True))


async def test_the_database_itself_keeps_running_experiments_of_a_layer_apart(record: Record) -> None:
    first, second, prices = [
        await plan_one(record, name, layer) for name, layer in (("a", "risk"), ("b", "risk"), ("c", "prices"))
    ]
    started = start(record, first, 100, 200)
    assert await add_experiment_event(record, started)
    for from_ppm, to_ppm in ((100, 200), (0, 101), (199, 300), (120, 130), (0, 1_000_000)):
        assert not await add_experiment_event(record, start(record, second, from_ppm, to_ppm))
    assert await add_experiment_event(record, start(record, prices, 100, 200))
    assert await add_experiment_event(record, follow(started, ExperimentEventKind.STOPPED))
    assert await add_experiment_event(record, start(record, second, 100, 200))


async def test_of_starts_at_once_on_the_same_buckets_one_is_written(record: Record) -> None:
    planned = [await plan_one(record, f"plan_{number}") for number in range(6)]
    written = await asyncio.gather(*(add_experiment_event(record, start(record, one, 0, 10)) for one in planned))
    assert sorted(written) == [False] * 5 + [True]
    assert len(await read_experiment_events(record)) == 1


async def test_documents_are_read_together_and_checked(record: Record, actor: Actor, superuser_url: str) -> None:
    bodies = [b"a", b"b"]
    for body in bodies:
        await put_document(record, "plan", body, actor)
    hashes = [hash_content(body) for body in bodies]
    assert await get_documents(record, hashes) == dict(zip(hashes, bodies, strict=True))
    assert await get_documents(record, []) == {}
    with pytest.raises(NotFound, match="document"):
        await get_documents(record, [*hashes, "0" * 64])
    connection = await asyncpg.connect(superuser_url)
    await connection.execute("SET session_replication_role = replica")
    await connection.execute("UPDATE instant_credit.documents SET body = 'c' WHERE content_hash = $1", hashes[0])
    await connection.close()
    with pytest.raises(BrokenInvariant, match="does not match its hash"):
        await get_documents(record, hashes)
