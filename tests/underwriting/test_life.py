"""What becomes of decided applications, on a real record with a clock that moves only when told."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.access.purposes import ReadPurpose
from instant_credit.decision.decision import Outcome
from instant_credit.errors import BrokenInvariant, Conflict, NotFound
from instant_credit.record.life import LifeEvent, LifeEventKind, StoredApplication
from instant_credit.record.persons import find_person, list_reads
from instant_credit.underwriting import life as life_module
from instant_credit.underwriting.life import LifeDesk
from instant_credit.underwriting.offers import OFFER_DAYS, ApplicationClosed, OfferExpired, open_application
from instant_credit.underwriting.resources import ApplicationState, OfferState, encode_resource
from tests.clock import FixedClock
from tests.underwriting.rooms import ANOTHER, CLIENT, Room

pytestmark = pytest.mark.anyio
DECIDED_AT = datetime(2024, 3, 1, 12, tzinfo=UTC)
OFFER = {"currency": "USD", "amount_cents": 100, "term_months": 12, "apr_ppm": 100, "instalment_cents": 9}


async def decided(room: Room, *outcomes: str) -> dict[str, Any]:
    """The answer to an application that was decided so."""
    for seed in range(200):
        answer: dict[str, Any] = json.loads((await room.apply(room.submission(seed=seed))).body)
        if answer["outcome"] in outcomes:
            return answer
    raise AssertionError(f"nobody is decided {outcomes}")


async def offered(room: Room) -> tuple[LifeDesk, UUID, UUID]:
    """A desk, an application with an open offer, and the offer."""
    answer = await decided(room, "approve", "counter_offer")
    return LifeDesk(room.record), UUID(answer["application_id"]), UUID(answer["offer"]["offer_id"])


async def test_an_offer_is_open_until_it_is_accepted_and_stays_accepted(room: Room, clock: FixedClock) -> None:
    desk, application_id, offer_id = await offered(room)
    before = await desk.read_status(application_id, CLIENT)
    assert before.state is ApplicationState.OFFERED
    assert before.links.withdraw is not None
    (offer,) = (await desk.list_offers(application_id, CLIENT)).offers
    assert (offer.state, offer.offer_id, offer.accepted_at) == (OfferState.OPEN, offer_id, None)
    clock.advance(timedelta(days=1))
    accepted = await desk.accept(application_id, offer_id, CLIENT)
    assert (accepted.state, accepted.accepted_at) == (OfferState.ACCEPTED, clock.now())
    clock.advance(timedelta(days=OFFER_DAYS))
    assert encode_resource(await desk.accept(application_id, offer_id, CLIENT)) == encode_resource(accepted)
    assert (await desk.read_status(application_id, CLIENT)).state is ApplicationState.ACCEPTED


async def test_an_offer_expires_at_the_instant_that_was_told_and_not_before(room: Room, clock: FixedClock) -> None:
    desk, application_id, offer_id = await offered(room)
    expires_at = (await desk.read_offer(application_id, offer_id, CLIENT)).expires_at
    assert expires_at == clock.now() + timedelta(days=OFFER_DAYS)
    clock.advance(expires_at - clock.now() - timedelta(microseconds=1))
    assert (await desk.read_offer(application_id, offer_id, CLIENT)).state is OfferState.OPEN
    clock.advance(timedelta(microseconds=1))
    assert (await desk.read_offer(application_id, offer_id, CLIENT)).state is OfferState.EXPIRED
    with pytest.raises(OfferExpired):
        await desk.accept(application_id, offer_id, CLIENT)
    with pytest.raises(ApplicationClosed):
        await desk.withdraw(application_id, CLIENT)
    status = await desk.read_status(application_id, CLIENT)
    assert (status.state, status.ended_at) == (ApplicationState.EXPIRED, expires_at)


async def test_a_withdrawn_application_has_no_offer_left(room: Room, clock: FixedClock) -> None:
    desk, application_id, offer_id = await offered(room)
    withdrawn = await desk.withdraw(application_id, CLIENT)
    assert (withdrawn.state, withdrawn.ended_at) == (ApplicationState.WITHDRAWN, clock.now())
    clock.advance(timedelta(days=400))
    assert encode_resource(await desk.withdraw(application_id, CLIENT)) == encode_resource(withdrawn)
    with pytest.raises(ApplicationClosed):
        await desk.accept(application_id, offer_id, CLIENT)
    assert (await desk.read_offer(application_id, offer_id, CLIENT)).state is OfferState.WITHDRAWN


async def test_a_declined_application_has_no_offer_and_can_not_be_withdrawn(room: Room) -> None:
    application_id = UUID((await decided(room, "decline"))["application_id"])
    desk = LifeDesk(room.record)
    status = await desk.read_status(application_id, CLIENT)
    assert (status.state, status.ended_at) == (ApplicationState.DECLINED, status.decided_at)
    assert (await desk.list_offers(application_id, CLIENT)).offers == ()
    with pytest.raises(ApplicationClosed):
        await desk.withdraw(application_id, CLIENT)
    with pytest.raises(NotFound):
        await desk.accept(application_id, uuid4(), CLIENT)


async def test_of_an_acceptance_and_a_withdrawal_at_once_exactly_one_happens(room: Room) -> None:
    for _ in range(5):
        desk, application_id, offer_id = await offered(room)
        calls = [desk.accept(application_id, offer_id, CLIENT), desk.withdraw(application_id, CLIENT)]
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(end, Conflict) for end in ends) == 1
        assert sum(not isinstance(end, BaseException) for end in ends) == 1


async def test_many_acceptances_at_once_are_one(room: Room, superuser_url: str) -> None:
    desk, application_id, offer_id = await offered(room)
    calls = [desk.accept(application_id, offer_id, CLIENT) for _ in range(20)]
    assert len({encode_resource(one) for one in await asyncio.gather(*calls)}) == 1
    connection = await asyncpg.connect(superuser_url)
    assert await connection.fetchval("SELECT count(*) FROM instant_credit.application_events") == 1
    await connection.close()


async def test_only_the_client_that_asked_and_whoever_may_read_all_sees_an_application(room: Room) -> None:
    desk, application_id, offer_id = await offered(room)
    assert await desk.read_status(application_id, ANOTHER, purpose=ReadPurpose.AUDIT) == await desk.read_status(
        application_id, CLIENT
    )
    reads = await list_reads(room.record, await find_person(room.record, application_id))
    assert [(read.kind, read.case_id) for read in reads] == [("decision", application_id)] * 2
    assert {(read.purpose, read.actor_id) for read in reads} == {
        ("audit", ANOTHER.actor.id),
        ("service", CLIENT.actor.id),
    }
    for call in (
        desk.read_status(application_id, ANOTHER),
        desk.list_offers(application_id, ANOTHER),
        desk.accept(application_id, offer_id, ANOTHER),
        desk.withdraw(application_id, ANOTHER),
        desk.read_status(uuid4(), CLIENT),
    ):
        with pytest.raises(NotFound):
            await call


async def test_an_answer_to_what_had_happened_already_is_a_read_and_an_action_is_none(room: Room) -> None:
    desk, application_id, offer_id = await offered(room)
    counts = []
    for call in (desk.accept, desk.accept, desk.read_offer):
        await call(application_id, offer_id, CLIENT)
        counts.append(len(await list_reads(room.record, await find_person(room.record, application_id))))
    await desk.list_offers(application_id, CLIENT)
    reads = await list_reads(room.record, await find_person(room.record, application_id))
    assert (counts, [read.purpose for read in reads]) == ([0, 1, 2], ["service"] * 3)


async def test_an_erased_persons_application_is_gone(room: Room, superuser_url: str) -> None:
    desk, application_id, offer_id = await offered(room)
    connection = await asyncpg.connect(superuser_url)
    await connection.execute("DELETE FROM sealed_keys.person_keys")
    await connection.close()
    for call in (
        desk.read_status(application_id, ANOTHER, purpose=ReadPurpose.AUDIT),
        desk.accept(application_id, offer_id, CLIENT),
    ):
        with pytest.raises(NotFound, match="erased"):
            await call


async def test_losing_races_against_nobody_is_a_bug(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lose(*_: Any, **__: Any) -> bool:
        return False

    desk, application_id, _ = await offered(room)
    monkeypatch.setattr(life_module, "add_life_event", lose)
    with pytest.raises(BrokenInvariant):
        await desk.withdraw(application_id, CLIENT)


def stored(outcome: str, offer: dict[str, Any] | None, *events: LifeEvent) -> StoredApplication:
    return StoredApplication(
        person_id=b"\x01" * 32,
        case_id=UUID(int=1),
        decision_id=UUID(int=2),
        book="applications",
        product="personal_loan",
        client_id="client",
        outcome=outcome,
        answer=json.dumps({"offer": offer}).encode(),
        recorded_at=DECIDED_AT,
        events=events,
    )


def test_an_answer_from_before_offers_had_ids_has_an_offer_of_the_usual_length() -> None:
    application = open_application(stored("approve", OFFER), DECIDED_AT)
    offer = application.tell_offer(UUID(int=2))
    assert offer.expires_at == DECIDED_AT + timedelta(days=OFFER_DAYS)
    assert offer.state is OfferState.OPEN


def test_who_is_eligible_for_an_unpriced_product_is_approved_without_an_offer() -> None:
    application = open_application(stored("approve", None), DECIDED_AT + timedelta(days=4000))
    assert application.state is ApplicationState.APPROVED
    assert application.tell_offers().offers == ()


@given(
    outcome=st.sampled_from(Outcome),
    is_priced=st.booleans(),
    event=st.sampled_from([None, *LifeEventKind]),
    days=st.integers(0, 60),
)
def test_a_state_follows_from_outcome_events_and_clock(
    outcome: Outcome, is_priced: bool, event: LifeEventKind | None, days: int
) -> None:
    has_offer = outcome in (Outcome.APPROVE, Outcome.COUNTER_OFFER) and is_priced
    events = [] if event is None else [LifeEvent(kind=event, recorded_at=DECIDED_AT)]
    application = open_application(
        stored(outcome.value, OFFER if has_offer else None, *events), DECIDED_AT + timedelta(days=days)
    )
    told = application.tell()
    if event is not None:
        assert told.state == event.value
    elif has_offer:
        assert told.state is (ApplicationState.EXPIRED if days >= OFFER_DAYS else ApplicationState.OFFERED)
    else:
        expected = {"decline": "declined", "refer": "referred"}.get(outcome.value, "approved")
        assert told.state == expected
    is_open = told.state in {"referred", "approved", "offered"}
    assert (told.ended_at is None) == is_open
    assert (told.links.withdraw is not None) == is_open
