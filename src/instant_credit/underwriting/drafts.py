"""Edge. A first policy out of a book in the record: its Cases are scored by the model, and the draft is tried out on some of them.

book + model -> Cases in chunks -> raw scores, pds, amounts, terms, weights -> draft -> tried on a sample of the same Cases
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.application.document import decode_product, hash_layout
from instant_credit.application.door import Door
from instant_credit.application.facts import Facts
from instant_credit.application.product import Product
from instant_credit.decision.case import Case, build_case_features
from instant_credit.errors import Refused
from instant_credit.features.build import count_known
from instant_credit.features.program import compile_features
from instant_credit.policy.document import Policy
from instant_credit.policy.drafting.assumptions import Assumptions
from instant_credit.policy.drafting.book import BookRisk, Silence
from instant_credit.policy.drafting.draft import Draft, draft_policy
from instant_credit.policy.evaluate import evaluate
from instant_credit.policy.operands import Catalogue, compile_read
from instant_credit.policy.program import compile_policy
from instant_credit.policy.verdict import Outcome
from instant_credit.record.documents import get_document
from instant_credit.record.pool import Record
from instant_credit.record.rows import StoredCase
from instant_credit.score.bundle import Bundle, decode_bundle
from instant_credit.score.calibration import Calibration, pd_to_ppm
from instant_credit.score.model import compile_model, score_rows
from instant_credit.underwriting.releases import read_cases
from instant_credit.units import PPM, Ppm

TRIED_CASES_MAX: Final = 4_000
# Offers to more or fewer than these shares of the book are worth a word.
GRANTED_SHARE_MAX: Final = 0.95
GRANTED_SHARE_MIN: Final = 0.05
# Log-odds that keep a decline clear of the reference population, twice what composing a release asks for.
REFERENCE_GAP: Final = 2e-6
# Beyond this a pd is far below one in a million, and its exponential near the end of float64.
LOG_ODDS_MAX: Final = 100.0


class BookDraft(Struct, frozen=True, kw_only=True):
    """The draft and what it would have answered: share of the tried Cases by outcome, `tried` of them."""

    draft: Draft
    product: Product
    model_hash: str
    shares: Mapping[Outcome, float]
    tried: int

    @property
    def doubts(self) -> tuple[str, ...]:
        """What whoever edits the policy should look at first: the draft's own doubts, and answers that are nearly all alike."""
        granted = self.shares[Outcome.APPROVE] + self.shares[Outcome.COUNTER_OFFER]
        told = list(self.draft.doubts)
        if granted > GRANTED_SHARE_MAX:
            told.append(
                f"{granted:.1%} of the book get an offer, so the policy selects hardly anyone: lower --approve-share"
            )
        if granted < GRANTED_SHARE_MIN:
            told.append(
                f"only {granted:.1%} of the book get an offer: raise --approve-share, or look at which rule or exit stops the others"
            )
        return tuple(told)


async def draft_from_book(
    record: Record,
    *,
    book: str,
    model_hash: str,
    assumptions: Assumptions,
    progress: Callable[[int], None] = lambda _: None,
) -> BookDraft:
    """A policy for the model's product out of the book's Cases; the same book gives the same draft.

    Raises
    ------
    NotFound : the model, its product or the book is not in the record.
    Refused : the book holds no Case that the model reads, or no policy can come out of it.
    """
    bundle = decode_bundle(await get_document(record, model_hash))
    product = decode_product(await get_document(record, bundle.product_hash))
    gathered = _Gathered(product, bundle)
    async for chunk in read_cases(record, book, product, progress):
        gathered.add(chunk)
    risk, raws = gathered.finish(book, model_hash)

    def decline_ppm_min(approve_below_ppm: int) -> int:
        return lowest_decline(find_middle(raws, risk, approve_below_ppm), bundle.calibrations)

    draft = draft_policy(product, risk, assumptions, decline_ppm_min)
    shares = try_policy(draft.policy, product, gathered.kept)
    return BookDraft(draft=draft, product=product, model_hash=model_hash, shares=shares, tried=len(gathered.kept))


def find_middle(raw_scores: NDArray[np.float64], risk: BookRisk, approve_below_ppm: int) -> float:
    """The median of the raw scores float64[n] whose pd lies below `approve_below_ppm`.

    Raises
    ------
    Refused : there is none.
    """
    approved = raw_scores[risk.pds_ppm < approve_below_ppm]
    if not len(approved):
        raise Refused(
            f"policy draft: no Case of book {risk.book} has a pd below {approve_below_ppm} ppm, so nobody would be approved; "
            "raise --approve-share, or the price cap (--apr-max)"
        )
    return float(np.median(approved))


def lowest_decline(raw_score: float, calibrations: tuple[Calibration, ...]) -> int:
    """The lowest decline_from_ppm that declines this raw score under none of the model's calibrations.

    A release's reference population leaves out whoever some segment's calibration would decline; at this cut-off the safer half of
    the approved, up to `raw_score`, stays in.

    Raises
    ------
    Refused : there is none.
    """
    log_odds = max(one.intercept + one.slope * (raw_score + REFERENCE_GAP) for one in calibrations)
    lowest = math.floor(PPM / (1 + math.exp(-max(log_odds, -LOG_ODDS_MAX)))) + 2
    if lowest >= PPM:
        raise Refused(
            "policy draft: the model calls nearly every Case of the book a certain default; look at its report"
        )
    return lowest


