"""How each derived variable moves when one fact moves, found without computing a single value.

Theory. Every operation of `operations.py` is monotone in each operand as long as the other operands keep their sign. So three
things are carried from facts to variables: the interval that a value lies in, a sign per fact (+1 the variable never falls as
the fact rises, -1 it never rises, 0 unknown), and the power of money in it (cents are 1, cents by cents are 0). Intervals are
wider than the truth, never narrower; a sign is 0 rather than wrong.

A denominator that may be 0 has sign 0 as well: there the variable becomes missing, and missing is neither better nor worse.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from instant_credit.application.operations import AS_OF
from instant_credit.application.product import Attribute, AttributeType, Product, Variable
from instant_credit.units import MONTHS_PER_YEAR

UNKNOWN_SIGN: Final = 0


class Movement(Struct, frozen=True, kw_only=True):
    """What is known of a value before any application is seen.

    Attributes
    ----------
    lowest, highest : bounds of the value when it is not missing; infinite when unknown.
    signs : by attribute that the value depends on: +1 rises with it, -1 falls with it, 0 unknown.
    money : power of money; None when the operands do not fit together.
    """

    lowest: float = -math.inf
    highest: float = math.inf
    signs: dict[str, int] = {}
    money: int | None = 0

    @property
    def sign(self) -> int:
        """+1 when the value is never negative, -1 when it is never positive, else 0."""
        if self.lowest >= 0:
            return 1
        return -1 if self.highest <= 0 else 0

    @property
    def may_be_zero(self) -> bool:
        """Whether 0 lies within the bounds."""
        return self.lowest <= 0 <= self.highest


def trace_movements(product: Product) -> dict[str, Movement]:
    """The movement of every variable of `product` by name; its operands must be known and stand before it."""
    traced: dict[str, Movement] = {AS_OF: Movement()}
    for attribute in product.case_attributes:
        traced[attribute.name] = _of_attribute(attribute)
    years = {a.name: a for a in product.case_attributes if a.type is AttributeType.DATE}
    for variable in product.variables:
        operands = [traced[name] for name in variable.of]
        if variable.op == "span_months":
            traced[variable.name] = _of_span(variable, operands, years)
        else:
            traced[variable.name] = _of_variable(variable, operands)
    return {variable.name: traced[variable.name] for variable in product.variables}


def _of_attribute(attribute: Attribute) -> Movement:
    if attribute.type in (AttributeType.CATEGORY, AttributeType.DATE):
        return Movement(signs={attribute.name: 1})
    return Movement(
        lowest=-math.inf if attribute.minimum is None else attribute.minimum,
        highest=math.inf if attribute.maximum is None else attribute.maximum,
        signs={attribute.name: 1},
        money=int(attribute.type is AttributeType.CENTS),
    )


def _of_span(variable: Variable, operands: Sequence[Movement], years: dict[str, Attribute]) -> Movement:
    start, end = variable.of
    lowest, highest = -math.inf, math.inf
    if start in years and end == AS_OF:
        attribute = years[start]
        lowest = (attribute.minimum or 0.0) * MONTHS_PER_YEAR
        highest = math.inf if attribute.maximum is None else attribute.maximum * MONTHS_PER_YEAR
    return Movement(lowest=lowest, highest=highest, signs=_merge(zip(operands, (-1, 1), strict=True)))


def _of_variable(variable: Variable, operands: Sequence[Movement]) -> Movement:
    first = operands[0]
    match variable.op:
        case "category":
            return Movement(signs=dict.fromkeys(first.signs, UNKNOWN_SIGN))
        case "indicator":
            sign = 1 if variable.category is None and len(variable.parameters) == 1 else UNKNOWN_SIGN
            return Movement(lowest=0.0, highest=1.0, signs=_merge([(first, sign)]))
        case "bin":
            return Movement(lowest=0.0, highest=float(len(variable.parameters)), signs=first.signs)
        case "clip":
            low, high = variable.parameters
            lowest, highest = min(max(first.lowest, low), high), min(max(first.highest, low), high)
            return Movement(lowest=lowest, highest=highest, signs=first.signs, money=first.money)
        case "ratio":
            return _of_ratio(first, operands[1], _factor(variable))
        case "product":
            return _of_product(operands, _factor(variable))
        case "difference":
            return Movement(
                lowest=first.lowest - operands[1].highest,
                highest=first.highest - operands[1].lowest,
                signs=_merge(zip(operands, (1, -1), strict=True)),
                money=_same_money(operands),
            )
        case "total":
            return _of_total(variable, operands)
        case "instalment":
            return _of_instalment(first, operands[1])
        case _:
            return first


def _factor(variable: Variable) -> float:
    return variable.parameters[0] if variable.parameters else 1.0


def _of_ratio(over: Movement, under: Movement, factor: float) -> Movement:
    scale = _sign_of(factor)
    signs = _merge(
        [
            (over, scale * under.sign),
            (under, UNKNOWN_SIGN if under.may_be_zero else -scale * over.sign),
        ]
    )
    money = None if over.money is None or under.money is None else over.money - under.money
    if under.may_be_zero:
        # Only the sign of a quotient is known when its denominator comes near 0.
        side = scale * over.sign * under.sign
        return Movement(
            lowest=0.0 if side > 0 else -math.inf, highest=0.0 if side < 0 else math.inf, signs=signs, money=money
        )
    inverse = Movement(lowest=1.0 / under.highest, highest=1.0 / under.lowest)
    lowest, highest = _multiply([over, inverse, Movement(lowest=factor, highest=factor)])
    return Movement(lowest=lowest, highest=highest, signs=signs, money=money)


def _of_product(operands: Sequence[Movement], factor: float) -> Movement:
    moves = []
    for place, operand in enumerate(operands):
        sign = _sign_of(factor)
        for other in (*operands[:place], *operands[place + 1 :]):
            sign *= other.sign
        moves.append((operand, sign))
    powers = [operand.money for operand in operands]
    lowest, highest = _multiply([*operands, Movement(lowest=factor, highest=factor)])
    money = None if None in powers else sum(power or 0 for power in powers)
    return Movement(lowest=lowest, highest=highest, signs=_merge(moves), money=money)


def _of_total(variable: Variable, operands: Sequence[Movement]) -> Movement:
    """A missing operand counts as 0, unless all must be known."""
    all_known = bool(variable.parameters) and variable.parameters[0] == len(operands)
    return Movement(
        lowest=sum(one.lowest if all_known else min(one.lowest, 0.0) for one in operands),
        highest=sum(one.highest if all_known else max(one.highest, 0.0) for one in operands),
        signs=_merge((one, 1) for one in operands),
        money=_same_money(operands),
    )


def _of_instalment(amount: Movement, term: Movement) -> Movement:
    """A payment rises with the amount and falls with the term; terms below 1 make it missing."""
    signs = _merge([(amount, 1), (term, -1 if amount.lowest >= 0 and term.lowest >= 1 else UNKNOWN_SIGN)])
    lowest = max(amount.lowest, 0.0) / term.highest if amount.lowest >= 0 and term.highest > 0 else -math.inf
    return Movement(lowest=lowest, signs=signs, money=amount.money if term.money == 0 else None)


def _same_money(operands: Sequence[Movement]) -> int | None:
    powers = {operand.money for operand in operands}
    return powers.pop() if len(powers) == 1 else None


def _sign_of(number: float) -> int:
    return (number > 0) - (number < 0)


def _merge(moves: Iterable[tuple[Movement, int]]) -> dict[str, int]:
    """Signs of a value from its operands' movements and how it moves with each operand."""
    merged: dict[str, int] = {}
    for operand, sign in moves:
        for name, own in operand.signs.items():
            moved = own * sign
            merged[name] = moved if merged.get(name, moved) == moved else UNKNOWN_SIGN
    return merged


def _multiply(factors: Sequence[Movement]) -> tuple[float, float]:
    """Bounds of a product; 0 times infinity is 0, because no value is infinite."""
    lowest, highest = 1.0, 1.0
    for factor in factors:
        corners = [
            0.0 if one == 0 or other == 0 else one * other
            for one in (lowest, highest)
            for other in (factor.lowest, factor.highest)
        ]
        lowest, highest = min(corners), max(corners)
    return lowest, highest
