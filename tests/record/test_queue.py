"""Jobs as they are asked for, held by workers, cancelled and tried again."""

import asyncio
from itertools import pairwise
from uuid import UUID

import asyncpg
import pytest

from instant_credit.access.actors import Actor
from instant_credit.errors import Conflict, NotFound, Refused
from instant_credit.record import queue
from instant_credit.record.embedded import OWNER, Cluster
from instant_credit.record.pool import Record
from instant_credit.record.queue import (
    JobClosed,
    JobEvent,
    JobEventKind,
    JobExists,
    JobRequest,
    JobState,
    JobWeight,
    cancel_job,
    enqueue_job,
    judge_state,
    list_jobs,
    read_job,
    retry_job,
)
from instant_credit.record.queue_log import JobLog, JobLost, forget_old_results, take_up
from instant_credit.record.queue_taking import make_queries
from instant_credit.record.shipped import read_sql
from tests.clock import FixedClock

pytestmark = pytest.mark.anyio

ASKED = JobRequest(kind="measure", weight=JobWeight.LIGHT, arguments=b"{}")
WORKER, OTHER = UUID(int=1), UUID(int=2)
KIND = JobEventKind


async def hold(record: Record, actor: Actor, worker: UUID = WORKER) -> JobLog:
    return await take_up(record, await enqueue_job(record, ASKED, actor), worker)


async def count_queued(record: Record) -> int:
    async with record.connection() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM pgqueuer WHERE status = 'queued'"))


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        ((), JobState.QUEUED),
        ((KIND.BEGUN,), JobState.RUNNING),
        ((KIND.BEGUN, KIND.STEP_BEGUN, KIND.STEP_FINISHED), JobState.RUNNING),
        ((KIND.BEGUN, KIND.GIVEN_BACK), JobState.QUEUED),
        ((KIND.CANCEL_ASKED,), JobState.CANCELLED),
        ((KIND.BEGUN, KIND.CANCEL_ASKED), JobState.CANCELLING),
        ((KIND.BEGUN, KIND.CANCEL_ASKED, KIND.GIVEN_BACK), JobState.CANCELLED),
        ((KIND.BEGUN, KIND.CANCEL_ASKED, KIND.CANCELLED), JobState.CANCELLED),
        ((KIND.BEGUN, KIND.CANCEL_ASKED, KIND.SUCCEEDED), JobState.SUCCEEDED),
        ((KIND.BEGUN, KIND.FAILED), JobState.FAILED),
        ((KIND.BEGUN, KIND.FAILED, KIND.RETRIED), JobState.QUEUED),
        ((KIND.CANCEL_ASKED, KIND.RETRIED), JobState.QUEUED),
        ((KIND.CANCEL_ASKED, KIND.RETRIED, KIND.BEGUN), JobState.RUNNING),
        ((KIND.BEGUN, KIND.BEGUN), JobState.RUNNING),
    ],
)
async def test_a_state_follows_from_the_events(kinds, state, clock: FixedClock) -> None:
    events = [JobEvent(number=n, kind=kind, recorded_at=clock.now()) for n, kind in enumerate(kinds, start=1)]
    assert judge_state(events) is state


async def test_the_migration_makes_the_librarys_tables_as_it_declares_them(
    record: Record, cluster: Cluster, empty_database: str
) -> None:
    connection = await asyncpg.connect(cluster.url(OWNER, empty_database))
    try:
        assert (await make_queries(connection).plan_upgrade()).statements == ()
    finally:
        await connection.close()


async def test_a_job_is_queued_with_the_fact_that_it_was_asked_for(record: Record, actor: Actor) -> None:
    job_id = await enqueue_job(record, ASKED, actor)
    job = await read_job(record, job_id)
    assert (job.kind, job.arguments, job.state, job.actor_id) == ("measure", b"{}", JobState.QUEUED, "test")
    assert [one.job_id for one in await list_jobs(record)] == [job_id]
    assert await count_queued(record) == 1


async def test_the_same_job_waits_or_runs_once(record: Record, actor: Actor) -> None:
    log = await hold(record, actor)
    with pytest.raises(JobExists) as found:
        await enqueue_job(record, ASKED, actor)
    assert found.value.job_id == log.job.job_id
    assert len(await list_jobs(record)) == 1
    others = JobRequest(kind="measure", weight=JobWeight.LIGHT, arguments=b'{"other":1}')
    assert await enqueue_job(record, others, actor) != log.job.job_id


async def test_of_many_who_ask_at_once_for_one_natural_key_one_queues_it(record: Record, actor: Actor) -> None:
    async def ask(number: int) -> bool:
        arguments = b'{"number":%d}' % number
        request = JobRequest(kind="measure", weight=JobWeight.HEAVY, arguments=arguments, natural_key="monday")
        try:
            await enqueue_job(record, request, actor)
        except JobExists:
            return False
        return True

    assert sum(await asyncio.gather(*map(ask, range(6)))) == 1
    assert len(await list_jobs(record)) == 1


