"""A record with every kind of row, several writers and several anchors, and what an audit says of it."""

from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

from msgspec.structs import replace

from instant_credit.access.actors import Actor, ActorKind, Scope
from instant_credit.access.four_eyes import Signature
from instant_credit.access.purposes import BookPurpose, ErasureReason, HoldReason, Reading, ReadPurpose, ReleaseReason
from instant_credit.decision.gate_report import Gate, Verdict
from instant_credit.experiment.sums import Sums
from instant_credit.outcome.alerts import AlertEvent, AlertEventKind
from instant_credit.outcome.sketches import Sketch
from instant_credit.record.anchoring import open_anchorer
from instant_credit.record.anchors import decode_anchor, read_anchor_key
from instant_credit.record.api_keys import create_key, list_keys, revoke_key, rotate_key
from instant_credit.record.arm_tallies import ArmTally, add_arm_tallies
from instant_credit.record.audit import AuditReport, audit_record
from instant_credit.record.budgets import return_lease, take_lease
from instant_credit.record.chain import leaf_of, split_leaves
from instant_credit.record.commit import commit_entries, commit_events
from instant_credit.record.documents import put_document, put_documents
from instant_credit.record.drafts import DraftEvent, DraftEventKind, DraftVersion, add_draft_event, add_draft_version
from instant_credit.record.experiment_statistics import CellCounts, CellSums, DayStatistics, MonthHazard, add_day
from instant_credit.record.experiments import (
    Conclusion,
    ExperimentEvent,
    ExperimentEventKind,
    add_experiment_event,
    plan_experiment,
)
from instant_credit.record.ids import bucket_of, new_id
from instant_credit.record.life import LifeEvent, LifeEventKind, add_life_event
from instant_credit.record.owning import open_owner
from instant_credit.record.persons import erase_person, log_book_read, log_read, place_hold, release_hold
from instant_credit.record.pool import Record
from instant_credit.record.quarantine import Origin, RefusedLine, end_quarantine, quarantine_lines
from instant_credit.record.queue import JobEventKind, JobRequest, JobWeight, enqueue_job
from instant_credit.record.queue_log import take_up
from instant_credit.record.quotes import QuotedTerms, QuoteRow, add_quote
from instant_credit.record.rings import turn_ring
from instant_credit.record.rotating import note_current
from instant_credit.record.rows import EventRow, ExposureRow
from instant_credit.record.shadows import ShadowEntry, add_shadow_decisions
from instant_credit.record.sketches import SketchRow, WindowRow, add_sketch, add_window
from instant_credit.record.triggers import put_trigger, stop_trigger
from instant_credit.record.waivers import approve_waiver, propose_waiver, put_gate_report
from instant_credit.settings import Settings
from instant_credit.units import Cents
from tests.clock import FixedClock
from tests.decision.gate_reports import make_report
from tests.record.entries import make_entry, make_keyed
from tests.releasing import write_life

Place = tuple[int, bytes, int]


def public_key_of(settings: Settings) -> bytes:
    return read_anchor_key(settings.anchor_key_file).public_key().public_bytes_raw()


async def anchor(record: Record, settings: Settings, *, is_new_file: bool = False) -> int:
    anchorer = await open_anchorer(record, settings.anchors_file, settings.anchor_key_file, is_new_file=is_new_file)
    return await anchorer.append()


async def audit(record: Record, settings: Settings) -> AuditReport:
    return await audit_record(record, settings.anchors_file, public_key_of(settings))


async def fill(record: Record, settings: Settings, clock: FixedClock, actor: Actor, rounds: int = 3) -> None:
    """Rows of every table by two writers, with an anchor after each round and one after an erasure, and rows that none covers."""
    await write_former_activation(record, settings, actor)
    for turn in range(rounds):
        await write_some(record, actor, turn)
        turn_ring(settings.key_ring)
        async with open_owner(settings) as owner:
            await note_current(record, owner, actor)
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
    shadows = [
        ShadowEntry(
            case_id=make_entry(record, start + number).case_id, release_hash="c" * 64, outcome="refer", decision=b"dark"
        )
        for number in range(2)
    ]
    assert (await add_shadow_decisions(record, shadows, actor)).recorded == 2
    (release, _) = await put_documents(record, [("release", b"%d" % turn), ("product", b"p%d" % turn)], actor)
    await write_life(record, "personal_loan", release, actor)
    await create_key(record, client_id="client", scopes=frozenset({Scope.APPLY}), expires_at=None, actor=actor)
    await revoke_key(record, (await list_keys(record))[-1].key_id, actor)
    text = await create_key(record, client_id="client", scopes=frozenset({Scope.APPLY}), expires_at=None, actor=actor)
    await rotate_key(record, text.split("_")[1], overlap=timedelta(hours=1), actor=actor)
    entry = make_entry(record, start)
    accepted = LifeEvent(kind=LifeEventKind.ACCEPTED, offer_id=entry.case_id, recorded_at=record.clock.now())
    assert await add_life_event(record, entry.case_id, accepted, number=1, actor=actor)
    await write_of_persons(record, actor, turn, entry.person_id, entry.case_id)
    await write_waiver(record, actor, turn)
    await write_a_job(record, actor, turn)
    later = [replace(event, event_id=UUID(int=event.event_id.int ^ 1)) for event in entry.events]
    observed = replace(
        later[0], event_id=UUID(int=later[0].event_id.int ^ 2), kind="days_past_due", days_past_due=31, number=1
    )
    corrected = replace(observed, event_id=UUID(int=later[0].event_id.int ^ 4), corrects=observed.event_id, number=2)
    events: dict[UUID, list[EventRow]] = {entry.case_id: [*later, observed, corrected]}
    assert await commit_events(record, events, actor, record.clock.now()) == 4
    await write_monitoring(record, actor, turn)
    await write_quarantine(record, actor, turn, entry.case_id)
    await write_experiment(record, actor, turn)


