import dataclasses
import math
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.application.facts import Facts
from instant_credit.application.product import AttributeType, Better
from instant_credit.canonical import encode_canonical
from instant_credit.decision.case import Case
from instant_credit.decision.decide import decide, decide_many
from instant_credit.decision.decision import REASONS_MAX, Decision, Outcome, RuleResult, decode_decision
from instant_credit.errors import BrokenInvariant
from instant_credit.experiment.assignment import Assignment
from tests.budget import examples
from tests.decision.world import case_of, invented_cases, manifest, release
from tests.policy.documents import fact_of, product, with_fact

RANK = {Outcome.APPROVE: 0, Outcome.COUNTER_OFFER: 1, Outcome.REFER: 2, Outcome.DECLINE: 3}
IMPROVABLE = [a for a in product().case_attributes if a.better is not Better.NEITHER]
NO_FACTS = Facts(
    cents=(None,) * sum(a.type is AttributeType.CENTS for a in product().case_attributes),
    integers=(None,) * sum(a.type is AttributeType.INTEGER for a in product().case_attributes),
    reals=(None,) * sum(a.type is AttributeType.REAL for a in product().case_attributes),
    codes=(-1,) * sum(a.type is AttributeType.CATEGORY for a in product().case_attributes),
    days=(None,) * sum(a.type is AttributeType.DATE for a in product().case_attributes),
)


@given(invented_cases(is_plausible=False))
def test_every_well_formed_case_is_decided(case: Case) -> None:
    decision = decide(case, release())
    assert decode_decision(encode_canonical(decision)) == decision


def test_a_case_without_any_fact_is_referred() -> None:
    decision = decide(case_of(NO_FACTS), release())
    assert decision.outcome is Outcome.REFER
    assert decision.pd_ppm is None
    assert decision.points is None
    assert decision.contributions == ()
    codes = [reason.code for reason in decision.reasons]
    assert codes == ["ACCOUNT_PAST_DUE", "INQUIRIES_EXCESSIVE", "INCOME_BELOW_MINIMUM", "UTILISATION_BEYOND_LIMIT"]


@given(st.lists(invented_cases(), min_size=1, max_size=20))
def test_one_case_and_many_give_the_same_bytes(cases: list[Case]) -> None:
    alone = [encode_canonical(decide(case, release())) for case in cases]
    assert [encode_canonical(decision) for decision in decide_many(cases, release())] == alone


@given(invented_cases())
def test_deciding_twice_gives_the_same_bytes(case: Case) -> None:
    first = encode_canonical(decide(case, release()))
    decoded = msgspec.json.decode(encode_canonical(case), type=Case)
    assert encode_canonical(decide(decoded, release())) == first


def test_no_cases_give_no_decisions() -> None:
    assert decide_many([], release()) == []


def test_a_case_with_other_columns_by_its_layout_is_our_bug() -> None:
    case = msgspec.structs.replace(case_of(NO_FACTS), layout_hash="0" * 64)
    with pytest.raises(BrokenInvariant, match="other columns"):
        decide(case, release())


def test_a_case_of_an_earlier_version_with_the_same_columns_is_decided_alike() -> None:
    case = msgspec.structs.replace(case_of(NO_FACTS), product_hash="0" * 64)
    decision = decide(case, release())
    assert decision == decide(case_of(NO_FACTS), release())
    assert decision.product_hash == manifest().product_hash


@pytest.mark.parametrize("layout", ["", ',"layout_hash":null', ',"layout_hash":"x"'])
def test_a_case_that_does_not_say_what_its_columns_mean_is_no_case(layout: str) -> None:
    raw = '{"schema_version":1,"product_hash":"' + "0" * 64 + '","as_of":"2026-06-15","facts":{}' + layout + "}"
    with pytest.raises(msgspec.ValidationError, match="layout_hash"):
        msgspec.json.decode(raw, type=Case)


def test_a_case_with_other_columns_is_our_bug() -> None:
    with pytest.raises(BrokenInvariant):
        decide(case_of(Facts()), release())


