"""`instant-credit job`: what waits, runs and ended; `instant-credit retrain` asks for a retraining."""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

import click
from rich.table import Table

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.application.document import encode_product, load_product
from instant_credit.commands.documents import read_document, refuse_future
from instant_credit.commands.tables import print_table
from instant_credit.commands.training_options import DAY, check_training_options, day_of, training_options
from instant_credit.factory.desk import JobDesk, JobStatus
from instant_credit.factory.requests import (
    AuditRequest,
    FreezeRequest,
    JobKind,
    JudgeRequest,
    MonitorRequest,
    MonthsRequest,
    Request,
    RetrainRequest,
    is_hash,
)
from instant_credit.factory.settling import LABELS, POLICY, RULES, STANDARD, THRESHOLDS, Shelf
from instant_credit.record.documents import DocumentKind, put_document
from instant_credit.record.pool import Record, open_record
from instant_credit.settings import read_settings
from instant_credit.underwriting.course import BOOK

CHAMPION: Final = re.compile(r"live|none|[0-9a-f]{64}")
HASH: Final = re.compile(r"[0-9a-f]{64}")
ACTOR: Final = Actor(kind=ActorKind.JOB, id="command-line")
_UPKEEP: Final[dict[JobKind, Request]] = {
    JobKind.AUDIT: AuditRequest(),
    JobKind.MONTHS: MonthsRequest(),
    JobKind.FREEZE: FreezeRequest(),
}

T = TypeVar("T")


@click.group()
def job() -> None:
    """List, show, cancel and retry jobs; add jobs of upkeep, judgement and monitoring."""


@job.command("list")
def show_list() -> None:
    """List the newest jobs, the newest first."""
    jobs = _ask(lambda _, desk: desk.list()).jobs
    table = Table("job", "kind", "state", "asked for at", "progress")
    for one in jobs:
        table.add_row(str(one.job_id), one.kind, one.state.value, _at(one.requested_at), _tell_progress(one))
    print_table(table)


@job.command("show")
@click.argument("job_id", type=click.UUID)
def show(job_id: UUID) -> None:
    """Show one job: how it stands, its steps, and what came of it."""
    print_job(_ask(lambda _, desk: desk.read(job_id)))


@job.command("cancel")
@click.argument("job_id", type=click.UUID)
def cancel(job_id: UUID) -> None:
    """Cancel a job: at once while it waits, by its worker while it runs."""
    print_job(_ask(lambda _, desk: desk.cancel(job_id, ACTOR)))


@job.command("retry")
@click.argument("job_id", type=click.UUID)
def retry(job_id: UUID) -> None:
    """Queue a failed or cancelled job again; it goes on behind its finished steps."""
    print_job(_ask(lambda _, desk: desk.retry(job_id, ACTOR)))


@job.command("add")
@click.argument("kind", type=click.Choice([kind.value for kind in _UPKEEP]))
def add(kind: str) -> None:
    """Queue a job of upkeep: audit checks the record against its hash chain, months makes partitions ahead, freeze
    freezes the days that are over of experiments.
    """
    request = _UPKEEP[JobKind(kind)]
    print_job(_ask(lambda _, desk: desk.request(request, ACTOR)))


@job.command("judge")
@click.option("--book", required=True, help="Book to judge over (see `book list`).")
@click.option("--model", required=True, metavar="HASH", help="Model bundle to judge.")
@click.option(
    "--champion",
    metavar="RELEASE",
    help="Release to judge against: its hash, `live`, or `none` for absolute floors; default: the live one where there is one.",
)
@click.option("--thresholds", default=STANDARD, show_default=True, help="A shipped name or a TOML file.")
@click.option("--policy", help="Policy that decides Cases where there is no champion: a shipped name or a TOML file.")
@click.option("--test-from", type=DAY, help="Judge from this day on; default: as the model's training tested.")
@click.option(
    "--known-on", type=DAY, callback=refuse_future, help="Take labels as they were known on this day; default: today."
)
def judge(*, thresholds: str, policy: str | None, **options: Any) -> None:
    """Queue the judgement of a candidate model; `job show` then names the report for `gate show`."""
    options |= {name: day_of(options[name]) for name in ("test_from", "known_on")}
    for name, shape in (("model", HASH), ("champion", CHAMPION)):
        if options[name] is not None and not shape.fullmatch(options[name]):
            raise click.UsageError(
                f"--{name}: give a hash of 64 hex characters{', live or none' * (shape is CHAMPION)}"
            )

    async def ask(record: Record, desk: JobDesk) -> JobStatus:
        kept: dict[str, Any] = {
            "thresholds": await keep_document(record, thresholds, THRESHOLDS, ACTOR),
            "policy": None if policy is None else await keep_document(record, policy, POLICY, ACTOR),
        }
        return await desk.request(JudgeRequest(**kept, **options), ACTOR)

    print_job(_ask(ask))


