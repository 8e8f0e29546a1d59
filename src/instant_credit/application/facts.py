"""Facts of one application, as typed columns in product order.

The Struct generated from a product lives at the door only; from there on an application is `Facts` plus `Identity` plus
`Monitoring`, three things that are never stored together.
"""

from typing import Annotated

from msgspec import Meta, Struct


class Facts(Struct, frozen=True, kw_only=True):
    """Typed columns, each in the order of the product's case attributes of that type.

    `cents` int64 minor units; `integers` whole numbers; `reals` in the attribute's unit; `codes` positions in the attribute's
    categories, -1 = missing; `days` since 1970-01-01. Elsewhere None = missing.
    """

    cents: tuple[int | None, ...] = ()
    integers: tuple[int | None, ...] = ()
    reals: tuple[float | None, ...] = ()
    codes: tuple[int, ...] = ()
    days: tuple[int | None, ...] = ()


class Monitoring(Struct, frozen=True, kw_only=True):
    """Prohibited attributes in product order: position in the categories, -1 = not told. Sealed apart; never in a Case."""

    schema_version: int = 1
    codes: tuple[int, ...] = ()


class Identity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who applies. Sealed under the person's own key; never in features, logs, metrics or URLs."""

    name: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S", description="not blank")]
    identity_number: Annotated[
        str,
        Meta(
            min_length=4,
            max_length=64,
            pattern=r"^(?:[ ./-]*[0-9A-Za-z]){4}[0-9A-Za-z ./-]*$(?!\n)",
            description="at least four letters or digits, else only spaces, points, slashes and hyphens",
        ),
    ]
    address: Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S", description="not blank")]


class RecordedIdentity(Struct, frozen=True, kw_only=True):
    """An identity as it is sealed. What the door would refuse today can still be read: it checks nothing and passes over new fields."""

    schema_version: int = 1
    name: str
    identity_number: str
    address: str


def record_identity(identity: Identity) -> RecordedIdentity:
    """The identity as it is sealed."""
    return RecordedIdentity(name=identity.name, identity_number=identity.identity_number, address=identity.address)
