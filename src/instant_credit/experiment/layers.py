"""Layers: which parts of a release experiments may replace together, and whose units see none of them. Pure.

A layer owns parts that no other layer owns. A unit is in one experiment of a layer at most, so experiments of one layer share its units out,
while experiments of different layers are independent of each other (Tang et al. 2010, "Overlapping experiment infrastructure").
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from instant_credit.application.product import Name
from instant_credit.canonical import UNREADABLE, encode_canonical
from instant_credit.errors import Refused
from instant_credit.experiment.plan import Part, Unit, require_once


class Layer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parts of a release that experiments may replace; a unit is in one experiment of a layer at most.

    `unit` is what its buckets are drawn by. `holdout_ppm` of the units see none of the layer's experiments.
    """

    name: Name
    parts: Annotated[tuple[Part, ...], Meta(min_length=1, max_length=4)]
    unit: Unit = Unit.PERSON
    holdout_ppm: Annotated[int, Meta(ge=0, le=500_000)] = 0


class Layers(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The layers of a product: disjoint parts, so an application may be in one experiment of each. `salt` makes its buckets its own."""

    schema_version: Literal[1] = 1
    product: Name
    salt: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{8,64}$(?!\n)")]
    layers: Annotated[tuple[Layer, ...], Meta(min_length=1, max_length=4)]

    def __post_init__(self) -> None:
        """Names and parts are used once."""
        require_once("layer", [layer.name for layer in self.layers])
        require_once("part", [part for layer in self.layers for part in layer.parts])

    def layer(self, name: str) -> Layer:
        """The layer called `name`. Raises KeyError when there is none."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(name)


_LAYERS = msgspec.json.Decoder(Layers)


def read_layers(text: str) -> Layers:
    """The layers in TOML `text`. Raises Refused when they are none."""
    try:
        return msgspec.toml.decode(text, type=Layers)
    except msgspec.ValidationError as error:
        raise Refused(f"layers: {error}; schemas/layers.json lists what each field takes") from error
    except UNREADABLE as error:
        raise Refused(f"layers: {error}") from error


def encode_layers(layers: Layers) -> bytes:
    """Canonical JSON of the layers."""
    return encode_canonical(layers)


def decode_layers(raw: bytes) -> Layers:
    """The layers behind canonical JSON. Raises Refused when they are none."""
    try:
        return _LAYERS.decode(raw)
    except UNREADABLE as error:
        raise Refused(f"layers: {error}") from error
