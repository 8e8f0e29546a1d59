"""A drafted policy loads, passes its checks, holds its examples and says what the book says."""

import re
from dataclasses import replace
from datetime import date
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from instant_credit.application.product import Attribute, AttributeType, Product, Roles
from instant_credit.errors import Refused
from instant_credit.policy.checks import load_policy
from instant_credit.policy.document import LossPricing
from instant_credit.policy.drafting.assumptions import Assumptions
from instant_credit.policy.drafting.book import BookRisk, Silence, weighted_quantile
from instant_credit.policy.drafting.cut_offs import round_pd
from instant_credit.policy.drafting.draft import Draft, draft_policy
from instant_credit.policy.verdict import Outcome
from instant_credit.units import instalment_ceil
from tests.budget import examples
from tests.policy.documents import product
from tests.policy.shapes import SHAPES, product_of
from tests.policy.test_checks import with_birth_date

DAY = date(2011, 12, 1)


def book_of(product: Product, n: int = 2000, seed: int = 1, **changed: Any) -> BookRisk:
    chance = np.random.default_rng(seed)
    pds = 1e6 / (1 + np.exp(2 - chance.normal(0, 1, n)))
    n_asked = n if product.is_priced else 0
    risk = BookRisk(
        book="loans",
        model_hash="a" * 64,
        pds_ppm=np.clip(pds, 1, 999_999).astype(np.int64),
        weights=np.ones(n),
        known=chance.integers(10, 20, n),
        amounts_cents=chance.integers(1_000, 35_000, n_asked) * 100,
        terms_months=chance.choice([36, 60], n_asked),
        latest_on=DAY,
    )
    return replace(risk, **changed)


