"""Offers and states: what became of a decided application, told from what is recorded and from the clock.

The law: nothing is stored but facts (the answer with its offer, then events), so a state is computed and never set. An offer is
open until somebody accepts it, the application is withdrawn, or the instant `expires_at` is reached, which was fixed when it was made.

    decline ─► declined            approve, nothing priced ─► approved ─┐
    refer ─► referred ─┐                                                ├─► withdrawn
    approve, counter_offer ─► offered ─► accepted | expired ────────────┘
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct

from instant_credit.decision.decision import Decision, Outcome
from instant_credit.decision.release import Release
from instant_credit.errors import Conflict, NotFound, require
from instant_credit.record.life import LifeEvent, LifeEventKind, StoredApplication
from instant_credit.underwriting.answers import Offer
from instant_credit.underwriting.resources import (
    ApplicationLinks,
    ApplicationState,
    ApplicationStatus,
    Link,
    OfferLinks,
    Offers,
    OffersLinks,
    OfferState,
    OfferStatus,
)

OFFER_DAYS: Final = 30
"""How long an offer is open where the policy does not say."""

WITHDRAWABLE: Final = frozenset({ApplicationState.REFERRED, ApplicationState.APPROVED, ApplicationState.OFFERED})


class OfferExpired(Conflict):
    """The offer was open until an instant that has passed."""


class ApplicationClosed(Conflict):
    """The application has ended in another way, so this can't happen to it any more."""


class _Answered(Struct, frozen=True, kw_only=True):
    """Of an answer of any version, what this room reads."""

    offer: Offer | None


_ANSWERS: Final = msgspec.json.Decoder(_Answered)


def make_offer(decision: Decision, release: Release, *, offer_id: UUID, now: datetime) -> Offer | None:
    """The decision's terms as they are offered from `now` on; None when nothing is, or nothing is priced."""
    terms = decision.terms
    if terms is None:
        return None
    days = release.policy.policy.offer_days
    return Offer(
        currency=release.product.currency,
        amount_cents=terms.amount_cents,
        term_months=terms.term_months,
        apr_ppm=terms.apr_ppm,
        instalment_cents=terms.instalment_cents,
        offer_id=offer_id,
        expires_at=now + timedelta(days=OFFER_DAYS if days is UNSET else days),
    )


class Application(Struct, frozen=True, kw_only=True):
    """A decided application with the offer that its answer made, as it stands at `now`."""

    stored: StoredApplication
    offer: Offer | None
    now: datetime

    @property
    def id(self) -> UUID:
        """The application's id."""
        return self.stored.case_id

    @property
    def offer_id(self) -> UUID:
        """The offer's id; an offer made before offers had ids is known by its decision's."""
        require(self.offer is not None, "only an offer has an id")
        assert self.offer is not None
        return self.offer.offer_id or self.stored.decision_id

    @property
    def expires_at(self) -> datetime:
        """When the offer ends; it is as old as the answer."""
        require(self.offer is not None, "only an offer expires")
        assert self.offer is not None
        return self.offer.expires_at or self.stored.recorded_at + timedelta(days=OFFER_DAYS)

    @property
    def state(self) -> ApplicationState:
        """What follows from outcome, events and clock."""
        if self.stored.events:
            return ApplicationState(self.stored.events[-1].kind.value)
        if self.stored.outcome == Outcome.DECLINE:
            return ApplicationState.DECLINED
        if self.stored.outcome == Outcome.REFER:
            return ApplicationState.REFERRED
        if self.offer is None:
            return ApplicationState.APPROVED
        return ApplicationState.OFFERED if self.now < self.expires_at else ApplicationState.EXPIRED

    def find_event(self, kind: LifeEventKind) -> LifeEvent | None:
        """The event of this kind, None when it did not happen."""
        return next((event for event in self.stored.events if event.kind is kind), None)

    def tell(self) -> ApplicationStatus:
        """The application as a resource."""
        state = self.state
        place = ("applications", self.id)
        return ApplicationStatus(
            application_id=self.id,
            product=self.stored.product,
            state=state,
            outcome=Outcome(self.stored.outcome),
            decided_at=self.stored.recorded_at,
            ended_at=self._ended_at(state),
            links=ApplicationLinks(
                own=Link.to(*place),
                decision=Link.to("decisions", self.stored.decision_id),
                receipt=Link.to("decisions", self.stored.decision_id, "receipt"),
                offers=Link.to(*place, "offers"),
                withdraw=Link.to(*place, "withdraw") if state in WITHDRAWABLE else None,
            ),
        )

    def tell_offers(self) -> Offers:
        """Its offers as a resource."""
        place = ("applications", self.id)
        return Offers(
            application_id=self.id,
            offers=() if self.offer is None else (self.tell_offer(self.offer_id),),
            links=OffersLinks(own=Link.to(*place, "offers"), application=Link.to(*place)),
        )

    def tell_offer(self, offer_id: UUID) -> OfferStatus:
        """One offer as a resource.

        Raises
        ------
        NotFound : the application has no offer of this id.
        """
        if self.offer is None or offer_id != self.offer_id:
            raise NotFound("offer", "of this id")
        place = ("applications", self.id)
        own = (*place, "offers", offer_id)
        state = OfferState.OPEN if self.state is ApplicationState.OFFERED else OfferState(self.state.value)
        accepted = self.find_event(LifeEventKind.ACCEPTED)
        return OfferStatus(
            offer_id=offer_id,
            application_id=self.id,
            state=state,
            offer=self.offer,
            offered_at=self.stored.recorded_at,
            expires_at=self.expires_at,
            accepted_at=None if accepted is None else accepted.recorded_at,
            links=OfferLinks(
                own=Link.to(*own),
                application=Link.to(*place),
                accept=Link.to(*own, "accept") if state is OfferState.OPEN else None,
            ),
        )

    def _ended_at(self, state: ApplicationState) -> datetime | None:
        if self.stored.events:
            return self.stored.events[-1].recorded_at
        if state is ApplicationState.EXPIRED:
            return self.expires_at
        return self.stored.recorded_at if state is ApplicationState.DECLINED else None


def open_application(stored: StoredApplication, now: datetime) -> Application:
    """The application at `now`.

    Raises
    ------
    NotFound : its person was erased, or it was never answered, as a loan of a tape.
    """
    if stored.answer is None:
        raise NotFound("application", "of this id, or its person was erased")
    return Application(stored=stored, offer=_ANSWERS.decode(stored.answer).offer, now=now)
