"""Edge. Ids that carry their bucket and time.

An id is a UUIDv7 (RFC 9562, section 5.7) whose eight high bits of ``rand_a`` hold the person's bucket:

====== ======= ====== =========== ======= =========
48     4       8      4           2       62 bits
ms     version bucket chance      variant chance
====== ======= ====== =========== ======= =========

So a row of a person-owned table, whose key is led by the bucket, is found by its id alone.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from instant_credit.errors import Refused, require
from instant_credit.record.clock import Entropy

BUCKETS: Final = 256

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CHANCE_BYTES: Final = 9
_MILLISECOND: Final = timedelta(milliseconds=1)


def new_id(bucket: int, at: datetime, entropy: Entropy) -> UUID:
    """A fresh id.

    Parameters
    ----------
    bucket : 0 to 255 (`sealing.bucket_of_person`).
    at : aware instant, 1970 or later; kept to the millisecond.
    entropy : gives as many random bytes as asked for.
    """
    return _compose_id(bucket, at, entropy(_CHANCE_BYTES))


def new_ids(bucket: int, at: datetime, entropy: Entropy, count: int) -> list[UUID]:
    """So many fresh ids of one instant, as `new_id` makes them."""
    chance, milliseconds = entropy(_CHANCE_BYTES * count), _milliseconds(at)
    return [
        _join(bucket, milliseconds, chance[place : place + _CHANCE_BYTES])
        for place in range(0, _CHANCE_BYTES * count, _CHANCE_BYTES)
    ]


def derive_id(bucket: int, at: datetime, seed: bytes) -> UUID:
    """The same id for the same bucket, millisecond and `seed`: what makes an import idempotent.

    `seed` must tell apart all rows of one kind, for instance book, natural key and the kind itself.
    """
    return _compose_id(bucket, at, hashlib.sha256(seed).digest()[:_CHANCE_BYTES])


def least_id(at: datetime) -> UUID:
    """What every id of the millisecond of `at`, or of a later one, is at least."""
    return UUID(int=_milliseconds(at) << 80)


def bucket_of(row_id: UUID) -> int:
    """The bucket inside an id, 0 to 255."""
    return (row_id.int >> 68) & 0xFF


def span_of(row_ids: Iterable[UUID]) -> tuple[UUID, UUID]:
    """The least and the greatest id of the milliseconds from the earliest of `row_ids` to the latest.

    What is asked for between the two is looked for in the partitions of these months only. A Case and its Decision are of one
    millisecond, so either id spans the other. No ids span nothing.
    """
    milliseconds = [row_id.int >> 80 for row_id in row_ids]
    if not milliseconds:
        return UUID(int=1), UUID(int=0)
    return UUID(int=min(milliseconds) << 80), UUID(int=(max(milliseconds) + 1 << 80) - 1)


def _compose_id(bucket: int, at: datetime, chance: bytes) -> UUID:
    return _join(bucket, _milliseconds(at), chance)


def _join(bucket: int, milliseconds: int, chance_bytes: bytes) -> UUID:
    require(0 <= bucket < BUCKETS, "a bucket is 0 to 255")
    chance = int.from_bytes(chance_bytes[:_CHANCE_BYTES], "big")
    high = (chance >> 62) & 0xF
    low = chance & ((1 << 62) - 1)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | bucket << 68 | high << 64 | 0b10 << 62 | low)


def _milliseconds(at: datetime) -> int:
    milliseconds = (at - _EPOCH) // _MILLISECOND
    if not 0 <= milliseconds < 1 << 48:
        raise Refused("an id needs a time in 1970 or later")
    return milliseconds
