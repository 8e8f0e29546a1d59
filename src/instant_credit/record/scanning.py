"""Edge. Reading whole tables as leaves of the hash chain, at one instant.

`COVERED` names the tables whose rows leave a leaf each. Every one of them has a scan statement, whose columns are the row as its leaf covers
it; a column that a migration adds goes to the end of both.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from instant_credit.record.chain import leaf_of
from instant_credit.record.shipped import read_sql

# How many leading columns of a scan name a row. A bucket is left out of the name: the id holds it.
COVERED: Final[dict[str, int]] = {
    "cases": 2,
    "identities": 2,
    "decisions": 2,
    "shadow_decisions": 3,
    "idempotency_keys": 2,
    "repayment_events": 3,
    "quarantined_outcomes": 2,
    "quarantine_ends": 2,
    "documents": 1,
    "release_activations": 1,
    "release_events": 2,
    "api_keys": 1,
    "api_key_revocations": 1,
    "api_key_rotations": 1,
    "application_events": 3,
    "quotes": 2,
    "draft_versions": 3,
    "draft_events": 3,
    "person_holds": 2,
    "person_hold_releases": 2,
    "person_erasures": 2,
    "personal_data_reads": 2,
    "book_reads": 1,
    "master_key_events": 2,
    "gate_waivers": 1,
    "gate_waiver_approvals": 1,
    "sketches": 5,
    "monitoring_windows": 3,
    "alert_events": 5,
    "jobs": 1,
    "job_events": 2,
    "trigger_events": 2,
    "experiments": 1,
    "experiment_events": 2,
    "exposures": 3,
    "experiment_sums": 6,
    "experiment_hazards": 5,
    "experiment_counts": 5,
    "budget_leases": 2,
    "arm_tallies": 4,
}

_ROWS_AT_ONCE: Final = 200
# A document may be as large as a model.
_DOCUMENTS_AT_ONCE: Final = 8


@asynccontextmanager
async def at_one_instant(connect: Callable[[], AbstractAsyncContextManager[Any]]) -> AsyncIterator[Any]:
    """A connection that sees the record as it is now, and goes on doing so; it cannot write."""
    async with connect() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        yield connection


async def stream_rows(
    connection: Any, statement: str, *arguments: Any, at_once: int = _ROWS_AT_ONCE
) -> AsyncIterator[list[Any]]:
    """The rows of a statement, some at a time, inside `at_one_instant`."""
    cursor = await connection.cursor(read_sql(statement), *arguments)
    while rows := await cursor.fetch(at_once):
        yield rows


async def scan_leaves(connection: Any) -> AsyncIterator[list[tuple[str, Any, bytes]]]:
    """Every row of every covered table as (table, row, leaf), some at a time, inside `at_one_instant`."""
    for table in COVERED:
        at_once = _DOCUMENTS_AT_ONCE if table == "documents" else _ROWS_AT_ONCE
        async for rows in stream_rows(connection, f"scan_{table}", at_once=at_once):
            yield [(table, row, leaf_of(table, tuple(row))) for row in rows]


def name_row(table: str, row: Any) -> str:
    """A row by its table and ids."""
    named = [str(value) for value in tuple(row)[: COVERED[table]]]
    return " ".join([table, *(named[1:] if "bucket" in row.keys() and len(named) > 1 else named)])  # noqa: SIM118 asyncpg's rows contain values
