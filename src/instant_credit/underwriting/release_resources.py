"""What is told of releases, and what is asked for when one is moved.

Nothing is computed here. What is told only ever grows; what is asked for is refused when it holds anything unknown.
"""

from datetime import date, datetime
from typing import Annotated, Final

from msgspec import Meta, Struct

from instant_credit.access.actors import ActorKind
from instant_credit.decision.gate_report import Gate
from instant_credit.record.release_life import ReleaseEvent, ReleaseEventKind, ReleaseTerms, Stage, Tier
from instant_credit.underwriting.answers import Hash, ProductName
from instant_credit.underwriting.release_gates import GateFinding, Gating
from instant_credit.underwriting.release_states import Approval, ProductLife, ReleaseState, Standing
from instant_credit.underwriting.resources import Link
from instant_credit.units import Instant

EVENTS_MAX: Final = 1_000
RELEASES_MAX: Final = 1_000

OwnerId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$")]
Words = Annotated[str, Meta(min_length=1, max_length=400, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Proposal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Terms that a release is proposed on. `owner` is the id of a team or of staff, never a name; days are UTC."""

    owner: OwnerId
    tier: Tier
    review_on: date
    expires_on: date
    allowed_use: Words

    def terms(self) -> ReleaseTerms:
        """The same as it is recorded."""
        return ReleaseTerms(
            owner=self.owner,
            tier=self.tier,
            review_on=self.review_on,
            expires_on=self.expires_on,
            allowed_use=self.allowed_use,
        )


class Approved(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An approval, with words where there are any."""

    reason: Words | None = None


class Reasoned(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a release is rejected, rolled back or retired."""

    reason: Words


class Staged(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an approved release becomes."""

    stage: Stage


class Activated(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From when the release decides; null or left out = now."""

    at: Instant | None = None


class ToldTerms(Struct, frozen=True, kw_only=True):
    """Terms that a release decides on, or that wait for approval."""

    owner: OwnerId
    tier: Tier
    review_on: date
    expires_on: date
    allowed_use: Words


class ToldEvent(Struct, frozen=True, kw_only=True):
    """One event of a release's life: what happened, when, and who did it.

    `restored` is the release that a rollback brought back; `is_single_person` says that no second person took part.
    """

    kind: ReleaseEventKind
    recorded_at: Instant
    actor_kind: ActorKind
    actor_id: Annotated[str, Meta(max_length=64)]
    is_single_person: bool
    stage: Stage | None
    active_at: Instant | None
    restored: Hash | None
    terms: ToldTerms | None
    reason: Words | None


class ToldGates(Struct, frozen=True, kw_only=True):
    """What the gates say of the release's model, by the report recorded last and the waivers in force now.

    `champion_model`: never judged, and the champion's own model. `no_training`: it was drawn up by hand, can't be judged, and two persons
    alone answer for it. `not_judged`: it was trained, and one person alone can let it decide, if anybody.

    `thresholds` and `against` say by which thresholds and against which model the report judged (null: absolute floors, or no report);
    `is_outdated` that this is not the model of the champion of now.
    """

    finding: GateFinding
    report: Hash | None
    thresholds: Annotated[str, Meta(max_length=100)] | None
    against: Hash | None
    is_outdated: bool
    stopped_by: Annotated[tuple[Gate, ...], Meta(max_length=len(Gate))]
    waived: Annotated[tuple[Gate, ...], Meta(max_length=len(Gate))]


class ReleaseLinks(Struct, frozen=True, kw_only=True, rename={"own": "self"}):
    """Where a release and the list of all are."""

    own: Link
    releases: Link


class ListedRelease(Struct, frozen=True, kw_only=True):
    """A release without its history. `planned_at` is when it is to go live; `waiting` are terms that nobody has approved yet."""

    schema_version: int = 1
    release: Hash
    product: ProductName
    model: Hash
    policy: Hash
    state: ReleaseState
    approval: Approval
    is_single_person: bool
    planned_at: Instant | None
    terms: ToldTerms | None
    waiting: ToldTerms | None
    links: ReleaseLinks


class ReleaseStatus(Struct, frozen=True, kw_only=True):
    """A release as it stands, and its last events, oldest first."""

    schema_version: int = 1
    release: Hash
    product: ProductName
    state: ReleaseState
    approval: Approval
    is_single_person: bool
    planned_at: Instant | None
    terms: ToldTerms | None
    waiting: ToldTerms | None
    gates: ToldGates
    events: Annotated[tuple[ToldEvent, ...], Meta(max_length=EVENTS_MAX)]
    links: ReleaseLinks


class ListedReleases(Struct, frozen=True, kw_only=True):
    """The newest releases, oldest first."""

    schema_version: int = 1
    releases: Annotated[tuple[ListedRelease, ...], Meta(max_length=RELEASES_MAX)]


def tell_release(release_hash: str, life: ProductLife, gating: Gating) -> ReleaseStatus:
    """The release as it stands in its product's life, and what the gates say of its model."""
    standing = life.standing(release_hash)
    own = [event for event in life.events if release_hash in (event.release_hash, event.former_hash)]
    return ReleaseStatus(
        release=release_hash,
        product=life.product,
        state=standing.state,
        approval=standing.approval,
        is_single_person=standing.is_single_person,
        planned_at=planned_at(release_hash, life),
        terms=tell_terms(standing.terms),
        waiting=tell_terms(standing.proposed),
        gates=ToldGates(
            finding=gating.finding,
            report=gating.report_hash,
            thresholds=gating.thresholds,
            against=gating.against,
            is_outdated=gating.is_outdated,
            stopped_by=gating.stopped_by,
            waived=gating.waived,
        ),
        events=tuple(_tell_event(event) for event in own[-EVENTS_MAX:]),
        links=release_links(release_hash),
    )


def list_release(standing: Standing, life: ProductLife, *, model: str, policy: str) -> ListedRelease:
    """One line of the list."""
    return ListedRelease(
        release=standing.release_hash,
        product=life.product,
        model=model,
        policy=policy,
        state=standing.state,
        approval=standing.approval,
        is_single_person=standing.is_single_person,
        planned_at=planned_at(standing.release_hash, life),
        terms=tell_terms(standing.terms),
        waiting=tell_terms(standing.proposed),
        links=release_links(standing.release_hash),
    )


def planned_at(release_hash: str, life: ProductLife) -> datetime | None:
    """When the release is to go live, None when it is not."""
    return life.plan.at if life.plan is not None and life.plan.release_hash == release_hash else None


def tell_terms(terms: ReleaseTerms | None) -> ToldTerms | None:
    """Terms as they are told."""
    if terms is None:
        return None
    return ToldTerms(
        owner=terms.owner,
        tier=terms.tier,
        review_on=terms.review_on,
        expires_on=terms.expires_on,
        allowed_use=terms.allowed_use,
    )


def release_links(release_hash: str) -> ReleaseLinks:
    """Where it is."""
    return ReleaseLinks(own=Link.to("releases", release_hash), releases=Link.to("releases"))


def _tell_event(event: ReleaseEvent) -> ToldEvent:
    return ToldEvent(
        kind=event.kind,
        recorded_at=event.recorded_at,
        actor_kind=event.signature.actor.kind,
        actor_id=event.signature.actor.id,
        is_single_person=event.is_single_person,
        stage=event.stage,
        active_at=event.active_at,
        restored=None if event.former_hash is None else event.release_hash,
        terms=tell_terms(event.terms),
        reason=event.reason,
    )
