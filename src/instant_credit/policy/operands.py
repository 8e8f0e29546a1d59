"""What a condition may read: attributes of the Case, derived variables, totals of cents.

An operand knows where its value lies (column of `Facts` and position in it, or position in the row of variables), which domain
it has, and which way it is worse for the applicant.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from math import isnan

from msgspec import Struct

from instant_credit.application.facts import Facts
from instant_credit.application.movements import trace_movements
from instant_credit.application.product import (
    Attribute,
    AttributeType,
    Better,
    Direction,
    Legal,
    Product,
    Variable,
)

Number = int | float
Read = Callable[[Facts, Sequence[float]], Number | None]


class OperandKind(StrEnum):
    """Where a value lies and how it is compared."""

    CENTS = "cents"
    INTEGER = "integer"
    REAL = "real"
    CATEGORY = "category"
    VARIABLE = "variable"
    TOTAL = "total"


class Operand(Struct, frozen=True, kw_only=True):
    """One readable value.

    `positions` has several entries for a total only. `worse_when` says which way is worse for the applicant: higher, lower,
    neither (empty), or both, when some better fact raises the value and another lowers it.
    """

    kind: OperandKind
    names: tuple[str, ...]
    positions: tuple[int, ...]
    unit: str
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[str, ...] = ()
    worse_when: frozenset[Better] = frozenset()

    @property
    def is_whole(self) -> bool:
        """Whether values are integers: money and counts."""
        return self.kind in (OperandKind.CENTS, OperandKind.INTEGER, OperandKind.TOTAL)


class Catalogue:
    """Where every attribute and variable of a product lies.

    Attributes
    ----------
    attributes : case attribute by name, with its position among the attributes of its type.
    variables : variable by name, with its position in product order.
    income : names of the cents attributes that together are the applicant's income: the role, where there is one, and every
        `ASSISTANCE_INCOME` attribute (12 CFR 1002.6(b)(5)).
    """

    def __init__(self, product: Product) -> None:
        self.product = product
        counts: dict[AttributeType, int] = {}
        self.attributes: dict[str, tuple[Attribute, int]] = {}
        for attribute in product.case_attributes:
            position = counts.get(attribute.type, 0)
            self.attributes[attribute.name] = (attribute, position)
            counts[attribute.type] = position + 1
        self.variables: dict[str, tuple[Variable, int]] = {v.name: (v, i) for i, v in enumerate(product.variables)}
        assistance = [
            a.name
            for a in product.case_attributes
            if a.legal is Legal.ASSISTANCE_INCOME and a.type is AttributeType.CENTS
        ]
        self._movements = trace_movements(product)
        role = product.roles.income_annual
        self.income = (*(() if role is None else (role,)), *(name for name in assistance if name != role))
        self.prohibited = frozenset(a.name for a in product.monitoring_attributes)

    def attribute_operand(self, name: str) -> Operand:
        """The operand of case attribute `name` (not a date). Raises KeyError when there is none."""
        attribute, position = self.attributes[name]
        return Operand(
            kind=OperandKind(attribute.type.value),
            names=(name,),
            positions=(position,),
            unit=attribute.unit or attribute.type.value,
            minimum=attribute.minimum,
            maximum=attribute.maximum,
            categories=attribute.categories,
            worse_when=_WORSE_BY_BETTER[attribute.better],
        )

    def variable_operand(self, name: str) -> Operand:
        """The operand of derived variable `name`. Raises KeyError when there is none."""
        variable, position = self.variables[name]
        movement = self._movements[name]
        return Operand(
            kind=OperandKind.VARIABLE,
            names=(name,),
            positions=(position,),
            unit=variable.unit,
            minimum=movement.lowest,
            maximum=movement.highest,
            worse_when=self._worse_ways(variable),
        )

    def total_operand(self, names: Sequence[str]) -> Operand:
        """The operand of a total of cents attributes; its range is the sum of theirs."""
        parts = [self.attribute_operand(name) for name in names]
        minima = [p.minimum for p in parts]
        maxima = [p.maximum for p in parts]
        return Operand(
            kind=OperandKind.TOTAL,
            names=tuple(names),
            positions=tuple(p.positions[0] for p in parts),
            unit="cents",
            minimum=sum(min(m, 0.0) for m in minima if m is not None) if None not in minima else None,
            maximum=sum(m for m in maxima if m is not None) if None not in maxima else None,
            worse_when=frozenset[Better]().union(*(p.worse_when for p in parts)),
        )

    def _worse_ways(self, variable: Variable) -> frozenset[Better]:
        """Ways in which `variable` is worse: as declared, and as every fact behind it that can be better moves it."""
        ways = set(_WORSE_BY_DIRECTION[variable.direction])
        for name, sign in self._movements[variable.name].signs.items():
            better = self.attributes[name][0].better if name in self.attributes else Better.NEITHER
            if better is not Better.NEITHER:
                moves_up = {sign > 0} if sign else {True, False}
                ways |= {Better.LOWER if (better is Better.HIGHER) == up else Better.HIGHER for up in moves_up}
        return frozenset(ways)


_WORSE_BY_DIRECTION = {
    Direction.INCREASING: frozenset({Better.HIGHER}),
    Direction.DECREASING: frozenset({Better.LOWER}),
    Direction.FREE: frozenset[Better](),
}
_WORSE_BY_BETTER = {
    Better.HIGHER: frozenset({Better.LOWER}),
    Better.LOWER: frozenset({Better.HIGHER}),
    Better.NEITHER: frozenset[Better](),
}


def compile_read(operand: Operand) -> Read:
    """A function that reads the operand from facts and the row of variables (float64, NaN = missing); None = missing."""
    position = operand.positions[0]
    match operand.kind:
        case OperandKind.CENTS:
            return lambda facts, variables: facts.cents[position]
        case OperandKind.INTEGER:
            return lambda facts, variables: facts.integers[position]
        case OperandKind.REAL:

            def read_real(facts: Facts, variables: Sequence[float]) -> Number | None:
                value = facts.reals[position]
                return None if value is None or isnan(value) else value

            return read_real
        case OperandKind.CATEGORY:

            def read_code(facts: Facts, variables: Sequence[float]) -> Number | None:
                code = facts.codes[position]
                return None if code < 0 else code

            return read_code
        case OperandKind.VARIABLE:

            def read_variable(facts: Facts, variables: Sequence[float]) -> Number | None:
                value = variables[position]
                return None if isnan(value) else value

            return read_variable
        case _:
            return _compile_total(operand.positions)


def _compile_total(positions: tuple[int, ...]) -> Read:
    """Sum of cents; an absent part counts as zero, all absent is missing."""

    def read_total(facts: Facts, variables: Sequence[float]) -> Number | None:
        cents = facts.cents
        total = 0
        is_known = False
        for position in positions:
            value = cents[position]
            if value is not None:
                total += value
                is_known = True
        return total if is_known else None

    return read_total
