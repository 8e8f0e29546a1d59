"""A product document is read whole, refused whole, and named by its content."""

import re
import tomllib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from pyarrow import parquet

from instant_credit.application.checks import find_faults
from instant_credit.application.document import (
    DOCUMENT_CHARACTERS_MAX,
    decode_product,
    encode_product,
    hash_layout,
    hash_product,
    load_product,
)
from instant_credit.application.names import find_denied_names
from instant_credit.application.product import Attribute, AttributeType, Legal, Product
from instant_credit.application.wording import reason_text
from instant_credit.errors import Refused
from tests.application.loans import SHIPPED, personal_loan
from tests.tapes import require_tape

Document = dict[str, Any]


def plain() -> Document:
    """The smallest loan that passes every check, with one attribute and variable of each kind."""
    return {
        "name": "plain_loan",
        "title": "Plain loan",
        "currency": "EUR",
        "roles": {"amount": "amount_cents", "term": "term_months", "income_annual": "income_cents"},
        "attributes": [
            attribute("amount_cents", "cents", 100, 1e6, missing="refuse", better="lower", actionable=True),
            attribute("term_months", "integer", 1, 60, missing="refuse"),
            attribute("income_cents", "cents", 0, 1e9, missing="refuse", better="higher", actionable=True),
            attribute("pension_cents", "cents", 0, 1e9, missing="zero", legal="assistance_income"),
            attribute("born", "date", 18, 120, legal="age"),
            attribute("use", "real", 0, 10, unit="ratio", better="lower"),
            {**attribute("home", "category"), "categories": ["rent", "own"]},
            {**attribute("sex", "category"), "categories": ["female", "male"], "legal": "prohibited"},
        ],
        "variables": [
            variable("income_all", "total", ["income_cents", "pension_cents"], unit="cents", in_model=False),
            variable("income_safe", "clip", ["income_all"], parameters=[100.0, 2e9], unit="cents", in_model=False),
            variable("loan_to_income", "ratio", ["amount_cents", "income_safe"], number=1, direction="increasing"),
            variable("age_months", "span_months", ["born", "as_of"], number=2, direction="decreasing"),
            variable("home_kind", "category", ["home"], number=3, unit="category"),
            variable("use_high", "indicator", ["use"], parameters=[0.5], number=4, direction="increasing"),
            variable("rents", "indicator", ["home"], category="rent", number=5),
        ],
    }


def attribute(name: str, kind: str, low: float | None = None, high: float | None = None, **more: Any) -> Document:
    bounds = {} if low is None or high is None else {"minimum": float(low), "maximum": float(high)}
    return {"name": name, "type": kind, "legal": "free", "description": "A fact.", **bounds, **more}


def variable(name: str, op: str, of: list[str], number: int = 0, **more: Any) -> Document:
    reason = {"reason": f"REASON_{number}", "reason_number": number, "text": "It is {value}.", "text_missing": "No."}
    return {"name": name, "op": op, "of": of, "why": "Lenders know.", **(reason if number else {}), **more}


def faults_of(document: Document) -> list[str]:
    return find_faults(msgspec.convert(document, Product))


def change(section: str, name: str, /, **fields: Any) -> Callable[[Document], None]:
    """A change of the element `name` of `section`; None takes a field away."""

    def spoil(document: Document) -> None:
        element = next(one for one in document[section] if one["name"] == name)
        for field, value in fields.items():
            element[field] = value
            if value is None:
                del element[field]

    return spoil


def of_attribute(name: str, /, **fields: Any) -> Callable[[Document], None]:
    return change("attributes", name, **fields)


def of_variable(name: str, /, **fields: Any) -> Callable[[Document], None]:
    return change("variables", name, **fields)


def add(section: str, element: Document) -> Callable[[Document], None]:
    return lambda document: document[section].append(element)


def role(name: str, value: str) -> Callable[[Document], None]:
    return lambda document: document["roles"].update({name: value})


