"""The judging job: gates look at a candidate, and their report is kept. It proposes nothing and activates nothing. Edge.

model, champion, thresholds (documents) + book as known on a day ─► judge (one step) ─► report (document), named by the job's end
"""

from typing import Final

from msgspec import Struct

from instant_credit.factory.jobs import JobContext, Left
from instant_credit.factory.requests import JudgeArguments, decode_arguments
from instant_credit.policy.document import Policy, decode_policy
from instant_credit.record.documents import get_document
from instant_credit.record.queue_steps import form_of
from instant_credit.training.gates.gathering import Wanted, judge_recorded
from instant_credit.training.gates.thresholds import decode_thresholds


class Filed(Struct, frozen=True, kw_only=True):
    """The report that a judgement left, and the gates that stop the candidate."""

    report_hash: str
    stopped_by: tuple[str, ...]


_FILED: Final = form_of(Filed)


async def judge(context: JobContext, raw: bytes) -> Left:
    """Judge a model as the arguments say, and keep the report.

    Raises
    ------
    Refused : the parts do not fit together, or nothing is left to judge; the message says why.
    """
    arguments = decode_arguments(raw, JudgeArguments)

    async def make() -> Filed:
        filed = await judge_recorded(
            context.record,
            Wanted(
                book=arguments.book,
                model_hash=arguments.model,
                champion_release=arguments.champion,
                policy=await _read_policy(context, arguments.policy),
                test_from=arguments.test_from,
                known_on=arguments.known_on,
            ),
            thresholds=decode_thresholds(await get_document(context.record, arguments.thresholds)),
            actor=context.actor,
            progress=context.tell,
        )
        return Filed(report_hash=filed.report_hash, stopped_by=tuple(gate.value for gate in filed.report.stopped_by))

    filed = await context.steps.take_here("judge", make, _FILED)
    against = "absolute floors" if arguments.champion is None else f"release {arguments.champion[:12]}"
    verdict = f"stopped by {', '.join(filed.stopped_by)}" if filed.stopped_by else "every gate lets it pass"
    words = f"judged model {arguments.model} against {against}: {verdict}; report {filed.report_hash}"
    return Left(words=words, document_hash=filed.report_hash)


async def _read_policy(context: JobContext, content_hash: str | None) -> Policy | None:
    return None if content_hash is None else decode_policy(await get_document(context.record, content_hash))
