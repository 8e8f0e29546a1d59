"""Gathering: what a decision may look at beyond what was told, awaited before it is decided and frozen into the Case."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from instant_credit.decision.release import Release
from instant_credit.policy.guards import PRIORS_MAX, History, Prior
from instant_credit.policy.verdict import Outcome
from instant_credit.record.histories import HistoryAsked, HistoryRows, read_histories
from instant_credit.record.pool import Record
from instant_credit.underwriting.course import Submission


class Applicant(Protocol):
    """Whose history may be asked for, at which instant, by which release."""

    @property
    def submission(self) -> Submission:
        """Names the book."""
        ...

    @property
    def release(self) -> Release:
        """Its policy may have guards."""
        ...

    @property
    def person_id(self) -> bytes:
        """32 bytes."""
        ...

    @property
    def now(self) -> datetime:
        """When the application came."""
        ...


async def gather_histories(record: Record, applicants: Sequence[Applicant]) -> list[tuple[History, int] | None]:
    """For each, in order, the earlier applications within the window of its release's guards, and the number that it takes itself.

    All are read by one statement, in one snapshot. None where the release's policy has no guards: then nothing is asked for, and the
    application is not numbered.
    """
    asked = [_ask(applicant) for applicant in applicants]
    due = [one for one in asked if one is not None]
    rows = iter(await read_histories(record, due, most=PRIORS_MAX) if due else ())
    return [
        None if one is None else _tell(next(rows), applicant.now)
        for applicant, one in zip(applicants, asked, strict=True)
    ]


def _ask(applicant: Applicant) -> HistoryAsked | None:
    days = applicant.release.policy.history_days
    if days is None:
        return None
    now = applicant.now
    since = datetime.combine(now.date() - timedelta(days=days), datetime.min.time(), tzinfo=now.tzinfo)
    return HistoryAsked(person_id=applicant.person_id, book=applicant.submission.book, since=since)


def _tell(rows: HistoryRows, now: datetime) -> tuple[History, int]:
    priors = tuple(
        Prior(
            days_before=max((now.date() - row.recorded_at.date()).days, 0),
            outcome=Outcome(row.outcome),
            is_accepted=row.is_accepted,
        )
        for row in rows.priors
    )
    return History(priors=priors), rows.next_number
