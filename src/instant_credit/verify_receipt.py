"""Checks the receipt of a decision, offline. Copy this file: it needs Python and the package cryptography, nothing else.

    python verify_receipt.py RECEIPT --public-key KEY

A receipt is true when each of these follows from the one before, and the last one is signed by the key that the lender publishes:

    Decision, its id, its release ─► commitment ─► leaf ─► root of a link ─► link ─► root of an anchor ─► head ─► signature

commitment = HMAC-SHA-256(salt, tag | decision id | release hash | Decision); leaf = SHA-256(0x00 | "decisions" | 0x00 | decision id |
commitment | digest of the rest of the row); node = SHA-256(0x01 | left | right); link = SHA-256(0x02 | writer | seq | previous link |
root | time). The record computes all of them with the functions of this file.

Source: RFC 6962, section 2.1 (trees of hashes); RFC 9162, section 2.1.3.2 (paths); RFC 2104 (HMAC); RFC 8032 (Ed25519).
"""

import argparse
import hashlib
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

RECEIPT_FORMAT = "instant-credit receipt 1"
ANCHOR_FORMAT = "instant-credit anchor 1"
RECEIPT_BYTES_MAX = 4 * 1024 * 1024

_DECISION_TAG = b"instant-credit decision 1\x00"
_CHAIN_TAG = b"instant-credit chain 1\x00"
_HASH_BYTES = 32
_BLOCK_BYTES = 64
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))
_PATH_MAX = 64
_HEX = re.compile("[0-9a-f]*")


class FalseReceiptError(Exception):
    """The receipt is not true, or cannot be read; the message says what does not hold."""


@dataclass(frozen=True)
class Verified:
    """What a true receipt proves: this Decision, by this release, stood in the record when the anchor was signed."""

    decision_id: UUID
    release_hash: str
    decision: str
    anchor_number: int
    anchored_at: str


