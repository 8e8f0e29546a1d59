"""A record with every kind of row, several writers and several anchors, and what an audit says of it."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

from msgspec.structs import replace

from instant_credit.access.actors import Actor, Scope
from instant_credit.access.purposes import BookPurpose, ErasureReason, HoldReason, Reading, ReadPurpose, ReleaseReason
from instant_credit.record.anchoring import Anchorer
from instant_credit.record.anchors import decode_anchor, read_anchor_key
from instant_credit.record.api_keys import create_key, list_keys, revoke_key, rotate_key
from instant_credit.record.audit import AuditReport, audit_record
from instant_credit.record.chain import split_leaves
from instant_credit.record.commit import commit_entries, commit_events
from instant_credit.record.documents import activate_release, put_documents
from instant_credit.record.drafts import DraftEvent, DraftEventKind, DraftVersion, add_draft_event, add_draft_version
from instant_credit.record.ids import bucket_of, new_id
from instant_credit.record.life import LifeEvent, LifeEventKind, add_life_event
from instant_credit.record.owning import open_owner
from instant_credit.record.persons import erase_person, log_book_read, log_read, place_hold, release_hold
from instant_credit.record.pool import Record
from instant_credit.record.queue import JobEventKind, JobRequest, JobWeight, enqueue_job
from instant_credit.record.queue_log import take_up
from instant_credit.record.quotes import QuotedTerms, QuoteRow, add_quote
from instant_credit.record.rows import EventRow
from instant_credit.settings import Settings
from tests.clock import FixedClock
from tests.record.entries import make_entry, make_keyed

Place = tuple[int, bytes, int]


def public_key_of(settings: Settings) -> bytes:
    return read_anchor_key(settings.anchor_key_file).public_key().public_bytes_raw()


async def anchor(record: Record, settings: Settings) -> int:
    return await Anchorer(record, settings.anchors_file, settings.anchor_key_file).append()


async def audit(record: Record, settings: Settings) -> AuditReport:
    return await audit_record(record, settings.anchors_file, public_key_of(settings))


async def fill(record: Record, settings: Settings, clock: FixedClock, actor: Actor, rounds: int = 3) -> None:
    """Rows of every table by two writers, with an anchor after each round and one after an erasure, and rows that none covers."""
    for turn in range(rounds):
        await write_some(record, actor, turn)
        clock.advance(timedelta(seconds=60))
        await anchor(record, settings)
        clock.advance(timedelta(seconds=60))
    clock.advance(timedelta(days=800))
    async with open_owner(settings) as owner:
        await erase_person(record, owner, make_entry(record, 1).person_id, ErasureReason.PERSON_REQUEST, actor)
    await anchor(record, settings)
    await commit_entries(record, [make_keyed(record, 900, "newer")], actor)


async def write_some(record: Record, actor: Actor, turn: int) -> None:
    start = 10 * turn
    await commit_entries(record, [make_entry(record, start + number) for number in range(3)], actor)
    async with record.writer():
        for number in range(3, 6):
            await commit_entries(record, [make_keyed(record, start + number, f"key {start + number}")], actor)
    (release, _) = await put_documents(record, [("release", b"%d" % turn), ("product", b"p%d" % turn)], actor)
    await activate_release(record, "personal_loan", release, actor)
    await create_key(record, client_id="client", scopes=frozenset({Scope.APPLY}), expires_at=None, actor=actor)
    await revoke_key(record, (await list_keys(record))[-1].key_id, actor)
    text = await create_key(record, client_id="client", scopes=frozenset({Scope.APPLY}), expires_at=None, actor=actor)
    await rotate_key(record, text.split("_")[1], overlap=timedelta(hours=1), actor=actor)
    entry = make_entry(record, start)
    accepted = LifeEvent(kind=LifeEventKind.ACCEPTED, offer_id=entry.case_id, recorded_at=record.clock.now())
    assert await add_life_event(record, entry.case_id, accepted, number=1, actor=actor)
    await write_of_persons(record, actor, turn, entry.person_id, entry.case_id)
    await write_a_job(record, actor, turn)
    later = [replace(event, event_id=UUID(int=event.event_id.int ^ 1)) for event in entry.events]
    events: dict[UUID, list[EventRow]] = {entry.case_id: later}
    assert await commit_events(record, events, actor, record.clock.now()) == 2


async def write_a_job(record: Record, actor: Actor, turn: int) -> None:
    """A job with a step, begun and ended."""
    asked = JobRequest(
        kind="measure", weight=JobWeight.LIGHT, arguments=b'{"turn":%d}' % turn, natural_key=f"turn {turn}"
    )
    log = await take_up(record, await enqueue_job(record, asked, actor), UUID(int=turn + 1))
    await log.begin()
    await log.begin_step("measure")
    await log.finish_step("measure", b"measured")
    await log.end(JobEventKind.SUCCEEDED, "measured")


async def write_of_persons(record: Record, actor: Actor, turn: int, person_id: bytes, case_id: UUID) -> None:
    """A hold that is released, reads of personal data, a quote, and a draft that ends."""
    hold_id = await place_hold(record, person_id, HoldReason.AUDIT, actor)
    for _ in range(2):
        await release_hold(record, hold_id, ReleaseReason.MATTER_CLOSED, actor)
    await log_read(record, "identity", person_id, case_id, Reading(purpose=ReadPurpose.AUDIT, actor=actor))
    await log_book_read(record, "tape", BookPurpose.AUDIT, actor)
    now = record.clock.now()
    quoted = QuotedTerms(currency="USD", amount_cents=500_000, term_months=24, apr_ppm=99_000, instalment_cents=23_000)
    quote = QuoteRow(
        quote_id=new_id(turn, now, record.entropy),
        client_id="client",
        is_test=False,
        product="personal_loan",
        release_hash="b" * 64,
        indication="terms" if turn else "none",
        terms=quoted if turn else None,
        recorded_at=now,
    )
    await add_quote(record, quote, actor)
    draft_id = new_id(bucket_of(case_id), now, record.entropy)
    version = DraftVersion(
        draft_id=draft_id,
        number=1,
        product="personal_loan",
        client_id="client",
        is_test=False,
        owner=person_id if turn else bytes([bucket_of(case_id)] * 32),
        body=b"draft",
        recorded_at=now,
    )
    assert await add_draft_version(record, version, actor)
    assert await add_draft_event(record, draft_id, DraftEvent(kind=DraftEventKind.COMPLETED, recorded_at=now), actor)


async def locate_leaves(record: Record, anchors: Path) -> dict[bytes, Place]:
    """In which anchored link each leaf is: number of the anchor, writer, number of the link."""
    async with record.connection() as connection:
        rows = await connection.fetch("SELECT writer_id, seq, leaves FROM links")
    links = {(UUID(int=row["writer_id"].int), row["seq"]): split_leaves(row["leaves"]) for row in rows}
    found: dict[bytes, Place] = {}
    for line in anchors.read_bytes().splitlines():
        anchored = decode_anchor(line)
        assert anchored is not None
        for one in anchored.details.writers:
            for seq in range(one.first, one.last + 1):
                for leaf in links[one.writer_id, seq]:
                    found[leaf] = (anchored.head.number, one.writer_id.bytes, seq)
    return found
