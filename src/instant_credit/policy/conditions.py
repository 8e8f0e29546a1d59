"""Checks of rules: types, law, direction, reach.

Each function returns what is wrong in words that name the rule and what to do; an empty list is good.
"""

import math
from collections.abc import Iterator

from instant_credit.application.operations import AS_OF
from instant_credit.application.product import Attribute, AttributeType, Legal
from instant_credit.policy.document import Comparison, Condition, Policy, Rule
from instant_credit.policy.operands import Catalogue, Operand, OperandKind
from instant_credit.policy.program import codes_of, comparisons_of, operand_of, shown_operand
from instant_credit.policy.regions import (
    Box,
    TooComplex,
    boxes_of,
    extents_of,
    favours_worse,
    is_covered,
    is_empty,
)

# The highest age of majority of a US state (Mississippi Code 1-3-27): capacity to contract is all that a rule may ask of age.
AGE_OF_MAJORITY_MONTHS_MAX = 252


def check_rules(policy: Policy, catalogue: Catalogue) -> list[str]:
    """Everything wrong with the rules of `policy`."""
    problems: list[str] = []
    readable: list[Rule] = []
    for rule in policy.rules:
        found = [text for leaf in comparisons_of(rule.when) for text in check_comparison(leaf, catalogue)]
        is_readable = not found
        if is_readable:
            found.extend(_check_direction(rule, catalogue))
            readable.append(rule)
        found.extend(_check_shown(rule, policy, catalogue if is_readable else None))
        problems.extend(f"rule {rule.id}: {text}" for text in found)
    return [*problems, *_check_reach(readable, catalogue)]


def check_comparison(leaf: Condition, catalogue: Catalogue) -> list[str]:
    """Operand known and allowed, comparison and value of its type."""
    problems = [text for name in leaf.operand_names if (text := _check_name(name, leaf, catalogue))]
    if problems:
        return problems
    if text := _check_income(leaf, catalogue) or _check_age(leaf, catalogue):
        return [text]
    operand = operand_of(leaf, catalogue)
    name = " + ".join(operand.names)
    if operand.kind is OperandKind.CATEGORY:
        return _check_category(leaf, operand)
    if leaf.compare is Comparison.IN:
        return [f"{name} is a number; compare with above, at_least, below, at_most or is"]
    if operand.is_whole and not isinstance(leaf.value, int):
        return [f"{name} holds whole numbers ({operand.unit}); give a whole number"]
    if not isinstance(leaf.value, (int, float)) or not math.isfinite(leaf.value):
        return [f"{name} holds numbers ({operand.unit}); give a number"]
    if operand.kind is OperandKind.REAL and leaf.compare is Comparison.IS:
        return [f"{name} is a real; compare with above, at_least, below or at_most"]
    return []


def _check_name(name: str, leaf: Condition, catalogue: Catalogue) -> str | None:
    if leaf.variable is not None:
        if name not in catalogue.variables:
            return f"variable {name} is not in product {catalogue.product.name}"
        if catalogue.variables[name][0].op == "category":
            return f"variable {name} is a category; compare the attribute it is made of"
        return None
    if name in catalogue.prohibited:
        return f"attribute {name} is prohibited (12 CFR 1002.4(a)); a policy may not read it"
    if name not in catalogue.attributes:
        return f"attribute {name} is not in product {catalogue.product.name}"
    type_ = catalogue.attributes[name][0].type
    if type_ is AttributeType.DATE:
        return f"attribute {name} is a date; compare a span_months variable made of it"
    if leaf.total and type_ is not AttributeType.CENTS:
        return f"attribute {name} is no money; a total adds cents"
    return None


def _check_income(leaf: Condition, catalogue: Catalogue) -> str | None:
    """Income counts whole: no rule may leave out a kind of it. Source: 12 CFR 1002.6(b)(5)."""
    kinds = set(catalogue.income)
    is_part = bool(kinds & set(leaf.operand_names)) and not kinds <= set(leaf.operand_names)
    return f"income counts in full whatever its kind: compare total = {list(catalogue.income)}" if is_part else None


def _check_age(leaf: Condition, catalogue: Catalogue) -> str | None:
    """Age may only stand for the capacity to contract. Source: 12 CFR 1002.6(b)(2)."""
    aged = {a.name for a in _attributes_behind(leaf, catalogue) if a.legal is Legal.AGE}
    if not aged:
        return None
    variable = None if leaf.variable is None else catalogue.variables[leaf.variable][0]
    is_span = variable is not None and variable.op == "span_months" and variable.of[0] in aged
    is_majority = isinstance(leaf.value, (int, float)) and leaf.value <= AGE_OF_MAJORITY_MONTHS_MAX
    if is_span and leaf.compare is Comparison.BELOW and is_majority:
        return None
    return (
        f"age may only be asked for the capacity to contract: a span_months variable below at most "
        f"{AGE_OF_MAJORITY_MONTHS_MAX} months"
    )


