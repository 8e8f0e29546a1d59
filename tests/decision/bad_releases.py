"""Releases that are not what they say they are.

In each one thing is wrong and everything that names it is made anew around it: the bundle is encoded again, the reference names its
new hash, the manifest names both. So no hash gives it away, and only what the release proves about itself can.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import numpy as np

from instant_credit.application.product import Direction
from instant_credit.canonical import encode_canonical, hash_content
from instant_credit.decision.release import (
    Manifest,
    Reference,
    decode_manifest,
    decode_reference,
    encode_manifest,
    encode_reference,
    make_reference,
)
from instant_credit.score.bundle import (
    Bundle,
    Proof,
    decode_bundle,
    digest_calibration,
    digest_tables,
    encode_bundle,
)
from instant_credit.score.calibration import Calibration
from instant_credit.score.model import compile_model, explain_rows
from instant_credit.score.points import Scale
from instant_credit.score.proof import bound_raw_scores, golden_rows, prove_bundle
from instant_credit.score.trees import TreeTables
from tests.decision.world import documents, manifest
from tests.lending import Documents

SIGNS = {Direction.INCREASING: 1.0, Direction.DECREASING: -1.0, Direction.FREE: 0.0}


@cache
def good_bundle() -> Bundle:
    return decode_bundle(documents().by_hash[manifest().model_hash])


@cache
def good_reference() -> Reference:
    return decode_reference(documents().by_hash[manifest().reference_hash])


def good_golden_contributions() -> bytes:
    golden = good_reference().golden_contributions
    assert isinstance(golden, bytes)
    return golden


def good_proof() -> Proof:
    proof = good_bundle().proof
    assert proof is not None
    return proof


def released(model: Bundle | bytes, reference: Reference | None = None) -> Documents:
    """A release of this model, and of this reference if it is given, around the good product and policy."""
    model_raw = model if isinstance(model, bytes) else encode_bundle(model)
    named = reference or msgspec.structs.replace(good_reference(), model_hash=hash_content(model_raw))
    kept = [(kind, raw) for kind, raw in documents().parts if kind in ("product", "policy")]
    parts = [*kept, ("model", model_raw), ("reference", encode_reference(named))]
    hashes: dict[str, Any] = {f"{kind}_hash": hash_content(raw) for kind, raw in parts}
    made = Manifest(engine_version=manifest().engine_version, **hashes)
    return Documents(product=documents().product, parts=(*parts, ("release", encode_manifest(made))))


def with_tables(bundle: Bundle, **arrays: Any) -> Bundle:
    fields = {name: getattr(bundle.tables, name) for name in TreeTables.__struct_fields__}
    return msgspec.structs.replace(bundle, tables=TreeTables(**{**fields, **arrays}))


def with_proof(**fields: Any) -> Bundle:
    return msgspec.structs.replace(good_bundle(), proof=msgspec.structs.replace(good_proof(), **fields))


def proven_but_for_directions(bundle: Bundle) -> Bundle:
    """With every number of the proof as these tables give it."""
    rows = golden_rows(bundle)
    raws, contributions = explain_rows(compile_model(bundle.tables), rows)
    raw_min, raw_max = bound_raw_scores(bundle.tables)
    proof = msgspec.structs.replace(
        good_proof(),
        tables_digest=digest_tables(bundle.tables),
        raw_min=raw_min,
        raw_max=raw_max,
        golden_raws=raws.tobytes(),
        golden_contributions=contributions.tobytes(),
    )
    return msgspec.structs.replace(bundle, proof=proof)


def flipped(raw: bytes, place: int) -> bytes:
    changed = bytearray(raw)
    changed[place] ^= 1
    return bytes(changed)


def tampered_leaf(*, is_digest_kept: bool) -> Documents:
    """One applicant's leaf is worth a little less risk."""
    values = good_bundle().tables.leaf_values.copy()
    values[0] -= 1e-3
    bundle = with_tables(good_bundle(), leaf_values=values)
    if is_digest_kept:
        return released(bundle)
    proof = msgspec.structs.replace(good_proof(), tables_digest=digest_tables(bundle.tables))
    return released(msgspec.structs.replace(bundle, proof=proof))


