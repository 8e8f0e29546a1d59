"""Whom an experiment is open to: checked against the product, and compiled into a function of facts. Pure.

Eligibility is asked before anything is drawn and before variables are computed, so it compares attributes, and totals of them, only. What a
policy may not read (12 CFR 1002.4(a), 1002.6(b)) decides neither who is tried on.
"""

from collections.abc import Callable
from typing import Final

from msgspec import UNSET

from instant_credit.application.facts import Facts
from instant_credit.application.product import Product, Source
from instant_credit.experiment.plan import Plan
from instant_credit.policy.conditions import check_comparison
from instant_credit.policy.document import Condition
from instant_credit.policy.operands import Catalogue
from instant_credit.policy.program import comparisons_of, compile_condition

DEPTH_MAX: Final = 8


def check_eligible(plan: Plan, catalogue: Catalogue) -> list[str]:
    """Everything wrong with the condition of `plan`, in words that name the attribute and what to do; empty is good."""
    if plan.eligible is UNSET:
        return []
    if problems := check_depth(plan):
        return problems
    for leaf in comparisons_of(plan.eligible):
        if leaf.variable is not None:
            problems.append(f"variable {leaf.variable} is not computed yet when it is asked; compare an attribute")
            continue
        problems.extend(check_comparison(leaf, catalogue))
        problems.extend(
            f"attribute {name} is told by tapes only; compare one that applications tell"
            for name in leaf.operand_names
            if name in catalogue.attributes and catalogue.attributes[name][0].source is Source.TAPE
        )
    return [f"eligible: {text}" for text in problems]


def check_depth(plan: Plan) -> list[str]:
    """That conditions lie more than `DEPTH_MAX` deep in each other, in words; empty is good. It is asked before anything goes down into them."""
    inner: list[Condition] = [] if plan.eligible is UNSET else [plan.eligible]
    for _ in range(DEPTH_MAX):
        inner = [part for one in inner for part in (*one.all, *one.any, *(() if one.not_ is None else (one.not_,)))]
    return [f"eligible: conditions lie more than {DEPTH_MAX} deep in each other; say it more plainly"] if inner else []


def compile_eligible(plan: Plan, product: Product) -> Callable[[Facts], bool]:
    """Whether the experiment of a checked plan is open to an application; what a missing fact leaves open is a no."""
    if plan.eligible is UNSET:
        return lambda facts: True
    test = compile_condition(plan.eligible, Catalogue(product))
    return lambda facts: test(facts, ()) is True
