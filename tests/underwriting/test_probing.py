"""Many variants of one person's application."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest

from instant_credit.access.limits import VariantLimit
from instant_credit.underwriting import probing
from instant_credit.underwriting.course import Answered, Submission
from instant_credit.underwriting.desk import Desk
from instant_credit.underwriting.lines import Ending
from instant_credit.underwriting.probing import Probing, TooManyVariants
from tests.clock import FixedClock
from tests.lending import invent_body
from tests.underwriting.rooms import Room

pytestmark = pytest.mark.anyio

HOUR_NS = 3_600_000_000_000
Vary = Callable[..., Submission]


@pytest.fixture
def desk(room: Room) -> Desk:
    return another_desk(room)


def another_desk(room: Room, variants: int = 4) -> Desk:
    """A desk on the same record, as another process has one."""
    limited = Probing(room.record, VariantLimit(variants=variants, hours=24))
    return Desk(room.record, room.releases, report=room.lines.append, probing=limited)


@pytest.fixture
def vary(room: Room) -> Vary:
    def make(income: int, *, key: str | None = None, person: int = 1, client_id: str = "client") -> Submission:
        body = invent_body(room.release.product, Random(1))
        body["facts"] |= {"income_annual_cents": 5_000_000 + income, "earliest_credit_on": "2001-05-01"}
        body["applicant"]["identity_number"] = f"12-345-{person}"
        return room.submission(key=key, client_id=client_id, body=body)

    return make


async def test_variants_of_one_persons_application_end_at_the_limit(room: Room, desk: Desk, vary: Vary) -> None:
    for income in range(4):
        assert isinstance(await desk.apply(vary(income)), Answered)
    with pytest.raises(TooManyVariants) as caught:
        await desk.apply(vary(4))
    assert 0 < caught.value.wait_seconds <= 24 * 3_600
    assert (room.lines[-1].ending, room.lines[-1].problems) == (Ending.REFUSED, ("VARIANTS_MANY",))


async def test_the_same_facts_again_are_no_variant(desk: Desk, vary: Vary) -> None:
    for _ in range(12):
        assert isinstance(await desk.apply(vary(0)), Answered)


async def test_what_was_sent_before_passes_beyond_the_limit(desk: Desk, vary: Vary) -> None:
    for income in range(4):
        await desk.apply(vary(income))
    assert isinstance(await desk.apply(vary(2)), Answered)


async def test_a_retry_gets_its_answer_beyond_the_limit(room: Room, desk: Desk, vary: Vary) -> None:
    first = await another_desk(room).apply(vary(9, key="k"))
    for income in range(3):
        await desk.apply(vary(income))
    with pytest.raises(TooManyVariants):
        await desk.apply(vary(10))
    again = await desk.apply(vary(9, key="k"))
    assert isinstance(first, Answered)
    assert isinstance(again, Answered)
    assert (again.body, again.is_repeated) == (first.body, True)


async def test_other_persons_and_other_clients_count_by_themselves(desk: Desk, vary: Vary) -> None:
    for income in range(4):
        await desk.apply(vary(income))
    assert isinstance(await desk.apply(vary(4, person=2)), Answered)
    assert isinstance(await desk.apply(vary(4, client_id="another")), Answered)


async def test_a_window_later_variants_are_let_in_again(desk: Desk, vary: Vary, clock: FixedClock) -> None:
    for income in range(4):
        await desk.apply(vary(income))
    clock.advance(timedelta(hours=24, seconds=1))
    clock.advance_monotonic(24 * HOUR_NS)
    assert isinstance(await desk.apply(vary(4)), Answered)


async def test_the_record_counts_what_other_processes_took(
    room: Room, desk: Desk, vary: Vary, clock: FixedClock
) -> None:
    for income in range(3):
        await another_desk(room).apply(vary(income))
    await desk.apply(vary(3))
    with pytest.raises(TooManyVariants) as caught:
        await desk.apply(vary(4))
    assert caught.value.wait_seconds == 24 * 3_600
    clock.advance(timedelta(hours=23, minutes=59))
    with pytest.raises(TooManyVariants) as caught:
        await desk.apply(vary(4))
    assert caught.value.wait_seconds == 60
    clock.advance(timedelta(minutes=1, seconds=1))
    assert isinstance(await desk.apply(vary(4)), Answered)


async def test_variants_at_once_are_counted_one_by_one(desk: Desk, vary: Vary) -> None:
    found = await asyncio.gather(*(desk.apply(vary(income)) for income in range(12)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) == ["Answered"] * 4 + ["TooManyVariants"] * 8


async def test_persons_longest_unseen_are_forgotten(desk: Desk, vary: Vary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "PERSONS_MAX", 2)
    for person in range(5):
        await desk.apply(vary(0, person=person))
    assert len(desk._probing._sent) == 2


async def test_a_desk_without_a_limit_counts_nothing(room: Room, vary: Vary) -> None:
    for income in range(6):
        await room.apply(vary(income))
    assert not room.desk._probing._sent
