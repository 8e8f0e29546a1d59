"""Edge. Two releases compared: what changed, in words, and who of the Cases recorded last would be decided otherwise.

    ids of the last N Cases ─► Cases, some at a time ─► decide_many by either release ─► outcomes, terms, reasons counted

Nothing is recorded. A Case is decided as it was frozen, with the history that stood then.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Annotated, Final
from uuid import UUID

from msgspec import Meta, Struct

from instant_credit.decision.case import Case, decode_case
from instant_credit.decision.decide import decide_many
from instant_credit.decision.decision import Decision, Outcome
from instant_credit.decision.release import Composed, Release, compose_parts
from instant_credit.errors import Refused
from instant_credit.record.pool import Record
from instant_credit.record.reads import list_last_cases, read_cases
from instant_credit.underwriting.answers import Hash
from instant_credit.underwriting.course import BOOK, require_real
from instant_credit.underwriting.release_differences import DIFFERENCES_MAX, tell_differences
from instant_credit.underwriting.releases import read_parts

CASES_MAX: Final = 1_000_000
CHUNK_CASES: Final = 1_000
MOVED_MAX: Final = 10_000


class OutcomePair(Struct, frozen=True, kw_only=True):
    """How many Cases the first release decides `before` and the second one `after`."""

    before: Outcome
    after: Outcome
    cases: int


class ReasonShare(Struct, frozen=True, kw_only=True):
    """How many Cases get a reason by the first release and by the second one."""

    code: str
    before: int
    after: int


class MovedCase(Struct, frozen=True, kw_only=True):
    """A Case that the releases decide otherwise; the outcomes are equal where the terms alone differ."""

    case_id: UUID
    before: Outcome
    after: Outcome


class ReleaseDiff(Struct, frozen=True, kw_only=True):
    """What differs between two releases.

    Attributes
    ----------
    changes : in words.
    cases : how many were decided by both; `erased` can't be opened, `other_columns` fit one of the releases alone or neither.
    outcomes : every pair that came up, the commonest first. `terms_differ` Cases have one outcome and other terms.
    reasons : every code that came up, the commonest first.
    moved : the Cases whose outcome or terms differ, latest first; `moved_total` counts them all, the list ends at `MOVED_MAX`.
    """

    schema_version: int = 1
    before: Hash
    after: Hash
    product: str
    book: str
    changes: Annotated[tuple[str, ...], Meta(max_length=DIFFERENCES_MAX)]
    cases: int
    erased: int
    other_columns: int
    outcomes: tuple[OutcomePair, ...]
    terms_differ: int
    reasons: tuple[ReasonShare, ...]
    moved_total: int
    moved: Annotated[tuple[MovedCase, ...], Meta(max_length=MOVED_MAX)]


async def diff_releases(
    record: Record,
    before: str,
    after: str,
    *,
    last: int = 0,
    book: str = BOOK,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> ReleaseDiff:
    """What differs between two releases of one product.

    Parameters
    ----------
    before, after : their hashes.
    last : how many of the Cases that `book` recorded last are decided by both; 0 = none, at most `CASES_MAX`.
    progress : called with how many were decided, and of how many.

    Raises
    ------
    NotFound : a release is not in the record.
    Refused : they are of two products, one can't be composed, or the book holds tests.
    """
    require_real(book)
    first, second = [await _compose(record, one) for one in (before, after)]
    product = first.release.product.name
    if second.release.product.name != product:
        raise Refused(
            f"release {before} is of product {product}, {after} of {second.release.product.name}: give two of one product"
        )
    tally = _Tally()
    case_ids = await list_last_cases(record, book, product, min(last, CASES_MAX)) if last else ()
    for start in range(0, len(case_ids), CHUNK_CASES):
        chunk = case_ids[start : start + CHUNK_CASES]
        await _compare(record, chunk, first.release, second.release, tally)
        progress(start + len(chunk), len(case_ids))
    return tally.tell(before, after, product, book, tell_differences(first, second))


async def _compose(record: Record, release_hash: str) -> Composed:
    manifest, documents = await read_parts(record, release_hash)
    return await asyncio.to_thread(compose_parts, manifest, documents)


async def _compare(record: Record, case_ids: Sequence[UUID], first: Release, second: Release, tally: "_Tally") -> None:
    """Decide some Cases by both releases and count what comes out."""
    cases: list[tuple[UUID, Case]] = []
    for stored in await read_cases(record, case_ids):
        case = None if stored.case is None else decode_case(stored.case)
        if case is None:
            tally.erased += 1
        elif {case.layout_hash} != {first.layout_hash, second.layout_hash}:
            tally.other_columns += 1
        else:
            cases.append((stored.case_id, case))
    cases.sort(key=lambda one: one[0], reverse=True)
    told = [case for _, case in cases]
    decided = [await asyncio.to_thread(decide_many, told, release) for release in (first, second)]
    for (case_id, _), one, other in zip(cases, *decided, strict=True):
        tally.count(case_id, one, other)


class _Tally:
    """What came out so far."""

    def __init__(self) -> None:
        self.cases = self.erased = self.other_columns = self.terms_differ = self.moved_total = 0
        self._outcomes: Counter[tuple[Outcome, Outcome]] = Counter()
        self._reasons: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self._moved: list[MovedCase] = []

    def count(self, case_id: UUID, one: Decision, other: Decision) -> None:
        self.cases += 1
        self._outcomes[one.outcome, other.outcome] += 1
        for counter, decision in zip(self._reasons, (one, other), strict=True):
            counter.update({reason.code for reason in decision.reasons})
        is_same_outcome = one.outcome is other.outcome
        if is_same_outcome and one.terms == other.terms:
            return
        self.terms_differ += is_same_outcome
        self.moved_total += 1
        if len(self._moved) < MOVED_MAX:
            self._moved.append(MovedCase(case_id=case_id, before=one.outcome, after=other.outcome))

    def tell(self, before: str, after: str, product: str, book: str, changes: tuple[str, ...]) -> ReleaseDiff:
        first, second = self._reasons
        codes = sorted(first | second, key=lambda code: (-first[code] - second[code], code))
        return ReleaseDiff(
            before=before,
            after=after,
            product=product,
            book=book,
            changes=changes,
            cases=self.cases,
            erased=self.erased,
            other_columns=self.other_columns,
            outcomes=tuple(
                OutcomePair(before=pair[0], after=pair[1], cases=cases) for pair, cases in self._outcomes.most_common()
            ),
            terms_differ=self.terms_differ,
            reasons=tuple(ReasonShare(code=code, before=first[code], after=second[code]) for code in codes),
            moved_total=self.moved_total,
            moved=tuple(self._moved),
        )
