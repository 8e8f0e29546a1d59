"""Kernels against their naive twins, and one row against many."""

import math
from datetime import date
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.application.door import Door
from instant_credit.application.facts import Facts
from instant_credit.application.product import Product
from instant_credit.features import kernels
from instant_credit.features.build import build_features
from instant_credit.features.pack import pack_facts
from instant_credit.features.program import compile_features
from instant_credit.units import Cents, Ppm, days_from_date, instalment_ceil
from tests.budget import examples
from tests.features.programs import AS_OF_DAY, natural_facts, products
from tests.naive.features import (
    naive_bin_of,
    naive_instalment,
    naive_months_and_day,
    naive_pack,
    naive_run_program,
    naive_span_months,
    same_bits,
)

FIRST, LAST = days_from_date(date.min), days_from_date(date.max)
days = st.integers(FIRST, LAST)


def facts_of(product: Product, natural: dict[str, Any]) -> Facts:
    facts = Door(product).check_facts(natural, AS_OF_DAY)
    assert isinstance(facts, Facts)
    return facts


@given(products(), st.lists(natural_facts(), min_size=1, max_size=5))
def test_the_program_equals_its_twin_bit_for_bit(product: Product, rows: list[dict[str, Any]]) -> None:
    program, as_of = compile_features(product), days_from_date(AS_OF_DAY)
    packed = pack_facts(program, [facts_of(product, row) for row in rows], np.full(len(rows), as_of, dtype=np.int32))
    built = build_features(program, packed)
    for position, row in enumerate(rows):
        twin = naive_run_program(product, naive_pack(product, row), as_of)
        expected = np.array([twin[name] for name in program.variables])
        assert same_bits(built.values[position], np.where(np.isnan(expected), np.nan, expected))


@given(products(), st.lists(natural_facts(), min_size=1, max_size=6))
def test_one_row_and_many_give_the_same_bytes(product: Product, rows: list[dict[str, Any]]) -> None:
    program = compile_features(product)
    facts = [facts_of(product, row) for row in rows]
    as_of = np.full(len(rows), days_from_date(AS_OF_DAY), dtype=np.int32)
    many = build_features(program, pack_facts(program, facts, as_of))
    for position, one in enumerate(facts):
        alone = build_features(program, pack_facts(program, [one], as_of[:1]))
        assert alone.values.tobytes() == many.values[position].tobytes()
        assert alone.model.tobytes() == many.model[position].tobytes()


@given(days)
def test_civil_dates_equal_pythons(day: int) -> None:
    assert kernels.months_and_day(day) == naive_months_and_day(day)


@given(days, days)
def test_month_spans_equal_pythons(start: int, end: int) -> None:
    assert kernels.span_months(float(start), float(end)) == naive_span_months(start, end)


@given(st.lists(st.floats(-9, 9), max_size=6, unique=True).map(sorted), st.floats(-10, 10))
def test_bins_count_the_edges_not_above(edges: list[float], x: float) -> None:
    assert kernels.bin_of(x, np.array([0.0, *edges, 0.0]), 1, len(edges)) == naive_bin_of(x, edges)


@given(st.integers(1, 10**10), st.integers(1, 600), st.integers(0, 1_000_000))
def test_instalments_equal_exact_fractions(amount: int, term: int, apr_ppm: int) -> None:
    ours = kernels.instalment(float(amount), float(term), float(apr_ppm))
    assert math.isclose(ours, naive_instalment(amount, term, apr_ppm), rel_tol=1e-12)


@given(st.integers(1, 10**9), st.integers(1, 120), st.integers(0, 400_000))
def test_instalments_are_those_of_pricing_before_rounding(amount: int, term: int, apr_ppm: int) -> None:
    ours = kernels.instalment(float(amount), float(term), float(apr_ppm))
    assert -1e-3 <= instalment_ceil(Cents(amount), Ppm(apr_ppm), term) - ours <= 1.001


@given(st.floats(0.01, 1e10), st.integers(1, 599), st.integers(0, 1_000_000))
def test_a_longer_term_never_raises_the_instalment(amount: float, term: int, apr_ppm: int) -> None:
    longer = kernels.instalment(amount, float(term + 1), float(apr_ppm))
    assert longer <= kernels.instalment(amount, float(term), float(apr_ppm))


def test_instalments_without_a_term_are_missing() -> None:
    assert math.isnan(kernels.instalment(100.0, 0.0, 1000.0))


@examples(40)
@given(products(("instalment", "ratio", "value")), natural_facts())
def test_instalments_in_a_program_equal_the_kernel_alone(product: Product, row: dict[str, Any]) -> None:
    program, as_of = compile_features(product), days_from_date(AS_OF_DAY)
    values = build_features(program, pack_facts(program, [facts_of(product, row)], np.array([as_of], np.int32))).values
    twin = naive_run_program(product, naive_pack(product, row), as_of)
    for name, value in zip(program.variables, values[0], strict=True):
        assert math.isclose(value, twin[name], rel_tol=1e-9, abs_tol=1e-9) or (
            math.isnan(value) and math.isnan(twin[name])
        )
