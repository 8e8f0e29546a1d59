from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from instant_credit.application.document import encode_product
from instant_credit.application.product import Direction
from instant_credit.canonical import encode_canonical, hash_content
from instant_credit.decision.release import (
    Manifest,
    Reference,
    compose_release,
    decode_manifest,
    decode_reference,
    encode_manifest,
    encode_reference,
    hash_manifest,
    make_reference,
)
from instant_credit.errors import Refused
from instant_credit.policy.document import encode_policy
from instant_credit.score.bundle import Bundle, decode_bundle, encode_bundle
from instant_credit.score.calibration import Calibration
from instant_credit.score.proof import prove_bundle
from tests.decision.world import documents, manifest, release
from tests.policy.documents import changed, product


def test_a_release_is_named_by_its_manifest() -> None:
    assert release().hash == hash_manifest(manifest()) == hash_content(encode_manifest(manifest()))
    assert decode_manifest(encode_manifest(manifest())) == manifest()


def test_a_reference_survives_its_canonical_form() -> None:
    raw = documents().by_hash[manifest().reference_hash]
    assert encode_reference(decode_reference(raw)) == raw


@pytest.mark.parametrize("version", [1, 2])
def test_golden_contributions_belong_to_a_reference_of_schema_2(version: int) -> None:
    golden = {"golden_contributions": b""} if version == 1 else {}
    fields: dict[str, Any] = {"model_hash": "0" * 64, "definition": "x", "rows": 1, "counts": b"", **golden}
    with pytest.raises(ValueError, match="belong to schema 2, and to it only"):
        Reference(schema_version=version, **fields)


def test_golden_contributions_of_another_number_of_rows_are_refused() -> None:
    raw = encode_reference(msgspec.structs.replace(reference(), golden_contributions=b"12345678"))
    with pytest.raises(Refused, match=r"must have \d+ golden contributions"):
        compose_release(*with_part("reference", raw))


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"schema_version":1,"rows":0}'])
@pytest.mark.parametrize("decode", [decode_manifest, decode_reference])
def test_bytes_of_another_kind_are_refused(raw: bytes, decode: Callable[[bytes], Any]) -> None:
    with pytest.raises(Refused):
        decode(raw)


@pytest.mark.parametrize("part", ["product", "model", "policy", "reference"])
def test_an_absent_part_is_refused_by_name(part: str) -> None:
    missing = getattr(manifest(), f"{part}_hash")
    rest = {content_hash: raw for content_hash, raw in documents().by_hash.items() if content_hash != missing}
    with pytest.raises(Refused, match=f"its {part} document {missing} is absent"):
        compose_release(manifest(), rest)


@pytest.mark.parametrize("part", ["product", "model", "policy", "reference"])
def test_altered_bytes_are_refused_by_name(part: str) -> None:
    content_hash = getattr(manifest(), f"{part}_hash")
    altered = {**documents().by_hash, content_hash: documents().by_hash[content_hash] + b" "}
    with pytest.raises(Refused, match=f"the {part} document"):
        compose_release(manifest(), altered)


def test_a_release_of_another_engine_is_refused() -> None:
    with pytest.raises(Refused, match="made for engine 3"):
        compose_release(msgspec.structs.replace(manifest(), engine_version=3), documents().by_hash)


def with_part(part: str, raw: bytes) -> tuple[Manifest, dict[str, bytes]]:
    changed_manifest = msgspec.structs.replace(manifest(), **{f"{part}_hash": hash_content(raw)})
    return changed_manifest, {**documents().by_hash, hash_content(raw): raw}


def with_bundle(**fields: Any) -> tuple[Manifest, dict[str, bytes]]:
    bundle = decode_bundle(documents().by_hash[manifest().model_hash])
    old = {name: getattr(bundle, name) for name in Bundle.__struct_fields__}
    return with_part("model", encode_bundle(Bundle(**{**old, **fields})))


def turned(directions: tuple[Direction, ...]) -> tuple[Direction, ...]:
    return tuple(Direction.FREE for _ in directions)


def test_a_model_of_another_engine_is_refused() -> None:
    with pytest.raises(Refused, match="the model was made for engine 9"):
        compose_release(*with_bundle(engine_version=9))


