"""The bundle: canonical bytes, and what they must hold."""

import base64
import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.application.product import Direction
from instant_credit.canonical import hash_content
from instant_credit.errors import Refused
from instant_credit.score.bundle import Bundle, decode_bundle, encode_bundle
from instant_credit.score.calibration import Calibration
from instant_credit.score.model import compile_model, explain_rows
from instant_credit.score.points import Scale
from instant_credit.score.proof import prove_bundle
from instant_credit.score.trees import ARRAY_NAMES, TreeTables
from tests.budget import examples
from tests.score.forests import Forest, forests
from tests.score.test_trees import fields

CATEGORIES = tuple(f"category_{i}" for i in range(7))


def bundle_of(tables: TreeTables, **changed: Any) -> Bundle:
    said: dict[str, Any] = {
        "product_hash": "ab" * 32,
        "variables": tuple(f"variable_{i}" for i in range(tables.feature_count)),
        "categories": tuple(CATEGORIES if c else () for c in tables.is_category),
        "directions": (Direction.FREE,) * tables.feature_count,
        "tables": tables,
        "calibration": Calibration(slope=1.25, intercept=-0.5),
    }
    return Bundle(**{**said, **changed})


@cache
def example() -> Bundle:
    """A bundle of engine 2."""
    return prove_bundle(bundle_of(TreeTables(**fields())))


@cache
def former_example() -> Bundle:
    """The same of engine 1."""
    directions = (Direction.INCREASING,) * 2
    return bundle_of(TreeTables(**fields()), schema_version=1, engine_version=1, directions=directions)


@examples(40)
@given(forests(rows_max=3))
def test_a_bundle_comes_back_with_its_bytes_and_its_scores(forest: Forest) -> None:
    tables, matrix = forest
    raw = encode_bundle(prove_bundle(bundle_of(tables, scale=Scale(points=550))))
    back = decode_bundle(raw)
    assert encode_bundle(back) == raw
    assert back.scale == Scale(points=550)
    for name in ARRAY_NAMES:
        assert np.array_equal(getattr(back.tables, name), getattr(tables, name))
        assert getattr(back.tables, name).dtype == getattr(tables, name).dtype
    ours, theirs = explain_rows(compile_model(tables), matrix), explain_rows(compile_model(back.tables), matrix)
    assert [a.tobytes() for a in ours] == [a.tobytes() for a in theirs]


def test_the_hash_of_a_bundle_is_the_same_on_every_machine() -> None:
    """Changed only together with schema_version: recorded releases name bundles by this hash."""
    assert (
        hash_content(encode_bundle(former_example()))
        == "10a6769571a4bd6f36082b6a35ab5e3da6827270bbaec27bd4aadf1bc1af4155"
    )


def test_a_bundle_of_engine_1_comes_back_with_its_bytes() -> None:
    raw = encode_bundle(former_example())
    assert encode_bundle(decode_bundle(raw)) == raw
    assert decode_bundle(raw).proof is None
    assert "proof" not in json.loads(raw)


def test_segments_come_back_with_their_calibrations() -> None:
    own = (None, Calibration(slope=2.0), *(None,) * 5)
    bundle = prove_bundle(bundle_of(TreeTables(**fields()), segment_variable="variable_1", segment_calibrations=own))
    back = decode_bundle(encode_bundle(bundle))
    assert (back.segment_position, back.segment_calibrations) == (1, own)
    assert back.calibrations == (bundle.calibration, Calibration(slope=2.0))


def test_a_bundle_without_its_proof_is_not_written() -> None:
    with pytest.raises(Refused, match="has no proof"):
        encode_bundle(bundle_of(TreeTables(**fields())))


