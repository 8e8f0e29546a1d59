"""What may be asked for as a job, over HTTP and on the command line, and how it becomes a job of the queue. No workshop here. Edge.

A request leaves open what has a default (the product, the day); the job's arguments leave nothing open, so that a job that runs tomorrow, or
again, does what was asked for today.
"""

import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from instant_credit.application.document import decode_product
from instant_credit.canonical import UNREADABLE, encode_canonical
from instant_credit.errors import NotFound, Problem, Refused
from instant_credit.record.documents import get_document
from instant_credit.record.pool import Record
from instant_credit.record.queue import JobRequest, JobWeight
from instant_credit.record.reads import list_book_products
from instant_credit.underwriting.course import require_real

BookName = Annotated[str, Meta(min_length=1, max_length=64)]
ContentHash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Preset = Literal["steady", "plain", "ordered"]

_PLACE: Final = re.compile(r" - at `\$((?:\.\w+)*)")
_WHOLE: Final = "What is told does not go together: see the job's schema."
_FIELD: Final = "This is not what the job's schema allows here."


class JobKind(StrEnum):
    """What a job does."""

    RETRAIN = "retrain"
    AUDIT = "audit"
    MONTHS = "months"


class RetrainRequest(Struct, frozen=True, kw_only=True, tag_field="kind", tag="retrain", forbid_unknown_fields=True):
    """Train a model on a book; a field left out has the default of `instant-credit train`.

    Attributes
    ----------
    product : hash of the product's document; None = the newest that the book was recorded under.
    known_on : labels are what was known on this day; None = today.
    test_from, test_share, folds : at most one; how the model is tested.
    preset : fit with these parameters; None = those that an inner test chooses.
    segment : calibrate each category of this model variable by itself.
    select_most : select variables first, at most so many; None = no selection.
    search_trials : search for parameters by so many trials; not with a preset.
    """

    book: BookName
    product: ContentHash | None = None
    known_on: date | None = None
    test_from: date | None = None
    test_share: Annotated[float, Meta(ge=0.05, le=0.5)] | None = None
    folds: Annotated[int, Meta(ge=2, le=20)] | None = None
    calibration_months: Annotated[int, Meta(ge=1, le=120)] | None = None
    preset: Preset | None = None
    segment: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    select_most: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    search_trials: Annotated[int, Meta(ge=1, le=10_000)] | None = None

    def __post_init__(self) -> None:
        """One test, and one way to parameters."""
        if sum(one is not None for one in (self.test_from, self.test_share, self.folds)) > 1:
            raise ValueError("give one of test_from, test_share and folds")
        if self.preset is not None and self.search_trials is not None:
            raise ValueError("give one of preset and search_trials")


class AuditRequest(Struct, frozen=True, kw_only=True, tag_field="kind", tag="audit", forbid_unknown_fields=True):
    """Check the record against its hash chain."""


class MonthsRequest(Struct, frozen=True, kw_only=True, tag_field="kind", tag="months", forbid_unknown_fields=True):
    """Make the partitions of the coming months."""


Request = RetrainRequest | AuditRequest | MonthsRequest


class RetrainArguments(Struct, frozen=True, kw_only=True):
    """A retraining with nothing left open, as it is recorded. Fields are those of the request."""

    schema_version: int = 1
    book: str
    product: str
    known_on: date
    test_from: date | None = None
    test_share: float | None = None
    folds: int | None = None
    calibration_months: int | None = None
    preset: str | None = None
    segment: str | None = None
    select_most: int | None = None
    search_trials: int | None = None


class JobRefused(Refused):
    """A request that can't become a job; `problem` says which field and why."""

    def __init__(self, pointer: str, code: str, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(pointer=pointer, code=code, message=message)


_REQUESTS: Final = msgspec.json.Decoder(Request)
_ARGUMENTS: Final = msgspec.json.Decoder(RetrainArguments)


def read_request(raw: bytes) -> Request | Problem:
    """The request in a body, or what is wrong with it; nothing of what was sent is said again."""
    try:
        request: Request = _REQUESTS.decode(raw)
    except msgspec.ValidationError as error:
        place = _PLACE.search(str(error))
        pointer = "" if place is None else place[1].replace(".", "/")
        return Problem(pointer=pointer, code="JOB_FIELD_INVALID", message=_FIELD if pointer else _WHOLE)
    except UNREADABLE:
        return Problem(pointer="", code="BODY_UNREADABLE", message="Send a JSON object.")
    return request


def decode_arguments(raw: bytes) -> RetrainArguments:
    """The arguments of a recorded retraining.

    Raises
    ------
    Refused : they are none.
    """
    try:
        return _ARGUMENTS.decode(raw)
    except UNREADABLE as error:
        raise Refused(f"arguments of a retraining: {error}") from error


async def compose_job(record: Record, request: Request, natural_key: str | None = None) -> JobRequest:
    """The job that a request asks for, with its defaults filled in.

    Raises
    ------
    JobRefused : the book can't be trained on, or there is no such product.
    """
    match request:
        case RetrainRequest():
            kind, weight = JobKind.RETRAIN, JobWeight.HEAVY
            arguments = encode_canonical(await _settle(record, request))
        case AuditRequest():
            kind, weight, arguments = JobKind.AUDIT, JobWeight.HEAVY, b"{}"
        case MonthsRequest():
            kind, weight, arguments = JobKind.MONTHS, JobWeight.LIGHT, b"{}"
    return JobRequest(kind=kind.value, weight=weight, arguments=arguments, natural_key=natural_key)


async def _settle(record: Record, request: RetrainRequest) -> RetrainArguments:
    try:
        require_real(request.book)
    except Refused as refusal:
        raise JobRefused("/book", "BOOK_OF_TESTS", str(refusal)) from None
    return RetrainArguments(
        book=request.book,
        product=await _find_product(record, request),
        known_on=request.known_on or record.clock.now().date(),
        test_from=request.test_from,
        test_share=request.test_share,
        folds=request.folds,
        calibration_months=request.calibration_months,
        preset=request.preset,
        segment=request.segment,
        select_most=request.select_most,
        search_trials=request.search_trials,
    )


async def _find_product(record: Record, request: RetrainRequest) -> str:
    """Hash of the product asked for, or of the newest that the book was recorded under."""
    recorded = await list_book_products(record, request.book)
    if not recorded:
        raise JobRefused("/book", "BOOK_EMPTY", "The book holds no Case: import a tape into it first.")
    if request.product is not None:
        try:
            decode_product(await get_document(record, request.product))
        except (NotFound, Refused):
            raise JobRefused("/product", "PRODUCT_UNKNOWN", "The record holds no product of this hash.") from None
        return request.product
    if len({one.product for one in recorded}) > 1:
        raise JobRefused(
            "/product", "PRODUCT_MISSING", "The book holds Cases of several products: name one by its hash."
        )
    return recorded[0].product_hash
