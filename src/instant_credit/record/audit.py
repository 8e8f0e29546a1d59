"""Edge. The audit: whether every row, link and anchor is what it was, and which is the first link that is not.

    anchors' file ─► each anchor signed, after its former one ─► its links there, in order, each over its leaves ─► root signed
    tables ─► every row's leaf, counted off against the links' leaves ─► nothing changed, removed or inserted
    data keys, which leave no leaf ─► each that sealed a row is there, or an erasure names it

The law: only the anchors' file and the public key are trusted. Memory is bounded: leaves of links and leaves of rows are compared by sums of
keyed hashes in `_PARTS` parts, under a key drawn for this run, so nobody can choose rows whose sums agree; only parts that differ are compared one
by one. All is read at one instant, so a server may go on writing.

Source: Clarke et al. (2003), incremental multiset hash functions; ADR 0014.
"""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from instant_credit.record.anchors import (
    FIRST_PREVIOUS,
    Anchor,
    Range,
    anchored_root,
    decode_anchor,
    hash_head,
    is_true,
)
from instant_credit.record.chain import compose_link, split_leaves
from instant_credit.record.home import naming_folder
from instant_credit.record.reading import Readable
from instant_credit.record.scanning import at_one_instant, name_row, scan_leaves, stream_rows
from instant_credit.record.shipped import read_sql
from instant_credit.record.tail import iterate_lines
from instant_credit.settings import ANCHORS
from instant_credit.verify_receipt import begin_chain

FINDINGS_MAX: Final = 20

_PARTS: Final = 4_096
_SUSPECTS_MAX: Final = 500_000
_KEY_BYTES: Final = 32
_SUM_BYTES: Final = 16
_LATEST: Final = (1 << 63) - 1
# A link over an import has a megabyte of leaves.
_LINKS_AT_ONCE: Final = 32


class Finding(Struct, frozen=True, kw_only=True):
    """What is not as it was.

    Attributes
    ----------
    anchor : number of the anchor that covers it; None = newer than the last one, or no link's.
    writer_id, seq : the link; None = a row that no link names, or an anchor itself.
    what : one sentence.
    """

    anchor: int | None = None
    writer_id: UUID | None = None
    seq: int | None = None
    what: str

    def place(self) -> tuple[bool, int, bool, bytes, int]:
        """By which findings are ordered: anchors in order, links by writer and number; rows of no link last."""
        return (
            self.writer_id is None and self.anchor is None,
            _LATEST if self.anchor is None else self.anchor,
            self.writer_id is not None,
            b"" if self.writer_id is None else self.writer_id.bytes,
            -1 if self.seq is None else self.seq,
        )


class AuditReport(Struct, frozen=True, kw_only=True):
    """What an audit read and found.

    Attributes
    ----------
    anchors, links, rows : how many there are; `last_at` is when the last anchor was signed.
    newer_links, newer_rows : those that no anchor covers yet: a superuser could change them unseen.
    findings : the first `FINDINGS_MAX` in order; `found` counts them all. Empty = all is what it was.
    """

    anchors: int
    last_at: str | None
    links: int
    rows: int
    newer_links: int
    newer_rows: int
    found: int
    findings: tuple[Finding, ...]


async def audit_record(
    record: Readable, anchors: Path, public_key: bytes, observe: Callable[[int, int], None] = lambda _done, _of: None
) -> AuditReport:
    """Check the whole record against its chain, and the chain against its anchors.

    Parameters
    ----------
    record : open for reading.
    anchors : their file; one that is missing holds none.
    public_key : 32 bytes, of the key that signs them.
    observe : called with how many leaves and rows were read, and of how many.

    Raises
    ------
    Unavailable : the database does not answer.
    """
    async with at_one_instant(record.connection) as connection:
        counted = await connection.fetchrow(read_sql("count_links"))
        walk = _Walk(connection, anchors, public_key)
        balance = _Balance(record.entropy(_KEY_BYTES))
        done, total = 0, 2 * counted["leaves"]
        async for _, leaves in walk.iterate_links():
            for leaf in leaves:
                balance.add(leaf, 1)
            done += len(leaves)
            observe(done, total)
        walk.count_all(counted["links"])
        rows_read = 0
        async for rows in scan_leaves(connection):
            for _, _, leaf in rows:
                balance.add(leaf, -1)
            rows_read += len(rows)
            observe(done + rows_read, total)
        for parts in balance.differing():
            await _compare(connection, _Walk(connection, anchors, public_key), parts, walk.findings)
        await _look_beside(connection, walk.findings)
    return AuditReport(
        anchors=walk.anchors,
        last_at=walk.last_at,
        links=walk.links,
        rows=rows_read,
        newer_links=walk.newer_links,
        newer_rows=walk.newer_leaves,
        found=walk.findings.count,
        findings=walk.findings.first(),
    )


