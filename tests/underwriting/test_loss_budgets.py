"""An arm spends its loss budget and no cent more, whoever decides at once, and is closed with the record saying why."""

import asyncio
from typing import Any

import pytest
from msgspec import UNSET

from instant_credit.canonical import encode_canonical
from instant_credit.decision.case import decode_case
from instant_credit.decision.decide import decide
from instant_credit.decision.release import Release
from instant_credit.errors import InstantCreditError, NotFound, Unavailable
from instant_credit.experiment.plan import Plan
from instant_credit.record.budgets import read_budget
from instant_credit.record.experiments import ExperimentEvent, ExperimentEventKind, read_experiment_events
from instant_credit.record.pool import Record, open_record
from instant_credit.settings import Settings
from instant_credit.underwriting import closing, deciding
from instant_credit.underwriting.affording import SpentArm
from instant_credit.underwriting.experiment_life import ExperimentDesk
from instant_credit.underwriting.releases import load_release
from instant_credit.underwriting.replay import replay
from instant_credit.units import Cents
from tests.clock import FixedClock
from tests.lending import Documents
from tests.underwriting.rooms import Room
from tests.underwriting.trials import Trial, decision_of, keep, make_plan, price_dearer

pytestmark = pytest.mark.anyio

KEY = "loss:1:challenger"
BUDGET = 300_000


@pytest.fixture(scope="module")
def priced(documents: Documents, release: Release) -> Documents:
    return price_dearer(documents, release)


def within_budget(source: str, budget_cents: int = BUDGET) -> Plan:
    return make_plan(
        "prices", "prices", source, guardrails=[{"kind": "loss_budget", "bound": budget_cents, "lost_ppm": 700_000}]
    )


async def reserved(trial: Trial) -> list[int]:
    """What each exposure of the challenger reserved, in order of Cases."""
    return [row["reserved_cents"] for row in await trial.exposures() if row["arm"] == 1]


async def ends_of(record: Record) -> list[ExperimentEvent]:
    return [event for event in await read_experiment_events(record) if event.kind is not ExperimentEventKind.STARTED]


async def test_an_arm_takes_nobody_once_an_offer_does_not_fit_into_its_budget(room: Room, priced: Documents) -> None:
    trial = Trial(room)
    await trial.start(within_budget(await keep(room.record, priced)))
    stored = [await trial.apply(seed) for seed in range(160)]
    spent = await reserved(trial)
    assert 0 < sum(spent) <= (await read_budget(room.record, KEY)).leased_cents <= BUDGET
    assert {(await trial.apply(seed)).release_hash for seed in range(160, 180)} == {room.release.hash}
    ((closed, trouble),) = trial.closed
    assert (closed.experiment, closed.arm, closed.budget_cents, trouble) == (1, "challenger", BUDGET, None)
    assert sum(spent) + closed.wanted_cents > BUDGET
    for one in stored:
        assert one.case is not None
        case, decision = decode_case(one.case), decision_of(one)
        assert case.assignment is not UNSET
        assert decision.assignment == case.assignment
        assert encode_canonical(decide(case, await load_release(room.record, one.release_hash))) == one.decision
    assert (await replay(room.record)).different == 0
    await room.desk.drain()
    closing_event, stop = await ends_of(room.record)
    assert (closing_event.kind, closing_event.arm, closing_event.guardrail) == (
        "arm_closed",
        "challenger",
        "loss_budget",
    )
    assert (closing_event.signature.actor.kind, closing_event.signature.actor.id) == ("job", "guardrails")
    assert f"{closed.wanted_cents:,} cents did not fit" in (closing_event.reason or "")
    assert (stop.kind, stop.guardrail) == ("stopped", "loss_budget")
    await trial.experiments.refresh()
    assert trial.experiments.running() == {}
    assert (await read_budget(room.record, KEY)).leased_cents == sum(spent)


async def test_the_control_spends_no_budget(room: Room, priced: Documents) -> None:
    trial = Trial(room)
    await trial.start(within_budget(await keep(room.record, priced), 1))
    for seed in range(100):
        await trial.apply(seed)
    rows = await trial.exposures()
    assert {row["arm"] for row in rows if row["reserved_cents"]} == {0}
    assert (await read_budget(room.record, KEY)).leased_cents == 0


async def test_of_a_group_that_is_decided_together_those_that_do_not_fit_are_decided_by_the_live_release(
    room: Room, priced: Documents
) -> None:
    trial = Trial(room)
    await trial.start(within_budget(await keep(room.record, priced), BUDGET))
    stored = await asyncio.gather(*(trial.apply(seed) for seed in range(160)))
    rows = {row["case_id"]: row for row in await trial.exposures()}
    assert 0 < sum(await reserved(trial)) <= BUDGET
    assert len(trial.closed) == 1
    for one in stored:
        arm = rows[one.case_id]["arm"] if one.case_id in rows else None
        assert (one.release_hash == room.release.hash) == (arm != 1)
        assignment = decision_of(one).assignment
        assert assignment is not UNSET
        assert (assignment.exposures == ()) == (arm is None)
    assert (await replay(room.record)).different == 0


