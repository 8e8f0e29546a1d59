"""Deciding: applications that wait together are decided together and recorded by one commit.

    waiting ─► histories (one read) ─► Cases ─► decide_many (pure), release by release ─► entries ─► one commit ─► each its own

No decision looks at another application, so a group gives each the bytes that it would get alone. What a group saves is the
way to every table of the model, and the commit.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from msgspec import UNSET, Struct

from instant_credit.application.door import Told
from instant_credit.application.facts import record_identity
from instant_credit.canonical import encode_canonical
from instant_credit.decision.case import Case
from instant_credit.decision.decide import decide_many
from instant_credit.decision.decision import Decision
from instant_credit.decision.release import Release
from instant_credit.errors import Busy
from instant_credit.record.commit import commit_group
from instant_credit.record.grouping import Grouping, Written
from instant_credit.record.ids import new_ids
from instant_credit.record.pool import Record
from instant_credit.record.rows import Committed, Entry, ExposureRow
from instant_credit.record.sealing import KeyRing, bucket_of_person
from instant_credit.underwriting.answers import Answer, Timings, encode_answer
from instant_credit.underwriting.course import Course, Submission
from instant_credit.underwriting.experiments import Drawn, expose
from instant_credit.underwriting.gathering import gather_histories
from instant_credit.underwriting.offers import make_offer

# Each lost round means that another application of the person was recorded.
_ROUNDS_MAX: Final = 16


class Waiting(Struct, frozen=True, kw_only=True):
    """An application that passed the door at `now`, of the person `person_id`, to be decided by what it drew."""

    submission: Submission
    drawn: Drawn
    told: Told
    person_id: bytes
    now: datetime
    course: Course

    @property
    def release(self) -> Release:
        """Decides it."""
        return self.drawn.release


class Judged(Struct, frozen=True, kw_only=True):
    """What was decided, what was to be recorded of it, and what became of that."""

    decision: Decision
    entry: Entry
    committed: Committed


class Deciding:
    """Decides and records in groups.

    Parameters
    ----------
    observe : called with every group that was committed.
    """

    def __init__(self, record: Record, *, observe: Callable[[Written], None]) -> None:
        self._record = record
        self._grouping = Grouping[Waiting, Judged](self._decide_group, record.clock, observe=observe)

    async def drain(self) -> None:
        """Return when every commit under way has ended."""
        await self._grouping.drain()

    async def decide(self, waiting: Waiting) -> Judged:
        """Decide and record one application; again for whoever was outrun, on the history that then stands.

        Raises
        ------
        Unavailable : the record did not take it; it may have been written.
        Overloaded : too many wait; nothing was recorded.
        Late : the deadline passed before the group began; nothing was recorded.
        Busy : the person applies too often at once; nothing was recorded.
        """
        course = waiting.course
        for _ in range(_ROUNDS_MAX):
            judged = await self._grouping.submit(waiting, until_ns=course.until_ns)
            course.spend_recording()
            if judged.committed.kind != "outrun":
                return judged
        raise Busy("the person applies too often at once")

    async def _decide_group(self, group: Sequence[Waiting]) -> list[Judged]:
        tell_ns = self._record.clock.monotonic_ns
        taken_ns = tell_ns()
        cases = await self._freeze(group)
        read_ns = tell_ns()
        decisions = _decide_all([case for case, _ in cases], [waiting.release for waiting in group])
        exposures = _expose_all(group, [case for case, _ in cases], decisions)
        decided_ns = tell_ns()
        for waiting in group:
            waiting.course.spend_deciding(taken_ns, read_ns, decided_ns)
        entries = [
            self._write_entry(waiting, case, decision, number, drew)
            for waiting, (case, number), decision, drew in zip(group, cases, decisions, exposures, strict=True)
        ]
        actors = [waiting.submission.actor for waiting in group]
        committed = await commit_group(self._record, list(zip(entries, actors, strict=True)))
        return [
            Judged(decision=decision, entry=entry, committed=one)
            for decision, entry, one in zip(decisions, entries, committed, strict=True)
        ]

    async def _freeze(self, group: Sequence[Waiting]) -> list[tuple[Case, int | None]]:
        """Each one's Case, and its number where it is decided on its person's history."""
        histories = await gather_histories(self._record, group)
        frozen = []
        for waiting, gathered in zip(group, histories, strict=True):
            release = waiting.release
            case = Case(
                product_hash=release.manifest.product_hash,
                layout_hash=release.layout_hash,
                as_of=waiting.now.date(),
                facts=waiting.told.facts,
                history=UNSET if gathered is None else gathered[0],
                assignment=waiting.drawn.assignment,
            )
            frozen.append((case, None if gathered is None else gathered[1]))
        return frozen

    def _write_entry(
        self, waiting: Waiting, case: Case, decision: Decision, number: int | None, exposures: tuple[ExposureRow, ...]
    ) -> Entry:
        """Everything that one transaction records: ids, answer and stage times are fixed here."""
        submission, release, now = waiting.submission, waiting.release, waiting.now
        key_ring = self._record.key_ring
        case_id, decision_id, offer_id = new_ids(bucket_of_person(waiting.person_id), now, self._record.entropy, 3)
        course = waiting.course
        answer = Answer(
            application_id=case_id,
            decision_id=decision_id,
            recorded_at=now,
            product=submission.product,
            release=release.hash,
            outcome=decision.outcome,
            offer=make_offer(decision, release, offer_id=offer_id, now=now),
            reasons=decision.reasons,
            pd_ppm=decision.pd_ppm,
            points=decision.points,
            timings_ns=Timings(read=course.read_ns, decide=course.decide_ns),
        )
        monitoring = waiting.told.monitoring
        key = fold_key(key_ring, submission)
        return Entry(
            person_id=waiting.person_id,
            identity=encode_canonical(record_identity(waiting.told.identity)),
            book=submission.book,
            product=submission.product,
            product_hash=release.manifest.product_hash,
            as_of=case.as_of,
            case_id=case_id,
            case=encode_canonical(case),
            monitoring=encode_canonical(monitoring) if max(monitoring.codes, default=-1) >= 0 else None,
            decision_id=decision_id,
            decision=encode_canonical(decision),
            release_hash=release.hash,
            outcome=decision.outcome.value,
            answer=encode_answer(answer),
            client_id=submission.client_id,
            idempotency_key=key,
            body_mac=None if key is None else mac_of(key_ring, submission),
            person_number=number,
            exposures=exposures,
            recorded_at=now,
            stage_ns=(course.wait_ns, course.read_ns, course.decide_ns),
        )


def mac_of(key_ring: KeyRing, submission: Submission) -> bytes:
    """Names the submission's body and product: the same key for another product is another request."""
    named = submission.body if submission.named is None else submission.named
    return key_ring.body_mac(submission.client_id, submission.product.encode() + b"\x00" + named)


