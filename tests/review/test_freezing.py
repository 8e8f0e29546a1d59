"""Days of experiments frozen one after the other on a real record: the same rows however often, by how many and how far at a time."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec.structs import asdict

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature
from instant_credit.canonical import hash_content
from instant_credit.commands import cli
from instant_credit.errors import Refused, Unavailable
from instant_credit.experiment.plan import encode_plan
from instant_credit.factory import freezing as job
from instant_credit.factory.requests import FreezeRequest, JobKind
from instant_credit.factory.settling import compose_job
from instant_credit.record.documents import DocumentKind, put_document
from instant_credit.record.experiment_statistics import (
    list_counts,
    list_frozen_days,
    list_hazards,
    list_sums,
)
from instant_credit.record.experiments import (
    Conclusion,
    ExperimentEvent,
    ExperimentEventKind,
    add_experiment_event,
    plan_experiment,
)
from instant_credit.record.pool import Record
from instant_credit.record.queue import JobState, JobWeight, enqueue_job, read_job
from instant_credit.record.queue_taking import Taking
from instant_credit.review import freezing
from instant_credit.review.freezing import FreezeRun, freeze_experiments
from instant_credit.settings import Settings
from instant_credit.worker.shift import AGAIN_SECONDS, Shift
from tests.clock import FixedClock
from tests.naive.ripening import World, count_day, count_hazards, sum_ripe
from tests.record.test_ripening import DAYS, START, imagine_world, make_plan, record_world

pytestmark = pytest.mark.anyio

ONE, TWO = (Signature(actor=Actor(kind=ActorKind.PERSON, id=name)) for name in ("staff-1", "staff-2"))
LAST = START + timedelta(days=DAYS + 15)


@pytest.fixture
def clock() -> FixedClock:
    """At noon after the last day."""
    return FixedClock(datetime.combine(LAST, datetime.min.time(), UTC) + timedelta(days=1, hours=12))


async def start(record: Record, count: int) -> None:
    """Experiments 1 to `count`, started on the second day of the world."""
    for number in range(1, count + 1):
        raw = encode_plan(make_plan(name=f"experiment_{number}"))
        assert await put_document(record, DocumentKind.PLAN, raw, ONE.actor) == hash_content(raw)
        planned = await plan_experiment(
            record,
            plan_hash=hash_content(raw),
            product="personal_loan",
            name=f"experiment_{number}",
            by=ONE,
            now=record.clock.now(),
        )
        assert planned.experiment == number
        claim = {
            "reach_from_ppm": 1_000 * number,
            "reach_to_ppm": 1_000 * number + 1_000,
            "coverage_ppm": 1_000_000,
        }
        await add(record, number, 1, ExperimentEventKind.STARTED, **claim)


async def add(record: Record, experiment: int, number: int, kind: ExperimentEventKind, **fields: Any) -> None:
    event = ExperimentEvent(
        experiment=experiment,
        number=number,
        kind=kind,
        signature=TWO,
        recorded_at=datetime.combine(START + timedelta(days=number), datetime.min.time(), UTC),
        **fields,
    )
    assert await add_experiment_event(record, event)


@pytest.fixture
async def world(record: Record, superuser_url: str) -> World:
    """What two experiments of the record exposed, and what became of it."""
    await start(record, 2)
    world = imagine_world(Random("freezing"), 2, 30)
    await record_world(superuser_url, world)
    return world


async def test_every_day_is_frozen_as_it_is_told_row_by_row(record: Record, world: World, actor: Actor) -> None:
    told: list[tuple[int, int]] = []
    run = await freeze_experiments(record, actor, progress=lambda done, due: told.append((done, due)))
    assert (run.until, run.experiments, run.days) == (LAST, 2, run.due)
    assert told == sorted(told)
    assert told[-1] == (run.due, run.due)
    plan = make_plan()
    for experiment in (1, 2):
        first = min(one.exposed_on for one in world.exposures if one.experiment == experiment)
        first = min(first, START + timedelta(days=1))
        days = [first + timedelta(days=number) for number in range((LAST - first).days + 1)]
        assert (await list_frozen_days(record))[experiment] == LAST
        sums = await list_sums(record, [experiment], is_daily=True)
        assert {
            (one.ripe_on, one.metric, one.segment, one.category, one.arm): [*asdict(one.sums).values(), one.hits]
            for one in sums
        } == {(day, *key): row for day in days for key, row in sum_ripe(world, experiment, plan, day).items()}
        counts = await list_counts(record, [experiment], is_daily=True)
        assert {(one.day_on, one.segment, one.category, one.arm): list(asdict(one).values())[5:] for one in counts} == {
            (day, *key): row for day in days for key, row in count_day(world, experiment, plan, day).items()
        }
        hazards: dict[tuple[int, int, int], list[int]] = {}
        for day in days:
            for key, (at_risk, defaults) in count_hazards(world, experiment, plan, day).items():
                total = hazards.setdefault(key, [0, 0])
                total[0] += at_risk
                total[1] += defaults
        assert {
            (one.metric, one.arm, one.month): [one.at_risk, one.defaults]
            for one in await list_hazards(record, [experiment])
        } == hazards


@pytest.mark.usefixtures("world")
async def test_what_is_frozen_is_not_frozen_again(record: Record, actor: Actor) -> None:
    middle = START + timedelta(days=4)
    first = await freeze_experiments(record, actor, until=middle)
    assert set((await list_frozen_days(record)).values()) == {middle}
    again = await freeze_experiments(record, actor, until=middle)
    assert (again.days, again.due) == (0, 0)
    rest = await freeze_experiments(record, actor)
    assert rest.days == 2 * (LAST - middle).days
    assert first.days > 0


@pytest.mark.usefixtures("world")
async def test_several_at_once_leave_no_day_out_and_write_none_twice(
    record: Record, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    until = START + timedelta(days=10)
    runs = [freeze_experiments(record, actor, until=until)]
    monkeypatch.setattr(freezing, "EXPERIMENTS_AT_ONCE", 1)
    runs += [freeze_experiments(record, actor, until=until) for _ in range(2)]
    done = await asyncio.gather(*runs)
    counts = await list_counts(record, (1, 2), is_daily=True, is_overall=True)
    frozen = [(one.experiment, one.day_on) for one in counts if one.arm == 0]
    assert len(frozen) == sum(run.days for run in done) == max(run.due for run in done)
    for experiment in (1, 2):
        days = [day for number, day in frozen if number == experiment and day is not None]
        assert days == [days[0] + timedelta(days=number) for number in range(len(days))]
        assert days[-1] == until


async def test_an_experiment_is_frozen_until_it_is_concluded(record: Record, actor: Actor) -> None:
    await start(record, 3)
    await add(record, 1, 2, ExperimentEventKind.STOPPED, reason="Enough is known.")
    await add(record, 2, 2, ExperimentEventKind.CONCLUDED, verdict=Conclusion.KEEP, reason="Nothing was found.")
    run = await freeze_experiments(record, actor, until=START + timedelta(days=4))
    assert (run.experiments, run.days) == (2, 2 * 4)
    assert set(await list_frozen_days(record)) == {1, 3}


async def test_a_day_that_is_not_over_is_refused(record: Record, actor: Actor) -> None:
    with pytest.raises(Refused, match=f"not over yet.*{LAST}"):
        await freeze_experiments(record, actor, until=LAST + timedelta(days=1))
    assert await freeze_experiments(record, actor) == FreezeRun(until=LAST, experiments=0)


@pytest.mark.usefixtures("world")
async def test_a_job_goes_on_behind_what_it_froze_before(
    record: Record, settings: Settings, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    middle = LAST - timedelta(days=5)

    async def lose(record: Record, actor: Actor, *, progress: Callable[[int, int], None]) -> FreezeRun:
        await freeze_experiments(record, actor, until=middle, progress=progress)
        raise Unavailable("the record did not answer")

    request = await compose_job(record, FreezeRequest(), actor)
    assert (request.kind, request.weight) == (JobKind.FREEZE, JobWeight.LIGHT)
    job_id = await enqueue_job(record, request, actor)
    shift = Shift(record, settings, stop=asyncio.Event(), taking=Taking(lost_seconds=8.0, look_seconds=0.2))
    with monkeypatch.context() as patched:
        patched.setattr(job, "freeze_experiments", lose)
        assert await shift.run(job_id) == AGAIN_SECONDS
    assert set((await list_frozen_days(record)).values()) == {middle}
    assert await shift.run(job_id) is None
    ended = await read_job(record, job_id)
    assert (ended.state, ended.events[-1].words) == (
        JobState.SUCCEEDED,
        f"froze {2 * (LAST - middle).days} days of 2 experiments, until {LAST}",
    )


@pytest.mark.usefixtures("world")
async def test_the_command_freezes_until_a_day_and_says_how_much(record: Record, environ: dict[str, str]) -> None:
    def call(*arguments: str) -> Any:
        return CliRunner().invoke(cli, ["experiment", "freeze", *arguments], env=environ)

    until = str(START + timedelta(days=4))
    done = await asyncio.to_thread(call, "--until", until)
    assert done.exit_code == 0, done
    assert done.stdout.startswith("Froze ")
    assert done.stdout.endswith(f" days of 2 experiments, until {until}\n")
    assert {str(day) for day in (await list_frozen_days(record)).values()} == {until}
    again = await asyncio.to_thread(call, "--until", until)
    assert again.stdout == f"Froze 0 days of 2 experiments, until {until}\n"
    ahead = await asyncio.to_thread(call, "--until", "9999-12-31")
    assert isinstance(ahead.exception, Refused)