def keyed_hash(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA-256, 32 bytes, under a key of at most 64 bytes.

    Two plain hashes take 2 us, `hmac.digest` takes 6: OpenSSL looks its algorithm up anew.
    """
    block = key.ljust(_BLOCK_BYTES, b"\x00")
    inner = hashlib.sha256(block.translate(_INNER) + message).digest()
    return hashlib.sha256(block.translate(_OUTER) + inner).digest()


def hash_leaf(content: bytes) -> bytes:
    """Hash of one leaf, 32 bytes."""
    return hashlib.sha256(b"\x00" + content).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """Hash of two subtrees, 32 bytes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def hash_link(writer_id: bytes, seq: int, previous: bytes, root: bytes, recorded_us: int) -> bytes:
    """Hash of one link, 32 bytes: who appended it, as which one, after which, over what and when (microseconds since 1970)."""
    place = writer_id + seq.to_bytes(8, "big")
    return hashlib.sha256(b"\x02" + place + previous + root + recorded_us.to_bytes(8, "big")).digest()


def begin_chain(writer_id: bytes) -> bytes:
    """What the first link of a writer has for its previous one, 32 bytes."""
    return hashlib.sha256(_CHAIN_TAG + writer_id).digest()


def commit_decision(salt: bytes, decision_id: UUID, release_hash: str, decision: bytes) -> bytes:
    """A commitment to a Decision, 32 bytes: binding for whoever knows `salt` (32 bytes), without meaning for anybody else."""
    return keyed_hash(salt, _DECISION_TAG + decision_id.bytes + release_hash.encode() + decision)


def hash_decision_leaf(decision_id: UUID, commitment: bytes, rest: bytes) -> bytes:
    """Leaf of a row of decisions, 32 bytes; `rest` is the digest of its other columns."""
    return hash_leaf(b"decisions\x00" + decision_id.bytes + commitment + rest)


def encode_head(head: dict[str, Any]) -> bytes:
    """Canonical bytes of an anchor's head."""
    return json.dumps(head, sort_keys=True, separators=(",", ":")).encode()


def signed_bytes(head: dict[str, Any]) -> bytes:
    """What an anchor's signature is over."""
    return ANCHOR_FORMAT.encode() + b"\x00" + encode_head(head)


def is_signed(head: dict[str, Any], signature: bytes, public_key: bytes) -> bool:
    """Whether the signature over `head` is of the key with these 32 bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, signed_bytes(head))
    except (InvalidSignature, ValueError):
        return False
    return True


def climb(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """Root of the tree of `size` leaves in which `leaf` is at `index`, by its path; None when the path cannot be one of it."""
    if not 0 <= index < size:
        return None
    place, last = index, size - 1
    found = leaf
    for sibling in path:
        if last == 0:
            return None
        if place & 1 or place == last:
            found = hash_node(sibling, found)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            found = hash_node(found, sibling)
        place, last = place >> 1, last >> 1
    return found if last == 0 else None


def verify_receipt(raw: bytes, public_key: bytes) -> Verified:
    """What the receipt in `raw` proves.

    Parameters
    ----------
    raw : the receipt's bytes, JSON.
    public_key : the lender's, 32 bytes, from a place that you trust; never out of the receipt.

    Raises
    ------
    FalseReceiptError : it is not true, or cannot be read.
    """
    receipt = _read_json(raw)
    if receipt.get("format") != RECEIPT_FORMAT:
        raise FalseReceiptError(f"format: not {RECEIPT_FORMAT}")
    decision_id = _read_uuid(receipt, "decision_id")
    release_hash = _read_hex(receipt, "release_hash", _HASH_BYTES).hex()
    decision = _read_text(receipt, "decision")
    salt = _read_hex(receipt, "salt", _HASH_BYTES)
    commitment = commit_decision(salt, decision_id, release_hash, decision.encode())
    leaf = hash_decision_leaf(decision_id, commitment, _read_hex(receipt, "rest", _HASH_BYTES))
    root = _climb(leaf, _read_object(receipt, "in_link"), "in_link")
    told = _read_object(receipt, "link")
    seq, recorded_us = _read_whole(told, "seq"), _read_whole(told, "recorded_us")
    previous = _read_hex(told, "previous", _HASH_BYTES)
    link = hash_link(_read_uuid(told, "writer_id").bytes, seq, previous, root, recorded_us)
    anchored = _climb(hash_leaf(link), _read_object(receipt, "in_anchor"), "in_anchor")
    head = _read_object(receipt, "head")
    if head.get("format") != ANCHOR_FORMAT:
        raise FalseReceiptError(f"head: format is not {ANCHOR_FORMAT}")
    if _read_hex(head, "root", _HASH_BYTES) != anchored:
        raise FalseReceiptError("the Decision does not lead to the anchor's root: it, its ids or a path were changed")
    if not is_signed(head, _read_hex(receipt, "signature", 64), public_key):
        raise FalseReceiptError("signature: not of this key over this head")
    return Verified(
        decision_id=decision_id,
        release_hash=release_hash,
        decision=decision,
        anchor_number=_read_whole(head, "number"),
        anchored_at=_read_text(head, "at"),
    )


def read_public_key(text: str) -> bytes:
    """The 32 bytes of a public key: 64 hex digits, or the path of a file that holds them.

    Raises
    ------
    FalseReceiptError : it is neither.
    """
    digits = text.strip()
    if not _is_hex(digits, _HASH_BYTES) and Path(text).is_file():
        digits = Path(text).read_text(encoding="utf-8", errors="replace").strip()
    if not _is_hex(digits, _HASH_BYTES):
        raise FalseReceiptError("the public key is 64 hex digits, or a file that holds them")
    return bytes.fromhex(digits)


def main(arguments: list[str] | None = None) -> int:
    """Check one receipt; the status is 0 for a true one and 1 otherwise."""
    parser = argparse.ArgumentParser(description="Check the receipt of a decision, offline.")
    parser.add_argument("receipt", type=Path, help="the receipt's file")
    parser.add_argument("--public-key", required=True, help="the lender's public key: 64 hex digits, or a file of them")
    chosen = parser.parse_args(arguments)
    try:
        found = verify_receipt(chosen.receipt.read_bytes(), read_public_key(chosen.public_key))
    except (FalseReceiptError, OSError) as trouble:
        print(f"FALSE: {trouble}", file=sys.stderr)
        return 1
    print(f"true: decision {found.decision_id} of release {found.release_hash}")
    print(f"stood in the record when anchor {found.anchor_number} was signed, at {found.anchored_at}")
    print(found.decision)
    return 0


def _climb(leaf: bytes, told: dict[str, Any], name: str) -> bytes:
    path = told.get("path")
    if not isinstance(path, list) or len(path) > _PATH_MAX or not all(_is_hex(step, _HASH_BYTES) for step in path):
        raise FalseReceiptError(f"{name}: path is not a list of hashes")
    steps = [bytes.fromhex(step) for step in path]
    root = climb(leaf, _read_whole(told, "index"), _read_whole(told, "size"), steps)
    if root is None:
        raise FalseReceiptError(f"{name}: path does not fit its index and size")
    return root


def _read_json(raw: bytes) -> dict[str, Any]:
    if len(raw) > RECEIPT_BYTES_MAX:
        raise FalseReceiptError(f"longer than {RECEIPT_BYTES_MAX} bytes")
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise FalseReceiptError("not JSON") from None
    if not isinstance(found, dict):
        raise FalseReceiptError("not a JSON object")
    return found


def _read_object(told: dict[str, Any], name: str) -> dict[str, Any]:
    value = told.get(name)
    if not isinstance(value, dict):
        raise FalseReceiptError(f"{name}: missing, or not an object")
    return value


def _read_text(told: dict[str, Any], name: str) -> str:
    value = told.get(name)
    if not isinstance(value, str):
        raise FalseReceiptError(f"{name}: missing, or not a text")
    if not _is_encodable(value):
        raise FalseReceiptError(f"{name}: not Unicode text")
    return value


def _read_whole(told: dict[str, Any], name: str) -> int:
    value = told.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise FalseReceiptError(f"{name}: missing, or not a whole number")
    return value


def _read_hex(told: dict[str, Any], name: str, size: int) -> bytes:
    value = told.get(name)
    if not _is_hex(value, size):
        raise FalseReceiptError(f"{name}: missing, or not {size} bytes in hex")
    return bytes.fromhex(str(value))


def _read_uuid(told: dict[str, Any], name: str) -> UUID:
    text = _read_text(told, name)
    try:
        found = UUID(text)
    except ValueError:
        found = None
    if found is None or str(found) != text:
        raise FalseReceiptError(f"{name}: not an id")
    return found


def _is_hex(value: object, size: int) -> bool:
    return isinstance(value, str) and len(value) == 2 * size and _HEX.fullmatch(value) is not None


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