async def test_a_job_whose_likes_begin_and_end_all_the_time_is_asked_for_again_and_holds_nothing_meanwhile(
    record: Record, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(name: str) -> str:
        nothing = "SELECT NULL::uuid WHERE $1::text IS NULL AND $2::bytea IS NULL AND $3::text IS NULL"
        return nothing if name == "find_same_job" else read_sql(name)

    await enqueue_job(record, ASKED, actor)
    monkeypatch.setattr(queue, "read_sql", read)
    with pytest.raises(Conflict, match="ask again"):
        await enqueue_job(record, ASKED, actor)
    monkeypatch.undo()
    assert len(await list_jobs(record)) == 1


async def test_there_is_no_job_of_an_unknown_id(record: Record, actor: Actor) -> None:
    for ask in (read_job(record, WORKER), cancel_job(record, WORKER, actor), retry_job(record, WORKER, actor)):
        with pytest.raises(NotFound):
            await ask


async def test_a_finished_step_is_recalled_by_whoever_holds_the_job_next(record: Record, actor: Actor) -> None:
    first = await hold(record, actor)
    await first.begin()
    await first.begin_step("read")
    await first.finish_step("read", b"numbers")
    await first.begin_step("fit")
    second = await take_up(record, first.job.job_id, OTHER)
    await second.begin()
    assert (await second.recall("read"), await second.recall("fit")) == (b"numbers", None)
    told = [(event.kind, event.step, event.worker_id) for event in (await read_job(record, first.job.job_id)).events]
    assert told[0] == (KIND.BEGUN, None, WORKER)
    assert told[-1] == (KIND.BEGUN, None, OTHER)


async def test_of_two_workers_that_hold_one_job_the_first_to_be_overtaken_stops(record: Record, actor: Actor) -> None:
    first = await hold(record, actor)
    await first.begin()
    await first.begin_step("fit")
    second = await take_up(record, first.job.job_id, OTHER)
    await second.begin()
    with pytest.raises(JobLost):
        await first.finish_step("fit", b"late")
    with pytest.raises(JobLost):
        await first.look()
    assert await second.recall("fit") is None
    await second.begin_step("fit")
    await second.finish_step("fit", b"right")
    events = (await read_job(record, first.job.job_id)).events
    assert [event.step for event in events if event.kind is KIND.STEP_FINISHED] == ["fit"]
    assert all(later.number == event.number + 1 for event, later in pairwise(events))


async def test_a_wish_to_cancel_reaches_the_worker_and_loses_nothing(record: Record, actor: Actor) -> None:
    log = await hold(record, actor)
    await log.begin()
    await log.begin_step("fit")
    assert (await cancel_job(record, log.job.job_id, actor)).state is JobState.CANCELLING
    assert (await cancel_job(record, log.job.job_id, actor)).state is JobState.CANCELLING
    await log.finish_step("fit", b"fitted")
    assert log.is_cancelled
    await log.end(KIND.CANCELLED, "cancelled")
    job = await read_job(record, log.job.job_id)
    assert (job.state, [event.number for event in job.events]) == (JobState.CANCELLED, [1, 2, 3, 4, 5])


async def test_a_job_that_waits_is_cancelled_at_once_and_can_be_tried_again(record: Record, actor: Actor) -> None:
    job_id = await enqueue_job(record, ASKED, actor)
    assert (await cancel_job(record, job_id, actor)).state is JobState.CANCELLED
    assert await count_queued(record) == 0
    assert (await retry_job(record, job_id, actor)).state is JobState.QUEUED
    assert (await retry_job(record, job_id, actor)).state is JobState.QUEUED
    assert await count_queued(record) == 1


async def end_in_queue(record: Record) -> None:
    """What the library does with the row of a job that ended."""
    async with record.connection() as connection:
        await connection.execute("DELETE FROM pgqueuer")


async def test_a_failed_job_is_tried_again_behind_its_finished_steps(record: Record, actor: Actor) -> None:
    log = await hold(record, actor)
    await log.begin()
    await log.begin_step("read")
    await log.finish_step("read", b"numbers")
    await log.end(KIND.FAILED, "the disk is full")
    await end_in_queue(record)
    assert (await read_job(record, log.job.job_id)).events[-1].words == "the disk is full"
    with pytest.raises(JobClosed, match="failed, so it can't be cancelled"):
        await cancel_job(record, log.job.job_id, actor)
    other = await enqueue_job(record, ASKED, actor)
    with pytest.raises(JobExists) as found:
        await retry_job(record, log.job.job_id, actor)
    assert found.value.job_id == other
    await end_in_queue(record)
    assert (await retry_job(record, log.job.job_id, actor)).state is JobState.QUEUED
    again = await take_up(record, log.job.job_id, OTHER)
    assert not again.is_over
    assert await again.recall("read") == b"numbers"


async def test_what_steps_came_to_is_kept_until_the_job_succeeds_or_is_old(
    record: Record, actor: Actor, superuser_url: str
) -> None:
    log = await hold(record, actor)
    await log.begin()
    await log.begin_step("read")
    await log.finish_step("read", b"numbers")
    await forget_old_results(record, -1)
    assert await log.recall("read") == b"numbers"
    await log.end(KIND.FAILED, "no luck")
    await forget_old_results(record, 1)
    assert await log.recall("read") == b"numbers"
    await forget_old_results(record, -1)
    assert await log.recall("read") is None
    await log.begin_step("read")
    await log.finish_step("read", b"numbers")
    await log.end(KIND.SUCCEEDED, "luck")
    assert await log.recall("read") is None
    with pytest.raises(JobClosed):
        await retry_job(record, log.job.job_id, actor)


async def test_a_result_that_was_altered_is_refused(record: Record, actor: Actor, superuser_url: str) -> None:
    log = await hold(record, actor)
    await log.begin()
    await log.begin_step("read")
    await log.finish_step("read", b"numbers")
    connection = await asyncpg.connect(superuser_url)
    await connection.execute("UPDATE instant_credit.job_results SET body = 'other'")
    await connection.close()
    with pytest.raises(Refused, match="altered"):
        await log.recall("read")


async def test_progress_says_how_long_ago_it_was_told(record: Record, actor: Actor) -> None:
    log = await hold(record, actor)
    for done in (1, 7):
        await log.tell("fit", done, 10)
    told = (await read_job(record, log.job.job_id)).progress
    assert told is not None
    assert (told.stage, told.done, told.total) == ("fit", 7, 10)
    assert 0 <= told.silent_seconds < 30
