"""Intake of outcomes: lines in, events and a quarantine out.

    line ─► read (outcome.inbound, outcome.metro2) ─► its loan, with its history ─► possible? (outcome.sequence) ─► recorded | recorded before | quarantine

The law: nothing is lost and nothing is done by halves. The events of a chunk are recorded in one statement and what was not taken goes into quarantine in
another; a chunk that is sent again is known again, line by line. An event is judged on what is recorded by then and on what came before it in its chunk.
"""

import asyncio
from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.errors import Unavailable
from instant_credit.outcome.events import EventKind, RepaymentEvent
from instant_credit.outcome.inbound import Telling
from instant_credit.outcome.sequence import Fault, LoanHistory, last_day
from instant_credit.record.outcomes import JudgedEvent, StoredLoan, add_judged_events, find_accounts, read_loans
from instant_credit.record.pool import Record
from instant_credit.record.quarantine import Origin, RefusedLine, quarantine_lines
from instant_credit.underwriting.course import TEST_BOOK
from instant_credit.underwriting.taken import OutcomesTaken, TakenLine

EVENTS_HELD: Final = 1_000_000
"""Events that an intake remembers of the loans that it saw last, about 400 bytes each."""

_ROUNDS_MAX: Final = 16

_UNKNOWN_APPLICATION: Final = Fault(
    code="UNKNOWN_APPLICATION",
    message="application_id names no application: correct it, or record the application first",
)
_UNKNOWN_ACCOUNT: Final = Fault(
    code="UNKNOWN_ACCOUNT",
    message="the book has no loan of this number: correct book and account, or import the loan first",
)
_AMBIGUOUS_ACCOUNT: Final = Fault(
    code="AMBIGUOUS_ACCOUNT", message="several loans of the book have this number: name the loan by its application_id"
)
_EVENT_ID_TAKEN: Final = Fault(
    code="EVENT_ID_TAKEN", message="event_id names another event of this loan: use a new one, or send a correction"
)


class Line(Struct, frozen=True, kw_only=True, gc=False):
    """A line as it came, its number from 1, and what it tells or why it can't be read; `kept` is what a quarantine keeps of it, None = all."""

    number: int
    raw: bytes
    told: Telling | Fault
    kept: bytes | None = None


class _Loan:
    """A loan's history and the number of its last event."""

    __slots__ = ("case_id", "history", "is_test", "number")

    def __init__(self, case_id: UUID, stored: StoredLoan) -> None:
        self.case_id = case_id
        self.is_test = stored.book == TEST_BOOK
        self.number = stored.number
        self.history = LoanHistory(stored.as_of, stored.events)


class _Judged(Struct, kw_only=True):
    """A chunk after judging: when, what is to be recorded, what is refused, how many lines were recorded before."""

    at: datetime
    fresh: list[JudgedEvent] = []
    refused: list[RefusedLine] = []
    recorded: int = 0
    before: int = 0


class _Begun(Struct, kw_only=True):
    """A chunk that is being recorded; `writing` tells whether it was, None = there was nothing to write."""

    lines: Sequence[Line]
    judged: _Judged
    writing: asyncio.Task[bool] | None


