"""Edge. Exploration at the desk: the programmes that run, what they draw, and the money that an explored offer reserves.

    programmes (documents) ─► application: drawn? ─► Case ─► decided ─► offered by exploration: money held of the cap ─► commit
                                                                          └─ too little left: closed here, and the record says so

What is held is what the largest loan would reserve, and what is spent is what the offer does: whether a programme goes on never depends on
who asks, so its probabilities hold until it ends. A programme that this process closed draws nobody from the next decision on; every other
process hears of it within a second.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import Final

from msgspec import UNSET, Struct
from msgspec.structs import replace

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.canonical import ContentHash, hash_content
from instant_credit.decision.decision import Decision, Outcome, RuleResult
from instant_credit.decision.exploring import tell_exploration
from instant_credit.errors import Conflict, NotFound, Unavailable
from instant_credit.experiment.assignment import Assignment, Explored
from instant_credit.experiment.exploration import (
    Ending,
    Programme,
    check_programme,
    encode_programme,
    explore_by,
    reserve_cents,
)
from instant_credit.experiment.layers import encode_layers
from instant_credit.policy.document import decode_policy
from instant_credit.record.documents import DocumentKind, count_explorations, list_documents, put_document
from instant_credit.record.pool import Record
from instant_credit.underwriting.course import Submission
from instant_credit.underwriting.experiment_documents import find_layers
from instant_credit.underwriting.programmes import end_programme, read_programmes
from instant_credit.underwriting.purses import Want
from instant_credit.underwriting.releases import live_releases, read_parts
from instant_credit.units import Cents

ACTOR: Final = Actor(kind=ActorKind.JOB, id="exploration")
OUT: Final = "what is left of cap_cents does not carry one more loan of amount_cents_max"


class Wanted(Struct, frozen=True, kw_only=True):
    """What an explored offer holds of its programme's budget `key`, and how much of that it reserves."""

    programme: ContentHash
    key: str
    want: Want
    reserved_cents: Cents


class _Live(Struct, frozen=True, kw_only=True, eq=False):
    """A programme that has not ended, ready to draw."""

    content_hash: ContentHash
    programme: Programme
    draw: Callable[[bytes], Explored]


class Explorations:
    """The exploration programmes of a running server, as of the last refresh.

    Parameters
    ----------
    closed : called with every programme that this process closes since its money is out; must return at once.
    """

    def __init__(self, record: Record, closed: Callable[[Programme], None] = lambda _: None) -> None:
        self._record = record
        self._closed = closed
        self._seen = 0
        self._live: dict[str, _Live] = {}
        self._gone: set[ContentHash] = set()
        self._due: set[ContentHash] = set()

    async def refresh(self) -> None:
        """Have the record say what was closed here, and read what was put, stopped or closed since.

        Raises
        ------
        Unavailable : the record did not answer; everything stays as it was.
        """
        for content_hash in sorted(self._due):
            await end_programme(self._record, content_hash, Ending.CAP_REACHED, OUT, ACTOR)
            self._due.discard(content_hash)
        found = await count_explorations(self._record)
        if found == self._seen:
            return
        live = {}
        for product, one in (await read_programmes(self._record)).items():
            if one.end is None and one.content_hash not in self._gone:
                _, layers = await find_layers(self._record, product)
                draw = explore_by(layers.salt, one.programme)
                live[product] = _Live(content_hash=one.content_hash, programme=one.programme, draw=draw)
        self._live, self._seen = {name: one for name, one in live.items() if one.content_hash not in self._gone}, found

    async def drain(self) -> None:
        """Have the record say what was closed here; where it does not answer, the next process that has too little left says it."""
        with suppress(Unavailable):
            await self.refresh()

    def draw(self, assignment: Assignment, submission: Submission, person_id: bytes, on: date) -> Assignment:
        """The assignment with what the product's programme draws; as it is where none is open to the application on that day (UTC)."""
        live = self._live.get(submission.product)
        if live is None or submission.is_test or not live.programme.starts_on <= on <= live.programme.ends_on:
            return assignment
        if live.programme.book is not UNSET and live.programme.book != submission.book:
            return assignment
        return replace(assignment, exploration=live.draw(person_id))

    def find_wanted(self, product: str, decision: Decision) -> Wanted | ContentHash | None:
        """What an offer wants of the programme that made it.

        Returns
        -------
        None where no programme made it; the programme's hash where that is closed by now.
        """
        if decision.outcome not in (Outcome.APPROVE, Outcome.COUNTER_OFFER) or decision.terms is None:
            return None
        if (
            tell_exploration(decision) is not RuleResult.HIT
            or not decision.assignment
            or not decision.assignment.exploration
        ):
            return None
        content_hash = decision.assignment.exploration.programme
        live = self._live.get(product)
        if live is None or live.content_hash != content_hash:
            return content_hash
        programme = live.programme
        return Wanted(
            programme=content_hash,
            key=key_of_programme(content_hash),
            want=Want(
                cents=reserve_cents(programme, Cents(programme.amount_cents_max)), cap_cents=Cents(programme.cap_cents)
            ),
            reserved_cents=reserve_cents(programme, decision.terms.amount_cents),
        )

    def close(self, product: str, content_hash: ContentHash) -> None:
        """Have a programme draw nobody any more, here and at once; the record says so at the next refresh."""
        live = self._live.get(product)
        if live is not None and live.content_hash == content_hash:
            del self._live[product]
            self._gone.add(content_hash)
            self._due.add(content_hash)
            self._closed(live.programme)


def key_of_programme(content_hash: ContentHash) -> str:
    """The key of a programme's budget."""
    return f"explored:{content_hash}"


async def put_programme(record: Record, programme: Programme, actor: Actor) -> ContentHash:
    """Record a programme, which runs from its first day on; its hash. The one that runs already changes nothing.

    Raises
    ------
    NotFound : no release of the product is live, or it has no layers, whose salt draws.
    Refused : it does not fit the live policy; every fault is told.
    Conflict : another programme of the product has not ended, or this one was recorded before.
    """
    live = (await live_releases(record)).get(programme.product)
    if live is None:
        raise NotFound("live release of product", programme.product)
    manifest, documents = await read_parts(record, live)
    check_programme(programme, decode_policy(documents[manifest.policy_hash]))
    raw = encode_programme(programme)
    content_hash = hash_content(raw)
    today = record.clock.now().date()
    held = (await read_programmes(record)).get(programme.product)
    if held is not None and held.content_hash == content_hash and held.end is None:
        return content_hash
    if held is not None and held.end is None and held.programme.ends_on >= today:
        raise Conflict(
            f"programme {held.programme.name} of {programme.product} runs until {held.programme.ends_on}: stop it first "
            f"(instant-credit exploration stop {programme.product})"
        )
    if programme.ends_on < today:
        raise Conflict(f"ends_on: {programme.ends_on} is over; write a later day")
    await _require_new(record, content_hash)
    _, layers = await find_layers(record, programme.product)
    await put_document(record, DocumentKind.LAYERS, encode_layers(layers), actor)
    await put_document(record, DocumentKind.EXPLORATION, raw, actor)
    return content_hash


async def _require_new(record: Record, content_hash: ContentHash) -> None:
    """Raise Conflict where the programme was recorded before: an ended one does not begin again, nor does its cap."""
    recorded = {row.content_hash for row in await list_documents(record, DocumentKind.EXPLORATION)}
    if content_hash in recorded:
        raise Conflict("this programme was recorded before and has ended: give the new one another name")
