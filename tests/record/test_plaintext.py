import traceback

import asyncpg
import pytest
from msgspec.structs import replace

from instant_credit.access.actors import Actor
from instant_credit.errors import BrokenInvariant
from instant_credit.record.commit import commit_entries
from instant_credit.record.pool import Record
from instant_credit.settings import Settings
from tests.record.entries import make_keyed

pytestmark = pytest.mark.anyio

MARKS = [b"Zebedee Quux", b"911-22-3333", b"911223333", b"13 Nowhere Lane"]


async def read_everything(url: str) -> bytes:
    """Every column of every table of ours, as text and as the bytes behind bytea."""
    connection = await asyncpg.connect(url)
    tables = await connection.fetch(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
        " WHERE schemaname IN ('instant_credit', 'sealed_keys')"
    )
    seen = []
    for table in tables:
        for row in await connection.fetch(f"SELECT * FROM {table['name']}"):  # noqa: S608 names out of the catalogue
            seen += [value if isinstance(value, bytes) else str(value).encode() for value in row.values()]
    await connection.close()
    return b"\n".join(seen)


async def test_nothing_of_a_person_lies_in_plain_columns(
    record: Record, actor: Actor, superuser_url: str, settings: Settings
) -> None:
    marked = b" ".join(MARKS)
    person_id = record.key_ring.person_id_of(MARKS[1].decode())
    twin = next(
        entry
        for number in range(100_000)
        if (entry := make_keyed(record, number, "key", body=marked)).person_id[0] == person_id[0]
    )
    told = dict.fromkeys(("identity", "case", "monitoring", "decision", "answer"), marked)
    entry = replace(twin, person_id=person_id, **told)
    (committed,) = await commit_entries(record, [entry], actor)
    assert committed.kind == "recorded"
    lying = await read_everything(superuser_url)
    assert entry.case_id.bytes.hex() in lying.decode(errors="replace").replace("-", "")
    for mark in MARKS:
        assert mark not in lying
    assert settings.key_ring.read_bytes() not in lying


async def test_a_refused_statement_quotes_no_row(record: Record, actor: Actor) -> None:
    entry = replace(make_keyed(record, 1, "key"), natural_key="quoted" * 100)
    with pytest.raises(BrokenInvariant, match="natural_keys_natural_key_check") as caught:
        await commit_entries(record, [entry], actor)
    shown = "".join(traceback.format_exception(caught.value))
    assert "quoted" not in shown
