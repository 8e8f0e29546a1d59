"""The shipped personal loan and bodies for it, whole or by chance."""

import json
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

import instant_credit
from instant_credit.application.document import load_product
from instant_credit.application.door import Door
from instant_credit.application.product import Attribute, AttributeType, Product

AS_OF = date(2024, 2, 29)
SHIPPED = Path(instant_credit.__file__).parent / "starter" / "products" / "personal_loan.toml"
APPLICANT = {"name": "Ada Example", "identity_number": "123-45-6789", "address": "1 Long Road, Springfield"}


@cache
def personal_loan() -> Product:
    return load_product(SHIPPED.read_text(encoding="utf-8"))


@cache
def personal_door() -> Door:
    return Door(personal_loan())


def middle(attribute: Attribute) -> Any:
    """A natural value well inside the range of `attribute`."""
    low, high = attribute.minimum or 0.0, attribute.maximum or 0.0
    if attribute.type is AttributeType.CATEGORY:
        return attribute.categories[-1]
    if attribute.type is AttributeType.DATE:
        return AS_OF - timedelta(days=int(365.25 * (low + high) / 2))
    return (low + high) / 2 if attribute.type is AttributeType.REAL else int(low + high) // 2


def whole_facts(product: Product) -> dict[str, Any]:
    """Every fact of a Case, told."""
    return {attribute.name: middle(attribute) for attribute in product.case_attributes}


def natural_values(attribute: Attribute) -> st.SearchStrategy[Any]:
    """Natural values that the door accepts."""
    low, high = attribute.minimum or 0.0, attribute.maximum or 0.0
    if attribute.type is AttributeType.CATEGORY:
        told: st.SearchStrategy[Any] = st.sampled_from(attribute.categories)
    elif attribute.type is AttributeType.DATE:
        most = int(365.2425 * high) - 1
        told = st.integers(0, most).map(lambda days: AS_OF - timedelta(days=days))
    elif attribute.type is AttributeType.REAL:
        told = st.floats(low, high) | st.integers(int(low), int(high))
    else:
        told = st.integers(int(low), int(high)) | st.sampled_from([int(low), int(high)])
    return told if attribute.is_required else st.none() | told


@st.composite
def valid_facts(draw: st.DrawFn) -> dict[str, Any]:
    """Natural facts by name; what is optional may be None or absent."""
    facts = {a.name: draw(natural_values(a)) for a in personal_loan().case_attributes}
    absent = draw(st.sets(st.sampled_from([name for name, told in facts.items() if told is None] or [""])))
    return {name: told for name, told in facts.items() if name not in absent}


@st.composite
def valid_bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Bodies that the door accepts, dates as text."""
    body: dict[str, Any] = {"applicant": APPLICANT, "facts": as_told(draw(valid_facts()))}
    monitoring = {a.name: draw(natural_values(a)) for a in personal_loan().monitoring_attributes}
    told = draw(st.sampled_from(["absent", "null", "told"]))
    return body if told == "absent" else {**body, "monitoring": None if told == "null" else monitoring}


def as_told(facts: dict[str, Any]) -> dict[str, Any]:
    """Natural facts as JSON has them."""
    return {name: told.isoformat() if isinstance(told, date) else told for name, told in facts.items()}


def raw_of(body: object) -> bytes:
    return json.dumps(body).encode()
