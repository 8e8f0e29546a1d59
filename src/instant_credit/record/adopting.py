"""Edge. The chain's beginning in a record that was made before there was one: one link over every row there is.

The law: it happens once, while there is no link at all and no anchor, before this process writes. The link has an id that every process would
choose, so of several that try one wins. A record that was anchored and has no link has lost its chain: a new one would cover that up.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg

from instant_credit.record.chain import compose_link
from instant_credit.record.home import naming_folder
from instant_credit.record.scanning import at_one_instant, scan_leaves
from instant_credit.record.shipped import read_sql
from instant_credit.settings import ANCHORS
from instant_credit.verify_receipt import begin_chain

ADOPTER: Final = UUID(int=0)


async def adopt_rows(
    connect: Callable[[], AbstractAsyncContextManager[Any]], recorded_at: datetime, anchors: Path
) -> bool:
    """Link the rows of a record without a chain; nothing is done to one that has a chain.

    Parameters
    ----------
    connect : lends a connection of the app role.
    recorded_at : instant to write down.
    anchors : the file of anchors. What was anchored once had a chain: rows without one are adopted only where the file holds nothing.

    Returns
    -------
    Whether the record has a chain, or nothing to link; False = its chain is gone, and its rows were left as they are.
    """
    async with connect() as connection:
        if not await connection.fetchval(read_sql("find_unlinked")):
            return True
    with naming_folder(anchors, ANCHORS):
        if anchors.exists() and anchors.stat().st_size:
            return False
    async with at_one_instant(connect) as connection:
        leaves = [leaf async for rows in scan_leaves(connection) for _, _, leaf in rows]
    link = compose_link(ADOPTER, 0, begin_chain(ADOPTER.bytes), leaves, recorded_at)
    async with connect() as connection:
        with suppress(asyncpg.UniqueViolationError):
            await connection.execute(read_sql("insert_link"), *link.arguments())
    return True
