"""Edge. Anchors: signed roots over all links since the last one, in a file outside the database.

One line an anchor, canonical JSON: `head` (what is signed), `signature`, `details` (what the head holds the hash of: of each writer
the first and the last link, and four bytes of every link's hash, by which the audit finds the first one that differs).

    head = format | number | at | hash of the previous head | root over the links | how many | hash of details

The law: lines are only appended, whole, synced to disk and under a lock; a line that a crash left torn was never an anchor, and the next
one is written over it. Whoever can change the database and not this file changes nothing that is older than its last line unseen.

Source: RFC 8032 (Ed25519); ADR 0014.
"""

import fcntl
import hashlib
import os
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from msgspec import Struct

from instant_credit.canonical import UNREADABLE, encode_canonical
from instant_credit.errors import Conflict, Refused
from instant_credit.record.chain import root_of
from instant_credit.record.clock import Entropy
from instant_credit.record.home import create_private_file, naming_folder, require_private, sync_folder
from instant_credit.record.marks import AnchorsLost
from instant_credit.record.tail import find_end_before, find_last_line, iterate_lines
from instant_credit.settings import ANCHOR_KEY, ANCHORS
from instant_credit.verify_receipt import ANCHOR_FORMAT, encode_head, hash_leaf, is_signed, signed_bytes

PREFIX_BYTES: Final = 4
LINKS_MAX: Final = 50_000
FIRST_PREVIOUS: Final = "00" * 32

# How much earlier than a link's own time its anchor may say it was signed: clocks of several hosts.
_SKEW: Final = timedelta(minutes=10)
_CHUNK: Final = 1 << 16


class Head(Struct, frozen=True, kw_only=True):
    """What an anchor's signature is over. `at` is UTC in ISO 8601; hashes are hex."""

    format: str
    number: int
    at: str
    previous: str
    root: str
    links: int
    details: str


class Range(Struct, frozen=True, kw_only=True):
    """The links of one writer under one anchor, `first` to `last`; `link` is the hash of the last one in hex."""

    writer_id: UUID
    first: int
    last: int
    link: str


class Details(Struct, frozen=True, kw_only=True):
    """`writers` in order of their ids; `prefixes` in base64: four bytes of each link's hash, in order of writer and number."""

    writers: tuple[Range, ...]
    prefixes: str


class Anchor(Struct, frozen=True, kw_only=True):
    """One line of the file; `signature` is hex."""

    head: Head
    signature: str
    details: Details

    def prefixes(self) -> list[bytes]:
        """The first bytes of each link's hash.

        Raises
        ------
        ValueError : they are no base64.
        """
        raw = b64decode(self.details.prefixes, validate=True)
        return [raw[start : start + PREFIX_BYTES] for start in range(0, len(raw), PREFIX_BYTES)]


class NewLink(Struct, frozen=True, kw_only=True):
    """A link that no anchor covers yet."""

    writer_id: UUID
    seq: int
    link: bytes


class Span(Struct, frozen=True, kw_only=True):
    """A writer as the record has it: the number of its last link, and when that and its first one were recorded."""

    writer_id: UUID
    last: int
    began_at: datetime
    recorded_at: datetime


_DECODER: Final = msgspec.json.Decoder(Anchor)


def decode_anchor(line: bytes) -> Anchor | None:
    """The anchor in a line of the file, None when it is no anchor."""
    try:
        return _DECODER.decode(line)
    except UNREADABLE:
        return None


def hash_head(head: Head) -> str:
    """What the next anchor names as `previous`, hex."""
    return hashlib.sha256(encode_head(head_of(head))).hexdigest()


def hash_details(details: Details) -> str:
    """What the head names as `details`, hex."""
    return hashlib.sha256(encode_canonical(details)).hexdigest()


def head_of(head: Head) -> dict[str, Any]:
    """The head as builtins, as the verifier of receipts takes it."""
    found: dict[str, Any] = msgspec.to_builtins(head)
    return found


def is_true(anchor: Anchor, public_key: bytes) -> bool:
    """Whether the anchor's details and signature are those of its head."""
    head = anchor.head
    try:
        signature = bytes.fromhex(anchor.signature)
    except ValueError:
        return False
    return (
        head.format == ANCHOR_FORMAT
        and head.details == hash_details(anchor.details)
        and is_signed(head_of(head), signature, public_key)
    )


def anchored_root(links: Sequence[bytes]) -> bytes:
    """Root over the hashes of links in order of writer and number."""
    return root_of([hash_leaf(link) for link in links])


