"""What can be asked of a server: one description of each route, for both clients.

A `Call` is a request as it is sent at every attempt, byte by byte the same, and the way its answer is read. What is encoded is encoded once, so
that a retry under the same idempotency key is the same request.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from instant_credit.errors import Refused
from instant_credit.outcome.inbound import InboundEvent
from instant_credit.underwriting.answers import Answer, ProductName, Ready, RecordedDecision
from instant_credit.underwriting.resources import ApplicationStatus, DraftStatus, Offers, OfferStatus, Quote
from instant_credit.underwriting.taken import OutcomesTaken

T = TypeVar("T")

IDEMPOTENCY_KEY_LENGTH_MAX: Final = 64
CREATED: Final = 201

Application = Mapping[str, Any] | Struct | bytes
"""The body of an application: its sections by name, a Struct of them, or its JSON."""


class Reply(Struct, frozen=True, kw_only=True):
    """One whole HTTP response; the names of `headers` are in lower case. It shows its status only."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Reply(status={self.status})"


class Call(Struct, Generic[T], frozen=True, kw_only=True):
    """One request and how its answer is read. It shows its method and route, not what is sent.

    Attributes
    ----------
    route : the path's template; it names the call in errors.
    path : the path itself.
    body : JSON; None = there is none.
    idempotency_key : under which every attempt is sent; None = the call changes nothing.
    is_retried : whether trouble that passes is waited for.
    read : the answer out of a successful reply.
    """

    method: str
    route: str
    path: str
    body: bytes | None = None
    idempotency_key: str | None = None
    is_retried: bool = True
    read: Callable[[Reply], T]

    def __repr__(self) -> str:
        return f"Call({self.method} {self.route})"


class Applied(Struct, frozen=True, kw_only=True):
    """A decided application. It shows ids and the outcome, nothing about the person.

    Attributes
    ----------
    answer : the decision as the applicant is told it.
    raw : the answer's bytes, the same ones at every repetition.
    idempotency_key : under which it was decided; None = it was a draft, which is decided once.
    is_repeated : it had been decided at an earlier request with this key, or of this draft.
    """

    answer: Answer
    raw: bytes
    idempotency_key: str | None
    is_repeated: bool

    def __repr__(self) -> str:
        return f"Applied(decision_id={self.answer.decision_id}, outcome={self.answer.outcome.value})"


_ANSWERS: Final = msgspec.json.Decoder(Answer)
_DECISIONS: Final = msgspec.json.Decoder(RecordedDecision)
_READY: Final = msgspec.json.Decoder(Ready)
_APPLICATIONS: Final = msgspec.json.Decoder(ApplicationStatus)
_OFFER_LISTS: Final = msgspec.json.Decoder(Offers)
_OFFERS: Final = msgspec.json.Decoder(OfferStatus)
_QUOTES: Final = msgspec.json.Decoder(Quote)
_DRAFTS: Final = msgspec.json.Decoder(DraftStatus)
_OUTCOMES: Final = msgspec.json.Decoder(OutcomesTaken)
_JSON: Final = msgspec.json.Decoder(Raw)


def call_apply(product: str, application: Application, idempotency_key: str) -> Call[Applied]:
    """`POST /v1/products/{product}/applications`.

    Raises
    ------
    Refused : `product` is no name of a product, or the key is not 1 to 64 visible ASCII characters.
    """
    _check_product(product)
    if not 1 <= len(idempotency_key) <= IDEMPOTENCY_KEY_LENGTH_MAX or not _is_visible(idempotency_key):
        raise Refused(f"an idempotency key is 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} visible ASCII characters")

    return Call(
        method="POST",
        route="/v1/products/{product}/applications",
        path=f"/v1/products/{product}/applications",
        body=_encode(application),
        idempotency_key=idempotency_key,
        read=lambda reply: _read_applied(reply, idempotency_key),
    )


def call_read_decision(decision_id: UUID) -> Call[RecordedDecision]:
    """`GET /v1/decisions/{decision_id}`."""
    return _call("GET", "/v1/decisions/{decision_id}", _DECISIONS, decision_id=decision_id)


def call_read_receipt(decision_id: UUID) -> Call[bytes]:
    """`GET /v1/decisions/{decision_id}/receipt`: its bytes, which are what a verifier is given."""

    def read(reply: Reply) -> bytes:
        _JSON.decode(reply.body)
        return reply.body

    route = "/v1/decisions/{decision_id}/receipt"
    return Call(method="GET", route=route, path=route.format(decision_id=decision_id), read=read)


def call_read_application(application_id: UUID) -> Call[ApplicationStatus]:
    """`GET /v1/applications/{application_id}`."""
    return _call("GET", "/v1/applications/{application_id}", _APPLICATIONS, application_id=application_id)


def call_withdraw_application(application_id: UUID) -> Call[ApplicationStatus]:
    """`POST /v1/applications/{application_id}/withdraw`; again changes nothing."""
    return _call("POST", "/v1/applications/{application_id}/withdraw", _APPLICATIONS, application_id=application_id)