def fold_key(key_ring: KeyRing, submission: Submission) -> str | None:
    """The idempotency key as it is recorded: a keyed hash, since a client may well choose an identity number as its key."""
    key = submission.idempotency_key
    if key is None:
        return None
    space = b"idempotency-key of a test\x00" if submission.is_test else b"idempotency-key\x00"
    return key_ring.body_mac(submission.client_id, space + key.encode()).hex()


def _expose_all(
    group: Sequence[Waiting], cases: Sequence[Case], decisions: Sequence[Decision]
) -> list[tuple[ExposureRow, ...]]:
    """What is written down of each one's arms, beside what the live release says where an arm replaced it."""
    beneath = {place: waiting.drawn.baseline for place, waiting in enumerate(group)}
    asked = [(place, release) for place, release in beneath.items() if release is not None]
    said = _decide_all([cases[place] for place, _ in asked], [release for _, release in asked])
    baselines = dict(zip([place for place, _ in asked], said, strict=True))
    return [
        expose(waiting.drawn, decision, baselines.get(place))
        for place, (waiting, decision) in enumerate(zip(group, decisions, strict=True))
    ]


def _decide_all(cases: Sequence[Case], releases: Sequence[Release]) -> list[Decision]:
    """The Decision on each Case by its own release, in order."""
    places: dict[str, list[int]] = {}
    for place, release in enumerate(releases):
        places.setdefault(release.hash, []).append(place)
    decided: dict[int, Decision] = {}
    for own in places.values():
        decided.update(zip(own, decide_many([cases[place] for place in own], releases[own[0]]), strict=True))
    return [decided[place] for place in range(len(cases))]
