"""How a call can fail, as exceptions.

Their texts hold what the server says about fields (pointer, code, expectation) and nothing that was sent: neither body nor key. The idempotency key
is an attribute, so that the caller can send the same application again later and get the first answer.
"""

from typing import Final

import msgspec

from instant_credit.client.calls import Reply
from instant_credit.errors import InstantCreditError, Problem
from instant_credit.underwriting.answers import ProblemDocument

PROBLEM_PREFIX: Final = "urn:instant-credit:problem:"
_TOLD_MAX: Final = 5
_DOCUMENTS: Final = msgspec.json.Decoder(ProblemDocument)


class CallFailed(InstantCreditError):
    """A call that brought no answer.

    Attributes
    ----------
    route : the path's template.
    attempts : how often it was sent.
    idempotency_key : under which it may be sent again; None = the call changes nothing. It is in no text of this exception.
    """

    def __init__(self, text: str, *, route: str, attempts: int, idempotency_key: str | None) -> None:
        super().__init__(text)
        self.route = route
        self.attempts = attempts
        self.idempotency_key = idempotency_key


class NoAnswer(CallFailed):
    """The server did not answer within the deadline. It may have decided: send the same again under the same key.

    `how` names the trouble of the last attempt.
    """

    def __init__(self, how: str, *, route: str, attempts: int, idempotency_key: str | None) -> None:
        again = (
            "it may have been done" if idempotency_key is None else "send the same again under the same idempotency key"
        )
        text = f"no answer from {route} ({how}, {attempts} attempts): {again}"
        super().__init__(text, route=route, attempts=attempts, idempotency_key=idempotency_key)
        self.how = how


class AnswerUnreadable(CallFailed):
    """The server answered with success and something else than this version of the client can read."""

    def __init__(self, *, route: str, attempts: int, idempotency_key: str | None) -> None:
        text = f"{route} answered what this client can't read: compare its version with the server's"
        super().__init__(text, route=route, attempts=attempts, idempotency_key=idempotency_key)


class ProblemAnswered(CallFailed):
    """The server refused.

    Attributes
    ----------
    status : of HTTP.
    code : the problem's name, for instance ``application-refused``; "" when the answer is not of this server.
    title, detail, instance : the problem's own; "" where it has none.
    errors : every wrong field with pointer, code and message.
    """

    def __init__(self, document: ProblemDocument, *, route: str, attempts: int, idempotency_key: str | None) -> None:
        super().__init__(_tell(document), route=route, attempts=attempts, idempotency_key=idempotency_key)
        self.status = document.status
        self.code = document.type.removeprefix(PROBLEM_PREFIX)
        self.title = document.title
        self.detail = document.detail
        self.instance = document.instance
        self.errors: tuple[Problem, ...] = document.errors


class ApplicationRefused(ProblemAnswered):
    """What was sent is wrong; `errors` says where. Nothing was decided, and the idempotency key is free."""


class Unauthenticated(ProblemAnswered):
    """The API key is not valid."""


class Forbidden(ProblemAnswered):
    """The API key lacks the scope."""


class NothingThere(ProblemAnswered):
    """There is no such product, decision or resource for this client."""


class Contradicted(ProblemAnswered):
    """What was asked contradicts what is recorded; of an application: its idempotency key was used for another body."""


class TooManyRequests(ProblemAnswered):
    """This client sends more than it may, up to the deadline."""


class ServerUnavailable(ProblemAnswered):
    """The server was full, or its record did not answer, up to the deadline."""


_BY_STATUS: Final[dict[int, type[ProblemAnswered]]] = {
    400: ApplicationRefused,
    401: Unauthenticated,
    403: Forbidden,
    404: NothingThere,
    409: Contradicted,
    413: ApplicationRefused,
    422: ApplicationRefused,
    429: TooManyRequests,
    503: ServerUnavailable,
}


def name_problem(reply: Reply, *, route: str, attempts: int, idempotency_key: str | None) -> ProblemAnswered:
    """The exception that a reply other than success stands for; of an answer that is no problem of this server only the status is told."""
    kind = _BY_STATUS.get(reply.status, ProblemAnswered)
    return kind(_read_document(reply), route=route, attempts=attempts, idempotency_key=idempotency_key)


def _read_document(reply: Reply) -> ProblemDocument:
    if reply.headers.get("content-type", "").startswith("application/problem+json"):
        try:
            document = _DOCUMENTS.decode(reply.body)
        except msgspec.DecodeError:
            document = None
        if document is not None and document.type.startswith(PROBLEM_PREFIX) and document.status == reply.status:
            return document
    return msgspec.structs.replace(_FOREIGN, status=reply.status)


_FOREIGN: Final = ProblemDocument(type="", title="not an answer of instant_credit", status=500)


def _tell(document: ProblemDocument) -> str:
    """One line: status, name, what to do, and the first wrong fields."""
    text = f"{document.status} {document.type.removeprefix(PROBLEM_PREFIX)}: {document.title}".replace(" :", ":")
    if document.detail:
        text += f". {document.detail}"
    if document.instance:
        text += f" ({document.instance})"
    told = [
        f"{problem.pointer or '(body)'} {problem.code}: {problem.message}" for problem in document.errors[:_TOLD_MAX]
    ]
    if len(document.errors) > _TOLD_MAX:
        told.append(f"and {len(document.errors) - _TOLD_MAX} more under errors")
    return text if not told else f"{text} [{'; '.join(told)}]"
