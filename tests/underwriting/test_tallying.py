"""What becomes of an arm's applications is counted beside the desk, written down, and closes an arm that fails or is slow."""

from typing import Any

import pytest

from instant_credit.decision.release import Release
from instant_credit.errors import BrokenInvariant, Unavailable
from instant_credit.record.arm_tallies import ArmTally, add_arm_tallies, sum_arm_tallies
from instant_credit.record.experiments import ExperimentEventKind, read_experiment_events
from instant_credit.record.pool import Record
from instant_credit.underwriting import deciding, tallying
from instant_credit.underwriting.affording import Waiting
from instant_credit.underwriting.experiment_guarding import guard_experiments
from tests.clock import FixedClock
from tests.lending import Documents
from tests.underwriting.rooms import Room
from tests.underwriting.trials import Trial, keep, make_plan, price_dearer

pytestmark = pytest.mark.anyio

APPLICATIONS = 60


@pytest.fixture(scope="module")
def priced(documents: Documents, release: Release) -> Documents:
    return price_dearer(documents, release)


async def start(room: Room, priced: Documents, kind: str, bound: int) -> Trial:
    """Experiment 1 runs under one guardrail."""
    trial = Trial(room)
    source = await keep(room.record, priced)
    await trial.start(make_plan("prices", "prices", source, guardrails=[{"kind": kind, "bound": bound}]))
    return trial


async def closed_by(record: Record) -> list[str | None]:
    """The guardrails that closed an arm."""
    events = await read_experiment_events(record)
    return [event.guardrail for event in events if event.kind is ExperimentEventKind.ARM_CLOSED]


def take_seconds(monkeypatch: pytest.MonkeyPatch, clock: FixedClock, seconds: dict[int, float]) -> None:
    """Deciding takes so long, by arm."""
    decide = deciding.Deciding.decide

    async def decide_slowly(self: deciding.Deciding, waiting: Waiting) -> Any:
        judged = await decide(self, waiting)
        clock.advance_monotonic(int(seconds[waiting.drawn.drew[0].arm] * 1e9))
        return judged

    monkeypatch.setattr(deciding.Deciding, "decide", decide_slowly)


def break_arm(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Nobody who drew the challenger is decided."""
    decide = deciding.Deciding.decide

    async def decide_or_break(self: deciding.Deciding, waiting: Waiting) -> Any:
        if waiting.drawn.drew[0].arm == 1:
            raise error
        return await decide(self, waiting)

    monkeypatch.setattr(deciding.Deciding, "decide", decide_or_break)


@pytest.mark.parametrize("seconds", [0.3, 0.1])
async def test_an_arm_whose_answers_are_slower_than_planned_is_closed_and_no_other(
    room: Room, priced: Documents, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    guardrails = ["latency_p99"] if seconds > 0.2 else []
    trial = await start(room, priced, "latency_p99", 200_000_000)
    take_seconds(monkeypatch, clock, {0: 0.1, 1: seconds})
    for seed in range(APPLICATIONS):
        await trial.apply(seed)
    await room.desk.drain()
    tallies = await sum_arm_tallies(room.record, [1])
    assert [one.slow for one in tallies] == [0, tallies[1].applications if guardrails else 0]
    assert [one.timed for one in tallies] == [one.applications for one in tallies]
    rows = [row["arm"] for row in await trial.exposures()]
    assert [one.applications for one in tallies] == [rows.count(0), rows.count(1)]
    (told,) = await guard_experiments(room.record)
    assert told.is_closed is bool(guardrails)
    assert await closed_by(room.record) == guardrails
    await trial.experiments.refresh()
    assert bool(trial.experiments.running()) is not told.is_closed


async def test_an_arm_that_fails_by_a_fault_is_closed(
    room: Room, priced: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = await start(room, priced, "error_rate", 10_000)
    break_arm(monkeypatch, BrokenInvariant("an arm is broken"))
    failed = 0
    for seed in range(APPLICATIONS):
        try:
            await trial.apply(seed)
        except BrokenInvariant:
            failed += 1
    await room.desk.drain()
    control, arm = await sum_arm_tallies(room.record, [1])
    assert arm == ArmTally(experiment=1, arm=1, applications=failed, failed=failed)
    assert control == ArmTally(experiment=1, arm=0, applications=APPLICATIONS - failed)
    await guard_experiments(room.record)
    assert await closed_by(room.record) == ["error_rate"]


async def test_an_outage_is_no_fault_of_an_arm(room: Room, priced: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = await start(room, priced, "error_rate", 10_000)
    break_arm(monkeypatch, Unavailable("the record did not answer"))
    for seed in range(20):
        try:
            await trial.apply(seed)
        except Unavailable:
            continue
    await room.desk.drain()
    assert [one.arm for one in await sum_arm_tallies(room.record, [1])] == [0]
    await guard_experiments(room.record)
    assert await closed_by(room.record) == []


async def test_what_stayed_unanswered_is_written_once(
    room: Room, priced: Documents, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = await start(room, priced, "error_rate", 10_000)

    async def add_unheard(*told: Any, **more: Any) -> bool:
        await add_arm_tallies(*told, **more)
        raise Unavailable("the record did not answer")

    await trial.apply(1)
    await room.desk.refresh()
    assert await sum_arm_tallies(room.record, [1]) == ()
    clock.advance_monotonic(tallying.WRITE_NS)
    with monkeypatch.context() as patch:
        patch.setattr(tallying, "add_arm_tallies", add_unheard)
        with pytest.raises(Unavailable):
            await room.desk.refresh()
    await trial.apply(2)
    await room.desk.refresh()
    await room.desk.drain()
    assert sum(one.applications for one in await sum_arm_tallies(room.record, [1])) == 2
