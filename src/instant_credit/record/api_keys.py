"""Edge. API keys in the record: made, looked up, rotated, revoked. Only the hash of a secret is kept.

Looked-up keys are remembered for a few seconds in the process, so that a request costs no round trip; a revocation or
rotation therefore takes that long to reach every server.
"""

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
from msgspec import Struct

from instant_credit.access.actors import Actor, Scope
from instant_credit.access.keys import KEY_ID_BYTES, SECRET_BYTES, Grant, KeptKey, check_key, mint_key, parse_key
from instant_credit.access.limits import Allowance, Bucket, seconds_ceil
from instant_credit.errors import Conflict, NotFound, Refused, Throttled
from instant_credit.record.chain import leaf_of
from instant_credit.record.pool import Record, within
from instant_credit.record.shipped import read_sql

REMEMBERED_NS: Final = 5_000_000_000
REMEMBERED_KEYS: Final = 1_024
LOOK_UP_SECONDS: Final = 2.0
STRANGERS: Final = Allowance(rate=50, burst=200)
"""Look-ups of keys that this process never saw, of all callers together."""
OVERLAP_DAYS_MAX: Final = 90


class ApiKeyRow(Struct, frozen=True, kw_only=True):
    """A key as `list_keys` shows it, without its hash. `expires_at` is its end by expiry or rotation, whichever comes first."""

    key_id: str
    client_id: str
    scopes: tuple[str, ...]
    is_test: bool
    expires_at: datetime | None
    recorded_at: datetime
    revoked_at: datetime | None
    successor_key_id: str | None


async def create_key(
    record: Record,
    *,
    client_id: str,
    scopes: frozenset[Scope],
    expires_at: datetime | None,
    actor: Actor,
    is_test: bool = False,
) -> str:
    """Make a key for a client; returns its text, which nobody can show again.

    Raises
    ------
    Refused : no scope, a client id that is empty or longer than 64 characters, or an expiry that is past.
    """
    if not scopes:
        raise Refused("a key needs at least one scope: " + ", ".join(scope.value for scope in Scope))
    if not 1 <= len(client_id) <= 64:
        raise Refused("a client id has 1 to 64 characters")
    now = record.clock.now()
    text, row = _mint(
        record,
        client_id=client_id,
        scopes=sorted(scope.value for scope in scopes),
        expires_at=expires_at,
        actor=actor,
        is_test=is_test,
        now=now,
    )
    async with record.writer() as writer, record.connection() as connection:
        await writer.append(connection, read_sql("insert_api_key"), row, [leaf_of("api_keys", row)], now)
    return text


async def rotate_key(
    record: Record, key_id: str, *, overlap: timedelta, actor: Actor, expires_at: datetime | None = None
) -> str:
    """Make a key of the same client, scopes and mode in the place of another one, which ends after `overlap`; returns the new key's text.

    Parameters
    ----------
    overlap : how long both work, 0 to `OVERLAP_DAYS_MAX` days; a key that expires earlier does so.
    expires_at : when the new key ends; None = when the former one would have ended by itself.

    Raises
    ------
    NotFound : there is no such key.
    Conflict : the key was rotated already, is revoked or has expired; the message says what to do.
    Refused : the overlap or the expiry makes no sense.
    """
    if not timedelta(0) <= overlap <= timedelta(days=OVERLAP_DAYS_MAX):
        raise Refused(f"an overlap is 0 seconds to {OVERLAP_DAYS_MAX} days")
    former = await _read_key(record, key_id)
    if former is None:
        raise NotFound("API key", key_id)
    now = record.clock.now()
    if former["successor_key_id"] is not None:
        raise Conflict(f"the key was rotated already: rotate its successor {former['successor_key_id']}")
    if former["revoked_at"] is not None or (former["expires_at"] is not None and former["expires_at"] <= now):
        raise Conflict("the key has ended: create a new one")
    text, row = _mint(
        record,
        client_id=former["client_id"],
        scopes=former["scopes"],
        expires_at=expires_at or former["own_expires_at"],
        actor=actor,
        is_test=former["is_test"],
        now=now,
    )
    rotation = (key_id, row[0], now + overlap, actor.kind.value, actor.id, now)
    leaves = [leaf_of("api_keys", row), leaf_of("api_key_rotations", rotation)]
    async with record.writer() as writer, record.connection() as connection:
        try:
            await writer.append(connection, read_sql("insert_rotation"), (*row, key_id, now + overlap), leaves, now)
        except asyncpg.UniqueViolationError:
            raise Conflict("the key was rotated at this moment by somebody else: rotate its successor") from None
    return text


