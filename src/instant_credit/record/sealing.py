"""Edge. Sealing: AES-256-GCM under a data key per person, each data key wrapped by a master key out of a key ring.

Law of the file: what is sealed opens only as what it was sealed as. The associated data of a sealed value names the place
(table and column), the row's id and the schema version, so that no ciphertext can be moved to another row or column.

Layout of sealed bytes: schema version (1) | nonce (12) | ciphertext | tag (16). Destroying a person's data key makes all their
sealed values unreadable and changes none of them. A data key has an id, bound to its person by the wrapping; whoever opens a value
asks for the key of the id that was written down beside it.

Source: NIST SP 800-38D (96-bit random nonces, far below 2^32 values per key); FIPS 198-1 for the keyed hashes.
"""

import unicodedata
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from instant_credit.errors import BrokenInvariant, Refused, require
from instant_credit.record.clock import Entropy
from instant_credit.verify_receipt import keyed_hash

KEY_BYTES: Final = 32
SCHEMA_VERSION: Final = 1

_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_PERSON_KEY_PLACE: Final = "person_keys.wrapped_key"


class WrappedKey(Struct, frozen=True, kw_only=True):
    """A person's data key as it lies in the record: which master key wraps it, and the wrapped bytes."""

    master_key_id: str
    wrapped: bytes


class KeyRing:
    """Master keys and the keys of the two keyed hashes.

    Parameters
    ----------
    current : id of the master key that wraps new data keys.
    master_keys : by id, 32 bytes each, the oldest first; old ones stay for as long as they open what they wrapped.
    identity_key : 32 bytes; names persons. Never rotated: it would give every person a new name.
    body_key : 32 bytes; recognises a request body that was sent before.
    """

    def __init__(self, *, current: str, master_keys: dict[str, bytes], identity_key: bytes, body_key: bytes) -> None:
        for key in (*master_keys.values(), identity_key, body_key):
            if len(key) != KEY_BYTES:
                raise Refused(f"every key of the key ring is {KEY_BYTES} bytes")
        if current not in master_keys:
            raise Refused("the key ring's current master key is not among its keys")
        self._current = current
        self._master_keys = dict(master_keys)
        self._wrapping = AESGCM(master_keys[current])
        self._identity_key = identity_key
        self._body_key = body_key

    def __repr__(self) -> str:
        return f"KeyRing(current={self._current!r})"

    @property
    def current(self) -> str:
        """Id of the master key that wraps new data keys."""
        return self._current

    @property
    def master_key_ids(self) -> tuple[str, ...]:
        """Ids of all master keys, the oldest first."""
        return tuple(self._master_keys)

    def follow(self) -> None:
        """Take what changed where the ring lies; a ring that lies nowhere stays as it is."""

    def fingerprint(self) -> bytes:
        """32 bytes that name the two keyed hashes, and tell nothing of the keys: equal for rings under which persons and request
        bodies are recognised alike, whatever their master keys.
        """
        # Both kinds of message begin otherwise: a person's with "person", a body's with its client's id, which is never empty.
        of_body_key = keyed_hash(self._body_key, b"\x00key ring")
        return keyed_hash(self._identity_key, b"key ring\x00" + of_body_key)

    def person_id_of(self, identity_number: str) -> bytes:
        """Name of a person: 32 bytes, HMAC-SHA256 of the identity number without spaces, hyphens, dots and case."""
        # Plain ASCII is its own NFKC.
        plain = identity_number if identity_number.isascii() else unicodedata.normalize("NFKC", identity_number)
        kept = "".join(filter(str.isalnum, plain.casefold()))
        return keyed_hash(self._identity_key, b"person\x00" + kept.encode())

    def household_id_of(self, address: str) -> bytes:
        """Name of a household: 32 bytes, HMAC-SHA256 of the address's letters and digits, whatever their case."""
        kept = "".join(filter(str.isalnum, unicodedata.normalize("NFKC", address).casefold()))
        return keyed_hash(self._identity_key, b"household\x00" + kept.encode())

    def body_mac(self, client_id: str, body: bytes) -> bytes:
        """32 bytes that are equal for equal bodies of one client, and tell nothing to whoever lacks the key ring."""
        return keyed_hash(self._body_key, client_id.encode() + b"\x00" + body)

    def wrap_key(self, key_id: UUID, person_id: bytes, data_key: bytes, entropy: Entropy) -> WrappedKey:
        """`data_key` (32 bytes) wrapped by the current master key under one id for one person; `follow` first."""
        wrapped = seal(
            self._wrapping, data_key, place=_PERSON_KEY_PLACE, row_id=key_id.bytes + person_id, entropy=entropy
        )
        return WrappedKey(master_key_id=self._current, wrapped=wrapped)

    def rewrap_key(self, key_id: UUID, person_id: bytes, wrapped: WrappedKey, entropy: Entropy) -> WrappedKey:
        """The same data key wrapped by the current master key; what it seals stays as it is.

        Raises
        ------
        Refused, BrokenInvariant : as `unwrap_key`.
        """
        return self.wrap_key(key_id, person_id, self.unwrap_key(key_id, person_id, wrapped), entropy)

    def unwrap_key(self, key_id: UUID, person_id: bytes, wrapped: WrappedKey) -> bytes:
        """The data key, 32 bytes.

        Raises
        ------
        Refused : the key ring lacks the master key.
        BrokenInvariant : the wrapped bytes were altered, or belong to another key or person.
        """
        master_key = self._master_keys.get(wrapped.master_key_id)
        if master_key is None:
            raise Refused(
                f"the key ring has no master key {wrapped.master_key_id}: use the ring this record was made with"
            )
        return unseal(AESGCM(master_key), wrapped.wrapped, place=_PERSON_KEY_PLACE, row_id=key_id.bytes + person_id)


def name_master_key(master_key: bytes) -> str:
    """Id of a master key: 16 hex digits that follow from the key, so that two keys never share one."""
    return keyed_hash(master_key, b"master key")[:8].hex()


def bucket_of_person(person_id: bytes) -> int:
    """A person's bucket, 0 to 255: the first byte of the keyed hash, so buckets fill evenly."""
    return person_id[0]


def seal(data_key: AESGCM, plaintext: bytes, *, place: str, row_id: bytes, entropy: Entropy) -> bytes:
    """`plaintext` sealed for one place and row.

    Parameters
    ----------
    data_key : the person's cipher (or a master key's, for a data key).
    place : table and column, for instance ``"cases.case"``.
    row_id : the row's id as bytes.
    entropy : source of the nonce.
    """
    nonce = entropy(_NONCE_BYTES)
    require(len(nonce) == _NONCE_BYTES, "the source of chance gave too few bytes for a nonce")
    head = bytes((SCHEMA_VERSION,))
    return head + nonce + data_key.encrypt(nonce, plaintext, _associate(head, place, row_id))


def unseal(data_key: AESGCM, sealed: bytes, *, place: str, row_id: bytes) -> bytes:
    """What was sealed.

    Raises
    ------
    BrokenInvariant : the bytes were altered, moved from another place or row, or sealed under another key.
    """
    require(len(sealed) > 1 + _NONCE_BYTES + _TAG_BYTES - 1, f"sealed bytes of {place} are too short")
    head, nonce, ciphertext = sealed[:1], sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    try:
        return data_key.decrypt(nonce, ciphertext, _associate(head, place, row_id))
    except InvalidTag:
        raise BrokenInvariant(f"sealed bytes of {place} do not open: altered, moved, or another key ring") from None


def _associate(head: bytes, place: str, row_id: bytes) -> bytes:
    return head + place.encode() + b"\x00" + row_id