def create_anchor_key(path: Path, entropy: Entropy = os.urandom) -> None:
    """Make the key that signs anchors, with mode 0600, unless it is there."""

    def compose() -> bytes:
        key = Ed25519PrivateKey.from_private_bytes(entropy(32))
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    create_private_file(path, compose, variable=ANCHOR_KEY)


def read_anchor_key(path: Path) -> Ed25519PrivateKey:
    """The key that signs anchors.

    Raises
    ------
    Refused : there is none, others can read it, or it is no Ed25519 key.
    """
    with naming_folder(path, ANCHOR_KEY):
        if not path.is_file():
            raise Refused(f"there is no anchor key at {path}: a first anchor makes one, or let {ANCHOR_KEY} name it")
        require_private(path)
        raw = path.read_bytes()
    try:
        key = load_pem_private_key(raw, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise Refused(f"{path} is not an Ed25519 key in PEM: restore it from its copy")
    return key


class AnchorFile:
    """The file of anchors, and what it covers so far: remembered, so that only new lines are read.

    It grows for years, so only its end is read at first, from the marked line on, and of those before it what `look_back` needs. Whether all of them are true
    is for the audit to find.

    Attributes
    ----------
    last : the head of the last anchor; None = there is none.
    marked_head : the head of the anchor with the number `marked`, None as long as it was not read.
    covered : number of the last anchored link by writer, -1 = none is; of writers that were met or looked for.
    """

    def __init__(self, path: Path, marked: int = 0) -> None:
        self.path = path
        self.last: Head | None = None
        self.marked_head: Head | None = None
        self._marked = marked
        self.covered: dict[UUID, int] = {}
        self._offset = 0
        self._begun = 0

    def refresh(self) -> None:
        """Read the lines that are new; at first the last one.

        Raises
        ------
        AnchorsLost : the file is gone or was shortened since it was read.
        Refused : a line is no anchor.
        """
        with naming_folder(self.path, ANCHORS):
            if not self.path.exists():
                if self._offset:
                    raise AnchorsLost(f"{self.path} is gone: put it back, the next anchor follows its last line")
                return
            with self.path.open("rb") as file:
                self._read(file)

    def create(self) -> None:
        """Make the file, without anchors, unless it is there."""
        with naming_folder(self.path, ANCHORS):
            if not self.path.exists():
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self.path.open("ab").close()
                sync_folder(self.path.parent)

    @contextmanager
    def locked(self) -> Iterator[BinaryIO]:
        """The file open for appending, for this process alone, refreshed.

        Raises
        ------
        Conflict : another process appends now.
        AnchorsLost : the file was there, and is gone or was shortened.
        """
        if self._offset and not self.path.exists():
            raise AnchorsLost(f"{self.path} is gone: put it back, the next anchor follows its last line")
        with naming_folder(self.path, ANCHORS):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = self.path.open("a+b")
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(f"another process appends to {self.path}") from None
            self._read(file)
            yield file

    def look_back(self, spans: Sequence[Span]) -> None:
        """Find what the lines before those that were read cover of these writers.

        Raises
        ------
        Refused : a line on the way is no anchor.
        """
        unknown = {span.writer_id: span for span in spans if span.writer_id not in self.covered}
        if not self._begun:
            unknown = {}
        # Most writers ended long ago, and all that they wrote is anchored: one line tells so, often of many of them.
        for span in list(unknown.values()):
            if span.writer_id in unknown:
                anchor = find_anchor(self.path, span.writer_id, span.last, span.recorded_at)
                for one in () if anchor is None else anchor.details.writers:
                    if one.writer_id in unknown and one.last >= unknown[one.writer_id].last:
                        self.covered[one.writer_id] = one.last
                        del unknown[one.writer_id]
        if unknown:
            with naming_folder(self.path, ANCHORS), self.path.open("rb") as file:
                self._walk_back(file, unknown)

    def append(self, file: BinaryIO, links: Sequence[NewLink], at: datetime, key: Ed25519PrivateKey) -> Anchor:
        """Append the anchor over `links` (at least one, in order of writer and number); it is on disk when this returns."""
        anchor = compose_anchor(self.last, links, at, key)
        with naming_folder(self.path, ANCHORS):
            # Nobody else writes: what stands after the last whole line was torn by a crash.
            file.truncate(self._offset)
            file.write(encode_canonical(anchor) + b"\n")
            file.flush()
            os.fsync(file.fileno())
            if self.last is None:
                sync_folder(self.path.parent)
        self._read(file)
        return anchor

    def _read(self, file: BinaryIO) -> None:
        if os.fstat(file.fileno()).st_size < self._offset:
            raise AnchorsLost(f"{self.path} was shortened: restore it from its copy")
        if self.last is None:
            self._begun = self._offset = self._find_begin(file)
        file.seek(self._offset)
        for line in iterate_lines(file):
            anchor = self._decode(line, self._offset)
            for one in anchor.details.writers:
                self.covered[one.writer_id] = one.last
            self.last = anchor.head
            if anchor.head.number == self._marked:
                self.marked_head = anchor.head
            self._offset += len(line) + 1

    def _find_begin(self, file: BinaryIO) -> int:
        """Where reading begins: at the last line, or before it at the marked one."""
        start = find_last_line(file)
        while start > 0 and self._marked:
            file.seek(start)
            if self._decode(file.readline()[:-1], start).head.number <= self._marked:
                break
            start = find_end_before(file, start - 1) + 1
        return start

    def _walk_back(self, file: BinaryIO, unknown: dict[UUID, Span]) -> None:
        """Read back from what was read, as long as a line may be about one of these writers, which have links that none covers."""
        oldest = min(span.began_at for span in unknown.values()) - _SKEW
        end = self._begun
        while end > 0 and unknown:
            start = find_end_before(file, end - 1) + 1
            file.seek(start)
            anchor = self._decode(file.read(end - 1 - start), start)
            for one in anchor.details.writers:
                if unknown.pop(one.writer_id, None) is not None:
                    self.covered[one.writer_id] = one.last
            if anchor.head.at < oldest.isoformat(timespec="microseconds"):
                break
            end = start
        self.covered.update(dict.fromkeys(unknown, -1))

    def _decode(self, line: bytes, offset: int) -> Anchor:
        anchor = decode_anchor(line)
        if anchor is None:
            raise Refused(f"{self.path}: the line at byte {offset} is no anchor; run instant-credit audit verify")
        return anchor


def compose_anchor(last: Head | None, links: Sequence[NewLink], at: datetime, key: Ed25519PrivateKey) -> Anchor:
    """The signed anchor that follows `last` over `links`, in order of writer and number."""
    ranges: dict[UUID, Range] = {}
    for one in links:
        first = ranges[one.writer_id].first if one.writer_id in ranges else one.seq
        ranges[one.writer_id] = Range(writer_id=one.writer_id, first=first, last=one.seq, link=one.link.hex())
    prefixes = b"".join(one.link[:PREFIX_BYTES] for one in links)
    details = Details(writers=tuple(ranges.values()), prefixes=b64encode(prefixes).decode())
    head = Head(
        format=ANCHOR_FORMAT,
        number=1 if last is None else last.number + 1,
        at=at.isoformat(timespec="microseconds"),
        previous=FIRST_PREVIOUS if last is None else hash_head(last),
        root=anchored_root([one.link for one in links]).hex(),
        links=len(links),
        details=hash_details(details),
    )
    return Anchor(head=head, signature=key.sign(signed_bytes(head_of(head))).hex(), details=details)


def find_anchor(path: Path, writer_id: UUID, seq: int, recorded_at: datetime) -> Anchor | None:
    """The anchor that covers a link; None = none does yet.

    Parameters
    ----------
    recorded_at : when the link was recorded. Lines are in order of time, so those before it are skipped by halving the file.
    """
    with naming_folder(path, ANCHORS):
        if not path.exists():
            return None
        with path.open("rb") as file:
            file.seek(_find_offset(file, (recorded_at - _SKEW).isoformat(timespec="microseconds")))
            for line in iterate_lines(file):
                anchor = decode_anchor(line)
                if anchor is not None and _covers(anchor.details, writer_id, seq):
                    return anchor
    return None


def _find_offset(file: BinaryIO, since: str) -> int:
    """Where a line begins before which every anchor is older than `since`."""
    low, high = 0, os.fstat(file.fileno()).st_size
    while high - low > _CHUNK:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        start = file.tell()
        anchor = decode_anchor(file.readline().rstrip(b"\n")) if start < high else None
        if anchor is not None and anchor.head.at < since:
            low = start
        else:
            high = middle
    return low


def _covers(details: Details, writer_id: UUID, seq: int) -> bool:
    return any(one.writer_id == writer_id and one.first <= seq <= one.last for one in details.writers)
