"""Edits by a superuser, of eight kinds, to rows that an anchor covers: all are found, and the first bad link is named."""

from random import Random
from typing import Any

import asyncpg
import pytest

from instant_credit.access.actors import Actor
from instant_credit.record.pool import Record
from instant_credit.settings import Settings
from tests.budget import TIMES
from tests.clock import FixedClock
from tests.record.anchored import audit, fill, locate_leaves
from tests.record.tampering import KINDS, Tampering

pytestmark = pytest.mark.anyio

# Under `make prove` 63 of each kind: 504 edits.
EDITS_A_KIND = 4 if TIMES == 1 else 63


@pytest.fixture
async def filled(record: Record, settings: Settings, clock: FixedClock, actor: Actor) -> None:
    await fill(record, settings, clock, actor)


@pytest.mark.prove
@pytest.mark.parametrize("kind", KINDS)
async def test_every_edit_is_found_and_the_first_bad_link_named(
    record: Record, settings: Settings, filled: None, superuser_url: str, kind: str
) -> None:
    connection = await asyncpg.connect(superuser_url)
    try:
        await tamper(connection, record, settings, kind)
    finally:
        await connection.close()


async def tamper(connection: Any, record: Record, settings: Settings, kind: str) -> None:
    tampering = Tampering(connection, await locate_leaves(record, settings.anchors_file))
    await tampering.start()
    for seed in range(EDITS_A_KIND):
        place = await tampering.edit(kind, Random(f"{kind} {seed}"))
        report = await audit(record, settings)
        assert report.found, (kind, seed)
        first = report.findings[0]
        if place is None:
            assert (first.writer_id, first.seq) == (None, None), (kind, seed, report.findings)
            assert "no link names this row" in first.what
        else:
            assert first.writer_id is not None
            assert (first.anchor, first.writer_id.bytes, first.seq) == place, (kind, seed, report.findings)
        await tampering.restore()
    assert (await audit(record, settings)).found == 0