class _Findings:
    """The first findings in order, and how many there were."""

    def __init__(self) -> None:
        self.count = 0
        self._kept: list[Finding] = []

    def add(self, finding: Finding) -> None:
        self.count += 1
        self._kept = sorted([*self._kept, finding], key=Finding.place)[:FINDINGS_MAX]

    def first(self) -> tuple[Finding, ...]:
        return tuple(self._kept)


class _Walk:
    """Every link of the chain in order of its anchors, checked on the way."""

    def __init__(self, connection: Any, anchors: Path, public_key: bytes) -> None:
        self._connection = connection
        self._path = anchors
        self._public_key = public_key
        # Number and hash of each writer's last link so far; a hash that is not known is None.
        self._at: dict[UUID, tuple[int, bytes | None]] = {}
        self.findings = _Findings()
        self.anchors = self.links = self.newer_links = self.newer_leaves = 0
        self.last_at: str | None = None

    async def iterate_links(self) -> AsyncIterator[tuple[Finding, list[bytes]]]:
        """Each link as a finding without words, which names it, and its leaves."""
        for anchor in self._read_anchors():
            signed: list[bytes] = []
            found_before = self.findings.count
            async for link, leaves in self._iterate_ranges(anchor.head.number, anchor.details.writers, signed):
                yield link, leaves
            self._compare_with_anchor(anchor, signed, found_before)
        rows = await self._connection.fetch(read_sql("list_writers"))
        ranges = [
            Range(writer_id=writer, first=self._next_of(writer), last=row["seq"], link="")
            for row in rows
            if row["seq"] >= self._next_of(writer := UUID(int=row["writer_id"].int))
        ]
        ranges.sort(key=lambda one: one.writer_id)
        async for link, leaves in self._iterate_ranges(None, ranges, []):
            self.newer_links += 1
            self.newer_leaves += len(leaves)
            yield link, leaves

    def count_all(self, links: int) -> None:
        """Compare how many links there are with how many were walked."""
        if links != self.links:
            self.findings.add(Finding(what=f"{links} links are stored and {self.links} are in the chains"))

    def _next_of(self, writer_id: UUID) -> int:
        return self._at[writer_id][0] + 1 if writer_id in self._at else 0

    def _read_anchors(self) -> Iterator[Anchor]:
        """Anchors up to the first that is false by itself or does not follow its former one."""
        previous = FIRST_PREVIOUS
        with naming_folder(self._path, ANCHORS):
            if not self._path.exists():
                return
            with self._path.open("rb") as file:
                for number, line in enumerate(iterate_lines(file), start=1):
                    anchor = decode_anchor(line)
                    wrong = "the line is no anchor" if anchor is None else self._name_fault(anchor, number, previous)
                    if anchor is None or wrong is not None:
                        self.findings.add(
                            Finding(anchor=number, what=f"{wrong}; it and what follows it count for nothing")
                        )
                        return
                    previous = hash_head(anchor.head)
                    self.anchors += 1
                    self.last_at = anchor.head.at
                    yield anchor

    def _name_fault(self, anchor: Anchor, number: int, previous: str) -> str | None:
        if anchor.head.number != number:
            return f"the line holds anchor {anchor.head.number}"
        if anchor.head.previous != previous:
            return "it does not follow the anchor before it"
        return None if is_true(anchor, self._public_key) else "it is not signed by this key"

    async def _iterate_ranges(
        self, anchor: int | None, ranges: Any, signed: list[bytes]
    ) -> AsyncIterator[tuple[Finding, list[bytes]]]:
        """The links that `ranges` promise; their hashes are appended to `signed`, nothing for one that is missing."""
        promised = ((one.writer_id, seq) for one in ranges for seq in range(one.first, one.last + 1))
        arguments = (
            [one.writer_id for one in ranges],
            [one.first for one in ranges],
            [one.last for one in ranges],
        )
        for one in ranges:
            if one.first != self._next_of(one.writer_id):
                self._miss(anchor, one.writer_id, self._next_of(one.writer_id), one.first - 1)
        async for rows in stream_rows(self._connection, "list_links", *arguments, at_once=_LINKS_AT_ONCE):
            for row in rows:
                writer, seq = UUID(int=row["writer_id"].int), row["seq"]
                for wanted in promised:
                    if wanted == (writer, seq):
                        break
                    self._miss(anchor, *wanted, wanted[1])
                    signed.append(b"")
                leaves = split_leaves(row["leaves"])
                self._check_link(anchor, writer, row, leaves)
                signed.append(row["link"])
                self.links += 1
                yield Finding(anchor=anchor, writer_id=writer, seq=seq, what=""), leaves
        for wanted in promised:
            self._miss(anchor, *wanted, wanted[1])
            signed.append(b"")

    def _miss(self, anchor: int | None, writer_id: UUID, seq: int, last: int) -> None:
        what = "the link is missing" if seq == last else f"the links up to {last} are missing"
        self.findings.add(Finding(anchor=anchor, writer_id=writer_id, seq=seq, what=what))
        self._at[writer_id] = (last, None)

    def _check_link(self, anchor: int | None, writer: UUID, row: Any, leaves: list[bytes]) -> None:
        _, previous = self._at.get(writer, (-1, begin_chain(writer.bytes)))
        seq = row["seq"]
        if previous is not None:
            expected = compose_link(writer, seq, previous, leaves, row["recorded_at"])
            if expected.link != row["link"]:
                what = "its leaves, its time, its hash or its place in the chain were changed"
                self.findings.add(Finding(anchor=anchor, writer_id=writer, seq=seq, what=what))
        self._at[writer] = (seq, row["link"])

    def _compare_with_anchor(self, anchor: Anchor, signed: list[bytes], found_before: int) -> None:
        """Compare the links with what was signed; the prefixes name the first that differs."""
        number = anchor.head.number
        places = [(one.writer_id, seq) for one in anchor.details.writers for seq in range(one.first, one.last + 1)]
        try:
            prefixes = anchor.prefixes()
        except ValueError:
            prefixes = []
        for place, (link, prefix) in enumerate(zip(signed, prefixes, strict=False)):
            if link and not link.startswith(prefix) and place < len(places):
                writer, seq = places[place]
                what = "it is not the link that was signed: the chain was written anew from here on"
                self.findings.add(Finding(anchor=number, writer_id=writer, seq=seq, what=what))
                break
        is_whole = len(signed) == anchor.head.links and all(signed)
        if self.findings.count == found_before and not (is_whole and anchored_root(signed).hex() == anchor.head.root):
            self.findings.add(Finding(anchor=number, what="its links are not those that were signed"))


