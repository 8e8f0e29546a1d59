"""Edge. Appending anchors: what is new in the chain, signed and written outside the database.

A link whose statement was in doubt may show up after later ones of other writers; so what is new is asked of every writer by its number,
never by time.

The law: a file of anchors that is gone, or ends before the last anchor that was appended to it, is not gone on with and not begun anew, unless
whoever runs it says so: the anchors that are missing are what proves the record.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from instant_credit.errors import Refused
from instant_credit.record.anchors import (
    LINKS_MAX,
    AnchorFile,
    NewLink,
    Span,
    create_anchor_key,
    hash_head,
    read_anchor_key,
)
from instant_credit.record.marks import AnchorsLost, Mark, read_mark, write_mark
from instant_credit.record.pool import Record
from instant_credit.record.reading import Readable
from instant_credit.record.shipped import read_sql

NEW_FILE: Final = "instant-credit audit anchor --new-file"


async def open_anchorer(record: Record, anchors: Path, key: Path, *, is_new_file: bool = False) -> "Anchorer":
    """What appends anchors for one record.

    Parameters
    ----------
    record : whose links are anchored.
    anchors : the file of anchors; other processes on this machine may append to it too, one at a time. Made for a record without anchors.
    key : file of the key that signs; made when there is neither key nor anchor.
    is_new_file : begin a new file, though anchors were signed before; the former file is not at `anchors` any more.

    Raises
    ------
    AnchorsLost : anchors were appended to this file that it does not hold, or the key has signed for this record and there is no file.
    Refused : the key's file is missing though there are anchors, or is none; or there is a file in the place of the new one.
    Unavailable : the database does not answer.
    """
    # Before the file: what another process appends in between is in the file, and not in this mark.
    mark = read_mark(key, anchors)
    file = AnchorFile(anchors, 0 if mark is None else mark.number)
    file.refresh()
    if is_new_file:
        if file.last is not None:
            raise Refused(f"{anchors} holds anchors: move it to where they are kept, a new file takes its place")
        write_mark(key, anchors, None)
    elif (loss := _name_loss(file, mark, key, has_links=await _has_links(record))) is not None:
        raise AnchorsLost(
            f"{loss}. Put its copy back; or, when there is none, move away what is left and begin a new file: {NEW_FILE}"
        )
    if file.last is None:
        # The file comes first: a key without a file is what a lost file leaves.
        file.create()
        create_anchor_key(key, record.entropy)
    return Anchorer(record, file, key)


async def find_lost_anchors(record: Readable, anchors: Path, key: Path) -> str | None:
    """What is missing of the file of anchors, by its mark beside the key and by the key itself; None = nothing, as far as this machine knows.

    Raises
    ------
    Refused : the marks, or the end of the file, can't be read.
    Unavailable : the database does not answer.
    """
    mark = read_mark(key, anchors)
    file = AnchorFile(anchors, 0 if mark is None else mark.number)
    file.refresh()
    return _name_loss(file, mark, key, has_links=await _has_links(record))


class Anchorer:
    """Appends anchors for one record; made by `open_anchorer`."""

    def __init__(self, record: Record, file: AnchorFile, key: Path) -> None:
        self._record = record
        self._file = file
        self._key_file = key
        self._key: Final[Ed25519PrivateKey] = read_anchor_key(key)

    async def append(self, *, every: timedelta | None = None) -> int:
        """Anchor every link that no anchor covers by now; returns how many there were.

        What servers write meanwhile is left to the next anchor: who ran after it would never be done.

        Parameters
        ----------
        every : do nothing as long as the last anchor, whoever made it, is younger than this.

        Raises
        ------
        Conflict : another process does so now.
        Refused : the file of anchors is not what it was, or the chain lacks a link that follows an anchored one.
        Unavailable : the database does not answer.
        """
        anchored = 0
        with self._file.locked() as file:
            last = self._file.last
            now = self._record.clock.now()
            if every is not None and last is not None and now - datetime.fromisoformat(last.at) < every:
                return 0
            while links := await self._read_news():
                await _finish(asyncio.to_thread(self._append, file, links, now))
                anchored += len(links)
                if len(links) < LINKS_MAX:
                    break
        return anchored

    def _append(self, file: BinaryIO, links: list[NewLink], now: datetime) -> None:
        self._file.append(file, links, now, self._key)
        last = self._file.last
        assert last is not None
        write_mark(self._key_file, self._file.path, Mark(number=last.number, head=hash_head(last)))

    async def _read_news(self) -> list[NewLink]:
        """The next links to anchor, at most `LINKS_MAX`, in order of writer and number."""
        async with self._record.connection() as connection:
            rows = await connection.fetch(read_sql("list_writers"))
        spans = [
            Span(
                writer_id=_uuid(row["writer_id"]),
                last=row["seq"],
                began_at=row["began_at"],
                recorded_at=row["recorded_at"],
            )
            for row in rows
        ]
        await _finish(asyncio.to_thread(self._file.look_back, spans))
        news = _name_news(self._file.covered, {span.writer_id: span.last for span in spans})
        if not news:
            return []
        async with self._record.connection() as connection:
            found = await connection.fetch(
                read_sql("list_new_links"), [writer for writer, _ in news], [seq for _, seq in news], LINKS_MAX
            )
        links = [NewLink(writer_id=_uuid(row["writer_id"]), seq=row["seq"], link=row["link"]) for row in found]
        _check_gapless(links, dict(news))
        return links


async def _has_links(record: Readable) -> bool:
    async with record.connection() as connection:
        return bool(await connection.fetchval(read_sql("find_link")))


def _name_loss(file: AnchorFile, mark: Mark | None, key: Path, *, has_links: bool) -> str | None:
    """What is missing of the file, by its mark and by the key; None = nothing."""
    if not file.path.exists():
        if mark is None and not (has_links and key.exists()):
            return None
        return f"there is no file of anchors at {file.path}, though there is a key for it, {key}, and the record has a chain"
    if mark is None:
        return None
    number = 0 if file.last is None else file.last.number
    if number < mark.number:
        return f"{file.path} ends with anchor {number}, and anchor {mark.number} was appended to it"
    if file.marked_head is None or hash_head(file.marked_head) != mark.head:
        return f"{file.path} is not the file that anchor {mark.number} was appended to"
    return None


async def _finish(work: Coroutine[Any, Any, Any]) -> None:
    """Await `work` to its end, even when the caller gives up: the file stays open and locked until then."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def _check_gapless(links: list[NewLink], covered: dict[UUID, int]) -> None:
    for one in links:
        expected = covered[one.writer_id] + 1
        if one.seq != expected:
            raise Refused(f"the chain of writer {one.writer_id} lacks link {expected}: run instant-credit audit verify")
        covered[one.writer_id] = one.seq


def _uuid(value: Any) -> UUID:
    return UUID(int=value.int)


def _name_news(covered: Mapping[UUID, int], last_seqs: Mapping[UUID, int]) -> list[tuple[UUID, int]]:
    """Writer and number of its last anchored link (-1 = none), for those that have newer ones, in order of their ids."""
    return sorted(
        (writer, covered.get(writer, -1)) for writer, last in last_seqs.items() if last > covered.get(writer, -1)
    )
