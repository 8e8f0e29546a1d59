"""Edge. Documents by content hash (products, policies, models, references, manifests)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

import asyncpg
from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.canonical import hash_content
from instant_credit.errors import NotFound, require
from instant_credit.record.chain import leaf_of
from instant_credit.record.pool import Record
from instant_credit.record.shipped import read_sql


class DocumentKind(StrEnum):
    """What a document is."""

    PRODUCT = "product"
    MODEL = "model"
    TRAINING = "training"
    POLICY = "policy"
    REFERENCE = "reference"
    RELEASE = "release"
    GATE_THRESHOLDS = "gate_thresholds"
    GATE_REPORT = "gate_report"
    LABELS = "labels"
    LOSSES = "losses"
    SKETCH_REFERENCE = "sketch_reference"
    ALERT_RULES = "alert_rules"
    TRIGGER = "trigger"
    LAYERS = "layers"
    PLAN = "plan"
    OVERLAY = "overlay"
    CAPS = "caps"
    EXPLORATION = "exploration"
    EXPLORATION_END = "exploration_end"


class DocumentRow(Struct, frozen=True, kw_only=True):
    """A document without its body."""

    content_hash: str
    bytes: int
    recorded_at: datetime


async def put_document(record: Record, kind: str, body: bytes, actor: Actor) -> str:
    """Keep a document; returns its content hash. Keeping it again changes nothing."""
    (content_hash,) = await put_documents(record, [(kind, body)], actor)
    return content_hash


async def put_documents(record: Record, documents: Sequence[tuple[str, bytes]], actor: Actor) -> tuple[str, ...]:
    """Keep documents (kind, body), all of them or none, in one transaction; returns their content hashes in order.

    Documents that are kept already, or come twice, change nothing.
    """
    hashes = tuple(hash_content(body) for _, body in documents)
    rows: dict[str, tuple[str, bytes]] = {}
    for content_hash, document in zip(hashes, documents, strict=True):
        rows.setdefault(content_hash, document)
    while not await _put_new(record, rows, actor):
        pass
    return hashes


async def _put_new(record: Record, rows: Mapping[str, tuple[str, bytes]], actor: Actor) -> bool:
    """Keep those that are not kept yet, by their hashes; False when somebody else kept one of them meanwhile."""
    now = record.clock.now()
    async with record.writer() as writer, record.connection() as connection:
        kept = {row["content_hash"] for row in await connection.fetch(read_sql("find_documents"), list(rows))}
        # In order of their keys, so that two callers with the same documents lock alike.
        fresh = [(key, *rows[key], actor.kind.value, actor.id, now) for key in sorted(rows.keys() - kept)]
        if not fresh:
            return True
        leaves = [leaf_of("documents", row) for row in fresh]
        columns = [list(column) for column in zip(*fresh, strict=True)]
        try:
            await writer.append(connection, read_sql("insert_documents"), columns, leaves, now)
        except asyncpg.UniqueViolationError:
            return False
    return True


async def get_document(record: Record, content_hash: str) -> bytes:
    """Body of a document, checked against its hash.

    Raises
    ------
    NotFound : no document has this hash.
    BrokenInvariant : the stored body was altered.
    """
    async with record.connection() as connection:
        row = await connection.fetchrow(read_sql("read_document"), content_hash)
    if row is None:
        raise NotFound("document", content_hash)
    body: bytes = row["body"]
    require(hash_content(body) == content_hash, f"document {content_hash} does not match its hash")
    return body


async def get_documents(record: Record, hashes: Collection[str]) -> dict[str, bytes]:
    """Bodies of documents by hash, each checked against it.

    Raises
    ------
    NotFound : there is no document of one of the hashes.
    BrokenInvariant : a stored body was altered.
    """
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("read_documents"), list(hashes))
    found: dict[str, bytes] = {row["content_hash"]: row["body"] for row in rows}
    for content_hash in hashes:
        if content_hash not in found:
            raise NotFound("document", content_hash)
        require(hash_content(found[content_hash]) == content_hash, f"document {content_hash} does not match its hash")
    return found


async def list_documents(record: Record, kind: str) -> tuple[DocumentRow, ...]:
    """Documents of one kind, oldest first."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_documents"), kind)
    return tuple(DocumentRow(**dict(row)) for row in rows)


async def count_caps(record: Record) -> int:
    """How many caps documents there are: as long as there are as many, the same ones hold."""
    async with record.connection() as connection:
        found: int = await connection.fetchval(read_sql("count_caps"))
    return found


async def count_explorations(record: Record) -> int:
    """How many exploration programmes and ends of some there are: as long as there are as many, the same ones run."""
    async with record.connection() as connection:
        found: int = await connection.fetchval(read_sql("count_explorations"))
    return found
