"""Triggers in a record: put, put again, stopped; what they asked for is counted."""

import asyncio

import pytest

from instant_credit.errors import NotFound
from instant_credit.record import triggers
from instant_credit.record.queue import JobRequest, JobWeight, enqueue_job, read_job
from instant_credit.record.triggers import (
    TriggersFull,
    count_trigger_jobs,
    list_triggers,
    put_trigger,
    read_trigger,
    stop_trigger,
)

pytestmark = pytest.mark.anyio


async def test_a_trigger_is_put_changed_and_stopped_by_events(record, actor):
    first = await put_trigger(record, "daily", b"one", actor)
    assert (first.version, first.body, first.is_standing) == (1, b"one", True)
    assert await put_trigger(record, "daily", b"one", actor) == first
    second = await put_trigger(record, "daily", b"two", actor)
    assert (second.version, second.body) == (2, b"two")
    stopped = await stop_trigger(record, "daily", actor)
    assert (stopped.version, stopped.body, stopped.is_standing) == (3, None, False)
    assert await stop_trigger(record, "daily", actor) == stopped
    assert (await put_trigger(record, "daily", b"two", actor)).version == 4
    await put_trigger(record, "a", b"one", actor)
    assert [one.name for one in await list_triggers(record)] == ["a", "daily"]


async def test_a_trigger_that_never_was_is_not_found(record, actor):
    with pytest.raises(NotFound):
        await read_trigger(record, "none")
    with pytest.raises(NotFound):
        await stop_trigger(record, "none", actor)


async def test_of_two_that_put_at_once_both_stand_one_after_the_other(record, actor):
    await asyncio.gather(*(put_trigger(record, "daily", b"%d" % n, actor) for n in range(4)))
    assert (await read_trigger(record, "daily")).version == 4


async def test_triggers_are_bounded_in_number(record, actor, monkeypatch):
    monkeypatch.setattr(triggers, "TRIGGERS_MAX", 2)
    for name in ("a", "b"):
        await put_trigger(record, name, b"one", actor)
    with pytest.raises(TriggersFull, match="2 triggers already"):
        await put_trigger(record, "c", b"one", actor)
    await put_trigger(record, "b", b"two", actor)


async def test_a_job_tells_its_trigger_and_why_it_was_asked_for(record, actor):
    assert (await count_trigger_jobs(record, "daily", "measure")).last_at is None
    asked = JobRequest(
        kind="measure", weight=JobWeight.LIGHT, arguments=b"{}", natural_key="daily 1", trigger="daily", reasons="due"
    )
    job = await read_job(record, await enqueue_job(record, asked, actor))
    assert (job.trigger, job.reasons) == ("daily", "due")
    counted = await count_trigger_jobs(record, "daily", "measure")
    assert (counted.jobs, counted.last_at) == (1, record.clock.now())
    assert (await count_trigger_jobs(record, "daily", "other")).jobs == 0
