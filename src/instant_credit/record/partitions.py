"""Edge. Partitions by month, made ahead (ADR 0013).

Cases, identities, Decisions and events lie in partitions by the month inside ``case_id``. `migrate` makes this month's and those of the
three after it; a server that runs for months asks for them once a day. The app may not make a table: it calls a function of the owner
that takes no argument. What no month was made for falls into the default partitions, so that nothing is refused meanwhile.
"""

from instant_credit.record.pool import Record
from instant_credit.record.shipped import read_sql


async def make_months_ahead(record: Record) -> int:
    """Make the partitions of this month and the three after it; how many of them are missing still, because others held a lock.

    Raises
    ------
    Unavailable : the database did not answer.
    """
    async with record.connection() as connection:
        return int(await connection.fetchval(read_sql("make_next_months")))
