"""Deciding recorded Cases again: what the candidate would have done under the policy in force, beside what the champion does.

    Cases, monitoring, labels (record) -> RecordedCases
    candidate bundle + policy          -> a release that is recorded nowhere -> decide_many -> Answers
    champion's release                 ->                                       decide_many -> Answers

The same function decides as at the counter. What a bad loan loses is told by the loss table of the champion's release, which the candidate's
names too: by the row of the Case's segment, or of all loans where that has no figures of its own. Groups come from the sealed monitoring attributes; no decision sees them.
"""

from collections.abc import Iterable

import numpy as np
from msgspec import UNSET, Struct
from numpy.typing import NDArray

from instant_credit.application.document import encode_product
from instant_credit.application.product import AttributeType, Product
from instant_credit.canonical import hash_content
from instant_credit.decision.case import Case, build_case_features
from instant_credit.decision.decide import decide_many
from instant_credit.decision.decision import Decision, Outcome
from instant_credit.decision.release import Manifest, Release, compose_release, encode_reference
from instant_credit.errors import Refused
from instant_credit.features.program import compile_features
from instant_credit.outcome.losses import LossTable, encode_losses
from instant_credit.policy.checks import check_policy
from instant_credit.policy.document import Policy, encode_policy
from instant_credit.score.bundle import ENGINE_VERSION
from instant_credit.training.gates.contest import Contender
from instant_credit.underwriting.releases import count_reference
from instant_credit.units import PPM

CHUNK_CASES = 2_000

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Grouping(Struct, frozen=True, kw_only=True, eq=False):
    """One attribute that no decision may see: codes int64[n] of `names`, -1 = not told."""

    attribute: str
    names: tuple[str, ...]
    codes: NDArray[np.int64]


class RecordedCases(Struct, frozen=True, kw_only=True, eq=False):
    """Recorded Cases of one layout, as far as they can be opened.

    Attributes
    ----------
    labels : int8[n], 0 good, 1 bad, -1 = not lent to, or not known yet.
    weights : float64[n], above 0.
    """

    cases: tuple[Case, ...]
    labels: NDArray[np.int8]
    weights: Floats
    groupings: tuple[Grouping, ...] = ()


class Lost(Struct, frozen=True, kw_only=True, eq=False):
    """What bad loans lose by a loss table.

    Attributes
    ----------
    table_hash : names the table.
    shares : float64[n], part of the amount lent that is lost when the Case's loan goes bad.
    is_own : bool[n], whether its segment's own row tells that; otherwise the row of all loans does.
    """

    table_hash: str
    shares: Floats
    is_own: Flags


class Answers(Struct, frozen=True, kw_only=True, eq=False):
    """What a release answers to n Cases.

    Attributes
    ----------
    is_offered : bool[n], approved or countered with other terms.
    pds : float64[n]; NaN where no score could be computed.
    amounts, interests : float64[n] cents lent, and cents received above that when all is repaid; 0 where nothing is offered.
    months : float64[n], the term; 0 likewise.
    """

    is_offered: Flags
    pds: Floats
    amounts: Floats
    interests: Floats
    months: Floats


class Redecided(Struct, frozen=True, kw_only=True, eq=False):
    """Cases with the answers of both; `asked` float64[n] cents, NaN where the product knows no amount.

    `lost` is None where no release names a loss table, or one that tells no loss.
    """

    recorded: RecordedCases
    policy_hash: str
    is_priced: bool
    asked: Floats
    candidate: Answers
    champion: Answers | None
    lost: Lost | None = None


def redecide(
    candidate: Contender,
    champion: Release | None,
    policy: Policy,
    product: Product,
    recorded: RecordedCases,
    *,
    losses: LossTable | None = None,
) -> Redecided:
    """Decide every Case under the candidate, and under the champion where there is one.

    Parameters
    ----------
    champion : a release under the same policy.
    product : the candidate's.
    losses : the loss table where there is no champion; otherwise the champion's release names it, or none.

    Raises
    ------
    Refused : candidate, product, policy and losses do not make a release; the message says why.
    """
    losses = losses if champion is None else champion.losses
    release = compose_candidate(candidate, policy, product, recorded.cases, losses)
    pricing = release.policy.pricing
    return Redecided(
        recorded=recorded,
        policy_hash=release.manifest.policy_hash,
        is_priced=pricing is not None,
        asked=np.array(
            [np.nan if pricing is None else _read_asked(pricing.read_amount(case.facts, ())) for case in recorded.cases]
        ),
        candidate=answer_all(release, recorded.cases),
        champion=None if champion is None else answer_all(champion, recorded.cases),
        lost=None if losses is None else find_lost(losses, product, recorded.cases),
    )


