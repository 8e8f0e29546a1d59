"""What may happen to a release next: each move judges the product's life and gives the event to add, or None where it stands already.

A move that is impossible raises `ReleaseConflict`, and one that is wrong in itself `ReleaseRefused`; both say what to do, in words about
releases alone. Moves that were made already are answered as they stand, so that whoever does not know whether a move arrived repeats it.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, Final

from msgspec import Struct

from instant_credit.access.four_eyes import Signature, is_seconded
from instant_credit.errors import Conflict, Problem, Refused
from instant_credit.record.release_life import ReleaseEvent, ReleaseEventKind, ReleaseTerms, Stage
from instant_credit.underwriting.release_states import UNSEEN, Approval, ProductLife, ReleaseState, Standing

SHADOWS_MAX: Final = 2
"""Shadows and challengers of one product: each is held in memory, and decides every application, in every process that answers."""

TERMS_DAYS_MAX: Final = 1_827
"""A release expires within five years."""

AHEAD_MAX: Final = timedelta(days=366)
"""An activation is planned for at most so much later."""

Judge = Callable[[ProductLife], ReleaseEvent | None]


class ReleaseConflict(Conflict):
    """The release can't be moved so; the message says why and what to do."""


class ReleaseRefused(Refused):
    """What was told of a move is wrong; `problems` says where."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(f"{problem.pointer.lstrip('/')}: {problem.message}" for problem in problems))
        self.problems = problems


class Move(Struct, frozen=True, kw_only=True):
    """What every move has: the release, who makes it, why, and whether one person stands in for the second."""

    release_hash: str
    by: Signature
    reason: str | None = None
    is_single_person: bool = False

    def write(self, life: ProductLife, kind: ReleaseEventKind, **told: Any) -> ReleaseEvent:
        """The event that follows the last one of `life`."""
        values: dict[str, Any] = {
            "product": life.product,
            "number": max(life.number, 0) + 1,
            "kind": kind,
            "release_hash": self.release_hash,
            "reason": self.reason,
            "is_single_person": self.is_single_person,
            "signature": self.by,
            "recorded_at": life.now,
        }
        return ReleaseEvent(**(values | told))


def check_terms(terms: ReleaseTerms, today: date) -> None:
    """Raise `ReleaseRefused` unless the days of the terms follow each other from tomorrow on."""
    problems = []
    if terms.review_on <= today:
        problems.append(
            Problem(pointer="/review_on", code="DAY_NOT_AHEAD", message="the next review must lie after today (UTC)")
        )
    if terms.expires_on < terms.review_on:
        problems.append(
            Problem(
                pointer="/expires_on", code="DAY_BEFORE_REVIEW", message="it must not expire before its next review"
            )
        )
    if (terms.expires_on - today).days > TERMS_DAYS_MAX:
        problems.append(
            Problem(pointer="/expires_on", code="DAY_TOO_FAR", message=f"it must expire within {TERMS_DAYS_MAX} days")
        )
    if problems:
        raise ReleaseRefused(tuple(problems))


def propose(move: Move, terms: ReleaseTerms) -> Judge:
    """Propose a release on terms, anew where it was approved on others."""

    def judge(life: ProductLife) -> ReleaseEvent | None:
        one = life.standing(move.release_hash)
        if one.proposed is not None:
            if one.proposed == terms and one.proposed_by is not None and one.proposed_by.signer == move.by.signer:
                return None
            raise ReleaseConflict("a proposal of this release waits for a second person: approve or reject it first")
        if one.approval is Approval.APPROVED and one.terms == terms:
            return None
        check_terms(terms, life.now.date())
        return move.write(life, ReleaseEventKind.PROPOSED, terms=terms)

    return judge


def approve(move: Move) -> Judge:
    """Approve the proposal that waits, as another person than proposed it."""

    def judge(life: ProductLife) -> ReleaseEvent | None:
        one = life.standing(move.release_hash)
        if one.proposed is None:
            if one.approval is Approval.APPROVED:
                return None
            raise ReleaseConflict(f"nothing waits for approval: the release's approval is {one.approval}; propose it")
        _require_second(one, move)
        if one.proposed.expires_on <= life.now.date():
            raise ReleaseConflict(f"the proposal expired on {one.proposed.expires_on}: reject it and propose it anew")
        return move.write(life, ReleaseEventKind.APPROVED)

    return judge


def reject(move: Move) -> Judge:
    """Reject the proposal that waits, as another person than proposed it; terms that were approved before stay in force."""

    def judge(life: ProductLife) -> ReleaseEvent | None:
        one = life.standing(move.release_hash)
        if one.proposed is None:
            if _last_verdict(life, move.release_hash) is ReleaseEventKind.REJECTED:
                return None
            raise ReleaseConflict(f"nothing waits to be rejected: the release's approval is {one.approval}")
        _require_second(one, move)
        return move.write(life, ReleaseEventKind.REJECTED)

    return judge


def stage(move: Move, stage: Stage) -> Judge:
    """Make an approved release a shadow or a challenger, which decide unseen alike; together they are bounded."""

    def judge(life: ProductLife) -> ReleaseEvent | None:
        one = life.standing(move.release_hash)
        if one.state.value == stage.value:
            return None
        _require_unplanned(life, move.release_hash)
        if one.state is ReleaseState.CHAMPION:
            raise ReleaseConflict(f"it is the champion of {life.product}: activate another release first")
        require_fit(one, life.now.date())
        others = [one for one in life.in_state(*UNSEEN) if one != move.release_hash]
        if len(others) >= SHADOWS_MAX:
            raise ReleaseConflict(
                f"{life.product} has {SHADOWS_MAX} shadows and challengers already: activate or retire one of them first"
            )
        return move.write(life, ReleaseEventKind.STAGED, stage=stage)

    return judge


def activate(move: Move, at: datetime | None = None) -> Judge:
    """Make an approved release the champion, now or at an instant."""

    def judge(life: ProductLife) -> ReleaseEvent | None:
        one = life.standing(move.release_hash)
        plan, is_champion = life.plan, life.champion == move.release_hash
        if is_champion and at is None:
            return None
        if plan is not None and (plan.release_hash, plan.at) == (move.release_hash, at):
            return None
        if plan is not None and (plan.release_hash != move.release_hash or (at is not None and at > plan.at)):
            raise ReleaseConflict(
                f"release {plan.release_hash} is to go live at {plan.at:%Y-%m-%dT%H:%M:%SZ}: roll that back first"
            )
        if is_champion and _went_live_at(life) == at:
            return None
        if at is not None:
            _check_instant(at, life.now)
            if is_champion:
                raise ReleaseConflict(f"it is the champion of {life.product} already")
            if life.champion is None:
                raise ReleaseConflict(f"{life.product} has no champion to decide until then: activate it now")
        active_at = life.now if at is None else at
        require_fit(one, active_at.date())
        return move.write(life, ReleaseEventKind.ACTIVATED, active_at=active_at)

    return judge


def roll_back(move: Move) -> Judge:
    """Take a release back at once: one that is to go live is called off, the champion gives way to the one before it."""

    def judge(life: ProductLife) -> ReleaseEvent | None:
        last = next((event for event in reversed(life.events) if event.active_at is not None), None)
        if last is not None and last.former_hash == move.release_hash:
            return None
        if life.plan is not None:
            if life.plan.release_hash != move.release_hash or life.champion is None:
                raise ReleaseConflict(f"release {life.plan.release_hash} is to go live: roll that back first")
            return _bring_back(move, life, life.champion)
        if life.champion != move.release_hash:
            raise ReleaseConflict(f"it is not the champion of {life.product}, nor about to be")
        if life.former is None:
            raise ReleaseConflict(f"no release of {life.product} came before it: activate another one")
        try:
            require_fit(life.standing(life.former), life.now.date())
        except ReleaseConflict as why:
            raise ReleaseConflict(f"release {life.former} came before it, and {why}") from None
        return _bring_back(move, life, life.former)

    return judge


def retire(move: Move) -> Judge:
    """Take a release out for good, its approval with it; it begins anew when it is proposed again."""

    def judge(life: ProductLife) -> ReleaseEvent | None:
        one = life.standing(move.release_hash)
        if one.approval is Approval.WITHDRAWN:
            return None
        _require_unplanned(life, move.release_hash)
        if one.state is ReleaseState.CHAMPION:
            raise ReleaseConflict(f"it is the champion of {life.product}: activate another release first")
        return move.write(life, ReleaseEventKind.RETIRED)

    return judge


def _bring_back(move: Move, life: ProductLife, release_hash: str) -> ReleaseEvent:
    told = {"release_hash": release_hash, "former_hash": move.release_hash, "active_at": life.now}
    return move.write(life, ReleaseEventKind.ROLLED_BACK, **told)


def _require_second(one: Standing, move: Move) -> None:
    if move.is_single_person or (one.proposed_by is not None and is_seconded(one.proposed_by, move.by)):
        return
    raise ReleaseConflict("whoever proposed a release can't judge the proposal: a second person is needed")


def require_fit(one: Standing, day: date) -> None:
    """Raise `ReleaseConflict` unless the release may decide on a day: it is approved, and has not expired."""
    if one.approval is not Approval.APPROVED:
        raise ReleaseConflict(f"its approval is {one.approval}: it has to be proposed and approved by a second person")
    if one.terms is not None and one.terms.expires_on <= day:
        raise ReleaseConflict(f"it expired on {one.terms.expires_on}: it has to be proposed and approved anew")


def _require_unplanned(life: ProductLife, release_hash: str) -> None:
    if life.plan is not None and life.plan.release_hash == release_hash:
        raise ReleaseConflict(f"it is to go live at {life.plan.at:%Y-%m-%dT%H:%M:%SZ}: roll that back first")


def _check_instant(at: datetime, now: datetime) -> None:
    message = None
    if at <= now:
        message = "the instant must lie ahead; leave it out to activate now"
    elif at - now > AHEAD_MAX:
        message = f"the instant must lie within {AHEAD_MAX.days} days"
    if message is not None:
        raise ReleaseRefused((Problem(pointer="/at", code="INSTANT_NOT_AHEAD", message=message),))


def _went_live_at(life: ProductLife) -> datetime | None:
    """Since when the champion decides."""
    return next((event.active_at for event in reversed(life.events) if event.active_at is not None), None)


def _last_verdict(life: ProductLife, release_hash: str) -> ReleaseEventKind | None:
    """The last thing that was said about the release's approval."""
    said = (
        ReleaseEventKind.PROPOSED,
        ReleaseEventKind.APPROVED,
        ReleaseEventKind.REJECTED,
        ReleaseEventKind.RETIRED,
    )
    return next(
        (event.kind for event in reversed(life.events) if event.release_hash == release_hash and event.kind in said),
        None,
    )
