"""Deciding: applications that wait together are decided together and recorded by one commit.

    waiting ─► histories (one read) ─► Cases ─► decided, its money held (`affording`) ─► entries ─► one commit ─► each its own, holds settled

No decision looks at another application, so a group gives each the bytes that it would get alone. What a group saves is the
way to every table of the model, and the commit.
"""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from instant_credit.application.facts import record_identity
from instant_credit.canonical import encode_canonical
from instant_credit.decision.decision import Decision
from instant_credit.decision.release import Release
from instant_credit.errors import Busy
from instant_credit.record.commit import commit_group
from instant_credit.record.grouping import Grouping, Written
from instant_credit.record.ids import new_ids
from instant_credit.record.pool import Record
from instant_credit.record.rows import Committed, Entry
from instant_credit.record.sealing import KeyRing, bucket_of_person
from instant_credit.underwriting.affording import Afforded, Affording, Waiting
from instant_credit.underwriting.answers import Answer, Timings, encode_answer
from instant_credit.underwriting.course import Submission
from instant_credit.underwriting.offers import make_offer

# Each lost round means that another application of the person was recorded.
_ROUNDS_MAX: Final = 16


class Judged(Struct, frozen=True, kw_only=True):
    """What was decided, by which release, what was to be recorded of it, and what became of that."""

    decision: Decision
    release: Release
    entry: Entry
    committed: Committed


class Deciding:
    """Decides and records in groups.

    Parameters
    ----------
    affording : decides each application within what its money allows.
    observe : called with every group that was committed.
    """

    def __init__(self, record: Record, affording: Affording, *, observe: Callable[[Written], None]) -> None:
        self._record = record
        self._affording = affording
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
        frozen = await self._affording.freeze(group)
        read_ns = tell_ns()
        judged = await self._affording.decide(frozen)
        decided_ns = tell_ns()
        try:
            for waiting in group:
                waiting.course.spend_deciding(taken_ns, read_ns, decided_ns)
            entries = [self._write_entry(one) for one in judged]
        except BaseException:
            self._affording.let_go(judged)
            raise
        actors = [waiting.submission.actor for waiting in group]
        # What is held counts as reserved until it is certain that it is not: a commit that stays unanswered may stand.
        committed = await commit_group(self._record, list(zip(entries, actors, strict=True)))
        self._affording.let_go([one for one, entry in zip(judged, committed, strict=True) if entry.kind != "recorded"])
        self._affording.spend([one for one, entry in zip(judged, committed, strict=True) if entry.kind == "recorded"])
        return [
            Judged(decision=one.decision, release=one.frozen.waiting.release, entry=entry, committed=became)
            for one, entry, became in zip(judged, entries, committed, strict=True)
        ]

    def _write_entry(self, judged: Afforded) -> Entry:
        """Everything that one transaction records: ids, answer and stage times are fixed here."""
        waiting, case, decision = judged.frozen.waiting, judged.frozen.case, judged.decision
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
            person_number=judged.frozen.number,
            exposures=judged.exposures,
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
