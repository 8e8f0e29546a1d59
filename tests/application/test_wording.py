"""Numbers as people read them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.application.product import Variable
from instant_credit.application.wording import category_text, format_value, reason_text
from instant_credit.errors import BrokenInvariant
from tests.application.loans import personal_loan

VARIABLES = {variable.name: variable for variable in personal_loan().variables}
ATTRIBUTES = {attribute.name: attribute for attribute in personal_loan().attributes}


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("cents", 123450.0, "USD 1,234.50"),
        ("cents", -5.4, "USD -0.05"),
        ("ratio", 0.3456, "34.6%"),
        ("ratio", 12.0, "1,200.0%"),
        ("percent", 34.56, "34.6%"),
        ("months", 0.0, "0 months"),
        ("months", 1.0, "1 month"),
        ("months", 23.0, "23 months"),
        ("months", 24.0, "2 years"),
        ("months", 25.0, "2 years and 1 month"),
        ("months", 38.0, "3 years and 2 months"),
        ("months", -36.0, "minus 3 years"),
        ("years", 1.0, "1 year"),
        ("years", 10.0, "10 years"),
        ("flag", 1.0, "yes"),
        ("flag", 0.0, "no"),
        ("count", 3.0, "3"),
        ("count", 1200.0, "1,200"),
        ("number", 0.125, "0.12"),
        ("number", -0.001, "0"),
        ("number", 10.0, "10"),
        ("cents", math.nan, "not known"),
    ],
)
def test_values_are_said_in_their_unit(unit: str, value: float, text: str) -> None:
    assert format_value(unit, value, "USD") == text


@given(
    st.sampled_from(["cents", "ratio", "percent", "months", "years", "count", "flag", "number"]), st.floats(-1e15, 1e15)
)
def test_every_value_has_a_text(unit: str, value: float) -> None:
    assert format_value(unit, value, "USD")


def test_categories_are_said_without_underscores() -> None:
    assert category_text(ATTRIBUTES["purpose"], 0) == "debt consolidation"
    assert category_text(ATTRIBUTES["purpose"], -1) == "not known"


@pytest.mark.parametrize("code", [-2, len(ATTRIBUTES["purpose"].categories)])
def test_codes_outside_the_categories_are_a_bug(code: int) -> None:
    with pytest.raises(BrokenInvariant):
        category_text(ATTRIBUTES["purpose"], code)


def test_reasons_show_the_applicants_own_value() -> None:
    product = personal_loan()
    assert reason_text(product, VARIABLES["payment_to_income"], 0.41) == "The instalment would take 41.0% of income."
    assert reason_text(product, VARIABLES["loan_purpose"], 0.0) == "The purpose of the loan (debt consolidation)."


def test_reasons_for_missing_values_say_so() -> None:
    product = personal_loan()
    assert reason_text(product, VARIABLES["loan_purpose"], -1.0) == "The purpose of the loan was not told."
    assert reason_text(product, VARIABLES["revolving_use"], math.nan) == "The use of revolving credit is not known."


@pytest.mark.parametrize("field", ["text", "text_missing"])
def test_a_variable_without_texts_gives_no_reason(field: str) -> None:
    variable: Variable = replace(VARIABLES["revolving_use"], **{field: None})
    with pytest.raises(BrokenInvariant, match="no reason text"):
        reason_text(personal_loan(), variable, 1.0)


@pytest.mark.parametrize("variable", personal_loan().model_variables, ids=lambda v: v.name)
def test_every_model_variable_has_a_reason_of_one_sentence(variable: Variable) -> None:
    value = 0.0 if variable.op == "category" else 1.0
    for told in (value, -1.0 if variable.op == "category" else math.nan):
        text = reason_text(personal_loan(), variable, told)
        assert text.endswith(".")
        assert "{" not in text