class Intake:
    """Takes lines of one origin, chunk by chunk.

    Parameters
    ----------
    record : the open system of record; its clock says what day it is.
    origin : where the lines come from. Lines with a key for tests tell of tests alone, all others of none.
    actor : who sends them.
    events_held : how many events of loans are remembered from one chunk to the next. What others record meanwhile is noticed.
    """

    def __init__(self, record: Record, origin: Origin, actor: Actor, *, events_held: int = 0) -> None:
        self._record = record
        self._origin = origin
        self._actor = actor
        self._events_held = events_held
        # By the ids' numbers, the loans of the latest chunk last.
        self._loans: dict[int, _Loan] = {}
        self._accounts: dict[tuple[str, str], list[UUID]] = {}
        self._held = 0
        self._begun: _Begun | None = None

    async def take(self, lines: Sequence[Line]) -> OutcomesTaken:
        """Record what can be recorded, and put the rest into quarantine.

        Raises
        ------
        Unavailable : the record did not answer; some of the lines may be recorded, and the same lines may be sent again.
        """
        judged = await self._record_events(lines)
        taken = await self._end(judged)
        self._forget_oldest(frozenset())
        return taken

    async def begin(self, lines: Sequence[Line]) -> OutcomesTaken | None:
        """Judge a chunk while the one before it is recorded, then begin to record it; what became of the one before, None = there was none.

        `end` takes the last one, and `stop` whatever may be under way still.

        Raises
        ------
        Unavailable : as `take`, of these lines or of those before them.
        """
        judged = await self._judge_lines(lines)
        former = self._begun
        if former is not None and not await self._settle(former):
            former.judged = await self._record_events(former.lines)
            judged = await self._judge_lines(lines)
        self._forget_oldest({case_id.int for case_id, _, _ in judged.fresh})
        writing = asyncio.create_task(self._write(judged)) if judged.fresh else None
        self._begun = _Begun(lines=lines, judged=judged, writing=writing)
        return None if former is None else await self._end(former.judged)

    async def end(self) -> OutcomesTaken | None:
        """Wait until what was begun is recorded; what became of it, None = nothing was begun.

        Raises
        ------
        Unavailable : as `take`.
        """
        former = self._begun
        if former is None:
            return None
        if not await self._settle(former):
            former.judged = await self._record_events(former.lines)
        return await self._end(former.judged)

    async def stop(self) -> None:
        """Give up what is under way; what was recorded of it is found when the same lines come again."""
        if self._begun is not None and self._begun.writing is not None:
            self._begun.writing.cancel()
            await asyncio.wait({self._begun.writing})
        self._begun = None

    async def _settle(self, begun: _Begun) -> bool:
        """Whether what was begun is recorded now; where it is not, or that is in doubt, nothing is remembered that was judged on it."""
        is_written, self._begun = False, None
        try:
            is_written = begun.writing is None or await begun.writing
        finally:
            if not is_written:
                self._loans.clear()
                self._held = 0
        return is_written

    async def _end(self, judged: _Judged) -> OutcomesTaken:
        """Put into quarantine what was refused."""
        ids: list[UUID] = []
        if judged.refused:
            ids = await quarantine_lines(self._record, judged.refused, self._origin, self._actor)
        return OutcomesTaken(
            recorded=judged.recorded,
            recorded_before=judged.before,
            quarantined=tuple(
                TakenLine(line=line.line, quarantine_id=quarantine_id, code=line.code, message=line.message)
                for line, quarantine_id in zip(judged.refused, ids, strict=True)
            ),
        )

    async def _record_events(self, lines: Sequence[Line]) -> _Judged:
        """Judge the lines and record the events, again where somebody else was faster."""
        for _ in range(_ROUNDS_MAX):
            judged = await self._judge_lines(lines)
            if not judged.fresh:
                return judged
            is_written = False
            try:
                is_written = await self._write(judged)
            finally:
                if not is_written:
                    self._forget({case_id.int for case_id, _, _ in judged.fresh})
            if is_written:
                return judged
        raise Unavailable("others record events of the same loans just now: send the lines again")

    async def _write(self, judged: _Judged) -> bool:
        return await add_judged_events(self._record, judged.fresh, self._actor, judged.at)

    async def _judge_lines(self, lines: Sequence[Line]) -> _Judged:
        named = await self._look_up(lines)
        return self._judge(lines, named, self._record.clock.now())

    async def _look_up(self, lines: Sequence[Line]) -> list[_Loan | Fault]:
        """The loan of each line, or why there is none; what is not remembered is read."""
        # A Struct's isinstance asks its metaclass, at seven times the price.
        accounts = {
            told.account
            for line in lines
            if type(told := line.told) is not Fault and told.account is not None and told.account not in self._accounts
        }
        if accounts:
            self._accounts.update(await find_accounts(self._record, accounts))
        named = [self._name_case(line.told) for line in lines]
        wanted = {one.int: one for one in named if type(one) is not Fault}
        unknown = [case_id for number, case_id in wanted.items() if number not in self._loans]
        if unknown:
            for case_id, stored in (await read_loans(self._record, unknown)).items():
                self._loans[case_id.int] = _Loan(wanted[case_id.int], stored)
                self._held += len(stored.events)
        for number in wanted:
            if (loan := self._loans.pop(number, None)) is not None:
                self._loans[number] = loan
        return [one if type(one) is Fault else self._find_loan(one.int) for one in named]

    def _name_case(self, told: Telling | Fault) -> UUID | Fault:
        """The id of the loan's Case, or why there is none."""
        if type(told) is Fault:
            return told
        if told.account is None:
            assert told.application_id is not None
            return told.application_id
        found = self._accounts.get(told.account, [])
        if len(found) == 1:
            return found[0]
        return _AMBIGUOUS_ACCOUNT if found else _UNKNOWN_ACCOUNT

    def _find_loan(self, number: int) -> _Loan | Fault:
        """A loan that these lines may tell of."""
        loan = self._loans.get(number)
        return _UNKNOWN_APPLICATION if loan is None or loan.is_test is not self._origin.is_test else loan

    def _judge(self, lines: Sequence[Line], named: Sequence[_Loan | Fault], now: datetime) -> _Judged:
        """What becomes of each line; events that can be recorded are in their histories then."""
        judged, today = _Judged(at=now), now.date()
        for line, loan in zip(lines, named, strict=True):
            added = loan if type(loan) is Fault else _add_events(loan, line.told, today)
            if type(added) is Fault:
                judged.refused.append(
                    RefusedLine(
                        line=line.number,
                        raw=line.raw,
                        kept=line.kept,
                        code=added.code,
                        message=added.message,
                        case_id=None if type(loan) is Fault else loan.case_id,
                    )
                )
            elif added:
                judged.recorded += 1
                judged.fresh += added
            else:
                judged.before += 1
        self._held += len(judged.fresh)
        return judged

    def _forget(self, numbers: set[int]) -> None:
        for number in numbers:
            self._held -= len(self._loans.pop(number).history)

    def _forget_oldest(self, needed: Collection[int]) -> None:
        """Forget the loans that were seen longest ago, up to the first that is needed: nothing else knows its events before they are recorded."""
        if self._held > self._events_held:
            for number in list(self._loans):
                if number in needed:
                    break
                self._forget({number})
                if self._held <= self._events_held:
                    break
        if len(self._accounts) > self._events_held:
            self._accounts.clear()


