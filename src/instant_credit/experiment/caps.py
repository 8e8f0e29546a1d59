"""Portfolio caps: how much one day may approve, in all or in a segment of a product. Pure.

A caps document is written in TOML and named by the hash of its canonical JSON. Each cap has a budget of its own for every day (UTC), taken ahead by
leases (`leases.py`) as an arm's loss budget is. An approval counts against every cap that its application falls under, and against all or
none; where one is short, it is not made.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from instant_credit.application.facts import Facts
from instant_credit.application.product import AttributeType, Code, Legal, Name, Product, Text
from instant_credit.canonical import UNREADABLE, encode_canonical, hash_content
from instant_credit.errors import Refused
from instant_credit.policy.document import ReasonText
from instant_credit.policy.verdict import Reason
from instant_credit.units import Cents, Ppm, expected_loss_ceil

DOCUMENT_CHARACTERS_MAX: Final = 100_000


class Cap(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the approvals of one day come to at most.

    Attributes
    ----------
    attribute, category : whose approvals count: applications with this category of a categorical attribute; left out, all of the product.
    cents_by_day : the most that one day may bring.
    counts : the amount approved, or the loss expected of it on the champion's pd.
    lost_ppm : expected_loss: upper bound of the part of its amount that a bad loan loses.
    """

    name: Name
    attribute: Name | UnsetType = UNSET
    category: Name | UnsetType = UNSET
    cents_by_day: Annotated[int, Meta(ge=1, le=10**14)]
    counts: Literal["amount", "expected_loss"] = "amount"
    lost_ppm: Annotated[int, Meta(ge=1, le=1_000_000)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        """A segment is told whole, and a loss by what is lost."""
        if (self.attribute is UNSET) != (self.category is UNSET):
            raise ValueError(
                f"cap {self.name}: attribute and category stand together, or neither for the whole product"
            )
        if (self.counts == "expected_loss") != (self.lost_ppm is not UNSET):
            raise ValueError(f"cap {self.name}: lost_ppm stands with counts = expected_loss, and only there")


class CapReason(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why an application is referred that no cap has room for, as a policy tells its reasons. `number` and `code` name this reason alone."""

    code: Code
    number: Annotated[int, Meta(ge=1, le=9999)]
    family: Name
    text: Text


class ClosedCap(Struct, frozen=True, kw_only=True):
    """A cap that had no room left for what an application would have been offered, and the reason that it is referred with."""

    name: str
    reason: Reason


class Caps(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole document. Without caps in it, nothing is limited."""

    schema_version: Literal[1] = 1
    product: Name
    reason: CapReason
    caps: Annotated[tuple[Cap, ...], Meta(max_length=100)]

    def __post_init__(self) -> None:
        """A name stands once."""
        twice = sorted(name for name, count in Counter(cap.name for cap in self.caps).items() if count > 1)
        if twice:
            raise ValueError(f"cap {twice[0]}: is there twice; keep one")


class CapTable(Struct, frozen=True, kw_only=True):
    """Caps compiled for a product: by cap, the place of its attribute among the codes of Facts and the code; place -1 = everybody."""

    caps: tuple[Cap, ...]
    places: tuple[tuple[int, int], ...]


_DECODER: Final = msgspec.json.Decoder(Caps)


def read_caps(text: str) -> Caps:
    """The caps in TOML `text`, types and shape checked; `compile_caps` checks them against their product.

    Raises
    ------
    Refused
        Not TOML, an unknown field, a wrong type, a figure out of its range.
    """
    if len(text) > DOCUMENT_CHARACTERS_MAX:
        raise Refused(f"caps: longer than {DOCUMENT_CHARACTERS_MAX:,} characters")
    try:
        return msgspec.toml.decode(text, type=Caps)
    except UNREADABLE as error:
        raise Refused(f"caps: {error}") from error


def encode_caps(caps: Caps) -> bytes:
    """Canonical JSON: equal caps give equal bytes."""
    return encode_canonical(caps)


def decode_caps(raw: bytes) -> Caps:
    """The caps behind `encode_caps`'s bytes. Raises Refused when they are none."""
    try:
        return _DECODER.decode(raw)
    except UNREADABLE as error:
        raise Refused(f"caps: {error}") from error


def hash_caps(caps: Caps) -> str:
    """Content hash, 64 hex characters."""
    return hash_content(encode_caps(caps))


def check_caps(caps: Caps, product: Product, reasons: Iterable[ReasonText] = ()) -> tuple[str, ...]:
    """Every reason why the caps do not fit the product, or the `reasons` of its policy; none where they do."""
    faults = _check_reason(caps.reason, product, reasons)
    if caps.product != product.name:
        faults.append(f"product: these caps are for {caps.product}, not for {product.name}")
    attributes = {attribute.name: attribute for attribute in product.attributes}
    for cap in caps.caps:
        attribute = None if cap.attribute is UNSET else attributes.get(cap.attribute)
        if cap.attribute is UNSET:
            continue
        if attribute is None:
            faults.append(f"cap {cap.name}: {product.name} has no attribute {cap.attribute}")
        elif attribute.legal is Legal.PROHIBITED:
            faults.append(f"cap {cap.name}: {cap.attribute} is prohibited and must not limit who is approved")
        elif attribute.type is not AttributeType.CATEGORY:
            faults.append(f"cap {cap.name}: {cap.attribute} is no category; name one that is")
        elif cap.category not in attribute.categories:
            known = ", ".join(attribute.categories)
            faults.append(f"cap {cap.name}: {cap.attribute} has no category {cap.category}, only {known}")
    return tuple(faults)


def _check_reason(reason: CapReason, product: Product, reasons: Iterable[ReasonText]) -> list[str]:
    """Its code and number name no other reason of the product or the policy, and its text has no place for a value."""
    faults = []
    taken = {
        (v.reason_number, v.reason) for v in product.variables if v.reason is not None and v.reason_number is not None
    }
    for number, code in sorted(taken | {(one.number, one.code) for one in reasons}):
        if (number == reason.number) or (code == reason.code):
            faults.append(
                f"reason {reason.code}: code and number of a reason are its own, and {code} has number {number}"
            )
    if "{" in reason.text or "}" in reason.text:
        faults.append(f"reason {reason.code}: text has no placeholder, since a cap says nothing about an applicant")
    return faults


def tell_closed(caps: Caps, names: Iterable[str]) -> tuple[ClosedCap, ...]:
    """Caps of the document that have no room left, in its order, as a Case holds them."""
    wanted, told = frozenset(names), caps.reason
    reason = Reason(number=told.number, code=told.code, family=told.family, text=told.text)
    return tuple(ClosedCap(name=cap.name, reason=reason) for cap in caps.caps if cap.name in wanted)


def compile_caps(caps: Caps, product: Product) -> CapTable:
    """Caps that `caps_of` reads. Raises Refused with every fault where they do not fit the product."""
    faults = check_caps(caps, product)
    if faults:
        raise Refused("caps refused:\n" + "\n".join(f"- {fault}" for fault in faults))
    coded = [a for a in product.case_attributes if a.type is AttributeType.CATEGORY]
    by_name = {attribute.name: place for place, attribute in enumerate(coded)}
    places = []
    for cap in caps.caps:
        if cap.attribute is UNSET or cap.category is UNSET:
            places.append((-1, -1))
        else:
            place = by_name[cap.attribute]
            places.append((place, coded[place].categories.index(cap.category)))
    return CapTable(caps=caps.caps, places=tuple(places))


def caps_of(table: CapTable, facts: Facts) -> tuple[Cap, ...]:
    """The caps that an approval of these facts counts against, in the document's order; a missing fact falls under no segment."""
    codes = facts.codes
    return tuple(
        cap for cap, (place, code) in zip(table.caps, table.places, strict=True) if place < 0 or codes[place] == code
    )


def cap_cents(caps: Sequence[Cap], amount: Cents, pd: Ppm) -> dict[str, Cents]:
    """What an approval reserves of each cap, by its name.

    Parameters
    ----------
    caps : as `caps_of` gives them.
    amount : approved cents.
    pd : the champion's, in ppm.
    """
    return {
        cap.name: amount if cap.lost_ppm is UNSET else expected_loss_ceil(amount, pd, Ppm(cap.lost_ppm)) for cap in caps
    }
