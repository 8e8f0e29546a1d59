"""Edge. Closing arms whose money is spent: the process that sees it takes nobody any more at once, and has the record say so beside the applications.

approval does not fit ─► this process draws the arm no more ─► event (who, why, when), once ─► every process draws it no more
"""

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Final

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature
from instant_credit.errors import InstantCreditError, Unavailable
from instant_credit.experiment.plan import GuardrailKind
from instant_credit.record.pool import Record
from instant_credit.underwriting.affording import SpentArm
from instant_credit.underwriting.experiment_life import ExperimentDesk
from instant_credit.underwriting.experiment_moves import ExperimentConflict

GUARDRAILS: Final = Signature(actor=Actor(kind=ActorKind.JOB, id="guardrails"))


class Closing:
    """Writes down which arms are closed.

    Parameters
    ----------
    report : called with every arm that was closed here, when it was; and with the trouble that kept that out of the record, if any.
    """

    def __init__(self, record: Record, report: Callable[[SpentArm, Exception | None], None] = lambda *_: None) -> None:
        self._desk = ExperimentDesk(record)
        self._report = report
        self._due: dict[tuple[int, str], SpentArm] = {}
        self._writing: asyncio.Task[None] | None = None

    def close(self, spent: SpentArm) -> None:
        """Have the record say that an arm is closed; returns at once."""
        self._due[spent.experiment, spent.arm] = spent
        self._report(spent, None)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), context=Context())

    async def refresh(self) -> None:
        """Write what could not be written before."""
        if self._due and self._writing is None:
            self._writing = asyncio.create_task(self._write(), context=Context())
        await self.drain()

    async def drain(self) -> None:
        """Return when nothing is being written."""
        if self._writing is not None:
            await asyncio.wait({self._writing})

    async def _write(self) -> None:
        try:
            while self._due:
                key, spent = next(iter(self._due.items()))
                try:
                    await self._desk.close_arm(
                        spent.experiment, spent.arm, GUARDRAILS, tell_spent(spent), GuardrailKind.LOSS_BUDGET
                    )
                except ExperimentConflict:
                    # It was stopped or concluded in the meantime, which closes every arm.
                    pass
                except Unavailable as trouble:
                    self._report(spent, trouble)
                    return
                except InstantCreditError as trouble:
                    self._report(spent, trouble)
                del self._due[key]
        finally:
            self._writing = None


def tell_spent(spent: SpentArm) -> str:
    """Why the arm is closed, for people."""
    return (
        f"an offer that may lose {spent.wanted_cents:,} cents did not fit into what is left of the arm's loss budget, "
        f"{spent.budget_cents:,} cents in all"
    )