def _add_events(loan: _Loan, told: Telling | Fault, today: date) -> list[JudgedEvent] | Fault:
    """A line's events that are not recorded yet, all of them added to the loan's history; or why not all of them can be."""
    if type(told) is Fault:
        return told
    history, case_id, added = loan.history, loan.case_id, list[JudgedEvent]()
    for event in told.make_events(case_id, history):
        assert event.event_id is not None
        former = history.find(event.event_id)
        if former is not None:
            fault = None if _is_same(former, event, is_known_today=told.is_known_today) else _EVENT_ID_TAKEN
        else:
            fault = history.find_fault(event, last_day(today))
            if fault is None:
                history.add(event)
                added.append((case_id, event, loan.number + len(added) + 1))
        if fault is not None:
            if added:
                history.remove([one.event_id for _, one, _ in added if one.event_id is not None])
            return fault
    loan.number += len(added)
    return added


def _is_same(former: RepaymentEvent, event: RepaymentEvent, *, is_known_today: bool) -> bool:
    """Whether an event is told again. One that tells no day on which it was known was known when it was told first."""
    if (
        former.kind is not event.kind
        or former.amount_cents != event.amount_cents
        or former.days_past_due != event.days_past_due
        or former.corrects != event.corrects
    ):
        return False
    if is_known_today:
        return former.kind is EventKind.VOID or former.event_on == event.event_on
    return former.event_on == event.event_on and former.known_on == event.known_on
