"""Static checks of a whole product document: every fault, as a sentence that names its place and what to do.

Order: attributes by themselves, roles, variables by themselves, reasons, then what only the whole shows: legal use and
directions (`legality.py`). The last step needs operands that resolve, so it waits until the earlier ones find nothing.
"""

import math
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from instant_credit.application.legality import find_unlawful_uses
from instant_credit.application.operations import AS_OF, OPERATIONS
from instant_credit.application.product import (
    Attribute,
    AttributeType,
    Better,
    Direction,
    Legal,
    MissingRule,
    Product,
    Source,
    Variable,
)
from instant_credit.application.wording import VALUE_PLACEHOLDER

WHOLE_MAX: Final = 2.0**53
YEARS_MAX: Final = 1000.0
TERM_MONTHS_MAX: Final = 1200
_NUMBERS: Final = (AttributeType.CENTS, AttributeType.INTEGER, AttributeType.REAL)


def find_faults(product: Product) -> list[str]:
    """Every fault of `product`, as sentences; empty when it may be used."""
    faults = [*_check_names(product)]
    for attribute in product.attributes:
        faults.extend(f"attribute {attribute.name}: {fault}" for fault in _check_attribute(attribute))
    faults.extend(_check_roles(product))
    faults.extend(_check_variables(product))
    faults.extend(_check_reasons(product))
    return faults or list(find_unlawful_uses(product))


def _check_names(product: Product) -> Iterator[str]:
    for section, names in (
        ("attribute", [a.name for a in product.attributes]),
        ("variable", [v.name for v in product.variables]),
    ):
        for name, times in Counter(names).items():
            if times > 1:
                yield f"{section} {name}: the name stands {times} times"
            if name == AS_OF:
                yield f"{section} {name}: the name is reserved for the day of the application"
    attributes = {a.name for a in product.attributes}
    for variable in product.variables:
        if variable.name in attributes and (
            variable.op not in ("value", "category") or variable.of != (variable.name,)
        ):
            yield f"variable {variable.name}: an attribute has this name; only its plain value may share it"


def _check_attribute(attribute: Attribute) -> Iterator[str]:
    if attribute.type is AttributeType.CATEGORY:
        yield from _check_category(attribute)
    else:
        if attribute.categories:
            yield "only a category attribute has categories"
        yield from _check_range(attribute)
    if attribute.type is AttributeType.REAL and not attribute.unit:
        yield "a real needs its unit"
    if attribute.actionable and attribute.better is Better.NEITHER:
        yield "what the applicant can improve needs its better side, so that no variable can punish the improvement"
    if attribute.source is Source.TAPE and attribute.is_required:
        yield "what only tapes tell cannot be required, or no application could be made"
    yield from _check_legal(attribute)


def _check_category(attribute: Attribute) -> Iterator[str]:
    if not attribute.categories:
        yield "a category attribute needs its categories"
    if len(set(attribute.categories)) < len(attribute.categories):
        yield "a category stands twice"
    if attribute.minimum is not None or attribute.maximum is not None:
        yield "categories have no range"
    if attribute.better is not Better.NEITHER:
        yield "categories have no order, so none is better"
    if attribute.missing is MissingRule.ZERO:
        yield "a category cannot be missing as zero"


def _check_range(attribute: Attribute) -> Iterator[str]:
    low, high = attribute.minimum, attribute.maximum
    if low is None or high is None:
        yield "needs a minimum and a maximum"
        return
    if not (math.isfinite(low) and math.isfinite(high)):
        yield "its range must be finite"
        return
    if low > high:
        yield "its minimum is above its maximum"
    if attribute.type is not AttributeType.REAL and (low != int(low) or high != int(high)):
        yield "its range must be whole"
    if attribute.type is AttributeType.DATE:
        if low < 0 or high > YEARS_MAX:
            yield f"its range is in years before the application, from 0 to {YEARS_MAX:.0f}"
        if attribute.missing is MissingRule.ZERO:
            yield "a date cannot be missing as zero"
    elif max(abs(low), abs(high)) > WHOLE_MAX:
        yield "its range goes beyond 2**53, where numbers are no longer exact"
    elif attribute.missing is MissingRule.ZERO and not low <= 0 <= high:
        yield "missing as zero needs a range that holds 0"


