"""Drafts: applications that are told bit by bit, and the clock that starts when one is complete.

    open ─► change (merge patch) ─► … ─► submit ─┬─ something is missing ─► notice of incompleteness, once, with a date by which
                                                 └─ complete ─► the clock starts, once ─► desk.apply ─► answer

The law: nothing wrong enters a draft, so all that a draft can lack is what was not told yet. Both clocks are facts that the record
keeps once: however often a draft is submitted, the notice keeps its date and completion its instant. A draft is completed by its last version,
written by the same statement: of a change and a submission at once one comes first, and what is decided is what was complete. A draft is
decided at most once: its id is the idempotency key, so every later submission gets the first answer's bytes.

Source: 12 CFR 1002.9(a)(1)(i) (30 days from a completed application), 1002.9(c) (incomplete applications), 1002.2(f).
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from instant_credit.application.complaints import read_body
from instant_credit.application.door import Door, Told
from instant_credit.application.fields import FIELD_MISSING
from instant_credit.application.merging import merge_patch
from instant_credit.canonical import encode_canonical
from instant_credit.errors import Busy, Conflict, NotFound, Problem, require
from instant_credit.record.drafts import (
    VERSIONS_MAX,
    DraftEvent,
    DraftEventKind,
    DraftVersion,
    StoredDraft,
    add_draft_event,
    add_draft_version,
    read_draft,
)
from instant_credit.record.ids import new_id
from instant_credit.record.pool import within
from instant_credit.record.sealing import bucket_of_person
from instant_credit.underwriting.answers import read_ids
from instant_credit.underwriting.course import APPLICATION_SECONDS, Answered, Caller, Submission
from instant_credit.underwriting.desk import Desk
from instant_credit.underwriting.resources import DraftLinks, DraftState, DraftStatus, Link, Notice

COMPLETION_DAYS: Final = 30
"""How long an applicant has to complete an application after the notice of incompleteness."""

_OWNER_BYTES: Final = 32
_ROUNDS_MAX: Final = 16
_ENDED: Final = frozenset({DraftState.DECIDED, DraftState.LAPSED, DraftState.WITHDRAWN})
_NOTICE: Final = (
    "The application is not complete: what is listed under missing is needed. Send it by {day} (UTC), "
    "or the application can't be considered any further."
)


class DraftClosed(Conflict):
    """The draft has ended, so it can be neither changed nor submitted nor withdrawn."""


class DraftCompleted(DraftClosed):
    """The draft is a complete application, so it can be submitted, and neither changed nor withdrawn."""


class _Draft(Struct, frozen=True, kw_only=True):
    """A draft that may be shown to whoever asks, opened: what was told, and the answer it got."""

    stored: StoredDraft
    body: bytes
    told: dict[str, Any]
    first: Answered | None
    state: DraftState

    def find_event(self, kind: DraftEventKind) -> DraftEvent | None:
        return next((event for event in self.stored.events if event.kind is kind), None)


class DraftDesk:
    """Keeps drafts and hands complete ones to the desk.

    Every method that is given a `caller` raises `NotFound` for a draft of another client, of another mode (test or not) or of an
    erased person.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._record = desk.record

    async def open(self, product: str, raw: bytes, caller: Caller) -> DraftStatus | tuple[Problem, ...]:
        """Keep what was told so far, or say what is wrong with it: then nothing is kept.

        Raises
        ------
        NotFound : the product is not offered.
        Unavailable : the record did not answer; there may be a draft that nobody knows of.
        Busy : the person's key is made by others at this moment, again and again.
        """
        wrong, patch = self._read_patch(product, raw)
        if wrong:
            return wrong
        told = merge_patch({}, patch)
        owner = self._find_owner(told) or self._record.entropy(_OWNER_BYTES)
        draft_id = new_id(bucket_of_person(owner), self._record.clock.now(), self._record.entropy)
        version = self._make_version(draft_id, 1, product=product, caller=caller, owner=owner, told=told)
        async with within(APPLICATION_SECONDS):
            for _ in range(_ROUNDS_MAX):
                if await add_draft_version(self._record, version, caller.actor):
                    return await self.read(draft_id, caller)
        raise Busy("the draft's person is busy: try again")

    async def read(self, draft_id: UUID, caller: Caller) -> DraftStatus:
        """The draft as it stands."""
        return self._tell(await self._find(draft_id, caller))

    async def change(self, draft_id: UUID, raw: bytes, caller: Caller) -> DraftStatus | tuple[Problem, ...]:
        """Merge `raw` (RFC 7396) into the draft, or say what is wrong with it: then the draft stays as it was.

        Raises
        ------
        DraftClosed : the draft has ended, or has as many versions as it may.
        DraftCompleted : it is complete.
        Busy : others change it again and again.
        """
        for _ in range(_ROUNDS_MAX):
            draft = await self._find(draft_id, caller)
            stored = draft.stored
            wrong, patch = self._read_patch(stored.product, raw)
            if wrong:
                return wrong
            if draft.state is DraftState.COMPLETED:
                raise DraftCompleted("the draft is complete")
            # The last number is kept for completion.
            if draft.state in _ENDED or stored.number >= VERSIONS_MAX - 1:
                raise DraftClosed(f"the draft is {draft.state.value}")
            version = self._make_next(draft, merge_patch(draft.told, patch), caller)
            async with within(APPLICATION_SECONDS):
                if await add_draft_version(self._record, version, caller.actor):
                    return await self.read(draft_id, caller)
        raise Busy("too many changes of one draft at once: try again")

    async def submit(self, draft_id: UUID, caller: Caller) -> Answered | DraftStatus | tuple[Problem, ...]:
        """Have the draft decided, or, while something is missing, give notice of it.

        Returns
        -------
        Answered: the first answer, however often it is submitted. DraftStatus: incomplete, with its notice. Problems: a day that lay
        within its bounds when it was told does so no more; change it.

        Raises
        ------
        DraftClosed : it was withdrawn, or not completed in time.
        Busy : others change it again and again.
        """
        for _ in range(_ROUNDS_MAX):
            draft = await self._find(draft_id, caller)
            if draft.first is not None:
                return draft.first
            if draft.state in _ENDED:
                raise DraftClosed(f"the draft is {draft.state.value}")
            if draft.state is DraftState.COMPLETED:
                return await self._desk.apply(self._make_submission(draft.stored, caller, draft.body))
            read = self._door(draft.stored.product).read_application(draft.body, self._record.clock.now().date())
            if isinstance(read, Told):
                await self._complete(draft, caller)
            elif wrong := tuple(problem for problem in read if not _is_missing(problem)):
                return wrong
            elif draft.state is DraftState.INCOMPLETE:
                return self._tell(draft)
            else:
                await self._give_notice(draft_id, caller)
        raise Busy("too many changes of one draft at once: try again")

    async def _complete(self, draft: _Draft, caller: Caller) -> None:
        """Start the clock, unless something else happened to the draft since it was read."""
        version = self._make_next(draft, draft.told, caller)
        async with within(APPLICATION_SECONDS):
            await add_draft_version(self._record, version, caller.actor, is_completed=True)

    async def _give_notice(self, draft_id: UUID, caller: Caller) -> None:
        """Give notice of incompleteness, unless that was done before or the draft has ended."""
        now = self._record.clock.now()
        complete_by = now + timedelta(days=COMPLETION_DAYS)
        event = DraftEvent(kind=DraftEventKind.INCOMPLETE, complete_by=complete_by, recorded_at=now)
        async with within(APPLICATION_SECONDS):
            await add_draft_event(self._record, draft_id, event, caller.actor)

    async def withdraw(self, draft_id: UUID, caller: Caller) -> DraftStatus:
        """Withdraw the draft; again changes nothing.

        Raises
        ------
        DraftClosed : it was not completed in time, or is decided; an application is withdrawn by itself.
        DraftCompleted : it is complete and not decided yet.
        """
        draft = await self._find(draft_id, caller)
        if draft.state in (DraftState.OPEN, DraftState.INCOMPLETE):
            event = DraftEvent(kind=DraftEventKind.WITHDRAWN, recorded_at=self._record.clock.now())
            async with within(APPLICATION_SECONDS):
                await add_draft_event(self._record, draft_id, event, caller.actor)
            draft = await self._find(draft_id, caller)
        if draft.state is DraftState.COMPLETED:
            raise DraftCompleted("the draft is complete")
        if draft.state is not DraftState.WITHDRAWN:
            raise DraftClosed(f"the draft is {draft.state.value}")
        return self._tell(draft)

    async def _find(self, draft_id: UUID, caller: Caller) -> _Draft:
        async with within(APPLICATION_SECONDS):
            stored = await read_draft(self._record, draft_id)
        if (
            stored is None
            or stored.body is None
            or (stored.client_id, stored.is_test) != (caller.client_id, caller.is_test)
        ):
            raise NotFound("draft", "of this id, or its person was erased")
        kinds = {event.kind for event in stored.events}
        first = None
        if DraftEventKind.COMPLETED in kinds:
            first = await self._desk.find_first(self._make_submission(stored, caller, stored.body))
        told = read_body(stored.body)
        require(isinstance(told, dict), "a draft is a JSON object")
        return _Draft(
            stored=stored,
            body=stored.body,
            told=told,
            first=first,
            state=self._judge(stored, is_decided=first is not None),
        )

    def _judge(self, stored: StoredDraft, *, is_decided: bool) -> DraftState:
        events = {event.kind: event for event in stored.events}
        if is_decided:
            return DraftState.DECIDED
        if DraftEventKind.WITHDRAWN in events:
            return DraftState.WITHDRAWN
        if DraftEventKind.COMPLETED in events:
            return DraftState.COMPLETED
        notice = events.get(DraftEventKind.INCOMPLETE)
        if notice is None or notice.complete_by is None:
            return DraftState.OPEN
        return DraftState.LAPSED if notice.complete_by <= self._record.clock.now() else DraftState.INCOMPLETE

    def _tell(self, draft: _Draft) -> DraftStatus:
        stored, state = draft.stored, draft.state
        read = None
        if state in (DraftState.OPEN, DraftState.INCOMPLETE):
            read = self._door(stored.product).read_application(draft.body, self._record.clock.now().date())
        missing = () if read is None or isinstance(read, Told) else tuple(filter(_is_missing, read))
        completed = draft.find_event(DraftEventKind.COMPLETED)
        ids = None if draft.first is None else read_ids(draft.first.body)
        place = ("drafts", stored.draft_id)
        return DraftStatus(
            draft_id=stored.draft_id,
            product=stored.product,
            state=state,
            version=stored.number,
            opened_at=stored.opened_at,
            changed_at=stored.changed_at,
            completed_at=None if completed is None else completed.recorded_at,
            missing=missing,
            notice=_make_notice(draft.find_event(DraftEventKind.INCOMPLETE)),
            links=DraftLinks(
                own=Link.to(*place),
                submit=None if state in _ENDED else Link.to(*place, "submit"),
                withdraw=Link.to(*place, "withdraw") if state in (DraftState.OPEN, DraftState.INCOMPLETE) else None,
                application=None if ids is None else Link.to("applications", ids.application_id),
                decision=None if ids is None else Link.to("decisions", ids.decision_id),
            ),
        )

    def _door(self, product: str) -> Door:
        release = self._desk.offered().get(product)
        if release is None:
            raise NotFound("product", "of this name")
        return self._desk.door_of(release)

    def _read_patch(self, product: str, raw: bytes) -> tuple[tuple[Problem, ...], Any]:
        """What is wrong with a part of an application, and, when nothing is, its value."""
        wrong = self._door(product).find_wrong(raw, self._record.clock.now().date())
        return wrong, None if wrong else read_body(raw)

    def _find_owner(self, told: Mapping[str, Any]) -> bytes | None:
        """The person who applies, None while nobody is named."""
        number = told.get("applicant", {}).get("identity_number")
        return None if number is None else self._record.key_ring.person_id_of(number)

    def _make_next(self, draft: _Draft, told: dict[str, Any], caller: Caller) -> DraftVersion:
        """The version that follows the one that was read."""
        stored = draft.stored
        return self._make_version(
            stored.draft_id,
            stored.number + 1,
            product=stored.product,
            caller=caller,
            owner=self._find_owner(told) or stored.owner,
            told=told,
        )

    def _make_version(
        self, draft_id: UUID, number: int, *, product: str, caller: Caller, owner: bytes, told: dict[str, Any]
    ) -> DraftVersion:
        return DraftVersion(
            draft_id=draft_id,
            number=number,
            product=product,
            client_id=caller.client_id,
            is_test=caller.is_test,
            owner=owner,
            body=encode_canonical(told),
            recorded_at=self._record.clock.now(),
        )

    def _make_submission(self, stored: StoredDraft, caller: Caller, body: bytes) -> Submission:
        """No client can send a key with a space in it, so a draft's is its own."""
        return Submission(
            product=stored.product,
            body=body,
            client_id=stored.client_id,
            actor=caller.actor,
            idempotency_key=f"draft {stored.draft_id}",
            named=stored.draft_id.bytes,
            is_test=stored.is_test,
        )


def _make_notice(event: DraftEvent | None) -> Notice | None:
    if event is None or event.complete_by is None:
        return None
    text = _NOTICE.format(day=event.complete_by.date().isoformat())
    return Notice(given_at=event.recorded_at, complete_by=event.complete_by, text=text)


def _is_missing(problem: Problem) -> bool:
    return problem.code == FIELD_MISSING
