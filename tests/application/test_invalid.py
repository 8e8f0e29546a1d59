"""What a document may hold stands beside the place where it could not be decoded."""

from typing import Any

import msgspec
import pytest

from instant_credit.application.invalid import point_at, tell_invalid
from instant_credit.application.product import Attribute, Product
from instant_credit.training.tapes.parts import TapeMapping

MAPPING: dict[str, Any] = {
    "schema_version": 1,
    "name": "a",
    "title": "A",
    "product": "a",
    "as_of": {"constant": "2024-01-31"},
    "facts": {"x": {"column": "x"}},
}


@pytest.mark.parametrize(
    ("kind", "raw", "claim"),
    [
        (TapeMapping, MAPPING | {"as_of": {"constant": "31.01.2024"}}, "$.as_of.constant`: write a day as YYYY-MM-DD"),
        (TapeMapping, MAPPING | {"events": [{"kind": "defaulted"}]}, "$.events[0].kind`: allowed are "),
        (
            TapeMapping,
            MAPPING | {"events": [{"kind": "defaulted"}]},
            "paid, charged_off, recovered, current, delinquent",
        ),
        (
            TapeMapping,
            MAPPING | {"files": {"a": {"key": ["k"], "rows": "two"}}},
            "$.files[...].rows`: allowed are many, one",
        ),
        (TapeMapping, MAPPING | {"numbers": {"decimals": ","}}, "$.numbers`: allowed are remove, decimal"),
        (TapeMapping, MAPPING | {"name": "A b"}, "$.name`"),
        (TapeMapping, [], "Expected `object`, got `array`"),
        (
            Product,
            {"schema_version": 1, "name": "a", "title": "A", "currency": "eur"},
            "$.currency`: write three capital letters, such as EUR",
        ),
        (Attribute, {"name": "a", "type": "money"}, "$.type`: allowed are cents, "),
    ],
)
def test_a_value_that_is_none_of_its_kind_is_told_with_what_is_allowed(kind: Any, raw: Any, claim: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(raw, kind)
    assert claim in tell_invalid(caught.value, kind)


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        ([], ""),
        (MAPPING | {"name": "A b"}, "/name"),
        (MAPPING | {"as_of": {"constant": "31.01.2024"}}, "/as_of/constant"),
        (MAPPING | {"events": [{"kind": "defaulted"}]}, "/events"),
        (MAPPING | {"files": {"marked": {"key": ["k"], "rows": "two"}}}, "/files"),
        (MAPPING | {"MARKED": 1}, ""),
    ],
)
def test_a_place_is_pointed_at_by_names_of_ours_alone(raw: Any, pointer: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(raw, TapeMapping)
    assert point_at(caught.value) == pointer
