"""A day approves what its caps allow and no cent more; who does not fit is referred, and the Case says why."""

import asyncio
from datetime import timedelta

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from instant_credit.canonical import encode_canonical
from instant_credit.decision.case import decode_case
from instant_credit.decision.decide import decide
from instant_credit.decision.decision import Outcome
from instant_credit.errors import Conflict, NotFound, Refused
from instant_credit.experiment.caps import Cap, CapReason, Caps
from instant_credit.record.budgets import read_budget
from instant_credit.record.documents import DocumentKind, put_document
from instant_credit.record.pool import open_record
from instant_credit.record.reads import read_decision
from instant_credit.record.rows import StoredDecision
from instant_credit.settings import Settings
from instant_credit.underwriting.answers import read_ids
from instant_credit.underwriting.desk import Desk
from instant_credit.underwriting.portfolio import put_caps, read_caps_held
from instant_credit.underwriting.replay import replay
from tests.clock import FixedClock
from tests.lending import Documents
from tests.underwriting.rooms import ACTOR, Room
from tests.underwriting.trials import Trial, decision_of, keep, make_plan, price_dearer

pytestmark = pytest.mark.anyio

REASON = CapReason(code="PORTFOLIO_CAP_REACHED", number=901, family="portfolio", text="No more money is lent today")
BOOK = Cap(name="whole_book", cents_by_day=3_000_000)
KEY = "cap:personal_loan:whole_book:amount:2024-03-01"
OFFERS = (Outcome.APPROVE, Outcome.COUNTER_OFFER)


async def put(room: Room, *caps: Cap) -> str:
    content_hash = await put_caps(room.record, Caps(product="personal_loan", reason=REASON, caps=caps), ACTOR)
    await room.desk.refresh()
    return content_hash


async def apply(room: Room, seed: int, **changes: object) -> StoredDecision:
    answered = await room.apply(room.submission(seed, **changes))
    stored = await read_decision(room.record, read_ids(answered.body).decision_id)
    assert stored is not None
    return stored


def offered(stored: list[StoredDecision]) -> list[int]:
    decisions = [decision_of(one) for one in stored]
    return [one.terms.amount_cents for one in decisions if one.outcome in OFFERS and one.terms is not None]


async def find_capped(room: Room) -> int:
    """The first seed whose application a cap refers."""
    for seed in range(80):
        if is_capped(await apply(room, seed)):
            return seed
    raise AssertionError("nobody was referred by a cap")


def is_capped(stored: StoredDecision) -> bool:
    assert stored.case is not None
    return decode_case(stored.case).closed_caps is not UNSET


async def test_a_day_approves_no_more_than_its_cap_and_refers_the_rest_with_the_caps_reason(room: Room) -> None:
    await put(room, BOOK)
    stored = [await apply(room, seed) for seed in range(80)]
    assert 0 < sum(offered(stored)) <= BOOK.cents_by_day
    capped = [one for one in stored if is_capped(one)]
    assert capped
    for one in capped:
        assert one.case is not None
        decision, case = decision_of(one), decode_case(one.case)
        assert (decision.outcome, decision.terms) == (Outcome.REFER, None)
        assert [(reason.code, reason.number) for reason in decision.reasons] == [("PORTFOLIO_CAP_REACHED", 901)]
        assert (decision.trace[-1].rule, decision.trace[-1].result) == ("cap:whole_book", "hit")
        assert encode_canonical(decide(case, room.release)) == one.decision
        assert decide(replace(case, closed_caps=UNSET), room.release).outcome in OFFERS
    assert (await replay(room.record)).different == 0
    await room.desk.drain()
    assert (await read_budget(room.record, KEY)).leased_cents == sum(offered(stored))


async def test_every_day_begins_anew(room: Room, clock: FixedClock) -> None:
    await put(room, replace(BOOK, cents_by_day=1))
    seed = await find_capped(room)
    await put(room, replace(BOOK, cents_by_day=5_000_000))
    while not is_capped(await apply(room, seed)):
        pass
    clock.advance(timedelta(days=1))
    assert not is_capped(await apply(room, seed))


async def test_a_segments_cap_limits_that_segment_alone(room: Room) -> None:
    await put(room, Cap(name="renters", attribute="home_ownership", category="rent", cents_by_day=1))
    place = [a.name for a in room.release.product.case_attributes if a.categories].index("home_ownership")
    seen = set()
    for seed in range(80):
        stored = await apply(room, seed)
        assert stored.case is not None
        case = decode_case(stored.case)
        is_offer = decide(replace(case, closed_caps=UNSET), room.release).outcome in OFFERS
        rents = case.facts.codes[place] == 0
        assert is_capped(stored) == (is_offer and rents)
        seen.add((is_offer, rents))
    assert seen >= {(True, True), (True, False)}


