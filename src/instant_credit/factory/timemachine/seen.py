"""What a journey decided, laid out to be measured, with what came of every application as it is known today. Edge.

    record of the journey ─► Decisions as they were made ┐
    the same Cases ─► decided by the frozen first model ─┴─► arrays over applications, in order of their day
    source ─► labels and losses as known at its end

The truth is the source's: it is read for the report alone, after the journey, and never by anybody who decides or trains.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.decision.case import Case, build_case_features, decode_case
from instant_credit.decision.decision import Decision, decode_decision
from instant_credit.errors import require
from instant_credit.factory.timemachine.lender import Lender
from instant_credit.factory.timemachine.loans import Loan
from instant_credit.factory.timemachine.route import Route, quarter_of
from instant_credit.features.program import compile_features
from instant_credit.outcome.events import EventKind, stand_as_known
from instant_credit.outcome.labels import label_outcome
from instant_credit.record.documents import get_document
from instant_credit.record.reads import iterate_cases
from instant_credit.training.gates.contest import Contender
from instant_credit.training.gates.redeciding import Answers, answer_all, lay_out_answers
from instant_credit.underwriting.course import BOOK
from instant_credit.underwriting.releases import load_release

_EVERYTHING: Final = date.max

Floats = NDArray[np.float64]


class Truth(Struct, frozen=True, kw_only=True, eq=False):
    """What came of n loans, as known at the end of the source.

    Attributes
    ----------
    labels : int8[n], 0 good, 1 bad, below 0 = neither.
    is_lost : bool[n], whether the loan was written off, ever.
    lost_shares : float64[n], what was written off and not recovered, of what was paid out; 0 where nothing was lost.
    """

    labels: NDArray[np.int8]
    is_lost: NDArray[np.bool_]
    lost_shares: Floats

    def take(self, rows: NDArray[np.int64]) -> "Truth":
        """Of these rows."""
        return Truth(labels=self.labels[rows], is_lost=self.is_lost[rows], lost_shares=self.lost_shares[rows])


class Seen(Struct, frozen=True, kw_only=True, eq=False):
    """n applications in order of their day.

    Attributes
    ----------
    quarters : first day of each one's quarter.
    releases : hash of the release that decided each.
    answers : as they were decided.
    frozen : as the first promoted model decides them under the same policy; None where none was promoted.
    frozen_from : the first quarter that the frozen model's release was live in from its first day; None without one.
    scores : by release hash, its pds float64[h + n] of the h loans of before the journey and of every application; NaN nowhere.
    """

    quarters: tuple[date, ...]
    releases: tuple[str, ...]
    answers: Answers
    frozen: Answers | None
    frozen_from: date | None
    truth: Truth
    former: int
    scores: dict[str, Floats]


def read_truth(loans: Sequence[Loan], route: Route) -> Truth:
    """What came of loans."""
    labels = [
        label_outcome(loan.events, known_on=_EVERYTHING, started_on=loan.as_of, definition=route.definition)
        for loan in loans
    ]
    told = [_read_loss(loan) for loan in loans]
    return Truth(
        labels=np.array(labels, dtype=np.int8),
        is_lost=np.array([is_lost for is_lost, _ in told], dtype=np.bool_),
        lost_shares=np.array([share for _, share in told], dtype=np.float64),
    )


async def read_seen(lender: Lender, route: Route, frozen_hash: str | None, frozen_from: date | None) -> Seen:
    """The journey's Decisions beside what the frozen model would have decided.

    Parameters
    ----------
    frozen_hash : release of the first promoted model, None when none was.
    """
    former, decided = await _read_book(lender)
    cases = [case for case, _ in decided]
    releases = tuple(decision.release_hash for _, decision in decided)
    matrix = build_case_features(compile_features(lender.product), [*former, *cases]).model
    scores = {}
    for release_hash in dict.fromkeys(releases):
        release = await load_release(lender.record, release_hash)
        contender = Contender(await get_document(lender.record, release.manifest.model_hash))
        scores[release_hash] = contender.estimate(matrix)[1]
    frozen = None
    if frozen_hash is not None:
        frozen = answer_all(await load_release(lender.record, frozen_hash), tuple(cases))
    truth = read_truth(lender.loans, route)
    places = np.array([one.loan for one in lender.applied], dtype=np.int64)
    return Seen(
        quarters=tuple(quarter_of(case.as_of) for case in cases),
        releases=releases,
        answers=lay_out_answers([decision for _, decision in decided]),
        frozen=frozen,
        frozen_from=frozen_from,
        truth=truth.take(places),
        former=len(former),
        scores=scores,
    )


async def _read_book(lender: Lender) -> tuple[list[Case], list[tuple[Case, Decision]]]:
    """Cases of before, and those decided, in order of the loans that they are."""
    places = {one.case_id: place for place, one in enumerate(lender.applied)}
    former: list[tuple[date, str, Case]] = []
    decided: list[tuple[Case, Decision] | None] = [None] * len(places)
    async for stored in iterate_cases(lender.record, BOOK, with_decisions=True, with_events=False):
        assert stored.case is not None
        case = decode_case(stored.case)
        if stored.decision is None:
            former.append((stored.as_of, stored.natural_key or "", case))
        else:
            decided[places[stored.case_id]] = case, decode_decision(stored.decision)
    found = [one for one in decided if one is not None]
    require(len(found) == len(decided), "whatever was decided is in the record")
    return [case for _, _, case in sorted(former, key=lambda row: row[:2])], found


def _read_loss(loan: Loan) -> tuple[bool, float]:
    standing = stand_as_known(loan.events, _EVERYTHING)
    written_off = sum(event.amount_cents for event in standing if event.kind is EventKind.CHARGED_OFF)
    is_lost = any(event.kind is EventKind.CHARGED_OFF for event in standing)
    recovered = sum(event.amount_cents for event in standing if event.kind is EventKind.RECOVERED)
    disbursed = loan.disbursed_cents
    if not is_lost or not disbursed:
        return is_lost, 0.0
    return True, max(0, written_off - recovered) / disbursed