def _check_legal(attribute: Attribute) -> Iterator[str]:
    if attribute.legal is Legal.PROHIBITED:
        if attribute.type is not AttributeType.CATEGORY:
            yield "a prohibited attribute is carried as a category"
        if attribute.is_required:
            yield "a prohibited attribute cannot be required (12 CFR 1002.5(b))"
        if attribute.source is Source.TAPE:
            yield 'a prohibited attribute is told voluntarily, also with an application: its source is not "tape"'
    if attribute.legal is Legal.AGE and attribute.type is not AttributeType.DATE:
        yield "age is told as a date of birth"
    if attribute.legal is Legal.ASSISTANCE_INCOME:
        if attribute.type is not AttributeType.CENTS:
            yield "assistance income is told in cents"
        if attribute.is_required:
            yield "assistance income cannot be required (12 CFR 1002.5(d)(2))"


def _check_roles(product: Product) -> Iterator[str]:
    attributes = {a.name: a for a in product.attributes}
    roles = product.roles
    if (roles.amount is None) != (roles.term is None):
        told, untold = ("term", "amount") if roles.amount is None else ("amount", "term")
        yield f"role {told}: comes together with {untold}; give both, or neither when an approval is to carry no terms"
    for role, name, kind, least in (
        ("amount", roles.amount, AttributeType.CENTS, 1.0),
        ("term", roles.term, AttributeType.INTEGER, 1.0),
        ("income_annual", roles.income_annual, AttributeType.CENTS, 0.0),
    ):
        if name is None:
            continue
        attribute = attributes.get(name)
        if attribute is None:
            yield f"role {role}: there is no attribute {name}"
            continue
        if attribute.type is not kind:
            yield f"role {role}: {name} must be of type {kind}"
        if not attribute.is_required:
            yield f'role {role}: {name} must be required (missing = "refuse")'
        if attribute.minimum is not None and attribute.minimum < least:
            yield f"role {role}: {name} must not go below {least:.0f}"
        if attribute.legal is not Legal.FREE:
            yield f"role {role}: {name} must be free of legal restrictions"


def _check_variables(product: Product) -> Iterator[str]:
    prohibited = {a.name for a in product.monitoring_attributes}
    kinds: dict[str, str] = {a.name: _kind_of_attribute(a) for a in product.case_attributes}
    kinds[AS_OF] = "date"
    later = {v.name for v in product.variables}
    categories = {a.name: a.categories for a in product.case_attributes if a.type is AttributeType.CATEGORY}
    terms = {a.name: a.maximum or math.inf for a in product.case_attributes if a.type is AttributeType.INTEGER}
    for variable in product.variables:
        place = f"variable {variable.name}"
        later.discard(variable.name)
        for name in variable.of:
            if name in prohibited:
                yield f"{place}: {name} is prohibited and may enter no variable"
            elif name not in kinds and name in (*later, variable.name):
                yield f"{place}: {name} is not computed yet there; a variable may use earlier ones only"
            elif name not in kinds:
                yield f"{place}: there is no attribute or variable {name}"
        faults = [
            *_check_counts(variable),
            *_check_parameters(variable),
            *_check_operand_kinds(variable, [kinds[name] for name in variable.of if name in kinds]),
            *_check_category_use(variable, categories),
            *_check_term(variable, terms),
        ]
        yield from (f"{place}: {fault}" for fault in faults)
        kinds[variable.name] = "category" if variable.op == "category" else "number"


def _kind_of_attribute(attribute: Attribute) -> str:
    return "number" if attribute.type in _NUMBERS else str(attribute.type)


def _check_counts(variable: Variable) -> Iterator[str]:
    operation = OPERATIONS[variable.op]
    if not operation.operands_min <= len(variable.of) <= operation.operands_max:
        yield f"{variable.op} takes {_span(operation.operands_min, operation.operands_max)} operands"
    if not operation.parameters_min <= len(variable.parameters) <= operation.parameters_max:
        yield f"{variable.op} takes {_span(operation.parameters_min, operation.parameters_max)} parameters"
    if variable.op == "indicator" and bool(variable.parameters) == (variable.category is not None):
        yield "indicator takes either a category or one or two parameters"
    if variable.op != "indicator" and variable.category is not None:
        yield "only indicator takes a category"


