"""Products need no amount, term or income: what is not known is neither asked for nor answered."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.application.checks import find_faults
from instant_credit.application.document import hash_product, load_product
from instant_credit.application.facts import Facts
from instant_credit.canonical import hash_content
from instant_credit.policy.checks import check_policy, find_problems
from instant_credit.policy.document import Policy, encode_policy, read_policy
from instant_credit.policy.evaluate import evaluate
from instant_credit.policy.operands import Catalogue
from instant_credit.policy.program import EXITS, PRICE_EXITS, SCORE_EXITS
from instant_credit.policy.verdict import Outcome, Verdict
from instant_credit.units import Ppm
from tests.naive.policy import judge
from tests.policy.documents import invented_facts, known_variables, product, variables_of, with_fact
from tests.policy.shapes import SHAPES, compiled_of, document_of, policy_of, product_of
from tests.policy.test_evaluate import PDS, SOUND, by_name

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
PRICED = ("all", "priced")


def run(shape: str, facts: Facts, pd: int | None) -> Verdict:
    return evaluate(compiled_of(shape), facts, variables_of(facts), None if pd is None else Ppm(pd))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_product_and_policy_passes_its_checks(shape: str) -> None:
    assert find_faults(product_of(shape)) == []
    assert find_problems(policy_of(shape), product_of(shape)) == []


def test_a_document_of_the_old_shape_keeps_its_hash() -> None:
    assert hash_product(load_product((GOLDEN / "product.toml").read_text())) == (
        "8b15446649b7809233b581dbd30e02d5c4e73a36b56f11c72f1d0fc29dcd045f"
    )
    assert (
        hash_content(encode_policy(read_policy((GOLDEN / "policy.toml").read_text())))
        == "fb253709a66c6d2d9700d791ece405fd483458dc1f65af791b48164c689b93e2"
    )


def test_what_a_policy_leaves_out_survives_its_canonical_form() -> None:
    for shape in SHAPES:
        assert msgspec.json.decode(encode_policy(policy_of(shape)), type=Policy) == policy_of(shape)


@pytest.mark.parametrize("shape", SHAPES)
@given(facts=invented_facts(), pd=PDS)
def test_every_shape_equals_its_naive_twin(shape: str, facts: Facts, pd: int | None) -> None:
    verdict = run(shape, facts, pd)
    expected = judge(policy_of(shape), by_name(facts), known_variables(facts), pd, Catalogue(product_of(shape)).income)
    assert verdict.outcome == expected["outcome"]
    terms = verdict.terms
    found = {} if terms is None else {"amount": terms.amount_cents, "term": terms.term_months, "apr": terms.apr_ppm}
    assert found == {name: value for name, value in expected.items() if name != "outcome"}


@pytest.mark.parametrize("shape", SHAPES)
@given(facts=invented_facts(is_plausible=False), pd=PDS)
def test_every_well_formed_case_gets_a_verdict_of_its_shape(shape: str, facts: Facts, pd: int | None) -> None:
    verdict = run(shape, facts, pd)
    is_offer = verdict.outcome in (Outcome.APPROVE, Outcome.COUNTER_OFFER)
    assert (verdict.terms is not None) == (is_offer and shape in PRICED)
    assert verdict.outcome is not Outcome.COUNTER_OFFER or shape in PRICED
    exits = {
        "all": EXITS,
        "priced": (*SCORE_EXITS, *PRICE_EXITS),
    }.get(shape, SCORE_EXITS)
    assert tuple(entry.rule for entry in verdict.trace) == (*(rule.id for rule in policy_of(shape).rules), *exits)
    if verdict.outcome is not Outcome.APPROVE:
        assert verdict.reasons or verdict.has_model_reasons


def test_days_of_offers_are_left_out_where_nothing_is_offered() -> None:
    told = find_problems(replace(policy_of("none"), offer_days=5), product_of("none"))
    assert any(one.startswith("offer_days: leave it out; the product has no roles amount") for one in told)
    assert find_problems(replace(policy_of("all"), offer_days=5), product_of("all")) == []


def test_an_approval_without_terms_says_who_is_eligible() -> None:
    nothing = with_fact(with_fact(SOUND, "requested_amount_cents", None), "term_months", None)
    for shape in ("none", "income"):
        for facts in (SOUND, nothing):
            verdict = run(shape, facts, 50_000)
            assert (verdict.outcome, verdict.terms, verdict.reasons) == (Outcome.APPROVE, None, ())


def test_without_income_the_bands_alone_bound_an_offer() -> None:
    facts = with_fact(with_fact(SOUND, "requested_amount_cents", 4_000_000), "assistance_income_annual_cents", None)
    facts = with_fact(facts, "income_annual_cents", 1_500_000)
    assert run("all", facts, 50_000).outcome is not Outcome.APPROVE
    verdict = run("priced", facts, 50_000)
    assert verdict.outcome is Outcome.APPROVE
    assert verdict.terms is not None
    assert verdict.terms.amount_cents == 4_000_000


@given(shape=st.sampled_from(SHAPES), other=st.sampled_from(SHAPES))
def test_a_policy_of_another_shape_is_refused(shape: str, other: str) -> None:
    alike = {shape, other} <= {"none", "income"} or shape == other
    assert bool(find_problems(policy_of(shape), product_of(other))) != alike


def test_each_section_that_has_nothing_to_say_is_named() -> None:
    told = "\n".join(find_problems(policy_of("all"), product_of("none")))
    for name in ("apr_ppm_max", "amounts", "grid", "affordability"):
        assert f"{name}: leave it out; the product has no roles amount" in told
    for name in (*PRICE_EXITS, "instalment_above_affordable"):
        assert f"exit {name}: leave it out; the product has no roles amount" in told


def test_each_section_that_is_due_is_named() -> None:
    told = "\n".join(find_problems(policy_of("none"), product_of("all")))
    for name in ("apr_ppm_max", "amounts", "grid"):
        assert f"{name}: is due, because the product has the roles amount and term" in told
    assert "affordability: is due, because the product has the role income_annual" in told
    for name in (*PRICE_EXITS, "instalment_above_affordable"):
        assert f"exit {name}: needs a reason" in told


def test_a_product_without_income_names_what_only_income_can_judge() -> None:
    problems = find_problems(policy_of("all"), product_of("priced"))
    why = "leave it out; the product has no roles amount, term and income_annual, so no instalment can be held against income"
    assert problems == [f"affordability: {why}", f"exit instalment_above_affordable: {why}"]


def test_an_example_may_not_expect_terms_where_there_are_none() -> None:
    document = document_of("none")
    document["examples"][0].update(pd_ppm=50_000, expect={"outcome": "approve", "amount_cents": 500_000})
    with pytest.raises(Exception, match="amount_cents is None, expected 500000"):
        check_policy(msgspec.convert(document, Policy), product_of("none"))


def changed_roles(**roles: Any) -> list[str]:
    whole = msgspec.structs.asdict(product().roles)
    return find_faults(msgspec.structs.replace(product(), roles=type(product().roles)(**{**whole, **roles})))


@pytest.mark.parametrize(("gone", "left"), [("amount", "term"), ("term", "amount")])
def test_amount_and_term_come_together(gone: str, left: str) -> None:
    assert [f"role {left}: comes together with {gone}" in fault for fault in changed_roles(**{gone: None})] == [True]