FAULTS: list[tuple[Callable[[Document], None], str]] = [
    (add("attributes", attribute("use", "real", 0, 1, unit="ratio")), "attribute use: the name stands 2 times"),
    (add("variables", variable("rents", "value", ["use"], 9)), "variable rents: the name stands 2 times"),
    (of_attribute("use", name="as_of"), "attribute as_of: the name is reserved"),
    (of_variable("rents", name="as_of"), "variable as_of: the name is reserved"),
    (of_variable("rents", name="use"), "variable use: an attribute has this name"),
    (of_attribute("use", categories=["a"]), "attribute use: only a category attribute has categories"),
    (of_attribute("use", unit=""), "attribute use: a real needs its unit"),
    (of_attribute("home", categories=[]), "attribute home: a category attribute needs its categories"),
    (of_attribute("home", categories=["rent", "rent"]), "attribute home: a category stands twice"),
    (of_attribute("home", minimum=0.0), "attribute home: categories have no range"),
    (of_attribute("home", maximum=0.0), "attribute home: categories have no range"),
    (of_attribute("home", better="higher"), "attribute home: categories have no order"),
    (of_attribute("home", missing="zero"), "attribute home: a category cannot be missing as zero"),
    (of_attribute("use", minimum=None), "attribute use: needs a minimum and a maximum"),
    (of_attribute("use", maximum=None), "attribute use: needs a minimum and a maximum"),
    (of_attribute("use", maximum=float("inf")), "attribute use: its range must be finite"),
    (of_attribute("use", minimum=float("nan")), "attribute use: its range must be finite"),
    (of_attribute("use", minimum=11.0), "attribute use: its minimum is above its maximum"),
    (of_attribute("term_months", maximum=1.5), "attribute term_months: its range must be whole"),
    (of_attribute("born", minimum=0.5), "attribute born: its range must be whole"),
    (of_attribute("born", minimum=-1.0), "attribute born: its range is in years"),
    (of_attribute("born", maximum=1001.0), "attribute born: its range is in years"),
    (of_attribute("born", missing="zero"), "attribute born: a date cannot be missing as zero"),
    (of_attribute("income_cents", maximum=1e16), "attribute income_cents: its range goes beyond 2**53"),
    (of_attribute("use", minimum=1.0, missing="zero"), "attribute use: missing as zero needs a range that holds 0"),
    (of_attribute("use", legal="prohibited"), "attribute use: a prohibited attribute is carried as a category"),
    (of_attribute("sex", missing="refuse"), "attribute sex: a prohibited attribute cannot be required"),
    (of_attribute("use", legal="age"), "attribute use: age is told as a date of birth"),
    (of_attribute("use", legal="assistance_income"), "attribute use: assistance income is told in cents"),
    (of_attribute("pension_cents", missing="refuse"), "attribute pension_cents: assistance income cannot be required"),
    (role("amount", "nothing"), "role amount: there is no attribute nothing"),
    (role("term", "amount_cents"), "role term: amount_cents must be of type integer"),
    (of_attribute("term_months", missing="keep"), "role term: term_months must be required"),
    (of_attribute("amount_cents", minimum=0.0), "role amount: amount_cents must not go below 1"),
    (of_attribute("income_cents", minimum=None), "attribute income_cents: needs a minimum"),
    (role("income_annual", "pension_cents"), "role income_annual: pension_cents must be free of legal"),
    (of_variable("use_high", of=["sex"]), "variable use_high: sex is prohibited and may enter no variable"),
    (of_variable("income_all", of=["income_safe"]), "variable income_all: income_safe is not computed yet there"),
    (of_variable("income_all", of=["income_all"]), "variable income_all: income_all is not computed yet there"),
    (of_variable("use_high", of=["nothing"]), "variable use_high: there is no attribute or variable nothing"),
    (of_variable("loan_to_income", of=["amount_cents"]), "variable loan_to_income: ratio takes 2 operands"),
    (of_variable("income_safe", parameters=[1.0]), "variable income_safe: clip takes 2 parameters"),
    (of_variable("use_high", op="bin", parameters=[]), "variable use_high: bin takes 1 to 16 parameters"),
    (of_variable("rents", parameters=[1.0]), "variable rents: indicator takes either a category or"),
    (of_variable("rents", category=None), "variable rents: indicator takes either a category or"),
    (of_variable("home_kind", category="rent"), "variable home_kind: only indicator takes a category"),
    (of_variable("use_high", parameters=[float("nan")]), "variable use_high: parameters must be finite"),
    (of_variable("loan_to_income", parameters=[0.0]), "variable loan_to_income: ratio by a factor of 0"),
    (of_variable("income_all", parameters=[3.0]), "variable income_all: total's parameter is how many operands"),
    (of_variable("income_all", parameters=[1.5]), "variable income_all: total's parameter is how many operands"),
    (of_variable("income_safe", parameters=[2.0, 1.0]), "variable income_safe: clip needs its lower bound first"),
    (of_variable("use_high", parameters=[2.0, 1.0]), "variable use_high: indicator needs its lower bound first"),
    (of_variable("use_high", op="bin", parameters=[1.0, 1.0]), "variable use_high: bin needs rising edges"),
    (
        add("variables", variable("pay", "instalment", ["amount_cents", "term_months"], 9, parameters=[-1.0])),
        "variable pay: instalment's rate is in parts per million",
    ),
    (
        add("variables", variable("pay", "instalment", ["amount_cents", "use"], 9, parameters=[1.0])),
        "variable pay: instalment's term is a whole-number attribute of at most 1200 months",
    ),
    (of_variable("use_high", of=["born"]), "variable use_high: indicator works on a number"),
    (of_variable("use_high", of=["as_of"]), "variable use_high: indicator works on a number"),
    (of_variable("age_months", of=["use", "as_of"]), "variable age_months: span_months works on a date"),
    (of_variable("home_kind", of=["use"]), "variable home_kind: category works on a category"),
    (of_variable("rents", of=["home_kind"]), "variable rents: home_kind has no category rent"),
    (of_variable("home_kind", unit="number"), 'variable home_kind: its unit must be "category"'),
    (of_variable("home_kind", direction="increasing"), "variable home_kind: categories have no order"),
    (add("variables", variable("again", "category", ["home_kind"], 9, unit="category")), "category takes an attribute"),
    (of_variable("rents", unit="category"), "variable rents: only the operation category has the unit"),
    (of_variable("rents", category="tent"), "variable rents: home has no category tent"),
    (of_variable("rents", text=None), "variable rents: what the model sees needs reason"),
    (of_variable("rents", reason=None), "variable rents: a reason and its number belong together"),
    (of_variable("rents", reason_number=4), "variable rents: number 4 belongs to reason REASON_4"),
    (of_variable("rents", reason="REASON_4"), "variable rents: reason REASON_4 has number 4"),
    (
        of_variable("rents", reason="REASON_4", reason_number=4, family="housing"),
        "variable rents: reason REASON_4 is of family other",
    ),
    (of_variable("rents", text="{value} {value}"), "variable rents: a text may hold {value} once"),
    (of_variable("rents", text_missing="{value}"), "variable rents: a text may hold {value} once"),
    (of_attribute("home", name="marital_status"), "there is no attribute or variable home"),
    (add("attributes", attribute("race_code", "integer", 0, 9)), "attribute race_code: the name tells of a prohibited"),
    (add("attributes", attribute("birth_date", "date", 0, 99)), "attribute birth_date: the name tells of age"),
    (
        of_attribute("home", categories=["rent", "own", "married"]),
        "attribute home: its category married tells of a prohibited basis",
    ),
    (of_attribute("use", actionable=True, better="neither"), "attribute use: what the applicant can improve needs"),
    (of_attribute("term_months", source="tape"), "attribute term_months: what only tapes tell cannot be required"),
    (of_attribute("sex", source="tape"), "attribute sex: a prohibited attribute is told voluntarily"),
    (of_variable("income_safe", unit="number"), "variable income_safe: its value is money, its unit says number"),
    (
        of_variable("loan_to_income", unit="cents"),
        "variable loan_to_income: its value is no money, its unit says cents",
    ),
    (
        add("variables", variable("odd", "difference", ["amount_cents", "term_months"], 9)),
        "variable odd: difference mixes money with something else",
    ),
    (
        add("variables", variable("odd", "product", ["amount_cents", "income_all"], 9)),
        "variable odd: it is money to the power of 2",
    ),
    (
        add("variables", variable("odd", "ratio", ["use", "income_all"], 9)),
        "variable odd: it is money to the power of -1",
    ),
    (of_variable("age_months", of=["as_of", "born"]), "variable age_months: age enters only as span_months"),
    (of_variable("age_months", direction="free"), "variable age_months: age may only lower pd"),
    (
        add("variables", variable("youth", "product", ["age_months"], 9, parameters=[-1.0], direction="decreasing")),
        "variable youth: a better born would raise pd",
    ),
    (
        add("variables", variable("aged", "value", ["age_months"], 9)),
        "variable aged: born has a better side, so the direction cannot be free",
    ),
    (
        add("variables", variable("wages", "value", ["income_cents"], 9, unit="cents", direction="decreasing")),
        "variable wages: incomes count at full value",
    ),
    (of_variable("income_all", of=["income_cents"]), "variable income_all: incomes count at full value"),
    (of_variable("income_all", of=["income_cents", "pension_cents", "income_cents"]), "incomes count at full value"),
    (of_variable("income_all", parameters=[2.0]), "variable income_all: an income that was not told counts as nothing"),
    (of_variable("loan_to_income", direction="decreasing"), "a better amount_cents would raise pd"),
    (of_variable("loan_to_income", direction="decreasing"), "a better income_cents would raise pd"),
    (
        of_variable("loan_to_income", direction="free"),
        "income_cents has a better side, so the direction cannot be free",
    ),
    (
        of_variable("loan_to_income", of=["amount_cents", "income_all"]),
        "variable loan_to_income: income_cents has a better side, but moves the variable both ways or to missing",
    ),
    (of_variable("use_high", direction="decreasing"), "variable use_high: a better use would raise pd"),
]


