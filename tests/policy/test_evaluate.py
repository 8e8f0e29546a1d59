import tomllib
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from instant_credit.application.facts import Facts
from instant_credit.application.product import AttributeType, Better
from instant_credit.policy.evaluate import evaluate
from instant_credit.policy.pricing import largest_affordable
from instant_credit.policy.program import EXITS, compile_policy
from instant_credit.policy.verdict import Outcome, RuleResult, Verdict
from instant_credit.record.shipped import list_starters, read_starter
from instant_credit.training.tapes.mapping import load_mapping
from instant_credit.units import Cents, Ppm, instalment_ceil
from tests.budget import examples
from tests.naive.policy import judge
from tests.policy.documents import (
    catalogue,
    changed,
    compiled,
    fact_of,
    invented_facts,
    known_variables,
    product,
    shipped,
    variables_of,
    with_fact,
)

RANK = {Outcome.APPROVE: 0, Outcome.COUNTER_OFFER: 1, Outcome.REFER: 2, Outcome.DECLINE: 3}
PDS = st.one_of(
    st.none(),
    st.integers(1, 999_999),
    st.integers(1, 320_000),
    st.sampled_from([59_999, 60_000, 259_999, 260_000, 289_999, 290_000]),
)
IMPROVABLE = [a for a in product().case_attributes if a.better is not Better.NEITHER]


def run(facts: Facts, pd: int | None) -> Verdict:
    return evaluate(compiled(), facts, variables_of(facts), None if pd is None else Ppm(pd))


def by_name(facts: Facts) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for attribute in product().case_attributes:
        value = fact_of(facts, attribute.name)
        if attribute.type is AttributeType.CATEGORY:
            assert value is not None
            value = None if value < 0 else attribute.categories[int(value)]  # type: ignore[assignment] # number or name
        values[attribute.name] = value
    return values


@given(invented_facts(), PDS)
def test_evaluation_equals_its_naive_twin(facts: Facts, pd: int | None) -> None:
    verdict = run(facts, pd)
    expected = judge(shipped(), by_name(facts), known_variables(facts), pd, catalogue().income)
    assert verdict.outcome == expected["outcome"]
    if verdict.terms is not None:
        terms = verdict.terms
        assert (terms.amount_cents, terms.term_months, terms.apr_ppm) == (
            expected["amount"],
            expected["term"],
            expected["apr"],
        )


@given(invented_facts(is_plausible=False), PDS)
def test_every_well_formed_case_gets_a_verdict(facts: Facts, pd: int | None) -> None:
    verdict = run(facts, pd)
    assert (verdict.terms is not None) == (verdict.outcome in (Outcome.APPROVE, Outcome.COUNTER_OFFER))


@given(invented_facts(), PDS)
def test_terms_lie_inside_the_policy(facts: Facts, pd: int | None) -> None:
    verdict = run(facts, pd)
    terms = verdict.terms
    if terms is None:
        return
    assert pd is not None
    band = next(b for b in shipped().grid if b.pd_from_ppm <= pd < b.pd_below_ppm)
    income = sum(fact_of(facts, name) or 0 for name in catalogue().income)
    assert 1 <= terms.amount_cents <= band.amount_cents_max
    assert terms.term_months in shipped().amounts.terms_months
    assert terms.term_months <= band.term_months_max
    assert terms.apr_ppm == band.apr_ppm <= shipped().apr_ppm_max
    assert terms.instalment_cents == instalment_ceil(terms.amount_cents, terms.apr_ppm, terms.term_months)
    assert 12 * terms.instalment_cents * 5 <= income
    requested = fact_of(facts, "requested_amount_cents")
    assert requested is not None
    assert terms.amount_cents <= requested
    if terms.amount_cents != requested:
        assert terms.amount_cents % shipped().amounts.offer_cents_step == 0
        assert terms.amount_cents >= shipped().amounts.offer_cents_min


@given(invented_facts(), PDS, st.integers(1, 300_000))
def test_a_lower_pd_never_worsens_the_answer(facts: Facts, pd: int | None, less: int) -> None:
    assume(pd is not None and pd > less)
    assert pd is not None
    assert_no_worse(run(facts, pd), run(facts, pd - less), is_same_request=True)


@examples(300)
@given(invented_facts(), PDS, st.sampled_from(IMPROVABLE), st.data())
def test_a_better_fact_never_worsens_the_answer(
    facts: Facts, pd: int | None, attribute: Any, data: st.DataObject
) -> None:
    value = fact_of(facts, attribute.name)
    assume(value is not None)
    assert value is not None
    if attribute.type is AttributeType.REAL:
        delta: float = data.draw(st.floats(0, 50))
    else:
        delta = data.draw(st.integers(1, 3_000_000 if attribute.type is AttributeType.CENTS else 30))
    better = value + delta if attribute.better is Better.HIGHER else value - delta
    if attribute.type is not AttributeType.DATE:
        better = min(max(better, attribute.minimum), attribute.maximum)
        better = better if attribute.type is AttributeType.REAL else int(better)
    is_amount = attribute.name == product().roles.amount
    assert_no_worse(run(facts, pd), run(with_fact(facts, attribute.name, better), pd), is_same_request=not is_amount)


