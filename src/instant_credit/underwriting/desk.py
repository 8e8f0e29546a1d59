"""The desk: one application from its bytes to its recorded answer.

    bytes ─► door (check) ─► Case ─► decide (pure) ─► answer ─► one commit ─► the answer leaves

The desk owns the order of these steps, ids and the clock. An application is decided at most once per idempotency key: within
this process later ones wait for the first; between processes the record's commit keeps the first and gives it back.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final
from uuid import UUID

from instant_credit.access.purposes import Reading, ReadPurpose
from instant_credit.application.document import decode_product
from instant_credit.application.door import Door, Told
from instant_credit.application.product import Product
from instant_credit.decision.decision import decode_decision
from instant_credit.decision.release import Release
from instant_credit.errors import (
    Conflict,
    NotFound,
    Overloaded,
    Problem,
    Refused,
    Throttled,
    Unavailable,
    require,
)
from instant_credit.experiment.exploration import Programme
from instant_credit.record.commit import find_answer
from instant_credit.record.documents import get_document
from instant_credit.record.grouping import Written
from instant_credit.record.pool import Record, within
from instant_credit.record.read_log import ReadLog, ReadNote
from instant_credit.record.reads import read_decision
from instant_credit.record.rows import Entry
from instant_credit.underwriting.affording import Affording, SpentArm, Waiting
from instant_credit.underwriting.answers import Contribution, RecordedDecision, read_ids
from instant_credit.underwriting.closing import Closing
from instant_credit.underwriting.course import APPLICATION_SECONDS, Answered, Caller, Course, Releases, Submission
from instant_credit.underwriting.deciding import Deciding, fold_key, mac_of
from instant_credit.underwriting.experiments import Experiments
from instant_credit.underwriting.exploring import Explorations
from instant_credit.underwriting.lines import ApplicationLine, Ending
from instant_credit.underwriting.portfolio import Portfolio
from instant_credit.underwriting.probing import Probing, TooManyVariants
from instant_credit.underwriting.purses import Purses
from instant_credit.underwriting.tallying import Tallying

# What the door calls a body that is no JSON at all; every other problem names a field.
UNREADABLE: Final = frozenset({"BODY_NOT_JSON", "BODY_TOO_DEEP"})
_IN_FLIGHT_MAX: Final = 1_000


class Desk:
    """Decides and records.

    Parameters
    ----------
    record : the open system of record, also an attribute; its clock and chance are the desk's. `read_log` writes down who reads what of it.
    releases : live releases by product.
    report : called once with every application's line, at its end. Its failure changes no answer.
    lost : called when it failed.
    observe : called with every group of decisions that was committed together.
    shadow : called with every application that was recorded and is no test; must return at once.
    probing : refuses too many variants of one person's application; None = lets all in.
    experiments : those that run, refreshed by their owner; None = none does.
    closed : called with every arm that is closed here since its money is spent, and with what keeps that out of the record, if anything does.
    caps_unfit : called with a product whose portfolio caps do not fit it, and why.
    programme_closed : called with every exploration programme that is closed here since its money is out.
    """

    def __init__(
        self,
        record: Record,
        releases: Releases,
        *,
        report: Callable[[ApplicationLine], None],
        lost: Callable[[], None] = lambda: None,
        observe: Callable[[Written], None] = lambda _: None,
        shadow: Callable[[Entry], None] = lambda _: None,
        probing: Probing | None = None,
        experiments: Experiments | None = None,
        closed: Callable[[SpentArm, Exception | None], None] = lambda *_: None,
        caps_unfit: Callable[[str, Refused], None] = lambda *_: None,
        programme_closed: Callable[[Programme], None] = lambda _: None,
    ) -> None:
        self.record = record
        self._experiments = experiments or Experiments(record)
        self._releases = releases
        self._clock = record.clock
        self._report = report
        self._lost = lost
        self._shadow = shadow
        self._probing = probing or Probing(record)
        self._doors: dict[str, Door] = {}
        self._products: dict[str, Product] = {}
        # Who decides for a client's key, and an event for those who wait for that.
        self._under_way: dict[tuple[str, str], asyncio.Event | None] = {}
        self._in_flight = 0
        self._purses = Purses(record)
        self._closing = Closing(record, closed)
        self._tallying = Tallying(record)
        self._portfolio = Portfolio(record, caps_unfit)
        self._explorations = Explorations(record, programme_closed)
        affording = Affording(
            record,
            self._experiments,
            self._purses,
            self._portfolio,
            self._explorations,
            spent=self._closing.close,
        )
        self._deciding = Deciding(record, affording, observe=observe)
        self.read_log = ReadLog(record)

    async def drain(self) -> None:
        """Return when every commit under way has ended, money that was not used is given back and arms are counted."""
        await self._deciding.drain()
        await self.read_log.drain()
        await self._closing.drain()
        await self._explorations.drain()
        await self._purses.close()
        await self._tallying.close()

    async def refresh(self) -> None:
        """Look which caps hold and which programmes draw, have the record say what it could not be told before, give back money that lies
        idle, and write down what was counted of arms.

        Raises
        ------
        Unavailable : the record did not answer.
        """
        await self._portfolio.refresh()
        await self._explorations.refresh()
        await self._closing.refresh()
        await self._purses.tidy()
        await self._tallying.refresh()

    def offered(self) -> Mapping[str, Release]:
        """The live release of every product that can be applied for."""
        return self._releases.live()

    def not_loaded(self) -> Mapping[str, str]:
        """Hash by product name of the releases that should decide and do not."""
        return self._releases.not_loaded()

    def door_of(self, release: Release) -> Door:
        """The door of the release's product, made once."""
        door = self._doors.get(release.manifest.product_hash)
        if door is None:
            door = self._doors[release.manifest.product_hash] = Door(release.product)
        return door

    async def check_record(self) -> None:
        """Raise `Unavailable` unless the record answers."""
        await self.record.ping()

    async def apply(self, submission: Submission) -> Answered | tuple[Problem, ...]:
        """Decide, record and answer one application.

        Returns
        -------
        Answered, or every problem of the application; then nothing was recorded and its idempotency key stays free.

        Raises
        ------
        NotFound : the product has no live release, or the first answer was erased with its person.
        Conflict : the idempotency key was used for another body.
        TooManyVariants : the person's application came in too many variants; nothing was recorded.
        Unavailable : the record did not take the decision within the submission's seconds; the same submission may be sent again, and
            is answered with this one's answer if it was recorded after all.
        Overloaded, Late, Busy : too many applications are under way, the deadline passed before the commit began, or the person applies too
            often at once; nothing was recorded.
        """
        if self._in_flight >= _IN_FLIGHT_MAX:
            raise Overloaded("the desk is full")
        course = Course(submission, self._clock)
        ending = Ending.FAILED
        self._in_flight += 1
        try:
            answered = await self._take_turn(submission, course)
            if isinstance(answered, tuple):
                ending = Ending.REFUSED
                course.facts["problems"] = tuple(problem.code for problem in answered)
            else:
                ending = Ending.REPEATED if answered.is_repeated else Ending.DECIDED
            return answered
        except Conflict:
            ending = Ending.CONFLICT
            raise
        except (NotFound, Throttled):
            ending = Ending.REFUSED
            raise
        except BaseException as error:
            course.facts["error"] = type(error).__name__
            raise
        finally:
            self._in_flight -= 1
            self._tell(course.line(ending))

    def _tell(self, line: ApplicationLine) -> None:
        """Report a line. What was decided is decided: no trouble of those who are told may make a failure of it."""
        try:
            self._report(line)
        except Exception:
            self._lost()

    async def _take_turn(self, submission: Submission, course: Course) -> Answered | tuple[Problem, ...]:
        """Submissions with the same client and key pass one after another."""
        if submission.idempotency_key is None:
            return await self._decide_and_record(submission, course)
        slot = (submission.client_id, submission.idempotency_key)
        has_waited = slot in self._under_way
        if has_waited:
            async with within(course.seconds_left()):
                await self._wait_for(slot)
        self._under_way[slot] = None
        try:
            course.spend_waiting()
            if has_waited and (first := await self._find_first(submission, course)) is not None:
                return first
            return await self._decide_and_record(submission, course)
        finally:
            done = self._under_way.pop(slot)
            if done is not None:
                done.set()

    async def _wait_for(self, slot: tuple[str, str]) -> None:
        """Return when nobody decides for the key any more."""
        while slot in self._under_way:
            done = self._under_way[slot]
            if done is None:
                done = self._under_way[slot] = asyncio.Event()
            await done.wait()

    async def _decide_and_record(self, submission: Submission, course: Course) -> Answered | tuple[Problem, ...]:
        """Check, decide and commit.

        The commit finds out about an earlier answer by itself, in the one round trip that every application needs. Only an
        application that can't be decided any more (its product changed since) is looked up by its key.
        """
        release = self.offered().get(submission.product)
        if release is None:
            if (first := await self._find_first(submission, course)) is not None:
                return first
            course.facts["problems"] = ("PRODUCT_NOT_OFFERED",)
            raise NotFound("product", "of this name")
        now = self._clock.now()
        told = self.door_of(release).read_application(submission.body, now.date())
        course.spend_reading()
        if not isinstance(told, Told):
            return await self._find_first(submission, course) or told
        person_id = self.record.key_ring.person_id_of(told.identity.identity_number)
        try:
            await self._probing.admit(submission.client_id, person_id, told.facts, course.seconds_left)
        except TooManyVariants:
            if (first := await self._find_first(submission, course)) is not None:
                return first
            course.facts["problems"] = ("VARIANTS_MANY",)
            raise
        async with within(course.seconds_left()):
            drawn = await self._experiments.draw(release, told, person_id, is_test=submission.is_test)
        waiting = Waiting(submission=submission, drawn=drawn, told=told, person_id=person_id, now=now, course=course)
        try:
            judged = await self._deciding.decide(waiting)
        except Unavailable:
            raise
        except Exception:
            self._tallying.fail(drawn)
            raise
        committed, entry = judged.committed, judged.entry
        if committed.kind == "existing":
            return self._repeat(submission, committed.answer, committed.body_mac, course)
        course.tell_decided(entry, judged.decision, judged.release)
        if not submission.is_test:
            self._shadow(entry)
        assert entry.answer is not None
        assert entry.decision_id is not None
        stages = course.end()
        self._tallying.count(drawn, stages.total_ns)
        return Answered(body=entry.answer, decision_id=entry.decision_id, is_repeated=False, stages=stages)

    async def find_first(self, submission: Submission) -> Answered | None:
        """The recorded answer to the submission's idempotency key, None when there is none.

        Raises
        ------
        Conflict : the key was used for another body.
        NotFound : the answer was erased with its person.
        """
        return await self._find_first(submission, Course(submission, self._clock))

    async def _find_first(self, submission: Submission, course: Course) -> Answered | None:
        """The answer that an earlier submission with the same key got, None when there is none."""
        key = fold_key(self.record.key_ring, submission)
        if key is None:
            return None
        async with within(course.seconds_left()):
            found = await find_answer(self.record, submission.client_id, key)
        course.spend_recording()
        return None if found is None else self._repeat(submission, found.answer, found.body_mac, course)

    def _repeat(self, submission: Submission, answer: bytes | None, body_mac: bytes | None, course: Course) -> Answered:
        if body_mac != mac_of(self.record.key_ring, submission):
            raise Conflict("the idempotency key was used for another application")
        if answer is None:
            course.facts["problems"] = ("PERSON_ERASED",)
            raise NotFound("answer", "of a person who was erased")
        ids = read_ids(answer)
        course.facts.update(application_id=str(ids.application_id), decision_id=str(ids.decision_id))
        return Answered(body=answer, decision_id=ids.decision_id, is_repeated=True, stages=course.end())

    async def read_decision(
        self, decision_id: UUID, caller: Caller, *, purpose: ReadPurpose | None = None
    ) -> RecordedDecision:
        """A recorded decision by its id.

        Parameters
        ----------
        caller : sees the decisions of its client and of its mode, test or not.
        purpose : set for a caller who sees those of every client and of imported tapes; a key for tests never sees any but tests. Who
            reads, and for what (without a purpose for its service), is written down before the decision leaves.

        Raises
        ------
        NotFound : there is none, it is another client's, or the person was erased since.
        """
        async with within(APPLICATION_SECONDS):
            stored = await read_decision(self.record, decision_id)
            sees_all = purpose is not None
            is_shown = stored is not None and caller.may_see(stored.client_id, stored.book, sees_all=sees_all)
            if stored is None or not is_shown or stored.decision is None:
                raise NotFound("decision", "of this id, or its person was erased")
            reading = Reading(actor=caller.actor, purpose=purpose or ReadPurpose.SERVICE)
            await self.read_log.log(
                ReadNote(kind="decision", person_id=stored.person_id, case_id=stored.case_id, reading=reading)
            )
        decision = decode_decision(stored.decision)
        product = await self._read_product(decision.product_hash)
        names = [variable.name for variable in product.model_variables]
        require(len(decision.contributions) in (0, len(names)), "a decision has a contribution for every variable")
        return RecordedDecision(
            application_id=stored.case_id,
            decision_id=decision_id,
            recorded_at=stored.recorded_at,
            product=product.name,
            release=stored.release_hash,
            decision=decision,
            contributions=tuple(
                Contribution(variable=name, log_odds=value)
                for name, value in zip(names, decision.contributions, strict=False)
            ),
        )

    async def _read_product(self, product_hash: str) -> Product:
        """A product document that some decision names; products are few, and they stay in memory."""
        product = self._products.get(product_hash)
        if product is None:
            product = self._products[product_hash] = decode_product(await get_document(self.record, product_hash))
        return product