def test_the_plain_document_has_no_fault() -> None:
    assert faults_of(plain()) == []


@pytest.mark.parametrize(("spoil", "fault"), FAULTS, ids=[fault for _, fault in FAULTS])
def test_each_fault_is_named(spoil: Callable[[Document], None], fault: str) -> None:
    document = plain()
    spoil(document)
    assert any(fault in found for found in faults_of(document)), faults_of(document)


ACCEPTED: list[Callable[[Document], None]] = [
    of_variable("use_high", direction="free"),
    of_variable("use_high", parameters=[0.2, 0.5], direction="free"),
    of_variable("use_high", parameters=[0.2, 0.5], direction="increasing"),
    of_variable("rents", reason="REASON_4", reason_number=4),
    add("variables", variable("use", "value", ["use"], 9, direction="increasing")),
    add("variables", variable("home", "category", ["home"], 9, unit="category")),
    add("variables", variable("again", "category", ["home"], 9, unit="category")),
    add("variables", variable("spread", "product", ["use", "use", "term_months"], 9, direction="increasing")),
    add(
        "variables", variable("wages_left", "difference", ["income_all", "amount_cents"], in_model=False, unit="cents")
    ),
    add("variables", variable("bins", "bin", ["use"], 9, parameters=[0.1, 0.2], direction="increasing")),
    lambda document: document["attributes"].pop(3) and document["variables"][0].update(of=["income_cents"]),
]


