"""Deciding recorded Cases again: what the candidate would have done under the policy in force, beside what the champion does.

    Cases, monitoring, labels (record) -> RecordedCases
    candidate bundle + policy          -> a release that is recorded nowhere -> decide_many -> Answers
    champion's release                 ->                                       decide_many -> Answers

The same function decides as at the counter. Groups come from the sealed monitoring attributes; no decision sees them.
"""

from collections.abc import Iterable

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.application.document import encode_product
from instant_credit.application.product import Product
from instant_credit.canonical import hash_content
from instant_credit.decision.case import Case, build_case_features
from instant_credit.decision.decide import decide_many
from instant_credit.decision.decision import Decision, Outcome
from instant_credit.decision.release import Manifest, Release, compose_release, encode_reference
from instant_credit.errors import Refused
from instant_credit.features.program import compile_features
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
    """Cases with the answers of both; `asked` float64[n] cents, NaN where the product knows no amount."""

    recorded: RecordedCases
    policy_hash: str
    is_priced: bool
    asked: Floats
    candidate: Answers
    champion: Answers | None


def redecide(
    candidate: Contender, champion: Release | None, policy: Policy, product: Product, recorded: RecordedCases
) -> Redecided:
    """Decide every Case under the candidate, and under the champion where there is one.

    Parameters
    ----------
    champion : a release under the same policy.
    product : the candidate's.

    Raises
    ------
    Refused : candidate, product and policy do not make a release; the message says why.
    """
    release = compose_candidate(candidate, policy, product, recorded.cases)
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
    )


def compose_candidate(candidate: Contender, policy: Policy, product: Product, cases: tuple[Case, ...]) -> Release:
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
    hashes = [hash_content(raw) for raw in raws]
    manifest = Manifest(
        engine_version=ENGINE_VERSION,
        product_hash=hashes[0],
        model_hash=hashes[1],
        policy_hash=hashes[2],
        reference_hash=hashes[3],
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