async def test_processes_at_once_reserve_no_more_than_the_budget(
    room: Room, priced: Documents, settings: Settings
) -> None:
    trial = Trial(room)
    await trial.start(within_budget(await keep(room.record, priced), BUDGET))
    async with open_record(settings, clock=FixedClock()) as record:
        other = Trial(Room(record, room.release))
        await other.experiments.refresh()
        for turn in range(8):
            seeds = range(turn * 20, turn * 20 + 20)
            await asyncio.gather(*((trial, other)[seed % 2].apply(seed) for seed in seeds))
            assert sum(await reserved(trial)) <= (await read_budget(room.record, KEY)).leased_cents <= BUDGET
        await asyncio.gather(trial.room.desk.drain(), other.room.desk.drain())
    assert [event.kind for event in await ends_of(room.record)].count(ExperimentEventKind.ARM_CLOSED) == 1
    assert sum(await reserved(trial)) == (await read_budget(room.record, KEY)).leased_cents


async def test_what_was_not_recorded_is_not_spent(room: Room, priced: Documents) -> None:
    trial = Trial(room)
    await trial.start(within_budget(await keep(room.record, priced), 50_000_000))
    for seed in range(100):
        for _ in range(2):
            await room.apply(room.submission(seed, key=f"key {seed}"))
    await room.desk.drain()
    assert (await read_budget(room.record, KEY)).leased_cents == sum(await reserved(trial)) > 0


async def test_a_commit_that_stays_unanswered_counts_as_spent(
    room: Room, priced: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(room)
    await trial.start(within_budget(await keep(room.record, priced), 50_000_000))

    async def stay_silent(*_: object) -> None:
        raise Unavailable("the record did not answer")

    with monkeypatch.context() as patched:
        patched.setattr(deciding, "commit_group", stay_silent)
        for seed in range(100):
            with pytest.raises(Unavailable):
                await trial.apply(seed)
    await room.desk.drain()
    assert (await read_budget(room.record, KEY)).leased_cents > sum(await reserved(trial)) == 0


async def test_an_application_that_cannot_be_written_down_gives_its_money_back(
    room: Room, priced: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(room)
    await trial.start(within_budget(await keep(room.record, priced), 50_000_000))

    def fail(*_: object, **__: object) -> None:
        raise InstantCreditError("no offer can be made")

    with monkeypatch.context() as patched:
        patched.setattr(deciding, "make_offer", fail)
        for seed in range(100):
            with pytest.raises(InstantCreditError, match="no offer"):
                await trial.apply(seed)
    await room.desk.drain()
    assert (await read_budget(room.record, KEY)).leased_cents == 0


async def test_when_no_money_can_be_leased_nobody_is_decided_and_nothing_is_held(
    room: Room, priced: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(room)
    await trial.start(within_budget(await keep(room.record, priced), 50_000_000))

    async def fail(*_: object, **__: object) -> None:
        raise Unavailable("the record did not answer")

    monkeypatch.setattr("instant_credit.underwriting.purses.take_lease", fail)
    answers = await asyncio.gather(*(trial.apply(seed) for seed in range(100)), return_exceptions=True)
    assert any(isinstance(answer, Unavailable) for answer in answers)
    # Whoever the arm declines needs no money.
    assert (trial.closed, sum(await reserved(trial))) == ([], 0)


@pytest.mark.parametrize("trouble", [Unavailable("the record did not answer"), NotFound("experiment", "1")])
async def test_trouble_with_the_record_keeps_an_arm_closed_and_is_told(
    room: Room, priced: Documents, monkeypatch: pytest.MonkeyPatch, trouble: InstantCreditError
) -> None:
    trial = Trial(room)
    await trial.start(within_budget(await keep(room.record, priced), 1))

    async def fail(*_: object) -> None:
        raise trouble

    with monkeypatch.context() as patched:
        patched.setattr(ExperimentDesk, "close_arm", fail)
        hashes = {(await trial.apply(seed)).release_hash for seed in range(100)}
        await room.desk.drain()
    assert [told for _, told in trial.closed] == [None, trouble]
    assert room.release.hash in hashes
    assert set(await reserved(trial)) <= {0}
    assert await ends_of(room.record) == []
    await trial.experiments.refresh()
    await room.desk.refresh()
    kinds = [event.kind for event in await ends_of(room.record)]
    assert kinds == (["arm_closed", "stopped"] if isinstance(trouble, Unavailable) else [])


async def test_an_arm_of_an_experiment_that_was_stopped_meanwhile_needs_no_event(room: Room, priced: Documents) -> None:
    trial = Trial(room)
    experiment = await trial.start(within_budget(await keep(room.record, priced), 1))
    await trial.tell(experiment, ExperimentEventKind.STOPPED, 2, reason="seen enough")
    spent = SpentArm(experiment=experiment, arm="challenger", wanted_cents=Cents(2), budget_cents=Cents(1))
    told: list[Any] = []
    desk = closing.Closing(room.record, lambda one, trouble: told.append((one, trouble)))
    desk.close(spent)
    desk.close(spent)
    await desk.drain()
    assert [event.kind for event in await ends_of(room.record)] == ["stopped"]
    assert told == [(spent, None), (spent, None)]
