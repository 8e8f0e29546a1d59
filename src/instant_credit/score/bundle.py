"""The model bundle: everything a release needs to score, as canonical bytes named by their hash.

A bundle holds the tree tables (arrays as little-endian bytes), calibration, points scale and the names, categories and directions
of the variables in matrix order. It holds no training metadata, clock or path, so two equal trainings give one hash. The hash of a
bundle is `canonical.hash_content(encode_bundle(bundle))`.

Schema 2 (engine 2) adds a calibration by segment and the proof by which a bundle shows at load that it is what was trained
(`proof.py`). Schema 1 (engine 1) has neither; such bundles are read and written as ever.

Every list and every run of bytes has the bound that the largest lawful model needs.
"""

import hashlib
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType
from numpy.typing import NDArray

from instant_credit.application.product import Direction, Name
from instant_credit.canonical import UNREADABLE, encode_canonical, hash_content
from instant_credit.errors import Refused
from instant_credit.score.calibration import Calibration, CalibrationTable, calibrate_matrix, tabulate_calibrations
from instant_credit.score.points import Scale
from instant_credit.score.trees import (
    ARRAY_TYPES,
    BORDERS_MAX,
    CODE_MAX,
    FEATURES_MAX,
    LEAVES_MAX,
    SPLITS_MAX,
    TREES_MAX,
    TreeTables,
)
from instant_credit.units import PPM

# Names the formulas of features and score; new releases are made for this engine.
ENGINE_VERSION = 2
# As many golden rows even when fewer reach every leaf, so that values meet in many ways.
GOLDEN_ROWS_MIN = 64
GOLDEN_ROWS_MAX = 512
# The widest model has the fewest golden rows, and a row more for each code of its segments, the missing one among them.
GOLDEN_CELLS_MAX = FEATURES_MAX * (GOLDEN_ROWS_MIN + CODE_MAX + 2)


