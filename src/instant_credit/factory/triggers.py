"""Triggers: documents that say when a job is asked for, and who reads them. No workshop here. Edge.

    calendar, clock ─► due ─► without rules: the job, under the natural key name@instant
                              with rules: a look, which asks for a retraining where they say so (`looking`)
    monitoring run ─► a look of every trigger with rules on its book

Whatever a trigger asks for, it is asked once however many workers look, and the job says which trigger asked and why. A retraining that a trigger
asks for has its model judged. Nothing here proposes or activates a release.
"""

import contextlib
import re
import tomllib
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.application.invalid import tell_invalid
from instant_credit.canonical import UNREADABLE, encode_canonical
from instant_credit.errors import NotFound, Problem, Refused
from instant_credit.factory.desk import JobDesk
from instant_credit.factory.requests import (
    AuditRequest,
    DocumentName,
    FreezeRequest,
    LookRequest,
    MonitorRequest,
    MonthsRequest,
    RetrainRequest,
    TriggerName,
    read_told,
)
from instant_credit.factory.schedule import Every, Schedule, ask_due, find_due, find_next
from instant_credit.factory.settling import (
    JUDGED_BY,
    LABELS,
    RULES,
    STANDARD,
    Asking,
    JobRefused,
    require_real_book,
    settle_document,
)
from instant_credit.outcome.alerts import decode_rules
from instant_credit.outcome.definition import AS_LAST_SEEN
from instant_credit.record.documents import get_document
from instant_credit.record.pool import Record
from instant_credit.record.queue import JobExists
from instant_credit.record.triggers import (
    TRIGGERS_MAX,
    StoredTrigger,
    TriggersFull,
    list_triggers,
    put_trigger,
    read_trigger,
    stop_trigger,
)
from instant_credit.underwriting.resources import Link

DOCUMENT_CHARACTERS_MAX: Final = 20_000
ACTOR: Final = Actor(kind=ActorKind.JOB, id="triggers")

TriggeredRequest = RetrainRequest | MonitorRequest | AuditRequest | MonthsRequest | FreezeRequest


