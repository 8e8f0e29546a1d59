"""How a request becomes a job of the queue: what it left open is settled, and documents that it names are kept. No workshop here. Edge."""

from collections.abc import Callable
from datetime import date
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from instant_credit.access.actors import Actor
from instant_credit.application.document import decode_product
from instant_credit.canonical import encode_canonical
from instant_credit.errors import NotFound, Problem, Refused
from instant_credit.factory.requests import (
    AuditRequest,
    FreezeRequest,
    JobKind,
    JudgeArguments,
    JudgeRequest,
    LookArguments,
    LookRequest,
    MonitorArguments,
    MonitorRequest,
    MonthsRequest,
    Request,
    RetrainArguments,
    RetrainRequest,
    is_hash,
)
from instant_credit.outcome.alerts import decode_rules, encode_rules, load_rules
from instant_credit.outcome.definition import AS_LAST_SEEN, decode_definition, encode_definition, load_definition
from instant_credit.policy.document import decode_policy, encode_policy, read_policy
from instant_credit.record.documents import DocumentKind, get_document, put_document
from instant_credit.record.pool import Record
from instant_credit.record.queue import JobRequest, JobWeight
from instant_credit.record.reads import list_book_products
from instant_credit.record.shipped import list_starters, read_starter
from instant_credit.record.triggers import read_trigger
from instant_credit.score.bundle import decode_bundle
from instant_credit.training.gates.thresholds import decode_thresholds, encode_thresholds, read_thresholds
from instant_credit.underwriting.course import require_real
from instant_credit.underwriting.releases import list_release_documents, live_releases


