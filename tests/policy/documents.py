"""The shipped product and policy, and copies of the policy with something changed."""

import math
import tomllib
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from functools import cache
from typing import Any

import msgspec
import numpy as np
from hypothesis import strategies as st

from instant_credit.application.document import load_product
from instant_credit.application.facts import Facts
from instant_credit.application.product import AttributeType, Product
from instant_credit.features.build import build_features
from instant_credit.features.pack import pack_facts
from instant_credit.features.program import FeatureProgram, compile_features
from instant_credit.policy.document import Policy
from instant_credit.policy.operands import Catalogue
from instant_credit.policy.program import CompiledPolicy, compile_policy
from instant_credit.record.shipped import read_starter
from instant_credit.units import days_from_date

AS_OF = date(2026, 6, 15)
INT64_MAX = 2**63 - 1


@cache
def product() -> Product:
    return load_product(read_starter("products", "personal_loan"))


@cache
def catalogue() -> Catalogue:
    return Catalogue(product())


@cache
def program() -> FeatureProgram:
    return compile_features(product())


@cache
def shipped() -> Policy:
    return changed(lambda document: None)


@cache
def compiled() -> CompiledPolicy:
    return compile_policy(shipped(), product())


def changed(change: Callable[[dict[str, Any]], None]) -> Policy:
    """The shipped policy after `change` to its document; raises what decoding raises."""
    document = deepcopy(tomllib.loads(read_starter("policies", "personal_loan")))
    change(document)
    return msgspec.convert(document, Policy)


def variables_of(facts: Facts) -> list[float]:
    days = np.array([days_from_date(AS_OF)], dtype=np.int32)
    values: list[float] = build_features(program(), pack_facts(program(), [facts], days)).values[0].tolist()
    return values


def known_variables(facts: Facts) -> dict[str, float | None]:
    """Variables by name; None where one is missing."""
    named = zip((variable.name for variable in product().variables), variables_of(facts), strict=True)
    return {name: None if math.isnan(value) else value for name, value in named}


def place_of(name: str) -> tuple[str, int]:
    """Column of `Facts` and position in it."""
    attribute, position = catalogue().attributes[name]
    column = {
        AttributeType.CENTS: "cents",
        AttributeType.INTEGER: "integers",
        AttributeType.REAL: "reals",
        AttributeType.CATEGORY: "codes",
        AttributeType.DATE: "days",
    }[attribute.type]
    return column, position


def with_fact(facts: Facts, name: str, value: float | None) -> Facts:
    """`facts` with one value replaced."""
    column, position = place_of(name)
    values = list(getattr(facts, column))
    values[position] = value
    return msgspec.structs.replace(facts, **{column: tuple(values)})


def fact_of(facts: Facts, name: str) -> float | None:
    column, position = place_of(name)
    value: float | None = getattr(facts, column)[position]
    return value


def invented_facts(*, is_plausible: bool = True) -> st.SearchStrategy[Facts]:
    """Facts of the shipped product: within its ranges and near the policy's thresholds, or anything that is well formed."""
    columns: dict[str, list[st.SearchStrategy[Any]]] = {c: [] for c in ("cents", "integers", "reals", "codes", "days")}
    for attribute in product().case_attributes:
        column, _ = place_of(attribute.name)
        columns[column].append(_value_of(attribute.name, is_plausible=is_plausible))
    return st.builds(Facts, **{column: st.tuples(*parts) for column, parts in columns.items()})


PLAUSIBLE: dict[str, st.SearchStrategy[Any]] = {
    "requested_amount_cents": st.integers(10_000, 5_000_000),
    "term_months": st.one_of(st.sampled_from([36, 60]), st.integers(6, 84)),
    "income_annual_cents": st.integers(0, 15_000_000),
    "assistance_income_annual_cents": st.one_of(st.just(0), st.integers(0, 3_000_000)),
    "debt_to_income_percent": st.one_of(st.none(), st.floats(0, 60)),
    "revolving_utilisation": st.one_of(st.none(), st.floats(0, 2)),
    "delinquent_amount_cents": st.one_of(st.none(), st.just(0), st.integers(0, 20_000)),
}
SCARCE = {"accounts_now_delinquent", "chargeoffs_12m", "collections_12m", "bankruptcies", "tax_liens", "public_records"}


def _value_of(name: str, *, is_plausible: bool) -> st.SearchStrategy[Any]:
    attribute, _ = catalogue().attributes[name]
    low, high = attribute.minimum or 0.0, attribute.maximum or 0.0
    if attribute.type is AttributeType.CATEGORY:
        return st.integers(-1, len(attribute.categories) - 1)
    if not is_plausible:
        if attribute.type is AttributeType.REAL:
            return st.one_of(st.none(), st.floats(allow_nan=False))
        if attribute.type is AttributeType.DATE:
            return st.one_of(st.none(), st.dates().map(days_from_date))
        bound = INT64_MAX if attribute.type is AttributeType.CENTS else 2**31
        return st.one_of(st.none(), st.integers(-bound, bound))
    if name in PLAUSIBLE:
        return PLAUSIBLE[name]
    if name in SCARCE:
        return st.sampled_from([0, 0, 0, 0, 0, 0, 1, 2, None])
    if attribute.type is AttributeType.DATE:
        today = days_from_date(AS_OF)
        return st.one_of(st.none(), st.integers(today - 365 * 40, today))
    if attribute.type is AttributeType.REAL:
        return st.one_of(st.none(), st.floats(low, min(high, 3.0)))
    most = min(int(high), 10_000_000 if attribute.type is AttributeType.CENTS else 12)
    return st.one_of(st.none(), st.integers(int(low), most))


GUARDS_REASON = {
    "code": "APPLICATIONS_REPEATED",
    "number": 9001,
    "family": "history",
    "text": "There were {value} applications before.",
}


def guarded_policy() -> Policy:
    """The shipped policy with three guards: two applications in a week, an approval in a month, a loan taken in a month."""

    def change(document: dict[str, Any]) -> None:
        document["reasons"].append(GUARDS_REASON)
        document["guards"] = [
            {"id": name, "counts": counts, "within_days": days, "at_least": least, "outcome": outcome}
            | {"reason": GUARDS_REASON["code"]}
            for name, counts, days, least, outcome in (
                ("velocity", "applications", 7, 2, "decline"),
                ("approved_before", "approvals", 30, 3, "refer"),
                ("stacked", "acceptances", 30, 1, "decline"),
            )
        ]

    return changed(change)
