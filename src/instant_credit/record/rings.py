"""Edge. The key ring's file: made once, followed by every process that uses it, changed when a master key is rotated.

Law of the file: it is whole or not there. Every change is written beside it and moved into its place, under a lock, with the same owner and
mode. The keys of the two keyed hashes never change, and a master key leaves the ring only when nothing is wrapped by it any more.

A process that runs looks at the file before it wraps the data keys of a commit, which costs one ``stat``, and whenever it meets a master key
that it does not hold. So it wraps nothing by a former master key once the file names another one, and opens whatever another process wrapped by the new one.
"""

import fcntl
import os
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from instant_credit.errors import Refused
from instant_credit.record.clock import Entropy
from instant_credit.record.home import create_private_file, naming_folder, replace_private_file, require_private
from instant_credit.record.sealing import KEY_BYTES, KeyRing, WrappedKey, name_master_key
from instant_credit.settings import KEY_RING

# Inode, time of the last change, size: another file, or a file changed in its place, differs in one of them.
_Sight = tuple[int, int, int]


class _RingFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file: keys in base64, master keys in the order in which they were added."""

    schema_version: int = 1
    current: str
    master_keys: dict[str, str]
    identity_key: str
    body_key: str


class FollowedKeyRing(KeyRing):
    """The key ring in a file, as the file is now: a rotation reaches a running process without a restart.

    While the file is gone, unreadable or another record's ring, the process goes on with what it holds.

    Raises
    ------
    Refused : as `read_key_ring`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = _look(path)
        super().__init__(**_read_keys(path))

    def unwrap_key(self, key_id: UUID, person_id: bytes, wrapped: WrappedKey) -> bytes:
        """As `KeyRing.unwrap_key`, by a master key that was added meanwhile, too."""
        if wrapped.master_key_id not in self._master_keys:
            self.follow()
        return super().unwrap_key(key_id, person_id, wrapped)

    def follow(self) -> None:
        """Take the master keys out of the file if it changed."""
        seen = _look(self._path)
        if seen is None or seen == self._seen:
            return
        try:
            keys = _read_keys(self._path)
            is_own = KeyRing(**keys).fingerprint() == self.fingerprint()
        except Refused:
            return
        if is_own:
            super().__init__(**keys)
            self._seen = seen


def create_key_ring(path: Path, entropy: Entropy = os.urandom) -> None:
    """Make a key ring's file with mode 0600, unless it is there.

    Losing the file loses every sealed value: keep a copy apart from the database's backups.
    """
    create_private_file(path, lambda: _compose_ring(entropy), variable=KEY_RING)


def read_key_ring(path: Path) -> KeyRing:
    """The key ring in a file.

    Raises
    ------
    Refused : there is no such file, others can read it, or it is no key ring.
    """
    return KeyRing(**_read_keys(path))


def add_master_key(path: Path, entropy: Entropy = os.urandom) -> str:
    """Add a master key that opens, and wraps nothing before `turn_ring` makes it current; its id.

    Raises
    ------
    Refused : as `read_key_ring`; or the file can't be replaced.
    """
    with _changing(path) as ring:
        longer, name = _add(ring, entropy)
        _replace_file(path, longer)
    return name


def turn_ring(path: Path, entropy: Entropy = os.urandom) -> str:
    """Make the newest master key the current one, or a new one where the newest is current already; its id.

    Raises
    ------
    Refused : as `add_master_key`.
    """
    with _changing(path) as ring:
        newest, turned = next(reversed(ring.master_keys)), ring
        if newest == ring.current:
            turned, newest = _add(ring, entropy)
        _replace_file(path, replace(turned, current=newest))
    return newest


def remove_master_keys(path: Path, master_key_ids: Sequence[str]) -> None:
    """Remove master keys that wrap nothing any more.

    Raises
    ------
    Refused : one of them is the current one; or as `add_master_key`.
    """
    with _changing(path) as ring:
        if ring.current in master_key_ids:
            raise Refused(f"master key {ring.current} is current: make another one current first")
        kept = {name: key for name, key in ring.master_keys.items() if name not in master_key_ids}
        if len(kept) < len(ring.master_keys):
            _replace_file(path, replace(ring, master_keys=kept))


@contextmanager
def _changing(path: Path) -> Iterator[_RingFile]:
    """The content of a file that is a key ring, while nobody else changes it."""
    with naming_folder(path, KEY_RING), path.with_name(f".{path.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        read_key_ring(path)
        yield _read_file(path)


def _add(ring: _RingFile, entropy: Entropy) -> tuple[_RingFile, str]:
    master_key = entropy(KEY_BYTES)
    name = name_master_key(master_key)
    return replace(ring, master_keys={**ring.master_keys, name: _encode(master_key)}), name


def _read_keys(path: Path) -> dict[str, Any]:
    """What a `KeyRing` takes, out of its file."""
    ring = _read_file(path)
    try:
        return {
            "current": ring.current,
            "master_keys": {name: b64decode(key, validate=True) for name, key in ring.master_keys.items()},
            "identity_key": b64decode(ring.identity_key, validate=True),
            "body_key": b64decode(ring.body_key, validate=True),
        }
    except ValueError:
        raise _no_ring(path) from None


def _read_file(path: Path) -> _RingFile:
    with naming_folder(path, KEY_RING):
        if not path.exists():
            raise Refused(f"there is no key ring at {path}")
        if path.is_dir():
            raise Refused(f"{path} is a folder: let {KEY_RING} name the key ring's file")
        require_private(path)
        raw = path.read_bytes()
    try:
        return msgspec.json.decode(raw, type=_RingFile)
    except ValueError:
        raise _no_ring(path) from None


def _no_ring(path: Path) -> Refused:
    return Refused(f"{path} is not a key ring: restore it from its copy")


def _compose_ring(entropy: Entropy) -> bytes:
    """A new ring as a file's bytes."""
    empty = _RingFile(
        current="", master_keys={}, identity_key=_encode(entropy(KEY_BYTES)), body_key=_encode(entropy(KEY_BYTES))
    )
    ring, name = _add(empty, entropy)
    return _format(replace(ring, current=name))


def _replace_file(path: Path, ring: _RingFile) -> None:
    replace_private_file(path, _format(ring), variable=KEY_RING)


def _format(ring: _RingFile) -> bytes:
    return msgspec.json.format(msgspec.json.encode(ring), indent=2)


def _look(path: Path) -> _Sight | None:
    """What tells one state of the file from another; None while there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _encode(key: bytes) -> str:
    return b64encode(key).decode()