def test_a_model_of_another_product_is_refused() -> None:
    with pytest.raises(Refused, match="the model was trained on product"):
        compose_release(*with_bundle(product_hash="0" * 64))


def test_a_model_of_other_variables_is_refused() -> None:
    names = tuple(reversed([v.name for v in product().model_variables]))
    with pytest.raises(Refused, match="variables are not the product's"):
        compose_release(*with_bundle(variables=names))


def test_a_model_of_other_directions_is_refused() -> None:
    directions = turned(tuple(v.direction for v in product().model_variables))
    with pytest.raises(Refused, match="directions are not the product's"):
        compose_release(*with_bundle(directions=directions))


def test_a_model_of_other_categories_is_refused() -> None:
    bundle = decode_bundle(documents().by_hash[manifest().model_hash])
    categories = tuple((*names, "more") if names else () for names in bundle.categories)
    with pytest.raises(Refused, match="categories are not the product's"):
        compose_release(*with_bundle(categories=categories))


def test_a_faulty_policy_is_refused() -> None:
    policy = changed(lambda document: document["grid"][0].update(pd_from_ppm=1))
    with pytest.raises(Refused, match="grid band 1: gap"):
        compose_release(*with_part("policy", encode_policy(policy)))


def test_a_faulty_product_is_refused() -> None:
    raw = encode_product(msgspec.structs.replace(product(), variables=product().variables[:1]))
    with pytest.raises(Refused):
        compose_release(*with_part("product", raw))


def reference() -> Reference:
    return decode_reference(documents().by_hash[manifest().reference_hash])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model_hash": "0" * 64}, "counted on another model"),
        ({"counts": b"\0" * 8}, "must have"),
        ({"rows": 3}, "must add up to 3 rows"),
    ],
)
def test_a_reference_of_other_counts_is_refused(fields: dict[str, Any], message: str) -> None:
    raw = encode_reference(msgspec.structs.replace(reference(), **fields))
    with pytest.raises(Refused, match=message):
        compose_release(*with_part("reference", raw))


def test_a_negative_count_is_refused() -> None:
    counts = np.frombuffer(reference().counts, dtype="<i8").copy()
    counts[:2] += (-counts[0] - 1, counts[0] + 1)
    raw = encode_reference(msgspec.structs.replace(reference(), counts=counts.tobytes()))
    with pytest.raises(Refused, match="must add up"):
        compose_release(*with_part("reference", raw))


def test_a_reference_as_bad_as_the_declined_is_refused() -> None:
    """Its mean would leave declines without a reason."""
    bundle = decode_bundle(documents().by_hash[manifest().model_hash])
    tables = bundle.tables
    counts = np.zeros(len(tables.leaf_values), dtype=np.int64)
    for start, end in zip(tables.leaf_offsets[:-1].tolist(), tables.leaf_offsets[1:].tolist(), strict=True):
        counts[start + int(np.argmax(tables.leaf_values[start:end]))] = 10
    raw = encode_canonical(make_reference(bundle, manifest().model_hash, "The worst of all.", 10, counts))
    with pytest.raises(Refused, match="must lie below the decline cut-off"):
        compose_release(*with_part("reference", raw))


def test_a_reference_as_bad_as_the_declined_of_one_segment_is_refused() -> None:
    bundle = decode_bundle(documents().by_hash[manifest().model_hash])
    assert compose_release(*with_segments(Calibration(intercept=0.1))).segment_position == bundle.variables.index(
        "home"
    )
    with pytest.raises(Refused, match="must lie below the decline cut-off"):
        compose_release(*with_segments(Calibration(intercept=3.0)))


def with_segments(own: Calibration) -> tuple[Manifest, dict[str, bytes]]:
    """The model with a calibration of its own for the first kind of home, and the reference that names it."""
    bundle = decode_bundle(documents().by_hash[manifest().model_hash])
    own_by_code = (own, None, None, None)
    bundle = prove_bundle(msgspec.structs.replace(bundle, segment_variable="home", segment_calibrations=own_by_code))
    made, parts = with_part("model", encode_bundle(bundle))
    raw = encode_reference(msgspec.structs.replace(reference(), model_hash=made.model_hash))
    return msgspec.structs.replace(made, reference_hash=hash_content(raw)), {**parts, hash_content(raw): raw}