def assert_no_worse(before: Verdict, after: Verdict, *, is_same_request: bool) -> None:
    assert RANK[after.outcome] <= RANK[before.outcome]
    if is_same_request and before.terms is not None and after.terms is not None:
        assert after.terms.amount_cents >= before.terms.amount_cents
        assert after.terms.apr_ppm <= before.terms.apr_ppm


@given(invented_facts(), PDS)
def test_the_trace_names_every_rule_and_exit_in_order(facts: Facts, pd: int | None) -> None:
    trace = run(facts, pd).trace
    assert tuple(entry.rule for entry in trace) == (*(rule.id for rule in shipped().rules), *EXITS)


@given(invented_facts(), PDS)
def test_reasons_are_of_rules_that_decided(facts: Facts, pd: int | None) -> None:
    verdict = run(facts, pd)
    hits = {entry.rule for entry in verdict.trace if entry.result is not RuleResult.CLEAR}
    codes = {rule.reason for rule in shipped().rules if rule.id in hits}
    exits = {getattr(shipped().exits, name) for name in hits & set(shipped().exits.__struct_fields__)}
    assert {reason.code for reason in verdict.reasons} <= codes | exits
    if verdict.outcome is Outcome.APPROVE:
        assert not verdict.reasons


@given(invented_facts(), PDS)
def test_whatever_is_no_approval_has_a_reason_of_some_kind(facts: Facts, pd: int | None) -> None:
    verdict = run(facts, pd)
    if verdict.outcome is not Outcome.APPROVE:
        assert verdict.reasons or verdict.has_model_reasons


@given(invented_facts())
def test_a_missing_fact_leaves_its_rule_unknown(facts: Facts) -> None:
    verdict = run(with_fact(facts, "tax_liens", None), 50_000)
    found = next(entry for entry in verdict.trace if entry.rule == "tax_lien_on_record")
    assert found.result is RuleResult.UNKNOWN


@pytest.mark.parametrize(("unknown", "outcome"), [("pass", Outcome.APPROVE), ("refer", Outcome.REFER)])
def test_an_unknown_rule_passes_or_refers_as_the_policy_says(unknown: str, outcome: Outcome) -> None:
    def change(document: dict[str, Any]) -> None:
        rule = next(r for r in document["rules"] if r["id"] == "tax_lien_on_record")
        rule["unknown"] = unknown

    policy = compile_policy(changed(change), product())
    verdict = evaluate(policy, SOUND, variables_of(SOUND), Ppm(50_000))
    assert verdict.outcome is outcome
    if outcome is Outcome.REFER:
        assert [(r.code, r.text) for r in verdict.reasons] == [("TAX_LIEN_ON_RECORD", "Tax liens are not known.")]


NEEDED = {
    "requested_amount_cents": 500_000,
    "term_months": 36,
    "income_annual_cents": 9_000_000,
    "accounts_now_delinquent": 0,
    "delinquent_amount_cents": 0,
    "delinquencies_2y": 0,
    "inquiries_6m": 0,
    "revolving_utilisation": 0.3,
}


def sound_facts() -> Facts:
    empty = {
        column: tuple(-1 if column == "codes" else None for _ in range(count))
        for column, count in zip(("cents", "integers", "reals", "codes", "days"), _widths(), strict=True)
    }
    facts = Facts(**empty)
    for name, value in NEEDED.items():
        facts = with_fact(facts, name, value)
    return facts


def _widths() -> list[int]:
    types = [a.type for a in product().case_attributes]
    return [types.count(kind) for kind in (*AttributeType,)]


SOUND = sound_facts()


def test_debt_that_is_not_told_passes_or_refers_as_the_policy_says() -> None:
    assert run(SOUND, 50_000).outcome is Outcome.APPROVE

    def change(document: dict[str, Any]) -> None:
        document["affordability"]["debt_to_income"]["unknown"] = "refer"

    policy = compile_policy(changed(change), product())
    verdict = evaluate(policy, SOUND, variables_of(SOUND), Ppm(50_000))
    assert [reason.code for reason in verdict.reasons] == ["EVIDENCE_INCOMPLETE"]


@pytest.mark.parametrize("name", ["requested_amount_cents", "term_months", "income_annual_cents"])
def test_without_what_terms_need_a_person_looks_at_it(name: str) -> None:
    verdict = run(with_fact(SOUND, name, None), 50_000)
    assert verdict.outcome is Outcome.REFER
    assert "EVIDENCE_INCOMPLETE" in {reason.code for reason in verdict.reasons}


def test_a_policy_without_debt_to_income_judges_the_instalment_alone() -> None:
    def change(document: dict[str, Any]) -> None:
        del document["affordability"]["debt_to_income"]
        del document["exits"]["debt_above_affordable"]

    policy = compile_policy(changed(change), product())
    facts = with_fact(SOUND, "debt_to_income_percent", 49.9)
    assert run(facts, 50_000).outcome is Outcome.DECLINE
    assert evaluate(policy, facts, variables_of(facts), Ppm(50_000)).outcome is Outcome.APPROVE


