import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.decision.reasons import merge_reasons, variable_reason
from instant_credit.errors import BrokenInvariant
from instant_credit.policy.verdict import Outcome, Reason, Verdict
from instant_credit.score.reasons import rank_adverse
from tests.decision.world import release
from tests.policy.documents import product

VARIABLES = product().model_variables
SEEN = [-1.0 if v.op == "category" else float("nan") for v in VARIABLES]
FALLBACK = Reason(number=9, code="REVIEW", family="review", text="A person looks at it.")


def verdict_of(*families: str, has_model_reasons: bool = True) -> Verdict:
    reasons = tuple(
        Reason(number=300 + n, code=f"RULE_{n}", family=family, text="Because.") for n, family in enumerate(families)
    )
    return Verdict(
        outcome=Outcome.REFER,
        terms=None,
        reasons=reasons,
        has_model_reasons=has_model_reasons,
        fallback=FALLBACK,
        trace=(),
    )


def shifted(by: float) -> list[float]:
    return [mean + by for mean in release().reference]


def codes_of(verdict: Verdict, contributions: list[float]) -> list[str]:
    adverse = rank_adverse(contributions, release().reference, release().families)
    return [reason.code for reason in merge_reasons(verdict, SEEN, adverse, release())]


def test_nothing_adverse_leaves_the_fallback() -> None:
    assert codes_of(verdict_of(), shifted(-1.0)) == ["REVIEW"]


def test_rules_come_first_and_the_model_fills_up_to_four() -> None:
    codes = codes_of(verdict_of("income", "history"), shifted(1.0))
    assert codes[:2] == ["RULE_0", "RULE_1"]
    assert len(codes) == 4
    assert not {"INCOME_LOW", "CREDIT_HISTORY_SHORT"} & set(codes)


def test_a_family_speaks_once() -> None:
    assert codes_of(verdict_of("income", "income", has_model_reasons=False), shifted(1.0)) == ["RULE_0"]


def test_no_more_than_four_reasons_are_given() -> None:
    assert len(codes_of(verdict_of("one", "two", "three", "four", "five"), shifted(1.0))) == 4


@given(st.lists(st.floats(-1, 1), min_size=len(VARIABLES), max_size=len(VARIABLES)), st.data())
def test_four_of_the_model_fill_up_what_the_policy_leaves(contributions: list[float], data: st.DataObject) -> None:
    """As if every adverse family had been asked for."""
    families = sorted(set(release().families))
    verdict = verdict_of(*data.draw(st.lists(st.sampled_from([*families, "other"]), unique=True, max_size=4)))
    every = rank_adverse(contributions, release().reference, release().families, len(families))
    told = [reason.code for reason in merge_reasons(verdict, SEEN, every, release())]
    assert codes_of(verdict, contributions) == told


def test_without_a_score_in_play_the_model_says_nothing() -> None:
    assert codes_of(verdict_of("one", has_model_reasons=False), shifted(1.0)) == ["RULE_0"]


@pytest.mark.parametrize("field", ["reason", "reason_number"])
def test_a_variable_without_its_reason_is_our_bug(field: str) -> None:
    with pytest.raises(BrokenInvariant, match="has a reason with its number"):
        variable_reason(product(), replace(VARIABLES[0], **{field: None}), 1.0)


@pytest.mark.parametrize("value", [0.0, -1.0, 1.0, 1e15, 1e300, float("inf"), float("-inf"), float("nan")])
def test_every_value_of_every_variable_can_be_said(value: float) -> None:
    for variable in VARIABLES:
        if variable.op != "category":
            reason = variable_reason(product(), variable, value)
            assert reason.text
            assert "{" not in reason.text
