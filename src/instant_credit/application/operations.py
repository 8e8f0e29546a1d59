"""The closed set of operations with which a product derives variables from facts.

Every operation maps float64 operands to one float64; NaN is missing. `features/kernels.py` computes them, `directions.py` knows
how they move, `checks.py` counts their operands. n operands are `x0, x1, ...`, parameters `p0, p1, ...`:

=============  ==========================================================  ======================================
operation      result                                                      missing when
=============  ==========================================================  ======================================
value          x0                                                          x0 is
category       the code of a category attribute                            -1 stays -1
ratio          x0 / x1 * p0 (p0 = 1 when not given)                         either is, or x1 = 0
difference     x0 - x1                                                     either is
total          x0 + x1 + ..., a missing operand counts as 0                fewer than p0 (1 when not given) known
product        p0 * x0 * x1 * ... (p0 = 1 when not given)                   any is
span_months    whole calendar months from date x0 to date x1               either is
indicator      1 when x0 >= p0 (or p0 <= x0 <= p1), else 0                 x0 is
indicator      1 when the category attribute is `category`, else 0         the attribute is
clip           x0, not below p0, not above p1                              x0 is
bin            how many of the rising edges p0, p1, ... are <= x0          x0 is
instalment     level monthly payment for amount x0 over x1 months at a     either is, or x1 < 1
               nominal annual rate of p0 ppm
=============  ==========================================================  ======================================
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct

AS_OF: Final = "as_of"


class Operation(Struct, frozen=True, kw_only=True):
    """How many operands and parameters an operation takes."""

    operands_min: int
    operands_max: int
    parameters_min: int = 0
    parameters_max: int = 0


OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        "value": Operation(operands_min=1, operands_max=1),
        "category": Operation(operands_min=1, operands_max=1),
        "ratio": Operation(operands_min=2, operands_max=2, parameters_max=1),
        "difference": Operation(operands_min=2, operands_max=2),
        "total": Operation(operands_min=1, operands_max=8, parameters_max=1),
        "product": Operation(operands_min=1, operands_max=8, parameters_max=1),
        "span_months": Operation(operands_min=2, operands_max=2),
        "indicator": Operation(operands_min=1, operands_max=1, parameters_max=2),
        "clip": Operation(operands_min=1, operands_max=1, parameters_min=2, parameters_max=2),
        "bin": Operation(operands_min=1, operands_max=1, parameters_min=1, parameters_max=16),
        "instalment": Operation(operands_min=2, operands_max=2, parameters_min=1, parameters_max=1),
    }
)
