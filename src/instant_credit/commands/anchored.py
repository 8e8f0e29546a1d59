"""Appending anchors while a server serves, and once more at its end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import structlog

from instant_credit.errors import Conflict, Refused, Unavailable
from instant_credit.record.anchoring import Anchorer, open_anchorer
from instant_credit.record.marks import AnchorsLost
from instant_credit.record.pool import Record
from instant_credit.settings import Settings


@contextlib.asynccontextmanager
async def kept_anchored(
    record: Record, settings: Settings, observe: Callable[[int], None] = lambda _: None
) -> AsyncIterator[None]:
    """Anchor what is new every `settings.anchor_seconds` until the block ends, and then once more; 0 = never.

    Several servers may do so with one file: whoever comes while the last anchor is young, or is being appended, leaves it at that. Anchors that
    are lost end nothing: it is logged, at once and at each interval, until the file is back or another one was begun.

    Parameters
    ----------
    observe : called after each try with 1 when what is new could not be anchored for a reason that stays, else 0.

    Raises
    ------
    Refused : the file of anchors or its key is not what it should be.
    """
    if not settings.anchor_seconds:
        yield
        return
    keeper = _Keeper(record, settings, observe)
    await keeper.begin()
    every = timedelta(seconds=settings.anchor_seconds)

    async def go_on() -> None:
        while True:
            await asyncio.sleep(settings.anchor_seconds)
            await keeper.append(every)

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await keeper.append(None)


class _Keeper:
    """Anchors, or says in the log why not: serving goes on either way."""

    def __init__(self, record: Record, settings: Settings, observe: Callable[[int], None]) -> None:
        self._record = record
        self._settings = settings
        self._observe = observe
        self._anchorer: Anchorer | None = None
        self._log = structlog.get_logger("instant_credit.record")

    async def begin(self) -> None:
        """Look at the file and the key; only lost anchors are no reason not to serve."""
        try:
            self._anchorer = await self._open()
        except AnchorsLost as loss:
            self._refuse(loss)
        except Unavailable as trouble:
            self._log.warning("not_anchored", error=type(trouble).__name__)

    async def append(self, every: timedelta | None) -> None:
        """Anchor what is new. A file that was refused is looked at from its beginning the next time: it may have been put back."""
        try:
            if self._anchorer is None:
                self._anchorer = await self._open()
            await self._anchorer.append(every=every)
        except Conflict:
            return
        except Unavailable as trouble:
            self._log.warning("not_anchored", error=type(trouble).__name__)
        except Refused as refusal:
            self._refuse(refusal)
        except Exception:
            self._log.exception("not_anchored")
            self._observe(1)
        else:
            self._observe(0)

    def _refuse(self, refusal: Refused) -> None:
        self._anchorer = None
        self._log.error("not_anchored", error=type(refusal).__name__, detail=str(refusal))
        self._observe(1)

    async def _open(self) -> Anchorer:
        return await open_anchorer(self._record, self._settings.anchors_file, self._settings.anchor_key_file)
