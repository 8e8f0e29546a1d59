"""Edge. Appending anchors: what is new in the chain, signed and written outside the database.

A link whose statement was in doubt may show up after later ones of other writers; so what is new is asked of every writer by its number,
never by time.
"""

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from instant_credit.errors import Refused
from instant_credit.record.anchors import LINKS_MAX, AnchorFile, NewLink, create_anchor_key, name_news, read_anchor_key
from instant_credit.record.pool import Record
from instant_credit.record.shipped import read_sql


class Anchorer:
    """Appends anchors for one record.

    Parameters
    ----------
    record : whose links are anchored.
    anchors : the file of anchors; other processes on this machine may append to it too, one at a time.
    key : file of the key that signs; made when there is neither key nor anchor.

    Raises
    ------
    Refused : the key's file is missing though there are anchors, or is none.
    """

    def __init__(self, record: Record, anchors: Path, key: Path) -> None:
        self._record = record
        self._file = AnchorFile(anchors)
        self._file.refresh()
        if self._file.last is None:
            create_anchor_key(key, record.entropy)
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
                await _finish(asyncio.to_thread(self._file.append, file, links, now, self._key))
                anchored += len(links)
                if len(links) < LINKS_MAX:
                    break
        return anchored

    async def _read_news(self) -> list[NewLink]:
        """The next links to anchor, at most `LINKS_MAX`, in order of writer and number."""
        async with self._record.connection() as connection:
            rows = await connection.fetch(read_sql("list_writers"))
            news = name_news(self._file.covered, {_uuid(row["writer_id"]): row["seq"] for row in rows})
            if not news:
                return []
            found = await connection.fetch(
                read_sql("list_new_links"), [writer for writer, _ in news], [seq for _, seq in news], LINKS_MAX
            )
        links = [NewLink(writer_id=_uuid(row["writer_id"]), seq=row["seq"], link=row["link"]) for row in found]
        _check_gapless(links, dict(news))
        return links


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