class TriggerDefinition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a job is asked for.

    Attributes
    ----------
    name : by which its jobs are told from those of other triggers, for ever; put again under this name it is another version.
    every, at_hour : hours begin at :00, weeks on Monday, months and quarters on their first day; all in UTC.
    rules : alert rules whose `retraining` says whether the retraining is asked for, a shipped name or a hash; it is looked then, and
        after each monitoring run of the book. None = at every instant.
    request : the job. What it leaves open is settled whenever it is asked for.
    """

    schema_version: Literal[1] = 1
    name: TriggerName
    every: Every
    at_hour: Annotated[int, Meta(ge=0, le=23)] = 0
    rules: DocumentName | None = None
    request: TriggeredRequest

    def __post_init__(self) -> None:
        """Rules are those of a retraining, and a retraining is as of the day it is asked for."""
        is_retraining = isinstance(self.request, RetrainRequest)
        if self.rules is not None and not is_retraining:
            raise ValueError("rules go with a request of kind retrain")
        if isinstance(self.request, RetrainRequest) and self.request.known_on is not None:
            raise ValueError("request: known_on is the day on which the trigger asks, so leave it out")


class TriggerLinks(Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"own": "self"}):
    """Where a trigger is; `stop` is there while it stands."""

    own: Link
    stop: Link | None = None


class TriggerStatus(Struct, frozen=True, kw_only=True):
    """A trigger as it stands.

    `version` counts what was put and stopped; `definition` is null where it was stopped, and `next_at` is when it is due next.
    """

    schema_version: int = 1
    name: TriggerName
    version: int
    is_standing: bool
    definition: TriggerDefinition | None
    changed_at: Annotated[datetime, Meta(tz=True)]
    next_at: Annotated[datetime, Meta(tz=True)] | None
    links: TriggerLinks


class TriggersLinks(Struct, frozen=True, kw_only=True, rename={"own": "self"}):
    """Where the list is."""

    own: Link


class Triggers(Struct, frozen=True, kw_only=True):
    """All triggers by name, those that were stopped among them."""

    schema_version: int = 1
    triggers: Annotated[tuple[TriggerStatus, ...], Meta(max_length=TRIGGERS_MAX)]
    links: TriggersLinks


_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_DECODER: Final = msgspec.json.Decoder(TriggerDefinition)


def load_trigger(toml_text: str) -> TriggerDefinition:
    """The trigger of a TOML document.

    Raises
    ------
    Refused : it is no such document; the message says where and what is allowed there.
    """
    return convert_trigger(read_tables(toml_text))


def read_tables(toml_text: str) -> dict[str, Any]:
    """The tables of a TOML document. Raises Refused when it is none."""
    if len(toml_text) > DOCUMENT_CHARACTERS_MAX:
        raise Refused(f"trigger: longer than {DOCUMENT_CHARACTERS_MAX:,} characters")
    try:
        return tomllib.loads(toml_text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Refused(f"trigger is not TOML, mend its syntax: {error}") from error


def convert_trigger(tables: dict[str, Any]) -> TriggerDefinition:
    """The trigger that tables tell. Raises Refused when they tell none; the message says where and what is allowed there."""
    try:
        return msgspec.convert(tables, TriggerDefinition)
    except msgspec.ValidationError as error:
        raise Refused(
            f"trigger: {tell_invalid(error, TriggerDefinition)}; docs/jobs.md says what each field takes"
        ) from error


def decode_trigger(raw: bytes) -> TriggerDefinition:
    """The trigger behind canonical JSON. Raises Refused when it is none."""
    try:
        return _DECODER.decode(raw)
    except UNREADABLE as error:
        raise Refused(f"trigger: {error}") from error


class TriggerDesk:
    """Puts, tells and stops triggers."""

    def __init__(self, record: Record) -> None:
        self._record = record

    async def ask(self, raw: bytes, actor: Actor) -> TriggerStatus | Problem:
        """Put the trigger that a body tells, or say what is wrong with it."""
        definition = read_told(raw, _DECODER)
        if isinstance(definition, Problem):
            return definition
        try:
            return await self.put(definition, actor)
        except JobRefused as refusal:
            return refusal.problem

    async def put(self, definition: TriggerDefinition, actor: Actor) -> TriggerStatus:
        """Put a trigger; the documents that it names are settled now, so that it asks for the same whatever is shipped later.

        Raises
        ------
        JobRefused : a document that it names is not there, its rules have no `retraining`, its book is the one of tests, or there are as
            many triggers as there may be.
        """
        settled = await self._settle(definition, actor)
        try:
            stored = await put_trigger(self._record, settled.name, encode_canonical(settled), actor)
        except TriggersFull as full:
            raise JobRefused("/name", "TRIGGERS_FULL", str(full)) from None
        return self._tell(stored)

    async def read(self, name: str) -> TriggerStatus:
        """One trigger. Raises NotFound when there never was one of this name."""
        return self._tell(await read_trigger(self._record, _require_name(name)))

    async def list(self) -> Triggers:
        """All triggers."""
        stored = await list_triggers(self._record)
        return Triggers(triggers=tuple(self._tell(one) for one in stored), links=TriggersLinks(own=Link.to("triggers")))

    async def stop(self, name: str, actor: Actor) -> TriggerStatus:
        """Have a trigger ask for nothing more. Raises NotFound when there never was one of this name."""
        return self._tell(await stop_trigger(self._record, _require_name(name), actor))

    async def _settle(self, definition: TriggerDefinition, actor: Actor) -> TriggerDefinition:
        request = definition.request
        if isinstance(request, RetrainRequest | MonitorRequest):
            require_real_book(request.book)
        if isinstance(request, MonitorRequest):
            rules = await settle_document(self._record, request.rules or STANDARD, RULES, actor)
            return replace(definition, request=replace(request, rules=rules))
        if not isinstance(request, RetrainRequest):
            return definition
        labels = await settle_document(self._record, request.labels or AS_LAST_SEEN.name, LABELS, actor)
        judged_by = await settle_document(self._record, request.judged_by or STANDARD, JUDGED_BY, actor)
        settled = replace(definition, request=replace(request, labels=labels, judged_by=judged_by))
        if definition.rules is None:
            return settled
        rules = await settle_document(self._record, definition.rules, RULES, actor)
        if decode_rules(await get_document(self._record, rules)).retraining is None:
            raise JobRefused(
                "/rules", "RULES_WITHOUT_RETRAINING", "These alert rules have no table `retraining`: add one."
            )
        return replace(settled, rules=rules)

    def _tell(self, stored: StoredTrigger) -> TriggerStatus:
        definition = None if stored.body is None else decode_trigger(stored.body)
        next_at = None
        if definition is not None:
            next_at = find_next(schedule_of(definition, stored.recorded_at), self._record.clock.now())
        own = Link.to("triggers", stored.name)
        stop = Link.to("triggers", stored.name, "stop") if stored.is_standing else None
        return TriggerStatus(
            name=stored.name,
            version=stored.version,
            is_standing=stored.is_standing,
            definition=definition,
            changed_at=stored.recorded_at,
            next_at=next_at,
            links=TriggerLinks(own=own, stop=stop),
        )


def _require_name(told: str) -> str:
    """Raises NotFound for what can't be a trigger's name."""
    if not _NAME.fullmatch(told):
        raise NotFound("trigger", "of this name")
    return told


def schedule_of(definition: TriggerDefinition, since: datetime) -> Schedule:
    """By which calendar a trigger that was put at an instant asks for its job, or for a look where it has rules."""
    request = definition.request if definition.rules is None else LookRequest(trigger=definition.name)
    return Schedule(
        name=definition.name, every=definition.every, at_hour=definition.at_hour, since=since, request=request
    )


async def find_standing(record: Record, name: str) -> TriggerDefinition | None:
    """What a trigger says now; None where it was stopped, or never was."""
    try:
        stored = await read_trigger(record, name)
    except NotFound:
        return None
    return None if stored.body is None else decode_trigger(stored.body)


async def ask_looks(record: Record, book: str, job_id: UUID, actor: Actor) -> tuple[str, ...]:
    """Ask for a look of every trigger that waits on a book, once for a monitoring run; names of those that are looked at."""
    desk, names = JobDesk(record), []
    for stored in await list_triggers(record):
        definition = _read(stored)
        if not isinstance(definition, TriggerDefinition) or definition.rules is None:
            continue
        if not isinstance(definition.request, RetrainRequest):
            continue
        if definition.request.book != book:
            continue
        asking = Asking(
            natural_key=f"{stored.name}@{job_id}", trigger=stored.name, reasons=f"monitoring run {job_id} ended"
        )
        # One that waits will see this run, too; a trigger that was stopped just now is looked at no more.
        with contextlib.suppress(JobExists, JobRefused):
            await desk.request(LookRequest(trigger=stored.name), actor, asking)
        names.append(stored.name)
    return tuple(names)


def _read(stored: StoredTrigger) -> TriggerDefinition | Refused | None:
    """What a trigger says; why that can't be read, where a later version of the program put it; None where it was stopped."""
    if stored.body is None:
        return None
    try:
        return decode_trigger(stored.body)
    except Refused as refusal:
        return refusal


