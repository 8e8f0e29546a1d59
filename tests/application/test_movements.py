"""What is said of a variable before any application is seen holds for every application."""

import math
from typing import Any

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from instant_credit.application.door import Door
from instant_credit.application.facts import Facts
from instant_credit.application.movements import trace_movements
from instant_credit.application.product import Product
from instant_credit.features.build import build_features
from instant_credit.features.pack import pack_facts
from instant_credit.features.program import compile_features
from instant_credit.units import days_from_date
from tests.application.loans import personal_loan
from tests.budget import examples
from tests.features.programs import AS_OF_DAY, EXACT, natural_facts, products

EVERY = (*EXACT, "instalment")
SLACK = 1e-9


def computed(product: Product, natural: dict[str, Any]) -> dict[str, float]:
    facts = Door(product).check_facts(natural, AS_OF_DAY)
    assert isinstance(facts, Facts)
    program = compile_features(product)
    as_of = np.array([days_from_date(AS_OF_DAY)], dtype=np.int32)
    values = build_features(program, pack_facts(program, [facts], as_of)).values[0]
    return dict(zip(program.variables, values.tolist(), strict=True))


@examples(200)
@given(products(EVERY), natural_facts())
def test_every_value_lies_within_its_bounds(product: Product, natural: dict[str, Any]) -> None:
    movements = trace_movements(product)
    values = computed(product, natural)
    for variable in product.variables:
        value, movement = values[variable.name], movements[variable.name]
        if variable.op != "category" and math.isfinite(value):
            slack = SLACK * (1 + abs(value))
            assert movement.lowest - slack <= value <= movement.highest + slack, variable


@examples(300)
@given(products(EVERY), natural_facts(), natural_facts(), st.data())
def test_every_variable_moves_as_its_signs_say(
    product: Product, natural: dict[str, Any], other: dict[str, Any], data: st.DataObject
) -> None:
    movable = [name for name in natural if name not in ("home", "use") and None not in (natural[name], other[name])]
    name = data.draw(st.sampled_from(movable))
    assume(natural[name] != other[name])
    low, high = sorted([natural[name], other[name]])
    before, after = computed(product, {**natural, name: low}), computed(product, {**natural, name: high})
    assume(all(not math.isinf(value) for value in (*before.values(), *after.values())))
    for variable, movement in trace_movements(product).items():
        sign = movement.signs.get(name)
        was, now = before[variable], after[variable]
        if sign is None:
            assert was == now or (math.isnan(was) and math.isnan(now))
        elif sign:
            assert math.isnan(was) == math.isnan(now)
            slack = SLACK * (1 + abs(was) + abs(now))
            assert math.isnan(was) or sign * (now - was) >= -slack


def test_composed_ratios_of_the_shipped_loan_move_the_way_lenders_mean() -> None:
    movements = trace_movements(personal_loan())
    assert movements["payment_to_income"].signs == {
        "requested_amount_cents": 1,
        "term_months": -1,
        "income_annual_cents": -1,
        "assistance_income_annual_cents": -1,
    }
    assert movements["file_age_months"].signs == {"earliest_credit_on": -1}
    assert (movements["file_age_months"].lowest, movements["file_age_months"].highest) == (0, 1200)
