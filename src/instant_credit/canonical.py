"""Canonical bytes and their content hash: the one way in which this package names a document, a bundle or a release."""

import hashlib
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder(order="deterministic")


def encode_canonical(value: Any) -> bytes:
    """Canonical JSON of a Struct or builtin: equal values give equal bytes."""
    return _ENCODER.encode(value)


def hash_content(raw: bytes) -> str:
    """SHA-256 of `raw` in lower-case hex, 64 characters."""
    return hashlib.sha256(raw).hexdigest()
