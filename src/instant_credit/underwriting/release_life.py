"""The life of releases: proposed, approved by a second person, staged, activated now or at an instant, rolled back, retired.

    read (events of the product) ─► judge at the clock ─► what the gates say of the model ─► the next event, by its number ─► the release
                                                          as it stands then

Whoever loses a race reads again and is judged by what stands, so of two moves at the same instant exactly one is made first. What goes
live is composed before, so that no approval makes what cannot decide decide.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Final

from instant_credit.access.four_eyes import Signature
from instant_credit.application.document import decode_product
from instant_credit.decision.release import Manifest, decode_manifest
from instant_credit.errors import BrokenInvariant, NotFound, Problem, Refused
from instant_credit.record.documents import DocumentKind, get_document, list_documents
from instant_credit.record.model_gates import read_model_gates
from instant_credit.record.pool import Record, within
from instant_credit.record.release_life import (
    ReleaseEventKind,
    ReleaseTerms,
    Stage,
    Tier,
    add_release_event,
    read_release_events,
)
from instant_credit.underwriting import release_moves as moves
from instant_credit.underwriting.course import APPLICATION_SECONDS
from instant_credit.underwriting.release_gates import Gating, find_gating
from instant_credit.underwriting.release_moves import Judge, Move, ReleaseConflict, ReleaseRefused
from instant_credit.underwriting.release_resources import (
    RELEASES_MAX,
    ListedRelease,
    ListedReleases,
    ReleaseStatus,
    list_release,
    tell_release,
)
from instant_credit.underwriting.release_states import Due, ProductLife, tell_life, tell_lives
from instant_credit.underwriting.releases import load_release

# Whoever loses more races than a product has moves in a moment has found a bug.
_ROUNDS_MAX: Final = 32
_ALONE_DAYS: Final = 365
# What lets a release near applications; a rollback does so too, and is never refused by a gate.
_GATED: Final = (ReleaseEventKind.APPROVED, ReleaseEventKind.STAGED, ReleaseEventKind.ACTIVATED)
ALONE_USE: Final = "What the only person of this home uses it for; nobody else looked at it."


class ReleaseDesk:
    """Reads releases and moves them.

    Parameters
    ----------
    record : the open system of record; its clock says what is in effect and what has expired.

    Every move raises `NotFound` for a release that is not recorded, `ReleaseConflict` for what is impossible as things stand, `ReleaseRefused`
    for what is wrong in itself, and `Unavailable` when the record does not answer: then the move may have been made, and may be repeated.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._parts: dict[str, tuple[str, Manifest]] = {}

    async def list_releases(self, product: str | None = None) -> ListedReleases:
        """The newest `RELEASES_MAX` releases of a product, or of all, oldest first. One that can't be read is left out."""
        lives = tell_lives(await read_release_events(self._record), self._record.clock.now())
        found: list[ListedRelease] = []
        for row in (await list_documents(self._record, DocumentKind.RELEASE))[-RELEASES_MAX:]:
            try:
                name, manifest = await self._read_parts(row.content_hash)
            except NotFound:
                continue
            if product in (None, name):
                life = lives.get(name) or tell_life(name, (), self._record.clock.now())
                one = life.standing(row.content_hash)
                found.append(list_release(one, life, model=manifest.model_hash, policy=manifest.policy_hash))
        return ListedReleases(releases=tuple(found))

    async def read(self, release_hash: str) -> ReleaseStatus:
        """The release as it stands."""
        return await self._tell(release_hash, await self._read_life(release_hash))

    async def find_obstacle(self, release_hash: str, product: str) -> str | None:
        """Why parts of the release may not decide for the product now, and what to do; None where they may.

        Parts are laid over a live release by a release that could go live itself: approved, not expired, stopped by no gate.
        """
        try:
            life = await self._read_life(release_hash)
        except NotFound:
            return "no release of this hash is recorded: `instant-credit release list` prints the hashes of all"
        if life.product != product:
            return f"it is a release of {life.product}: name one of {product}"
        one = life.standing(release_hash)
        try:
            moves.require_fit(one, life.now.date())
        except ReleaseConflict as why:
            return str(why)
        gating = await self._read_gating(release_hash, life, life.now)
        return gating.tell_obstacle(is_single_person=one.is_single_person)

    async def list_due(self, within_days: int) -> tuple[Due, ...]:
        """What falls due until so many days from today, of the releases that decide: reviews, expiries, terms that are missing."""
        now = self._record.clock.now()
        until = now.date() + timedelta(days=within_days)
        lives = tell_lives(await read_release_events(self._record), now)
        found = [due for life in lives.values() for due in life.due(until)]
        return tuple(sorted(found, key=lambda due: (due.on or date.min, due.product, due.release_hash)))

    async def propose(self, release_hash: str, terms: ReleaseTerms, by: Signature) -> ReleaseStatus:
        """Propose a release on terms, for the first time or anew."""
        return await self._advance(release_hash, moves.propose(Move(release_hash=release_hash, by=by), terms))

    async def approve(self, release_hash: str, by: Signature, reason: str | None = None) -> ReleaseStatus:
        """Approve the proposal that waits; whoever proposed it can't."""
        return await self._advance(release_hash, moves.approve(Move(release_hash=release_hash, by=by, reason=reason)))

    async def reject(self, release_hash: str, by: Signature, reason: str) -> ReleaseStatus:
        """Reject the proposal that waits; whoever proposed it can't."""
        return await self._advance(release_hash, moves.reject(Move(release_hash=release_hash, by=by, reason=reason)))

    async def stage(self, release_hash: str, stage: Stage, by: Signature) -> ReleaseStatus:
        """Make an approved release a shadow or a challenger."""
        await self._compose(release_hash)
        return await self._advance(release_hash, moves.stage(Move(release_hash=release_hash, by=by), stage))

    async def activate(self, release_hash: str, by: Signature, at: datetime | None = None) -> ReleaseStatus:
        """Make an approved release the champion of its product, now or `at` an instant; it is composed first."""
        await self._compose(release_hash)
        judge = moves.activate(Move(release_hash=release_hash, by=by), None if at is None else _in_utc(at))
        return await self._advance(release_hash, judge)

    async def roll_back(self, release_hash: str, by: Signature, reason: str) -> ReleaseStatus:
        """Take the champion back for the one before it, or call off what is to go live; at once, and nothing is composed."""
        return await self._advance(release_hash, moves.roll_back(Move(release_hash=release_hash, by=by, reason=reason)))

    async def retire(self, release_hash: str, by: Signature, reason: str) -> ReleaseStatus:
        """Take a release that does not decide out for good, its approval with it."""
        return await self._advance(release_hash, moves.retire(Move(release_hash=release_hash, by=by, reason=reason)))

    async def activate_alone(self, release_hash: str, by: Signature) -> ReleaseStatus:
        """Propose, approve and activate a release as one person, which every event of it says; for homes where there is no second one.

        It goes through without a gate report, and not against one.
        """
        await self._compose(release_hash)
        move = Move(release_hash=release_hash, by=by, is_single_person=True)
        life = await self._read_life(release_hash)
        await self._require_gates(release_hash, life, life.now, is_single_person=True)
        standing = life.standing(release_hash)
        if standing.terms is None or standing.has_expired(life.now.date()):
            if standing.proposed is None:
                await self._advance(release_hash, moves.propose(move, _alone_terms(by, life.now.date())))
            await self._advance(release_hash, moves.approve(move))
        return await self._advance(release_hash, moves.activate(move))

    async def _compose(self, release_hash: str) -> None:
        await self._read_parts(release_hash)
        try:
            await load_release(self._record, release_hash)
        except Refused as why:
            raise ReleaseConflict(f"it cannot decide: {why}") from why

    async def _advance(self, release_hash: str, judge: Judge) -> ReleaseStatus:
        """The release after the event that `judge` asks for, or as it is when it asks for none."""
        for _ in range(_ROUNDS_MAX):
            life = await self._read_life(release_hash)
            event = judge(life)
            if event is None:
                return await self._tell(release_hash, life)
            if event.kind in _GATED:
                # What goes live later must pass then, too: a waiver may end before.
                instant = event.active_at or life.now
                await self._require_gates(release_hash, life, instant, is_single_person=event.is_single_person)
            async with within(APPLICATION_SECONDS):
                is_written = await add_release_event(self._record, event)
            if is_written:
                return await self._tell(release_hash, tell_life(life.product, (*life.events, event), life.now))
        raise BrokenInvariant("the events of a product's releases keep losing races against nobody")

    async def _tell(self, release_hash: str, life: ProductLife) -> ReleaseStatus:
        return tell_release(release_hash, life, await self._read_gating(release_hash, life, life.now))

    async def _require_gates(
        self, release_hash: str, life: ProductLife, instant: datetime, *, is_single_person: bool
    ) -> None:
        gating = await self._read_gating(release_hash, life, instant)
        if (obstacle := gating.tell_obstacle(is_single_person=is_single_person)) is not None:
            raise ReleaseConflict(obstacle)

    async def _read_gating(self, release_hash: str, life: ProductLife, instant: datetime) -> Gating:
        """What the gates say of the release's model, waivers counted as of `instant`."""
        async with within(APPLICATION_SECONDS):
            _, manifest = await self._read_parts(release_hash)
            gates = await read_model_gates(self._record, manifest.model_hash)
            champion_model = None
            if life.champion is not None:
                champion_model = (await self._read_parts(life.champion))[1].model_hash
        is_champion = life.champion == release_hash
        return find_gating(gates, champion_model=champion_model, is_champion=is_champion, instant=instant)

    async def _read_life(self, release_hash: str) -> ProductLife:
        """The life of the release's product, now."""
        async with within(APPLICATION_SECONDS):
            product, _ = await self._read_parts(release_hash)
            events = await read_release_events(self._record, product)
        return tell_life(product, events, self._record.clock.now())

    async def _read_parts(self, release_hash: str) -> tuple[str, Manifest]:
        """The name of the release's product, and its manifest; what is named by its content never changes."""
        found = self._parts.get(release_hash)
        if found is None:
            try:
                manifest = decode_manifest(await get_document(self._record, release_hash))
                product = decode_product(await get_document(self._record, manifest.product_hash))
            except (NotFound, Refused):
                raise NotFound("release", release_hash) from None
            if len(self._parts) >= RELEASES_MAX:
                self._parts.clear()
            found = self._parts[release_hash] = product.name, manifest
        return found


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        message = "the instant must lie ahead; leave it out to activate now"
        raise ReleaseRefused((Problem(pointer="/at", code="INSTANT_NOT_AHEAD", message=message),)) from None


def _alone_terms(by: Signature, today: date) -> ReleaseTerms:
    """The terms of a home with one person: looked at again, and expired, a year later."""
    until = today + timedelta(days=_ALONE_DAYS)
    return ReleaseTerms(owner=by.actor.id, tier=Tier.LOW, review_on=until, expires_on=until, allowed_use=ALONE_USE)
