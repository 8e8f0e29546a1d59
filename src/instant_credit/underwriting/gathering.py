"""Gathering: what a decision may look at beyond what was told, awaited before it is decided and frozen into the Case."""

from datetime import datetime, timedelta

from instant_credit.decision.release import Release
from instant_credit.policy.guards import PRIORS_MAX, History, Prior
from instant_credit.policy.verdict import Outcome
from instant_credit.record.histories import read_history
from instant_credit.record.pool import Record


async def gather_history(
    record: Record, release: Release, person_id: bytes, *, book: str, now: datetime
) -> tuple[History, int] | None:
    """The person's earlier applications within the window of the release's guards, and the number that this one then takes.

    Returns
    -------
    None when the release's policy has no guards: then nothing is asked for, and the application is not numbered.
    """
    days = release.policy.history_days
    if days is None:
        return None
    since = datetime.combine(now.date() - timedelta(days=days), datetime.min.time(), tzinfo=now.tzinfo)
    rows = await read_history(record, person_id, book=book, since=since, most=PRIORS_MAX)
    priors = tuple(
        Prior(
            days_before=max((now.date() - row.recorded_at.date()).days, 0),
            outcome=Outcome(row.outcome),
            is_accepted=row.is_accepted,
        )
        for row in rows.priors
    )
    return History(priors=priors), rows.next_number