@examples(400)
@given(invented_cases(), st.sampled_from(IMPROVABLE), st.data())
def test_a_better_fact_never_worsens_the_outcome(case: Case, attribute: Any, data: st.DataObject) -> None:
    value = fact_of(case.facts, attribute.name)
    assume(value is not None)
    assert value is not None
    # A ratio to a limit of 0 is missing, and missing is neither better nor worse.
    assume(attribute.name != "revolving_limit_cents" or value > 0)
    if attribute.type is AttributeType.REAL:
        delta: float = data.draw(st.floats(0, 50))
    else:
        delta = data.draw(st.integers(1, 5_000_000 if attribute.type is AttributeType.CENTS else 60))
    better = value + delta if attribute.better is Better.HIGHER else value - delta
    if attribute.type is not AttributeType.DATE:
        better = min(max(better, attribute.minimum), attribute.maximum)
        better = better if attribute.type is AttributeType.REAL else int(better)
    before = decide(case, release())
    after = decide(case_of(with_fact(case.facts, attribute.name, better)), release())
    assert RANK[after.outcome] <= RANK[before.outcome]
    if before.pd_ppm is not None:
        assert after.pd_ppm is not None
        assert after.pd_ppm <= before.pd_ppm
    if attribute.name != product().roles.amount and before.terms is not None and after.terms is not None:
        assert after.terms.amount_cents >= before.terms.amount_cents
        assert after.terms.apr_ppm <= before.terms.apr_ppm


@examples(300)
@given(invented_cases())
def test_reasons_are_one_to_four_specific_and_really_adverse(case: Case) -> None:
    decision = decide(case, release())
    reasons = decision.reasons
    if decision.outcome is Outcome.APPROVE:
        assert not reasons
        return
    assert 1 <= len(reasons) <= REASONS_MAX
    assert len({reason.family for reason in reasons}) == len(reasons)
    assert all("{" not in reason.text and "score" not in reason.text.lower() for reason in reasons)
    for reason in reasons:
        position = MODEL_CODES.get(reason.code)
        if position is None:
            assert reason.code in binding_codes(decision)
        else:
            assert is_moved_by_score(decision)
            assert decision.contributions[position] > release().reference[position]


MODEL_CODES = {v.reason: position for position, v in enumerate(product().model_variables)}
DECISIVE = {Outcome.DECLINE: "pd_in_decline_range", Outcome.REFER: "pd_in_referral_range"}


def results_of(decision: Decision) -> dict[str, RuleResult]:
    return {entry.rule: entry.result for entry in decision.trace}


def binding_codes(decision: Decision) -> set[str]:
    """Codes of the rules and exits that by themselves bring about this outcome."""
    policy, results = release().policy.policy, results_of(decision)
    codes = {
        rule.reason
        for rule in policy.rules
        if (results[rule.id] is RuleResult.HIT and rule.outcome == decision.outcome)
        or (results[rule.id] is RuleResult.UNKNOWN and rule.unknown == "refer" and decision.outcome is Outcome.REFER)
    }
    exits = {
        Outcome.DECLINE: ("instalment_above_affordable", "debt_above_affordable"),
        Outcome.REFER: ("score_unavailable", "evidence_missing"),
        Outcome.COUNTER_OFFER: tuple(results.keys() & set(policy.exits.__struct_fields__)),
    }[decision.outcome]
    codes |= {getattr(policy.exits, name) for name in exits if results[name] is RuleResult.HIT}
    if (
        decision.outcome is Outcome.REFER
        and results["pd_in_referral_range"] is RuleResult.HIT
        and not worse_families(decision)
    ):
        codes.add(policy.exits.referred_by_score)
    return codes


def is_moved_by_score(decision: Decision) -> bool:
    """Whether the score had a part in the outcome or the terms."""
    results = results_of(decision)
    if decision.outcome is Outcome.COUNTER_OFFER:
        return RuleResult.HIT in (results["amount_above_limit"], results["term_above_limit"])
    return results[DECISIVE[decision.outcome]] is RuleResult.HIT


def worse_families(decision: Decision) -> set[str]:
    """Families in which the applicant is worse than the reference population on the whole."""
    sums: dict[str, float] = {}
    for variable, own, mean in zip(product().model_variables, decision.contributions, release().reference, strict=True):
        sums[variable.family] = sums.get(variable.family, 0.0) + (own - mean)
    return {family for family, total in sums.items() if total > 0.0}


