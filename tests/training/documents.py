"""A small product and mapping for tests of tapes."""

import msgspec

from instant_credit.application.product import Product

PRODUCT = msgspec.convert(
    {
        "name": "small_loan",
        "title": "Small loan",
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
            {"name": "use", "type": "category", "categories": ["car", "other"], "legal": "free", "description": "Use."},
            {"name": "utilisation", "type": "real", "legal": "free", "description": "Utilisation."},
            {"name": "oldest_on", "type": "date", "legal": "free", "description": "Oldest line."},
            {"name": "sex", "type": "category", "categories": ["f", "m"], "legal": "prohibited", "description": "Sex."},
        ],
        "variables": [{"name": "term", "op": "value", "of": ["term_months"], "in_model": False, "why": "Shown."}],
    },
    Product,
)

MAPPING = """
schema_version = 1
name = "small_tape"
title = "A small tape"
product = "small_loan"
null = ["n/a"]
leaks = ["status", "paid", "lost", "last_on"]
withheld = ["rate"]

[as_of]
column = "issued"

[facts.amount_cents]
column = "amount"
[facts.term_months]
column = "term"
suffix = "months"
[facts.income_cents]
column = "income"
[facts.use]
column = "use"
lowercase = true
values = { "car" = "car", "boat" = "other" }
[facts.utilisation]
column = "utilisation"
divide_by = 100
[facts.oldest_on]
column = "oldest"
format = "%b-%Y"

[[events]]
kind = "paid"
when = { column = "status", is_one_of = ["Paid"] }
amount = { column = "paid" }
event_on = { column = "last_on" }
known_on = { column = "last_on", add_months = 1 }

[[events]]
kind = "charged_off"
when = { column = "lost", above = 0.0 }
amount = { column = "lost", minus = "paid" }
event_on = { column = "last_on", add_days = 150 }
known_on = { column = "last_on", add_days = 180 }
"""

HEADER = (
    "issued",
    "amount",
    "term",
    "income",
    "use",
    "utilisation",
    "oldest",
    "status",
    "paid",
    "lost",
    "last_on",
    "rate",
)
ROW = (
    "2011-01-01",
    "1000",
    "36 months",
    "25000.505",
    "Car",
    "67.4",
    "Mar-1999",
    "Paid",
    "1100.25",
    "",
    "2012-01-31",
    "0.1",
)


def row_of(**changed: str) -> tuple[str, ...]:
    """The example row with some cells changed."""
    return tuple({**dict(zip(HEADER, ROW, strict=True)), **changed}.values())
