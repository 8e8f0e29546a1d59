"""The life of an application after its decision: status, offers, acceptance, withdrawal.

    read (answer and events) ─► judge at the clock ─► the next event, by its number ─► the resource as it stands then

What has happened already is answered as it happened, with the same bytes. Whoever loses a race reads again and is judged by what
stands, so of an acceptance and a withdrawal at the same instant exactly one happens.
"""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from instant_credit.access.purposes import Reading, ReadPurpose
from instant_credit.errors import BrokenInvariant, NotFound
from instant_credit.record.life import (
    LifeEvent,
    LifeEventKind,
    StoredApplication,
    add_life_event,
    read_application,
)
from instant_credit.record.pool import Record, within
from instant_credit.record.read_log import ReadLog, ReadNote
from instant_credit.underwriting.course import APPLICATION_SECONDS, Caller
from instant_credit.underwriting.offers import (
    WITHDRAWABLE,
    Application,
    ApplicationClosed,
    OfferExpired,
    open_application,
)
from instant_credit.underwriting.resources import ApplicationState, ApplicationStatus, Offers, OfferStatus

# An application has few events; whoever loses more races than there can be events has found a bug.
_ROUNDS_MAX: Final = 8


class LifeDesk:
    """Reads applications and writes down what happens to them.

    Parameters
    ----------
    record : the open system of record; its clock says what has expired.
    read_log : writes down who reads what; None = one of its own.

    A caller sees the applications of its client that were made in its own mode, test or not. With a `purpose` it sees those of every
    client; a key for tests never sees any but tests. Either read is written down first, and so is an answer to what had happened already.
    """

    def __init__(self, record: Record, read_log: ReadLog | None = None) -> None:
        self._record = record
        self._read_log = read_log or ReadLog(record)

    async def read_status(
        self, application_id: UUID, caller: Caller, *, purpose: ReadPurpose | None = None
    ) -> ApplicationStatus:
        """The application as it stands.

        Raises
        ------
        NotFound : there is none, it is another client's, or the person was erased since.
        """
        return (await self._read(application_id, caller, purpose=purpose)).tell()

    async def list_offers(self, application_id: UUID, caller: Caller, *, purpose: ReadPurpose | None = None) -> Offers:
        """Its offers; raises as `read_status` does."""
        return (await self._read(application_id, caller, purpose=purpose)).tell_offers()

    async def read_offer(
        self, application_id: UUID, offer_id: UUID, caller: Caller, *, purpose: ReadPurpose | None = None
    ) -> OfferStatus:
        """One of its offers; raises as `read_status` does, and `NotFound` when there is no such offer."""
        return (await self._read(application_id, caller, purpose=purpose)).tell_offer(offer_id)

    async def accept(self, application_id: UUID, offer_id: UUID, caller: Caller) -> OfferStatus:
        """Accept an offer; accepting it again changes nothing and is answered alike.

        Raises
        ------
        NotFound : there is no such offer of this client.
        OfferExpired : it is no longer open.
        ApplicationClosed : the application was withdrawn.
        """

        def judge(application: Application) -> LifeEvent | None:
            application.tell_offer(offer_id)
            state = application.state
            if state is ApplicationState.ACCEPTED:
                return None
            if state is ApplicationState.EXPIRED:
                raise OfferExpired("the offer has expired")
            if state is not ApplicationState.OFFERED:
                raise ApplicationClosed(f"the application is {state.value}")
            return LifeEvent(kind=LifeEventKind.ACCEPTED, offer_id=offer_id, recorded_at=application.now)

        return (await self._advance(application_id, caller, judge)).tell_offer(offer_id)

    async def withdraw(self, application_id: UUID, caller: Caller) -> ApplicationStatus:
        """Withdraw an application; withdrawing it again changes nothing and is answered alike.

        Raises
        ------
        NotFound : there is no such application of this client.
        ApplicationClosed : it was declined or accepted, or its offer expired.
        """

        def judge(application: Application) -> LifeEvent | None:
            state = application.state
            if state is ApplicationState.WITHDRAWN:
                return None
            if state not in WITHDRAWABLE:
                raise ApplicationClosed(f"the application is {state.value}")
            return LifeEvent(kind=LifeEventKind.WITHDRAWN, recorded_at=application.now)

        return (await self._advance(application_id, caller, judge)).tell()

    async def _read(self, application_id: UUID, caller: Caller, *, purpose: ReadPurpose | None = None) -> Application:
        """The application for somebody who reads it, which is written down."""
        async with within(APPLICATION_SECONDS):
            stored = await self._find(application_id, caller, sees_all=purpose is not None)
            await self._note(stored, caller, purpose or ReadPurpose.SERVICE)
        return open_application(stored, self._record.clock.now())

    async def _find(self, application_id: UUID, caller: Caller, *, sees_all: bool = False) -> StoredApplication:
        stored = await read_application(self._record, application_id)
        if stored is None or not caller.may_see(stored.client_id, stored.book, sees_all=sees_all):
            raise NotFound("application", "of this id, or its person was erased")
        return stored

    async def _note(self, stored: StoredApplication, caller: Caller, purpose: ReadPurpose) -> None:
        """Write the read down, where there is something left to read."""
        if stored.answer is not None:
            reading = Reading(actor=caller.actor, purpose=purpose)
            await self._read_log.log(
                ReadNote(kind="decision", person_id=stored.person_id, case_id=stored.case_id, reading=reading)
            )

    async def _advance(
        self, application_id: UUID, caller: Caller, judge: Callable[[Application], LifeEvent | None]
    ) -> Application:
        """The application after the event that `judge` asks for, or as it is when it asks for none: then it was only read."""
        has_acted = False
        for _ in range(_ROUNDS_MAX):
            async with within(APPLICATION_SECONDS):
                stored = await self._find(application_id, caller)
            application = open_application(stored, self._record.clock.now())
            event = judge(application)
            if event is None:
                if not has_acted:
                    async with within(APPLICATION_SECONDS):
                        await self._note(stored, caller, ReadPurpose.SERVICE)
                return application
            number = len(application.stored.events) + 1
            async with within(APPLICATION_SECONDS):
                has_acted = await add_life_event(self._record, application_id, event, number=number, actor=caller.actor)
        raise BrokenInvariant("an application's events keep losing races against nobody")
