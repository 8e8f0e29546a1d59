"""Pack and build: layouts, missing values, and what they refuse to work on."""

from datetime import date

import numpy as np
import pytest
from msgspec.structs import replace

from instant_credit.application.door import Door
from instant_credit.application.facts import Facts
from instant_credit.application.product import Product, Variable
from instant_credit.errors import BrokenInvariant
from instant_credit.features.build import build_features
from instant_credit.features.pack import pack_facts
from instant_credit.features.program import FeatureProgram, compile_features
from tests.application.loans import AS_OF, personal_loan, whole_facts

ONE_DAY = np.array([15_000], dtype=np.int32)


@pytest.fixture(scope="module")
def product() -> Product:
    return personal_loan()


@pytest.fixture(scope="module")
def program(product: Product) -> FeatureProgram:
    return compile_features(product)


@pytest.fixture(scope="module")
def facts(product: Product) -> Facts:
    checked = Door(product).check_facts(whole_facts(product), AS_OF)
    assert isinstance(checked, Facts)
    return checked


def test_columns_stand_in_product_order_and_end_with_the_day(product: Product, program: FeatureProgram) -> None:
    door = Door(product)
    told = {"requested_amount_cents": 500_000, "term_months": 36, "income_annual_cents": 4_000_000}
    checked = door.check_facts({**told, "earliest_credit_on": date(1999, 1, 31)}, AS_OF)
    assert isinstance(checked, Facts)
    row = dict(zip((*program.attributes, "as_of"), pack_facts(program, [checked], ONE_DAY)[0], strict=True))
    assert {name: row[name] for name in told} == told
    assert row["as_of"] == 15_000
    assert row["earliest_credit_on"] == 10_622
    assert row["home_ownership"] == -1
    assert row["assistance_income_annual_cents"] == 0
    assert np.isnan(row["revolving_utilisation"])


def test_cents_stay_exact_beyond_float32(product: Product, program: FeatureProgram) -> None:
    told = {"requested_amount_cents": 500_001, "term_months": 36, "income_annual_cents": 9_999_999_999}
    checked = Door(product).check_facts(told, AS_OF)
    assert isinstance(checked, Facts)
    packed = pack_facts(program, [checked], ONE_DAY)
    assert packed[0, program.attributes.index("income_annual_cents")] == 9_999_999_999


def test_no_rows_make_empty_matrices(program: FeatureProgram) -> None:
    built = build_features(program, pack_facts(program, [], np.empty(0, dtype=np.int32)))
    assert built.values.shape == (0, len(program.variables))
    assert built.model.shape == (0, len(program.model_names))


def test_the_model_sees_its_variables_as_float32_rows(product: Product, program: FeatureProgram, facts: Facts) -> None:
    built = build_features(program, pack_facts(program, [facts, facts], np.repeat(ONE_DAY, 2)))
    chosen = [position for position, variable in enumerate(product.variables) if variable.in_model]
    assert built.model.dtype == np.float32
    assert built.model.flags.c_contiguous
    assert np.array_equal(built.model, built.values[:, chosen].astype(np.float32), equal_nan=True)


@pytest.mark.parametrize("field", ["cents", "integers", "reals", "codes", "days"])
def test_facts_of_another_product_are_refused(program: FeatureProgram, facts: Facts, field: str) -> None:
    other = replace(facts, **{field: getattr(facts, field)[:-1]})
    with pytest.raises(BrokenInvariant, match="columns"):
        pack_facts(program, [facts, other], np.repeat(ONE_DAY, 2))


@pytest.mark.parametrize("days", [np.array([1, 2], dtype=np.int32), np.array([1], dtype=np.int64)])
def test_days_that_do_not_fit_the_facts_are_refused(program: FeatureProgram, facts: Facts, days: np.ndarray) -> None:
    with pytest.raises(BrokenInvariant, match="as_of"):
        pack_facts(program, [facts], days)


@pytest.mark.parametrize("spoil", ["dtype", "width", "axes", "layout"])
def test_rows_that_the_kernel_cannot_trust_are_refused(program: FeatureProgram, facts: Facts, spoil: str) -> None:
    packed = pack_facts(program, [facts, facts], np.repeat(ONE_DAY, 2))
    spoiled = {
        "dtype": packed.astype(np.float32),
        "width": packed[:, :-1].copy(),
        "axes": packed[0],
        "layout": np.asfortranarray(packed),
    }[spoil]
    with pytest.raises(BrokenInvariant, match="packed rows"):
        build_features(program, spoiled)


def test_a_product_that_was_not_checked_does_not_compile(product: Product) -> None:
    stray = Variable(name="stray", op="value", of=("nowhere",), why="To see.")
    with pytest.raises(BrokenInvariant, match="stray uses nowhere"):
        compile_features(replace(product, variables=(*product.variables, stray)))


def test_tables_of_a_program_cannot_be_written(program: FeatureProgram) -> None:
    for table in (program.order, program.instructions, program.operands, program.parameters, program.model_variables):
        assert not table.flags.writeable


def test_income_of_every_kind_counts_alike(product: Product, program: FeatureProgram) -> None:
    door = Door(product)
    base = {"requested_amount_cents": 500_000, "term_months": 36}
    wages = door.check_facts({**base, "income_annual_cents": 4_000_000}, AS_OF)
    mixed = {**base, "income_annual_cents": 1_000_000, "assistance_income_annual_cents": 3_000_000}
    pension = door.check_facts(mixed, AS_OF)
    assert isinstance(wages, Facts)
    assert isinstance(pension, Facts)
    built = build_features(program, pack_facts(program, [wages, pension], np.repeat(ONE_DAY, 2)))
    assert built.values[0].tobytes() == built.values[1].tobytes()