def _attributes_behind(leaf: Condition, catalogue: Catalogue) -> Iterator[Attribute]:
    """Every attribute that a comparison's value is made of."""
    names = list(leaf.operand_names)
    while names:
        name = names.pop()
        if name in catalogue.attributes:
            yield catalogue.attributes[name][0]
        elif name in catalogue.variables and name != AS_OF:
            names.extend(catalogue.variables[name][0].of)


def _check_category(leaf: Condition, operand: Operand) -> list[str]:
    name = operand.names[0]
    if leaf.compare not in (Comparison.IS, Comparison.IN):
        return [f"{name} is a category; compare with is or in"]
    wanted = leaf.value if isinstance(leaf.value, tuple) else (leaf.value,)
    if (leaf.compare is Comparison.IN) != isinstance(leaf.value, tuple) or not wanted:
        return [f"{name}: is takes one category, in a list of them"]
    return [f"{name} has no category {value}" for value in wanted if value not in operand.categories]


class Resolver:
    """Operand and value of a comparison."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def __call__(self, leaf: Condition) -> tuple[Operand, float | frozenset[int]]:
        """The operand, and the number or codes it is compared with."""
        operand = operand_of(leaf, self._catalogue)
        if operand.kind is OperandKind.CATEGORY:
            return operand, codes_of(operand, leaf)
        value = leaf.value
        return operand, value if isinstance(value, (int, float)) else math.nan


def _signed(condition: Condition, *, is_negated: bool = False) -> Iterator[tuple[Condition, bool]]:
    """Every comparison with whether it stands under an odd number of nots."""
    if condition.compare is not None:
        yield condition, is_negated
    elif condition.not_ is not None:
        yield from _signed(condition.not_, is_negated=not is_negated)
    else:
        for part in condition.any or condition.all:
            yield from _signed(part, is_negated=is_negated)


def _check_direction(rule: Rule, catalogue: Catalogue) -> list[str]:
    """A better value must never turn a clear rule into a hit."""
    resolve = Resolver(catalogue)
    problems = []
    for leaf, is_negated in _signed(rule.when):
        operand, value = resolve(leaf)
        compare = leaf.compare or Comparison.IS
        extents = extents_of(operand, compare, value, is_negated=is_negated)
        if not all(is_empty(extent) or favours_worse(extent, operand) for extent in extents):
            name = " + ".join(operand.names)
            ways = " and ".join(sorted(operand.worse_when))
            problems.append(f"{name} is worse when {ways}; this comparison hits better values and spares worse")
    return problems


def _check_shown(rule: Rule, policy: Policy, catalogue: Catalogue | None) -> list[str]:
    """A text that shows a value needs one value to show, and words for its absence; None where the condition can't be read."""
    names = {name for leaf in comparisons_of(rule.when) for name in leaf.operand_names}
    if rule.shows is not None and rule.shows not in names:
        return [f"shows {rule.shows}, which its condition does not read"]
    reason = next((r for r in policy.reasons if r.code == rule.reason), None)
    if reason is None:
        return [f"reason {rule.reason} is not among the reasons"]
    if "{value}" not in reason.text:
        return []
    problems = []
    if catalogue is not None and shown_operand(rule, catalogue) is None:
        problems.append(f"reason {rule.reason} shows a value but the condition reads several; name one in shows")
    if reason.text_missing is None:
        problems.append(f"reason {rule.reason} shows a value, so it needs text_missing")
    return problems


def _check_reach(rules: list[Rule], catalogue: Catalogue) -> list[str]:
    """Rules that never hit, hit everyone, or hit only where an earlier, no lighter one already does."""
    resolve = Resolver(catalogue)
    problems: list[str] = []
    earlier: list[tuple[Rule, list[Box]]] = []
    for rule in rules:
        try:
            boxes = boxes_of(rule.when, resolve)
            is_always = not boxes_of(rule.when, resolve, is_negated=True)
        except TooComplex:
            problems.append(f"rule {rule.id}: its condition is too complex to check; split it into several rules")
            continue
        if not boxes:
            problems.append(f"rule {rule.id}: is unreachable, no applicant within the product's ranges can meet it")
        elif is_always:
            problems.append(f"rule {rule.id}: hits every applicant who tells the facts it reads")
        for other, others in earlier:
            is_no_lighter = other.outcome == "decline" or rule.outcome == "refer"
            if boxes and is_no_lighter and is_covered(boxes, others):
                problems.append(f"rule {rule.id}: is unreachable, rule {other.id} already hits wherever it does")
        earlier.append((rule, boxes))
    return problems
