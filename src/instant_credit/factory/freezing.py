"""The freezing job: the days of experiments that are over are measured and written down. Edge.

What `instant-credit experiment freeze` does, and with the same result however often the job is stopped.
"""

from typing import Final

from instant_credit.factory.jobs import JobContext
from instant_credit.record.queue_steps import form_of
from instant_credit.review.freezing import FreezeRun, freeze_experiments

_FROZEN: Final = form_of(FreezeRun)


async def freeze(context: JobContext, _: bytes) -> str:
    """Freeze what is due of all experiments without a verdict, until the last day that is over."""

    async def work() -> FreezeRun:
        return await freeze_experiments(
            context.record, context.actor, progress=lambda done, due: context.tell("freeze", done, due)
        )

    run = await context.steps.take_here("freeze", work, _FROZEN)
    return f"froze {run.days:,} days of {run.experiments:,} experiments, until {run.until}"
