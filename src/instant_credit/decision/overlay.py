"""An arm's release: named parts of other releases laid over the live one, under the hash of what comes out. Pure.

    live manifest, {part: source manifest} ─► model and its reference population, policy with other prices, texts ─► manifest, new documents

======  ========================================================================================================
part    what is taken from its source
======  ========================================================================================================
model   the bundle and the reference population counted on it
policy  the whole policy but prices and texts
prices  the policy's price grid, its amounts, price cap and what its prices are made of; the loss table
texts   the words of the policy's reasons, code by code; numbers and families stay
======  ========================================================================================================

Parts are disjoint, so the order in which they are laid does not matter. Every source was proved as a release of its own, its worked examples
included; those of a policy whose prices were laid over it say what the composition gives (ADR 0029).
"""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from instant_credit.application.document import decode_product
from instant_credit.application.product import Product
from instant_credit.canonical import hash_content
from instant_credit.decision.release import Manifest, encode_manifest
from instant_credit.errors import Refused, require
from instant_credit.experiment.plan import Part
from instant_credit.policy.document import Example, Expected, Policy, ReasonText, decode_policy, encode_policy
from instant_credit.policy.examples import run_example
from instant_credit.policy.program import compile_policy
from instant_credit.policy.verdict import Verdict


class Parts(Struct, frozen=True, kw_only=True):
    """A release's manifest with those of its documents that are laid over or under others, by hash: product, policy and losses."""

    manifest: Manifest
    documents: Mapping[str, bytes]


class Overlaid(Struct, frozen=True, kw_only=True):
    """What comes out: the manifest, those of the documents it names that were given, and those that no source had, the manifest's own among
    them, by kind.
    """

    manifest: Manifest
    documents: Mapping[str, bytes]
    made: tuple[tuple[str, bytes], ...]

    @property
    def hash(self) -> str:
        """The composed release's hash."""
        return hash_content(encode_manifest(self.manifest))


def overlay(live: Parts, overlays: Mapping[Part, Parts]) -> Overlaid:
    """The live release with the parts of `overlays` in place of its own.

    Raises
    ------
    Refused : a source is of another product or engine, or its texts leave out a reason that the policy gives.
    """
    for part, source in overlays.items():
        if source.manifest.product_hash != live.manifest.product_hash:
            raise Refused(f"overlay {part}: its release has another version of the product than the live one")
        if source.manifest.engine_version != live.manifest.engine_version:
            raise Refused(f"overlay {part}: its release was made for another engine than the live one")
    model, prices = overlays.get(Part.MODEL, live).manifest, overlays.get(Part.PRICES, live).manifest
    policy_raw = _overlay_policy(live, overlays)
    policy_hash = hash_content(policy_raw)
    manifest = replace(
        live.manifest,
        model_hash=model.model_hash,
        reference_hash=model.reference_hash,
        losses_hash=prices.losses_hash,
        policy_hash=policy_hash,
    )
    known: dict[str, bytes] = dict(live.documents)
    for source in overlays.values():
        known.update(source.documents)
    made = [] if policy_hash in known else [("policy", policy_raw)]
    known[policy_hash] = policy_raw
    sources = {hash_content(encode_manifest(one.manifest)) for one in (live, *overlays.values())}
    if hash_content(encode_manifest(manifest)) not in sources:
        made.append(("overlay", encode_manifest(manifest)))
    documents = {name: known[name] for name in manifest.part_hashes if name in known}
    return Overlaid(manifest=manifest, documents=documents, made=tuple(made))


def _overlay_policy(live: Parts, overlays: Mapping[Part, Parts]) -> bytes:
    """Canonical bytes of the composed policy: a source's own where nothing is mixed."""
    base = overlays.get(Part.POLICY, live)
    prices = overlays.get(Part.PRICES, live)
    texts = overlays.get(Part.TEXTS, live)
    hashes = {one.manifest.policy_hash for one in (base, prices, texts)}
    if len(hashes) == 1:
        return base.documents[base.manifest.policy_hash]
    policy = _policy_of(base)
    mixed = _take_prices(policy, _policy_of(prices))
    mixed = replace(mixed, reasons=_take_texts(mixed, _policy_of(texts)))
    if mixed == policy:
        return base.documents[base.manifest.policy_hash]
    product = decode_product(live.documents[live.manifest.product_hash])
    return encode_policy(_restate_examples(mixed, product))


def _policy_of(parts: Parts) -> Policy:
    return decode_policy(parts.documents[parts.manifest.policy_hash])


def _take_prices(policy: Policy, source: Policy) -> Policy:
    """The policy with the grid, the amounts, the price cap and the make-up of prices of `source`.

    The last band follows the policy's own cut-off, which the grid must reach and not pass.
    """
    bands = [band for band in source.grid if band.pd_from_ppm < policy.cut_offs.approve_below_ppm]
    if bands:
        bands[-1] = replace(bands[-1], pd_below_ppm=policy.cut_offs.approve_below_ppm)
    return replace(
        policy,
        apr_ppm_max=source.apr_ppm_max,
        amounts=source.amounts,
        grid=tuple(bands),
        losses=source.losses,
    )


def _take_texts(policy: Policy, source: Policy) -> tuple[ReasonText, ...]:
    """The policy's reasons in the words of `source`."""
    words = {reason.code: reason for reason in source.reasons}
    absent = [reason.code for reason in policy.reasons if reason.code not in words]
    if absent:
        raise Refused(f"overlay texts: its policy has no words for {', '.join(absent)}")
    return tuple(
        replace(reason, text=words[reason.code].text, text_missing=words[reason.code].text_missing)
        for reason in policy.reasons
    )


def _restate_examples(policy: Policy, product: Product) -> Policy:
    """The policy whose worked examples say what it gives."""
    compiled = compile_policy(policy, product)
    return replace(
        policy,
        examples=tuple(_restate(example, run_example(example, compiled, product)) for example in policy.examples),
    )


def _restate(example: Example, verdict: Verdict | list[str]) -> Example:
    require(isinstance(verdict, Verdict), "a policy that was checked has examples that can be told")
    assert isinstance(verdict, Verdict)
    terms = verdict.terms
    told = Expected(
        outcome=verdict.outcome,
        reasons=tuple(reason.code for reason in verdict.reasons),
        amount_cents=None if terms is None else terms.amount_cents,
        term_months=None if terms is None else terms.term_months,
        apr_ppm=None if terms is None else terms.apr_ppm,
        instalment_cents=None if terms is None else terms.instalment_cents,
    )
    return replace(example, expect=told)
