"""The kernel that runs a product's derived variables.

Rows are independent and each operation is a fixed sequence of IEEE float64 steps, so one row and a million rows give the same
bytes. A missing result is always the one NaN `MISSING`, never one that arithmetic happened to make.

An instruction is one row of int32: operation, first operand, operand count, first parameter, parameter count. An operand is
a slot: 0..a are the packed columns (the last one is ``as_of``), a + 1 + j is variable j.
"""

from typing import Final

import numpy as np
from numba import float32, float64, int32, int64, njit, types, void

READ_FLOATS = types.Array(float64, 1, "C", readonly=True)
READ_FLOAT_ROWS = types.Array(float64, 2, "C", readonly=True)
READ_INTS = types.Array(int32, 1, "C", readonly=True)
READ_INT_ROWS = types.Array(int32, 2, "C", readonly=True)
WRITE_FLOAT_ROWS = types.Array(float64, 2, "C")
WRITE_SINGLE_ROWS = types.Array(float32, 2, "C")

VALUE: Final = 0
CATEGORY: Final = 1
RATIO: Final = 2
DIFFERENCE: Final = 3
TOTAL: Final = 4
PRODUCT: Final = 5
SPAN_MONTHS: Final = 6
AT_LEAST: Final = 7
BETWEEN: Final = 8
IS_CATEGORY: Final = 9
CLIP: Final = 10
BIN: Final = 11
INSTALMENT: Final = 12

MISSING = np.nan
CODE_MISSING: Final = -1.0
PPM_MONTHS: Final = 12_000_000.0
DAYS_PER_ERA: Final = 146_097
# Days from 0000-03-01 to 1970-01-01: years are counted from March, so that a leap day ends one.
EPOCH_FROM_MARCH: Final = 719_468


@njit(int64(int64), cache=True, error_model="numpy", fastmath=False)
def months_and_day(days):  # type: ignore[no-untyped-def]
    """Months since year 0 times 32, plus the day of the month, of the proleptic Gregorian date `days` after 1970-01-01.

    Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    """
    shifted = days + EPOCH_FROM_MARCH
    era = shifted // DAYS_PER_ERA
    day_of_era = shifted - era * DAYS_PER_ERA
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    return ((era * 400 + year_of_era) * 12 + month_from_march + 2) * 32 + day


@njit(float64(float64, float64), cache=True, error_model="numpy", fastmath=False)
def span_months(start, end):  # type: ignore[no-untyped-def]
    """Whole calendar months from day `start` to day `end`; an unfinished month does not count."""
    first = months_and_day(int64(start))
    last = months_and_day(int64(end))
    months = last // 32 - first // 32
    if last % 32 < first % 32:
        months -= 1
    return float64(months)


@njit(float64(float64, float64, float64), cache=True, error_model="numpy", fastmath=False)
def instalment(amount, term, apr_ppm):  # type: ignore[no-untyped-def]
    """Level monthly payment for `amount` over `term` whole months at `apr_ppm` a year; NaN when `term` is below 1.

    The discount factors are added up one by one: no digits cancel at low rates, the payment never rises with the term, and
    the bytes do not depend on a mathematics library. Factors too small to change the sum are left out, so that an absurd term
    takes no longer than a long one.
    Source: 12 CFR 1026 Appendix J as in `units.instalment_ceil`, without its rounding.
    """
    if term < 1.0:
        return MISSING
    if apr_ppm == 0.0:
        return amount / float64(int64(term))
    discount = 1.0 / (1.0 + apr_ppm / PPM_MONTHS)
    power = 1.0
    annuity = 0.0
    for _ in range(int64(term)):
        power *= discount
        if annuity + power == annuity:
            break
        annuity += power
    return amount / annuity


@njit(float64(float64, READ_FLOATS, int64, int64), cache=True, error_model="numpy", fastmath=False)
def bin_of(x, parameters, start, count):  # type: ignore[no-untyped-def]
    """How many of the rising edges ``parameters[start : start + count]`` are not above `x`."""
    edges = 0
    for k in range(count):
        if parameters[start + k] <= x:
            edges += 1
    return float64(edges)


@njit(
    float64(int64, float64, float64, float64, READ_FLOATS, int64, int64),
    cache=True,
    error_model="numpy",
    fastmath=False,
)
def _combine(operation, x, y, product, parameters, start, edges):  # type: ignore[no-untyped-def]
    """Result of an operation whose operands are all known: `x` the first, `y` the last, `product` of all; MISSING where it has none."""
    result = MISSING
    if operation == VALUE:
        result = x
    elif operation == RATIO:
        if y != 0.0:
            result = x / y * parameters[start]
    elif operation == DIFFERENCE:
        result = x - y
    elif operation == PRODUCT:
        result = product * parameters[start]
    elif operation == SPAN_MONTHS:
        result = span_months(x, y)
    elif operation == AT_LEAST:
        result = 1.0 if x >= parameters[start] else 0.0
    elif operation == BETWEEN:
        result = 1.0 if parameters[start] <= x <= parameters[start + 1] else 0.0
    elif operation == CLIP:
        result = x
        if x < parameters[start]:
            result = parameters[start]
        elif x > parameters[start + 1]:
            result = parameters[start + 1]
    elif operation == BIN:
        result = bin_of(x, parameters, start, edges)
    elif operation == INSTALMENT:
        result = instalment(x, y, parameters[start])
    return result


@njit(
    void(READ_FLOAT_ROWS, READ_INT_ROWS, READ_INTS, READ_FLOATS, READ_INTS, WRITE_FLOAT_ROWS, WRITE_SINGLE_ROWS),
    cache=True,
    error_model="numpy",
    fastmath=False,
)
def run_program(packed, instructions, operands, parameters, model_variables, values, model):  # type: ignore[no-untyped-def]
    """Fill `values` with every variable of every row, and `model` with those that the model sees.

    packed float64[n, a + 1]; instructions int32[v, 5]; operands int32[o]; parameters float64[p]; model_variables int32[m];
    values float64[n, v] and model float32[n, m] are written whole.
    """
    columns = packed.shape[1]
    for i in range(packed.shape[0]):
        for j in range(instructions.shape[0]):
            operation = instructions[j, 0]
            first = instructions[j, 1]
            count = instructions[j, 2]
            start = instructions[j, 3]
            slot = operands[first]
            x = packed[i, slot] if slot < columns else values[i, slot - columns]
            if operation == CATEGORY:
                values[i, j] = x
                continue
            if operation == IS_CATEGORY:
                if x == CODE_MISSING:
                    values[i, j] = MISSING
                else:
                    values[i, j] = 1.0 if x == parameters[start] else 0.0
                continue
            y = 0.0
            known = 0 if np.isnan(x) else 1
            total = 0.0 if np.isnan(x) else 0.0 + x
            product = x
            for k in range(1, count):
                slot = operands[first + k]
                y = packed[i, slot] if slot < columns else values[i, slot - columns]
                if not np.isnan(y):
                    known += 1
                    total += y
                product *= y
            if operation == TOTAL:
                values[i, j] = total if known >= parameters[start] else MISSING
                continue
            if known < count:
                values[i, j] = MISSING
                continue
            result = _combine(operation, x, y, product, parameters, start, instructions[j, 4])
            values[i, j] = MISSING if np.isnan(result) else result
        for j in range(model_variables.shape[0]):
            model[i, j] = values[i, model_variables[j]]
