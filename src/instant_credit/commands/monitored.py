"""What monitoring found, shown among a server's metrics while it serves: the last window of each product, out of the record."""

import asyncio
from typing import Final

import structlog

from instant_credit.api.metrics import Metrics
from instant_credit.errors import Unavailable
from instant_credit.record.pool import Record
from instant_credit.record.sketches import list_latest_windows
from instant_credit.review.windows import decode_report
from instant_credit.underwriting.course import BOOK

REFRESH_SECONDS: Final = 60.0
"""A window lasts days: a look a minute costs one small statement."""


async def show_monitored(record: Record, metrics: Metrics) -> None:
    """Show the last window of every product once.

    Raises
    ------
    Unavailable : the database did not answer.
    """
    metrics.show_monitored([decode_report(row.report) for row in await list_latest_windows(record, BOOK)])


async def keep_monitored(record: Record, metrics: Metrics) -> None:
    """Show it for ever; what could not be read is logged, and the former figures stay."""
    log = structlog.get_logger("instant_credit.monitoring")
    while True:
        try:
            await show_monitored(record, metrics)
        except Unavailable as trouble:
            log.warning("monitoring_not_read", error=type(trouble).__name__)
        except Exception:
            log.exception("monitoring_not_read")
        await asyncio.sleep(REFRESH_SECONDS)
