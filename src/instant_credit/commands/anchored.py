"""Appending anchors while a server serves, and once more at its end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import structlog

from instant_credit.errors import Conflict, Refused, Unavailable
from instant_credit.record.anchoring import Anchorer
from instant_credit.record.pool import Record
from instant_credit.settings import Settings


@contextlib.asynccontextmanager
async def kept_anchored(record: Record, settings: Settings) -> AsyncIterator[None]:
    """Anchor what is new every `settings.anchor_seconds` until the block ends, and then once more; 0 = never.

    Several servers may do so with one file: whoever comes while the last anchor is young, or is being appended, leaves it at that.

    Raises
    ------
    Refused : the file of anchors or its key is not what it should be.
    """
    if not settings.anchor_seconds:
        yield
        return
    anchorer = Anchorer(record, settings.anchors_file, settings.anchor_key_file)
    every = timedelta(seconds=settings.anchor_seconds)

    async def go_on() -> None:
        while True:
            await asyncio.sleep(settings.anchor_seconds)
            await _append(anchorer, every)

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await _append(anchorer, None)


async def _append(anchorer: Anchorer, every: timedelta | None) -> None:
    """Anchor, or say in the log why not: serving goes on either way."""
    log = structlog.get_logger("instant_credit.record")
    try:
        await anchorer.append(every=every)
    except Conflict:
        return
    except Unavailable as trouble:
        log.warning("not_anchored", error=type(trouble).__name__)
    except Refused as refusal:
        log.error("not_anchored", error=type(refusal).__name__, detail=str(refusal))  # noqa: TRY400 frames say nothing here
    except Exception:
        log.exception("not_anchored")
