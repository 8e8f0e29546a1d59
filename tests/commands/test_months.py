"""While a server serves, months are made ahead, whatever happens; and it says what the durability of an answer rests on."""

import asyncio
import json

import pytest

from instant_credit.commands import months
from instant_credit.commands.answering import tell_safety
from instant_credit.commands.months import beside, keep_months_ahead
from instant_credit.errors import Unavailable
from instant_credit.record.partitions import make_months_ahead
from instant_credit.record.pool import NOT_DURABLE, Caution


@pytest.mark.anyio
async def test_whatever_goes_wrong_is_logged_and_tried_again(log, monkeypatch):
    monkeypatch.setattr(months, "HOUR_SECONDS", 0)
    outcomes = [Unavailable("the record did not answer"), RuntimeError("odd"), 2, 0]
    is_made = asyncio.Event()

    async def make():
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        if outcome == 0:
            is_made.set()
        return outcome

    async with beside(keep_months_ahead(make)):
        await asyncio.wait_for(is_made.wait(), 20)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["months_not_made"] * 3
    assert (lines[0]["error"], lines[2]["missing"]) == ("Unavailable", 2)


@pytest.mark.anyio
async def test_months_that_are_there_are_asked_for_once_a_day(log, monkeypatch, record):
    monkeypatch.setattr(months, "DAY_SECONDS", 0)
    monkeypatch.setattr(months, "HOUR_SECONDS", 3_600)
    asked = asyncio.Semaphore(0)

    async def make():
        asked.release()
        return await make_months_ahead(record)

    async with beside(keep_months_ahead(make)):
        for _ in range(3):
            await asyncio.wait_for(asked.acquire(), 20)
    assert log.getvalue() == ""


@pytest.mark.anyio
async def test_a_server_says_that_its_record_is_durable(log, record):
    tell_safety(record)
    assert [json.loads(line) for line in log.getvalue().splitlines()] == [
        {"event": "record_durable", "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
    ]


@pytest.mark.anyio
async def test_a_record_that_may_lose_commits_is_not_called_durable(log, record):
    record.warnings = (Caution(event=NOT_DURABLE, detail="fsync is off"),)
    tell_safety(record)
    assert [json.loads(line) for line in log.getvalue().splitlines()] == [
        {"event": NOT_DURABLE, "detail": "fsync is off"}
    ]
