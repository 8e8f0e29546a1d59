"""A harmful arm is closed by its guardrails, with the record saying who, why and when; a harmless one is not."""

from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from instant_credit.experiment.guardrails import split_alpha
from instant_credit.experiment.plan import Plan
from instant_credit.factory.desk import JobDesk
from instant_credit.factory.jobs import find_handler
from instant_credit.factory.triggers import GUARDING, Watch
from instant_credit.record.experiments import ExperimentEvent, ExperimentEventKind, read_experiment_events
from instant_credit.record.pool import Record
from instant_credit.record.ripening import count_exposed
from instant_credit.underwriting import experiment_guarding
from instant_credit.underwriting.experiment_guarding import guard_experiments
from instant_credit.underwriting.experiment_life import ExperimentDesk
from instant_credit.underwriting.experiment_moves import ExperimentConflict
from tests.clock import FixedClock
from tests.experiment.plans import plan
from tests.lending import Documents, install_release
from tests.underwriting.test_experiment_life import approve
from tests.underwriting.test_experiment_readouts import DAYS, METRICS, ONE, TWO, make_other, write_days

pytestmark = pytest.mark.anyio

EARLY = {"kind": "early_delinquency", "bound": 20_000}
APPROVALS = {"kind": "approval_rate", "bound": 50_000}
BUDGET = {"kind": "loss_budget", "bound": 50_000_000, "lost_ppm": 700_000}
IMPACT = {"kind": "impact_ratio", "bound": 800_000, "attribute": "sex", "reference": "male"}
EXPOSURE = """INSERT INTO exposures (bucket, case_id, experiment, arm, unit_id, exposed_on, propensity_ppm, reach_ppm, baseline_is_offer,
    is_offer, offered_cents, reserved_cents, segments, recorded_at) VALUES (0, $1, 1, $2, $3, $4, 500000, 400000, TRUE, $5, 0, 0, '{}', $6)"""


async def start(record: Record, documents: Documents, *guardrails: dict[str, Any], arms: int = 2) -> Plan:
    """Experiment 1 runs with these guardrails."""
    await install_release(record, documents)
    other = make_other(documents)
    await approve(record, other)
    names, shares = ["challenger", "second"][: arms - 1], {2: (500_000, 500_000), 3: (400_000, 300_000)}[arms]
    told = plan(
        arms=[
            {"name": "control", "share_ppm": shares[0]},
            *({"name": name, "share_ppm": shares[1], "overlay": {"policy": other.release_hash}} for name in names),
        ],
        metrics=METRICS,
        stopping={"kind": "confidence_sequence"},
        guardrails=[BUDGET, *guardrails],
    )
    desk = ExperimentDesk(record)
    await desk.plan(told, ONE)
    await desk.start(1, 1_000_000, 400_000, TWO)
    return told


async def expose(record: Record, arm: int, units: int, offers: int, *, first: int = 0) -> None:
    """Units of an arm that are exposed today, the first `offers` of which are offered something."""
    now = record.clock.now()
    rows = []
    for unit in range(first, first + units):
        name = arm * 1_000_000 + unit
        rows.append((UUID(int=name), arm, name.to_bytes(16), now.date(), unit - first < offers, now))
    async with record.connection() as connection:
        await connection.executemany(EXPOSURE, rows)


async def ends_of(record: Record) -> list[ExperimentEvent]:
    return [event for event in await read_experiment_events(record) if event.kind is not ExperimentEventKind.STARTED]


async def test_an_arm_that_approves_too_few_is_closed_at_once_with_who_why_and_when(
    record: Record, documents: Documents
) -> None:
    await start(record, documents, APPROVALS)
    await expose(record, 0, 300, 240)
    await expose(record, 1, 300, 90)
    (told,) = await guard_experiments(record)
    assert (told.experiment, told.finding.arm, told.is_closed) == (1, "challenger", True)
    closed, stopped = await ends_of(record)
    assert (closed.kind, closed.arm, closed.guardrail) == ("arm_closed", "challenger", "approval_rate")
    assert (closed.signature.actor.kind, closed.signature.actor.id) == ("job", "guardrails")
    assert closed.reason == told.finding.words
    assert "approved 30.00% of 300 against 80.00% of 300" in (closed.reason or "")
    assert closed.recorded_at == record.clock.now()
    assert (stopped.kind, stopped.guardrail) == ("stopped", "approval_rate")
    assert await guard_experiments(record) == ()
    assert len(await ends_of(record)) == 2


async def test_a_harmless_arm_goes_on_however_often_it_is_looked_at(
    record: Record, documents: Documents, clock: FixedClock
) -> None:
    await start(record, documents, APPROVALS, EARLY)
    for day in range(6):
        await expose(record, 0, 100, 80, first=100 * day)
        await expose(record, 1, 100, 78, first=100 * day)
        told = await guard_experiments(record)
        assert [(one.finding.guardrail, one.is_closed) for one in told] == [
            ("approval_rate", False),
            ("early_delinquency", False),
        ]
        assert f"of {100 * (day + 1):,} against" in told[0].finding.words
        clock.advance(timedelta(days=1))
    assert await ends_of(record) == []


