"""Errors as problem details (RFC 9457): the one place that knows which failure has which status.

Every failure that leaves this server is an `application/problem+json` document. Its texts are ours: neither an exception's
message nor anything that was sent is echoed, because both may hold personal data. Why a release or an experiment can't be moved, and what is
wrong with a plan, is told as it is: that is about releases and plans, and written by this package. A failure of the server itself gets an `instance` by which its log line is found.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from msgspec import Struct

from instant_credit.api.logs import safe_frames
from instant_credit.errors import Busy, Conflict, Late, NotFound, Overloaded, Problem, Throttled, Unavailable
from instant_credit.record.queue import JobClosed, JobExists
from instant_credit.record.receipts import NotAnchored
from instant_credit.underwriting.answers import ERRORS_MAX, ProblemDocument
from instant_credit.underwriting.experiment_moves import ExperimentConflict, ExperimentRefused
from instant_credit.underwriting.offers import ApplicationClosed, OfferExpired
from instant_credit.underwriting.pending import DraftClosed, DraftCompleted
from instant_credit.underwriting.probing import TooManyVariants
from instant_credit.underwriting.release_moves import ReleaseConflict, ReleaseRefused

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = "1"
DETAIL_MAX: Final = 400

FULL_DETAIL: Final = "The server is full: it has as much under way as it can answer in time."
LATE_DETAIL: Final = (
    "The server is busy: it could not answer within your Request-Timeout-Ms, which is 5000 unless you send one."
)
BUSY_DETAIL: Final = "What this is about is being changed by others again and again: try again."
_OFTEN: Final = "Wait for the seconds that Retry-After says, and ask less often."
_VARIANTS: Final = "This person's application was sent with many different facts: send the true ones, or wait as long as Retry-After says."
FAILED_DETAIL: Final = (
    "What was asked may have been done all the same: the same request with the same idempotency key tells. "
    "Quote the instance when you report this."
)
_SILENT: Final = "The record did not answer in time."


class Kind(Struct, frozen=True, kw_only=True):
    """One way to fail: its name in `type`, its status and what it means."""

    name: str
    status: int
    title: str


MALFORMED: Final = Kind(name="malformed-request", status=400, title="The request cannot be read")
UNAUTHENTICATED: Final = Kind(name="unauthenticated", status=401, title="A valid API key is needed")
FORBIDDEN: Final = Kind(name="forbidden", status=403, title="The API key lacks the scope")
NOT_FOUND: Final = Kind(name="not-found", status=404, title="There is no such resource")
METHOD_NOT_ALLOWED: Final = Kind(name="method-not-allowed", status=405, title="The resource does not take this method")
TOO_SLOW: Final = Kind(name="request-timeout", status=408, title="The request did not arrive in time")
CONFLICT: Final = Kind(name="idempotency-conflict", status=409, title="The idempotency key was used for another body")
OFFER_EXPIRED: Final = Kind(name="offer-expired", status=409, title="The offer is no longer open")
APPLICATION_CLOSED: Final = Kind(
    name="application-closed", status=409, title="The application has ended in another way"
)
NOT_ANCHORED: Final = Kind(name="not-anchored", status=409, title="No anchor covers the decision yet")
DRAFT_CLOSED: Final = Kind(name="draft-closed", status=409, title="The draft has ended or is complete")
RELEASE_CONFLICT: Final = Kind(name="release-conflict", status=409, title="The release cannot be moved so")
JOB_EXISTS: Final = Kind(name="job-exists", status=409, title="The same job waits or runs")
JOB_CLOSED: Final = Kind(name="job-closed", status=409, title="The job has ended, or is ending, in another way")
TOO_LARGE: Final = Kind(name="body-too-large", status=413, title="The body is too large")
WRONG_MEDIA_TYPE: Final = Kind(name="unsupported-media-type", status=415, title="The body must be JSON in UTF-8")
REFUSED: Final = Kind(name="application-refused", status=422, title="The application has wrong or missing fields")
RELEASE_REFUSED: Final = Kind(
    name="release-refused", status=422, title="What was told of the release has wrong or missing fields"
)
JOB_REFUSED: Final = Kind(name="job-refused", status=422, title="The job cannot be run as it is asked for")
EXPERIMENT_CONFLICT: Final = Kind(
    name="experiment-conflict", status=409, title="The experiment cannot be planned or moved so"
)
EXPERIMENT_REFUSED: Final = Kind(
    name="experiment-refused",
    status=422,
    title="The plan, or what was told of the experiment, has wrong or missing fields",
)
TOO_MANY_VARIANTS: Final = Kind(
    name="too-many-variants", status=429, title="One person's application came in too many variants"
)
RATE_LIMITED: Final = Kind(name="rate-limited", status=429, title="The client asked too often")
HEADERS_TOO_LARGE: Final = Kind(name="headers-too-large", status=431, title="The request's head is too large")
INTERNAL: Final = Kind(name="internal-error", status=500, title="The server failed")
UNAVAILABLE: Final = Kind(name="unavailable", status=503, title="The server cannot answer now; try again")

KINDS: Final = (
    MALFORMED,
    UNAUTHENTICATED,
    FORBIDDEN,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    TOO_SLOW,
    CONFLICT,
    OFFER_EXPIRED,
    APPLICATION_CLOSED,
    DRAFT_CLOSED,
    NOT_ANCHORED,
    RELEASE_CONFLICT,
    RELEASE_REFUSED,
    JOB_EXISTS,
    JOB_CLOSED,
    EXPERIMENT_CONFLICT,
    EXPERIMENT_REFUSED,
    TOO_LARGE,
    WRONG_MEDIA_TYPE,
    JOB_REFUSED,
    REFUSED,
    TOO_MANY_VARIANTS,
    RATE_LIMITED,
    HEADERS_TOO_LARGE,
    INTERNAL,
    UNAVAILABLE,
)
_BY_STATUS: Final = {kind.status: kind for kind in KINDS}


class Failure(Exception):
    """Ends a request with a problem document."""

    def __init__(
        self, kind: Kind, detail: str, errors: tuple[Problem, ...] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(kind.name)
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})


_ENCODER = msgspec.json.Encoder()


def encode_problem(kind: Kind, detail: str = "", errors: tuple[Problem, ...] = (), instance: str = "") -> bytes:
    """The document's bytes; errors beyond `ERRORS_MAX` are left out."""
    return _ENCODER.encode(
        ProblemDocument(
            type=f"urn:instant-credit:problem:{kind.name}",
            title=kind.title,
            status=kind.status,
            detail=detail,
            instance=instance,
            errors=errors[:ERRORS_MAX],
        )
    )