class Asked(Struct, frozen=True, kw_only=True):
    """What a trigger's instant came to: the new jobs, or the code of what is wrong with its request."""

    name: str
    job_ids: tuple[UUID, ...]
    refused: str | None = None


class Watch:
    """One worker's eye on the triggers; several may watch at once."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._desk = JobDesk(record)
        # The instants that need no more of it, by name and version.
        self._seen: dict[tuple[str, int], datetime] = {}

    async def ask(self) -> tuple[Asked, ...]:
        """Ask for what has come due by the record's clock; what each trigger's instant came to that was not seen before.

        Raises
        ------
        Unavailable : the database did not answer; asking again finds what was queued.
        """
        asked = []
        for stored in await list_triggers(self._record):
            definition = _read(stored)
            if isinstance(definition, TriggerDefinition):
                one = await self._ask_one(stored, definition)
            else:
                one = self._tell_unread(stored, definition)
            if one is not None:
                asked.append(one)
        return tuple(asked)

    def _tell_unread(self, stored: StoredTrigger, refusal: Refused | None) -> Asked | None:
        """That a trigger can't be read, once a version; nothing where it was stopped."""
        key = (stored.name, stored.version)
        if refusal is None or key in self._seen:
            return None
        self._seen[key] = stored.recorded_at
        return Asked(name=stored.name, job_ids=(), refused="TRIGGER_UNREADABLE")

    async def _ask_one(self, stored: StoredTrigger, definition: TriggerDefinition) -> Asked | None:
        now = self._record.clock.now().astimezone(UTC)
        schedule = schedule_of(definition, stored.recorded_at)
        due, key = find_due(schedule, now), (stored.name, stored.version)
        if due is None or self._seen.get(key) == due:
            return None
        try:
            asked = Asked(name=stored.name, job_ids=await ask_due(self._desk, [schedule], now, ACTOR))
        except JobRefused as refusal:
            asked = Asked(name=stored.name, job_ids=(), refused=refusal.problem.code)
        self._seen[key] = due
        return asked