@pytest.mark.parametrize(("rates", "is_closed"), [((0.08, 0.30), True), ((0.08, 0.08), False)])
async def test_early_delinquency_is_told_by_frozen_sums(
    record: Record, documents: Documents, clock: FixedClock, rates: tuple[float, ...], is_closed: bool
) -> None:
    own = await start(record, documents, EARLY, IMPACT)
    await write_days(record, own, rates=rates)
    clock.advance(timedelta(days=DAYS))
    (told,) = await guard_experiments(record)
    assert (told.finding.guardrail, told.is_closed) == ("early_delinquency", is_closed)
    assert told.finding.e_value_stop == pytest.approx(1.0 / split_alpha(own)[told.finding.guardrail])
    assert [event.guardrail for event in await ends_of(record)] == ["early_delinquency"] * 2 * is_closed


async def test_a_day_that_is_frozen_counts_once(record: Record, documents: Documents, clock: FixedClock) -> None:
    own = await start(record, documents, APPROVALS)
    frozen = await write_days(record, own)
    units = sum(one.units for one in frozen.counts if (one.arm, one.segment) == (1, -1))
    await expose(record, 1, 5, 5)
    clock.advance(timedelta(days=DAYS))
    await expose(record, 1, 7, 7, first=5)
    (told,) = await guard_experiments(record)
    assert f"100.00% of {units + 7:,} against" in told.finding.words


async def test_the_other_arms_go_on(record: Record, documents: Documents) -> None:
    await start(record, documents, APPROVALS, arms=3)
    await expose(record, 0, 400, 320)
    await expose(record, 1, 300, 30)
    await expose(record, 2, 300, 240)
    assert [(one.finding.arm, one.is_closed) for one in await guard_experiments(record)] == [
        ("challenger", True),
        ("second", False),
    ]
    assert [event.arm for event in await ends_of(record)] == ["challenger"]
    assert [one.finding.arm for one in await guard_experiments(record)] == ["second"]


async def test_an_experiment_that_ends_meanwhile_is_left_as_it_is(
    record: Record, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    await start(record, documents, APPROVALS)
    await expose(record, 0, 300, 240)
    await expose(record, 1, 300, 30)

    async def stop_first(*told: Any) -> Any:
        if not await ends_of(record):
            await ExperimentDesk(record).stop(1, ONE, "Enough is known.")
        return await count_exposed(*told)

    monkeypatch.setattr(experiment_guarding, "count_exposed", stop_first)
    (told,) = await guard_experiments(record)
    assert (told.finding.is_breached, told.is_closed) == (True, False)
    with pytest.raises(ExperimentConflict):
        await ExperimentDesk(record).close_arm(1, "challenger", ONE, "Again.")


async def test_workers_ask_for_it_every_five_minutes_while_an_experiment_runs(
    record: Record, documents: Documents, clock: FixedClock
) -> None:
    assert await Watch(record).ask() == ()
    await start(record, documents, APPROVALS)
    watch = Watch(record)
    (asked,) = await watch.ask()
    assert (asked.name, len(asked.job_ids)) == (GUARDING.name, 1)
    assert await watch.ask() == ()
    assert await Watch(record).ask() == ()
    (job,) = (await JobDesk(record).list()).jobs
    assert (job.kind, job.trigger) == ("guard", GUARDING.name)
    await JobDesk(record).cancel(job.job_id, ONE.actor)
    clock.advance(timedelta(minutes=5))
    assert len(await watch.ask()) == 1
    await ExperimentDesk(record).stop(1, ONE, "Enough is known.")
    clock.advance(timedelta(minutes=5))
    assert await watch.ask() == ()


class Steps:
    """Takes a step at once, and keeps what came of it as the record does."""

    async def take_here(self, _: str, make: Any, form: Any) -> Any:
        return form.decode(form.encode(await make()))


class Context:
    """What the job's handler asks of its context."""

    def __init__(self, record: Record) -> None:
        self.record, self.steps = record, Steps()


async def test_the_job_says_what_it_closed(record: Record, documents: Documents) -> None:
    await start(record, documents, APPROVALS)
    await expose(record, 0, 300, 240)
    await expose(record, 1, 300, 90)
    context, guard = Context(record), cast("Any", find_handler("guard"))
    assert await guard(context, b"{}") == "judged 1 guardrails of arms in 1 experiments, and closed 1 challenger"
    assert await guard(context, b"{}") == "judged 0 guardrails of arms in 0 experiments: no arm is closed"
