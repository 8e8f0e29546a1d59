"""Edge. A release for people: what it is made of, and what its model proved when it was loaded just now."""

import asyncio
from collections.abc import Mapping

from msgspec import UNSET, Struct, UnsetType

from instant_credit.application.product import Direction
from instant_credit.decision.release import Composed, compose_parts
from instant_credit.record.pool import Record
from instant_credit.score.bundle import Bundle
from instant_credit.underwriting.release_life import ReleaseDesk
from instant_credit.underwriting.release_resources import ReleaseStatus
from instant_credit.underwriting.releases import read_parts


class ShownProof(Struct, frozen=True, kw_only=True):
    """What held when the release was composed on this machine; None of what a model of engine 1 does not carry.

    Attributes
    ----------
    reasons, reference : how contributions are defined, and who the reference applicants are.
    golden_rows : invented rows that score and explain bit by bit as recorded, alone and among all; they fall into `leaves_reached` of
        the `leaves_reachable` that some row can reach.
    raw_min, raw_max, pd_ppm_min, pd_ppm_max : no application scores outside.
    directions : direction by variable, where it has one; `are_directions_verified` says that every step of every tree keeps to them.
    tables_digest : SHA-256 of the trees.
    """

    engine_version: int
    reasons: str
    reference: str
    reference_rows: int
    trees: int
    golden_rows: int | None
    leaves_reached: int | None
    leaves_reachable: int | None
    raw_min: float | None
    raw_max: float | None
    pd_ppm_min: int | None
    pd_ppm_max: int | None
    are_directions_verified: bool
    directions: Mapping[str, Direction]
    tables_digest: str | None


class ShownRelease(Struct, frozen=True, kw_only=True):
    """The manifest's fields beside the release's hash, its product's name, the proof, and where it stands."""

    release_hash: str
    product: str
    engine_version: int
    product_hash: str
    model_hash: str
    policy_hash: str
    reference_hash: str
    losses_hash: str | UnsetType = UNSET
    proof: ShownProof
    life: ReleaseStatus


async def show_release(record: Record, release_hash: str) -> ShownRelease:
    """The release with this hash, after it proved itself.

    Raises
    ------
    NotFound : it or one of its documents is not in the record.
    Refused : it was made for another engine, its parts do not fit together, or its model does not prove itself.
    """
    manifest, documents = await read_parts(record, release_hash)
    composed = await asyncio.to_thread(compose_parts, manifest, documents)
    return ShownRelease(
        release_hash=composed.release.hash,
        product=composed.release.product.name,
        engine_version=manifest.engine_version,
        product_hash=manifest.product_hash,
        model_hash=manifest.model_hash,
        policy_hash=manifest.policy_hash,
        reference_hash=manifest.reference_hash,
        losses_hash=manifest.losses_hash,
        proof=_show_proof(composed),
        life=await ReleaseDesk(record).read(release_hash),
    )


def _show_proof(composed: Composed) -> ShownProof:
    bundle, reference = composed.bundle, composed.reference
    proof = bundle.proof
    return ShownProof(
        engine_version=bundle.engine_version,
        reasons=_define_reasons(bundle, reference.rows),
        reference=reference.definition,
        reference_rows=reference.rows,
        trees=bundle.tables.tree_count,
        golden_rows=None if proof is None else proof.rows,
        leaves_reached=None if proof is None else proof.leaves_reached,
        leaves_reachable=None if proof is None else proof.leaves_reachable,
        raw_min=None if proof is None else proof.raw_min,
        raw_max=None if proof is None else proof.raw_max,
        pd_ppm_min=None if proof is None else proof.pd_ppm_min,
        pd_ppm_max=None if proof is None else proof.pd_ppm_max,
        are_directions_verified=proof is not None,
        directions={
            name: direction
            for name, direction in zip(bundle.variables, bundle.directions, strict=True)
            if direction is not Direction.FREE
        },
        tables_digest=None if proof is None else proof.tables_digest,
    )


def _define_reasons(bundle: Bundle, rows: int) -> str:
    if bundle.engine_version == 1:
        return f"path-dependent, less the mean of {rows:,} reference applicants"
    return f"interventional, against {rows:,} reference applicants"
