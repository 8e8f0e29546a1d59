"""A worker with one job in its hands: however the job goes, it ends, goes back, or is left to the worker that took it up."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.access.actors import Actor
from instant_credit.errors import Refused, Unavailable
from instant_credit.factory.jobs import JobContext
from instant_credit.factory.requests import JobKind
from instant_credit.factory.triggers import Asked, Watch
from instant_credit.record.pool import Record
from instant_credit.record.queue import (
    JobEvent,
    JobEventKind,
    JobRequest,
    JobState,
    JobWeight,
    cancel_job,
    enqueue_job,
    read_job,
    retry_job,
)
from instant_credit.record.queue_log import LOST_RUNS_MAX, JobLog, count_lost_runs, take_up
from instant_credit.record.queue_steps import form_of
from instant_credit.record.queue_taking import Taking
from instant_credit.settings import Settings
from instant_credit.worker import shift as worker
from instant_credit.worker.lines import JobEnding, JobLine, JobMetrics
from instant_credit.worker.shift import AGAIN_SECONDS, Shift
from tests.commands.conftest import log

__all__ = ["log"]

pytestmark = pytest.mark.anyio

TAKING = Taking(lost_seconds=8.0, look_seconds=0.2)
OTHER = UUID(int=7)
NUMBER = form_of(int)


class Bench:
    """A shift whose jobs are run by `handle`, and the lines that it told."""

    def __init__(self, record: Record, settings: Settings, actor: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
        self.record, self.actor = record, actor
        self.lines: list[JobLine] = []
        self.stop = asyncio.Event()
        self.shift = Shift(record, settings, stop=self.stop, taking=TAKING, tell=self.lines.append)
        self._monkeypatch = monkeypatch

    async def ask(self, kind: str = "measure", weight: JobWeight = JobWeight.LIGHT) -> UUID:
        request = JobRequest(kind=kind, weight=weight, arguments=b"{}")
        return await enqueue_job(self.record, request, self.actor)

    def handle(self, handle: Callable[[JobContext, bytes], Awaitable[str]]) -> None:
        self._monkeypatch.setattr(worker, "find_handler", lambda _: handle)

    async def state(self, job_id: UUID) -> JobState:
        return (await read_job(self.record, job_id)).state


@pytest.fixture
def bench(record, settings, actor, monkeypatch) -> Bench:
    return Bench(record, settings, actor, monkeypatch)


def fail_with(error: Exception) -> Callable[[JobContext, bytes], Awaitable[str]]:
    async def handle(_: JobContext, __: bytes) -> str:
        raise error

    return handle


async def test_a_job_that_succeeds_says_what_came_of_it(bench: Bench) -> None:
    async def count(context: JobContext, arguments: bytes) -> str:
        async def make() -> int:
            return len(arguments)

        context.tell("count", 1, 2)
        return f"counted {await context.steps.take_here('count', make, NUMBER)}"

    bench.handle(count)
    job_id = await bench.ask()
    assert await bench.shift.run(job_id) is None
    job = await read_job(bench.record, job_id)
    assert (job.state, job.events[-1].words) == (JobState.SUCCEEDED, "counted 2")
    [line] = bench.lines
    assert (line.job_id, line.kind, line.ending) == (job_id, "measure", JobEnding.SUCCEEDED)
    assert (line.steps_made, line.steps_recalled) == (1, 0)
    assert await bench.shift.run(job_id) is None
    assert len(bench.lines) == 1


async def test_a_refusal_fails_the_job_in_words(bench: Bench) -> None:
    bench.handle(fail_with(Refused("book small holds no Case: import a tape into it first")))
    job_id = await bench.ask()
    assert await bench.shift.run(job_id) is None
    event = (await read_job(bench.record, job_id)).events[-1]
    assert (event.kind, event.words) == (JobEventKind.FAILED, "book small holds no Case: import a tape into it first")


async def test_what_breaks_fails_the_job_and_nobody_reads_what_it_failed_on(bench: Bench, log) -> None:
    bench.handle(fail_with(ValueError("MARKED")))
    job_id = await bench.ask()
    assert await bench.shift.run(job_id) is None
    words = (await read_job(bench.record, job_id)).events[-1].words
    assert words is not None
    assert "ValueError" in words
    assert "MARKED" not in words
    assert json.loads(log.getvalue().splitlines()[-1])["job_id"] == str(job_id)


async def test_a_record_that_is_away_sends_the_job_back_for_later(bench: Bench, log) -> None:
    bench.handle(fail_with(Unavailable("the record did not answer")))
    job_id = await bench.ask()
    for _ in range(LOST_RUNS_MAX + 1):
        assert await bench.shift.run(job_id) == AGAIN_SECONDS
    assert await bench.state(job_id) is JobState.QUEUED
    assert bench.lines[-1].ending is JobEnding.UNAVAILABLE


async def test_a_record_that_stays_away_is_not_the_death_of_a_worker(
    bench: Bench, log, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def give_back(_: JobLog) -> None:
        raise Unavailable("the record did not answer")

    monkeypatch.setattr(JobLog, "give_back", give_back)
    bench.handle(fail_with(Unavailable("the record did not answer")))
    job_id = await bench.ask()
    for _ in range(LOST_RUNS_MAX + 2):
        assert await bench.shift.run(job_id) == AGAIN_SECONDS
    assert await bench.state(job_id) is JobState.RUNNING


async def lose(bench: Bench, job_id: UUID, runs: int, first: int = 100) -> None:
    """Workers that take the job up and are heard of no more."""
    for number in range(runs):
        taken = await take_up(bench.record, job_id, UUID(int=first + number))
        await taken.begin()
        await taken.begin_step("fit")


async def test_a_job_that_kills_its_workers_fails_in_words_and_can_be_tried_again(bench: Bench) -> None:
    bench.handle(fail_with(AssertionError("it was begun")))
    job_id = await bench.ask()
    await lose(bench, job_id, LOST_RUNS_MAX)
    assert await bench.shift.run(job_id) is None
    event = (await read_job(bench.record, job_id)).events[-1]
    assert event.kind is JobEventKind.FAILED
    assert event.words is not None
    assert event.words.startswith(f"its worker died {LOST_RUNS_MAX} times in a row before a step was finished")
    assert bench.lines[0].ending is JobEnding.FAILED

    async def succeed(_: JobContext, __: bytes) -> str:
        return "with more memory"

    bench.handle(succeed)
    async with bench.record.connection() as connection:
        await connection.execute("DELETE FROM pgqueuer")
    await retry_job(bench.record, job_id, bench.actor)
    assert await bench.shift.run(job_id) is None
    assert await bench.state(job_id) is JobState.SUCCEEDED


async def test_a_job_that_finishes_a_step_now_and_then_goes_on(bench: Bench) -> None:
    job_id = await bench.ask()
    await lose(bench, job_id, LOST_RUNS_MAX - 1)
    taken = await take_up(bench.record, job_id, OTHER)
    await taken.begin()
    await taken.finish_step("fit", b"1")
    await lose(bench, job_id, LOST_RUNS_MAX - 2, first=200)
    bench.handle(fail_with(Refused("it was begun")))
    await bench.shift.run(job_id)
    assert (await read_job(bench.record, job_id)).events[-1].words == "it was begun"


KINDS = (JobEventKind.BEGUN, JobEventKind.STEP_FINISHED, JobEventKind.GIVEN_BACK, JobEventKind.RETRIED)


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 3)), max_size=20), st.integers(1, 3))
def test_lost_runs_are_those_behind_the_last_step_that_another_worker_took_up(
    told: list[tuple[JobEventKind, int]], mine: int
) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    events = [
        JobEvent(number=number, kind=kind, worker_id=UUID(int=worker), recorded_at=at)
        for number, (kind, worker) in enumerate(told, start=1)
    ]
    seen = [*told, (JobEventKind.BEGUN, mine)]
    resets = [
        place for place, (kind, _) in enumerate(told) if kind in (JobEventKind.STEP_FINISHED, JobEventKind.RETRIED)
    ]
    expected = 0
    for place, (kind, taker) in enumerate(seen):
        if kind is not JobEventKind.BEGUN or place < max(resets, default=0):
            continue
        held = [(one, who) for one, who in seen[:place] if one is not JobEventKind.STEP_FINISHED]
        expected += bool(held) and held[-1][0] is JobEventKind.BEGUN and held[-1][1] != taker
    assert count_lost_runs(events, UUID(int=mine)) == expected


async def test_a_kind_that_this_worker_does_not_know_is_told(bench: Bench) -> None:
    job_id = await bench.ask("fly")
    assert await bench.shift.run(job_id) is None
    words = (await read_job(bench.record, job_id)).events[-1].words
    assert words is not None
    assert words.startswith("this worker knows no job of kind fly")


async def test_a_job_that_nobody_asked_for_is_dropped(bench: Bench, log) -> None:
    assert await bench.shift.run(OTHER) is None
    assert "job_unknown" in log.getvalue()


async def test_the_end_of_the_shift_gives_the_job_back_with_its_finished_steps(bench: Bench) -> None:
    async def work(context: JobContext, _: bytes) -> str:
        async def make() -> int:
            return 5

        first = await context.steps.take_here("first", make, NUMBER)
        while len(bench.lines) == 0:
            bench.stop.set()
            context.attention.check()
            await asyncio.sleep(0)
        return f"came to {first}"

    bench.handle(work)
    job_id = await bench.ask()
    assert await bench.shift.run(job_id) == 0.0
    assert await bench.state(job_id) is JobState.QUEUED
    bench.stop.clear()
    assert await bench.shift.run(job_id) is None
    assert [(line.ending, line.steps_made, line.steps_recalled) for line in bench.lines] == [
        (JobEnding.GIVEN_BACK, 1, 0),
        (JobEnding.SUCCEEDED, 0, 1),
    ]


async def test_a_running_job_is_cancelled_by_its_worker(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "TELL_SECONDS_MAX", 0.01)

    async def work(context: JobContext, _: bytes) -> str:
        await cancel_job(bench.record, job_id, bench.actor)
        while True:
            context.attention.check()
            await asyncio.sleep(0)

    bench.handle(work)
    job_id = await bench.ask()
    assert await bench.shift.run(job_id) is None
    assert await bench.state(job_id) is JobState.CANCELLED
    assert bench.lines[0].ending is JobEnding.CANCELLED


async def test_a_job_that_was_cancelled_before_its_turn_is_not_begun(bench: Bench) -> None:
    bench.handle(fail_with(AssertionError("it was begun")))
    job_id = await bench.ask()
    taken = await take_up(bench.record, job_id, OTHER)
    await taken.begin()
    await taken.give_back()
    async with bench.record.connection() as connection:
        await connection.execute("DELETE FROM pgqueuer")
    await cancel_job(bench.record, job_id, bench.actor)
    assert await bench.shift.run(job_id) is None
    assert await bench.state(job_id) is JobState.CANCELLED


async def test_a_job_in_the_hands_of_a_worker_that_lives_is_left_to_it(bench: Bench) -> None:
    bench.handle(fail_with(AssertionError("it was begun")))
    job_id = await bench.ask()
    other = await take_up(bench.record, job_id, OTHER)
    await other.begin()
    await other.tell("fit", 1, 2)
    assert await bench.shift.run(job_id) == TAKING.look_seconds
    assert len((await read_job(bench.record, job_id)).events) == 1
    assert bench.lines == []


async def test_a_job_that_another_worker_took_up_is_lost_to_it(bench: Bench) -> None:
    async def work(context: JobContext, _: bytes) -> str:
        other = await take_up(bench.record, job_id, OTHER)
        await other.begin()

        async def make() -> int:
            return 1

        return str(await context.steps.take_here("late", make, NUMBER))

    bench.handle(work)
    job_id = await bench.ask()
    assert await bench.shift.run(job_id) == TAKING.lost_seconds
    assert bench.lines[0].ending is JobEnding.LOST
    assert [event.kind for event in (await read_job(bench.record, job_id)).events] == 2 * [JobEventKind.BEGUN]


async def test_jobs_are_taken_off_the_queue_until_the_shift_ends(bench: Bench) -> None:
    ended = asyncio.Event()
    bench.shift._tell = lambda line: (bench.lines.append(line), ended.set())
    async with bench.record.connection() as connection:
        logged = "INSERT INTO pgqueuer_log (job_id, status, priority, entrypoint, created) VALUES (7, 'successful', 0, 'light', $1)"
        for days in (29, 31, 400):
            await connection.execute(logged, bench.record.clock.now() - timedelta(days=days))
    job_id = await bench.ask(JobKind.MONTHS)
    working = asyncio.create_task(bench.shift.work())
    await asyncio.wait_for(ended.wait(), 60)
    bench.stop.set()
    await asyncio.wait_for(working, 60)
    assert await bench.state(job_id) is JobState.SUCCEEDED
    async with bench.record.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM pgqueuer") == 0
        assert await connection.fetchval("SELECT count(*) FROM pgqueuer_log WHERE job_id = 7") == 1


async def test_a_shift_goes_on_whatever_comes_of_its_triggers(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, log
) -> None:
    monkeypatch.setattr(worker, "WATCH_SECONDS", 0.01)
    refused = Asked(name="weekly", job_ids=(), refused="BOOK_EMPTY")
    told = [Unavailable("away"), ValueError("MARKED"), (refused, Asked(name="daily", job_ids=(OTHER,)))]

    async def ask(_: Watch) -> tuple[Asked, ...]:
        if len(told) == 1:
            bench.stop.set()
        one = told.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    monkeypatch.setattr(Watch, "ask", ask)
    await bench.shift._watch()
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["event"] for line in lines] == [
        "triggers_unavailable",
        "triggers_broke",
        "trigger_refused",
        "trigger_asked",
    ]
    assert (lines[2]["trigger"], lines[2]["code"]) == ("weekly", "BOOK_EMPTY")
    assert lines[3]["job_ids"] == [str(OTHER)]
    assert "MARKED" not in log.getvalue()


async def test_what_is_counted_has_closed_labels() -> None:
    metrics = JobMetrics()
    line = JobLine(
        job_id=OTHER, kind="audit", ending=JobEnding.FAILED, steps_made=2, steps_recalled=1, spent_ns=3 * 10**9
    )
    metrics.count(line)
    counted = {sample.name: sample.labels for family in metrics.registry.collect() for sample in family.samples}
    assert counted["instant_credit_jobs_total"] == {"kind": "audit", "ending": "failed"}
    assert metrics.registry.get_sample_value("instant_credit_job_steps_total", {"kind": "audit"}) == 2
