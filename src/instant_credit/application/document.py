"""Product documents: TOML for people, canonical JSON for hashing, one check for both.

A document is decoded piece by piece, so that every unreadable attribute and variable is named at once; what is readable is
then checked as a whole (`checks.py`). A `Product` that leaves this module keeps all the promises that the later rooms build on.
"""

import tomllib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from instant_credit.application.checks import find_faults
from instant_credit.application.invalid import tell_invalid
from instant_credit.application.product import Attribute, Product, Variable
from instant_credit.canonical import UNREADABLE, encode_canonical, hash_content
from instant_credit.errors import Refused

DOCUMENT_CHARACTERS_MAX: Final = 4_000_000
_DECODER = msgspec.json.Decoder(Product)


def load_product(toml_text: str) -> Product:
    """The checked product of a TOML document.

    Parameters
    ----------
    toml_text : the whole document, at most `DOCUMENT_CHARACTERS_MAX` characters.

    Returns
    -------
    A product that passes every static check.

    Raises
    ------
    Refused
        Names every fault that was found, one a line.
    """
    if len(toml_text) > DOCUMENT_CHARACTERS_MAX:
        raise Refused(f"product document: longer than {DOCUMENT_CHARACTERS_MAX} characters")
    try:
        raw = tomllib.loads(toml_text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Refused(f"product document is not TOML: {error}") from error
    faults = [*_unreadable(raw, "attributes", Attribute), *_unreadable(raw, "variables", Variable)]
    if faults:
        raise _refused(faults)
    try:
        product = msgspec.convert(raw, Product, strict=True)
    except msgspec.ValidationError as error:
        raise _refused([tell_invalid(error, Product)]) from error
    return _checked(product)


def encode_product(product: Product) -> bytes:
    """Canonical JSON of `product`: equal products give equal bytes."""
    return encode_canonical(product)


def decode_product(raw: bytes) -> Product:
    """The checked product behind `encode_product`'s bytes.

    Raises
    ------
    Refused
        When the bytes are no product or break a static check.
    """
    try:
        product = _DECODER.decode(raw)
    except UNREADABLE as error:
        raise _refused([str(error)]) from error
    return _checked(product)


def hash_product(product: Product) -> str:
    """Content hash of `product`: SHA-256 of its canonical JSON, 64 hex characters."""
    return hash_content(encode_product(product))


def hash_layout(product: Product) -> str:
    """Hash of what the columns of a Case's Facts mean: 64 hex characters.

    Products of one layout read each other's Facts: their case attributes have the same names, types, units and categories in the
    same order, and the same currency. Variables, directions, texts, ranges and titles may differ.
    """
    columns = [(a.name, a.type, a.unit, a.categories) for a in product.case_attributes]
    return hash_content(encode_canonical({"currency": product.currency, "columns": columns}))


def _checked(product: Product) -> Product:
    faults = find_faults(product)
    if faults:
        raise _refused(faults)
    return product


def _unreadable(raw: Mapping[str, Any], section: str, kind: type[Attribute] | type[Variable]) -> list[str]:
    """One fault for each element of `section` that is no `kind`."""
    elements = raw.get(section)
    if not isinstance(elements, list):
        return []
    faults = []
    for position, element in enumerate(elements):
        try:
            msgspec.convert(element, kind, strict=True)
        except msgspec.ValidationError as error:
            name = element.get("name", "") if isinstance(element, dict) else ""
            faults.append(f"{section}[{position}] {name}: {tell_invalid(error, kind)}")
    return faults


def _refused(faults: list[str]) -> Refused:
    return Refused("product document refused:\n" + "\n".join(f"- {fault}" for fault in faults))
