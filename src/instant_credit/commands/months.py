"""Months made ahead while a server serves: at its start, then once a day. A server that runs for months is the only one who could."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Final

import structlog

from instant_credit.errors import Unavailable

DAY_SECONDS: Final = 86_400.0
HOUR_SECONDS: Final = 3_600.0


@contextlib.asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` for as long as the block runs."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def keep_months_ahead(make: Callable[[], Awaitable[int]]) -> None:
    """Have months made for ever; what could not be made is logged, and tried again after an hour.

    Parameters
    ----------
    make : makes the next months, and says how many are missing still.
    """
    log = structlog.get_logger("instant_credit.record")
    while True:
        is_made = False
        try:
            missing = await make()
            is_made = missing == 0
            if not is_made:
                log.warning("months_not_made", missing=missing)
        except Unavailable as trouble:
            log.warning("months_not_made", error=type(trouble).__name__)
        except Exception:
            log.exception("months_not_made")
        await asyncio.sleep(DAY_SECONDS if is_made else HOUR_SECONDS)
