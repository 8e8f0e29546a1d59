"""A programme explores whom it drew, reserves before it commits, and ends when its money is out."""

import asyncio
import json
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from instant_credit.application.door import Door, Told
from instant_credit.canonical import encode_canonical
from instant_credit.decision.case import Case, decode_case
from instant_credit.decision.decide import decide
from instant_credit.decision.decision import Decision, Outcome, RuleResult
from instant_credit.decision.exploring import find_chance, tell_exploration
from instant_credit.errors import Conflict, NotFound, Refused
from instant_credit.experiment.assignment import Assignment, Explored
from instant_credit.experiment.caps import Cap
from instant_credit.experiment.exploration import Ending, Programme, explore_by
from instant_credit.experiment.layers import read_layers
from instant_credit.record.budgets import read_budget
from instant_credit.record.documents import DocumentKind, list_documents
from instant_credit.record.pool import open_record
from instant_credit.record.rows import StoredDecision
from instant_credit.record.shipped import read_starter
from instant_credit.settings import Settings
from instant_credit.underwriting.experiment_documents import find_layers, put_layers
from instant_credit.underwriting.experiment_moves import ExperimentConflict
from instant_credit.underwriting.exploration_report import report_programme
from instant_credit.underwriting.exploring import key_of_programme, put_programme
from instant_credit.underwriting.programmes import find_programme, stop_programme
from instant_credit.underwriting.replay import replay
from tests.clock import FixedClock
from tests.lending import Documents, invent_body
from tests.underwriting.rooms import ACTOR, Room
from tests.underwriting.test_portfolio import BOOK, apply, put
from tests.underwriting.trials import Trial, decision_of, keep, make_plan, price_dearer

pytestmark = pytest.mark.anyio

PRODUCT = "personal_loan"
LAYERS = read_layers(read_starter("layers", PRODUCT))
OFFERS = (Outcome.APPROVE, Outcome.COUNTER_OFFER)
PROGRAMME = Programme(
    name="spring",
    product=PRODUCT,
    title="What becomes of whom the score declines",
    share_ppm=50_000,
    pd_floor_ppm=1_000_000,
    amount_cents_max=500_000,
    lost_ppm=900_000,
    cap_cents=100_000_000,
    starts_on=date(2024, 1, 1),
    ends_on=date(2024, 12, 31),
)
LARGEST = 450_000


def list_zone(room: Room) -> list[int]:
    """Seeds of applicants whom the score alone declines."""
    explored = Explored(
        programme="0" * 64, propensity_ppm=1, is_drawn=True, pd_floor_ppm=1_000_000, amount_cents_max=500_000
    )
    door, on, found = Door(room.release.product), room.record.clock.now().date(), []
    for seed in range(120):
        body = invent_body(room.release.product, Random(seed))
        body["facts"]["earliest_credit_on"] = "2001-05-01"
        told = door.read_application(json.dumps(body).encode(), on)
        assert isinstance(told, Told)
        case = Case(
            product_hash=room.release.manifest.product_hash,
            layout_hash=room.release.layout_hash,
            as_of=on,
            facts=told.facts,
            assignment=Assignment(exploration=explored),
        )
        if tell_exploration(decide(case, room.release)) is RuleResult.HIT:
            found.append(seed)
    return found


def list_persons(room: Room, programme: Programme, count: int, *, is_drawn: bool) -> list[dict[str, Any]]:
    """Applicants whom a programme draws, or does not."""
    draw, found = explore_by(LAYERS.salt, programme), []
    for number in range(100_000_000, 100_100_000):
        if draw(room.record.key_ring.person_id_of(str(number))).is_drawn is is_drawn:
            found.append({"name": "Ada Example", "identity_number": str(number), "address": "1 Example Street"})
            if len(found) == count:
                return found
    raise AssertionError("nobody was drawn")


async def begin(room: Room, **fields: Any) -> tuple[Programme, str]:
    programme = replace(PROGRAMME, **fields)
    content_hash = await put_programme(room.record, programme, ACTOR)
    await room.desk.refresh()
    return programme, content_hash


async def ask(room: Room, seed: int, person: dict[str, Any], **changes: Any) -> StoredDecision:
    return await apply(room, seed, body={"applicant": person}, **changes)


def is_offered(decision: Decision) -> bool:
    return decision.outcome in OFFERS


def case_of(stored: StoredDecision) -> Case:
    assert stored.case is not None
    return decode_case(stored.case)


