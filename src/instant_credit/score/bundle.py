"""The model bundle: everything a release needs to score, as canonical bytes named by their hash.

A bundle holds the tree tables (arrays as little-endian bytes), calibration, points scale and the names, categories and directions
of the variables in matrix order. It holds no training metadata, clock or path, so two equal trainings give one hash. The hash of a
bundle is `canonical.hash_content(encode_bundle(bundle))`.
"""

from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from instant_credit.application.product import Direction, Name
from instant_credit.canonical import encode_canonical
from instant_credit.errors import Refused
from instant_credit.score.calibration import Calibration
from instant_credit.score.points import Scale
from instant_credit.score.trees import ARRAY_TYPES, FEATURES_MAX, TreeTables

# Names the formulas of features and score; a release made for another engine is refused.
ENGINE_VERSION = 1


class Bundle(Struct, frozen=True, kw_only=True, eq=False):
    """A trained model. `categories[i]` names the codes 0, 1, ... of variable i, empty for a number."""

    schema_version: Literal[1] = 1
    engine_version: int = ENGINE_VERSION
    product_hash: str
    variables: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]
    directions: tuple[Direction, ...]
    tables: TreeTables
    calibration: Calibration
    scale: Scale = Scale()

    def __post_init__(self) -> None:
        """Names, categories and directions must describe the tables' features one by one."""
        m = self.tables.feature_count
        for field in ("variables", "categories", "directions"):
            if len(getattr(self, field)) != m:
                raise Refused(f"model bundle: {field} must have {m} entries, one per feature of the tables")
        if len(set(self.variables)) != m:
            raise Refused("model bundle: variables must differ from each other")
        for i, name in enumerate(self.variables):
            if bool(self.tables.is_category[i]) != bool(self.categories[i]):
                raise Refused(f"model bundle: variable {name} has categories in one place only")
            codes = self.tables.borders[self.tables.border_offsets[i] : self.tables.border_offsets[i + 1]]
            if self.categories[i] and len(codes) and codes[-1] >= len(self.categories[i]):
                raise Refused(f"model bundle: variable {name} has a split on a code beyond its categories")


class _Tables(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    is_category: bytes
    nan_is_above: bytes
    border_offsets: bytes
    borders: bytes
    depths: bytes
    split_features: bytes
    split_borders: bytes
    leaf_values: bytes
    leaf_weights: bytes
    scale: float
    bias: float


class _Document(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema_version: Literal[1]
    engine_version: int
    product_hash: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    variables: Annotated[tuple[Name, ...], Meta(max_length=FEATURES_MAX)]
    categories: Annotated[tuple[Annotated[tuple[Name, ...], Meta(max_length=250)], ...], Meta(max_length=FEATURES_MAX)]
    directions: Annotated[tuple[Direction, ...], Meta(max_length=FEATURES_MAX)]
    tables: _Tables
    calibration: Calibration
    scale: Scale


_DECODER = msgspec.json.Decoder(_Document)


def encode_bundle(bundle: Bundle) -> bytes:
    """Canonical JSON; arrays are base64 of little-endian bytes."""
    tables = bundle.tables
    arrays = {name: getattr(tables, name).astype(dtype, copy=False).tobytes() for name, dtype in ARRAY_TYPES.items()}
    return encode_canonical(
        _Document(
            schema_version=bundle.schema_version,
            engine_version=bundle.engine_version,
            product_hash=bundle.product_hash,
            variables=bundle.variables,
            categories=bundle.categories,
            directions=bundle.directions,
            tables=_Tables(**arrays, scale=float(tables.scale), bias=float(tables.bias)),
            calibration=bundle.calibration,
            scale=bundle.scale,
        )
    )


def decode_bundle(raw: bytes) -> Bundle:
    """The Bundle behind `encode_bundle`'s bytes, fully checked.

    Raises
    ------
    Refused : the bytes are no bundle, or one whose parts do not fit together; the message names the part.
    """
    try:
        document = _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(f"model bundle: {error}") from error
    wire = document.tables
    arrays: dict[str, Any] = {}
    for name, dtype in ARRAY_TYPES.items():
        content: bytes = getattr(wire, name)
        if len(content) % dtype.itemsize:
            raise Refused(f"model bundle: {name} must hold whole {dtype.name} numbers")
        arrays[name] = _array_from_bytes(content, dtype)
    return Bundle(
        schema_version=document.schema_version,
        engine_version=document.engine_version,
        product_hash=document.product_hash,
        variables=document.variables,
        categories=document.categories,
        directions=document.directions,
        tables=TreeTables(**arrays, scale=wire.scale, bias=wire.bias),
        calibration=document.calibration,
        scale=document.scale,
    )


def _array_from_bytes(content: bytes, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    """One-dimensional array in the machine's byte order; a truth value other than 0 or 1 is refused."""
    array = np.frombuffer(content, dtype=dtype).astype(dtype.newbyteorder("="), copy=False)
    if dtype == np.bool_ and len(content) and max(content) > 1:
        raise Refused("model bundle: truth values must be 0 or 1")
    return array
