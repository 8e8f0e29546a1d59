"""Prices by what loans of a segment lose."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.application.facts import Facts
from instant_credit.application.product import Legal
from instant_credit.policy.checks import find_problems
from instant_credit.policy.document import Policy, encode_policy
from instant_credit.policy.evaluate import evaluate
from instant_credit.policy.losses import LOSS_TRACE, LossShares, find_unfit, price_band
from instant_credit.policy.operands import Catalogue
from instant_credit.policy.program import CompiledPolicy, compile_policy
from instant_credit.policy.verdict import RuleResult, Verdict
from instant_credit.units import PPM, Ppm
from tests.naive.policy import judge
from tests.naive.policy import price as price_slowly
from tests.policy.documents import (
    catalogue,
    changed,
    invented_facts,
    known_variables,
    product,
    shipped,
    variables_of,
    with_fact,
)
from tests.policy.test_evaluate import PDS, SOUND, by_name

SEGMENTS = next(a.categories for a in product().case_attributes if a.name == "purpose")
BASE, LOST, STEP = 29_900, 500_000, 100
ppms = st.integers(0, PPM).map(Ppm)
shares_of_purposes = st.builds(
    LossShares,
    attribute=st.just("purpose"),
    total_ppm=ppms,
    by_category=st.dictionaries(st.sampled_from(SEGMENTS), ppms, max_size=len(SEGMENTS)),
)


def priced(*changes: Any) -> Policy:
    """The shipped policy, whose prices are said to be `BASE` and what is lost when a bad loan loses half."""

    def change(document: dict[str, Any]) -> None:
        document["losses"] = {"base_apr_ppm": BASE, "lost_ppm": LOST, "apr_step_ppm": STEP}
        for band in document["grid"]:
            band["loss_apr_ppm"] = band["apr_ppm"] - BASE
        for one in changes:
            one(document)

    return changed(change)


def run(policy: CompiledPolicy, facts: Facts, pd: int | None) -> Verdict:
    return evaluate(policy, facts, variables_of(facts), None if pd is None else Ppm(pd))


def told_by(verdict: Verdict) -> RuleResult:
    assert verdict.trace[-1].rule == LOSS_TRACE
    return verdict.trace[-1].result


@given(invented_facts(), PDS, shares_of_purposes)
def test_prices_by_losses_equal_their_naive_twin(facts: Facts, pd: int | None, shares: LossShares) -> None:
    policy = priced()
    verdict = run(compile_policy(policy, product(), shares), facts, pd)

    def find_lost(values: Any) -> int:
        return shares.by_category.get(values["purpose"], shares.total_ppm)

    expected = judge(policy, by_name(facts), known_variables(facts), pd, catalogue().income, lost=find_lost)
    assert verdict.outcome == expected["outcome"]
    if verdict.terms is not None:
        terms = (verdict.terms.amount_cents, verdict.terms.term_months, verdict.terms.apr_ppm)
        assert terms == (expected["amount"], expected["term"], expected["apr"])


@given(invented_facts(), PDS)
def test_a_table_that_loses_what_the_grid_was_drawn_up_with_changes_nothing_but_the_trace(
    facts: Facts, pd: int | None
) -> None:
    shares = LossShares(attribute="purpose", total_ppm=Ppm(LOST), by_category={SEGMENTS[0]: Ppm(LOST)})
    plain = run(compile_policy(shipped(), product()), facts, pd)
    by_losses = run(compile_policy(priced(), product(), shares), facts, pd)
    assert replace(by_losses, trace=by_losses.trace[:-1]) == plain
    without_table = run(compile_policy(priced(), product()), facts, pd)
    assert without_table == plain


def test_the_trace_says_whether_a_segment_has_figures_of_its_own() -> None:
    shares = LossShares(attribute="purpose", total_ppm=Ppm(LOST), by_category={SEGMENTS[0]: Ppm(700_000)})
    policy = compile_policy(priced(), product(), shares)
    found = {}
    for code in (0, 1, -1):
        verdict = run(policy, with_fact(SOUND, "purpose", code), 50_000)
        assert verdict.terms is not None
        found[code] = (told_by(verdict), verdict.terms.apr_ppm)
    assert found == {
        0: (RuleResult.HIT, BASE + 70_000),
        1: (RuleResult.CLEAR, 79_900),
        -1: (RuleResult.UNKNOWN, 79_900),
    }


def test_a_table_without_segments_prices_everybody_by_all_loans() -> None:
    policy = compile_policy(priced(), product(), LossShares(attribute=None, total_ppm=Ppm(250_000), by_category={}))
    verdict = run(policy, with_fact(SOUND, "purpose", 0), 50_000)
    assert verdict.terms is not None
    assert (told_by(verdict), verdict.terms.apr_ppm) == (RuleResult.UNKNOWN, BASE + 25_000)


@given(st.integers(0, PPM), st.integers(0, PPM), st.integers(0, 5))
def test_who_loses_more_or_is_riskier_never_pays_less_and_nobody_above_the_cap(
    one: int, other: int, place: int
) -> None:
    policy = priced()
    assert policy.apr_ppm_max is not None
    less, more = sorted((one, other))
    band = policy.grid[place]
    assert price_band(policy, band, less) == price_slowly(policy, band, less)
    assert price_band(policy, band, less) <= price_band(policy, band, more) <= policy.apr_ppm_max
    prices = [price_band(policy, grid_band, less) for grid_band in policy.grid]
    assert prices == sorted(prices)


@given(invented_facts(), st.integers(1, 259_999), st.integers(1, 200_000), shares_of_purposes)
def test_a_lower_pd_never_costs_more_within_a_segment(facts: Facts, pd: int, less: int, shares: LossShares) -> None:
    policy = compile_policy(priced(), product(), shares)
    before, after = run(policy, facts, pd), run(policy, facts, max(pd - less, 1))
    if before.terms is not None and after.terms is not None:
        assert after.terms.apr_ppm <= before.terms.apr_ppm
        assert after.terms.amount_cents >= before.terms.amount_cents


def test_a_policy_that_says_nothing_of_losses_has_the_bytes_that_it_had() -> None:
    raw = encode_policy(shipped())
    assert b"losses" not in raw
    assert b"loss_apr_ppm" not in raw


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d["grid"][1].pop("loss_apr_ppm"), "grid band 2: loss_apr_ppm is due"),
        (lambda d: d.pop("losses"), "grid band 1: loss_apr_ppm stands beside [losses] only"),
        (lambda d: d["grid"][1].update(loss_apr_ppm=80_100), "base_apr_ppm with its loss_apr_ppm make 110000"),
        (lambda d: d["rules"][0].update(id=LOSS_TRACE), f"rule {LOSS_TRACE}: the id is taken"),
        (
            lambda d: d["grid"].extend(
                d["grid"].pop() | changes for changes in ({"apr_ppm": 274_900, "loss_apr_ppm": 100_000},)
            ),
            "grid band 6: loss_apr_ppm falls while pd rises",
        ),
    ],
)
def test_prices_that_do_not_hold_together_are_refused(change: Any, problem: str) -> None:
    assert any(problem in text for text in find_problems(priced(change), product()))


def test_prices_that_hold_together_pass() -> None:
    assert find_problems(priced(), product()) == []


def test_losses_are_priced_by_a_category_that_may_price() -> None:
    def find(attribute: str | None, own: Catalogue) -> str | None:
        return find_unfit(LossShares(attribute=attribute, total_ppm=Ppm(LOST), by_category={}), own)

    assert find(None, catalogue()) is find("purpose", catalogue()) is None
    for name in ("sex", "requested_amount_cents", "nothing"):
        assert "no category of the product's Cases" in str(find(name, catalogue()))
    attributes = [replace(a, legal=Legal.AGE) if a.name == "purpose" else a for a in product().attributes]
    bound = Catalogue(replace(product(), attributes=tuple(attributes)))
    assert "may not price a loan by its category (legal = age)" in str(find("purpose", bound))
