"""Who the score alone declines is offered what the programme of its Case allows, and replay gives the same bytes."""

from random import Random

from hypothesis import event, given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from instant_credit.application.door import Door
from instant_credit.application.facts import Facts
from instant_credit.canonical import encode_canonical
from instant_credit.decision.case import Case, decode_case
from instant_credit.decision.decide import decide, decide_many
from instant_credit.decision.decision import REASONS_MAX, Outcome, Reason, RuleResult
from instant_credit.decision.exploring import explore, find_chance, tell_exploration
from instant_credit.experiment.assignment import Assignment, Explored
from instant_credit.experiment.caps import ClosedCap
from instant_credit.policy.evaluate import evaluate
from instant_credit.policy.verdict import Verdict
from instant_credit.units import PPM, Ppm
from tests.budget import examples
from tests.decision.world import case_of, invented_cases, release
from tests.lending import invent_values
from tests.policy.documents import AS_OF, compiled, invented_facts, product, shipped, variables_of

OFFERS = (Outcome.APPROVE, Outcome.COUNTER_OFFER)
DRAWN = Explored(
    programme="0" * 64, propensity_ppm=30_000, is_drawn=True, pd_floor_ppm=450_000, amount_cents_max=500_000
)
WIDE = replace(DRAWN, pd_floor_ppm=1_000_000)
FULL = Reason(number=901, code="PORTFOLIO_CAP_REACHED", family="portfolio", text="No more money is lent today")
amounts = st.sampled_from([50_000, 132_500, 500_001, 10_000_000])
pds = st.one_of(st.none(), st.integers(290_000, 449_999), st.sampled_from([1, 289_999, 290_000, 449_999, 450_000]))


def within(case: Case, explored: Explored) -> Case:
    return replace(case, assignment=Assignment(exploration=explored))


@examples(60)
@given(invented_facts(), pds, amounts, st.booleans())
def test_only_who_the_score_alone_declines_in_the_zone_is_touched(
    facts: Facts, pd: int | None, amount_max: int, is_drawn: bool
) -> None:
    variables, pd_ppm = variables_of(facts), None if pd is None else Ppm(pd)
    verdict = evaluate(compiled(), facts, variables, pd_ppm)
    explored = replace(DRAWN, amount_cents_max=amount_max, is_drawn=is_drawn)
    told = explore(verdict, within(case_of(facts), explored), compiled(), variables, pd_ppm)
    last = evaluate(compiled(), facts, variables, Ppm(shipped().cut_offs.approve_below_ppm - 1))
    is_explorable = verdict.outcome is Outcome.DECLINE and pd is not None and 290_000 <= pd < 450_000
    if not is_explorable or last.terms is None or told is verdict:
        assert told is verdict
        return
    event(told.outcome)
    assert told.trace[:-1] == verdict.trace
    assert told.trace[-1].result is (RuleResult.HIT if is_drawn else RuleResult.CLEAR)
    if not is_drawn:
        assert replace(told, trace=verdict.trace) == verdict
        return
    assert told.outcome in OFFERS
    assert told.terms is not None
    assert told.terms.amount_cents <= min(amount_max, last.terms.amount_cents)
    is_less = last.outcome is Outcome.COUNTER_OFFER or told.terms != last.terms
    assert (told.outcome is Outcome.COUNTER_OFFER, bool(told.reasons)) == (is_less, is_less)


def judge_ordinary(pd: int, **facts: int) -> Verdict:
    """What a programme that drew makes of the policy's verdict on an ordinary applicant who differs in a few facts."""
    values: dict[str, object] = {**shipped().examples[0].facts, "earliest_credit_on": None, **facts}
    told = Door(product()).check_facts(values, AS_OF)
    assert isinstance(told, Facts)
    verdict = evaluate(compiled(), told, variables_of(told), Ppm(pd))
    return explore(verdict, within(case_of(told), DRAWN), compiled(), variables_of(told), Ppm(pd))


def test_who_asked_for_no_more_is_approved_and_who_did_is_offered_the_programmes_most() -> None:
    small = judge_ordinary(300_000, requested_amount_cents=400_000)
    assert (small.outcome, small.reasons) == (Outcome.APPROVE, ())
    large = judge_ordinary(300_000, requested_amount_cents=600_000)
    assert large.terms is not None
    assert (large.outcome, large.terms.amount_cents) == (Outcome.COUNTER_OFFER, 500_000)
    assert any("6,000.00" in reason.text for reason in large.reasons)


def test_what_else_speaks_against_somebody_is_not_overruled() -> None:
    assert judge_ordinary(300_000, accounts_now_delinquent=3).outcome is Outcome.DECLINE


@examples(40)
@given(st.lists(st.tuples(invented_cases(), st.booleans()), min_size=1, max_size=12))
def test_one_case_and_many_give_the_same_bytes_and_a_draw_spares_the_rest(drawn: list[tuple[Case, bool]]) -> None:
    cases = [within(case, replace(WIDE, is_drawn=is_drawn)) for case, is_drawn in drawn]
    alone = [decide(decode_case(encode_canonical(case)), release()) for case in cases]
    assert decide_many(cases, release()) == alone
    for case, decision in zip(cases, alone, strict=True):
        plain = decide(replace(case, assignment=UNSET), release())
        assert case.assignment == decision.assignment
        assert (decision.pd_ppm, decision.contributions) == (plain.pd_ppm, plain.contributions)
        result = tell_exploration(decision)
        event(str(result))
        if result is RuleResult.HIT:
            assert (plain.outcome, decision.outcome in OFFERS) == (Outcome.DECLINE, True)
            assert len(decision.reasons) <= REASONS_MAX
        else:
            assert (decision.outcome, decision.terms, decision.reasons) == (plain.outcome, plain.terms, plain.reasons)
        assert find_chance(decision) == {None: PPM, RuleResult.HIT: 30_000, RuleResult.CLEAR: 970_000}[result]


def test_an_explored_offer_that_a_portfolio_cap_has_no_room_for_is_referred() -> None:
    case = next(one for one in draw_cases() if tell_exploration(decide(one, release())) is RuleResult.HIT)
    capped = decide(replace(case, closed_caps=(ClosedCap(name="whole_book", reason=FULL),)), release())
    assert (capped.outcome, capped.terms, capped.trace[-1].rule) == (Outcome.REFER, None, "cap:whole_book")
    assert tell_exploration(capped) is RuleResult.HIT


def draw_cases() -> list[Case]:
    """Cases of invented applicants whom a programme with a high floor drew."""
    door = Door(product())
    bodies = [invent_values(product(), Random(seed), AS_OF) for seed in range(200)]
    told = [door.check_facts(values, AS_OF) for values in bodies]
    return [within(case_of(facts), WIDE) for facts in told if isinstance(facts, Facts)]
