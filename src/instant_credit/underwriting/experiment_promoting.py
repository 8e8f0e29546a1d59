"""Promotion: an arm whose readout says so becomes a release that is proposed, and the experiment is concluded. Edge.

    readout: promote ─► the arm's parts laid over the live release of now ─► recorded ─► proposed on terms ─► experiment concluded

Nothing goes live here. The proposal waits for a second person, as every proposal does, and gates judge the release's model by its hash: a model
that an arm took from an approved release has its report already.
"""

import asyncio

from msgspec import Struct

from instant_credit.access.four_eyes import Signature
from instant_credit.canonical import ContentHash
from instant_credit.decision.overlay import Overlaid, Parts, overlay
from instant_credit.decision.release import compose_release
from instant_credit.errors import NotFound, Refused
from instant_credit.experiment.plan import Arm, Part
from instant_credit.experiment.readout import Readout
from instant_credit.experiment.verdict import Standing, VerdictKind
from instant_credit.record.documents import DocumentKind, put_documents
from instant_credit.record.experiments import Conclusion
from instant_credit.record.pool import Record
from instant_credit.record.release_life import ReleaseTerms
from instant_credit.underwriting.experiment_life import ExperimentDesk
from instant_credit.underwriting.experiment_moves import ExperimentConflict
from instant_credit.underwriting.experiment_readouts import ReadoutDesk
from instant_credit.underwriting.experiment_resources import ExperimentStatus
from instant_credit.underwriting.release_life import ReleaseDesk
from instant_credit.underwriting.release_resources import ReleaseStatus
from instant_credit.underwriting.releases import live_releases, read_parts


class Promoted(Struct, frozen=True, kw_only=True):
    """What a promotion left: the release that waits for a second person, the readout that it rests on, and the experiment as it stands."""

    schema_version: int = 1
    arm: str
    readout: ContentHash
    release: ReleaseStatus
    experiment: ExperimentStatus


async def promote(record: Record, experiment: int, arm: str, terms: ReleaseTerms, by: Signature) -> Promoted:
    """Propose the release that an arm makes of the live one, and conclude the experiment with `promote`. Made again, it changes nothing.

    Parameters
    ----------
    terms : of the proposal: owner, tier, review, expiry and allowed use.

    Raises
    ------
    NotFound : no such experiment.
    ExperimentConflict : its readout does not say that this arm is better, the arm lays nothing over the live release, or its parts do not
        fit what is live now; or the experiment was concluded otherwise.
    ReleaseConflict, ReleaseRefused : the proposal is impossible as things stand, or its terms are wrong.
    """
    desk = ExperimentDesk(record)
    life = await desk.read_life(experiment)
    readout = await ReadoutDesk(record).read(experiment)
    told = _require_better(life.plan.arms, readout, arm)
    if life.verdict not in (None, Conclusion.PROMOTE):
        raise ExperimentConflict(f"it was concluded with {life.verdict}, for good")
    made = await _compose(record, life.plan.product, told)
    documents = [(DocumentKind.RELEASE if kind == DocumentKind.OVERLAY else kind, raw) for kind, raw in made.made]
    await put_documents(record, documents, by.actor)
    release = await ReleaseDesk(record).propose(made.hash, terms, by)
    reason = f"arm {arm} by readout {readout.hash[:12]} as of {readout.until}; proposed as release {made.hash[:12]}"
    status = await desk.conclude(experiment, Conclusion.PROMOTE, by, reason)
    return Promoted(arm=arm, readout=readout.hash, release=release, experiment=status)


def _require_better(arms: tuple[Arm, ...], readout: Readout, arm: str) -> Arm:
    verdict = readout.verdict
    better = [one.arm for one in verdict.arms if one.standing is Standing.BETTER]
    if verdict.kind is not VerdictKind.PROMOTE or arm not in better:
        names = f"; it may promote {', '.join(better)}" if better else ""
        raise ExperimentConflict(f"its readout as of {readout.until} does not promote {arm}{names}: {verdict.words}")
    told = next(one for one in arms if one.name == arm)
    if not told.overlay:
        raise ExperimentConflict(f"arm {arm} lays nothing over the live release, so there is nothing to promote")
    return told


async def _compose(record: Record, product: str, arm: Arm) -> Overlaid:
    """The arm laid over what is live now, proved to decide."""
    live = (await live_releases(record)).get(product)
    if live is None:
        raise ExperimentConflict(f"no release of {product} is live: activate one first")
    try:
        sources = {part: await _read(record, release_hash) for part, release_hash in sorted(arm.overlay.items())}
        return await asyncio.to_thread(_prove, await _read(record, live), sources)
    except (NotFound, Refused) as why:
        raise ExperimentConflict(f"arm {arm.name} does not fit the release that is live now: {why}") from why


async def _read(record: Record, release_hash: str) -> Parts:
    manifest, documents = await read_parts(record, release_hash)
    return Parts(manifest=manifest, documents=documents)


def _prove(live: Parts, laid: dict[Part, Parts]) -> Overlaid:
    made = overlay(live, laid)
    compose_release(made.manifest, made.documents)
    return made