class Proof(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a bundle's tables must give wherever they are loaded; made by `proof.make_proof`.

    Attributes
    ----------
    tables_digest : `digest_tables` of the tree tables.
    calibration_digest : `digest_calibration` of calibrations, segments and points scale.
    raw_min, raw_max : no row scores below or above, rounding included (log-odds).
    pd_ppm_min, pd_ppm_max : nor has a probability of default outside, whatever its segment.
    leaves_reachable, leaves_reached : leaves that some row can fall into, and those that a golden row falls into.
    rows : how many golden rows there are.
    golden_rows : little-endian float32[rows, m], invented out of the tables' borders; no person's.
    golden_raws : little-endian float64[rows] raw scores.
    golden_contributions : little-endian float64[rows, m] path-dependent contributions.
    golden_pds : little-endian float64[rows] probabilities of default by the calibration of each row's segment. Each segment's code
        and a missing one are among the rows.
    golden_points : the points of each row.
    """

    tables_digest: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    calibration_digest: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    raw_min: float
    raw_max: float
    pd_ppm_min: Annotated[int, Meta(ge=1, le=PPM - 1)]
    pd_ppm_max: Annotated[int, Meta(ge=1, le=PPM - 1)]
    leaves_reachable: Annotated[int, Meta(ge=1)]
    leaves_reached: Annotated[int, Meta(ge=1)]
    rows: Annotated[int, Meta(ge=1, le=GOLDEN_ROWS_MAX)]
    golden_rows: Annotated[bytes, Meta(max_length=4 * GOLDEN_CELLS_MAX)]
    golden_raws: Annotated[bytes, Meta(max_length=8 * GOLDEN_ROWS_MAX)]
    golden_contributions: Annotated[bytes, Meta(max_length=8 * GOLDEN_CELLS_MAX)]
    golden_pds: Annotated[bytes, Meta(max_length=8 * GOLDEN_ROWS_MAX)]
    golden_points: Annotated[tuple[int, ...], Meta(max_length=GOLDEN_ROWS_MAX)]


class Bundle(Struct, frozen=True, kw_only=True, eq=False):
    """A trained model. `categories[i]` names the codes 0, 1, ... of variable i, empty for a number.

    `segment_calibrations[code]` is the calibration of the rows with that code of `segment_variable`, a category of the model; where
    it is None, and for a missing or unknown code, `calibration` holds. A bundle of schema 2 may be without its proof until it is
    encoded.
    """

    schema_version: Literal[1, 2] = 2
    engine_version: int = ENGINE_VERSION
    product_hash: str
    variables: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]
    directions: tuple[Direction, ...]
    tables: TreeTables
    calibration: Calibration
    scale: Scale = Scale()
    segment_variable: str | None = None
    segment_calibrations: tuple[Calibration | None, ...] = ()
    proof: Proof | None = None

    @property
    def segment_position(self) -> int:
        """Column of the segment variable in the model matrix; -1 without segments."""
        return -1 if self.segment_variable is None else self.variables.index(self.segment_variable)

    @property
    def calibrations(self) -> tuple[Calibration, ...]:
        """The overall calibration, then those of the segments that have one."""
        return (self.calibration, *(one for one in self.segment_calibrations if one is not None))

    @property
    def calibration_table(self) -> CalibrationTable:
        """As the kernel takes them."""
        return tabulate_calibrations(self.calibration, self.segment_calibrations)

    def calibrate(
        self, raw_scores: NDArray[np.float64], matrix: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Calibrated log-odds and pds float64[n] of rows float32[n, m] with these raw scores float64[n], each by its segment."""
        return calibrate_matrix(self.calibration_table, self.segment_position, raw_scores, matrix)

    def __post_init__(self) -> None:
        """Names, categories and directions must describe the tables' features one by one, segments a category's codes."""
        m = self.tables.feature_count
        for field in ("variables", "categories", "directions"):
            if len(getattr(self, field)) != m:
                raise Refused(f"model bundle: {field} must have {m} entries, one per feature of the tables")
        if len(set(self.variables)) != m:
            raise Refused("model bundle: variables must differ from each other")
        for i, name in enumerate(self.variables):
            ranks = self.tables.code_ranks[i] if self.tables.code_ranks else ()
            if bool(self.tables.is_category[i] or ranks) != bool(self.categories[i]):
                raise Refused(f"model bundle: variable {name} has categories in one place only")
            if ranks:
                if len(ranks) != len(self.categories[i]) + 1:
                    raise Refused(
                        f"model bundle: variable {name} must have a rank for each category and for a missing one"
                    )
                continue
            codes = self.tables.borders[self.tables.border_offsets[i] : self.tables.border_offsets[i + 1]]
            if self.categories[i] and len(codes) and codes[-1] >= len(self.categories[i]):
                raise Refused(f"model bundle: variable {name} has a split on a code beyond its categories")
        _check_segments(self)
        _check_proof_lengths(self)


def _check_segments(bundle: Bundle) -> None:
    if (bundle.schema_version == 1) != (bundle.engine_version == 1):
        raise Refused("model bundle: schema 1 belongs to engine 1, and to it only")
    if bundle.schema_version == 1 and (bundle.segment_variable is not None or bundle.proof is not None):
        raise Refused("model bundle: schema 1 has neither segments nor a proof")
    if bundle.segment_variable is None:
        if bundle.segment_calibrations:
            raise Refused("model bundle: segment_calibrations need a segment_variable")
        return
    if bundle.segment_variable not in bundle.variables:
        raise Refused(f"model bundle: segment_variable {bundle.segment_variable} is none of its variables")
    categories = bundle.categories[bundle.segment_position]
    if not categories:
        raise Refused(f"model bundle: segment_variable {bundle.segment_variable} must be a category")
    if len(bundle.segment_calibrations) != len(categories):
        raise Refused(f"model bundle: segment_calibrations must have {len(categories)} entries, one per category")


def _check_proof_lengths(bundle: Bundle) -> None:
    proof, m = bundle.proof, bundle.tables.feature_count
    if proof is None:
        return
    lengths = {"golden_rows": 4 * m, "golden_raws": 8, "golden_contributions": 8 * m, "golden_pds": 8}
    for name, bytes_a_row in lengths.items():
        if len(getattr(proof, name)) != proof.rows * bytes_a_row:
            raise Refused(f"model bundle: {name} of its proof must hold {proof.rows} rows of {bytes_a_row} bytes")
    if len(proof.golden_points) != proof.rows:
        raise Refused(f"model bundle: golden_points of its proof must have {proof.rows} entries")


_Ranks = Annotated[tuple[int, ...], Meta(max_length=CODE_MAX + 2)]


class _Tables(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    is_category: Annotated[bytes, Meta(max_length=FEATURES_MAX)]
    nan_is_above: Annotated[bytes, Meta(max_length=FEATURES_MAX)]
    border_offsets: Annotated[bytes, Meta(max_length=4 * (FEATURES_MAX + 1))]
    borders: Annotated[bytes, Meta(max_length=4 * BORDERS_MAX)]
    depths: Annotated[bytes, Meta(max_length=4 * TREES_MAX)]
    split_features: Annotated[bytes, Meta(max_length=4 * SPLITS_MAX)]
    split_borders: Annotated[bytes, Meta(max_length=4 * SPLITS_MAX)]
    leaf_values: Annotated[bytes, Meta(max_length=8 * LEAVES_MAX)]
    leaf_weights: Annotated[bytes, Meta(max_length=8 * LEAVES_MAX)]
    scale: float
    bias: float
    code_ranks: Annotated[tuple[_Ranks, ...], Meta(max_length=FEATURES_MAX)] | UnsetType = UNSET


class _Document(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema_version: Literal[1, 2]
    engine_version: int
    product_hash: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    variables: Annotated[tuple[Name, ...], Meta(max_length=FEATURES_MAX)]
    categories: Annotated[tuple[Annotated[tuple[Name, ...], Meta(max_length=250)], ...], Meta(max_length=FEATURES_MAX)]
    directions: Annotated[tuple[Direction, ...], Meta(max_length=FEATURES_MAX)]
    tables: _Tables
    calibration: Calibration
    scale: Scale
    segment_variable: Name | UnsetType | None = UNSET
    segment_calibrations: Annotated[tuple[Calibration | None, ...], Meta(max_length=CODE_MAX + 1)] | UnsetType = UNSET
    proof: Proof | UnsetType = UNSET


_ADDED = ("segment_variable", "segment_calibrations", "proof")
_DECODER = msgspec.json.Decoder(_Document)
_TABLES_DECODER = msgspec.json.Decoder(_Tables)


def digest_tables(tables: TreeTables) -> str:
    """SHA-256, in hex, of every array's name and little-endian bytes in the order of `trees.ARRAY_TYPES`, then scale, bias and any ranks."""
    digest = hashlib.sha256()
    for name, content in _array_bytes(tables).items():
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    digest.update(np.array([tables.scale, tables.bias], dtype="<f8").tobytes())
    if tables.code_ranks:
        digest.update(b"code_ranks\n" + encode_canonical(tables.code_ranks))
    return digest.hexdigest()


def digest_calibration(bundle: Bundle) -> str:
    """SHA-256, in hex, of the canonical JSON of segment variable, overall and segment calibrations and points scale, in this order."""
    told = (bundle.segment_variable, bundle.calibration, bundle.segment_calibrations, bundle.scale)
    return hash_content(encode_canonical(told))


def encode_bundle(bundle: Bundle) -> bytes:
    """Canonical JSON; arrays are base64 of little-endian bytes.

    Raises
    ------
    Refused : a bundle of schema 2 has no proof.
    """
    added: dict[str, Any] = {}
    if bundle.schema_version != 1:
        if bundle.proof is None:
            raise Refused("model bundle: it has no proof; make one (score.proof.prove_bundle)")
        added = {name: getattr(bundle, name) for name in _ADDED}
    return encode_canonical(
        _Document(
            schema_version=bundle.schema_version,
            engine_version=bundle.engine_version,
            product_hash=bundle.product_hash,
            variables=bundle.variables,
            categories=bundle.categories,
            directions=bundle.directions,
            tables=_write_tables(bundle.tables),
            calibration=bundle.calibration,
            scale=bundle.scale,
            **added,
        )
    )


def decode_bundle(raw: bytes) -> Bundle:
    """The Bundle behind `encode_bundle`'s bytes, fully checked but for its proof (`proof.check_proof`).

    Raises
    ------
    Refused : the bytes are no bundle, or one whose parts do not fit together; the message names the part.
    """
    try:
        document = _DECODER.decode(raw)
    except UNREADABLE as error:
        raise Refused(f"model bundle: {error}") from error
    added = {name: getattr(document, name) for name in _ADDED if getattr(document, name) is not UNSET}
    wanted = () if document.schema_version == 1 else _ADDED
    if tuple(added) != wanted:
        raise Refused(f"model bundle: schema {document.schema_version} must have {' and '.join(wanted) or 'no proof'}")
    return Bundle(
        schema_version=document.schema_version,
        engine_version=document.engine_version,
        product_hash=document.product_hash,
        variables=document.variables,
        categories=document.categories,
        directions=document.directions,
        tables=_read_tables(document.tables),
        calibration=document.calibration,
        scale=document.scale,
        **added,
    )


def encode_tables(tables: TreeTables) -> bytes:
    """Tree tables by themselves, as a bundle holds them."""
    return encode_canonical(_write_tables(tables))


def decode_tables(raw: bytes) -> TreeTables:
    """The tables behind `encode_tables`, fully checked.

    Raises
    ------
    Refused : the bytes are no tables; the message names the part.
    """
    try:
        wire = _TABLES_DECODER.decode(raw)
    except UNREADABLE as error:
        raise Refused(f"tree tables: {error}") from error
    return _read_tables(wire)


def _write_tables(tables: TreeTables) -> _Tables:
    return _Tables(
        **_array_bytes(tables),
        scale=float(tables.scale),
        bias=float(tables.bias),
        code_ranks=tables.code_ranks or UNSET,
    )


def _read_tables(wire: _Tables) -> TreeTables:
    arrays: dict[str, Any] = {}
    for name, dtype in ARRAY_TYPES.items():
        content: bytes = getattr(wire, name)
        if len(content) % dtype.itemsize:
            raise Refused(f"model bundle: {name} must hold whole {dtype.name} numbers")
        arrays[name] = _array_from_bytes(content, dtype)
    return TreeTables(
        **arrays,
        scale=wire.scale,
        bias=wire.bias,
        code_ranks=() if wire.code_ranks is UNSET else wire.code_ranks,
    )


def _array_bytes(tables: TreeTables) -> dict[str, bytes]:
    return {name: getattr(tables, name).astype(dtype, copy=False).tobytes() for name, dtype in ARRAY_TYPES.items()}


def _array_from_bytes(content: bytes, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    """One-dimensional array in the machine's byte order; a truth value other than 0 or 1 is refused."""
    array = np.frombuffer(content, dtype=dtype).astype(dtype.newbyteorder("="), copy=False)
    if dtype == np.bool_ and len(content) and max(content) > 1:
        raise Refused("model bundle: truth values must be 0 or 1")
    return array