class JobRefused(Refused):
    """A request that can't become a job; `problem` says which field and why."""

    def __init__(self, pointer: str, code: str, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(pointer=pointer, code=code, message=message)


class Shelf(Struct, frozen=True, kw_only=True):
    """A kind of document that a request may name, by the name of a shipped one or by the hash of a recorded one.

    Attributes
    ----------
    field : of the request; `what` is what a person calls the document.
    starters : the folder of the shipped ones.
    canonise : TOML text to canonical bytes; `check` raises Refused for bytes that are no such document.
    """

    field: str
    what: str
    kind: DocumentKind
    starters: str
    canonise: Callable[[str], bytes]
    check: Callable[[bytes], object]


LABELS: Final = Shelf(
    field="labels",
    what="label definition",
    kind=DocumentKind.LABELS,
    starters="labels",
    canonise=lambda text: encode_definition(load_definition(text)),
    check=decode_definition,
)


RULES: Final = Shelf(
    field="rules",
    what="alert rules",
    kind=DocumentKind.ALERT_RULES,
    starters="alerts",
    canonise=lambda text: encode_rules(load_rules(text)),
    check=decode_rules,
)
THRESHOLDS: Final = Shelf(
    field="thresholds",
    what="thresholds",
    kind=DocumentKind.GATE_THRESHOLDS,
    starters="gates",
    canonise=lambda text: encode_thresholds(read_thresholds(text)),
    check=decode_thresholds,
)
POLICY: Final = Shelf(
    field="policy",
    what="policy",
    kind=DocumentKind.POLICY,
    starters="policies",
    canonise=lambda text: encode_policy(read_policy(text)),
    check=decode_policy,
)
JUDGED_BY: Final = replace(THRESHOLDS, field="judged_by")
STANDARD: Final = "standard"
"""The shipped alert rules and thresholds that are taken where none are named."""


class Asking(Struct, frozen=True, kw_only=True):
    """How a job is asked for: under a natural key once for ever, by which trigger, and why."""

    natural_key: str | None = None
    trigger: str | None = None
    reasons: str | None = None


async def compose_job(record: Record, request: Request, actor: Actor, asking: Asking | None = None) -> JobRequest:
    """The job that a request asks for, with its defaults filled in; shipped documents that it names are kept.

    Raises
    ------
    JobRefused : the book can't be used, or there is no such product, model, release, trigger or document.
    """
    asking = Asking() if asking is None else asking
    match request:
        case RetrainRequest():
            kind, weight = JobKind.RETRAIN, JobWeight.HEAVY
            arguments = encode_canonical(await _settle_retraining(record, request, actor))
        case JudgeRequest():
            kind, weight = JobKind.JUDGE, JobWeight.HEAVY
            arguments = encode_canonical(await _settle_judgement(record, request, actor))
        case MonitorRequest():
            kind, weight = JobKind.MONITOR, JobWeight.HEAVY
            arguments = encode_canonical(await _settle_monitoring(record, request, actor))
        case LookRequest():
            kind, weight = JobKind.LOOK, JobWeight.HEAVY
            arguments = encode_canonical(await _settle_look(record, request))
        case AuditRequest():
            kind, weight, arguments = JobKind.AUDIT, JobWeight.HEAVY, b"{}"
        case MonthsRequest():
            kind, weight, arguments = JobKind.MONTHS, JobWeight.LIGHT, b"{}"
        case FreezeRequest():
            kind, weight, arguments = JobKind.FREEZE, JobWeight.LIGHT, b"{}"
    return JobRequest(
        kind=kind.value,
        weight=weight,
        arguments=arguments,
        natural_key=asking.natural_key,
        trigger=asking.trigger,
        reasons=asking.reasons,
    )


async def settle_document(record: Record, told: str, shelf: Shelf, actor: Actor) -> str:
    """Hash of a document of the record, which is that of this hash, or the shipped one of this name.

    Raises
    ------
    JobRefused : there is none.
    """
    if not is_hash(told):
        shipped = list_starters(shelf.starters)
        if told not in shipped:
            raise _unknown(shelf, f"none of this name is shipped: name one of {', '.join(shipped)}, or give a hash")
        return await put_document(record, shelf.kind, shelf.canonise(read_starter(shelf.starters, told)), actor)
    try:
        shelf.check(await get_document(record, told))
    except (NotFound, Refused):
        raise _unknown(shelf, "the record holds none of this hash") from None
    return told


def _unknown(shelf: Shelf, why: str) -> JobRefused:
    return JobRefused(f"/{shelf.field}", "DOCUMENT_UNKNOWN", f"{shelf.what.capitalize()}: {why}.")


def require_real_book(book: str) -> None:
    """Raises JobRefused for a book from which nothing is learned."""
    try:
        require_real(book)
    except Refused as refusal:
        raise JobRefused("/book", "BOOK_OF_TESTS", str(refusal)) from None


def settle_day(record: Record, known_on: date | None) -> date:
    """The day told, or today by the record's clock. Raises JobRefused for a day to come."""
    today = record.clock.now().date()
    if known_on is not None and known_on > today:
        raise JobRefused("/known_on", "DAY_AHEAD", "It lies ahead: give today or an earlier day.")
    return known_on or today


async def _settle_retraining(record: Record, request: RetrainRequest, actor: Actor) -> RetrainArguments:
    require_real_book(request.book)
    return RetrainArguments(
        book=request.book,
        product=await find_product(record, request),
        known_on=settle_day(record, request.known_on),
        labels=await settle_document(record, request.labels or AS_LAST_SEEN.name, LABELS, actor),
        trusted=tuple(dict.fromkeys(request.trusted)),
        inference=request.inference,
        prudence=request.prudence,
        propensity=request.propensity,
        test_from=request.test_from,
        test_share=request.test_share,
        folds=request.folds,
        calibration_months=request.calibration_months,
        preset=request.preset,
        segment=request.segment,
        select_most=request.select_most,
        search_trials=request.search_trials,
        judged_by=None
        if request.judged_by is None
        else await settle_document(record, request.judged_by, JUDGED_BY, actor),
    )


async def _settle_judgement(record: Record, request: JudgeRequest, actor: Actor) -> JudgeArguments:
    require_real_book(request.book)
    try:
        bundle = decode_bundle(await get_document(record, request.model))
        product = decode_product(await get_document(record, bundle.product_hash))
    except (NotFound, Refused):
        raise JobRefused("/model", "MODEL_UNKNOWN", "The record holds no model of this hash.") from None
    policy = None if request.policy is None else await settle_document(record, request.policy, POLICY, actor)
    return JudgeArguments(
        book=request.book,
        model=request.model,
        champion=await _find_champion(record, request.champion, product.name),
        thresholds=await settle_document(record, request.thresholds or STANDARD, THRESHOLDS, actor),
        policy=policy,
        test_from=request.test_from,
        known_on=settle_day(record, request.known_on),
    )


async def _find_champion(record: Record, told: str | None, product: str) -> str | None:
    """Hash of the release to judge against, None = absolute floors."""
    if told == "none":
        return None
    if told is None or told == "live":
        found = (await live_releases(record)).get(product)
        if found is None and told is not None:
            raise JobRefused("/champion", "RELEASE_UNKNOWN", "No release of the model's product is live.")
        return found
    if told not in {row.content_hash for row in await list_release_documents(record)}:
        raise JobRefused("/champion", "RELEASE_UNKNOWN", "The record holds no release of this hash.")
    return told


async def _settle_monitoring(record: Record, request: MonitorRequest, actor: Actor) -> MonitorArguments:
    require_real_book(request.book)
    return MonitorArguments(
        book=request.book, rules=await settle_document(record, request.rules or STANDARD, RULES, actor)
    )


async def _settle_look(record: Record, request: LookRequest) -> LookArguments:
    try:
        is_standing = (await read_trigger(record, request.trigger)).is_standing
    except NotFound:
        is_standing = False
    if not is_standing:
        raise JobRefused("/trigger", "TRIGGER_UNKNOWN", "No trigger of this name stands.")
    return LookArguments(trigger=request.trigger)


async def find_product(record: Record, request: RetrainRequest) -> str:
    """Hash of the product asked for, or of the newest that the book was recorded under.

    Raises
    ------
    JobRefused : the book is empty, or holds several products, or the record has no such product.
    """
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
