"""The monitoring job: days are sketched, windows judged, and triggers that wait for what was found are looked at. Edge.

    decided Cases ─► sketch (one step) ─► windows judged by the rules (one step) ─► a look of every trigger that waits on this book

What `instant-credit monitor run` does, and with the same result however often the job is stopped.
"""

from typing import Final
from uuid import UUID

from msgspec import Struct

from instant_credit.factory.jobs import JobContext
from instant_credit.factory.requests import MonitorArguments, decode_arguments
from instant_credit.factory.triggers import ask_looks
from instant_credit.outcome.alerts import decode_rules
from instant_credit.record.documents import get_document
from instant_credit.record.queue_steps import form_of
from instant_credit.review.sketching import SketchRun, sketch_book
from instant_credit.review.windows import judge_book


class WindowsJudged(Struct, frozen=True, kw_only=True):
    """How many windows were judged, and how often an alert opened or closed with them."""

    windows: int
    events: int


_SKETCHED: Final = form_of(SketchRun)
_JUDGED: Final = form_of(WindowsJudged)


async def monitor(context: JobContext, raw: bytes) -> str:
    """Monitor a book as the arguments say.

    Raises
    ------
    Refused : the book is the one of tests, or the rules are none.
    """
    arguments = decode_arguments(raw, MonitorArguments)
    rules = decode_rules(await get_document(context.record, arguments.rules))

    async def sketch() -> SketchRun:
        return await sketch_book(
            context.record, arguments.book, context.actor, progress=lambda done: context.tell("sketch", done.days)
        )

    async def judge() -> WindowsJudged:
        windows = events = 0
        for one in await judge_book(
            context.record, arguments.book, rules, context.actor, lambda _: context.tell("judge", 1)
        ):
            windows, events = windows + 1, events + len(one.events)
        return WindowsJudged(windows=windows, events=events)

    sketched = await context.steps.take_here("sketch", sketch, _SKETCHED)
    judged = await context.steps.take_here("judge", judge, _JUDGED)
    looks = await ask_looks(context.record, arguments.book, UUID(context.actor.id), context.actor)
    told = f"sketched {sketched.days:,} days of {sketched.cases:,} Cases, judged {judged.windows:,} windows"
    without = f"; {len(sketched.without_reference)} releases have no reference" if sketched.without_reference else ""
    looked = f"; asked for a look of {', '.join(looks)}" if looks else ""
    return f"{told}, {judged.events:,} alerts opened or closed{without}{looked}"
