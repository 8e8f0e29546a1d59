"""Experiments on a real record: planned on real releases, started, moved and raced for."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature
from instant_credit.errors import NotFound, Refused
from instant_credit.experiment.assignment import Table
from instant_credit.experiment.eligibility import DEPTH_MAX
from instant_credit.experiment.layers import Layers, encode_layers, read_layers
from instant_credit.experiment.plan import Plan
from instant_credit.experiment.planner import plan_duration
from instant_credit.record.documents import DocumentKind, list_documents, put_document
from instant_credit.record.experiments import (
    Conclusion,
    ExperimentEvent,
    add_experiment_event,
    count_experiment_events,
    read_experiment_events,
)
from instant_credit.record.pool import Record
from instant_credit.record.shipped import read_starter
from instant_credit.underwriting import experiment_life
from instant_credit.underwriting.experiment_life import ExperimentDesk
from instant_credit.underwriting.experiment_moves import ExperimentConflict, ExperimentRefused
from instant_credit.underwriting.experiment_states import ExperimentState
from instant_credit.underwriting.release_life import ReleaseDesk
from instant_credit.units import PPM
from tests.clock import FixedClock
from tests.experiment.plans import layers, plan
from tests.lending import Documents, install_release, vary, with_other_model, write_training
from tests.releasing import make_terms

pytestmark = pytest.mark.anyio

ONE, TWO = (Signature(actor=Actor(kind=ActorKind.PERSON, id=name)) for name in ("staff-1", "staff-2"))
PRODUCT = "personal_loan"
WHY = "Enough is known."


@pytest.fixture(scope="module")
def other(documents: Documents) -> Documents:
    return vary(documents, "Another policy")


@pytest.fixture
async def desk(record: Record, documents: Documents, other: Documents) -> ExperimentDesk:
    """On a product whose champion is `documents`, with `other` approved."""
    await install_release(record, documents)
    await approve(record, other)
    return ExperimentDesk(record)


async def approve(record: Record, made: Documents) -> None:
    for kind, raw in made.parts:
        await put_document(record, kind, raw, ONE.actor)
    releases = ReleaseDesk(record)
    await releases.propose(made.release_hash, make_terms(record.clock.now().date()), ONE)
    await releases.approve(made.release_hash, TWO)


def make_plan(release_hash: str, **changes: Any) -> Plan:
    """A plan whose challenger takes the policy of a release."""
    arms = [
        {"name": "control", "share_ppm": 500_000},
        {"name": "challenger", "share_ppm": 500_000, "overlay": {"policy": release_hash}},
    ]
    return plan(**({"arms": arms} | changes))


async def test_an_experiment_is_led_from_its_plan_to_its_verdict(
    record: Record, desk: ExperimentDesk, other: Documents, clock: FixedClock
) -> None:
    own = make_plan(other.release_hash)
    planned = await desk.plan(own, ONE)
    assert (planned.state, planned.experiment, planned.reach, planned.planned_by) == ("planned", 1, None, "staff-1")
    assert planned.links.start is not None
    assert planned.schedule == plan_duration(own)
    with pytest.raises(ExperimentConflict, match="a second person is needed"):
        await desk.start(1, 10_000, 400_000, ONE)
    clock.advance(timedelta(hours=1))
    started = await desk.start(1, 10_000, 400_000, TWO)
    assert (started.state, started.coverage_ppm, started.started_at) == ("running", 10_000, clock.now())
    assert started.reach is not None
    assert (started.reach.from_ppm, started.reach.to_ppm) == (0, 400_000)
    assert started.schedule == plan_duration(own, reach_ppm=400_000, coverage_ppm=10_000)
    assert (await desk.ramp(1, 500_000, ONE)).coverage_ppm == 500_000
    stopped = await desk.stop(1, ONE, WHY)
    assert (stopped.state, stopped.links.stop, stopped.events[-1].reason) == ("stopped", None, WHY)
    concluded = await desk.conclude(1, Conclusion.KEEP, TWO, WHY)
    assert (concluded.state, concluded.verdict) == ("concluded", "keep")
    assert concluded == await ExperimentDesk(record).read(1)
    assert [(event.kind.value, event.actor_id) for event in concluded.events] == [
        ("started", "staff-2"),
        ("ramped", "staff-1"),
        ("stopped", "staff-1"),
        ("concluded", "staff-2"),
    ]


async def test_a_move_that_was_made_adds_nothing_when_it_is_made_again(
    record: Record, desk: ExperimentDesk, other: Documents
) -> None:
    own = make_plan(other.release_hash)
    for _ in range(2):
        assert (await desk.plan(own, ONE)).experiment == 1
        await desk.start(1, 10, 20, TWO)
    for _ in range(2):
        await desk.ramp(1, 30, TWO)
        await desk.start(1, 10, 20, TWO)
    for _ in range(2):
        await desk.stop(1, TWO, WHY)
    for _ in range(2):
        await desk.conclude(1, Conclusion.EXTEND, TWO, WHY)
    assert (await desk.plan(own, TWO)).state == "concluded"
    assert await count_experiment_events(record) == (1, 4)


async def test_a_changed_plan_needs_another_name(desk: ExperimentDesk, other: Documents) -> None:
    await desk.plan(make_plan(other.release_hash), ONE)
    with pytest.raises(ExperimentConflict, match="give the changed one another name"):
        await desk.plan(make_plan(other.release_hash, effect_min=0.02), ONE)
    assert (await desk.plan(make_plan(other.release_hash, effect_min=0.02, name="bolder"), ONE)).experiment == 2


async def test_a_plan_is_told_as_toml(desk: ExperimentDesk, other: Documents) -> None:
    text = read_starter("plans", "personal_loan_prices").replace("0" * 64, other.release_hash)
    told = await desk.plan(text, ONE)
    assert (told.name, told.document.arms[1].overlay) == ("cheaper_loans", {"prices": other.release_hash})
    with pytest.raises(Refused, match="plan: "):
        await desk.plan("name = ", ONE)


async def test_whatever_is_wrong_with_a_plan_is_told_by_its_field(desk: ExperimentDesk, other: Documents) -> None:
    wrong = make_plan(other.release_hash, layer="prices", guardrails=[], segments=[{"attribute": "sex"}])
    with pytest.raises(ExperimentRefused) as refused:
        await desk.plan(wrong, ONE)
    assert {problem.pointer for problem in refused.value.problems} == {"/arms", "/guardrails", "/segments"}
    assert "- arm challenger: part policy does not belong to layer prices" in str(refused.value)
    assert (await desk.list_experiments()).experiments == ()


async def test_a_condition_that_is_nested_too_deeply_is_refused(desk: ExperimentDesk, other: Documents) -> None:
    told: dict[str, Any] = {"attribute": "requested_amount_cents", "compare": "at_most", "value": 5_000_000}
    for depth in range(1, DEPTH_MAX):
        told = {"not": told} if depth % 2 else {"any": [told, told]} if depth < 4 else {"all": [told]}
    assert (await desk.plan(make_plan(other.release_hash, eligible=told), ONE)).experiment == 1
    with pytest.raises(ExperimentRefused, match="eligible: conditions lie more than 8 deep"):
        await desk.plan(make_plan(other.release_hash, eligible={"not": told}, name="deeper"), ONE)


async def test_an_arm_is_made_of_releases_that_could_go_live_themselves(
    record: Record, desk: ExperimentDesk, documents: Documents, clock: FixedClock
) -> None:
    candidate, judged = vary(documents, "A third policy"), with_other_model(documents)
    for kind, raw in candidate.parts:
        await put_document(record, kind, raw, ONE.actor)
    await approve(record, judged)
    for release_hash, words in (
        (
            "0" * 64,
            "arm challenger: policy of release 0+: no release of this hash is recorded: `instant-credit release",
        ),
        (candidate.release_hash, "its approval is none: it has to be proposed and approved"),
    ):
        with pytest.raises(ExperimentRefused, match=words) as refused:
            await desk.plan(make_plan(release_hash), ONE)
        assert [problem.pointer for problem in refused.value.problems] == ["/arms"]
    await desk.plan(make_plan(judged.release_hash), ONE)
    await put_document(record, *write_training(judged), ONE.actor)
    with pytest.raises(ExperimentRefused, match="no gate has judged its model: judge it first"):
        await desk.start(1, PPM, PPM, TWO)
    clock.advance(timedelta(days=400))
    with pytest.raises(ExperimentRefused, match="it expired on"):
        await desk.start(1, PPM, PPM, TWO)


async def test_a_plan_on_a_product_without_a_live_release_or_layers_is_refused(
    record: Record, desk: ExperimentDesk, other: Documents
) -> None:
    with pytest.raises(ExperimentRefused, match="no_loan not found: activate one first") as refused:
        await desk.plan(make_plan(other.release_hash, product="no_loan"), ONE)
    assert [problem.pointer for problem in refused.value.problems] == ["/product"]


async def test_a_release_of_another_product_makes_no_arm(
    desk: ExperimentDesk, other: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    obstacle = await ReleaseDesk(desk._record).find_obstacle(other.release_hash, "card")
    assert obstacle == "it is a release of personal_loan: name one of card"


async def test_of_starts_at_once_none_share_a_bucket(record: Record, desk: ExperimentDesk, other: Documents) -> None:
    for number in range(5):
        await desk.plan(make_plan(other.release_hash, name=f"plan_{number}"), ONE)
    desks = [ExperimentDesk(record) for _ in range(5)]
    ends = await asyncio.gather(
        *(one.start(number, PPM, 250_000, TWO) for number, one in enumerate(desks, 1)), return_exceptions=True
    )
    full = [end for end in ends if isinstance(end, BaseException)]
    assert [type(end) for end in full] == [ExperimentConflict]
    assert "0 ppm are free in one piece" in str(full[0])
    running = await desk.read_running()
    assert sorted(life.reach for life in running if life.reach) == [(at, at + 250_000) for at in range(0, PPM, 250_000)]
    _, held = await desk.read_layers(PRODUCT)
    Table(held, [life.running for life in running if life.running])


async def test_whoever_is_outrun_is_judged_by_what_stands(
    desk: ExperimentDesk, other: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.plan(make_plan(other.release_hash), ONE)
    await desk.start(1, 10, PPM, TWO)

    async def outrun(own: Record, event: ExperimentEvent) -> bool:
        """Somebody else stops the experiment a moment before it is ramped."""
        monkeypatch.setattr(experiment_life, "add_experiment_event", add_experiment_event)
        await desk.stop(1, TWO, WHY)
        return await add_experiment_event(own, event)

    monkeypatch.setattr(experiment_life, "add_experiment_event", outrun)
    with pytest.raises(ExperimentConflict, match="it is stopped and exposes nobody"):
        await desk.ramp(1, 20, ONE)


async def test_the_last_arm_that_is_closed_stops_the_experiment(
    record: Record, desk: ExperimentDesk, other: Documents
) -> None:
    arms = [
        {"name": name, "share_ppm": share, "overlay": laid}
        for name, share, laid in (
            ("control", 500_000, {}),
            ("a", 250_000, {"policy": other.release_hash}),
            ("b", 250_000, {}),
        )
    ]
    await desk.plan(make_plan(other.release_hash, arms=arms), ONE)
    await desk.start(1, PPM, PPM, TWO)
    job = Signature(actor=Actor(kind=ActorKind.JOB, id="guardrails"))
    for _ in range(2):
        closed = await desk.close_arm(1, "a", job, "Its budget is spent.", "loss_budget")
        assert (closed.state, closed.closed_arms, closed.events[-1].guardrail) == ("running", ("a",), "loss_budget")
    for _ in range(2):
        stopped = await desk.close_arm(1, "b", job, "It errs.", "error_rate")
        assert (stopped.state, stopped.closed_arms) == ("stopped", ("a", "b"))
    kinds = [event.kind.value for event in await read_experiment_events(record, 1)]
    assert kinds == ["started", "arm_closed", "arm_closed", "stopped"]


async def test_one_person_alone_says_so(desk: ExperimentDesk, other: Documents) -> None:
    await desk.plan(make_plan(other.release_hash), ONE)
    told = await desk.start(1, 10, PPM, ONE, is_single_person=True)
    assert [event.is_single_person for event in told.events] == [True]


async def test_a_client_seconds_no_other_key_of_its_own(desk: ExperimentDesk, other: Documents) -> None:
    keys = [
        Signature(actor=Actor(kind=ActorKind.API_KEY, id=key), client_id=client)
        for key, client in (("key-1", "models"), ("key-2", "models"), ("key-3", "validation"))
    ]
    await desk.plan(make_plan(other.release_hash), keys[0])
    with pytest.raises(ExperimentConflict, match="a second person"):
        await desk.start(1, 10, PPM, keys[1])
    assert (await desk.start(1, 10, PPM, keys[2])).state == "running"


async def test_the_list_is_of_a_product_and_a_state(
    record: Record, desk: ExperimentDesk, other: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        await desk.plan(make_plan(other.release_hash, name=f"plan_{number}"), ONE)
    await desk.start(2, 10, 20, TWO)

    async def names(*told: Any) -> list[str]:
        return [one.name for one in (await desk.list_experiments(*told)).experiments]

    assert await names() == ["plan_0", "plan_1", "plan_2"]
    assert await names(PRODUCT, ExperimentState.RUNNING) == ["plan_1"]
    assert await names(None, ExperimentState.PLANNED) == ["plan_0", "plan_2"]
    assert await names("card") == []
    monkeypatch.setattr(experiment_life, "LISTED_MAX", 2)
    monkeypatch.setattr(experiment_life, "PLANS_HELD_MAX", 1)
    assert await names() == ["plan_1", "plan_2"]
    assert await ExperimentDesk(desk._record).list_experiments() == await desk.list_experiments()


async def test_what_was_not_planned_is_not_found(desk: ExperimentDesk) -> None:
    with pytest.raises(NotFound, match="experiment"):
        await desk.read(1)
    with pytest.raises(NotFound, match="experiment"):
        await desk.stop(1, ONE, WHY)


def shipped() -> Layers:
    return read_layers(read_starter("layers", PRODUCT))


async def test_the_shipped_layers_hold_until_others_are_put_and_are_recorded_with_the_first_plan(
    record: Record, desk: ExperimentDesk, other: Documents, clock: FixedClock
) -> None:
    assert (await desk.read_layers(PRODUCT))[1] == shipped()
    await desk.plan(make_plan(other.release_hash), ONE)
    (row,) = await list_documents(record, DocumentKind.LAYERS)
    assert row.content_hash == (await desk.read_layers(PRODUCT))[0]
    clock.advance(timedelta(minutes=1))
    put = await desk.put_layers(layers(), ONE.actor)
    assert await desk.read_layers(PRODUCT) == (put, layers())
    assert await desk.put_layers(layers(), ONE.actor) == put
    with pytest.raises(ExperimentConflict, match="a document counts from when it was recorded first"):
        await desk.put_layers(shipped(), ONE.actor)
    with pytest.raises(NotFound, match="layers of product"):
        await desk.read_layers("no_loan")
    with pytest.raises(NotFound, match="live release"):
        await desk.put_layers(layers(product="no_loan"), ONE.actor)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"salt": "another.salt"}, "the salt stays personal_loan.1"),
        ({"layers": [{"name": "other", "parts": ["policy"]}]}, "layer risk is not among other; it runs"),
        ({"layers": [{"name": "risk", "parts": ["policy"], "unit": "household"}]}, "is drawn by person"),
        ({"layers": [{"name": "risk", "parts": ["policy"], "holdout_ppm": 10}]}, "after the holdout"),
        ({"layers": [{"name": "risk", "parts": ["model"]}]}, "replaces part policy, so layer risk keeps it"),
    ],
)
async def test_layers_keep_what_running_experiments_claim(
    desk: ExperimentDesk, other: Documents, changes: dict[str, Any], words: str
) -> None:
    await desk.plan(make_plan(other.release_hash), ONE)
    await desk.start(1, 10, PPM, TWO)
    told = layers(**({"salt": shipped().salt} | changes))
    with pytest.raises(ExperimentConflict, match=words):
        await desk.put_layers(told, ONE.actor)
    await desk.stop(1, TWO, WHY)
    await desk.put_layers(told, ONE.actor)


async def test_a_start_keeps_off_the_holdout(record: Record, desk: ExperimentDesk, other: Documents) -> None:
    told = layers(layers=[{"name": "risk", "parts": ["model", "policy"], "holdout_ppm": 50_000}])
    await put_document(record, DocumentKind.LAYERS, encode_layers(told), ONE.actor)
    await desk.plan(make_plan(other.release_hash), ONE)
    with pytest.raises(ExperimentConflict, match="950000 ppm are free in one piece"):
        await desk.start(1, PPM, 950_001, TWO)
    started = await desk.start(1, PPM, 950_000, TWO)
    assert started.reach is not None
    assert started.reach.from_ppm == 50_000