@job.command("monitor")
@click.option("--book", default=BOOK, show_default=True, help="Book whose decided Cases are looked at.")
@click.option("--rules", default=STANDARD, show_default=True, help="Alert rules: a shipped name or a TOML file.")
def monitor(book: str, rules: str) -> None:
    """Queue a monitoring run (see `monitor run`); triggers that wait on the book are looked at afterwards."""

    async def ask(record: Record, desk: JobDesk) -> JobStatus:
        kept = await keep_document(record, rules, RULES, ACTOR)
        return await desk.request(MonitorRequest(book=book, rules=kept), ACTOR)

    print_job(_ask(ask))


@click.command()
@click.option("--book", required=True, help="Book to train on (see `book list`).")
@training_options
@click.option(
    "--search", "search_trials", type=click.IntRange(1, 10_000), metavar="TRIALS", help="Search for parameters."
)
@click.option("--select-most", type=click.IntRange(1), metavar="K", help="Select variables first, at most so many.")
@click.option(
    "--judged-by",
    metavar="THRESHOLDS",
    help="Queue the model's judgement by these thresholds once it is trained: a shipped name or a TOML file; default: don't.",
)
def retrain(*, book: str, judged_by: str | None, **options: Any) -> None:
    """Queue a retraining on a book; `instant-credit worker` runs it.

    Prints the job, whose end names the bundle that `release make --model` takes. The options are those of `train`.
    """
    check_training_options(options, options["search_trials"])

    async def ask(record: Record, desk: JobDesk) -> JobStatus:
        told = options | {
            "product": await _keep_product(record, options["product"]),
            "labels": await keep_document(record, options["labels"], LABELS, ACTOR),
            "judged_by": None if judged_by is None else await keep_document(record, judged_by, THRESHOLDS, ACTOR),
            "known_on": day_of(options["known_on"]),
            "test_from": day_of(options["test_from"]),
        }
        return await desk.request(RetrainRequest(book=book, **told), ACTOR)

    print_job(_ask(ask))


async def _keep_product(record: Record, told: str | None) -> str | None:
    if told is None:
        return None
    raw = encode_product(load_product(read_document("products", told)))
    return await put_document(record, DocumentKind.PRODUCT, raw, ACTOR)


async def keep_document(record: Record, told: str, shelf: Shelf, actor: Actor) -> str:
    """Hash of the document told, a shipped one's name, a file, or the hash of a recorded one; it is kept."""
    if is_hash(told):
        return told
    return await put_document(record, shelf.kind, shelf.canonise(read_document(shelf.starters, told)), actor)


def _ask(ask: Callable[[Record, JobDesk], Awaitable[T]]) -> T:
    async def run() -> T:
        async with open_record(read_settings(os.environ)) as record:
            return await ask(record, JobDesk(record))

    return asyncio.run(run())


def print_job(status: JobStatus) -> None:
    """Show how a job stands."""
    lines = [
        f"Job:       {status.job_id}",
        f"Kind:      {status.kind}",
        f"State:     {status.state.value}",
        f"Asked for: {_at(status.requested_at)}",
    ]
    if status.trigger is not None:
        lines.append(f"Trigger:   {status.trigger}")
    if status.reasons is not None:
        lines.append(f"Because:   {status.reasons}")
    if status.started_at is not None:
        lines.append(f"Started:   {_at(status.started_at)}")
    if status.ended_at is not None:
        lines.append(f"Ended:     {_at(status.ended_at)}")
    if status.progress is not None:
        lines.append(f"Progress:  {_tell_progress(status)}")
    for step in status.steps:
        ended = "not finished" if step.finished_at is None else f"finished {_at(step.finished_at)}"
        lines.append(f"  {step.name}: begun {_at(step.begun_at)}, {ended}")
    if status.result is not None:
        lines.append(f"Result:    {status.result}")
    if status.document is not None:
        lines.append(f"Report:    {status.document}")
    if status.error is not None:
        lines.append(f"Error:     {status.error}")
    click.echo("\n".join(lines))


def _tell_progress(status: JobStatus) -> str:
    told = status.progress
    if told is None:
        return ""
    if told.total is not None:
        return f"{told.stage}: {told.done:,} of {told.total:,}"
    return f"{told.stage}: {told.done:,}" if told.done else told.stage


def _at(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M:%S")
