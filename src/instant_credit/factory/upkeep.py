"""Jobs of upkeep: the hash chain checked, partitions made ahead. Edge."""

from typing import Final

from msgspec import Struct

from instant_credit.errors import Refused, Unavailable
from instant_credit.factory.jobs import JobContext
from instant_credit.record.anchors import read_anchor_key
from instant_credit.record.audit import audit_record
from instant_credit.record.partitions import make_months_ahead
from instant_credit.record.queue_log import forget_old_log
from instant_credit.record.queue_steps import form_of

LOG_DAYS: Final = 30
"""For so long the log of the queue's library is kept."""


class Audited(Struct, frozen=True, kw_only=True):
    """What an audit read, and how many findings it made."""

    rows: int
    links: int
    anchors: int
    found: int


class Made(Struct, frozen=True, kw_only=True):
    """That months were made ahead."""

    missing: int


_AUDITED: Final = form_of(Audited)
_MADE: Final = form_of(Made)


async def audit(context: JobContext, _: bytes) -> str:
    """Check the record against its hash chain and this machine's anchors.

    Raises
    ------
    Refused : something was changed.
    """
    settings = context.settings

    async def check() -> Audited:
        key = read_anchor_key(settings.anchor_key_file).public_key().public_bytes_raw()
        report = await audit_record(
            context.record,
            settings.anchors_file,
            key,
            lambda done, total: context.tell("audit", done, max(done, total)),
        )
        return Audited(rows=report.rows, links=report.links, anchors=report.anchors, found=report.found)

    told = await context.steps.take_here("audit", check, _AUDITED)
    if told.found:
        raise Refused(f"the record is not what it was: {told.found} findings; run instant-credit audit verify")
    return f"read {told.rows} rows, {told.links} links and {told.anchors} anchors: all is what it was"


async def make_months(context: JobContext, _: bytes) -> str:
    """Make the partitions of this month and the three after it, and throw away what the queue's library logged of old.

    Raises
    ------
    Unavailable : others held a lock; it is tried again.
    """

    async def make() -> Made:
        missing = await make_months_ahead(context.record)
        if missing:
            raise Unavailable(f"{missing} months could not be made: others hold a lock")
        return Made(missing=missing)

    await context.steps.take_here("months", make, _MADE)
    await forget_old_log(context.record, LOG_DAYS)
    return "this month's partitions and those of the three after it are there"