async def write_experiment(record: Record, actor: Actor, turn: int) -> None:
    """A planned experiment with what happens to one, and an application that drew its arm."""
    (plan,) = await put_documents(record, [("plan", b"plan %d" % turn)], actor)
    now, by = record.clock.now(), Signature(actor=actor)
    planned = await plan_experiment(
        record, plan_hash=plan, product="personal_loan", name=f"plan_{turn}", by=by, now=now
    )
    event = ExperimentEvent(
        experiment=planned.experiment,
        number=1,
        kind=ExperimentEventKind.STARTED,
        reach_from_ppm=0,
        reach_to_ppm=400_000,
        coverage_ppm=100_000,
        is_single_person=True,
        signature=by,
        recorded_at=now,
    )
    assert await add_experiment_event(record, event)
    closed = ExperimentEvent(
        experiment=planned.experiment,
        number=2,
        kind=ExperimentEventKind.ARM_CLOSED,
        arm="challenger",
        guardrail="loss_budget",
        reason="spent",
        signature=by,
        recorded_at=now,
    )
    assert await add_experiment_event(record, closed)
    assert not await add_experiment_event(record, closed)
    concluded = ExperimentEvent(
        experiment=planned.experiment,
        number=3,
        kind=ExperimentEventKind.CONCLUDED,
        verdict=Conclusion.KEEP,
        reason="no better",
        signature=by,
        recorded_at=now,
    )
    assert await add_experiment_event(record, concluded)
    exposure = ExposureRow(
        experiment=planned.experiment,
        arm=1,
        unit_id=b"u" * 16,
        propensity_ppm=500_000,
        reach_ppm=40_000,
        baseline_pd_ppm=70_000,
        baseline_is_offer=True,
        is_offer=True,
        offered_cents=100_000,
        reserved_cents=7_000,
        segments=(2, -1),
    )
    exposed = replace(make_keyed(record, 700 + turn, f"exposed {turn}"), exposures=(exposure,))
    await commit_entries(record, [exposed], actor)
    await write_statistics(record, actor, planned.experiment)
    await write_leases(record, actor, turn)
    tally = ArmTally(experiment=planned.experiment, arm=1, applications=9, failed=1, timed=8, slow=2)
    for is_new in (True, False):
        added = await add_arm_tallies(record, [tally], holder_id=UUID(int=1), number=turn + 1, actor=actor)
        assert added is is_new


async def write_leases(record: Record, actor: Actor, turn: int) -> None:
    """A lease of a budget, and what came back of it."""
    key, holder = f"loss:{turn + 1}:challenger", UUID(int=turn + 1)
    cap, needed = Cents(1_000_000), Cents(7_000)
    granted = await take_lease(
        record, key, cap, needed_cents=needed, largest_cents=needed, holder_id=holder, actor=actor
    )
    await return_lease(record, key, cap, Cents(granted.cents - needed), holder_id=holder, actor=actor)


async def write_statistics(record: Record, actor: Actor, experiment: int) -> None:
    """What a day gave an experiment, twice; the second time nothing is written."""
    on = record.clock.now().date()
    sums = CellSums(
        experiment=experiment,
        metric=0,
        segment=-1,
        category=-1,
        arm=1,
        ripe_on=on,
        sums=Sums(units=4, s=5.0, y=1.0, x=0.5, ss=7.0, sy=2.0, sx=1.0, yy=1.0, yx=0.1, xx=0.2),
        hits=0.5,
    )
    hazard = MonthHazard(experiment=experiment, metric=0, arm=1, month=2, known_on=on, at_risk=9, defaults=1)
    counts = CellCounts(
        experiment=experiment,
        day_on=on,
        segment=-1,
        category=-1,
        arm=1,
        applications=10,
        offers=4,
        baseline_offers=5,
        without_pd=1,
        offered_cents=400_000,
        reserved_cents=20_000,
        units=6,
        unit_offers=3,
        units_in_two_arms=1,
    )
    day = DayStatistics(sums=(sums,), hazards=(hazard,), counts=(counts,))
    assert await add_day(record, day, actor)
    assert not await add_day(record, day, actor)


