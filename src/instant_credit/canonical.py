"""Canonical bytes and their content hash: the one way in which this package names a document, a bundle or a release."""

import hashlib
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

ContentHash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
"""What `hash_content` gives, in a Struct."""

_ENCODER = msgspec.json.Encoder(order="deterministic")

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises where bytes or text are not what they should be: wrong, no UTF-8, or nested too deeply."""


def encode_canonical(value: Any) -> bytes:
    """Canonical JSON of a Struct or builtin: equal values give equal bytes."""
    return _ENCODER.encode(value)


def hash_content(raw: bytes) -> str:
    """SHA-256 of `raw` in lower-case hex, 64 characters."""
    return hashlib.sha256(raw).hexdigest()
