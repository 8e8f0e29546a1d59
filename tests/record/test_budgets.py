"""What is leased of a budget never exceeds its cap, whoever takes at once."""

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from instant_credit.access.actors import Actor
from instant_credit.errors import BrokenInvariant, Unavailable
from instant_credit.record import budgets
from instant_credit.record.budgets import Budget, Granted, read_budget, return_lease, take_lease
from instant_credit.record.pool import Record
from instant_credit.units import Cents

pytestmark = pytest.mark.anyio

KEY, CAP = "loss:1:challenger", Cents(160_000)


async def take(record: Record, actor: Actor, needed: int, *, cap: int = CAP, holder: int = 1) -> Granted:
    return await take_lease(
        record,
        KEY,
        Cents(cap),
        needed_cents=Cents(needed),
        largest_cents=Cents(needed),
        holder_id=UUID(int=holder),
        actor=actor,
    )


async def rows_of(record: Record) -> list[Mapping[str, Any]]:
    async with record.connection() as connection:
        return [dict(row) for row in await connection.fetch("SELECT * FROM budget_leases ORDER BY key, number")]


async def test_a_lease_takes_what_is_needed_and_a_share_ahead(record: Record, actor: Actor) -> None:
    assert await take(record, actor, 1) == Granted(cents=Cents(10_000), left_cents=Cents(150_000))
    assert await take(record, actor, 30_000) == Granted(cents=Cents(30_000), left_cents=Cents(120_000))
    assert await read_budget(record, KEY) == Budget(number=2, leased_cents=Cents(40_000))
    assert await read_budget(record, "another") == Budget()


async def test_what_does_not_fit_is_not_taken_and_leaves_no_row(record: Record, actor: Actor) -> None:
    await take(record, actor, 150_000)
    assert await take(record, actor, 10_001) == Granted(cents=Cents(0), left_cents=Cents(10_000))
    assert len(await rows_of(record)) == 1
    assert (await take(record, actor, 10_000)).left_cents == 0


async def test_what_comes_back_can_be_taken_again(record: Record, actor: Actor) -> None:
    await take(record, actor, 160_000)
    assert (await take(record, actor, 1)).cents == 0
    await return_lease(record, KEY, CAP, Cents(60_000), holder_id=UUID(int=1), actor=actor)
    assert (await take(record, actor, 60_000, holder=2)).cents == 60_000
    rows = await rows_of(record)
    assert [(row["number"], row["cents"], row["leased_cents"]) for row in rows] == [
        (1, 160_000, 160_000),
        (2, -60_000, 100_000),
        (3, 60_000, 160_000),
    ]


async def test_more_than_is_out_does_not_come_back(record: Record, actor: Actor) -> None:
    await take(record, actor, 10_000)
    with pytest.raises(BrokenInvariant, match="than is out"):
        await return_lease(record, KEY, CAP, Cents(10_001), holder_id=UUID(int=1), actor=actor)


async def test_a_lowered_cap_lets_nothing_be_taken_until_enough_came_back(record: Record, actor: Actor) -> None:
    await take(record, actor, 100_000)
    assert (await take(record, actor, 1, cap=50_000)).cents == 0
    await return_lease(record, KEY, Cents(50_000), Cents(60_000), holder_id=UUID(int=1), actor=actor)
    assert (await take(record, actor, 10_000, cap=50_000)).left_cents == 0


async def test_takers_at_once_never_take_more_than_the_cap(record: Record, actor: Actor) -> None:
    random = Random(7)

    async def live(holder: int) -> int:
        held = 0
        for _ in range(12):
            if held and random.random() < 0.4:
                back = random.randint(1, held)
                held -= back
                await return_lease(record, KEY, CAP, Cents(back), holder_id=UUID(int=holder), actor=actor)
            else:
                held += (await take(record, actor, random.randint(1, 40_000), holder=holder)).cents
        return held

    held = await asyncio.gather(*(live(holder) for holder in range(1, 5)))
    rows = await rows_of(record)
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    assert sum(held) == sum(row["cents"] for row in rows) == rows[-1]["leased_cents"]
    assert max(row["leased_cents"] for row in rows) <= CAP


async def test_the_database_itself_refuses_a_lease_above_the_cap(record: Record) -> None:
    async with record.connection() as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(
                "INSERT INTO budget_leases VALUES ('loss:1:x', 1, 11, 11, 10, gen_random_uuid(), 'job', 'test', now())"
            )


async def test_a_budget_that_others_keep_changing_is_unavailable(
    record: Record, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await take(record, actor, 10_000)

    async def read_too_late(_: Record, key: str) -> Budget:
        assert key == KEY
        return Budget(number=0, leased_cents=Cents(10_000))

    monkeypatch.setattr(budgets, "read_budget", read_too_late)
    with pytest.raises(Unavailable, match="too fast"):
        await take(record, actor, 1)
    with pytest.raises(Unavailable, match="too fast"):
        await return_lease(record, KEY, CAP, Cents(1), holder_id=UUID(int=1), actor=actor)
    assert len(await rows_of(record)) == 1