def test_a_limit_of_the_best_band_is_no_matter_of_the_score() -> None:
    facts = with_fact(with_fact(SOUND, "requested_amount_cents", 4_000_001), "income_annual_cents", 90_000_000)
    best, worse = run(facts, 1), run(facts, 60_000)
    assert (best.outcome, best.has_model_reasons) == (Outcome.COUNTER_OFFER, False)
    assert (worse.outcome, worse.has_model_reasons) == (Outcome.COUNTER_OFFER, True)


KNOCK_OUTS_ALL_TAPES_TELL = ("accounts_now_delinquent", "delinquent_amount_cents", "delinquencies_2y", "inquiries_6m")


@pytest.mark.parametrize("name", KNOCK_OUTS_ALL_TAPES_TELL)
def test_leaving_a_bad_fact_out_turns_no_decline_into_an_offer(name: str) -> None:
    assert run(with_fact(SOUND, name, 20_000), 50_000).outcome is Outcome.DECLINE
    assert run(with_fact(SOUND, name, None), 50_000).outcome is Outcome.REFER


MAPPINGS = [
    name
    for name in list_starters("mappings")
    if tomllib.loads(read_starter("mappings", name))["product"] == shipped().product
]


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_whatever_refers_when_it_is_unknown_is_told_by_every_shipped_tape(mapping: str) -> None:
    told = load_mapping(read_starter("mappings", mapping), product()).facts.keys()
    needed = {rule.when.attribute for rule in shipped().rules if rule.unknown == "refer" and rule.when.attribute}
    assert needed == {*KNOCK_OUTS_ALL_TAPES_TELL, "revolving_utilisation"}
    assert needed <= told


def test_a_reason_shows_the_applicants_own_value() -> None:
    facts = with_fact(with_fact(SOUND, "income_annual_cents", 700_000), "assistance_income_annual_cents", 250_050)
    verdict = run(facts, 50_000)
    income = next(reason for reason in verdict.reasons if reason.code == "INCOME_BELOW_MINIMUM")
    assert income.text == "Yearly income of USD 9,500.50 is below the minimum for this loan."


def test_a_category_is_compared_and_shown_by_its_name() -> None:
    def change(document: dict[str, Any]) -> None:
        when = {"attribute": "purpose", "compare": "in", "value": ["small_business", "house"]}
        document["rules"].append({"id": "purpose_out", "when": when, "outcome": "decline", "reason": "PURPOSE_OUT"})
        document["reasons"].append(
            {
                "code": "PURPOSE_OUT",
                "number": 299,
                "family": "purpose",
                "text": "Not for {value}.",
                "text_missing": "No.",
            }
        )

    policy = compile_policy(changed(change), product())
    code = next(a for a in product().attributes if a.name == "purpose").categories.index("small_business")
    facts = with_fact(SOUND, "purpose", code)
    verdict = evaluate(policy, facts, variables_of(facts), Ppm(50_000))
    assert [reason.text for reason in verdict.reasons] == ["Not for small business."]
    assert evaluate(policy, SOUND, variables_of(SOUND), Ppm(50_000)).outcome is Outcome.APPROVE


def test_verdicts_are_the_same_twice() -> None:
    assert msgspec.json.encode(run(SOUND, 70_000)) == msgspec.json.encode(run(SOUND, 70_000))


@given(
    st.integers(1, 4_000_000),
    st.integers(0, 200_000),
    st.sampled_from([1, 7, 2_500]),
    st.sampled_from([0, 79_900, 359_900]),
    st.sampled_from([1, 12, 60]),
)
def test_the_largest_affordable_amount_is_found_from_any_guess(
    below: int, cap: int, step: int, apr: int, term: int
) -> None:
    def price(amount: Cents) -> Cents:
        return instalment_ceil(amount, Ppm(apr), term)

    assume(price(Cents(below)) > cap)
    exact = below * cap // price(Cents(below)) // step * step
    for guess in {exact, max(exact - 3 * step, 0), min(exact + 3 * step, below // step * step)}:
        found, instalment = largest_affordable(Cents(guess), Cents(below), Cents(cap), Cents(step), price)
        assert instalment == price(found) <= cap
        assert found % step == 0
        assert found + step >= below or price(Cents(found + step)) > cap


def test_a_reason_without_a_value_needs_none_to_show() -> None:
    def change(document: dict[str, Any]) -> None:
        rule = next(r for r in document["rules"] if r["id"] == "bankruptcy_recent_or_repeated")
        reason = next(r for r in document["reasons"] if r["code"] == rule["reason"])
        del rule["shows"]
        reason["text"] = "Bankruptcies."

    policy = compile_policy(changed(change), product())
    facts = with_fact(SOUND, "bankruptcies", 2)
    assert [r.text for r in evaluate(policy, facts, variables_of(facts), Ppm(50_000)).reasons] == ["Bankruptcies."]


def test_debt_beyond_all_measure_leaves_nothing() -> None:
    verdict = run(with_fact(SOUND, "debt_to_income_percent", float("inf")), 50_000)
    assert [reason.code for reason in verdict.reasons] == ["DEBT_ABOVE_AFFORDABLE"]
