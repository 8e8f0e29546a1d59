"""The floor of suite `http`: what this kind of server costs when it decides nothing.

    python -m benchmarks.http_floor DATABASE_URL

A bare Litestar handler on the same uvicorn, uvloop and httptools as ours takes the same body and makes one durable insert under the same
group commit (`record.grouping`), one row of one table an application, and answers with the row's id. It checks no key, reads nothing, seals
nothing and keeps no idempotency key.
"""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import uvloop
from litestar import Litestar, Request, Response, post

from benchmarks.servers import serve_peer
from instant_credit.record.clock import SystemClock
from instant_credit.record.grouping import Grouping

PATH = "/applications"
CREATE = "CREATE TABLE applications (id uuid PRIMARY KEY, body bytea NOT NULL, recorded_at timestamptz NOT NULL)"
INSERT = "INSERT INTO applications SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::timestamptz[])"
SECONDS_MAX = 5.0

Row = tuple[UUID, bytes, datetime]


class _Connection(asyncpg.Connection):  # type: ignore[misc] # asyncpg has no types
    """A connection that is given back without a round trip, as ours is."""

    def get_reset_query(self) -> str:
        """Nothing to reset."""
        return ""


def create_floor(pool: Any) -> Litestar:
    """The application over a pool of connections."""
    clock = SystemClock()

    async def write(rows: Sequence[Row]) -> list[None]:
        async with pool.acquire() as connection:
            await connection.execute(INSERT, *(list(column) for column in zip(*rows, strict=True)))
        return [None] * len(rows)

    grouping = Grouping[Row, None](write, clock)

    @post(PATH)
    async def insert(request: Request[Any, Any, Any]) -> Response[bytes]:
        row = (uuid4(), await request.body(), datetime.now(UTC))
        await grouping.submit(row, until_ns=clock.monotonic_ns() + int(SECONDS_MAX * 1e9))
        return Response(content=b'{"id":"%b"}' % str(row[0]).encode(), status_code=201, media_type="application/json")

    return Litestar(route_handlers=[insert], openapi_config=None, logging_config=None)


async def serve(url: str) -> None:
    """Serve until a signal."""
    async with asyncpg.create_pool(url, min_size=1, max_size=8, connection_class=_Connection) as pool:
        await pool.execute(CREATE)
        await serve_peer(create_floor(pool))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1]))
