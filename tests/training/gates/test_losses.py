"""Profit is reckoned by the loss table that a release names, segment by segment, and otherwise as the thresholds assume."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.decision.gate_report import Gate, GateResult, Verdict
from instant_credit.outcome.losses import LossTable, SegmentLosses, Share
from instant_credit.policy.document import LossPricing, Policy
from instant_credit.policy.drafting.examples import with_examples
from instant_credit.training.gates.profit import find_lost_shares
from instant_credit.training.gates.redeciding import compose_candidate, find_lost, redecide
from tests.budget import examples
from tests.training.gates.worlds import (
    LAST,
    PRICE_PPM,
    PRODUCT,
    STANDARD,
    judge,
    make_better,
    make_champion,
    make_policy,
    make_world,
    record_cases,
)

USES = PRODUCT.attributes[8].categories
CASES = record_cases(make_world()).cases


def row(segment: str, exposure: float | None, loss: float | None, *, is_own: bool = True) -> SegmentLosses:
    return SegmentLosses(
        segment=segment,
        charged_off=30,
        ripe=30,
        young=0,
        paid_out_cents=100,
        charged_off_cents=100,
        ripe_cents=100,
        recovered_cents=0,
        later_cents=0,
        exposure=None if exposure is None else Share(value=exposure, low=0.0, high=1.0),
        loss=None if loss is None else Share(value=loss, low=0.0, high=1.0),
        is_own=is_own,
    )


def table(*segments: SegmentLosses, total: SegmentLosses | None = None, attribute: str | None = "use") -> LossTable:
    return LossTable(
        book="invented",
        product=PRODUCT.name,
        known_on=date(2024, 1, 1),
        recovery_months=24,
        lag_days=0,
        attribute=attribute,
        total=row("all", 0.8, 0.5) if total is None else total,
        segments=segments,
    )


rows = st.builds(
    row, st.sampled_from(USES), st.floats(0, 1.5), st.floats(-0.2, 1), is_own=st.booleans()
)  # Recoveries with interest, and more owed than was lent, are both told.


@examples(60)
@given(st.lists(rows, max_size=3, unique_by=lambda one: one.segment), st.sampled_from(["use", "home", None]))
def test_what_a_case_loses_is_that_of_its_own_segment_or_of_all(segments, attribute):
    losses = table(*segments, attribute=attribute)
    found = find_lost(losses, PRODUCT, CASES[:80])
    for case, share, is_own in zip(CASES[:80], found.shares, found.is_own, strict=True):
        told = USES[case.facts.codes[0]] if attribute == "use" else None
        own = [one for one in segments if one.segment == told and one.is_own]
        assert share == (own[0] if own else losses.total).lost_share
        assert is_own == bool(own)


def test_a_case_that_does_not_tell_its_segment_loses_as_all_do():
    silent = replace(CASES[0], facts=replace(CASES[0].facts, codes=(-1,)))
    found = find_lost(table(row(USES[0], 1.0, 1.0)), PRODUCT, (silent,))
    assert (found.shares.tolist(), found.is_own.tolist()) == ([0.4], [False])


def test_a_table_that_tells_no_loss_leaves_the_assumption():
    assert find_lost(table(total=row("all", 0.8, None)), PRODUCT, CASES) is None


def profit_of(losses: LossTable | None) -> GateResult:
    release = compose_candidate(make_champion(), make_policy(), PRODUCT, CASES, losses)
    assert release.losses == losses
    result: GateResult = judge(make_better(), champion_release=release).result_of(Gate.PROFIT)
    return result


def figure(result: GateResult, name: str) -> float:
    return next(one.value for one in result.figures if one.name == name)


LOST, LOSS = "lost of the amount lent when a loan goes bad", "expected loss per application"


def test_the_gate_reckons_by_the_release_and_says_so():
    assumed, measured = profit_of(None), profit_of(table(row(USES[0], 1.0, 0.9), row(USES[1], 0.5, 0.2)))
    assert figure(assumed, LOST) == 0.6
    assert "60.0% of the amount lent as the thresholds assume" in assumed.sentence
    codes = np.array([case.facts.codes[0] for case in CASES])
    shares = np.array([0.9, 0.1, 0.4])[codes]
    assert figure(measured, LOST) == pytest.approx(shares.mean())
    assert f"by its own segment for {int((codes < 2).sum()):,} Cases, by all loans for the others" in measured.sentence
    assert "told by loss table" in measured.sentence


def test_twice_the_loss_is_twice_the_loss_per_application():
    one, other = profit_of(table(attribute=None)), profit_of(table(attribute=None, total=row("all", 0.8, 1.0)))
    assert figure(other, LOSS) == pytest.approx(2 * figure(one, LOSS))


def test_without_a_champion_the_table_that_is_given_tells():
    losses = table()
    redecided = redecide(make_better(), None, make_policy(), PRODUCT, record_cases(make_world()), losses=losses)
    assert set(find_lost_shares(redecided, STANDARD.profit)) == {0.4}


def priced_policy() -> Policy:
    """The policy of the world, whose one price is said to be of a loss of 40%."""
    policy = make_policy()
    band = replace(policy.grid[0], loss_apr_ppm=PRICE_PPM - 50_000)
    losses = LossPricing(base_apr_ppm=50_000, lost_ppm=400_000, apr_step_ppm=1_000)
    return with_examples(replace(policy, grid=(band,), losses=losses), PRODUCT, LAST)


def test_candidate_and_champion_are_priced_by_the_champions_table():
    policy, losses = priced_policy(), table(row(USES[0], 1.0, 0.2))
    champion = compose_candidate(make_champion(), policy, PRODUCT, CASES, losses)
    redecided = redecide(make_champion(), champion, policy, PRODUCT, record_cases(make_world()))
    assert redecided.candidate.interests.tolist() == redecided.champion.interests.tolist()
    codes = np.array([case.facts.codes[0] for case in CASES])
    yields = redecided.candidate.interests / np.maximum(redecided.candidate.amounts, 1)
    offered = redecided.candidate.is_offered
    assert yields[offered & (codes == 0)].max() < yields[offered & (codes == 1)].min()


def test_a_policy_that_prices_losses_makes_no_release_without_a_table():
    result = judge(make_better(), policy=priced_policy()).result_of(Gate.PROFIT)
    assert result.verdict is Verdict.FAILED
    assert "names no loss table" in result.sentence