def call_list_offers(application_id: UUID) -> Call[Offers]:
    """`GET /v1/applications/{application_id}/offers`."""
    return _call("GET", "/v1/applications/{application_id}/offers", _OFFER_LISTS, application_id=application_id)


def call_read_offer(application_id: UUID, offer_id: UUID) -> Call[OfferStatus]:
    """`GET /v1/applications/{application_id}/offers/{offer_id}`."""
    route = "/v1/applications/{application_id}/offers/{offer_id}"
    return _call("GET", route, _OFFERS, application_id=application_id, offer_id=offer_id)


def call_accept_offer(application_id: UUID, offer_id: UUID) -> Call[OfferStatus]:
    """`POST /v1/applications/{application_id}/offers/{offer_id}/accept`; again changes nothing."""
    route = "/v1/applications/{application_id}/offers/{offer_id}/accept"
    return _call("POST", route, _OFFERS, application_id=application_id, offer_id=offer_id)


def call_quote(product: str, facts: Application) -> Call[Quote]:
    """`POST /v1/products/{product}/quotes`. Sent twice it makes two quotes, which bind nobody.

    Raises
    ------
    Refused : `product` is no name of a product.
    """
    _check_product(product)
    return _call("POST", "/v1/products/{product}/quotes", _QUOTES, body=_encode(facts), product=product)


def call_read_quote(quote_id: UUID) -> Call[Quote]:
    """`GET /v1/quotes/{quote_id}`."""
    return _call("GET", "/v1/quotes/{quote_id}", _QUOTES, quote_id=quote_id)


def call_open_draft(product: str, application: Application) -> Call[DraftStatus]:
    """`POST /v1/products/{product}/drafts`, sent once: a second one would open a second draft.

    Raises
    ------
    Refused : `product` is no name of a product.
    """
    _check_product(product)
    route = "/v1/products/{product}/drafts"
    return _call("POST", route, _DRAFTS, body=_encode(application), is_retried=False, product=product)


def call_read_draft(draft_id: UUID) -> Call[DraftStatus]:
    """`GET /v1/drafts/{draft_id}`."""
    return _call("GET", "/v1/drafts/{draft_id}", _DRAFTS, draft_id=draft_id)


def call_change_draft(draft_id: UUID, changes: Application) -> Call[DraftStatus]:
    """`PATCH /v1/drafts/{draft_id}`, a merge patch (RFC 7396): the same one again leaves the same draft."""
    return _call("PATCH", "/v1/drafts/{draft_id}", _DRAFTS, body=_encode(changes), draft_id=draft_id)


def call_submit_draft(draft_id: UUID) -> Call[Applied | DraftStatus]:
    """`POST /v1/drafts/{draft_id}/submit`: decided once, or told what is missing."""

    def read(reply: Reply) -> Applied | DraftStatus:
        return _read_applied(reply, None) if reply.status == CREATED else _DRAFTS.decode(reply.body)

    return Call(method="POST", route="/v1/drafts/{draft_id}/submit", path=f"/v1/drafts/{draft_id}/submit", read=read)


def call_withdraw_draft(draft_id: UUID) -> Call[DraftStatus]:
    """`POST /v1/drafts/{draft_id}/withdraw`; again changes nothing."""
    return _call("POST", "/v1/drafts/{draft_id}/withdraw", _DRAFTS, draft_id=draft_id)


def call_tell_outcomes(events: Sequence[InboundEvent | Mapping[str, Any]]) -> Call[OutcomesTaken]:
    """`POST /v1/outcomes`; the same events again change nothing."""
    return _call("POST", "/v1/outcomes", _OUTCOMES, body=msgspec.json.encode(events))


def call_ready() -> Call[Ready]:
    """`GET /health/ready`, asked once: whoever asks wants to know now."""
    return _call("GET", "/health/ready", _READY, is_retried=False)


def _call(
    method: str,
    route: str,
    decoder: "msgspec.json.Decoder[T]",
    *,
    body: bytes | None = None,
    is_retried: bool = True,
    **named: object,
) -> Call[T]:
    """A call without idempotency key; `named` are the variables of its route, none of which needs escaping."""
    return Call(
        method=method,
        route=route,
        path=route.format(**named),
        body=body,
        is_retried=is_retried,
        read=lambda reply: decoder.decode(reply.body),
    )


def _encode(application: Application) -> bytes:
    return application if isinstance(application, bytes) else msgspec.json.encode(application)


def _read_applied(reply: Reply, idempotency_key: str | None) -> Applied:
    return Applied(
        answer=_ANSWERS.decode(reply.body),
        raw=reply.body,
        idempotency_key=idempotency_key,
        is_repeated=reply.headers.get("idempotent-replayed") == "true",
    )


def _check_product(product: str) -> None:
    try:
        msgspec.convert(product, ProductName)
    except msgspec.ValidationError:
        raise Refused(
            "a product is named by 1 to 63 lower-case letters, digits and underscores, a letter first"
        ) from None


def _is_visible(text: str) -> bool:
    return all("!" <= character <= "~" for character in text)