class _Balance:
    """Sums of keyed hashes by part: leaves of links are added, leaves of rows subtracted."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._sums = [0] * _PARTS
        self._counts = [0] * _PARTS

    def add(self, leaf: bytes, times: int) -> None:
        part = part_of(leaf)
        keyed = hashlib.blake2b(leaf, digest_size=_SUM_BYTES, key=self._key).digest()
        self._sums[part] += times * int.from_bytes(keyed, "big")
        self._counts[part] += 1

    def differing(self) -> Iterator[frozenset[int]]:
        """Parts whose sums are not zero, in groups that fit into memory."""
        group: set[int] = set()
        size = 0
        for part in range(_PARTS):
            if self._sums[part]:
                group.add(part)
                size += self._counts[part]
                if size >= _SUSPECTS_MAX:
                    yield frozenset(group)
                    group, size = set(), 0
        if group:
            yield frozenset(group)


def part_of(leaf: bytes) -> int:
    """In which part a leaf is compared."""
    return int.from_bytes(leaf[:2], "big") % _PARTS


async def _look_beside(connection: Any, findings: _Findings) -> None:
    """Find what leaves no leaf and does not go with the rows that do: data keys, and the tables that keep Cases unique and numbered."""
    async for rows in stream_rows(connection, "scan_lost_keys"):
        for row in rows:
            what = f"data key {row['key_id']} is gone and no erasure names it: {row['sealed_rows']} rows can't be read"
            findings.add(Finding(what=what))
    async for rows in stream_rows(connection, "scan_strays"):
        for row in rows:
            findings.add(Finding(what=f"{row['stray_table']} {row['case_id']}: it does not go with its Case"))


async def _compare(connection: Any, walk: _Walk, parts: frozenset[int], findings: _Findings) -> None:
    """Name the links whose leaves have no row, and the rows that have no leaf, of some parts."""
    rows_of: Counter[bytes] = Counter()
    async for rows in scan_leaves(connection):
        rows_of.update(leaf for _, _, leaf in rows if part_of(leaf) in parts)
    async for link, leaves in walk.iterate_links():
        lost = 0
        for leaf in leaves:
            if part_of(leaf) in parts:
                lost += rows_of[leaf] <= 0
                rows_of[leaf] -= 1
        if lost:
            what = f"{lost} of its {len(leaves)} rows were changed or removed"
            findings.add(Finding(anchor=link.anchor, writer_id=link.writer_id, seq=link.seq, what=what))
    async for rows in scan_leaves(connection):
        for table, row, leaf in rows:
            if part_of(leaf) in parts and rows_of[leaf] > 0:
                rows_of[leaf] -= 1
                findings.add(Finding(what=f"{name_row(table, row)}: no link names this row as it is"))
