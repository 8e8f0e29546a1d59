from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.application.facts import Facts
from instant_credit.policy.conditions import Resolver
from instant_credit.policy.document import Comparison, Condition
from instant_credit.policy.operands import Catalogue, Operand
from instant_credit.policy.program import compile_condition, compile_read, operand_of
from instant_credit.policy.regions import Box, Interval, TooComplex, boxes_of, is_covered
from tests.policy.documents import catalogue, invented_facts, variables_of

NUMBERS = [c for c in Comparison if c is not Comparison.IN]
WHOLE = ["bankruptcies", "inquiries_6m", "delinquencies_2y"]


def comparisons() -> st.SearchStrategy[Condition]:
    whole = st.builds(
        Condition, attribute=st.sampled_from(WHOLE), compare=st.sampled_from(NUMBERS), value=st.integers(-1, 8)
    )
    real = st.builds(
        Condition,
        attribute=st.just("revolving_utilisation"),
        compare=st.sampled_from(NUMBERS[:4]),
        value=st.sampled_from([-1.0, 0.0, 0.5, 1.0, 200.0]),
    )
    span = st.builds(
        Condition,
        variable=st.just("file_age_months"),
        compare=st.sampled_from(NUMBERS[:4]),
        value=st.sampled_from([0, 12, 120]),
    )
    total = st.builds(
        Condition,
        total=st.just(("income_annual_cents", "assistance_income_annual_cents")),
        compare=st.sampled_from(NUMBERS[:4]),
        value=st.sampled_from([-1, 0, 5_000_000]),
    )
    category = st.builds(
        Condition,
        attribute=st.just("home_ownership"),
        compare=st.just(Comparison.IN),
        value=st.lists(st.sampled_from(["rent", "mortgage", "own", "other"]), min_size=1, unique=True).map(tuple),
    )
    return st.one_of(whole, real, span, total, category)


def conditions() -> st.SearchStrategy[Condition]:
    return st.recursive(
        comparisons(),
        lambda inner: st.one_of(
            st.builds(Condition, all=st.lists(inner, min_size=1, max_size=3).map(tuple)),
            st.builds(Condition, any=st.lists(inner, min_size=1, max_size=3).map(tuple)),
            st.builds(Condition, not_=inner),
        ),
        max_leaves=5,
    )


@given(conditions(), invented_facts())
def test_a_condition_holds_exactly_inside_its_boxes(condition: Condition, facts: Facts) -> None:
    variables = variables_of(facts)
    truth = compile_condition(condition, catalogue())(facts, variables)
    resolve = Resolver(catalogue())
    if truth is not None:
        assert lies_in(boxes_of(condition, resolve), facts, variables) or not truth
        assert lies_in(boxes_of(condition, resolve, is_negated=True), facts, variables) or truth
    if lies_in(boxes_of(condition, resolve), facts, variables):
        assert truth is True


@given(conditions(), conditions(), invented_facts())
def test_where_a_covered_condition_holds_the_other_one_does(inner: Condition, outer: Condition, facts: Facts) -> None:
    resolve = Resolver(catalogue())
    variables = variables_of(facts)
    if is_covered(boxes_of(inner, resolve), boxes_of(outer, resolve)) and compile_condition(inner, catalogue())(
        facts, variables
    ):
        assert compile_condition(outer, catalogue())(facts, variables) is True


def lies_in(boxes: list[Box], facts: Facts, variables: list[float]) -> bool:
    return any(all(_inside(names, extent, facts, variables) for names, extent in box.items()) for box in boxes)


def _inside(names: tuple[str, ...], extent: Any, facts: Facts, variables: list[float]) -> bool:
    value = compile_read(_operand(names, catalogue()))(facts, variables)
    if value is None:
        return False
    return extent.covers(Interval(value, value)) if isinstance(extent, Interval) else value in extent


def _operand(names: tuple[str, ...], known: Catalogue) -> Operand:
    if len(names) > 1:
        return known.total_operand(names)
    kind = "variable" if names[0] in known.variables else "attribute"
    return operand_of(Condition(**{kind: names[0]}, compare=Comparison.IS, value=0), known)


@given(*(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans(), st.booleans()) for _ in range(2)))
def test_meeting_intervals_keeps_what_lies_in_both(left: Any, right: Any) -> None:
    one, other = Interval(*left), Interval(*right)
    met = one.meet(other)
    for value in (0, 0.5, 1, 1.5, 2, 2.5, 3):
        assert _has(met, value) == (_has(one, value) and _has(other, value))


def _has(interval: Interval, value: float) -> bool:
    above = value > interval.low or (value == interval.low and not interval.is_low_open)
    return above and (value < interval.high or (value == interval.high and not interval.is_high_open))


def test_a_condition_of_too_many_boxes_is_told_so() -> None:
    def either(name: str) -> Condition:
        parts = [Condition(attribute=name, compare=Comparison.IS, value=value) for value in (1, 3, 5, 7)]
        return Condition(any=tuple(parts))

    names = [*WHOLE, "tax_liens", "open_accounts"]
    with pytest.raises(TooComplex):
        boxes_of(Condition(all=tuple(either(name) for name in names)), Resolver(catalogue()))