async def test_an_offer_counts_against_all_its_caps_or_none(room: Room) -> None:
    losses = Cap(name="losses", cents_by_day=200_000, counts="expected_loss", lost_ppm=700_000)
    await put(room, replace(BOOK, cents_by_day=100_000_000), losses)
    stored = [await apply(room, seed) for seed in range(60)]
    names = {cap.name for one in stored if one.case is not None for cap in decode_case(one.case).closed_caps or ()}
    assert names == {"losses"}
    await room.desk.drain()
    assert (await read_budget(room.record, KEY)).leased_cents == sum(offered(stored))
    assert (
        0
        < (await read_budget(room.record, KEY.replace("whole_book:amount", "losses:expected_loss"))).leased_cents
        <= 200_000
    )


async def test_processes_at_once_approve_no_more_than_the_cap(room: Room, settings: Settings) -> None:
    await put(room, BOOK)
    async with open_record(settings, clock=FixedClock()) as record:
        other = Room(record, room.release)
        await other.desk.refresh()
        stored = await asyncio.gather(*(apply((room, other)[seed % 2], seed) for seed in range(80)))
        assert 0 < sum(offered(stored)) <= (await read_budget(record, KEY)).leased_cents <= BOOK.cents_by_day
        await asyncio.gather(room.desk.drain(), other.desk.drain())
    assert sum(offered(stored)) == (await read_budget(room.record, KEY)).leased_cents


async def test_a_key_for_tests_counts_against_no_cap(room: Room) -> None:
    await put(room, replace(BOOK, cents_by_day=1))
    stored = [await apply(room, seed, is_test=True) for seed in range(40)]
    assert offered(stored)
    assert not any(is_capped(one) for one in stored)


async def test_whom_a_cap_refers_spends_no_loss_budget_and_closes_no_arm(room: Room, documents: Documents) -> None:
    trial = Trial(room)
    source = await keep(room.record, price_dearer(documents, room.release))
    budget = [{"kind": "loss_budget", "bound": 1, "lost_ppm": 700_000}]
    await trial.start(make_plan("prices", "prices", source, guardrails=budget))
    await put(room, replace(BOOK, cents_by_day=1))
    capped = [one for one in [await trial.apply(seed) for seed in range(100)] if is_capped(one)]
    assert any(one.release_hash != room.release.hash for one in capped)
    assert trial.closed == []
    assert {row["reserved_cents"] for row in await trial.exposures()} == {0}
    assert (await replay(room.record)).different == 0


async def test_a_document_without_caps_lifts_them(room: Room) -> None:
    await put(room, replace(BOOK, cents_by_day=1))
    seed = await find_capped(room)
    await put(room)
    assert not is_capped(await apply(room, seed))


async def test_caps_that_do_not_fit_a_later_product_close_the_day_and_are_told(room: Room) -> None:
    misfit = Caps(
        product="personal_loan",
        reason=REASON,
        caps=(Cap(name="gone", attribute="no_such", category="x", cents_by_day=10**9),),
    )
    await put_document(room.record, DocumentKind.CAPS, encode_canonical(misfit), ACTOR)
    told: list[tuple[str, Refused]] = []
    room.desk = Desk(
        room.record,
        room.releases,
        report=room.lines.append,
        caps_unfit=lambda product, error: told.append((product, error)),
    )
    await room.desk.refresh()
    stored = [await apply(room, seed) for seed in range(40)]
    assert offered(stored) == []
    assert any(is_capped(one) for one in stored)
    ((product, error),) = told
    assert product == "personal_loan"
    assert "no_such" in str(error)


async def test_caps_are_put_for_a_live_product_that_they_fit(room: Room) -> None:
    fitting = Caps(product="personal_loan", reason=REASON, caps=(BOOK,))
    with pytest.raises(NotFound, match="live release"):
        await put_caps(room.record, replace(fitting, product="other_loan"), ACTOR)
    theirs = room.release.policy.policy.reasons[0]
    with pytest.raises(Refused, match=theirs.code):
        await put_caps(room.record, replace(fitting, reason=replace(REASON, number=theirs.number)), ACTOR)
    first = await put_caps(room.record, fitting, ACTOR)
    assert await put_caps(room.record, fitting, ACTOR) == first
    second = await put_caps(room.record, replace(fitting, caps=()), ACTOR)
    assert (await read_caps_held(room.record))["personal_loan"][0] == second
    with pytest.raises(Conflict, match="others after them"):
        await put_caps(room.record, fitting, ACTOR)
