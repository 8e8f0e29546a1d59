"""API keys: their text, their hash, and what a presented key may do.

A key reads ``ic_<key id>_<secret>``, one for tests ``ict_<key id>_<secret>``, so that the eye and a scanner of leaks tell them apart. The secret is 32 random bytes, so one SHA-256 at rest is enough: there is nothing to guess
that a slow hash would slow down (that matters for passwords). The key id finds the row; the secret is compared in constant time.
"""

import base64
import hashlib
import hmac
import re
from datetime import datetime
from typing import Final

from msgspec import Struct

from instant_credit.access.actors import Actor, ActorKind, Scope
from instant_credit.errors import require

KEY_ID_BYTES: Final = 10
SECRET_BYTES: Final = 32

PREFIX: Final = "ic"
TEST_PREFIX: Final = "ict"

# Base32 in lower case, and 43 characters of whatever a secret may hold.
_KEY: Final = re.compile(rf"({PREFIX}|{TEST_PREFIX})_([a-z2-7]{{16}})_([\x00-\x7f]{{43}})", re.ASCII | re.DOTALL)


class MintedKey(Struct, frozen=True, kw_only=True):
    """A new key: `text` is shown once, `secret_hash` (32 bytes) is kept."""

    key_id: str
    text: str
    secret_hash: bytes


class PresentedKey(Struct, frozen=True, kw_only=True):
    """A key as a caller presents it: its id, the hash of its secret, and whether it reads like one for tests."""

    key_id: str
    secret_hash: bytes
    is_test: bool = False


class KeptKey(Struct, frozen=True, kw_only=True):
    """A key as it is recorded. `expires_at` None = never; `revoked_at` None = not revoked; `is_test` = for tests alone."""

    key_id: str
    client_id: str
    secret_hash: bytes
    scopes: frozenset[Scope]
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    is_test: bool = False


class Grant(Struct, frozen=True, kw_only=True):
    """What a valid key stands for: the client it belongs to, its scopes, whether it is for tests, and the actor to write down."""

    key_id: str
    client_id: str
    scopes: frozenset[Scope]
    is_test: bool = False

    @property
    def actor(self) -> Actor:
        """The actor of writes made with the key."""
        return Actor(kind=ActorKind.API_KEY, id=self.key_id)


def mint_key(chance: bytes, *, is_test: bool = False) -> MintedKey:
    """A new key out of 42 random bytes: 10 for the id, 32 for the secret."""
    require(len(chance) == KEY_ID_BYTES + SECRET_BYTES, "a key takes 42 random bytes")
    key_id = base64.b32encode(chance[:KEY_ID_BYTES]).decode().lower()
    secret = base64.urlsafe_b64encode(chance[KEY_ID_BYTES:]).decode().rstrip("=")
    return MintedKey(
        key_id=key_id, text=f"{TEST_PREFIX if is_test else PREFIX}_{key_id}_{secret}", secret_hash=_hash_secret(secret)
    )


def parse_key(text: str) -> PresentedKey | None:
    """A presented key, or None when the text cannot be one (then nothing needs to be looked up)."""
    found = _KEY.fullmatch(text)
    if found is None:
        return None
    prefix, key_id, secret = found.groups()
    return PresentedKey(key_id=key_id, secret_hash=_hash_secret(secret), is_test=prefix == TEST_PREFIX)


def check_key(presented: PresentedKey, kept: KeptKey, now: datetime) -> Grant | None:
    """The grant of a key, or None: wrong secret or prefix, expired (from the instant `expires_at` on) or revoked."""
    if not hmac.compare_digest(presented.secret_hash, kept.secret_hash):
        return None
    if (presented.key_id, presented.is_test) != (kept.key_id, kept.is_test):
        return None
    if kept.revoked_at is not None or (kept.expires_at is not None and kept.expires_at <= now):
        return None
    return Grant(key_id=kept.key_id, client_id=kept.client_id, scopes=kept.scopes, is_test=kept.is_test)


def _hash_secret(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
