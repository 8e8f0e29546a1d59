"""The state of every release of a product: a pure function of the product's events and an instant.

    candidate ─► shadow ─► challenger ─► champion ─► retired

An activation takes effect at its instant, unless a later event has put another release live before that: then it was called off. The
champion is the release of the last event in effect, so every process that reads the same events at the same instant names the same one.
A champion that another one follows is retired and keeps its approval: that is what a rollback brings back. Retiring a release by hand
withdraws its approval, and it begins anew as a candidate when it is proposed again. What was activated before there were events counts as
approved, on no terms.

Source: ADR 0024.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from enum import StrEnum
from itertools import groupby
from typing import Final

from msgspec import Struct

from instant_credit.access.four_eyes import Signature
from instant_credit.record.release_life import ReleaseEvent, ReleaseEventKind, ReleaseTerms, Stage


class ReleaseState(StrEnum):
    """Where a release stands."""

    CANDIDATE = "candidate"
    SHADOW = "shadow"
    CHALLENGER = "challenger"
    CHAMPION = "champion"
    RETIRED = "retired"


class Approval(StrEnum):
    """What a second person said."""

    NONE = "none"
    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class DueKind(StrEnum):
    """What is due."""

    REVIEW = "review"
    EXPIRY = "expiry"
    TERMS = "terms"


DUE_DAYS: Final = 30
"""What falls due within so many days is told."""

UNSEEN: Final = (ReleaseState.SHADOW, ReleaseState.CHALLENGER)
"""States in which a release decides every application after its answer has left, and answers nobody."""

# States in which a release decides, seen or unseen.
STAGED: Final = (*UNSEEN, ReleaseState.CHAMPION)


class Plan(Struct, frozen=True, kw_only=True):
    """An activation that has not come into effect."""

    release_hash: str
    at: datetime


class Standing(Struct, kw_only=True):
    """One release as it stands.

    Attributes
    ----------
    terms : those that were approved last; None = never approved, withdrawn, or activated before there were terms.
    proposed, proposed_by : terms that wait for a second person, and who proposed them.
    is_single_person : the terms in force were proposed and approved by one person.
    """

    release_hash: str
    state: ReleaseState = ReleaseState.CANDIDATE
    approval: Approval = Approval.NONE
    terms: ReleaseTerms | None = None
    proposed: ReleaseTerms | None = None
    proposed_by: Signature | None = None
    is_single_person: bool = False

    def has_expired(self, day: date) -> bool:
        """Whether it can't go live on that day any more."""
        return self.terms is not None and self.terms.expires_on <= day


class Due(Struct, frozen=True, kw_only=True):
    """What has to be done about a release that decides, on which day; None = it has no terms at all."""

    product: str
    release_hash: str
    state: ReleaseState
    owner: str | None
    kind: DueKind
    on: date | None


class ProductLife(Struct, kw_only=True):
    """The releases of one product at an instant.

    Attributes
    ----------
    number : of the last event; the next one has the number after it.
    champion : what decides; None = nothing does.
    former : what a rollback of the champion brings back; None = nothing came before.
    plan : the activation that is to take effect, None without one.
    standings : every release that something happened to, by hash, in order of its first event.
    """

    product: str
    now: datetime
    number: int
    events: tuple[ReleaseEvent, ...]
    champion: str | None
    former: str | None
    plan: Plan | None
    standings: dict[str, Standing]

    def standing(self, release_hash: str) -> Standing:
        """The release as it stands; a candidate when nothing happened to it."""
        return self.standings.get(release_hash) or Standing(release_hash=release_hash)

    def in_state(self, *states: ReleaseState) -> tuple[str, ...]:
        """Hashes of the releases in one of these states, in order of their first event."""
        return tuple(one.release_hash for one in self.standings.values() if one.state in states)

    def due(self, until: date) -> tuple[Due, ...]:
        """What falls due, of the releases that decide, on or before a day."""
        found = []
        for one in self.standings.values():
            if one.state not in STAGED:
                continue
            days = (
                ((DueKind.TERMS, None),)
                if one.terms is None
                else ((DueKind.REVIEW, one.terms.review_on), (DueKind.EXPIRY, one.terms.expires_on))
            )
            found += [
                Due(
                    product=self.product,
                    release_hash=one.release_hash,
                    state=one.state,
                    owner=None if one.terms is None else one.terms.owner,
                    kind=kind,
                    on=on,
                )
                for kind, on in days
                if on is None or on <= until
            ]
        return tuple(found)


