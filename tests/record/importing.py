"""A process that imports tape rows until it is killed: prints a line after each commit."""

import asyncio
import os
import sys

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.record.commit import commit_entries
from instant_credit.record.pool import open_record
from instant_credit.settings import read_settings
from tests.record.entries import make_entry

BATCH = 40


async def main(rows: int) -> None:
    async with open_record(read_settings(os.environ)) as record:
        for start in range(0, rows, BATCH):
            entries = [make_entry(record, number) for number in range(start, min(start + BATCH, rows))]
            await commit_entries(record, entries, Actor(kind=ActorKind.JOB, id="import"))
            print(start, flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
