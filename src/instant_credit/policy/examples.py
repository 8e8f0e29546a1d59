"""Runs a policy's worked examples: each must come out as it is written."""

from datetime import date

import numpy as np

from instant_credit.application.door import Door
from instant_credit.application.facts import Facts
from instant_credit.application.product import AttributeType, Product
from instant_credit.features.build import build_features
from instant_credit.features.pack import pack_facts
from instant_credit.features.program import compile_features
from instant_credit.policy.document import Example, Policy
from instant_credit.policy.evaluate import evaluate
from instant_credit.policy.program import CompiledPolicy
from instant_credit.policy.verdict import Verdict
from instant_credit.units import Ppm, days_from_date

_TERMS = ("amount_cents", "term_months", "apr_ppm", "instalment_cents")


def check_examples(policy: Policy, compiled: CompiledPolicy, product: Product) -> list[str]:
    """How the examples of `policy` differ from what it gives; empty when none does."""
    door = Door(product)
    problems: list[str] = []
    for example in policy.examples:
        verdict = _judge(example, compiled, door)
        found = verdict if isinstance(verdict, list) else _differences(example, verdict)
        problems.extend(f"example {example.name!r}: {text}" for text in found)
    return problems


def run_example(example: Example, compiled: CompiledPolicy, product: Product) -> Verdict | list[str]:
    """What the policy answers to an example, whatever the example expects; or what is wrong with its facts."""
    return _judge(example, compiled, Door(product))


def _judge(example: Example, compiled: CompiledPolicy, door: Door) -> Verdict | list[str]:
    facts = _read_facts(example, door)
    return facts if isinstance(facts, list) else _run(example, facts, compiled, door.product)


def _read_facts(example: Example, door: Door) -> Facts | list[str]:
    """The example's facts through the same door as an application's, or what is wrong with them."""
    dates = {a.name for a in door.product.case_attributes if a.type is AttributeType.DATE}
    values: dict[str, object] = {}
    problems = []
    for name, value in example.facts.items():
        try:
            values[name] = date.fromisoformat(str(value)) if name in dates else value
        except ValueError:
            problems.append(f"{name} must be a date such as 2020-01-31")
    try:
        as_of = date.fromisoformat(example.as_of)
    except ValueError:
        problems.append("as_of must be a date such as 2020-01-31")
    if problems:
        return problems
    facts = door.check_facts(values, as_of)
    if isinstance(facts, Facts):
        return facts
    return [f"{problem.pointer} {problem.message}" for problem in facts]


def _run(example: Example, facts: Facts, compiled: CompiledPolicy, product: Product) -> Verdict:
    """The verdict at the example's pd, with variables built as for an application."""
    program = compile_features(product)
    days = days_from_date(date.fromisoformat(example.as_of))
    matrix = build_features(program, pack_facts(program, (facts,), np.array([days], dtype=np.int32)))
    pd = None if example.pd_ppm is None else Ppm(example.pd_ppm)
    return evaluate(compiled, facts, matrix.values[0].tolist(), pd)


def _differences(example: Example, verdict: Verdict) -> list[str]:
    """Where the verdict is not what was expected."""
    expect = example.expect
    found = []
    if verdict.outcome is not expect.outcome:
        found.append(f"outcome is {verdict.outcome}, expected {expect.outcome}")
    codes = tuple(reason.code for reason in verdict.reasons)
    if codes != expect.reasons:
        found.append(f"reasons are {list(codes)}, expected {list(expect.reasons)}")
    for name in _TERMS:
        wanted = getattr(expect, name)
        given = None if verdict.terms is None else getattr(verdict.terms, name)
        if wanted is not None and wanted != given:
            found.append(f"{name} is {given}, expected {wanted}")
    return found
