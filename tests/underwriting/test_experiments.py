"""Applications draw arms at the desk, are decided by what the arms make, and can be decided again from the record."""

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from instant_credit.canonical import encode_canonical
from instant_credit.decision.case import decode_case
from instant_credit.decision.decide import decide
from instant_credit.decision.release import Release
from instant_credit.record.experiments import (
    ExperimentEventKind,
)
from instant_credit.underwriting.releases import load_release
from instant_credit.underwriting.replay import replay
from instant_credit.units import Cents, Ppm, expected_loss_ceil
from tests.lending import Documents, with_other_model, with_policy
from tests.underwriting.rooms import Room
from tests.underwriting.trials import Trial, decision_of, keep, make_plan, price_dearer, riskier

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def priced(documents: Documents, release: Release) -> Documents:
    return price_dearer(documents, release)


async def test_an_arm_decides_with_its_own_prices_and_the_record_makes_it_again(room: Room, priced: Documents) -> None:
    trial = Trial(room)
    source = await keep(room.record, priced)
    experiment = await trial.start(make_plan("prices", "prices", source))
    stored = [await trial.apply(seed) for seed in range(24)]
    seen = set()
    for one in stored:
        decision = decision_of(one)
        assert decision.assignment is not UNSET
        (exposure,) = decision.assignment.exposures
        assert exposure.propensity_ppm == decision.assignment.propensity_ppm == 500_000
        seen.add(exposure.arm)
        is_live = one.release_hash == room.release.hash
        assert is_live == (exposure.arm == "control")
        assert one.case is not None
        case = decode_case(one.case)
        release = await load_release(room.record, one.release_hash)
        assert encode_canonical(decide(case, release)) == one.decision
        beneath = decide(case, room.release)
        if not is_live and decision.terms is not None and beneath.terms is not None:
            assert decision.terms.apr_ppm == beneath.terms.apr_ppm + 10_000
    assert seen == {"control", "challenger"}
    summary = await replay(room.record)
    assert (summary.equal, summary.different) == (24, 0)
    rows = await trial.exposures()
    assert [(row["case_id"], row["experiment"]) for row in rows] == sorted((one.case_id, experiment) for one in stored)
    by_case = {row["case_id"]: row for row in rows}
    for one in stored:
        row, decision = by_case[one.case_id], decision_of(one)
        assert row["baseline_pd_ppm"] == decision.pd_ppm
        assert row["is_offer"] == (decision.outcome in ("approve", "counter_offer"))
        offered = Cents(0) if decision.terms is None else decision.terms.amount_cents
        assert row["offered_cents"] == offered
        assert row["reserved_cents"] == expected_loss_ceil(offered, decision.pd_ppm or Ppm(1_000_000), Ppm(700_000))


async def test_what_is_not_covered_is_decided_by_the_live_release_with_certainty(room: Room, priced: Documents) -> None:
    trial = Trial(room)
    await trial.start(make_plan("prices", "prices", await keep(room.record, priced)), coverage_ppm=0)
    decision = decision_of(await trial.apply(1))
    assert decision.release_hash == room.release.hash
    assert decision.assignment is not UNSET
    assert (decision.assignment.propensity_ppm, decision.assignment.exposures) == (1_000_000, ())
    assert await trial.exposures() == []


async def test_a_person_stays_in_an_arm_and_a_stop_ends_it_with_the_next_decision(
    room: Room, priced: Documents
) -> None:
    trial = Trial(room)
    experiment = await trial.start(make_plan("prices", "prices", await keep(room.record, priced)))
    first = [(await trial.apply(seed)).release_hash for seed in range(12)]
    assert [(await trial.apply(seed)).release_hash for seed in range(12)] == first
    await trial.tell(experiment, ExperimentEventKind.STOPPED, 2, reason="seen enough")
    assert {(await trial.apply(seed)).release_hash for seed in range(12)} == {room.release.hash}


async def test_a_closed_arm_takes_nobody(room: Room, priced: Documents) -> None:
    trial = Trial(room)
    experiment = await trial.start(make_plan("prices", "prices", await keep(room.record, priced)))
    await trial.tell(
        experiment, ExperimentEventKind.ARM_CLOSED, 2, arm="challenger", reason="spent", guardrail="loss_budget"
    )
    assert {(await trial.apply(seed)).release_hash for seed in range(12)} == {room.release.hash}
    assert {row["arm"] for row in await trial.exposures()} == {0}


async def test_a_key_for_tests_draws_nothing(room: Room, priced: Documents) -> None:
    trial = Trial(room)
    await trial.start(make_plan("prices", "prices", await keep(room.record, priced)))
    for seed in range(6):
        assert (await trial.apply(seed, is_test=True)).release_hash == room.release.hash
    assert await trial.exposures() == []


async def test_arms_of_two_layers_are_laid_over_each_other(room: Room, priced: Documents, documents: Documents) -> None:
    trial = Trial(room)
    source = await keep(room.record, priced)
    await trial.start(make_plan("prices", "prices", source))
    words = tuple(replace(one, text="In other words. " + one.text) for one in room.release.policy.policy.reasons)
    worded = with_policy(documents, replace(room.release.policy.policy, reasons=words, title="Other words"))
    await trial.start(make_plan("texts", "texts", await keep(room.record, worded)))
    hashes = {(await trial.apply(seed)).release_hash for seed in range(40)}
    assert len(hashes) == 4
    for name in hashes:
        await load_release(room.record, name)
    assert (await replay(room.record)).different == 0


async def test_an_experiment_whose_arm_cannot_be_made_takes_nobody_at_all(room: Room) -> None:
    trial = Trial(room)
    experiment = await trial.start(make_plan("prices", "prices", "cd" * 32))
    assert {(await trial.apply(seed)).release_hash for seed in range(12)} == {room.release.hash}
    assert {missed.experiment for missed in trial.missed} == {experiment}
    assert set(trial.experiments.not_exposing()) == {experiment}


async def test_a_model_arm_is_written_down_with_what_the_live_release_would_have_said(
    room: Room, documents: Documents
) -> None:
    trial = Trial(room)
    other = with_other_model(documents, riskier)
    await trial.start(make_plan("risk", "model", await keep(room.record, other)))
    stored = {one.case_id: one for one in [await trial.apply(seed) for seed in range(12)]}
    differs = 0
    for row in await trial.exposures():
        one = stored[row["case_id"]]
        assert one.case is not None
        beneath = decide(decode_case(one.case), room.release)
        assert row["baseline_pd_ppm"] == beneath.pd_ppm
        differs += decision_of(one).pd_ppm != beneath.pd_ppm
    assert differs > 0
    assert (await replay(room.record)).different == 0
