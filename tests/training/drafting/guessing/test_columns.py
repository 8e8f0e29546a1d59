"""What a column is taken for: by its name, by its cells, under the law."""

import pytest

from instant_credit.training.drafting.guessing.guess import AGE_BANDS, Kind, Use
from tests.training.drafting.drafts import guess

FEW = ("a", "b", "c", "a", "b", "a") * 20
COUNTS = tuple(str(one % 7) for one in range(120))


@pytest.mark.parametrize(
    ("name", "texts", "kind", "unit"),
    [
        ("loan_amnt", [str(1000 + 37 * one) for one in range(60)], Kind.AMOUNT, "cents"),
        ("MonthlyIncome", ["2500.50", "1800", None, "3100.75"] * 20, Kind.AMOUNT, "cents"),
        ("debt_to_income", [f"{one / 3:.4f}" for one in range(60)], Kind.REAL, "number"),
        ("revol_util", [f"{one}.5%" for one in range(60)], Kind.REAL, "percent"),
        ("RevolvingUtilization", [f"0.{one:03d}1" for one in range(60)], Kind.REAL, "ratio"),
        ("inq_last_6mths", COUNTS, Kind.WHOLE, "count"),
        ("term", [" 36 months", " 60 months"] * 30, Kind.WHOLE, "months"),
        ("employed_years", COUNTS, Kind.WHOLE, "years"),
        ("has_card", ["0", "1"] * 30, Kind.FLAG, "flag"),
        ("purpose", FEW, Kind.CATEGORY, "category"),
        ("EDUCATION", COUNTS, Kind.CATEGORY, "category"),
        ("checking_status", ["A11", "A12", "A13", "A14"] * 20, Kind.CATEGORY, "category"),
        ("emp_length", ["< 1 year", "1 year", "10+ years"] * 20, Kind.CATEGORY, "category"),
        ("savings", ["$1,200.50", "$900.00", "-$3.10"] * 20, Kind.AMOUNT, "cents"),
        ("price", ["1.200,50", "900,00", "12,10"] * 20, Kind.AMOUNT, "cents"),
        ("occ_cd", [f"{one % 40:03d}" for one in range(800)], Kind.CATEGORY, "category"),
        ("Dependents", ["0", "1", "2", "3+"] * 20, Kind.CATEGORY, "category"),
    ],
)
def test_a_column_gets_kind_and_unit_by_name_and_cells(name: str, texts: list[str], kind: Kind, unit: str) -> None:
    found = guess(name, texts)
    assert (found.use, found.kind, found.unit) == (Use.FACT, kind, unit)