async def write_quarantine(record: Record, actor: Actor, turn: int, case_id: UUID) -> None:
    """A line about a known application, and one about none that is dismissed."""
    lines = [
        RefusedLine(line=one, raw=b"line %d of %d" % (one, turn), code="CODE", message="why", case_id=known)
        for one, known in ((1, case_id), (2, None))
    ]
    origin = Origin(source="file", format="csv", book="tape")
    _, quarantine_id = await quarantine_lines(record, lines, origin, actor)
    await end_quarantine(record, quarantine_id, "dismissed", actor)


async def write_monitoring(record: Record, actor: Actor, turn: int) -> None:
    """A day's sketch, and a judged window with an alert that opened."""
    sketch = Sketch(
        cases=2,
        variables=((1, 1),),
        scores=(1, 1),
        outcomes=(1, 0, 0, 1),
        reasons=(("INCOME", 1),),
        grid=(1, 1),
        grid_pds_ppm=(800, 90_000),
        offered=(1, 0),
        offered_pds_ppm=(800, 0),
    )
    row = SketchRow(
        book="tape",
        product="personal_loan",
        release_hash="b" * 64,
        reference_hash="c" * 64,
        day_on=date(2026, 1, 1 + turn),
        revision=1,
        sketch=sketch,
    )
    assert await add_sketch(record, row, actor)
    window = WindowRow(
        book="tape",
        product="personal_loan",
        first_on=date(2026, 1, 5) + timedelta(days=28 * turn),
        last_on=date(2026, 2, 1) + timedelta(days=28 * turn),
        rules_hash="d" * 64,
        release_hash="b" * 64,
        reference_hash="c" * 64,
        cases=2,
        report=b"{}",
    )
    opened = AlertEvent(
        kind=AlertEventKind.OPENED,
        rule="score_shifted",
        subject="score",
        metric="score_psi",
        value=0.25,
        owner="credit-risk",
        runbook="docs/runbooks.md",
    )
    assert await add_window(record, window, [opened], actor)


async def write_former_activation(record: Record, settings: Settings, actor: Actor) -> None:
    """An activation as it was written before there were events of releases: by the owner, since the app may not any more."""
    release = await put_document(record, "release", b"former", actor)
    now = record.clock.now()
    row = (1, "former_loan", release, actor.kind.value, actor.id, now)
    statement = """
        WITH appended AS (INSERT INTO links (writer_id, seq, link, leaves, recorded_at) VALUES ($7, $8, $9, $10, $11))
        INSERT INTO release_activations (activation, product, release_hash, actor_kind, actor_id, recorded_at)
        OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6)
    """
    async with record.writer() as writer, open_owner(settings) as owner:
        await writer.append(owner, statement, row, [leaf_of("release_activations", row)], now)


async def write_a_job(record: Record, actor: Actor, turn: int) -> None:
    """A job with a step, begun and ended, and the trigger that it names."""
    asked = JobRequest(
        kind="measure",
        weight=JobWeight.LIGHT,
        arguments=b'{"turn":%d}' % turn,
        natural_key=f"turn {turn}",
        trigger="daily",
        reasons="it was due",
    )
    log = await take_up(record, await enqueue_job(record, asked, actor), UUID(int=turn + 1))
    await log.begin()
    await log.begin_step("measure")
    await log.finish_step("measure", b"measured")
    trigger = await put_trigger(record, "daily", b"%d" % turn, actor)
    await log.end(JobEventKind.SUCCEEDED, "measured", trigger.document_hash)
    if turn:
        await stop_trigger(record, "daily", actor)


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


async def write_waiver(record: Record, actor: Actor, turn: int) -> None:
    """A gate report with a waiver that a second person approved."""
    report = make_report({Gate.COST: Verdict.FAILED}, digit=f"{turn:x}")
    report_hash = await put_gate_report(record, report, actor)
    until_on = record.clock.now().date() + timedelta(days=30)
    one, other = (
        Signature(actor=Actor(kind=ActorKind.API_KEY, id=f"key-{number}"), client_id=f"client-{number}")
        for number in (1, 2)
    )
    waiver_id = await propose_waiver(record, report_hash, Gate.COST, reason="Room.", until_on=until_on, by=one)
    await approve_waiver(record, waiver_id, other)


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
