"""Gathering: what a decision may look at beyond what was told, awaited before it is decided and frozen into the Case."""

from datetime import datetime, timedelta

from instant_credit.decision.release import Release
from instant_credit.policy.guards import PRIORS_MAX, History, Prior
from instant_credit.policy.verdict import Outcome
from instant_credit.record.grouping import Grouping
from instant_credit.record.histories import HistoryAsked, HistoryRows, read_histories
from instant_credit.record.pool import Record


class Gathering:
    """Reads histories; those that are asked for at once are read together, by one statement."""

    def __init__(self, record: Record) -> None:
        self._grouping = Grouping[HistoryAsked, HistoryRows](
            lambda asked: read_histories(record, asked, most=PRIORS_MAX), record.clock
        )

    async def drain(self) -> None:
        """Return when nothing is being read."""
        await self._grouping.drain()

    async def gather_history(
        self, release: Release, person_id: bytes, *, book: str, now: datetime, until_ns: int
    ) -> tuple[History, int] | None:
        """The person's earlier applications within the window of the release's guards, and the number that this one then takes.

        Parameters
        ----------
        until_ns : instant of the clock's monotonic time after which nobody waits for it any more.

        Returns
        -------
        None when the release's policy has no guards: then nothing is asked for, and the application is not numbered.
        """
        days = release.policy.history_days
        if days is None:
            return None
        since = datetime.combine(now.date() - timedelta(days=days), datetime.min.time(), tzinfo=now.tzinfo)
        asked = HistoryAsked(person_id=person_id, book=book, since=since)
        rows = await self._grouping.submit(asked, until_ns=until_ns)
        priors = tuple(
            Prior(
                days_before=max((now.date() - row.recorded_at.date()).days, 0),
                outcome=Outcome(row.outcome),
                is_accepted=row.is_accepted,
            )
            for row in rows.priors
        )
        return History(priors=priors), rows.next_number
