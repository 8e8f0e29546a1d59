"""What Regulation B and plain consistency ask of a product's variables as a whole.

Three laws, each checked for every variable that the model sees:

- Age never counts against an applicant (12 CFR 1002.6(b)(2)): a date of birth enters only as the span from it to ``as_of``, and
  no variable lets pd rise with age.
- Income counts at full value whatever its kind (1002.6(b)(5)): where a product knows assistance income, annual income and all
  assistance incomes are used together in one `total`, and never alone.
- A better fact never raises pd: for every actionable attribute with a better side, every variable moves the way its direction
  says is less risky. A fact that cannot be acted on may sit in a variable of free direction, but not in one that
  contradicts it.

Prohibited attributes never get here: they are no operands at all. An attribute whose name or categories tell of a prohibited
basis, of age or of assistance income, yet that is not declared so, is refused (`names.py`).
"""

from collections.abc import Iterator
from typing import Final

from instant_credit.application.movements import UNKNOWN_SIGN, Movement, trace_movements
from instant_credit.application.names import find_denied_names
from instant_credit.application.operations import AS_OF
from instant_credit.application.product import Attribute, Better, Direction, Legal, Product, Variable

_SIGNS: Final = {Direction.INCREASING: 1, Direction.DECREASING: -1, Better.HIGHER: 1, Better.LOWER: -1}


def find_unlawful_uses(product: Product) -> Iterator[str]:
    """Faults of a product whose attributes and variables are each in order by themselves."""
    for attribute in product.attributes:
        yield from _check_names(attribute)
    movements = trace_movements(product)
    attributes = {a.name: a for a in product.case_attributes}
    incomes = _incomes(product)
    for variable in product.variables:
        movement = movements[variable.name]
        faults = [
            *_check_money(variable, movement),
            *_check_age(variable, attributes),
            *_check_incomes(variable, incomes),
        ]
        if variable.in_model:
            faults.extend(_check_direction(variable, movement, attributes))
        yield from (f"variable {variable.name}: {fault}" for fault in faults)


def _check_names(attribute: Attribute) -> Iterator[str]:
    for told in find_denied_names(attribute.name, attribute.legal):
        yield f"attribute {attribute.name}: the name tells of {told}"
    for category in attribute.categories:
        for told in find_denied_names(category, attribute.legal):
            yield f"attribute {attribute.name}: its category {category} tells of {told}; or tell it as another category"


def _check_money(variable: Variable, movement: Movement) -> Iterator[str]:
    if movement.money is None:
        yield f"{variable.op} mixes money with something else"
    elif movement.money not in (0, 1):
        yield f"it is money to the power of {movement.money}, which means nothing"
    elif (movement.money == 1) != (variable.unit == "cents"):
        yield f"its value is {'money' if movement.money else 'no money'}, its unit says {variable.unit}"


def _check_age(variable: Variable, attributes: dict[str, Attribute]) -> Iterator[str]:
    ages = [name for name in variable.of if name in attributes and attributes[name].legal is Legal.AGE]
    if not ages:
        return
    if variable.op != "span_months" or variable.of != (ages[0], AS_OF):
        yield f"age enters only as span_months of [{ages[0]}, {AS_OF}]"
    if variable.direction is not Direction.DECREASING:
        yield "age may only lower pd: its direction must be decreasing (12 CFR 1002.6(b)(2))"


def _incomes(product: Product) -> frozenset[str]:
    """Annual income and all assistance incomes, when there are any."""
    assistance = {a.name for a in product.attributes if a.legal is Legal.ASSISTANCE_INCOME}
    annual = product.roles.income_annual
    return frozenset({*assistance, *(() if annual is None else (annual,))}) if assistance else frozenset()


def _check_incomes(variable: Variable, incomes: frozenset[str]) -> Iterator[str]:
    used = incomes.intersection(variable.of)
    if used and (variable.op != "total" or used != incomes or len(set(variable.of)) != len(variable.of)):
        yield f"incomes count at full value whatever their kind: use one total of {', '.join(sorted(incomes))}"
    elif used and variable.parameters not in ((), (1.0,)):
        yield "an income that was not told counts as nothing: total must not ask for more than one known operand"


def _check_direction(variable: Variable, movement: Movement, attributes: dict[str, Attribute]) -> Iterator[str]:
    for name, sign in movement.signs.items():
        attribute = attributes[name]
        better = Better.LOWER if attribute.legal is Legal.AGE else attribute.better
        if better is Better.NEITHER:
            continue
        is_bound = attribute.actionable or attribute.legal is Legal.AGE
        if variable.direction is Direction.FREE:
            if is_bound:
                yield f"{name} has a better side, so the direction cannot be free"
        elif sign == UNKNOWN_SIGN:
            if is_bound:
                yield (
                    f"{name} has a better side, but moves the variable both ways or to missing; "
                    "clip a denominator that may be 0, or take the variable out of the model"
                )
        elif sign * _SIGNS[variable.direction] * _SIGNS[better] > 0:
            yield f"a better {name} would raise pd: its direction must be the other one"
