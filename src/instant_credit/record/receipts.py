"""Edge. Receipts: what proves offline that a Decision stands in the record, for `instant_credit.verify_receipt`.

A receipt opens the commitment that the Decision's leaf names, and leads from the leaf by hashes alone to a signed anchor. It tells nothing of
any other row.
"""

import asyncio
from typing import Annotated, Any
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Meta, Struct

from instant_credit.errors import InstantCreditError, NotFound, require
from instant_credit.record.anchors import Anchor, Head, find_anchor
from instant_credit.record.chain import (
    count_microseconds,
    digest_rest,
    leaf_of,
    path_to,
    root_of,
    salt_of,
    split_leaves,
)
from instant_credit.record.columns import DECISION_PLACE, unwrap_data_key
from instant_credit.record.ids import bucket_of, span_of
from instant_credit.record.pool import Record
from instant_credit.record.sealing import unseal
from instant_credit.record.shipped import read_sql
from instant_credit.verify_receipt import RECEIPT_FORMAT, begin_chain, commit_decision, hash_leaf

Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]

# The columns of the Decision as `scan_decisions` has them come first in `read_receipt`.
_DECISION_COLUMNS = 15


class TreePlace(Struct, frozen=True, kw_only=True):
    """Where a hash is in a tree of hashes: its place, how many leaves there are, and the hashes beside its way to the root, in hex."""

    index: Annotated[int, Meta(ge=0)]
    size: Annotated[int, Meta(ge=1)]
    path: Annotated[tuple[Hash, ...], Meta(max_length=64)]


class ReceiptLink(Struct, frozen=True, kw_only=True):
    """The link of the chain that holds the Decision's leaf; `recorded_us` is microseconds since 1970."""

    writer_id: UUID
    seq: Annotated[int, Meta(ge=0)]
    previous: Hash
    recorded_us: Annotated[int, Meta(ge=0)]


class Receipt(Struct, frozen=True, kw_only=True):
    """What proves offline that a Decision stands in the record. `verify_receipt.py` of this package checks it.

    `decision` is the canonical Decision; with `salt` it opens the commitment in its leaf, whose other part is `rest`. The leaf leads by `in_link` to
    the `link`, that by `in_anchor` to the root in the `head` of an anchor, over which is the `signature` (Ed25519, hex).
    """

    format: str
    decision_id: UUID
    release_hash: Hash
    decision: str
    salt: Hash
    rest: Hash
    in_link: TreePlace
    link: ReceiptLink
    in_anchor: TreePlace
    head: Head
    signature: Annotated[str, Meta(pattern="^[0-9a-f]{128}$")]


class NotAnchored(InstantCreditError):
    """No anchor covers the Decision yet: it will have a receipt after the next one."""


async def make_receipt(record: Record, decision_id: UUID) -> Receipt:
    """The receipt of a Decision.

    Raises
    ------
    NotFound : there is no such Decision, it is older than the chain, or its person was erased.
    NotAnchored : no anchor covers it yet.
    BrokenInvariant : the record is not what was anchored.
    """
    async with record.connection() as connection:
        row = await connection.fetchrow(
            read_sql("read_receipt"), bucket_of(decision_id), decision_id, *span_of([decision_id])
        )
    if row is None or row["commitment"] is None or row["wrapped_key"] is None:
        raise NotFound("decision", "of this id with a receipt, or its person was erased")
    writer_id = UUID(int=row["writer_id"].int)
    anchor = None
    if record.anchors is not None:
        anchor = await asyncio.to_thread(find_anchor, record.anchors, writer_id, row["link_seq"], row["linked_at"])
    if anchor is None:
        raise NotAnchored("no anchor covers this decision yet")
    async with record.connection() as connection:
        ranges = anchor.details.writers
        links = await connection.fetch(
            read_sql("list_link_hashes"),
            [one.writer_id for one in ranges],
            [one.first for one in ranges],
            [one.last for one in ranges],
        )
    return await asyncio.to_thread(_compose_receipt, record, row, anchor, links)


def _compose_receipt(record: Record, row: Any, anchor: Anchor, links: list[Any]) -> Receipt:
    decision_id, writer_id = UUID(int=row["decision_id"].int), UUID(int=row["writer_id"].int)
    data_key = unwrap_data_key(record, row)
    decision = unseal(AESGCM(data_key), row["sealed_decision"], place=DECISION_PLACE, row_id=decision_id.bytes)
    salt = salt_of(data_key, decision_id)
    commitment = commit_decision(salt, decision_id, row["release_hash"], decision)
    columns = tuple(row)[:_DECISION_COLUMNS]
    leaf, leaves = leaf_of("decisions", columns), split_leaves(row["leaves"])
    require(commitment == row["commitment"] and leaf in leaves, f"decision {decision_id} is not what its link covers")
    places = [(UUID(int=one["writer_id"].int), one["seq"]) for one in links]
    place = (writer_id, row["link_seq"])
    hashes = [hash_leaf(one["link"]) for one in links]
    require(
        place in places and root_of(hashes).hex() == anchor.head.root,
        f"anchor {anchor.head.number} does not cover the links there are: run instant-credit audit verify",
    )
    previous = begin_chain(writer_id.bytes) if row["previous"] is None else row["previous"]
    return Receipt(
        format=RECEIPT_FORMAT,
        decision_id=decision_id,
        release_hash=row["release_hash"],
        decision=decision.decode(),
        salt=salt.hex(),
        rest=digest_rest(columns).hex(),
        in_link=_place(leaves, leaves.index(leaf)),
        link=ReceiptLink(
            writer_id=writer_id,
            seq=row["link_seq"],
            previous=previous.hex(),
            recorded_us=count_microseconds(row["linked_at"]),
        ),
        in_anchor=_place(hashes, places.index(place)),
        head=anchor.head,
        signature=anchor.signature,
    )


def _place(leaves: list[bytes], index: int) -> TreePlace:
    return TreePlace(index=index, size=len(leaves), path=tuple(step.hex() for step in path_to(leaves, index)))
