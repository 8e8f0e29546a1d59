"""Edits by a superuser, of eleven kinds, to rows that an anchor covers: all are found, and the first bad link is named."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from instant_credit.access.actors import Actor
from instant_credit.record.pool import Record
from instant_credit.record.scanning import COVERED
from instant_credit.settings import Settings
from tests.budget import IS_PROVING
from tests.clock import FixedClock
from tests.record.anchored import Place, audit, fill, locate_leaves
from tests.record.tampering import KINDS, Tampering

pytestmark = pytest.mark.anyio

# Under `make prove` three of each kind in each table.
EDITS_A_KIND = 3 * len(COVERED) if IS_PROVING else 3
COLUMNS_STEP = 1 if IS_PROVING else 30
NO_LINK = "no link names this row"


@pytest.fixture
async def tampering(
    record: Record, settings: Settings, clock: FixedClock, actor: Actor, superuser_url: str
) -> AsyncIterator[Tampering]:
    """A superuser at a filled and anchored record."""
    await fill(record, settings, clock, actor)
    connection = await asyncpg.connect(superuser_url)
    try:
        begun = Tampering(connection, await locate_leaves(record, settings.anchors_file))
        await begun.start()
        yield begun
    finally:
        await connection.close()


@pytest.mark.prove
@pytest.mark.parametrize("kind", KINDS)
async def test_every_edit_is_found_and_the_first_bad_link_named(
    record: Record, settings: Settings, tampering: Tampering, kind: str
) -> None:
    for number in range(EDITS_A_KIND):
        place = await tampering.edit(kind, number)
        says = "no erasure names it" if kind == "key removed" else NO_LINK
        await expect(record, settings, place, f"{kind} {number}", says)
        await tampering.restore()
    assert (await audit(record, settings)).found == 0


@pytest.mark.prove
async def test_a_change_of_any_column_of_any_table_is_found_and_its_link_named(
    record: Record, settings: Settings, tampering: Tampering
) -> None:
    columns = await tampering.list_columns()
    assert {table for table, _ in columns} == set(COVERED)
    for table, column in columns[::COLUMNS_STEP]:
        place = await tampering.change_column(table, column)
        await expect(record, settings, place, f"{table}.{column}")
        await tampering.restore()


async def expect(record: Record, settings: Settings, place: Place | None, what: str, says: str = NO_LINK) -> None:
    """The first finding names `place`; where there is none, it names no link and `says` why."""
    report = await audit(record, settings)
    assert report.found, what
    first = report.findings[0]
    if place is None:
        assert (first.anchor, first.writer_id, first.seq) == (None, None, None), (what, report.findings)
        assert says in first.what, (what, report.findings)
    else:
        assert first.writer_id is not None, (what, report.findings)
        assert (first.anchor, first.writer_id.bytes, first.seq) == place, (what, report.findings)
