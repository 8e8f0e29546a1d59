"""Plans do not outlive the tables they were made for."""

import pytest

from instant_credit.record import pool
from instant_credit.record.pool import open_record
from instant_credit.settings import Settings

PLANNED_AT = "SELECT max(prepare_time) FROM pg_prepared_statements"
TRIES = 2_000

pytestmark = pytest.mark.anyio


async def test_a_statement_is_planned_anew_after_a_while(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "PLAN_SECONDS", 0.01)
    async with open_record(settings) as record, record.connection() as connection:
        first = await connection.fetchval(PLANNED_AT)
        seen = {await connection.fetchval(PLANNED_AT) for _ in range(TRIES)}
    assert seen - {first}
