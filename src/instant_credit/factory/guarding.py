"""The job that looks whether an arm of an experiment does harm, and closes those that do. Edge."""

from typing import Final

import structlog
from msgspec import Struct

from instant_credit.factory.jobs import JobContext
from instant_credit.record.queue_steps import form_of
from instant_credit.underwriting.experiment_guarding import guard_experiments


class Watched(Struct, frozen=True, kw_only=True):
    """How many guardrails of open arms were judged, in how many experiments, and the arms that were closed, as `experiment arm`."""

    findings: int
    experiments: int
    closed: tuple[str, ...]


_WATCHED: Final = form_of(Watched)
# What came of a job is told in at most so many arms.
_TOLD_MAX: Final = 5


async def guard(context: JobContext, _: bytes) -> str:
    """Judge the guardrails of every running experiment, and close the arms that breach one."""

    async def watch() -> Watched:
        log = structlog.get_logger("instant_credit.experiments")
        told = await guard_experiments(context.record)
        closed = [one for one in told if one.is_closed]
        for one in closed:
            finding = one.finding
            log.warning("arm_closed", experiment=one.experiment, arm=finding.arm, guardrail=finding.guardrail.value)
        return Watched(
            findings=len(told),
            experiments=len({one.experiment for one in told}),
            closed=tuple(f"{one.experiment} {one.finding.arm}" for one in closed),
        )

    found = await context.steps.take_here("guard", watch, _WATCHED)
    judged = f"judged {found.findings} guardrails of arms in {found.experiments} experiments"
    if not found.closed:
        return f"{judged}: no arm is closed"
    more = f" and {len(found.closed) - _TOLD_MAX} more" if len(found.closed) > _TOLD_MAX else ""
    return f"{judged}, and closed {', '.join(found.closed[:_TOLD_MAX])}{more}"