def test_codes_of_the_model_and_of_the_policy_are_told_apart() -> None:
    policy = {reason.code for reason in release().policy.policy.reasons}
    assert not policy & MODEL_CODES.keys()


@examples(300)
@given(invented_cases())
def test_a_decline_by_score_names_every_family_that_is_worse_until_there_are_four(case: Case) -> None:
    decision = decide(case, release())
    if decision.outcome is Outcome.DECLINE and is_moved_by_score(decision):
        families = {reason.family for reason in decision.reasons}
        worse = worse_families(decision)
        assert worse
        assert len(decision.reasons) == REASONS_MAX or worse <= families
        spoken = {reason.family for reason in decision.reasons if reason.code not in MODEL_CODES}
        assert len(decision.reasons) == min(REASONS_MAX, len(worse | spoken))


@examples(500)
@given(invented_cases(), st.fractions(0, 1), st.data())
def test_paying_revolving_debt_down_at_a_fixed_limit_never_worsens_the_answer(
    case: Case, kept: Fraction, data: st.DataObject
) -> None:
    """Balance, utilisation and the use of all limits fall together, as they do when a card is paid off."""
    limit = data.draw(st.integers(100, 5_000_000))
    balance = data.draw(st.integers(0, 2 * limit))
    other_balance, other_limit = data.draw(st.integers(0, 3_000_000)), data.draw(st.integers(1, 5_000_000))

    def owing(cents: int) -> Case:
        facts = with_fact(case.facts, "revolving_limit_cents", limit)
        facts = with_fact(facts, "revolving_balance_cents", cents)
        facts = with_fact(facts, "revolving_utilisation", cents / limit)
        return case_of(with_fact(facts, "all_utilisation", (cents + other_balance) / (limit + other_limit)))

    before, after = decide(owing(balance), release()), decide(owing(int(balance * kept)), release())
    assert RANK[after.outcome] <= RANK[before.outcome]
    if before.pd_ppm is not None:
        assert after.pd_ppm is not None
        assert after.pd_ppm <= before.pd_ppm
    if before.terms is not None:
        assert after.terms is not None
        assert after.terms.amount_cents >= before.terms.amount_cents
        assert after.terms.apr_ppm <= before.terms.apr_ppm


@given(invented_cases())
def test_contributions_add_up_to_the_margin(case: Case) -> None:
    decision = decide(case, release())
    if decision.pd_ppm is None:
        return
    assert decision.expected_log_odds is not None
    raw = decision.expected_log_odds + math.fsum(decision.contributions)
    calibration = release().calibration
    pd = 1 / (1 + math.exp(-(calibration.intercept + calibration.slope * raw)))
    assert decision.pd_ppm == pytest.approx(pd * 1e6, abs=0.6)


@given(invented_cases())
def test_knock_outs_lead_the_reasons_in_the_policys_order(case: Case) -> None:
    decision = decide(case, release())
    policy = release().policy.policy
    order = {reason: position for position, reason in enumerate(dict.fromkeys(rule.reason for rule in policy.rules))}
    codes = [reason.code for reason in decision.reasons]
    leading = [code for code in codes if code in order]
    assert codes[: len(leading)] == leading
    assert leading == sorted(leading, key=order.__getitem__)


@given(invented_cases())
def test_a_decision_says_nothing_about_clock_or_ids(case: Case) -> None:
    fields = msgspec.json.decode(encode_canonical(decide(replace(case, assignment=Assignment()), release())))
    assert set(fields) == set(Decision.__struct_fields__)
    assert not {name for name in fields if name.endswith(("_id", "_at", "_ns"))}


def test_a_policy_may_score_on_whatever_is_known() -> None:
    policy = release().policy
    eager = dataclasses.replace(policy, policy=msgspec.structs.replace(policy.policy, model_variables_known_min=0))
    decision = decide(case_of(NO_FACTS), dataclasses.replace(release(), policy=eager))
    assert decision.pd_ppm is not None
