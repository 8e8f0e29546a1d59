"""The Case: everything a decision may look at, frozen before it is decided."""

from datetime import date

from msgspec import Struct

from instant_credit.application.facts import Facts


class Case(Struct, frozen=True, kw_only=True):
    """Evidence as it was known on `as_of`.

    `product_hash` names the product document whose column order `facts` follows. Nothing in a Case says who the person is.
    """

    schema_version: int = 1
    product_hash: str
    as_of: date
    facts: Facts
