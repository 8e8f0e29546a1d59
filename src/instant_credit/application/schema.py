"""JSON Schema 2020-12 of an application's body, written out from the product.

It says what the door accepts, apart from two rules that JSON Schema cannot say: a date range counts back from the day of the
application, and no name may stand twice in an object.
"""

from typing import Any, Final

import msgspec

from instant_credit.application.facts import Identity
from instant_credit.application.fields import bounds, range_text
from instant_credit.application.product import Attribute, AttributeType, Product

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
# msgspec's own form of a date, RFC 3339 full-date.
_DATE_PATTERN: Final = r"^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])$"


def body_schema(product: Product) -> dict[str, Any]:
    """The schema of one application of `product`: a dict that is ready to be written as JSON, without references."""
    return {
        "$schema": _DIALECT,
        "title": product.title,
        "type": "object",
        "additionalProperties": False,
        "required": ["applicant", "facts"],
        "properties": {
            "applicant": _applicant_schema(),
            "facts": _section_schema(product.told_attributes, "What is told about the applicant and the loan."),
            "monitoring": _nullable(
                _section_schema(
                    product.monitoring_attributes,
                    "Voluntary, for fairness measurement only; kept apart and never used in a decision.",
                )
            ),
        },
    }


def _applicant_schema() -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for field in msgspec.structs.fields(Identity):
        meta = next(one for one in field.type.__metadata__ if isinstance(one, msgspec.Meta))
        properties[field.name] = {
            "type": "string",
            "minLength": meta.min_length,
            "maxLength": meta.max_length,
            "pattern": meta.pattern,
            "description": meta.description,
        }
    return {
        "type": "object",
        "description": "Who applies. Sealed, and never used in a decision.",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }


def _section_schema(attributes: tuple[Attribute, ...], description: str) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "description": description,
        "additionalProperties": False,
        "properties": {a.name: _attribute_schema(a) for a in attributes},
    }
    required = [a.name for a in attributes if a.is_required]
    return {**schema, "required": required} if required else schema


def _attribute_schema(attribute: Attribute) -> dict[str, Any]:
    low, high = bounds(attribute)
    description = f"{attribute.description} {range_text(attribute).capitalize()}."
    schema: dict[str, Any]
    if attribute.type is AttributeType.CATEGORY:
        schema = {"type": "string", "enum": list(attribute.categories)}
    elif attribute.type is AttributeType.DATE:
        schema = {"type": "string", "format": "date", "pattern": _DATE_PATTERN}
    elif attribute.type is AttributeType.REAL:
        schema = {"type": "number", "minimum": low, "maximum": high}
    else:
        schema = {"type": "integer", "minimum": int(low), "maximum": int(high)}
    schema["description"] = description
    return schema if attribute.is_required else _nullable(schema)


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    nullable = {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        nullable["enum"] = [*schema["enum"], None]
    return nullable