@pytest.mark.parametrize("alter", ACCEPTED, ids=range(len(ACCEPTED)))
def test_what_breaks_no_rule_is_accepted(alter: Callable[[Document], None]) -> None:
    document = plain()
    alter(document)
    assert faults_of(document) == []


def test_all_faults_come_at_once() -> None:
    document = plain()
    of_attribute("use", unit="")(document)
    role("amount", "nothing")(document)
    of_variable("rents", text=None)(document)
    with pytest.raises(Refused) as refusal:
        decode_product(msgspec.json.encode(document))
    assert str(refusal.value).count("\n- ") == 3


def test_the_shipped_loan_passes_and_survives_its_canonical_bytes() -> None:
    product = personal_loan()
    assert decode_product(encode_product(product)) == product
    assert hash_product(decode_product(encode_product(product))) == hash_product(product)
    assert len(hash_product(product)) == 64


def test_another_order_of_lines_is_the_same_product_another_value_is_not() -> None:
    document = tomllib.loads(SHIPPED.read_text())
    again = msgspec.convert(dict(reversed(document.items())), Product)
    assert hash_product(again) == hash_product(personal_loan())
    document["title"] = "Another"
    assert hash_product(msgspec.convert(document, Product)) != hash_product(personal_loan())


def test_another_text_or_variable_leaves_what_recorded_facts_mean() -> None:
    product = personal_loan()
    last = product.variables[-1]
    later = replace(
        product,
        title="Another",
        variables=(*product.variables[:-2], replace(last, text="A typo less.")),
        attributes=tuple(replace(a, description="Said better.") for a in product.attributes),
    )
    assert hash_product(later) != hash_product(product)
    assert hash_layout(later) == hash_layout(product)


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "other"},
        {"type": AttributeType.INTEGER},
        {"unit": "percent"},
        {"categories": ("own", "rent")},
        {"legal": Legal.PROHIBITED},
    ],
)
def test_another_column_is_another_layout(changed: dict[str, Any]) -> None:
    attribute = Attribute(name="one", type=AttributeType.REAL, unit="ratio", legal=Legal.FREE, description="A fact.")
    product = replace(personal_loan(), attributes=(*personal_loan().attributes, attribute))
    other = replace(product, attributes=(*personal_loan().attributes, replace(attribute, **changed)))
    assert hash_layout(other) != hash_layout(product)