def _span(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


def _check_parameters(variable: Variable) -> Iterator[str]:
    own = variable.parameters
    if not all(math.isfinite(parameter) for parameter in own):
        yield "parameters must be finite"
        return
    if variable.op in ("ratio", "product") and own and own[0] == 0:
        yield f"{variable.op} by a factor of 0 says nothing"
    if variable.op == "total" and own and (own[0] != int(own[0]) or not 1 <= own[0] <= len(variable.of)):
        yield "total's parameter is how many operands must be known, from 1 to all"
    if variable.op in ("clip", "indicator") and len(own) == 2 and own[0] > own[1]:
        yield f"{variable.op} needs its lower bound first"
    if variable.op == "bin" and any(low >= high for low, high in pairwise(own)):
        yield "bin needs rising edges"
    if variable.op == "instalment" and own and not 0 <= own[0] <= 10_000_000:
        yield "instalment's rate is in parts per million a year, from 0 to 10000000"


def _check_operand_kinds(variable: Variable, kinds: list[str]) -> Iterator[str]:
    wanted = "number"
    if variable.op == "span_months":
        wanted = "date"
    elif variable.op == "category" or (variable.op == "indicator" and variable.category is not None):
        wanted = "category"
    if any(kind != wanted for kind in kinds):
        yield f"{variable.op} works on a {wanted}, each operand must be one"


def _check_category_use(variable: Variable, categories: dict[str, tuple[str, ...]]) -> Iterator[str]:
    if variable.op == "category":
        if variable.unit != "category":
            yield 'its unit must be "category"'
        if variable.direction is not Direction.FREE:
            yield "categories have no order, so its direction must be free"
        if variable.of[0] not in categories:
            yield "category takes an attribute"
    elif variable.unit == "category":
        yield 'only the operation category has the unit "category"'
    if variable.op == "indicator" and variable.category is not None:
        known = categories.get(variable.of[0], ())
        if variable.category not in known:
            yield f"{variable.of[0]} has no category {variable.category}"


def _check_term(variable: Variable, terms: dict[str, float]) -> Iterator[str]:
    """The kernel adds up one discount factor a month, so their number is bounded."""
    if variable.op == "instalment" and terms.get(variable.of[-1], math.inf) > TERM_MONTHS_MAX:
        yield f"instalment's term is a whole-number attribute of at most {TERM_MONTHS_MAX} months"


def _check_reasons(product: Product) -> Iterator[str]:
    code_of: dict[int, str] = {}
    number_of: dict[str, int] = {}
    family_of: dict[str, str] = {}
    for variable in product.variables:
        place = f"variable {variable.name}"
        told = (variable.reason, variable.reason_number, variable.text, variable.text_missing)
        if variable.in_model and None in told:
            yield f"{place}: what the model sees needs reason, reason_number, text and text_missing"
        if (variable.reason is None) != (variable.reason_number is None):
            yield f"{place}: a reason and its number belong together"
        elif variable.reason is not None and variable.reason_number is not None:
            reason, number = variable.reason, variable.reason_number
            if code_of.setdefault(number, reason) != reason:
                yield f"{place}: number {number} belongs to reason {code_of[number]}"
            if number_of.setdefault(reason, number) != number:
                yield f"{place}: reason {reason} has number {number_of[reason]}"
            if family_of.setdefault(reason, variable.family) != variable.family:
                yield f"{place}: reason {reason} is of family {family_of[reason]}"
        if _has_stray_brace(variable.text or "", VALUE_PLACEHOLDER) or _has_stray_brace(
            variable.text_missing or "", ""
        ):
            yield f"{place}: a text may hold {VALUE_PLACEHOLDER} once, a text for missing values no braces at all"


def _has_stray_brace(text: str, allowed: str) -> bool:
    rest = text.replace(allowed, "", 1) if allowed else text
    return "{" in rest or "}" in rest
