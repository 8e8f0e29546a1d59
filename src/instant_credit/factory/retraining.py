"""The retraining job: a book becomes a registered model, by steps that are kept as they finish. Edge.

    read (digests of the loans, and of declined applicants where they are answered for) ─► prepare ─► a fit for each fold, the final fit,
    calibration: model, then scorecard ─► test ─► bundle ─► register (product, labels, bundle, manifest)

The loans themselves are no step's result: they stay sealed in the record, where erasure reaches them. A job that is taken up again reads them
again, and goes on only if they are the loans that its finished steps saw. The bundle is that of `instant-credit train` with the same options,
and it is registered under its hash, so once, however often the job was stopped. Where the arguments say so, the model's judgement is asked for
at the end.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

from msgspec import Struct

from instant_credit.application.document import decode_product
from instant_credit.errors import Refused
from instant_credit.factory.desk import JobDesk
from instant_credit.factory.jobs import JobContext
from instant_credit.factory.requests import JudgeRequest, RetrainArguments, decode_arguments
from instant_credit.factory.settling import Asking
from instant_credit.outcome.definition import AS_LAST_SEEN, LabelDefinition, decode_definition
from instant_credit.record.documents import get_document
from instant_credit.record.home import make_home
from instant_credit.record.queue import JobExists, read_job
from instant_credit.record.queue_steps import form_of
from instant_credit.training.dataset import TrainingSet, gather_training_set
from instant_credit.training.digest import RejectsTold, SetTold, digest_loans, digest_rejects, list_differences
from instant_credit.training.fitting.search import Searching, SearchStep
from instant_credit.training.fitting.selection import SelectOptions
from instant_credit.training.fitting.space import SearchOptions
from instant_credit.training.inference import name_propensity
from instant_credit.training.intervals import Measured
from instant_credit.training.leaks import refuse_tellers
from instant_credit.training.plans import Wish
from instant_credit.training.selection_bias import Inference, choose_inference
from instant_credit.training.workshop import Training, build_training, record_training


class Registered(Struct, frozen=True, kw_only=True):
    """What a retraining left in the record, and how well the model did on loans that it never saw."""

    bundle_hash: str
    training_hash: str
    auc: Measured


T = TypeVar("T")

_READ: Final = form_of(SetTold)
_DECLINED: Final = form_of(RejectsTold)
_REGISTERED: Final = form_of(Registered)


async def retrain(context: JobContext, raw: bytes) -> str:
    """Train as the arguments say, and register bundle and manifest.

    Raises
    ------
    Refused : the book, the plan or the loans do not allow it, or the loans changed while the job was stopped; the message says what to do.
    """
    arguments = decode_arguments(raw, RetrainArguments)
    registered = await context.steps.find("register", _REGISTERED)
    if registered is None:
        training_set = await _read(context, arguments)
        training = await asyncio.to_thread(_build, context, arguments, training_set)
        registered = await context.steps.take_here("register", lambda: _register(context, training), _REGISTERED)
    auc = registered.auc
    judgement = await _ask_for_judgement(context, arguments, registered.bundle_hash)
    return (
        f"registered model {registered.bundle_hash} by training {registered.training_hash}; "
        f"AUC {auc.value:.4f} ({auc.low:.4f} to {auc.high:.4f}){judgement}"
    )


async def _ask_for_judgement(context: JobContext, arguments: RetrainArguments, bundle_hash: str) -> str:
    """Ask for the model's judgement where that is wanted, once however often the job was stopped; which job that is, in words."""
    if arguments.judged_by is None:
        return ""
    job_id = UUID(context.actor.id)
    request = JudgeRequest(
        book=arguments.book, model=bundle_hash, thresholds=arguments.judged_by, known_on=arguments.known_on
    )
    asking = Asking(
        natural_key=f"judge {job_id}",
        trigger=(await read_job(context.record, job_id)).trigger,
        reasons=f"retraining {job_id} registered the model",
    )
    try:
        asked = (await JobDesk(context.record).request(request, context.actor, asking)).job_id
    except JobExists as known:
        asked = known.job_id
    return f"; its judgement is job {asked}"


async def _read(context: JobContext, arguments: RetrainArguments) -> TrainingSet:
    """The book's loans, which are those of before where the job was begun before."""
    product = decode_product(await get_document(context.record, arguments.product))
    inference = _choose_inference(arguments)
    training_set = await gather_training_set(
        context.record,
        book=arguments.book,
        product=product,
        known_on=arguments.known_on,
        definition=await _read_labels(context, arguments),
        with_rejects=inference is not None,
        propensity=name_propensity(inference),
        progress=lambda done: context.tell("read", done),
    )
    await asyncio.to_thread(refuse_tellers, training_set, arguments.trusted)
    found = await asyncio.to_thread(digest_loans, training_set)
    recorded = await context.steps.take_here("read", _telling(found), _READ)
    differences = list_differences(recorded, found)
    if training_set.rejects is not None:
        rejects = digest_rejects(training_set.rejects)
        if await context.steps.take_here("read declined", _telling(rejects), _DECLINED) != rejects:
            differences.append("its declined applicants are others")
    if differences:
        raise Refused(
            f"book {arguments.book} changed while the job was stopped: {'; '.join(differences)}. Start another retraining"
        )
    return training_set


def _telling(found: T) -> Callable[[], Awaitable[T]]:
    """What a step comes to that only tells what was read."""

    async def tell() -> T:
        return found

    return tell


def _choose_inference(arguments: RetrainArguments) -> Inference | None:
    return choose_inference(arguments.inference, arguments.prudence, arguments.propensity)


async def _read_labels(context: JobContext, arguments: RetrainArguments) -> LabelDefinition:
    if arguments.labels is None:
        return AS_LAST_SEEN
    return decode_definition(await get_document(context.record, arguments.labels))


def _build(context: JobContext, arguments: RetrainArguments, training_set: TrainingSet) -> Training:
    """Everything that needs no record; runs in a thread of its own."""
    wish = Wish(
        test_from=arguments.test_from,
        test_share=arguments.test_share,
        folds=arguments.folds,
        calibration_months=arguments.calibration_months,
    )
    return build_training(
        training_set,
        wish,
        arguments.preset,
        lambda _stage, _done: context.attention.check(),
        segment=arguments.segment,
        searching=_find_search(context, arguments.search_trials),
        selecting=None if arguments.select_most is None else SelectOptions(most=arguments.select_most),
        inference=_choose_inference(arguments),
        watch=context.tell_part,
        steps=context.steps,
    )


def _find_search(context: JobContext, trials: int | None) -> Searching | None:
    """A search whose ended trials are kept in the home as they end, so that one within a stopped step goes on, too."""
    if trials is None:
        return None
    home: Path = context.settings.home
    make_home(home)

    def tell(step: SearchStep) -> None:
        context.tell_part(step.ended, step.trials)

    return Searching(options=SearchOptions(trials=trials), folder=home / "searches", tell=tell)


async def _register(context: JobContext, training: Training) -> Registered:
    await record_training(context.record, training, context.actor)
    return Registered(
        bundle_hash=training.bundle_hash, training_hash=training.training_hash, auc=training.model.quality.auc
    )