def failure_from(error: Exception) -> tuple[Failure, bool]:
    """The failure that `error` means, and whether it is this server's own fault and must be logged."""
    if isinstance(error, Failure):
        return error, False
    if isinstance(error, NotFound):
        return Failure(NOT_FOUND, f"No such {error.kind}."), False
    if isinstance(error, OfferExpired):
        return Failure(OFFER_EXPIRED, "Apply again for a new offer."), False
    if isinstance(error, ApplicationClosed):
        return Failure(APPLICATION_CLOSED, "Read the application for what became of it."), False
    if isinstance(error, DraftCompleted):
        return Failure(
            DRAFT_CLOSED, "Submit it again for its decision; the application is withdrawn afterwards."
        ), False
    if isinstance(error, DraftClosed):
        return Failure(DRAFT_CLOSED, "Read the draft for what became of it; open another one to go on."), False
    if isinstance(error, NotAnchored):
        return Failure(NOT_ANCHORED, "Ask again after the next anchor, within a minute or so."), False
    if isinstance(error, ReleaseConflict):
        return Failure(RELEASE_CONFLICT, str(error)[:DETAIL_MAX]), False
    if isinstance(error, ReleaseRefused):
        return Failure(RELEASE_REFUSED, "Correct the fields under errors and send it again.", error.problems), False
    if isinstance(error, ExperimentConflict):
        return Failure(EXPERIMENT_CONFLICT, str(error)[:DETAIL_MAX]), False
    if isinstance(error, ExperimentRefused):
        return Failure(EXPERIMENT_REFUSED, "Correct what is under errors and send it again.", error.problems), False
    if isinstance(error, JobExists):
        return Failure(
            JOB_EXISTS, f"Read job {error.job_id}: it waits, runs, or was asked for under the same name."
        ), False
    if isinstance(error, JobClosed):
        return Failure(JOB_CLOSED, "Read the job for what became of it."), False
    if isinstance(error, Conflict):
        return Failure(CONFLICT, "Send the first body again to get its answer, or use a new key."), False
    if isinstance(error, Throttled):
        kind, detail = (TOO_MANY_VARIANTS, _VARIANTS) if isinstance(error, TooManyVariants) else (RATE_LIMITED, _OFTEN)
        return Failure(kind, detail, headers={"Retry-After": str(error.wait_seconds)}), False
    if isinstance(error, Unavailable):
        return Failure(UNAVAILABLE, _say_unavailable(error), headers={"Retry-After": RETRY_AFTER_SECONDS}), True
    if isinstance(error, HTTPException) and error.status_code < 500:
        kind = _BY_STATUS.get(error.status_code, MALFORMED)
        allow = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
        return Failure(kind, "", headers=allow), False
    return Failure(INTERNAL, FAILED_DETAIL), True


def _say_unavailable(error: Unavailable) -> str:
    if isinstance(error, Late):
        return LATE_DETAIL
    if isinstance(error, Overloaded):
        return FULL_DETAIL
    return BUSY_DETAIL if isinstance(error, Busy) else _SILENT


def answer_failure(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Litestar's exception handler for every exception."""
    failure, is_ours = failure_from(error)
    instance = ""
    if is_ours:
        instance = f"urn:uuid:{uuid4()}"
        _log_failure(request, failure, error, instance)
    return Response(
        content=encode_problem(failure.kind, failure.detail, failure.errors, instance),
        status_code=failure.kind.status,
        media_type=MEDIA_TYPE,
        headers={**failure.headers, "Cache-Control": "no-store"},
    )


def _log_failure(request: Request[Any, Any, Any], failure: Failure, error: Exception, instance: str) -> None:
    """One line. An outage or a crowd fails many requests and no code: their lines say nothing of places in it."""
    places: dict[str, Any] = {}
    if not isinstance(error, Unavailable):
        places = {"cause": type(error.__cause__).__name__ if error.__cause__ else None, "frames": safe_frames(error)}
    structlog.get_logger("instant_credit.api").error(
        "request_failed",
        instance=instance,
        status=failure.kind.status,
        method=request.scope["method"],
        route=request.scope.get("path_template", ""),
        error=type(error).__name__,
        **places,
    )
