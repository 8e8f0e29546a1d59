"""A training of the journey: from what is known today to a candidate, judged, proposed, approved by a second person, and live. Edge.

enough ripe bad loans? ─► train ─► release ─► gates ─► propose ─► approve or reject ─► activate
"""

from collections.abc import Callable
from datetime import date, timedelta
from itertools import count
from typing import Final

from msgspec import Struct

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature
from instant_credit.decision.gate_report import Gate, GateReport, Verdict
from instant_credit.errors import Refused
from instant_credit.factory.timemachine.lender import ACTOR, CLIENT, Lender
from instant_credit.factory.timemachine.route import Route, day_before
from instant_credit.outcome.labels import Label, label_outcome
from instant_credit.record.documents import DocumentKind, put_documents
from instant_credit.record.release_life import ReleaseTerms, Tier
from instant_credit.score.bundle import encode_bundle
from instant_credit.score.scorecard import build_scorecard
from instant_credit.training.fitting.selection import SelectOptions
from instant_credit.training.gates.gathering import Wanted, judge_recorded
from instant_credit.training.plans import Wish
from instant_credit.training.workshop import train
from instant_credit.underwriting.course import BOOK
from instant_credit.underwriting.release_life import ReleaseDesk
from instant_credit.underwriting.releases import make_release

_PROPOSER: Final = Signature(actor=Actor(kind=ActorKind.PERSON, id="simulated-proposer"))
_APPROVER: Final = Signature(actor=Actor(kind=ActorKind.PERSON, id="simulated-approver"))
_TICK_NS: Final = 1_000
_REVIEW_DAYS: Final = 120
_EXPIRY_DAYS: Final = 730
_USE: Final = "Deciding the applications of a simulated journey."


class Said(Struct, frozen=True, kw_only=True):
    """What a gate said; `sentence` is left out of cost, whose time is none that was measured."""

    gate: Gate
    verdict: Verdict
    sentence: str | None


class Attempt(Struct, frozen=True, kw_only=True):
    """What came of a training day.

    Attributes
    ----------
    ripe_goods, ripe_bads : loans with a label by then, as known then.
    words : what happened, in one sentence.
    model_hash : the candidate, None where none was trained.
    release_hash : what went live, None where nothing did.
    said : of every gate.
    """

    day: date
    ripe_goods: int
    ripe_bads: int
    words: str
    model_hash: str | None = None
    release_hash: str | None = None
    said: tuple[Said, ...] = ()


async def begin(lender: Lender, route: Route) -> str:
    """Put the expert's release live; its hash.

    Raises
    ------
    NotFound : no loan was made before the journey, so no reference population can be counted.
    Refused : scorecard, policy and product do not fit together.
    """
    bundle_raw = encode_bundle(build_scorecard(route.scorecard, lender.product))
    (model_hash,) = await put_documents(lender.record, [(DocumentKind.MODEL, bundle_raw)], ACTOR)
    return await _go_live(lender, route, model_hash)


def count_ripe(lender: Lender, route: Route, day: date) -> tuple[int, int]:
    """Good and bad loans by the route's labels, as known at the end of the day before."""
    known_on, goods, bads = day_before(day), 0, 0
    for place, events in lender.known.items():
        label = label_outcome(
            events, known_on=known_on, started_on=lender.loans[place].as_of, definition=route.definition
        )
        goods += label is Label.GOOD
        bads += label is Label.BAD
    return goods, bads


async def learn_anew(lender: Lender, route: Route, day: date, progress: Callable[[str], None]) -> Attempt:
    """Train on what is known, and put the model live where every gate lets it pass."""
    goods, bads = count_ripe(lender, route, day)
    if bads < route.bads_min:
        words = f"{bads:,} ripe bad loans; {route.bads_min:,} are needed"
        return Attempt(day=day, ripe_goods=goods, ripe_bads=bads, words=words)
    try:
        training = await train(
            lender.record,
            book=BOOK,
            product=lender.product,
            plan=Wish(test_share=route.share_tested(bads)),
            known_on=day_before(day),
            definition=route.definition,
            parameters=route.preset,
            selecting=SelectOptions() if route.selects else None,
            actor=ACTOR,
            progress=lambda stage, _done: progress(stage),
        )
    except Refused as refused:
        return Attempt(day=day, ripe_goods=goods, ripe_bads=bads, words=f"no model could be trained: {refused}")
    report = await _judge(lender, route, training.bundle_hash, progress)
    said = tuple(
        Said(gate=one.gate, verdict=one.verdict, sentence=None if one.gate is Gate.COST else one.sentence)
        for one in report.results
    )
    release_hash, words = None, "stopped by " + ", ".join(gate.value for gate in report.stopped_by)
    if report.passes:
        release_hash = await _go_live(lender, route, training.bundle_hash)
        words = "passed every gate and went live"
    return Attempt(
        day=day,
        ripe_goods=goods,
        ripe_bads=bads,
        words=words,
        model_hash=training.bundle_hash,
        release_hash=release_hash,
        said=said,
    )


async def _judge(lender: Lender, route: Route, model_hash: str, progress: Callable[[str], None]) -> GateReport:
    """Against what decides now, by what was known yesterday."""
    wanted = Wanted(
        book=BOOK,
        model_hash=model_hash,
        champion_release=lender.releases.live()[lender.product.name].hash,
        known_on=day_before(lender.clock.now().date()),
    )
    filed = await judge_recorded(
        lender.record,
        wanted,
        thresholds=route.thresholds,
        actor=ACTOR,
        # One that ticks by itself: a machine that is slow today promotes no other model (ADR 0023).
        stopwatch=count(step=_TICK_NS).__next__,
        progress=lambda stage, _done: progress(stage),
    )
    return filed.report


async def _go_live(lender: Lender, route: Route, model_hash: str) -> str:
    """Make a release of the model, propose it as one person, approve it as another, and let it decide from now on."""
    release = await make_release(
        lender.record,
        policy=route.policy,
        model_hash=model_hash,
        book=BOOK,
        actor=ACTOR,
        product=lender.product,
    )
    today = lender.clock.now().date()
    terms = ReleaseTerms(
        owner=CLIENT,
        tier=Tier.MEDIUM,
        review_on=today + timedelta(days=_REVIEW_DAYS),
        expires_on=today + timedelta(days=_EXPIRY_DAYS),
        allowed_use=_USE,
    )
    desk = ReleaseDesk(lender.record)
    await desk.propose(release.hash, terms, _PROPOSER)
    await desk.approve(release.hash, _APPROVER)
    await desk.activate(release.hash, _APPROVER)
    await lender.releases.refresh()
    return release.hash
