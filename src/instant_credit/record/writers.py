"""Edge. Writers of the hash chain: each appends to a chain of its own, and has one user at a time.

The law: a writer that is lent again has seen every link that it composed committed, or refused by the database. Whatever leaves that open (an
error, a cut connection, a caller that gave up) drops the writer: its chain ends there, and the next user gets a new one. So nothing is recovered.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from instant_credit.errors import require
from instant_credit.record.chain import Link, compose_link
from instant_credit.record.clock import Entropy
from instant_credit.verify_receipt import begin_chain

_ID_BYTES: Final = 16


class Writer:
    """One chain: its id, the number of its next link and the hash of its last one."""

    def __init__(self, writer_id: UUID) -> None:
        self.id = writer_id
        self.seq = 0
        self._last = begin_chain(writer_id.bytes)
        self._composed: Link | None = None

    @property
    def is_settled(self) -> bool:
        """Whether every link that was composed is committed."""
        return self._composed is None

    async def append(
        self, connection: Any, statement: str, arguments: Iterable[Any], leaves: Sequence[bytes], recorded_at: datetime
    ) -> None:
        """Run a statement that writes rows and, by its last five parameters, the link over their leaves.

        Parameters
        ----------
        statement : its text.
        arguments : those before the link's.
        leaves : of all rows that it writes; at least one.
        """
        link = self.compose(leaves, recorded_at)
        await connection.execute(statement, *arguments, *link.arguments())
        self.settle()

    async def append_some(
        self, connection: Any, statement: str, arguments: Iterable[Any], leaves: Sequence[bytes], recorded_at: datetime
    ) -> Any:
        """Run a statement that writes its rows and their link together or not at all, and returns a row where it wrote; that row, or None.

        Parameters are those of `append`.
        """
        link = self.compose(leaves, recorded_at)
        row = await connection.fetchrow(statement, *arguments, *link.arguments())
        if row is None:
            self.withdraw()
        else:
            self.settle()
        return row

    def compose(self, leaves: Sequence[bytes], recorded_at: datetime) -> Link:
        """The next link over `leaves` (at least one), to be settled before another one is composed."""
        require(self.is_settled, "a writer composes one link at a time")
        self._composed = compose_link(self.id, self.seq, self._last, leaves, recorded_at)
        return self._composed

    def settle(self) -> None:
        """Say that the statement with the composed link was committed."""
        require(self._composed is not None, "a writer settles what it composed")
        assert self._composed is not None
        self.seq += 1
        self._last = self._composed.link
        self._composed = None

    def withdraw(self) -> None:
        """Say that the statement with the composed link was undone, because the database refused it."""
        self._composed = None


class Writers:
    """Lends writers, idle ones first."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._idle: list[Writer] = []

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Writer]:
        """A writer for this block alone; one that is not settled at the block's end, or whose block ends by an exception, is dropped."""
        writer = self._idle.pop() if self._idle else Writer(UUID(bytes=self._entropy(_ID_BYTES), version=4))
        yield writer
        if writer.is_settled:
            self._idle.append(writer)
