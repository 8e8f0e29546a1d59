"""What callers are told of an application's life: resources, each with links to what belongs to it.

Nothing is computed here. A field once told keeps its meaning, and these Structs only ever grow.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Self
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from instant_credit.decision.decision import Outcome
from instant_credit.errors import Problem
from instant_credit.underwriting.answers import ERRORS_MAX, Hash, Offer, ProductName
from instant_credit.units import Cents, Ppm

OFFERS_MAX: Final = 100


class ApplicationState(StrEnum):
    """What became of an application."""

    DECLINED = "declined"
    REFERRED = "referred"
    APPROVED = "approved"
    OFFERED = "offered"
    ACCEPTED = "accepted"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class OfferState(StrEnum):
    """What became of an offer."""

    OPEN = "open"
    ACCEPTED = "accepted"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class Link(Struct, frozen=True, kw_only=True):
    """Where a resource is, relative to the server."""

    href: Annotated[str, Meta(max_length=200)]

    @classmethod
    def to(cls, *parts: object) -> Self:
        """The link to ``/v1/`` and the parts."""
        return cls(href="/v1/" + "/".join(map(str, parts)))


class ApplicationLinks(Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"own": "self"}):
    """Where an application's resources are; `withdraw` is there while it can be done."""

    own: Link
    decision: Link
    receipt: Link
    offers: Link
    withdraw: Link | None = None


class ApplicationStatus(Struct, frozen=True, kw_only=True):
    """A decided application. `ended_at` is when it was accepted, withdrawn or declined, or its offer expired; null before."""

    schema_version: int = 1
    application_id: UUID
    product: ProductName
    state: ApplicationState
    outcome: Outcome
    decided_at: Annotated[datetime, Meta(tz=True)]
    ended_at: Annotated[datetime, Meta(tz=True)] | None
    links: ApplicationLinks


class OfferLinks(Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"own": "self"}):
    """Where an offer and its application are; `accept` is there while it can be done."""

    own: Link
    application: Link
    accept: Link | None = None


class OfferStatus(Struct, frozen=True, kw_only=True):
    """An offer. It can be accepted before `expires_at`; `accepted_at` is null unless it was."""

    schema_version: int = 1
    offer_id: UUID
    application_id: UUID
    state: OfferState
    offer: Offer
    offered_at: Annotated[datetime, Meta(tz=True)]
    expires_at: Annotated[datetime, Meta(tz=True)]
    accepted_at: Annotated[datetime, Meta(tz=True)] | None
    links: OfferLinks


class OffersLinks(Struct, frozen=True, kw_only=True, rename={"own": "self"}):
    """Where a list of offers and its application are."""

    own: Link
    application: Link


class Offers(Struct, frozen=True, kw_only=True):
    """All offers of an application; none where it was declined or referred, or where nothing is priced."""

    schema_version: int = 1
    application_id: UUID
    offers: Annotated[tuple[OfferStatus, ...], Meta(max_length=OFFERS_MAX)]
    links: OffersLinks


class DraftState(StrEnum):
    """What became of a draft."""

    OPEN = "open"
    INCOMPLETE = "incomplete"
    COMPLETED = "completed"
    DECIDED = "decided"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"


class Notice(Struct, frozen=True, kw_only=True):
    """The notice of incompleteness: `missing` of the draft says what is needed, `complete_by` until when.

    Source: 12 CFR 1002.9(c)(2).
    """

    given_at: Annotated[datetime, Meta(tz=True)]
    complete_by: Annotated[datetime, Meta(tz=True)]
    text: Annotated[str, Meta(max_length=400)]


class DraftLinks(Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"own": "self"}):
    """Where a draft is, what can be done with it now, and the application that it became."""

    own: Link
    submit: Link | None = None
    withdraw: Link | None = None
    application: Link | None = None
    decision: Link | None = None


class DraftStatus(Struct, frozen=True, kw_only=True):
    """A draft. What was told is not told back. `completed_at` starts the clock of a completed application; null before."""

    schema_version: int = 1
    draft_id: UUID
    product: ProductName
    state: DraftState
    version: int
    opened_at: Annotated[datetime, Meta(tz=True)]
    changed_at: Annotated[datetime, Meta(tz=True)]
    completed_at: Annotated[datetime, Meta(tz=True)] | None
    missing: Annotated[tuple[Problem, ...], Meta(max_length=ERRORS_MAX)]
    notice: Notice | None
    links: DraftLinks


class Indication(StrEnum):
    """What a quote tells: terms, that the facts fit a product that is not priced, or nothing."""

    TERMS = "terms"
    ELIGIBLE = "eligible"
    NONE = "none"


class QuoteTerms(Struct, frozen=True, kw_only=True):
    """What might be offered; nobody is bound by it."""

    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    amount_cents: Cents
    term_months: int
    apr_ppm: Ppm
    instalment_cents: Cents


class QuoteLinks(Struct, frozen=True, kw_only=True, rename={"own": "self"}):
    """Where a quote is, and where to apply."""

    own: Link
    apply: Link
    draft: Link


class Quote(Struct, frozen=True, kw_only=True):
    """What was indicated on facts told without a name. `terms` is set where the `indication` is "terms"."""

    schema_version: int = 1
    quote_id: UUID
    product: ProductName
    release: Hash
    quoted_at: Annotated[datetime, Meta(tz=True)]
    indication: Indication
    terms: QuoteTerms | None
    text: Annotated[str, Meta(max_length=400)]
    links: QuoteLinks


_ENCODER: Final = msgspec.json.Encoder()


def encode_resource(resource: Struct) -> bytes:
    """The resource as JSON in declared order."""
    return _ENCODER.encode(resource)
