"""The look: how a trigger's product stands today, and whether its rules ask for a retraining. It never promotes anything. Edge.

    last training of the book and product (manifest), labels known today, alerts open after the last window, the trigger's last asking
    ─► propose_retraining ─► kept with the asking's number (a step) ─► a retraining under the natural key name #number: once, whoever looks

Looks are heavy jobs, so one runs at a time; a look that was stopped goes on with the number that it took.
"""

from typing import Final

from msgspec import Struct

from instant_credit.application.document import decode_product
from instant_credit.errors import Refused
from instant_credit.factory.desk import JobDesk
from instant_credit.factory.jobs import JobContext
from instant_credit.factory.requests import JobKind, LookArguments, RetrainRequest, decode_arguments
from instant_credit.factory.settling import Asking, find_product
from instant_credit.factory.triggers import find_standing
from instant_credit.outcome.alerts import AlertState, decode_rules
from instant_credit.outcome.definition import (
    AS_LAST_SEEN,
    LabelDefinition,
    decode_definition,
    hash_definition,
    require_product,
)
from instant_credit.outcome.triggers import Proposal, Standing, propose_retraining
from instant_credit.record.documents import DocumentKind, get_document, list_documents
from instant_credit.record.pool import Record
from instant_credit.record.queue import JobExists
from instant_credit.record.queue_steps import form_of
from instant_credit.record.reads import list_book_products
from instant_credit.record.sketches import list_windows
from instant_credit.record.triggers import TriggerJobs, count_trigger_jobs
from instant_credit.review.windows import decode_report
from instant_credit.training.dataset import gather_training_set, require_loans
from instant_credit.training.manifest import TrainingManifest, decode_training

REASONS_MAX: Final = 1_000


class Looked(Struct, frozen=True, kw_only=True):
    """What a look came to: the number of the asking, and its reasons; None = nothing is asked for."""

    number: int
    reasons: str | None


_LOOKED: Final = form_of(Looked)


async def look(context: JobContext, raw: bytes) -> str:
    """Look at a trigger, and ask for its retraining where its rules say so.

    Raises
    ------
    Refused : the retraining can't be run as the trigger asks for it; the message says why.
    """
    name = decode_arguments(raw, LookArguments).trigger
    definition = await find_standing(context.record, name)
    if definition is None or not isinstance(definition.request, RetrainRequest) or definition.rules is None:
        return f"trigger {name} waits for nothing any more: nothing was asked for"
    request, rules = definition.request, definition.rules

    async def make() -> Looked:
        asked = await count_trigger_jobs(context.record, name, JobKind.RETRAIN)
        is_empty = not await list_book_products(context.record, request.book)
        proposal = None if is_empty else await _propose(context, request, rules, asked)
        reasons = None if proposal is None else tell_reasons(proposal)
        return Looked(number=asked.jobs + 1, reasons=reasons)

    looked = await context.steps.take_here("look", make, _LOOKED)
    if looked.reasons is None:
        return f"trigger {name}: nothing asks for a retraining"
    asking = Asking(natural_key=f"{name} #{looked.number}", trigger=name, reasons=looked.reasons)
    try:
        job_id = (await JobDesk(context.record).request(request, context.actor, asking)).job_id
    except JobExists as known:
        job_id = known.job_id
    return f"trigger {name}: retraining {job_id}, because {looked.reasons}"[:REASONS_MAX]


def tell_reasons(proposal: Proposal) -> str:
    """The reasons in words; of very many the first ones, and how many more there are."""
    words = [one.words for one in proposal.reasons]
    while len("; ".join(words)) > REASONS_MAX - len("; and 10,000 more"):
        words.pop()
    more = len(proposal.reasons) - len(words)
    return "; ".join(words) + (f"; and {more:,} more" if more else "")


async def _propose(
    context: JobContext, request: RetrainRequest, rules_hash: str, asked: TriggerJobs
) -> Proposal | None:
    record = context.record
    rules = decode_rules(await get_document(record, rules_hash)).retraining
    if rules is None:
        return None
    product = decode_product(await get_document(record, await find_product(record, request)))
    definition = await _read_labels(record, request)
    require_product(definition, product.name)
    require_loans(request.book, definition)
    trained = await find_last_training(record, request.book, product.name, hash_definition(definition))
    labels_now = 0
    if rules.labels_min is not None or trained is None:
        try:
            found = await gather_training_set(
                record,
                book=request.book,
                product=product,
                known_on=record.clock.now().date(),
                definition=definition,
                progress=lambda done: context.tell("count labels", done),
            )
            labels_now = found.loans
        except Refused:
            # No loan of the book is resolved yet.
            labels_now = 0
    standing = Standing(
        product=product.name,
        today=record.clock.now().date(),
        trained_on=None if trained is None else trained.known_on,
        labels_then=_count_labels(trained),
        labels_now=labels_now,
        proposed_on=None if asked.last_at is None else asked.last_at.date(),
        alerts=await _list_alerts(record, request.book, product.name),
    )
    return propose_retraining(rules, standing)


def _count_labels(trained: TrainingManifest | None) -> int:
    """Good and bad loans of a training; manifests of schema 1 tell them by parts."""
    if trained is None:
        return 0
    if trained.training_set is not None:
        return trained.training_set.loans
    return sum(part.loans for part in trained.parts)


async def _read_labels(record: Record, request: RetrainRequest) -> LabelDefinition:
    return AS_LAST_SEEN if request.labels is None else decode_definition(await get_document(record, request.labels))


async def _list_alerts(record: Record, book: str, product: str) -> tuple[AlertState, ...]:
    """Where alerts stand after the last window."""
    latest = await list_windows(record, book, product, 1)
    return decode_report(latest[0].report).states if latest else ()


async def find_last_training(record: Record, book: str, product: str, labels_hash: str) -> TrainingManifest | None:
    """The training of a product on a book by these labels that was recorded last; None = there is none."""
    last_seen = hash_definition(AS_LAST_SEEN)
    for row in reversed(await list_documents(record, DocumentKind.TRAINING)):
        manifest = decode_training(await get_document(record, row.content_hash))
        told = (manifest.book, manifest.product, manifest.labels or last_seen)
        if told == (book, product, labels_hash):
            return manifest
    return None