def tell_lives(events: Iterable[ReleaseEvent], now: datetime) -> dict[str, ProductLife]:
    """The lives of all products out of their events, which come in order of product and number."""
    return {
        product: tell_life(product, tuple(own), now)
        for product, own in groupby(events, key=lambda event: event.product)
    }


def tell_life(product: str, events: Sequence[ReleaseEvent], now: datetime) -> ProductLife:
    """The releases of one product at `now`.

    Parameters
    ----------
    events : all of the product, in order of their numbers.
    """
    in_effect = _find_in_effect(events, now)
    fold = _Fold()
    for event in events:
        if event.active_at is None or event.number in in_effect:
            fold.take(event)
    last = next((event for event in reversed(events) if event.active_at is not None), None)
    plan = None
    if last is not None and last.active_at is not None and last.active_at > now:
        plan = Plan(release_hash=last.release_hash, at=last.active_at)
    return ProductLife(
        product=product,
        now=now,
        number=max((event.number for event in events), default=0),
        events=tuple(events),
        champion=fold.stack[-1] if fold.stack else None,
        former=fold.stack[-2] if len(fold.stack) > 1 else None,
        plan=plan,
        standings={
            event.release_hash: fold.standings.get(event.release_hash, Standing(release_hash=event.release_hash))
            for event in events
        },
    )


def _find_in_effect(events: Sequence[ReleaseEvent], now: datetime) -> set[int]:
    """Numbers of the activations and rollbacks that have taken effect: their instant has come, and no later one came sooner."""
    found: set[int] = set()
    earliest_later: datetime | None = None
    for event in reversed(events):
        if event.active_at is None:
            continue
        if event.active_at <= now and (earliest_later is None or event.active_at <= earliest_later):
            found.add(event.number)
        if earliest_later is None or event.active_at < earliest_later:
            earliest_later = event.active_at
    return found


class _Fold:
    """Standings after the events so far; `stack` holds the champions that a rollback can go back through, the present one last."""

    def __init__(self) -> None:
        self.standings: dict[str, Standing] = {}
        self.stack: list[str] = []

    def take(self, event: ReleaseEvent) -> None:
        one = self.standings.setdefault(event.release_hash, Standing(release_hash=event.release_hash))
        match event.kind:
            case ReleaseEventKind.PROPOSED:
                one.proposed, one.proposed_by = event.terms, event.signature
                if one.approval is not Approval.APPROVED:
                    one.approval = Approval.WAITING
                    if one.state is ReleaseState.RETIRED:
                        one.state = ReleaseState.CANDIDATE
            case ReleaseEventKind.APPROVED:
                one.terms, one.is_single_person = one.proposed, event.is_single_person
                one.proposed, one.proposed_by, one.approval = None, None, Approval.APPROVED
            case ReleaseEventKind.REJECTED:
                one.proposed, one.proposed_by = None, None
                one.approval = Approval.APPROVED if one.approval is Approval.APPROVED else Approval.REJECTED
            case ReleaseEventKind.STAGED:
                one.state = ReleaseState.SHADOW if event.stage is Stage.SHADOW else ReleaseState.CHALLENGER
            case ReleaseEventKind.RETIRED:
                self.standings[event.release_hash] = Standing(
                    release_hash=event.release_hash, state=ReleaseState.RETIRED, approval=Approval.WITHDRAWN
                )
            case ReleaseEventKind.ACTIVATED | ReleaseEventKind.ROLLED_BACK:
                self._put_live(event, one)

    def _put_live(self, event: ReleaseEvent, one: Standing) -> None:
        if self.stack:
            self.standings[self.stack[-1]].state = ReleaseState.RETIRED
        if self.stack and self.stack[-1] == event.former_hash:
            self.stack.pop()
        if not self.stack or self.stack[-1] != event.release_hash:
            self.stack.append(event.release_hash)
        one.state = ReleaseState.CHAMPION
        if event.number < 1:
            one.approval = Approval.APPROVED