@pytest.mark.parametrize(
    ("name", "texts", "use"),
    [
        ("sex", ["1", "2"] * 30, Use.MONITORING),
        ("x1", ["male", "female", None] * 20, Use.MONITORING),
        ("status_2", ["single", "married", "divorced/separated"] * 20, Use.MONITORING),
        ("personal_status", ["A91", "A92"] * 20, Use.MONITORING),
        ("foreign_worker", ["yes", "no"] * 20, Use.MONITORING),
        ("estado_civil", ["1", "2", "3"] * 20, Use.MONITORING),
        ("sex2", [f"{one}.5" for one in range(60)], Use.WITHHELD),
        ("zip_code", [f"{10_000 + one}" for one in range(60)], Use.WITHHELD),
        ("pension_income", [str(one * 11) for one in range(60)], Use.WITHHELD),
        ("int_rate", [f"{one}.25" for one in range(60)], Use.WITHHELD),
        ("recoveries", [f"{one}.25" for one in range(60)], Use.LEAK),
        ("last_pymnt_d", ["Jan-2010", "Feb-2011"] * 30, Use.LEAK),
        ("loan_id", [str(one) for one in range(60)], Use.KEY),
        ("customer_id", [str(one // 2) for one in range(120)], Use.PERSON),
        ("date_of_birth", [f"19{one}-03-01" for one in range(30, 90)], Use.AGE),
        ("birth_number", [f"7{one:05d}" for one in range(60)], Use.WITHHELD),
        ("empty", [None] * 60, Use.LEFT_OUT),
        ("all_unknown", ["NA"] * 60, Use.LEFT_OUT),
        ("policy_code", ["1"] * 60, Use.LEFT_OUT),
        ("sample_weight", ["1.5", "3"] * 30, Use.WEIGHT),
        ("cust", [str(one // 2) for one in range(120)], Use.PERSON),
        ("Vertragsnummer", [f"V-{one}" for one in range(60)], Use.KEY),
        ("Unnamed: 0", [str(one) for one in range(60)], Use.LEFT_OUT),
        ("X", [str(one + 1) for one in range(60)], Use.LEFT_OUT),
        ("approved", ["0", "1"] * 30, Use.LEAK),
        ("last_fico_range_high", [str(one) for one in range(600, 660)], Use.LEAK),
        ("phone_area_code", [str(one) for one in range(60)], Use.WITHHELD),
        ("DAYS_BIRTH", [str(-one) for one in range(9_000, 9_060)], Use.WITHHELD),
    ],
)
def test_a_column_is_put_to_the_use_that_caution_asks_for(name: str, texts: list[str], use: Use) -> None:
    assert guess(name, texts).use is use


def test_age_in_years_is_monitored_in_bands() -> None:
    found = guess("age", [str(18 + one) for one in range(60)])
    assert (found.use, found.categories) == (Use.MONITORING, AGE_BANDS)


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("borrower", ["Mary Smith", "John Jones", "Ada Okafor", "Wei Chen"] * 10),
        ("handler", ["Smith, Mary", "Jones, John", "Garcia, Ana"] * 10),
        ("contact_point", [f"user{one}@example.com" for one in range(40)]),
        ("reach", [f"+1 555 123 {one:04d}" for one in range(40)]),
        ("reached_at", [str(5_550_001_000 + 7 * one) for one in range(40)]),
        ("ssn", [f"123-45-{one:04d}" for one in range(40)]),
        ("why", [f"because of reason {one} I need this money soon" for one in range(40)]),
        ("full_name", [f"No {one}" for one in range(40)]),
    ],
)
def test_what_points_at_a_person_is_withheld_and_never_shown(name: str, texts: list[str]) -> None:
    found = guess(name, texts)
    assert found.use is Use.WITHHELD
    assert found.is_identity
    assert not found.values


def test_a_flag_for_a_telephone_is_no_telephone() -> None:
    assert guess("telephone", ["A191", "A192"] * 30).kind is Kind.CATEGORY


def test_of_many_values_the_commonest_stay_and_the_rest_is_other() -> None:
    texts = [f"shop {one % 40}" for one in range(4_000)] + [f"rare {one}" for one in range(300)]
    found = guess("merchant", texts)
    assert len(found.values) == 40
    assert found.rest == 300
    assert found.categories[-1] == "other"


def test_a_value_that_tells_of_health_is_told_as_other() -> None:
    found = guess("purpose", ["car", "medical", "house"] * 20)
    assert [one.category for one in found.values] == ["car", "house", "other"]
    assert "1 of its values" in found.doubts[0]


def test_values_that_differ_in_case_alone_are_one_category_and_all_others_differ() -> None:
    found = guess("home", ["Rent", "RENT", "r ent", "+", "-", "1", "-1", "好", "кот"] * 10)
    names = {one.text: one.category for one in found.values}
    assert names["Rent"] == names["RENT"] == names["r ent"]
    assert len(set(names.values())) == 7


def test_numbers_beside_texts_are_left_to_a_person() -> None:
    found = guess("balance", ["100", "250", "overdrawn", "300", "none told"] * 20)
    assert found.use is Use.WITHHELD
    assert "side by side" in found.doubts[0]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "male",
            "is_male",
            "sexmale",
            "female",
            "hispan",
            "latino",
            "married",
            "divorced",
            "widowed",
            "pregnant",
            "old",
            "elderly_flag",
        ),
        *(
            "männlich",
            "weiblich",
            "maennlich",
            "Geschlecht",
            "verheiratet",
            "Staatsangehörigkeit",
            "famges",
            "gastarb",
            "Ausländer",
        ),
        *("sexe", "mariée", "célibataire", "nationalité", "état_civil", "veuve", "enceinte"),
        *(
            "sexo",
            "género",
            "casado",
            "soltera",
            "viudo",
            "nacionalidad",
            "embarazada",
            "NACIONALITY",
            "mate_education_level",
        ),
    ],
)
def test_a_flag_that_tells_a_prohibited_basis_or_age_is_monitored(name: str) -> None:
    found = guess(name, ["0", "1", None] * 20)
    assert (found.use, found.categories) == (Use.MONITORING, ("code_0", "code_1"))


@pytest.mark.parametrize(
    "name", ["mo_sin_old_il_acct", "old_balance", "property_age", "single_payment", "OWN_CAR_AGE", "foreign_currency"]
)
def test_a_word_of_a_prohibited_basis_in_other_company_is_a_fact(name: str) -> None:
    assert guess(name, COUNTS).use is Use.FACT


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        *(
            (one, "count")
            for one in ("delinq_2yrs", "open_acc", "pub_rec", "num_tl_op_past_12m", "NumInqLast6M", "inq_last_6mths")
        ),
        *(
            (one, "count")
            for one in ("DEROG", "NINQ", "CLNO", "QUANT_CARS", "NumberOfTime30-59DaysPastDueNotWorse", "dep_cnt")
        ),
        *(
            (one, "count")
            for one in (
                "chargeoff_within_12_mths",
                "AMT_REQ_CREDIT_BUREAU_YEAR",
                "TotalCreditLinespast7years",
                "Anzahl Kredite",
            )
        ),
        *(
            (one, "months")
            for one in (
                "mths_since_last_delinq",
                "mo_sin_old_rev_tl_op",
                "MSinceOldestTradeOpen",
                "AverageMInFile",
                "CLAGE",
            )
        ),
        *((one, "months") for one in ("MONTHS_IN_THE_JOB", "number_of_months", "Laufzeit")),
        *((one, "years") for one in ("YOJ", "yjob", "employed_years")),
    ],
)
def test_a_whole_number_of_a_public_tape_has_its_unit(name: str, unit: str) -> None:
    texts = [str(one % 19) for one in range(190)]
    found = guess(name, texts)
    assert (found.kind, found.unit) == (Kind.WHOLE, unit)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "loanamt",
            "appinc",
            "coappinc",
            "hincome",
            "mthly_pay",
            "credit_amount",
            "Kreditbetrag",
            "Monatsnettoeinkommen",
        ),
        *(
            "MORTDUE",
            "VALUE",
            "bc_open_to_buy",
            "total_rev_hi_lim",
            "AMT_GOODS_PRICE",
            "delinq_amnt",
            "hoehe",
            "amt_req",
            "OTHER_INCOMES",
        ),
    ],
)
def test_an_amount_of_a_public_tape_is_money(name: str) -> None:
    found = guess(name, [str(1_000 + 37 * one) for one in range(60)])
    assert (found.kind, found.unit) == (Kind.AMOUNT, "cents")


@pytest.mark.parametrize(
    ("name", "unit"), [("DEBTINC", "percent"), ("pirat", "number"), ("LVR", "number"), ("il_util", "percent")]
)
def test_a_share_of_a_public_tape_is_no_money(name: str, unit: str) -> None:
    assert guess(name, [f"{one}.25" for one in range(60)]).unit == unit


def test_a_long_number_that_measures_something_is_no_account() -> None:
    assert guess("loan_amount", [str(50_000_000 + 7 * one) for one in range(60)]).kind is Kind.AMOUNT


def test_a_column_without_a_name_is_the_rows_number_or_a_doubt() -> None:
    numbers = guess("", [str(one) for one in range(60)])
    others = guess("", FEW)
    assert (numbers.use, numbers.doubts) == (Use.LEFT_OUT, ())
    assert others.use is Use.LEFT_OUT
    assert "name it in the file's first line" in others.doubts[0]
