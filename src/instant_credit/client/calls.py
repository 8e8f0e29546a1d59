"""What can be asked of a server: one description of each route, for both clients.

A `Call` is a request as it is sent at every attempt, byte by byte the same, and the way its answer is read. What is encoded is encoded once, so
that a retry under the same idempotency key is the same request.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from instant_credit.errors import Refused
from instant_credit.underwriting.answers import Answer, ProductName, Ready, RecordedDecision

T = TypeVar("T")

IDEMPOTENCY_KEY_LENGTH_MAX: Final = 64

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
    idempotency_key : under which it was decided.
    is_repeated : it had been decided at an earlier request with this key.
    """

    answer: Answer
    raw: bytes
    idempotency_key: str
    is_repeated: bool

    def __repr__(self) -> str:
        return f"Applied(decision_id={self.answer.decision_id}, outcome={self.answer.outcome.value})"


_ANSWERS: Final = msgspec.json.Decoder(Answer)
_DECISIONS: Final = msgspec.json.Decoder(RecordedDecision)
_READY: Final = msgspec.json.Decoder(Ready)


def call_apply(product: str, application: Application, idempotency_key: str) -> Call[Applied]:
    """`POST /v1/products/{product}/applications`.

    Raises
    ------
    Refused : `product` is no name of a product, or the key is not 1 to 64 visible ASCII characters.
    """
    _check_product(product)
    if not 1 <= len(idempotency_key) <= IDEMPOTENCY_KEY_LENGTH_MAX or not _is_visible(idempotency_key):
        raise Refused(f"an idempotency key is 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} visible ASCII characters")

    def read(reply: Reply) -> Applied:
        return Applied(
            answer=_ANSWERS.decode(reply.body),
            raw=reply.body,
            idempotency_key=idempotency_key,
            is_repeated=reply.headers.get("idempotent-replayed") == "true",
        )

    return Call(
        method="POST",
        route="/v1/products/{product}/applications",
        path=f"/v1/products/{product}/applications",
        body=application if isinstance(application, bytes) else msgspec.json.encode(application),
        idempotency_key=idempotency_key,
        read=read,
    )


def call_read_decision(decision_id: UUID) -> Call[RecordedDecision]:
    """`GET /v1/decisions/{decision_id}`."""
    return Call(
        method="GET",
        route="/v1/decisions/{decision_id}",
        path=f"/v1/decisions/{decision_id}",
        read=lambda reply: _DECISIONS.decode(reply.body),
    )


def call_ready() -> Call[Ready]:
    """`GET /health/ready`, asked once: whoever asks wants to know now."""
    return Call(
        method="GET",
        route="/health/ready",
        path="/health/ready",
        is_retried=False,
        read=lambda reply: _READY.decode(reply.body),
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
