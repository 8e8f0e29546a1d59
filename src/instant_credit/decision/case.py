"""The Case: everything a decision may look at, frozen before it is decided."""

from datetime import date
from typing import Annotated

from msgspec import Meta, Struct

from instant_credit.application.facts import Facts


class Case(Struct, frozen=True, kw_only=True):
    """Evidence as it was known on `as_of`.

    `product_hash` names the product document at whose door the facts were told, `layout_hash` what its columns of `facts` mean
    (`application.document.hash_layout`): a later version of the product with the same layout decides the Case as well. Nothing in
    a Case says who the person is.
    """

    schema_version: int = 1
    product_hash: str
    layout_hash: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    as_of: date
    facts: Facts