def test_another_currency_or_order_is_another_layout() -> None:
    product = personal_loan()
    assert hash_layout(replace(product, currency="EUR")) != hash_layout(product)
    assert hash_layout(replace(product, attributes=product.attributes[::-1])) != hash_layout(product)


def test_reason_numbers_of_the_shipped_loan_are_told_apart() -> None:
    numbers = {v.reason_number: v.reason for v in personal_loan().model_variables}
    assert len(numbers) == len(set(numbers.values()))


def test_the_shipped_loan_tells_who_is_declined_for_the_state_of_residence() -> None:
    product = personal_loan()
    (state,) = [v for v in product.model_variables if "residence_state" in v.of]
    codes = next(a.categories for a in product.attributes if a.name == "residence_state")
    assert (
        reason_text(product, state, codes.index("ca")) == "Loans in the state of residence (CA) are repaid less often."
    )


@pytest.mark.parametrize(
    "name",
    [
        *(
            "race",
            "skin_colour",
            "hair_color",
            "religious_belief",
            "church_member",
            "national_origin",
            "country_of_birth",
        ),
        *("sex", "gender_identity", "marital_status", "is_married", "marriage_years", "divorced", "pregnancies"),
        *("health_score", "medical_debt", "genetic_risk", "disability", "is_disabled", "union_member", "trade_union"),
        *("political_party", "social_network_score", "ethnic_group", "ccpa_claims", "disputes_filed"),
    ],
)
@pytest.mark.parametrize("legal", ["free", "assistance_income", "age"])
def test_a_name_that_tells_of_a_prohibited_basis_is_declared_so(name: str, legal: str) -> None:
    assert list(find_denied_names(name, Legal(legal)))
    assert not list(find_denied_names(name, Legal.PROHIBITED))


@pytest.mark.parametrize("name", ["age", "years_old", "age_years", "applicant_age", "date_of_birth", "born_on", "dob"])
@pytest.mark.parametrize("legal", ["free", "assistance_income"])
def test_a_name_that_tells_of_age_is_declared_so(name: str, legal: str) -> None:
    assert list(find_denied_names(name, Legal(legal)))
    assert not list(find_denied_names(name, Legal.AGE))


@pytest.mark.parametrize(
    "name",
    [
        *("public_assistance_cents", "pension_cents", "alimony_cents", "child_support_cents", "part_time_income_cents"),
        *("retirement_income_cents", "welfare_cents", "unemployment_benefit_cents", "social_security_cents"),
    ],
)
@pytest.mark.parametrize("legal", ["free", "age"])
def test_a_name_that_tells_of_assistance_income_is_declared_so(name: str, legal: str) -> None:
    assert list(find_denied_names(name, Legal(legal)))
    assert not list(find_denied_names(name, Legal.ASSISTANCE_INCOME))


def test_a_disability_pension_is_income() -> None:
    assert not list(find_denied_names("disability_pension_cents", Legal.ASSISTANCE_INCOME))
    assert len(list(find_denied_names("disability_pension_cents", Legal.FREE))) == 2


@pytest.mark.parametrize(
    "name",
    [
        *("credit_union_accounts", "age_of_oldest_account", "file_age_months", "average_balance", "amt_annuity"),
        *("single_family", "single_family_home", "single_premium", "retirement_accounts", "own_car_age", "snapshot_on"),
    ],
)
def test_a_name_that_only_sounds_alike_is_free(name: str) -> None:
    assert not list(find_denied_names(name, Legal.FREE))


def test_a_fact_whose_legal_use_is_not_told_is_refused() -> None:
    text = SHIPPED.read_text().replace(
        'legal = "free"\nbetter = "lower"\nactionable = true\ndescription = "Amount', 'description = "Amount'
    )
    with pytest.raises(Refused, match="requested_amount_cents: Object missing required field `legal`"):
        load_product(text)


