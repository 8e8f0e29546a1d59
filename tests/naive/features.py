"""Derived variables computed the slow way: one row, Python's own dates, no tables."""

import math
from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from instant_credit.application.operations import AS_OF
from instant_credit.application.product import AttributeType, Product, Variable

EPOCH = date(1970, 1, 1)


def day_of(days: float) -> date:
    return EPOCH + timedelta(days=int(days))


def naive_months_and_day(days: int) -> int:
    day = day_of(days)
    return (day.year * 12 + day.month - 1) * 32 + day.day


def naive_span_months(start: float, end: float) -> float:
    first, last = day_of(start), day_of(end)
    months = 12 * (last.year - first.year) + last.month - first.month
    return float(months - (last.day < first.day))


def naive_instalment(amount: float, term: float, apr_ppm: float) -> float:
    """By exact fractions: right to the last bits, which the kernel need not be."""
    if term < 1:
        return math.nan
    monthly = Fraction(apr_ppm) / 12_000_000
    if monthly == 0:
        return amount / term
    return float(Fraction(amount) * monthly / (1 - 1 / (1 + monthly) ** int(term)))


def naive_bin_of(x: float, edges: Sequence[float]) -> float:
    return float(sum(edge <= x for edge in edges))


def naive_value(product: Product, variable: Variable, known: dict[str, float]) -> float:
    """One variable from what is known by name; NaN = missing, -1 for categories."""
    told = [known[name] for name in variable.of]
    own = variable.parameters
    if variable.op == "category":
        return told[0]
    if variable.category is not None:
        attribute = next(a for a in product.attributes if a.name == variable.of[0])
        return math.nan if told[0] == -1 else float(attribute.categories[int(told[0])] == variable.category)
    if variable.op == "total":
        there = [one for one in told if not math.isnan(one)]
        return sum(there, 0.0) if len(there) >= (own[0] if own else 1) else math.nan
    if any(math.isnan(one) for one in told):
        return math.nan
    x = told[0]
    if variable.op == "value":
        return x
    if variable.op == "ratio":
        return math.nan if told[1] == 0 else x / told[1] * (own[0] if own else 1.0)
    if variable.op == "difference":
        return x - told[1]
    if variable.op == "product":
        return math.prod(told[1:], start=x) * (own[0] if own else 1.0)
    if variable.op == "span_months":
        return naive_span_months(x, told[1])
    if variable.op == "indicator":
        return float(x >= own[0]) if len(own) == 1 else float(own[0] <= x <= own[1])
    if variable.op == "clip":
        return min(max(x, own[0]), own[1])
    if variable.op == "bin":
        return naive_bin_of(x, own)
    return naive_instalment(x, told[1], own[0])


def naive_run_program(product: Product, row: dict[str, float], as_of_days: int) -> dict[str, float]:
    """Every variable of one row by name, from packed attribute values by name."""
    known = {**row, AS_OF: float(as_of_days)}
    for variable in product.variables:
        known[variable.name] = naive_value(product, variable, known)
    return {variable.name: known[variable.name] for variable in product.variables}


def naive_pack(product: Product, natural: dict[str, object]) -> dict[str, float]:
    """Natural values by name as the numbers that the kernel wants."""
    row: dict[str, float] = {}
    for attribute in product.case_attributes:
        told = natural.get(attribute.name)
        if attribute.type is AttributeType.CATEGORY:
            row[attribute.name] = -1.0 if told is None else float(attribute.categories.index(str(told)))
        elif told is None:
            row[attribute.name] = math.nan
        elif isinstance(told, date):
            row[attribute.name] = float((told - EPOCH).days)
        else:
            row[attribute.name] = float(told)  # type: ignore[arg-type] # never None here
    return row


def same_bits(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return one.tobytes() == other.tobytes()
