"""Edge. The chain's beginning in a record that was made before there was one: one link over every row there is.

The law: it happens once, while there is no link at all, before this process writes. The link has an id that every process would choose, so of
several that try one wins.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from instant_credit.record.chain import compose_link
from instant_credit.record.scanning import at_one_instant, scan_leaves
from instant_credit.record.shipped import read_sql
from instant_credit.verify_receipt import begin_chain

ADOPTER: Final = UUID(int=0)


async def adopt_rows(connect: Callable[[], AbstractAsyncContextManager[Any]], recorded_at: datetime) -> int:
    """Link the rows of a record without a chain; returns how many there were, 0 for one that has a chain.

    Parameters
    ----------
    connect : lends a connection of the app role.
    recorded_at : instant to write down.
    """
    async with connect() as connection:
        if not await connection.fetchval(read_sql("find_unlinked")):
            return 0
    async with at_one_instant(connect) as connection:
        leaves = [leaf async for rows in scan_leaves(connection) for _, _, leaf in rows]
    link = compose_link(ADOPTER, 0, begin_chain(ADOPTER.bytes), leaves, recorded_at)
    async with connect() as connection:
        try:
            await connection.execute(read_sql("insert_link"), *link.arguments())
        except asyncpg.UniqueViolationError:
            return 0
    return len(leaves)