def broken_direction() -> Documents:
    """The two leaves on either side of one directed question change places."""
    bundle = good_bundle()
    tables, values = bundle.tables, bundle.tables.leaf_values.copy()
    for tree in range(tables.tree_count):
        start, leaves = int(tables.leaf_offsets[tree]), 1 << int(tables.depths[tree])
        for bit in range(int(tables.depths[tree])):
            sign = SIGNS[bundle.directions[int(tables.split_features[int(tables.split_offsets[tree]) + bit])]]
            for leaf in range(leaves):
                low, high = start + leaf, start + leaf + (1 << bit)
                if not leaf >> bit & 1 and sign * (values[high] - values[low]) > 0.0:
                    values[low], values[high] = values[high], values[low]
                    return released(proven_but_for_directions(with_tables(bundle, leaf_values=values)))
    raise AssertionError("some question moves the score")


OWN = (Calibration(intercept=0.2), Calibration(intercept=0.1), Calibration(slope=0.9, intercept=0.1), None)


@cache
def segmented_bundle() -> Bundle:
    """The good model with a calibration of its own for some kinds of home, proven."""
    return prove_bundle(msgspec.structs.replace(good_bundle(), segment_variable="home", segment_calibrations=OWN))


def recalibrated(*, is_digest_kept: bool = False, **changes: Any) -> Documents:
    """Proven, and then calibrated or counted otherwise."""
    bundle = msgspec.structs.replace(segmented_bundle(), **changes)
    if is_digest_kept:
        return released(bundle)
    assert bundle.proof is not None
    proof = msgspec.structs.replace(bundle.proof, calibration_digest=digest_calibration(bundle))
    return released(msgspec.structs.replace(bundle, proof=proof))


def other_directions() -> Documents:
    """A model that proves itself, of a catalogue that lets every variable move freely."""
    free = (Direction.FREE,) * len(good_bundle().variables)
    return released(prove_bundle(msgspec.structs.replace(good_bundle(), directions=free)))


def edited(change: Callable[[dict[str, Any]], None]) -> Documents:
    """Bytes that no Bundle would encode to."""
    document = json.loads(encode_bundle(good_bundle()))
    change(document)
    return released(encode_canonical(document))


def deepen(document: dict[str, Any]) -> None:
    depths = np.frombuffer(b64decode(document["tables"]["depths"]), dtype="<i4").copy()
    depths[0] = 9
    document["tables"]["depths"] = b64encode(depths.tobytes()).decode()


def add_target_statistics(document: dict[str, Any]) -> None:
    document["tables"]["ctrs"] = [{"ctr_type": "Borders"}]


def swapped_reference() -> Documents:
    """As many applicants as before, with the model's name on them, but others: the worst of every tree."""
    tables = good_bundle().tables
    counts = np.frombuffer(good_reference().counts, dtype="<i8").copy()
    start, stop = int(tables.leaf_offsets[0]), int(tables.leaf_offsets[1])
    counts[start:stop] = counts[start:stop][::-1]
    return released(good_bundle(), msgspec.structs.replace(good_reference(), counts=counts.tobytes()))


def reference_of_another_model() -> Documents:
    other = with_tables(good_bundle(), bias=good_bundle().tables.bias + 0.5)
    counts = np.frombuffer(good_reference().counts, dtype="<i8").astype(np.int64)
    rows = good_reference().rows
    return released(good_bundle(), make_reference(prove_bundle(other), "0" * 64, "Somebody's.", rows, counts))


def without_golden_contributions() -> Documents:
    fields = {name: getattr(good_reference(), name) for name in ("model_hash", "definition", "rows", "counts")}
    return released(good_bundle(), Reference(schema_version=1, **fields))