def draft(product: Product, risk: BookRisk | None = None, least: int = 0, **assumed: Any) -> Draft:
    return draft_policy(
        product, book_of(product) if risk is None else risk, Assumptions(**assumed), lambda approve_below: least
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_a_draft_of_every_shape_is_a_policy_of_that_shape(shape: str) -> None:
    made = draft(product_of(shape))
    assert load_policy(made.text, product_of(shape)) == made.policy
    assert bool(made.policy.grid) == (shape in ("all", "priced"))
    assert (made.policy.affordability is not None) == (shape == "all")
    assert made.doubts == ()


def test_the_same_book_gives_the_same_draft() -> None:
    assert draft(product()).text == draft(product()).text


@given(approve=st.floats(0.1, 0.8), seed=st.integers(0, 50))
@examples(15)
def test_cut_offs_lie_at_the_shares_of_the_book(approve: float, seed: int) -> None:
    risk = book_of(product_of("none"), seed=seed)
    cut_offs = draft(product_of("none"), risk, approve_share=approve, decline_share=0.15).policy.cut_offs
    assert risk.share_below(cut_offs.approve_below_ppm) == pytest.approx(approve, abs=0.02)
    assert 1 - risk.share_below(cut_offs.decline_from_ppm) == pytest.approx(0.15, abs=0.03)


@examples(25)
@given(data=st.data(), shape=st.sampled_from(SHAPES))
def test_whatever_the_book_its_draft_loads(data: st.DataObject, shape: str) -> None:
    own = product_of(shape)
    n = data.draw(st.integers(2, 40))
    pds = data.draw(st.lists(st.integers(1, 999_999) | st.integers(1, 40), min_size=n, max_size=n, unique=False))
    n_asked = n if own.is_priced else 0
    amounts = data.draw(st.lists(st.integers(10_000, 10_000_000), min_size=n_asked, max_size=n_asked))
    terms = data.draw(st.lists(st.integers(6, 84), min_size=n_asked, max_size=n_asked))
    weights = data.draw(st.lists(st.floats(0.01, 100), min_size=n, max_size=n))
    columns = {
        "pds_ppm": np.array(pds, dtype=np.int64),
        "weights": np.array(weights),
        "known": np.zeros(n, dtype=np.int64),
        "amounts_cents": np.array(amounts, dtype=np.int64),
        "terms_months": np.array(terms, dtype=np.int64),
    }
    if min(pds) == max(pds):
        with pytest.raises(Refused, match="the same pd"):
            book_of(own, n, **columns)
        return
    risk = book_of(own, n, **columns)
    made = draft(own, risk)
    policy = load_policy(made.text, own)
    cut_offs = policy.cut_offs
    assert (risk.pds_ppm < cut_offs.approve_below_ppm).any()
    assert cut_offs.approve_below_ppm < cut_offs.decline_from_ppm or cut_offs.approve_below_ppm >= 999_990
    prices = [band.apr_ppm for band in policy.grid]
    assert prices == sorted(prices)
    assert all(price <= 360_000 for price in prices)


@pytest.mark.parametrize("apr_ppm_max", [360_000, 150_000])
def test_a_draft_by_a_table_of_segments_prices_losses_at_the_prices_of_one_without(apr_ppm_max: int) -> None:
    measured: dict[str, Any] = {"losses_hash": "b" * 64, "loss_given_default_ppm": 450_001, "apr_ppm_max": apr_ppm_max}
    plain, made = draft(product(), **measured), draft(product(), losses_by="purpose", **measured)
    assert plain.policy.losses is UNSET
    assert load_policy(made.text, product()) == made.policy
    assert made.policy.losses == LossPricing(base_apr_ppm=110_000, lost_ppm=450_001, apr_step_ppm=1_000)
    assert "each purpose by its own row of the loss table" in made.text
    stripped = tuple(msgspec.structs.replace(band, loss_apr_ppm=UNSET) for band in made.policy.grid)
    assert msgspec.structs.replace(made.policy, losses=UNSET, grid=stripped) == plain.policy


@pytest.mark.parametrize(("shape", "lost"), [("none", 450_000), ("all", 0)])
def test_a_draft_that_prices_nothing_or_loses_nothing_prices_no_losses(shape: str, lost: int) -> None:
    own = product_of(shape)
    made = draft(own, losses_by="purpose", loss_given_default_ppm=lost)
    assert made.policy.losses is UNSET


def test_a_weight_counts_like_as_many_loans() -> None:
    own = product()
    risk = book_of(own, 300)
    weights = np.random.default_rng(2).integers(1, 6, 300)
    weighted = draft(own, replace(risk, weights=weights.astype(np.float64))).policy
    columns = ("pds_ppm", "weights", "known", "amounts_cents", "terms_months")
    repeated = {name: np.repeat(getattr(risk, name), weights) for name in columns}
    assert draft(own, replace(risk, **repeated)).policy == weighted


@given(
    st.lists(st.tuples(st.integers(-100, 100), st.integers(1, 5)), min_size=1, max_size=30),
    st.sampled_from([0, 0.25, 0.5, 0.75, 1]),
)
def test_a_weighted_quantile_is_the_quantile_of_the_repeated_values(pairs: list[tuple[int, int]], share: float) -> None:
    values, weights = (np.array(column) for column in zip(*pairs, strict=True))
    ordered = sorted(value for value, times in pairs for _ in range(times))
    expected = next(v for k, v in enumerate(ordered, start=1) if k >= share * len(ordered))
    assert weighted_quantile(values, weights.astype(float), share) == expected


def test_a_price_earns_the_expected_loss() -> None:
    own = Assumptions(cost_ppm=0, margin_ppm=0, apr_ppm_max=1_000_000)
    amount, term, pd = 1_000_000, 36, 100_000
    price = own.price_ppm(pd, term)
    interest = instalment_ceil(amount, price, term) * term - amount
    lost = amount * pd / 1e6 * own.loss_given_default_ppm / 1e6
    assert interest == pytest.approx(lost, rel=0.05)


def test_a_price_beyond_the_cap_lowers_the_approvals_and_says_so() -> None:
    made = draft(product(), apr_ppm_max=140_000)
    free = draft(product())
    assert made.policy.cut_offs.approve_below_ppm < free.policy.cut_offs.approve_below_ppm
    assert all(band.apr_ppm <= 140_000 for band in made.policy.grid)
    assert any("fewer are approved" in doubt for doubt in made.doubts)


def test_where_the_cap_would_leave_hardly_anyone_the_prices_stay_at_it_and_say_so() -> None:
    made = draft(product(), apr_ppm_max=110_000)
    assert {band.apr_ppm for band in made.policy.grid} == {110_000}
    assert any("5 of 5 bands are priced at apr_ppm_max" in doubt for doubt in made.doubts)
    assert made.text.count("at the cap; the expected loss would need") == 5


def test_a_loss_of_nothing_needs_no_cap() -> None:
    made = draft(product(), loss_given_default_ppm=0)
    assert {band.apr_ppm for band in made.policy.grid} == {110_000}
    assert made.doubts == ()


def test_the_reference_population_may_ask_for_a_higher_decline() -> None:
    made = draft(product(), least=700_000)
    assert made.policy.cut_offs.decline_from_ppm == 700_000
    assert any("no reason against the reference" in doubt for doubt in made.doubts)


def test_everything_wrong_with_assumptions_is_told_at_once() -> None:
    with pytest.raises(Refused) as refused:
        Assumptions(approve_share=0.9, decline_share=0.2, cost_ppm=500_000, loss_given_default_ppm=-1)
    assert str(refused.value).count("\n- ") == 3


def test_an_empty_book_and_one_of_equal_risks_have_no_draft() -> None:
    empty = np.zeros(0, dtype=np.int64)
    with pytest.raises(Refused, match="no Case that the model can score"):
        book_of(product(), 0, amounts_cents=empty, terms_months=empty)
    with pytest.raises(Refused, match="the same pd"):
        book_of(product(), 5, pds_ppm=np.full(5, 7))


def test_reasons_have_numbers_and_codes_of_their_own() -> None:
    made = draft(product())
    theirs = {v.reason_number for v in product().variables}
    numbers = [reason.number for reason in made.policy.reasons]
    assert numbers == list(range(201, 201 + len(numbers)))
    assert not theirs & set(numbers)


def test_reasons_find_what_is_free_between_a_products_own() -> None:
    taken = [9_999, 9_997]
    codes = ["EVIDENCE_TOO_THIN_TO_SCORE", "RISK_NEEDS_REVIEW"]
    named = iter(zip(codes, taken, strict=True))
    variables = []
    for variable in product().variables:
        code, number = next(named, (variable.reason, variable.reason_number)) if variable.in_model else (None, None)
        variables.append(
            variable if code is None else msgspec.structs.replace(variable, reason=code, reason_number=number)
        )
    own = msgspec.structs.replace(product(), variables=tuple(variables), roles=Roles())
    reasons = draft(own).policy.reasons
    assert [(reason.code, reason.number) for reason in reasons] == [
        ("EVIDENCE_TOO_THIN_TO_SCORE_BY_POLICY", 9_996),
        ("RISK_NEEDS_REVIEW_BY_POLICY", 9_998),
    ]


def test_who_may_not_contract_is_declined_where_age_is_told() -> None:
    own = with_birth_date()
    made = draft(own)
    assert [rule.id for rule in made.policy.rules] == ["below_age_of_majority"]
    assert load_policy(made.text, own) == made.policy
    assert not draft(product()).policy.rules


def test_the_examples_meet_every_answer_that_the_policy_can_give() -> None:
    for shape, outcomes in (("all", set(Outcome)), ("none", set(Outcome) - {Outcome.COUNTER_OFFER})):
        assert {example.expect.outcome for example in draft(product_of(shape)).policy.examples} == outcomes


def test_no_line_of_a_draft_is_without_its_word() -> None:
    lines = draft(product()).text.split("[[reasons]]")[0].splitlines()
    bare = [line for line in lines if "=" in line and "#" not in line]
    assert [re.sub(r" = .*", "", line) for line in bare] == ["schema_version", *["pd_from_ppm"] * 5]


def terms_of(*terms: int, weights: list[float] | None = None) -> tuple[int, ...]:
    own = product()
    n = len(terms)
    risk = book_of(own, n, terms_months=np.array(terms), weights=np.array(weights or [1.0] * n))
    amounts = draft(own, risk).policy.amounts
    assert amounts is not None
    return amounts.terms_months


def test_terms_are_the_books_own_or_even_steps() -> None:
    assert terms_of(*[36] * 60, *[60] * 40) == (36, 60)
    assert terms_of(*range(6, 85)) == tuple(range(6, 85, 6))
    assert terms_of(*[36] * 600, 37) == (36,)


def narrow(low: float, high: float) -> Product:
    """The personal loan with another range of amounts."""

    def changed(attribute: Attribute) -> Attribute:
        if attribute.name != "requested_amount_cents":
            return attribute
        return msgspec.structs.replace(attribute, minimum=low, maximum=high)

    return msgspec.structs.replace(product(), attributes=tuple(changed(a) for a in product().attributes))


@pytest.mark.parametrize(("low", "high"), [(1, 99), (777_777, 777_777), (1, 2.0**53), (123_456, 130_000)])
def test_any_range_of_amounts_has_steps_that_fit(low: float, high: float) -> None:
    own = narrow(low, high)
    amounts = np.random.default_rng(3).integers(int(low), int(high), 500, endpoint=True)
    made = draft(own, book_of(own, 500, amounts_cents=amounts))
    assert load_policy(made.text, own) == made.policy


def test_pds_are_rounded_as_a_person_would() -> None:
    assert [round_pd(pd) for pd in (0.2, 7, 123, 1_234, 12_345, 123_456)] == [1, 7, 123, 1_230, 12_300, 123_000]


def test_a_draft_without_a_rule_to_show_shows_none() -> None:
    kept = tuple(
        a
        for a in product().attributes
        if a.type in (AttributeType.CATEGORY, AttributeType.DATE) or a.legal.value != "free"
    )
    names = {a.name for a in kept}
    variables = tuple(v for v in product().variables if names.issuperset(v.of))
    own = msgspec.structs.replace(product(), attributes=kept, variables=variables, roles=Roles())
    text = draft(own).text
    assert "Write your own." in text
    assert "# For instance" not in text


def test_thin_cases_of_a_book_do_not_make_silence_pay() -> None:
    product = product_of("none")
    known = np.full(2_000, 20)
    known[:120] = 0
    made = draft(product, book_of(product, known=known))
    assert made.policy.model_variables_known_min == 10
    assert any(doubt.startswith("6.0% of the book tells fewer than 10 variables") for doubt in made.doubts)


def test_a_book_that_tells_next_to_nothing_still_asks_for_a_variable() -> None:
    product = product_of("none")
    assert draft(product, book_of(product, known=np.zeros(2_000, dtype=np.int64))).policy.model_variables_known_min == 1


@pytest.mark.parametrize(("pd_ppm", "known_min"), [(1_000, 8), (900_000, 6)])
def test_more_must_be_known_than_of_silence_where_silence_would_be_approved(pd_ppm: int, known_min: int) -> None:
    product, known = product_of("none"), np.full(2_000, 11)
    made = draft(product, book_of(product, known=known, silent=Silence(pd_ppm=pd_ppm, known=7)))
    assert made.policy.model_variables_known_min == known_min


def test_where_silence_tells_as_much_as_the_middle_case_and_is_safe_there_is_no_draft() -> None:
    product, known = product_of("none"), np.full(2_000, 11)
    with pytest.raises(Refused, match=r"an application that tells nothing would be approved, with a pd of 0\.1%"):
        draft(product, book_of(product, known=known, silent=Silence(pd_ppm=1_000, known=11)))


def test_a_person_is_told_once_to_read_the_reasons() -> None:
    text = draft(product()).text
    assert text.count("CHECK") == 1
    head = text.split("# Reasons.")[1].split("[[reasons]]")[0]
    assert "CHECK: a person must read these texts" in head
    assert "12 CFR 1002.9(b)(2)" in head


@pytest.mark.parametrize(("lowest", "is_high"), [(230_000, True), (50_000, False)])
def test_an_approval_of_loans_that_often_go_bad_is_a_doubt(lowest: int, is_high: bool) -> None:
    product = product_of("none")
    pds = np.linspace(lowest, lowest + 100_000, 2_000).astype(np.int64)
    made = draft(product, book_of(product, pds_ppm=pds))
    assert any("which is high: so many of the loans approved near it" in doubt for doubt in made.doubts) == is_high
