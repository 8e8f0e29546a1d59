"""Edge. The hash chain's arithmetic: rows to leaves, leaves to a root, roots to links. No database here.

The law: whatever is appended to the record leaves one leaf a row, and the statement that writes the rows writes the link over their leaves.

    row as stored (ciphertext) ─► leaf ┐
    row as stored (ciphertext) ─► leaf ┴► root ─► link = H(writer, seq, previous link, root, time)

A row is its columns in the order of its scan statement, in MessagePack: every value with its type and its length, so no two rows
share an encoding. NULLs at the end are left out: a nullable column that is added at the end later changes no leaf. A Decision's leaf also
names a commitment to the Decision itself, salted out of its person's data key: a receipt opens it, and erasure closes it for good.

Source: RFC 6962, section 2.1 (trees), ADR 0014. The hashes themselves are those of `instant_credit.verify_receipt`.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct

from instant_credit.errors import BrokenInvariant, require
from instant_credit.verify_receipt import hash_decision_leaf, hash_leaf, hash_link, hash_node, keyed_hash

HASH_BYTES: Final = 32

_SALT_TAG: Final = b"instant-credit decision salt 1\x00"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Link(Struct, frozen=True, kw_only=True):
    """One link as it is stored. `leaves` are the leaves' hashes, 32 bytes each, one after the other."""

    writer_id: UUID
    seq: int
    link: bytes
    leaves: bytes
    recorded_at: datetime

    def arguments(self) -> tuple[UUID, int, bytes, bytes, datetime]:
        """What a statement that inserts the link takes, in this order."""
        return self.writer_id, self.seq, self.link, self.leaves, self.recorded_at


def compose_link(writer_id: UUID, seq: int, previous: bytes, leaves: Sequence[bytes], recorded_at: datetime) -> Link:
    """The link that follows `previous` over `leaves` (at least one)."""
    link = hash_link(writer_id.bytes, seq, previous, root_of(leaves), count_microseconds(recorded_at))
    return Link(writer_id=writer_id, seq=seq, link=link, leaves=b"".join(leaves), recorded_at=recorded_at)


def split_leaves(joined: bytes) -> list[bytes]:
    """The hashes that `Link.leaves` holds."""
    return [joined[start : start + HASH_BYTES] for start in range(0, len(joined), HASH_BYTES)]


def count_microseconds(at: datetime) -> int:
    """Microseconds since 1970 of an aware instant."""
    return (at - _EPOCH) // _MICROSECOND


def leaf_of(table: str, row: Sequence[Any]) -> bytes:
    """Leaf of a row as it is stored, 32 bytes.

    Parameters
    ----------
    table : its name.
    row : its columns in the order of the table's scan statement. A Decision's id and commitment are the second and the third; without a
        commitment it was recorded before there were any.
    """
    if table == "decisions":
        return hash_decision_leaf(row[1], b"" if row[2] is None else row[2], digest_rest(row))
    return hash_leaf(table.encode() + b"\x00" + encode_row(row))


def leaves_of(table: str, rows: Sequence[Sequence[Any]]) -> list[bytes]:
    """`leaf_of` of every row of one table, in order, for half the price; of any table but ``decisions``."""
    require(table != "decisions", "a Decision's leaf is made by itself")
    name = table.encode() + b"\x00"
    return [hash_leaf(name + encode_row(row)) for row in rows]


def digest_rest(row: Sequence[Any]) -> bytes:
    """Digest of a row of decisions without its commitment, 32 bytes."""
    return hashlib.sha256(encode_row((*row[:2], *row[3:]))).digest()


def salt_of(data_key: bytes, decision_id: UUID) -> bytes:
    """The salt of one Decision's commitment, 32 bytes: a keyed hash under the person's data key, so it ends with that key.

    Source: RFC 5869 (a key for each purpose out of one by HMAC).
    """
    return keyed_hash(data_key, _SALT_TAG + decision_id.bytes)


def encode_row(row: Sequence[Any]) -> bytes:
    """Canonical bytes of a row; NULLs at its end are left out."""
    last = len(row)
    while last and row[last - 1] is None:
        last -= 1
    return _ENCODER.encode(row[:last])


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Root of the tree over `leaves` (at least one), 32 bytes."""
    require(bool(leaves), "a tree of hashes has leaves")
    level = leaves
    while len(level) > 1:
        level = _climb_level(level)
    return level[0]


def path_to(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The hashes beside the way from the leaf at `index` to the root."""
    require(0 <= index < len(leaves), "a path begins at a leaf")
    path, level, place = [], leaves, index
    while len(level) > 1:
        if (sibling := place ^ 1) < len(level):
            path.append(level[sibling])
        level, place = _climb_level(level), place >> 1
    return path


def _climb_level(level: Sequence[bytes]) -> list[bytes]:
    """The level above; a last one without a sibling goes up as it is, which gives the tree of RFC 6962."""
    above = [hash_node(level[place], level[place + 1]) for place in range(0, len(level) - 1, 2)]
    if len(level) % 2:
        above.append(level[-1])
    return above


def _encode_otherwise(value: Any) -> bytes:
    """Asyncpg's UUIDs, which msgspec does not know."""
    if isinstance(value, UUID):
        return value.bytes
    raise BrokenInvariant(f"a row holds no {type(value).__name__}")


_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=_encode_otherwise, uuid_format="bytes")
