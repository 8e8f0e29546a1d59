"""The release: one manifest that names, by content hash, everything a decision depends on besides the Case.

Composing verifies every hash, that the parts fit, and that the model proves itself on this machine, so that a Release that exists can
decide every Case of its product. What engine 1 made is composed and decides as it did then.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType
from numpy.typing import NDArray

from instant_credit.application.document import decode_product, hash_layout
from instant_credit.application.product import Product, Variable
from instant_credit.canonical import UNREADABLE, ContentHash, encode_canonical, hash_content
from instant_credit.errors import Refused, require
from instant_credit.features.program import FeatureProgram, compile_features
from instant_credit.outcome.losses import LossTable, decode_losses
from instant_credit.policy.checks import check_policy
from instant_credit.policy.document import Policy, decode_policy
from instant_credit.policy.losses import LossShares, find_unfit
from instant_credit.policy.operands import Catalogue
from instant_credit.policy.program import CompiledPolicy, compile_policy
from instant_credit.score.bundle import ENGINE_VERSION, GOLDEN_CELLS_MAX, Bundle, decode_bundle
from instant_credit.score.calibration import Calibration, CalibrationTable, margin_at_pd
from instant_credit.score.engine_1 import ModelOfEngine1, compile_engine_1, mean_contributions_engine_1
from instant_credit.score.model import CompiledModel, compile_model, explain_rows
from instant_credit.score.points import Scale
from instant_credit.score.proof import check_contributions, check_proof, explain_golden_rows, golden_rows, tell_problems
from instant_credit.score.trees import LEAVES_MAX
from instant_credit.units import PPM, Ppm

# Log-odds by which the reference must lie below the decline cut-off, so that rounding cannot eat an adverse reason.
REFERENCE_GAP_MIN = 1e-6
ENGINES = (1, ENGINE_VERSION)


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a release is made of. Its own hash names the release.

    `losses_hash` names what its loans are expected to lose when they go bad (`outcome.losses`); it is left out where that is not known.
    A policy that prices losses does so by it; beside another it decides nothing, and whoever reckons profit or loss reads it.
    """

    schema_version: Literal[1] = 1
    engine_version: int
    product_hash: ContentHash
    model_hash: ContentHash
    policy_hash: ContentHash
    reference_hash: ContentHash
    losses_hash: ContentHash | UnsetType = UNSET

    @property
    def part_hashes(self) -> tuple[str, ...]:
        """The documents that it names."""
        losses = () if self.losses_hash is UNSET else (self.losses_hash,)
        return self.product_hash, self.model_hash, self.policy_hash, self.reference_hash, *losses