def find_lost(losses: LossTable, product: Product, cases: tuple[Case, ...]) -> Lost | None:
    """What each Case's loan loses when it goes bad; None of a table that tells no loss.

    A Case that does not tell the attribute, or a table by an attribute that the product does not have, is spoken for by all loans.
    """
    if losses.total.lost_share is None:
        return None
    categories = [one for one in product.case_attributes if one.type is AttributeType.CATEGORY]
    place = next((i for i, one in enumerate(categories) if one.name == losses.attribute), None)
    names = () if place is None else categories[place].categories
    rows = [*(losses.find_row(name) for name in names), losses.total]
    codes = [-1 if place is None else case.facts.codes[place] for case in cases]
    return Lost(
        table_hash=hash_content(encode_losses(losses)),
        shares=np.array([row.lost_share for row in rows], dtype=np.float64)[codes],
        is_own=np.array([row is not losses.total for row in rows])[codes],
    )


def compose_candidate(
    candidate: Contender,
    policy: Policy,
    product: Product,
    cases: tuple[Case, ...],
    losses: LossTable | None = None,
) -> Release:
    """A release of the candidate under `policy`, which is recorded nowhere; its reference is counted over the Cases."""
    product_raw, policy_raw = encode_product(product), encode_policy(policy)
    if hash_content(product_raw) != candidate.bundle.product_hash:
        raise Refused(
            f"the candidate was trained on product {candidate.bundle.product_hash}; give that product document"
        )
    check_policy(policy, product)
    matrix = build_case_features(compile_features(product), cases).model
    reference = count_reference(matrix, "gates", candidate.bundle, candidate.bundle_hash, policy.cut_offs)
    raws = [product_raw, candidate.bundle_raw, policy_raw, encode_reference(reference)]
    raws += [] if losses is None else [encode_losses(losses)]
    hashes = [hash_content(raw) for raw in raws]
    manifest = Manifest(
        engine_version=ENGINE_VERSION,
        product_hash=hashes[0],
        model_hash=hashes[1],
        policy_hash=hashes[2],
        reference_hash=hashes[3],
        losses_hash=UNSET if losses is None else hashes[4],
    )
    return compose_release(manifest, dict(zip(hashes, raws, strict=True)))


def answer_all(release: Release, cases: tuple[Case, ...]) -> Answers:
    """What a release answers, chunk by chunk."""
    chunks = (cases[first : first + CHUNK_CASES] for first in range(0, len(cases), CHUNK_CASES))
    return lay_out_answers(decision for chunk in chunks for decision in decide_many(chunk, release))


def lay_out_answers(decisions: Iterable[Decision]) -> Answers:
    """Decisions as columns; each is read once and let go."""
    rows = [_lay_out_answer(decision) for decision in decisions]
    table = np.array(rows, dtype=np.float64).reshape(len(rows), 5)
    return Answers(
        is_offered=table[:, 0] == 1.0,
        pds=table[:, 1].copy(),
        amounts=table[:, 2].copy(),
        interests=table[:, 3].copy(),
        months=table[:, 4].copy(),
    )


def _lay_out_answer(decision: Decision) -> tuple[bool, float, float, float, float]:
    is_offered = decision.outcome in (Outcome.APPROVE, Outcome.COUNTER_OFFER)
    pd = np.nan if decision.pd_ppm is None else decision.pd_ppm / PPM
    terms = decision.terms if is_offered else None
    if terms is None:
        return is_offered, pd, 0.0, 0.0, 0.0
    interest = terms.instalment_cents * terms.term_months - terms.amount_cents
    return is_offered, pd, float(terms.amount_cents), float(interest), float(terms.term_months)


def _read_asked(amount: float | None) -> float:
    return np.nan if amount is None else float(amount)