def _mint(
    record: Record,
    *,
    client_id: str,
    scopes: list[str],
    expires_at: datetime | None,
    actor: Actor,
    is_test: bool,
    now: datetime,
) -> tuple[str, tuple[Any, ...]]:
    """A new key's text, and its row in the order of `insert_api_key`.

    Raises
    ------
    Refused : an expiry that is past.
    """
    if expires_at is not None and expires_at <= now:
        raise Refused("the key would be expired already: give a later day or instant")
    minted = mint_key(record.entropy(KEY_ID_BYTES + SECRET_BYTES), is_test=is_test)
    row = (minted.key_id, client_id, minted.secret_hash, scopes, expires_at, actor.kind.value, actor.id, now, is_test)
    return minted.text, row


async def _read_key(record: Record, key_id: str) -> Any:
    """The row of a key with its revocation and rotation, None when there is none."""
    async with record.connection() as connection:
        return await connection.fetchrow(read_sql("read_api_key"), key_id)


async def list_keys(record: Record) -> tuple[ApiKeyRow, ...]:
    """All keys, oldest first."""
    async with record.connection() as connection:
        rows = await connection.fetch(read_sql("list_api_keys"))
    return tuple(ApiKeyRow(**(dict(row) | {"scopes": tuple(row["scopes"])})) for row in rows)


async def revoke_key(record: Record, key_id: str, actor: Actor) -> None:
    """Revoke a key for good; revoking it again changes nothing.

    Raises
    ------
    NotFound : there is no such key.
    """
    now = record.clock.now()
    row = (key_id, actor.kind.value, actor.id, now)
    async with record.writer() as writer, record.connection() as connection:
        leaves = [leaf_of("api_key_revocations", row)]
        try:
            await writer.append(connection, read_sql("insert_revocation"), row, leaves, now)
        except asyncpg.ForeignKeyViolationError:
            raise NotFound("API key", key_id) from None
        except asyncpg.UniqueViolationError:
            return


class KeyDesk:
    """Checks presented keys, remembering what it looked up for `REMEMBERED_NS`."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._remembered: OrderedDict[str, tuple[int, KeptKey]] = OrderedDict()
        self._strangers = Bucket(STRANGERS, record.clock.monotonic_ns())

    async def verify(self, text: str) -> Grant | None:
        """The grant of a presented key, or None: malformed, unknown, wrong, expired or revoked.

        Raises
        ------
        Throttled : too many keys that this process never saw were presented to it.
        """
        presented = parse_key(text)
        if presented is None:
            return None
        kept = await self._find(presented.key_id)
        return None if kept is None else check_key(presented, kept, self._record.clock.now())

    async def _find(self, key_id: str) -> KeptKey | None:
        now_ns = self._record.clock.monotonic_ns()
        remembered = self._remembered.get(key_id)
        if remembered is not None and now_ns - remembered[0] < REMEMBERED_NS:
            return remembered[1]
        if remembered is None and not (taken := self._strangers.take(now_ns)).is_admitted:
            raise Throttled(seconds_ceil(taken.wait_ns))
        async with within(LOOK_UP_SECONDS):
            row = await _read_key(self._record, key_id)
        self._remembered.pop(key_id, None)
        if row is None:
            return None
        known = {scope.value for scope in Scope}
        kept = KeptKey(
            key_id=row["key_id"],
            client_id=row["client_id"],
            secret_hash=row["secret_hash"],
            scopes=frozenset(Scope(scope) for scope in row["scopes"] if scope in known),
            expires_at=row["expires_at"],
            revoked_at=row["revoked_at"],
            is_test=row["is_test"],
        )
        self._remembered[key_id] = (now_ns, kept)
        if len(self._remembered) > REMEMBERED_KEYS:
            self._remembered.popitem(last=False)
        return kept