class Reference(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The population that an applicant's contributions are compared with, as counts per leaf of one model: never people.

    `counts` holds little-endian int64 by leaf, tree after tree; `rows` applicants fell into each tree once. `definition` says in
    words who they are. Schema 2 (engine 2) adds `golden_contributions`, little-endian float64[g, m]: what each golden row of the
    model's proof is explained with against this population.
    """

    schema_version: Literal[1, 2]
    model_hash: ContentHash
    definition: Annotated[str, Meta(min_length=1, max_length=400)]
    rows: Annotated[int, Meta(ge=1)]
    counts: Annotated[bytes, Meta(max_length=8 * LEAVES_MAX)]
    golden_contributions: Annotated[bytes, Meta(max_length=8 * GOLDEN_CELLS_MAX)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Golden contributions belong to schema 2, and to it only."""
        if (self.schema_version == 1) != (self.golden_contributions is UNSET):
            raise ValueError("golden_contributions belong to schema 2, and to it only")


@dataclass(frozen=True, slots=True, eq=False)
class Release:
    """Everything compiled, ready to decide. `variables`, `families` and `reference` are by model variable.

    `reference` is the reference population's mean contribution in log-odds, above which a contribution is adverse: 0 under engine 2,
    whose contributions count from it. `calibrations` are by code of the variable at `segment_position` of the model matrix, the overall
    `calibration` last; the position is -1 without segments.

    It decides every Case of `layout_hash`, whichever version of the product the Case was told to. `losses` are None where the manifest
    names none.
    """

    hash: str
    manifest: Manifest
    product: Product
    layout_hash: str
    features: FeatureProgram
    model: CompiledModel | ModelOfEngine1
    calibration: Calibration
    calibrations: CalibrationTable
    segment_position: int
    scale: Scale
    policy: CompiledPolicy
    variables: tuple[Variable, ...]
    families: tuple[str, ...]
    reference: tuple[float, ...]
    model_positions: tuple[int, ...]
    losses: LossTable | None = None


_MANIFEST_DECODER = msgspec.json.Decoder(Manifest)
_REFERENCE_DECODER = msgspec.json.Decoder(Reference)


def encode_manifest(manifest: Manifest) -> bytes:
    """Canonical JSON."""
    return encode_canonical(manifest)


def decode_manifest(raw: bytes) -> Manifest:
    """The manifest behind canonical JSON. Raises Refused when it is not one."""
    try:
        return _MANIFEST_DECODER.decode(raw)
    except UNREADABLE as error:
        raise Refused(f"release manifest: {error}") from error


def hash_manifest(manifest: Manifest) -> str:
    """The release's hash."""
    return hash_content(encode_manifest(manifest))


def make_reference(bundle: Bundle, model_hash: str, definition: str, rows: int, counts: NDArray[np.int64]) -> Reference:
    """A reference from counts per leaf (int64[leaves], as `score.model.leaf_counts` gives them) of `bundle`, whose hash is `model_hash`."""
    told = counts.astype("<i8", copy=False).tobytes()
    if bundle.schema_version == 1:
        return Reference(schema_version=1, model_hash=model_hash, definition=definition, rows=rows, counts=told)
    _, contributions = explain_rows(compile_model(bundle.tables, counts), golden_rows(bundle))
    return Reference(
        schema_version=2,
        model_hash=model_hash,
        definition=definition,
        rows=rows,
        counts=told,
        golden_contributions=contributions.astype("<f8", copy=False).tobytes(),
    )


def encode_reference(reference: Reference) -> bytes:
    """Canonical JSON; counts as base64."""
    return encode_canonical(reference)


def decode_reference(raw: bytes) -> Reference:
    """The reference behind canonical JSON. Raises Refused when it is not one."""
    try:
        return _REFERENCE_DECODER.decode(raw)
    except UNREADABLE as error:
        raise Refused(f"reference population: {error}") from error


class Composed(Struct, frozen=True, kw_only=True, eq=False):
    """A release beside the parts that it was compiled from."""

    release: Release
    bundle: Bundle
    reference: Reference


def compose_release(manifest: Manifest, documents: Mapping[str, bytes]) -> Release:
    """`compose_parts` without the parts."""
    return compose_parts(manifest, documents).release


def compose_parts(manifest: Manifest, documents: Mapping[str, bytes]) -> Composed:
    """Verify, prove and compile the parts that `manifest` names.

    Parameters
    ----------
    documents : canonical bytes by content hash; others than those named are ignored.

    Raises
    ------
    Refused : a part is absent, its bytes have another hash, it was made for another engine, product or model, the model or the
        reference population does not prove itself, the policy fails its checks, or the reference population is no better than the
        applicants that the policy declines.
    """
    if manifest.engine_version not in ENGINES:
        raise Refused(f"release: made for engine {manifest.engine_version}, this is engine {ENGINE_VERSION}")
    product = decode_product(_verified(documents, manifest.product_hash, "product"))
    bundle = decode_bundle(_verified(documents, manifest.model_hash, "model"))
    policy = decode_policy(_verified(documents, manifest.policy_hash, "policy"))
    reference = decode_reference(_verified(documents, manifest.reference_hash, "reference"))
    _check_model(bundle, manifest, product)
    check_policy(policy, product)
    variables = product.model_variables
    families = tuple(v.family for v in variables)
    counts = _read_counts(reference, manifest, bundle)
    losses = _read_losses(documents, manifest, product)
    compiled = compile_policy(policy, product, _share_losses(policy, product, losses))
    model: CompiledModel | ModelOfEngine1
    if manifest.engine_version == 1:
        model = compile_engine_1(bundle.tables)
        means = tuple(mean_contributions_engine_1(model, counts).tolist())
        mean = model.expected_log_odds + math.fsum(means)
    else:
        check_proof(bundle)
        model = compile_model(bundle.tables, counts, families=families)
        _check_golden_reference(bundle, reference, model)
        means, mean = (0.0,) * len(variables), model.expected_log_odds
    _check_reference(mean, bundle.calibrations, compiled.decline_from)
    features = compile_features(product)
    release = Release(
        hash=hash_manifest(manifest),
        manifest=manifest,
        product=product,
        layout_hash=hash_layout(product),
        features=features,
        model=model,
        calibration=bundle.calibration,
        calibrations=bundle.calibration_table,
        segment_position=bundle.segment_position,
        scale=bundle.scale,
        policy=compiled,
        variables=variables,
        families=families,
        reference=means,
        model_positions=tuple(features.model_variables.tolist()),
        losses=losses,
    )
    return Composed(release=release, bundle=bundle, reference=reference)


def recompose(live: Release, model_of: Release, manifest: Manifest, documents: Mapping[str, bytes]) -> Release:
    """What `compose_release` makes of `manifest`, whose model is that of `model_of` and whose product is that of `live`: both are composed
    already, so neither is proved or compiled again.

    Raises
    ------
    Refused : as `compose_release`, about the policy and the losses.
    """
    told = (manifest.product_hash, manifest.model_hash, manifest.reference_hash, manifest.engine_version)
    theirs = model_of.manifest
    held = (live.manifest.product_hash, theirs.model_hash, theirs.reference_hash, theirs.engine_version)
    require(told == held, "a release is made again of a model and a product that are composed already")
    product = live.product
    policy = decode_policy(_verified(documents, manifest.policy_hash, "policy"))
    check_policy(policy, product)
    losses = _read_losses(documents, manifest, product)
    compiled = compile_policy(policy, product, _share_losses(policy, product, losses))
    table = model_of.calibrations
    calibrations = [
        Calibration(slope=slope, intercept=intercept)
        for slope, intercept in zip(table.slopes.tolist(), table.intercepts.tolist(), strict=True)
    ]
    mean = model_of.model.expected_log_odds + math.fsum(model_of.reference)
    _check_reference(mean, calibrations, compiled.decline_from)
    return replace(model_of, hash=hash_manifest(manifest), manifest=manifest, policy=compiled, losses=losses)


def _verified(documents: Mapping[str, bytes], content_hash: str, part: str) -> bytes:
    raw = documents.get(content_hash)
    if raw is None:
        raise Refused(f"release: its {part} document {content_hash} is absent")
    if hash_content(raw) != content_hash:
        raise Refused(f"release: the {part} document stored as {content_hash} has other bytes")
    return raw


def _read_losses(documents: Mapping[str, bytes], manifest: Manifest, product: Product) -> LossTable | None:
    if manifest.losses_hash is UNSET:
        return None
    losses = decode_losses(_verified(documents, manifest.losses_hash, "losses"))
    if losses.product != product.name:
        raise Refused(f"release: the losses are of product {losses.product}, not of {product.name}")
    return losses


def _share_losses(policy: Policy, product: Product, losses: LossTable | None) -> LossShares | None:
    """What each segment loses, for a policy that prices it; None for another."""
    if policy.losses is UNSET:
        return None
    if losses is None:
        raise Refused(
            "release: its policy prices what loans of each segment lose, and it names no loss table: name one "
            "(release make --losses HASH, of a table kept by book losses --record), or take [losses] out of the policy"
        )
    total = losses.find_lost_share()
    if total is None:
        raise Refused(
            "release: its policy prices losses, and its loss table tells none: every charge-off in it is young"
        )
    own = {row.segment: row.lost_share for row in losses.segments if row.is_own}
    shares = LossShares(
        attribute=losses.attribute,
        total_ppm=_to_ppm(total),
        by_category={name: _to_ppm(share) for name, share in own.items() if share is not None},
    )
    unfit = find_unfit(shares, Catalogue(product))
    if unfit is not None:
        raise Refused(f"release: {unfit}")
    return shares


def _to_ppm(share: float) -> Ppm:
    return Ppm(round(share * PPM))


def _check_model(bundle: Bundle, manifest: Manifest, product: Product) -> None:
    """The model must have been trained for this engine and on this product's variables, as they are declared."""
    if bundle.engine_version != manifest.engine_version:
        raise Refused(f"release: the model was made for engine {bundle.engine_version}, not {manifest.engine_version}")
    if bundle.product_hash != manifest.product_hash:
        raise Refused(f"release: the model was trained on product {bundle.product_hash}, not {manifest.product_hash}")
    variables = product.model_variables
    if bundle.variables != tuple(v.name for v in variables):
        raise Refused("release: the model's variables are not the product's model variables in order")
    if bundle.directions != tuple(v.direction for v in variables):
        raise Refused("release: the model's directions are not the product's")
    if bundle.categories != product.model_categories:
        raise Refused("release: the model's categories are not the product's")


def _read_counts(reference: Reference, manifest: Manifest, bundle: Bundle) -> NDArray[np.int64]:
    """The reference population's counts per leaf, int64[leaves]."""
    if reference.model_hash != manifest.model_hash:
        raise Refused("release: the reference population was counted on another model")
    leaves = len(bundle.tables.leaf_values)
    if len(reference.counts) != 8 * leaves:
        raise Refused(f"release: the reference population must have {leaves} counts")
    counts = np.frombuffer(reference.counts, dtype="<i8").astype(np.int64)
    per_tree = np.add.reduceat(counts, bundle.tables.leaf_offsets[:-1])
    if bool(np.any(counts < 0)) or bool(np.any(per_tree != reference.rows)):
        raise Refused(f"release: the counts of each tree must add up to {reference.rows} rows")
    return counts


def _check_golden_reference(bundle: Bundle, reference: Reference, model: CompiledModel) -> None:
    """The golden rows must be explained against this reference as they were when it was counted."""
    if reference.golden_contributions is UNSET:
        raise Refused("release: the reference population has no golden contributions; make the release again")
    rows = golden_rows(bundle)
    if len(reference.golden_contributions) != 8 * rows.size:
        raise Refused(f"release: the reference population must have {rows.size} golden contributions")
    recorded = np.frombuffer(reference.golden_contributions, dtype="<f8").reshape(rows.shape)
    _, contributions, problems = explain_golden_rows(model, rows)
    problems.extend(check_contributions(contributions, recorded, bundle.variables))
    if problems:
        raise Refused(f"release: the reference population does not prove itself: {tell_problems(problems)}")


def _check_reference(mean: float, calibrations: Sequence[Calibration], decline_from: Ppm) -> None:
    """Every decline by score must be worse than the reference somewhere, or it would have no adverse reason to give."""
    lowest = min(margin_at_pd(calibration, Ppm(decline_from - 1)) for calibration in calibrations)
    if not mean + REFERENCE_GAP_MIN < lowest:
        raise Refused(
            "release: the reference population's mean score must lie below the decline cut-off; "
            "choose a safer reference or a higher decline_from_ppm"
        )