@pytest.mark.parametrize("name", ["zip_code", "postcode", "home_city"])
def test_a_place_finer_than_a_state_cannot_be_a_fact(name: str) -> None:
    text = SHIPPED.read_text().replace('name = "residence_state"', f'name = "{name}"')
    with pytest.raises(Refused, match=f"attribute {name}: the name tells of a place finer than a state"):
        load_product(text.replace('of = ["residence_state"]', f'of = ["{name}"]'))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a = ", "not TOML"),
        ("x" * (DOCUMENT_CHARACTERS_MAX + 1), "longer than"),
        ("a = " + "[" * 20_000, "not TOML"),
        ('name = "x"', "missing required field"),
        ("attributes = 3", "Expected `array`"),
        ('name = "x"\nattributes = [3]', "attributes[0]"),
        ("stray = 1", "stray"),
    ],
    ids=range(7),
)
def test_text_that_is_no_product_is_refused(text: str, part: str) -> None:
    with pytest.raises(Refused) as refusal:
        load_product(text)
    assert part in str(refusal.value)


def test_every_unreadable_piece_is_named() -> None:
    text = SHIPPED.read_text().replace('type = "integer"', 'type = "whole"').replace('op = "clip"', 'op = "cut"')
    with pytest.raises(Refused) as refusal:
        load_product(text)
    named = str(refusal.value)
    assert "term_months: Invalid enum value" in named
    assert "inquiries_6m: Invalid enum value" in named
    assert "income_total_floored_cents: Invalid enum value" in named


@given(st.binary(max_size=60))
def test_bytes_that_are_no_product_are_refused(raw: bytes) -> None:
    with pytest.raises(Refused):
        decode_product(raw)


def test_bytes_nested_too_deeply_are_refused() -> None:
    with pytest.raises(Refused):
        decode_product(b'{"name":' + b"[" * 50_000)


def as_named(column: str) -> str:
    """A column's name as an attribute would be called."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", column)
    return re.sub(r"[^A-Za-z0-9]+", "_", spaced).strip("_").lower()


# Columns of the real tapes whose names tell of something that may not be a plain fact.
TELLING = {
    "berka_client": {"birth_number"},
    "credit_data_es": {"Age", "Marital"},
    "hmda_boston": {"single"},
    "lending_club_2007_2011": {"zip_code"},
    "sba_case_ca": {"City", "Zip"},
    "sba_national_balanced": {"city", "zip"},
    "uci_credit_card_default": {"SEX", "MARRIAGE", "AGE"},
}
TAPES = (
    *("berka_account", "berka_card", "berka_client", "berka_disp", "berka_district", "berka_loan", "berka_order"),
    *("berka_preloan_trans", "berka_trans_1993_1994q1", "berka_trans_preloan_1997_1998", "credit_data_es"),
    *("hmda_boston", "lending_club_2007_2011", "lending_club_2016q1", "lending_club_2018q1_schema", "sba_case_ca"),
    *("sba_national_balanced", "uci_credit_approval", "uci_credit_card_default"),
)


@pytest.mark.tapes
@pytest.mark.parametrize("tape", TAPES)
def test_of_the_columns_of_real_tapes_only_the_telling_ones_are_denied(tape: str) -> None:
    columns = parquet.read_schema(require_tape(f"{tape}.parquet")).names
    assert {c for c in columns if list(find_denied_names(as_named(c), Legal.FREE))} == TELLING.get(tape, set())


@pytest.mark.parametrize("name", ["age", "sex", "marital_status"])
def test_a_prohibited_category_is_voluntary_and_monitored(name: str) -> None:
    document = plain()
    document["attributes"].append(
        {
            "name": f"own_{name}",
            "type": "category",
            "categories": ["below_25", "married", "female"],
            "legal": "prohibited",
            "description": "For monitoring.",
        }
    )
    product = msgspec.convert(document, Product)
    assert find_faults(product) == []
    assert f"own_{name}" in {a.name for a in product.monitoring_attributes}
    assert f"own_{name}" not in {a.name for a in product.case_attributes}


def test_each_variable_of_the_model_has_the_names_of_its_codes() -> None:
    product = personal_loan()
    told = dict(zip((v.name for v in product.model_variables), product.model_categories, strict=True))
    assert any(told.values())
    assert {name for name, codes in told.items() if codes} == {
        v.name for v in product.model_variables if v.op == "category"
    }