def test_a_bundle_holds_little_endian_numbers() -> None:
    document = json.loads(encode_bundle(example()))
    assert base64.b64decode(document["tables"]["depths"]) == bytes([0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"variables": ("a",)}, "variables must have 2"),
        ({"variables": ("a", "a")}, "differ"),
        ({"categories": ((),)}, "categories must have 2"),
        ({"categories": ((), ())}, "variable_1 has categories in one place only"),
        ({"categories": (("x",), CATEGORIES)}, "variable_0 has categories in one place only"),
        ({"categories": ((), ("x", "y", "z"))}, "beyond its categories"),
        ({"directions": ()}, "directions must have 2"),
        (
            {"schema_version": 1, "engine_version": 1, "segment_variable": "variable_1"},
            "schema 1 has neither segments nor a proof",
        ),
    ],
)
def test_names_must_describe_the_tables(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        bundle_of(TreeTables(**fields()), **changed)


def altered(path: str, value: Any) -> bytes:
    """The example's bytes with one field changed, or left out (...)."""
    document = json.loads(encode_bundle(example()))
    *parents, last = path.split(".")
    here = document
    for parent in parents:
        here = here[parent]
    here[last] = value
    if value is ...:
        del here[last]
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "model bundle"),
        (b"\xff\xfe", "model bundle"),
        (b'{"schema_version": 1}', "missing required field"),
        (altered("schema_version", 3), "schema_version"),
        (altered("schema_version", 1), "schema 1 must have no proof"),
        (altered("engine_version", 1), "schema 1 belongs"),
        (altered("proof", ...), "schema 2 must have segment_variable and segment_calibrations and proof"),
        (altered("proof.rows", 600), "rows"),
        (altered("proof.rows", 3), "golden_rows of its proof must hold 3 rows of 8 bytes"),
        (altered("proof.golden_raws", "AAA="), "golden_raws of its proof must hold"),
        (altered("proof.golden_pds", "AAA="), "golden_pds of its proof must hold"),
        (altered("proof.golden_points", [600]), "golden_points of its proof must have 64 entries"),
        (altered("proof.golden_points", [600] * 513), "length <= 512"),
        (altered("proof.golden_raws", base64.b64encode(bytes(8 * 512 + 1)).decode()), "length <= 4096"),
        (altered("tables.is_category", base64.b64encode(bytes(5001)).decode()), "length <= 5000"),
        (altered("tables.border_offsets", base64.b64encode(bytes(20005)).decode()), "length <= 20004"),
        (altered("tables.borders", base64.b64encode(bytes(320_001)).decode()), "length <= 320000"),
        (altered("segment_variable", "elsewhere"), "none of its variables"),
        (altered("segment_variable", "variable_0"), "variable_0 must be a category"),
        (altered("segment_variable", "variable_1"), "segment_calibrations must have 7 entries"),
        (altered("segment_calibrations", [None]), "need a segment_variable"),
        (altered("segment_calibrations", [{"slope": -1, "intercept": 0}]), "slope"),
        (altered("product_hash", "short"), "product_hash"),
        (altered("variables", ["a b", "c"]), "variables"),
        (altered("directions", ["up", "down"]), "directions"),
        (altered("author", "somebody"), "author"),
        (altered("tables.depths", "AAA="), "whole int32"),
        (altered("tables.is_category", "AAI="), "truth values"),
        (altered("tables.leaf_values", base64.b64encode(np.full(7, np.nan).tobytes()).decode()), "finite"),
        (altered("tables.split_features", base64.b64encode(np.full(3, 9, np.int32).tobytes()).decode()), "features"),
        (altered("tables.scale", -1), "scale"),
        (altered("calibration.slope", 0), "slope"),
        (altered("scale.odds", 0), "odds"),
    ],
)
def test_bytes_that_are_no_bundle_are_refused(raw: bytes, words: str) -> None:
    with pytest.raises(Refused, match=words):
        decode_bundle(raw)


@examples(300)
@given(st.data())
def test_damaged_bytes_are_refused_or_a_whole_bundle(data: st.DataObject) -> None:
    raw = bytearray(encode_bundle(example()))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        bundle = decode_bundle(bytes(raw))
    except Refused:
        return
    compile_model(bundle.tables)
