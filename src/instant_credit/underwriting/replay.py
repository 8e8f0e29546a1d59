"""Edge. Replay: recorded Cases are decided again, each under its Decision's own release, and the bytes compared.

    record -> (Case, Decision, release hash) -> decide_many by release -> canonical bytes -> equal or different

An erased person's Case can't be opened and is counted apart; a Case that was never decided has nothing to compare.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from instant_credit.canonical import encode_canonical
from instant_credit.decision.case import Case, decode_case
from instant_credit.decision.decide import decide_many
from instant_credit.decision.release import Release
from instant_credit.errors import NotFound
from instant_credit.record.pool import Record
from instant_credit.record.reads import iterate_cases, list_books
from instant_credit.record.rows import StoredCase
from instant_credit.underwriting.releases import load_release

CHUNK_CASES: Final = 1_000
DIFFERENT_IDS_MAX: Final = 20
RELEASES_MAX: Final = 4


class ReplaySummary(Struct, frozen=True, kw_only=True):
    """What a replay found so far. `different_ids` are Decision ids, the first 20."""

    equal: int = 0
    different: int = 0
    erased: int = 0
    undecided: int = 0
    different_ids: tuple[str, ...] = ()

    @property
    def is_faithful(self) -> bool:
        """Whether every Decision that can be opened came out the same."""
        return self.different == 0


async def replay(
    record: Record,
    book: str | None = None,
    progress: Callable[[ReplaySummary], None] = lambda _: None,
    chunk: int = CHUNK_CASES,
) -> ReplaySummary:
    """Decide the Cases of one book, or of all, again.

    Raises
    ------
    NotFound : the book holds no Case, or a release's document is not in the record.
    Refused : a release was made for another engine, so that its Decisions can't be made again by this version.
    """
    books = sorted({count.book for count in await list_books(record)})
    if book is not None:
        if book not in books:
            raise NotFound("book", book)
        books = [book]
    summary = ReplaySummary()
    releases = _Releases(record)
    for name in books:
        waiting: list[StoredCase] = []
        async for case in iterate_cases(record, name, with_decisions=True, with_events=False, chunk=chunk):
            waiting.append(case)
            if len(waiting) == chunk:
                summary = await _replay_chunk(waiting, releases, summary)
                waiting = []
                progress(summary)
        summary = await _replay_chunk(waiting, releases, summary)
        progress(summary)
    return summary


class _Releases:
    """The releases used last, composed; never more than `RELEASES_MAX` of them, however many a book was decided under."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._held: OrderedDict[str, Release] = OrderedDict()

    async def find(self, release_hash: str) -> Release:
        """The release, loaded unless it is held."""
        if release_hash not in self._held:
            if len(self._held) == RELEASES_MAX:
                self._held.popitem(last=False)
            self._held[release_hash] = await load_release(self._record, release_hash)
        self._held.move_to_end(release_hash)
        return self._held[release_hash]


async def _replay_chunk(stored: Sequence[StoredCase], releases: _Releases, summary: ReplaySummary) -> ReplaySummary:
    by_release: dict[str, list[tuple[StoredCase, Case, bytes]]] = defaultdict(list)
    erased = undecided = equal = 0
    different_ids = []
    for one in stored:
        if one.release_hash is None:
            undecided += 1
        elif one.case is None or one.decision is None:
            erased += 1
        else:
            by_release[one.release_hash].append((one, decode_case(one.case), one.decision))
    for release_hash, rows in by_release.items():
        decisions = decide_many([case for _, case, _ in rows], await releases.find(release_hash))
        for (one, _, recorded), decision in zip(rows, decisions, strict=True):
            if encode_canonical(decision) == recorded:
                equal += 1
            else:
                different_ids.append(str(one.decision_id))
    return ReplaySummary(
        equal=summary.equal + equal,
        different=summary.different + len(different_ids),
        erased=summary.erased + erased,
        undecided=summary.undecided + undecided,
        different_ids=(*summary.different_ids, *different_ids)[:DIFFERENT_IDS_MAX],
    )
