import asyncio

import asyncpg
import pytest

from instant_credit.access.actors import Actor
from instant_credit.canonical import hash_content
from instant_credit.errors import BrokenInvariant, NotFound
from instant_credit.record.documents import get_document, list_documents, put_document, put_documents
from instant_credit.record.pool import Record

pytestmark = pytest.mark.anyio


async def test_a_document_is_kept_under_its_hash(record: Record, actor: Actor) -> None:
    content_hash = await put_document(record, "model", b"tables", actor)
    assert content_hash == hash_content(b"tables")
    assert await get_document(record, content_hash) == b"tables"


async def test_keeping_a_document_again_changes_nothing(record: Record, actor: Actor) -> None:
    await asyncio.gather(*(put_document(record, "model", b"tables", actor) for _ in range(5)))
    (row,) = await list_documents(record, "model")
    assert (row.content_hash, row.bytes) == (hash_content(b"tables"), 6)
    assert await list_documents(record, "policy") == ()


async def test_documents_are_kept_together_in_order(record: Record, actor: Actor) -> None:
    known = await put_document(record, "model", b"tables", actor)
    bodies = [b"second", b"tables", b"first", b"second"]
    hashes = await put_documents(record, [("model", body) for body in bodies], actor)
    assert hashes == tuple(hash_content(body) for body in bodies)
    assert hashes[1] == known
    assert len(await list_documents(record, "model")) == 3
    assert await put_documents(record, [], actor) == ()


async def test_one_bad_document_leaves_none(record: Record, actor: Actor) -> None:
    with pytest.raises(BrokenInvariant, match="documents_kind_check"):
        await put_documents(record, [("model", b"tables"), ("k" * 65, b"other"), ("model", b"more")], actor)
    assert await list_documents(record, "model") == ()


async def test_the_same_documents_in_opposite_order_at_once_are_kept(record: Record, actor: Actor) -> None:
    documents = [("model", bytes([number])) for number in range(200)]
    await asyncio.gather(*(put_documents(record, documents[::step], actor) for step in (1, -1, 1, -1)))
    assert len(await list_documents(record, "model")) == 200


async def test_an_unknown_hash_is_not_found(record: Record) -> None:
    with pytest.raises(NotFound, match="document"):
        await get_document(record, "0" * 64)


async def test_an_altered_document_is_noticed(record: Record, actor: Actor, superuser_url: str) -> None:
    content_hash = await put_document(record, "model", b"tables", actor)
    connection = await asyncpg.connect(superuser_url)
    await connection.execute(
        "SET session_replication_role = replica; UPDATE instant_credit.documents SET body = 'other'"
    )
    await connection.close()
    with pytest.raises(BrokenInvariant, match="does not match its hash"):
        await get_document(record, content_hash)