class _Kept(Struct, frozen=True, kw_only=True):
    """A Case on which the draft is tried."""

    case: Case
    pd_ppm: Ppm
    known: int
    weight: float


class _Scored(Struct, frozen=True, kw_only=True, eq=False):
    """Raw scores float64[n] of n Cases, their pds and how many of the model's variables are known of each."""

    raws: NDArray[np.float64]
    pds_ppm: list[Ppm]
    known: list[int]


class _Gathered:
    """What the chunks of a book add up to. Every so many-th Case is kept; the step doubles when too many are."""

    def __init__(self, product: Product, bundle: Bundle) -> None:
        self._product = product
        self._program = compile_features(product)
        self._model = compile_model(bundle.tables)
        self._bundle = bundle
        catalogue, roles = Catalogue(product), product.roles
        self._reads = [
            compile_read(catalogue.attribute_operand(name))
            for name in (roles.amount, roles.term)
            if product.is_priced and name is not None
        ]
        self._columns: list[tuple[NDArray[np.float64], NDArray[np.int64]]] = []
        self._latest_on = date.min
        self._seen = 0
        self._step = 1
        self.kept: list[_Kept] = []

    def add(self, chunk: list[tuple[StoredCase, Case]]) -> None:
        """Score the Cases of a chunk; a Case without what the policy would price with is left out."""
        cases, weights, asked = [], [], []
        for stored, case in chunk:
            told = [read(case.facts, ()) for read in self._reads]
            if None not in told:
                cases.append(case)
                weights.append(stored.sampling_weight)
                asked.append(told)
        if not cases:
            return
        scored = self._score(cases)
        wanted = np.array(asked, dtype=np.int64).reshape(len(cases), -1)
        whole = np.column_stack([np.array(scored.pds_ppm), np.array(scored.known), wanted]).astype(np.int64)
        self._columns.append((np.column_stack([scored.raws, weights]), whole))
        self._latest_on = max(self._latest_on, *(case.as_of for case in cases))
        for case, pd, count, weight in zip(cases, scored.pds_ppm, scored.known, weights, strict=True):
            self._keep(_Kept(case=case, pd_ppm=pd, known=count, weight=weight))

    def _score(self, cases: Sequence[Case]) -> _Scored:
        matrix = build_case_features(self._program, cases).model
        raws = score_rows(self._model, matrix)
        _, pds = self._bundle.calibrate(raws, matrix)
        known = count_known(self._program, matrix).tolist()
        return _Scored(raws=raws, pds_ppm=[pd_to_ppm(pd) for pd in pds.tolist()], known=known)

    def _score_silence(self) -> Silence | None:
        """What the model says of an application that tells nothing; None where the door refuses it."""
        facts = Door(self._product).check_facts({}, self._latest_on)
        if not isinstance(facts, Facts):
            return None
        case = Case(product_hash="", layout_hash=hash_layout(self._product), as_of=self._latest_on, facts=facts)
        scored = self._score([case])
        return Silence(pd_ppm=scored.pds_ppm[0], known=scored.known[0])

    def _keep(self, kept: _Kept) -> None:
        if self._seen % self._step == 0:
            self.kept.append(kept)
        self._seen += 1
        if len(self.kept) > TRIED_CASES_MAX:
            self.kept = self.kept[::2]
            self._step *= 2

    def finish(self, book: str, model_hash: str) -> tuple[BookRisk, NDArray[np.float64]]:
        """The book's risk, and raw scores float64[n] in the same order."""
        if not self._columns:
            raise Refused(f"policy draft: no Case of book {book} tells amount and term")
        floats = np.concatenate([one for one, _ in self._columns])
        whole = np.concatenate([one for _, one in self._columns])
        amounts, terms = (whole[:, 2], whole[:, 3]) if self._reads else (whole[:0, 0], whole[:0, 0])
        risk = BookRisk(
            book=book,
            silent=self._score_silence(),
            model_hash=model_hash,
            pds_ppm=whole[:, 0],
            weights=floats[:, 1],
            known=whole[:, 1],
            amounts_cents=amounts,
            terms_months=terms,
            latest_on=self._latest_on,
        )
        return risk, floats[:, 0]


def try_policy(policy: Policy, product: Product, kept: list[_Kept]) -> Mapping[Outcome, float]:
    """Share of the Cases, by weight, that `policy` gives each outcome."""
    compiled = compile_policy(policy, product)
    values = build_case_features(compile_features(product), [one.case for one in kept]).values
    weights = dict.fromkeys(Outcome, 0.0)
    for one, row in zip(kept, values, strict=True):
        pd = one.pd_ppm if one.known >= policy.model_variables_known_min else None
        weights[evaluate(compiled, one.case.facts, row.tolist(), pd).outcome] += one.weight
    total = sum(weights.values())
    return {outcome: weight / total for outcome, weight in weights.items()}