def reserved(stored: list[StoredDecision]) -> int:
    """What explored offers reserve together."""
    decisions = [one for one in map(decision_of, stored) if tell_exploration(one) is RuleResult.HIT]
    return sum(-(-one.terms.amount_cents * 900_000 // 1_000_000) for one in decisions if one.terms is not None)


async def test_whom_it_drew_in_the_zone_is_offered_and_the_rest_declined_as_ever(room: Room) -> None:
    programme, content_hash = await begin(room)
    zone = list_zone(room)[:5]
    lucky = list_persons(room, programme, len(zone), is_drawn=True)
    others = list_persons(room, programme, len(zone), is_drawn=False)
    stored = []
    for seed, one, another in zip(zone, lucky, others, strict=True):
        explored, passed = await ask(room, seed, one), await ask(room, seed, another)
        assert is_offered(decision_of(explored))
        assert find_chance(decision_of(explored)) == 50_000
        assert decision_of(passed).outcome is Outcome.DECLINE
        assert find_chance(decision_of(passed)) == 950_000
        for told in (explored, passed):
            assert encode_canonical(decide(case_of(told), room.release)) == told.decision
            assert decision_of(told).assignment == case_of(told).assignment
        stored += [explored, passed]
    assert (await replay(room.record)).different == 0
    await room.desk.drain()
    assert (await read_budget(room.record, key_of_programme(content_hash))).leased_cents == reserved(stored) > 0
    report = await report_programme(room.record, PRODUCT)
    assert (report.is_open, report.ended, report.spent_cents) == (True, None, reserved(stored))
    assert (report.approvals, report.declines, report.referred, report.drawn_ppm) == (5, 5, 0, 500_000)


async def test_who_applies_again_is_drawn_alike_and_tests_and_other_books_draw_nothing(room: Room) -> None:
    programme, _ = await begin(room)
    (person,) = list_persons(room, programme, 1, is_drawn=True)
    seed, *_ = list_zone(room)
    assert [is_offered(decision_of(await ask(room, seed, person))) for _ in range(2)] == [True, True]
    tested = await ask(room, seed, person, is_test=True)
    assert decision_of(tested).outcome is Outcome.DECLINE
    await stop_programme(room.record, PRODUCT, "enough is known", ACTOR)
    other, _ = await begin(room, name="branches", book="branches")
    (person,) = list_persons(room, other, 1, is_drawn=True)
    told = case_of(await ask(room, seed, person)).assignment
    assert told is UNSET or told.exploration is UNSET


async def test_it_draws_on_its_own_days_only(room: Room, clock: FixedClock) -> None:
    programme, _ = await begin(room, starts_on=date(2024, 3, 2), ends_on=date(2024, 3, 2))
    (person,) = list_persons(room, programme, 1, is_drawn=True)
    seed, seen = list_zone(room)[0], []
    for _ in range(3):
        seen.append(is_offered(decision_of(await ask(room, seed, person))))
        clock.advance(timedelta(days=1))
    assert seen == [False, True, False]


async def test_it_ends_when_its_cap_carries_no_largest_loan_and_nobody_is_drawn_from_then_on(room: Room) -> None:
    programme, content_hash = await begin(room, cap_cents=3 * LARGEST)
    zone = list_zone(room)
    persons = list_persons(room, programme, 12, is_drawn=True)
    stored = [await ask(room, zone[place % len(zone)], person) for place, person in enumerate(persons)]
    offers = [is_offered(decision_of(one)) for one in stored]
    ended_at = offers.index(False)
    assert ended_at >= 3
    assert offers == [True] * ended_at + [False] * (len(offers) - ended_at)
    assert 2 * LARGEST < reserved(stored) <= programme.cap_cents
    for one in stored[ended_at:]:
        assignment = case_of(one).assignment
        assert assignment is UNSET or assignment.exploration is UNSET
    await room.desk.refresh()
    recorded = await find_programme(room.record, PRODUCT)
    assert recorded.end is not None
    assert (recorded.content_hash, recorded.end.ending) == (content_hash, Ending.CAP_REACHED)
    assert (await replay(room.record)).different == 0


async def test_processes_at_once_reserve_no_more_than_the_cap_and_all_hear_of_the_end(
    room: Room, settings: Settings
) -> None:
    programme, content_hash = await begin(room, cap_cents=4 * LARGEST)
    zone = list_zone(room)
    persons = list_persons(room, programme, 24, is_drawn=True)
    async with open_record(settings, clock=FixedClock()) as record:
        other = Room(record, room.release)
        await other.desk.refresh()
        stored = await asyncio.gather(
            *(ask((room, other)[place % 2], zone[place % len(zone)], one) for place, one in enumerate(persons))
        )
        out = (await read_budget(record, key_of_programme(content_hash))).leased_cents
        assert 0 < reserved(list(stored)) <= out <= programme.cap_cents
        await asyncio.gather(room.desk.refresh(), other.desk.refresh())
        await room.desk.refresh()
        for one in (room, other):
            assert not is_offered(decision_of(await ask(one, zone[0], persons[0], key="again" + str(id(one)))))
        await asyncio.gather(room.desk.drain(), other.desk.drain())
    assert (await read_budget(room.record, key_of_programme(content_hash))).leased_cents == reserved(list(stored))


async def test_a_stopped_programme_draws_nobody_in_any_process(room: Room) -> None:
    programme, _ = await begin(room)
    (person,) = list_persons(room, programme, 1, is_drawn=True)
    await stop_programme(room.record, PRODUCT, "enough is known", ACTOR)
    await room.desk.refresh()
    assert decision_of(await ask(room, list_zone(room)[0], person)).outcome is Outcome.DECLINE
    with pytest.raises(Conflict, match="enough is known"):
        await stop_programme(room.record, PRODUCT, "again", ACTOR)
    with pytest.raises(Conflict, match="another name"):
        await put_programme(room.record, programme, ACTOR)


async def test_an_arm_decides_first_and_the_programme_explores_whom_it_declines(
    room: Room, documents: Documents
) -> None:
    trial = Trial(room)
    source = await keep(room.record, price_dearer(documents, room.release))
    await trial.start(make_plan("prices", "prices", source))
    content_hash = await put_programme(room.record, PROGRAMME, ACTOR)
    await room.desk.refresh()
    zone = list_zone(room)
    seen: dict[str, int] = {}
    _, layers = await find_layers(room.record, PRODUCT)
    draw = explore_by(layers.salt, PROGRAMME)
    for number in range(100_000_000, 100_010_000):
        if len(seen) == 2:
            break
        if not draw(room.record.key_ring.person_id_of(str(number))).is_drawn:
            continue
        person = {"name": "Ada Example", "identity_number": str(number), "address": "1 Example Street"}
        stored = await ask(room, zone[0], person)
        decision = decision_of(stored)
        assert decision.assignment
        assert decision.assignment.exploration
        assert decision.assignment.exploration.programme == content_hash
        assert decision.assignment.propensity_ppm == 500_000
        assert (is_offered(decision), find_chance(decision)) == (True, 50_000)
        assert decision.terms is not None
        seen[decision.assignment.exposures[0].arm] = decision.terms.apr_ppm
    assert seen["challenger"] == seen["control"] + 10_000
    assert (await replay(room.record)).different == 0


async def test_whom_a_portfolio_cap_refers_reserves_nothing_of_the_programme(room: Room) -> None:
    programme, content_hash = await begin(room)
    (person,) = list_persons(room, programme, 1, is_drawn=True)
    await put(room, Cap(name=BOOK.name, cents_by_day=1))
    stored = await ask(room, list_zone(room)[0], person)
    assert decision_of(stored).outcome is Outcome.REFER
    await room.desk.drain()
    assert (await read_budget(room.record, key_of_programme(content_hash))).leased_cents == 0
    report = await report_programme(room.record, PRODUCT)
    assert (report.approvals, report.declines, report.referred) == (0, 0, 1)


async def test_a_programme_is_put_where_it_fits_and_one_at_a_time(room: Room, clock: FixedClock) -> None:
    with pytest.raises(NotFound, match="live release"):
        await put_programme(room.record, replace(PROGRAMME, product="other_loan"), ACTOR)
    with pytest.raises(Refused, match="pd_floor_ppm"):
        await put_programme(room.record, replace(PROGRAMME, pd_floor_ppm=1_000), ACTOR)
    with pytest.raises(Conflict, match="is over"):
        await put_programme(room.record, replace(PROGRAMME, ends_on=date(2024, 2, 29)), ACTOR)
    assert await list_documents(room.record, DocumentKind.EXPLORATION) == ()
    first = await put_programme(room.record, PROGRAMME, ACTOR)
    assert await put_programme(room.record, PROGRAMME, ACTOR) == first
    with pytest.raises(Conflict, match="stop it first"):
        await put_programme(room.record, replace(PROGRAMME, name="summer"), ACTOR)
    with pytest.raises(ExperimentConflict, match="so the salt stays"):
        await put_layers(room.record, replace(LAYERS, salt="another_salt"), [], ACTOR)
    clock.advance(timedelta(days=400))
    with pytest.raises(Conflict, match="has ended already, on 2024-12-31"):
        await stop_programme(room.record, PRODUCT, "late", ACTOR)
    later = replace(PROGRAMME, name="summer", ends_on=date(2025, 12, 31))
    assert await put_programme(room.record, later, ACTOR) != first
