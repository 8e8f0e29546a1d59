"""Guards: how often a person applied before."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.errors import Refused
from instant_credit.policy.checks import check_policy, find_problems
from instant_credit.policy.document import decode_policy, encode_policy
from instant_credit.policy.evaluate import evaluate
from instant_credit.policy.guards import PRIORS_MAX, Counted, Guard, History, Prior, count_priors
from instant_credit.policy.program import compile_policy
from instant_credit.policy.verdict import Outcome, RuleResult
from instant_credit.units import Ppm
from tests.policy.documents import changed, product, shipped, variables_of
from tests.policy.test_evaluate import SOUND

REASON = {
    "code": "APPLICATIONS_REPEATED",
    "number": 9001,
    "family": "history",
    "text": "There were {value} applications before.",
}
GUARD = {
    "id": "velocity",
    "counts": "applications",
    "within_days": 30,
    "at_least": 2,
    "outcome": "decline",
    "reason": "APPLICATIONS_REPEATED",
}
priors = st.builds(Prior, days_before=st.integers(0, 400), outcome=st.sampled_from(Outcome), is_accepted=st.booleans())
histories = st.builds(History, priors=st.lists(priors, max_size=12).map(tuple))
guards = st.builds(
    Guard,
    id=st.just("velocity"),
    counts=st.sampled_from(Counted),
    within_days=st.integers(0, 366),
    at_least=st.integers(1, 5),
    outcome=st.sampled_from(["decline", "refer"]),
    reason=st.just("APPLICATIONS_REPEATED"),
)


def guarded(*changes: dict[str, Any]) -> Any:
    def change(document: dict[str, Any]) -> None:
        document["reasons"].append(REASON)
        document["guards"] = [GUARD | one for one in changes]

    return changed(change)


def judge(policy: Any, history: History | None) -> Any:
    return evaluate(compile_policy(policy, product()), SOUND, variables_of(SOUND), Ppm(20_000), history)


def history_of(*days: int, outcome: Outcome = Outcome.DECLINE, is_accepted: bool = False) -> History:
    return History(priors=tuple(Prior(days_before=one, outcome=outcome, is_accepted=is_accepted) for one in days))


@given(guards, histories)
def test_a_guard_counts_what_it_says_within_its_window(guard: Guard, history: History) -> None:
    counted = 0
    for prior in history.priors:
        if prior.days_before > guard.within_days:
            continue
        if guard.counts == "applications":
            counted += 1
        elif guard.counts == "approvals":
            counted += prior.outcome in {"approve", "counter_offer"}
        else:
            counted += prior.is_accepted
    found = count_priors(guard, history)
    assert (found.count, found.is_hit) == (counted, counted >= guard.at_least)
    assert count_priors(guard, None).is_hit is None


@given(guards, histories, priors)
def test_one_more_application_never_takes_a_hit_back(guard: Guard, history: History, prior: Prior) -> None:
    more = History(priors=(prior, *history.priors))
    assert count_priors(guard, more).is_hit >= count_priors(guard, history).is_hit  # type: ignore[operator] # both are known


@pytest.mark.parametrize(
    ("days", "result"), [((), "clear"), ((3,), "clear"), ((3, 31), "clear"), ((3, 30), "hit"), ((0, 0, 0), "hit")]
)
def test_a_guard_hits_from_its_count_on_within_its_days(days: tuple[int, ...], result: str) -> None:
    verdict = judge(guarded({}), history_of(*days))
    (said,) = [one.result for one in verdict.trace if one.rule == "velocity"]
    assert said == RuleResult(result)
    codes = [reason.code for reason in verdict.reasons]
    assert ("APPLICATIONS_REPEATED" in codes) == (result == "hit")
    if result == "hit":
        assert verdict.outcome is Outcome.DECLINE
        texts = {reason.text for reason in verdict.reasons}
        assert f"There were {len(days)} applications before." in texts


def test_without_a_history_a_guard_is_unknown_and_passes() -> None:
    plain, verdict = judge(shipped(), None), judge(guarded({}), None)
    assert [one.result for one in verdict.trace if one.rule == "velocity"] == [RuleResult.UNKNOWN]
    assert (verdict.outcome, verdict.terms, verdict.reasons) == (plain.outcome, plain.terms, plain.reasons)


def test_a_stacked_loan_refers_and_a_decline_outweighs_it() -> None:
    stacked = {"id": "stacking", "counts": "acceptances", "at_least": 1, "outcome": "refer"}
    history = history_of(1, outcome=Outcome.APPROVE, is_accepted=True)
    assert judge(guarded(stacked), history).outcome in {Outcome.REFER, Outcome.DECLINE}
    assert judge(guarded(stacked, {"at_least": 1}), history).outcome is Outcome.DECLINE


def test_a_policy_without_guards_keeps_its_bytes_and_one_with_them_survives_its_form() -> None:
    assert b"guards" not in encode_policy(shipped())
    policy = guarded({}, {"id": "other"})
    assert decode_policy(encode_policy(policy)) == policy
    assert find_problems(policy, product()) == []
    assert compile_policy(policy, product()).history_days == 30
    assert compile_policy(shipped(), product()).history_days is None


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"reason": "NOWHERE"}, "guard velocity: reason NOWHERE is not among the reasons"),
        ({"id": "score_unavailable"}, "guard score_unavailable: the id is that of a rule or an exit"),
    ],
)
def test_a_guard_without_a_name_or_a_reason_of_its_own_is_refused(change: dict[str, Any], match: str) -> None:
    with pytest.raises(Refused, match=match):
        check_policy(guarded(change), product())
    assert "guard velocity: the id is used twice" in find_problems(guarded({}, {}), product())


@pytest.mark.parametrize(
    "change", [{"at_least": 0}, {"at_least": PRIORS_MAX + 1}, {"within_days": 367}, {"counts": "x"}]
)
def test_what_a_guard_can_not_count_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="guards"):
        guarded(change)
