"""Every rule and exit of the shipped policy, a step before its threshold, on it and a step beyond."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from instant_credit.application.door import Door
from instant_credit.application.facts import Facts
from instant_credit.application.product import AttributeType
from instant_credit.policy.evaluate import evaluate
from instant_credit.policy.program import EXITS
from instant_credit.policy.verdict import RuleResult
from instant_credit.units import Ppm
from tests.policy.documents import AS_OF, compiled, product, shipped, variables_of

TABLE = Path(__file__).with_name("near_misses.txt")
BASE = {
    "requested_amount_cents": "1_000_000",
    "term_months": "36",
    "income_annual_cents": "6_000_000",
    "accounts_now_delinquent": "0",
    "delinquent_amount_cents": "0",
    "delinquencies_2y": "0",
    "inquiries_6m": "0",
    "revolving_utilisation": "0.3",
    "pd": "90_000",
}
ROWS = [line.split() for line in TABLE.read_text().splitlines() if not line.startswith("#")]
TYPES = {a.name: a.type for a in product().case_attributes}
# Facts that the door requires cannot be missing, so this exit has no near miss.
BEYOND_THE_DOOR = {"evidence_missing"}


def read_value(name: str, text: str) -> Any:
    if TYPES[name] is AttributeType.DATE:
        return date.fromisoformat(text)
    return float(text) if TYPES[name] is AttributeType.REAL else int(text)


@pytest.mark.parametrize(("changed", "outcome", "amount", "hits"), ROWS, ids=[row[0] for row in ROWS])
def test_near_miss(changed: str, outcome: str, amount: str, hits: str) -> None:
    told = {**BASE, **dict(cell.split("=") for cell in changed.split(",") if cell != "base")}
    pd = told.pop("pd")
    values = {name: read_value(name, text) for name, text in told.items() if text != "none"}
    facts = Door(product()).check_facts(values, AS_OF)
    assert isinstance(facts, Facts), facts
    verdict = evaluate(compiled(), facts, variables_of(facts), None if pd == "none" else Ppm(int(pd)))
    assert verdict.outcome == outcome
    assert (f"{verdict.terms.amount_cents:_}" if verdict.terms else "-") == amount
    hit = [entry.rule for entry in verdict.trace if entry.result is RuleResult.HIT]
    assert (",".join(hit) or "-") == hits


def test_every_rule_and_exit_has_its_near_misses() -> None:
    seen = {hit for row in ROWS for hit in row[3].split(",")}
    assert {rule.id for rule in shipped().rules} | set(EXITS) - BEYOND_THE_DOOR <= seen
