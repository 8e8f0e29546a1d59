"""Invented loans whose risk is known, as a training set of a small product."""

from datetime import date

import msgspec
import numpy as np

from instant_credit.application.document import hash_product
from instant_credit.application.product import Product
from instant_credit.training.dataset import LeftOut, TrainingSet, list_columns
from instant_credit.training.fitting.fit import FitParameters
from instant_credit.units import days_from_date


def _variable(name, of, direction="free", **more):
    reason = {"reason": f"{name.upper()}_ADVERSE", "text": "It is {value}.", "text_missing": "Not known."}
    return {"name": name, "op": "value", "of": [of], "direction": direction, "why": f"Why {name}.", **reason, **more}


PRODUCT = msgspec.convert(
    {
        "name": "small_loan",
        "title": "Small <loan>",
        "currency": "USD",
        "roles": {"amount": "amount_cents", "term": "term_months", "income_annual": "income_cents"},
        "attributes": [
            {
                "name": "amount_cents",
                "type": "cents",
                "minimum": 100,
                "missing": "refuse",
                "legal": "free",
                "description": "Amount.",
            },
            {"name": "term_months", "type": "integer", "missing": "refuse", "legal": "free", "description": "Term."},
            {"name": "income_cents", "type": "cents", "missing": "refuse", "legal": "free", "description": "Income."},
            {"name": "inquiries", "type": "integer", "legal": "free", "description": "Inquiries."},
            {"name": "months_since_default", "type": "integer", "legal": "free", "description": "Months."},
            {
                "name": "use",
                "type": "category",
                "categories": ["car", "home", "other"],
                "legal": "free",
                "description": "Use.",
            },
            {"name": "town", "type": "category", "categories": ["x", "y"], "legal": "free", "description": "Not used."},
            {"name": "liens", "type": "integer", "legal": "free", "description": "Never told."},
            {"name": "sex", "type": "category", "categories": ["f", "m"], "legal": "prohibited", "description": "Sex."},
        ],
        "variables": [
            _variable("amount", "amount_cents", "increasing", reason_number=1),
            _variable("income", "income_cents", "decreasing", reason_number=2),
            _variable("inquiries_seen", "inquiries", "increasing", reason_number=3),
            _variable("default_age", "months_since_default", "decreasing", reason_number=4),
            _variable("purpose", "use", op="category", reason_number=5),
            _variable("liens_seen", "liens", "increasing", reason_number=6),
            _variable("term", "term_months", "increasing", reason_number=7),
        ],
    },
    Product,
)
COLUMNS = list_columns(PRODUCT)
QUICK = FitParameters(iterations=40, depth=3, learning_rate=0.1, l2_leaf_reg=5, threads=1)
FIRST, LAST = date(2020, 1, 1), date(2021, 12, 28)


def invent_matrix(loans: int, seed: int = 0):
    """(matrix float32[n, 7], labels int8[n]). Missing: inquiries risky, default age safe, liens always; term is one number."""
    chance = np.random.default_rng(seed)
    amount = chance.integers(1_000, 40_000, loans) * 100.0
    income = chance.integers(15_000, 150_000, loans) * 100.0
    inquiries = chance.integers(0, 8, loans).astype(float)
    default_age = chance.integers(1, 120, loans).astype(float)
    use = chance.integers(0, 3, loans)
    no_inquiries, no_default = chance.random(loans) < 0.08, chance.random(loans) < 0.6
    risk = (
        -1.9 + 1.2 * (amount / 4e6) - 1.0 * (income / 1.5e7) + 0.18 * inquiries - 0.006 * default_age + 0.3 * (use == 2)
    )
    risk = np.where(no_inquiries, risk + 0.8, risk)
    risk = np.where(no_default, risk - 0.7, risk)
    labels = (chance.random(loans) < 1 / (1 + np.exp(-risk))).astype(np.int8)
    inquiries[no_inquiries] = np.nan
    default_age[no_default] = np.nan
    nothing = np.full(loans, np.nan)
    columns = [amount, income, inquiries, default_age, use, nothing, np.full(loans, 36.0)]
    return np.ascontiguousarray(np.column_stack(columns).astype(np.float32)), labels


def invent_set(loans: int = 3_000, seed: int = 0) -> TrainingSet:
    matrix, labels = invent_matrix(loans, seed)
    chance = np.random.default_rng(seed + 1)
    days = np.sort(chance.integers(days_from_date(FIRST), days_from_date(LAST), loans)).astype(np.int32)
    return TrainingSet(
        book="invented",
        product=PRODUCT,
        product_hash=hash_product(PRODUCT),
        known_on=date(2024, 1, 1),
        columns=COLUMNS,
        matrix=matrix,
        labels=labels,
        days=days,
        persons=np.arange(loans, dtype=np.int64),
        weights=np.ones(loans),
        cases=loans + 5,
        left_out=(LeftOut(reason="neither repaid nor charged off as known on that day", count=5),),
    )