GOLDEN = "golden row 3"
BAD: dict[str, tuple[Callable[[], Documents], str]] = {
    "tampered leaf": (lambda: tampered_leaf(is_digest_kept=True), "its trees differ from their recorded digest"),
    "tampered leaf and digest": (
        lambda: tampered_leaf(is_digest_kept=False),
        r"golden row \d+ scores -?\d.*, recorded -?\d",
    ),
    "broken direction": (broken_direction, r"tree \d+ (falls|rises) with \w+ by up to \S+ where it must (rise|fall)"),
    "another catalogue's directions": (other_directions, "the model's directions are not the product's"),
    "another catalogue": (
        lambda: released(msgspec.structs.replace(good_bundle(), product_hash="0" * 64)),
        "the model was trained on product 0000",
    ),
    "golden raw score off by one bit": (
        lambda: released(with_proof(golden_raws=flipped(good_proof().golden_raws, 24))),
        f"{GOLDEN} scores",
    ),
    "golden contribution off by one bit": (
        lambda: released(
            with_proof(
                golden_contributions=flipped(good_proof().golden_contributions, 24 * len(good_bundle().variables))
            )
        ),
        f"{GOLDEN} is explained with",
    ),
    "golden reference off by one bit": (
        lambda: released(
            good_bundle(),
            msgspec.structs.replace(
                good_reference(),
                golden_contributions=flipped(good_golden_contributions(), 24 * len(good_bundle().variables)),
            ),
        ),
        f"the reference population does not prove itself: {GOLDEN} is explained with",
    ),
    "bounds": (lambda: released(with_proof(raw_max=99.0)), "its raw scores lie between"),
    "bounds of pd": (lambda: released(with_proof(pd_ppm_min=7)), "its pds lie between"),
    "calibration of one segment": (
        lambda: recalibrated(segment_calibrations=(OWN[0], Calibration(intercept=0.15), *OWN[2:])),
        r"golden row \d+ has a pd of 0\.\d+, recorded 0\.\d+",
    ),
    "calibration of one segment and not its digest": (
        lambda: recalibrated(segment_calibrations=(OWN[0], None, *OWN[2:]), is_digest_kept=True),
        r"its calibrations or points scale differ from their recorded digest; golden row \d+ has a pd of",
    ),
    "swapped segments": (
        lambda: recalibrated(segment_calibrations=(OWN[0], OWN[2], OWN[1], OWN[3])),
        r"golden row \d+ has a pd of 0\.\d+, recorded 0\.\d+",
    ),
    "calibration of the other segments": (
        lambda: recalibrated(calibration=Calibration(intercept=0.01)),
        r"golden row \d+ has a pd of 0\.\d+, recorded 0\.\d+",
    ),
    "no segments any more": (
        lambda: recalibrated(segment_variable=None, segment_calibrations=()),
        r"golden row \d+ has a pd of 0\.\d+, recorded 0\.\d+",
    ),
    "points scale": (
        lambda: recalibrated(scale=Scale(points=601)),
        r"golden row \d+ has \d+ points, recorded \d+",
    ),
    "end of the points scale that no golden row comes to": (
        lambda: recalibrated(scale=Scale(maximum=900), is_digest_kept=True),
        "its calibrations or points scale differ from their recorded digest$",
    ),
    "tree of depth 9": (lambda: edited(deepen), "depths must lie between 0 and 8"),
    "target statistics": (lambda: edited(add_target_statistics), "unknown field `ctrs`"),
    "falling calibration": (
        lambda: edited(lambda document: document["calibration"].update(slope=-1.0)),
        "slope must be finite and above 0",
    ),
    "flat calibration": (
        lambda: edited(lambda document: document["calibration"].update(slope=0.0)),
        "slope must be finite and above 0",
    ),
    "no proof": (lambda: edited(lambda document: document.pop("proof")), "schema 2 must have .* proof"),
    "swapped reference": (swapped_reference, "the reference population does not prove itself"),
    "reference of another model": (reference_of_another_model, "was counted on another model"),
    "reference without golden contributions": (without_golden_contributions, "has no golden contributions"),
    "former engine's model": (
        lambda: released(
            msgspec.structs.replace(good_bundle(), schema_version=1, engine_version=1, proof=None),
        ),
        "the model was made for engine 1, not 2",
    ),
}


def manifest_of(made: Documents) -> Manifest:
    return decode_manifest(made.parts[-1][1])
