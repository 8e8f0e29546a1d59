"""Edge. Everything held on a person as one canonical file: what the person may ask for, in the clear.

Facts and monitoring are told by the names of the product's attributes, as they stood under the product's version of that day. Decisions and
answers are the recorded ones. What was sealed under a destroyed key is marked, and its contents are null.
"""

from datetime import date, datetime
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from instant_credit.access.purposes import Reading
from instant_credit.application.document import decode_product
from instant_credit.application.facts import Monitoring
from instant_credit.application.product import Product
from instant_credit.application.telling import tell_facts, tell_monitoring
from instant_credit.canonical import encode_canonical
from instant_credit.decision.case import decode_case
from instant_credit.outcome.events import RepaymentEvent, order_events
from instant_credit.record.documents import get_document
from instant_credit.record.holdings import read_holdings
from instant_credit.record.persons import Erasure, Hold, PersonalRead, list_reads, read_person
from instant_credit.record.pool import Record
from instant_credit.record.repayments import read_event
from instant_credit.record.rows import HeldCase, HeldDraft, HeldLine, LifeRow


class ExportedShadow(Struct, frozen=True, kw_only=True):
    """What a release that answered nobody decided on the application; `decision` null when erased."""

    release: str
    outcome: str
    recorded_at: datetime
    decision: Raw | None


class ExportedCase(Struct, frozen=True, kw_only=True):
    """One application or loan of the person."""

    application_id: UUID
    book: str
    natural_key: str | None
    product: str
    product_hash: str
    as_of: date
    recorded_at: datetime
    actor_kind: str
    actor_id: str
    is_erased: bool
    identity: Raw | None
    facts: dict[str, int | float | str] | None
    monitoring: dict[str, str] | None
    decision_id: UUID | None
    decided_at: datetime | None
    client_id: str | None
    release: str | None
    outcome: str | None
    decision: Raw | None
    answer: Raw | None
    events: tuple[RepaymentEvent, ...]
    life: tuple[LifeRow, ...]
    shadows: tuple[ExportedShadow, ...] = ()


class ExportedDraft(Struct, frozen=True, kw_only=True):
    """A version of a draft that named the person, then or later; `body` as it was told, null when erased."""

    draft_id: UUID
    number: int
    product: str
    client_id: str
    is_test: bool
    recorded_at: datetime
    body: Raw | None


class ExportedLine(Struct, frozen=True, kw_only=True):
    """A told event about an application of the person that was not taken, and why; `told` as it came, null when erased."""

    quarantine_id: UUID
    application_id: UUID
    recorded_at: datetime
    code: str
    message: str
    told: str | None


class PersonExport(Struct, frozen=True, kw_only=True):
    """Everything held on a person, as of `exported_at`."""

    schema_version: int = 1
    exported_at: datetime
    person_id: str
    kept_until: datetime
    applications: tuple[ExportedCase, ...]
    drafts: tuple[ExportedDraft, ...]
    quarantined: tuple[ExportedLine, ...]
    holds: tuple[Hold, ...]
    erasures: tuple[Erasure, ...]
    reads: tuple[PersonalRead, ...]


_MONITORING = msgspec.json.Decoder(Monitoring)


async def export_person(record: Record, person_id: bytes, reading: Reading) -> bytes:
    """Everything held on a person as canonical JSON; the export itself stands among the reads.

    Raises
    ------
    NotFound : nothing of this person is recorded.
    """
    person = await read_person(record, person_id)
    held = await read_holdings(record, person_id, reading)
    products = {
        product_hash: decode_product(await get_document(record, product_hash))
        for product_hash in {case.product_hash for case in held.cases if not case.is_erased}
    }
    export = PersonExport(
        exported_at=record.clock.now(),
        person_id=person_id.hex(),
        kept_until=person.kept_until,
        applications=tuple(_tell_case(case, products.get(case.product_hash)) for case in held.cases),
        drafts=tuple(_tell_draft(draft) for draft in held.drafts),
        quarantined=tuple(_tell_line(line) for line in held.quarantined),
        holds=person.holds,
        erasures=person.erasures,
        reads=await list_reads(record, person_id),
    )
    return encode_canonical(export) + b"\n"


def _tell_case(held: HeldCase, product: Product | None) -> ExportedCase:
    facts = monitoring = None
    if product is not None:
        if held.case is not None:
            facts = dict(tell_facts(product, decode_case(held.case).facts, with_tape=True))
        if held.monitoring is not None:
            monitoring = dict(tell_monitoring(product, _MONITORING.decode(held.monitoring)))
    return ExportedCase(
        application_id=held.case_id,
        book=held.book,
        natural_key=held.natural_key,
        product=held.product,
        product_hash=held.product_hash,
        as_of=held.as_of,
        recorded_at=held.recorded_at,
        actor_kind=held.actor_kind,
        actor_id=held.actor_id,
        is_erased=held.is_erased,
        identity=_raw(held.identity),
        facts=facts,
        monitoring=monitoring,
        decision_id=held.decision_id,
        decided_at=held.decided_at,
        client_id=held.client_id,
        release=held.release_hash,
        outcome=held.outcome,
        decision=_raw(held.decision),
        answer=_raw(held.answer),
        events=order_events([read_event(row) for row in held.events]),
        life=held.life,
        shadows=tuple(
            ExportedShadow(
                release=one.release_hash, outcome=one.outcome, recorded_at=one.recorded_at, decision=_raw(one.decision)
            )
            for one in held.shadows
        ),
    )


def _tell_draft(held: HeldDraft) -> ExportedDraft:
    return ExportedDraft(
        draft_id=held.draft_id,
        number=held.number,
        product=held.product,
        client_id=held.client_id,
        is_test=held.is_test,
        recorded_at=held.recorded_at,
        body=_raw(held.body),
    )


def _tell_line(held: HeldLine) -> ExportedLine:
    return ExportedLine(
        quarantine_id=held.quarantine_id,
        application_id=held.case_id,
        recorded_at=held.recorded_at,
        code=held.code,
        message=held.message,
        told=None if held.raw is None else held.raw.decode("utf-8", "backslashreplace"),
    )


def _raw(recorded: bytes | None) -> Raw | None:
    return None if recorded is None else Raw(recorded)
