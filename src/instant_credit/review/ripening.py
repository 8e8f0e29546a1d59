"""Labels of an earlier window's loans as they ripened, beside the pds that they were decided with. Edge.

Everything that is known of labels here is in `label_cases`; only loans that got an offer and a score count.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from instant_credit.decision.decision import Decision, decode_decision
from instant_credit.outcome.definition import AS_LAST_SEEN, LabelDefinition
from instant_credit.outcome.estimates import Ripened, count_ripened, merge_ripened
from instant_credit.outcome.labels import label_outcome
from instant_credit.outcome.sketches import OFFERS, OUTCOMES
from instant_credit.record.pool import Record
from instant_credit.record.reads import CHUNK_CASES, iterate_decided
from instant_credit.record.repayments import read_event
from instant_credit.record.rows import StoredCase
from instant_credit.record.sketches import ids_of_day

_OFFERED: Final = frozenset(OUTCOMES[:OFFERS])


async def read_ripened(
    record: Record,
    book: str,
    release_hash: str,
    *,
    first_on: date,
    last_on: date,
    known_on: date,
    definition: LabelDefinition = AS_LAST_SEEN,
) -> Ripened:
    """Labels by a definition, as known on `known_on`, of the loans that one release offered from `first_on` to `last_on`."""
    found = count_ripened(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int8))
    waiting: list[tuple[StoredCase, Decision]] = []
    erased = 0
    span = ids_of_day(first_on)[0], ids_of_day(last_on)[1]
    async for stored in iterate_decided(record, book, span, with_events=True):
        if stored.release_hash != release_hash:
            continue
        if stored.decision is None:
            erased += 1
            continue
        decision = decode_decision(stored.decision)
        if decision.outcome.value in _OFFERED and decision.pd_ppm is not None:
            waiting.append((stored, decision))
        if len(waiting) == CHUNK_CASES:
            found = merge_ripened(found, _count(waiting, known_on, definition))
            waiting = []
    none = count_ripened(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int8), erased)
    return merge_ripened(merge_ripened(found, _count(waiting, known_on, definition)), none)


def label_cases(
    cases: Sequence[StoredCase], known_on: date, definition: LabelDefinition = AS_LAST_SEEN
) -> NDArray[np.int8]:
    """Labels int8[n] of n Cases with their events, as known on a day, by a definition."""
    labels = [
        label_outcome(
            [read_event(event) for event in case.events],
            known_on=known_on,
            started_on=case.as_of,
            definition=definition,
        )
        for case in cases
    ]
    return np.array(labels, dtype=np.int8)


def cohort_of(last_on: date, maturity_days: int, window_days: int) -> tuple[date, date]:
    """The days of the loans whose labels a window that ends on `last_on` looks at: the last window of theirs that is so old."""
    behind = -(-maturity_days // window_days)
    end = last_on - timedelta(days=behind * window_days)
    return end - timedelta(days=window_days - 1), end


def _count(rows: Sequence[tuple[StoredCase, Decision]], known_on: date, definition: LabelDefinition) -> Ripened:
    pds_ppm = np.array([decision.pd_ppm for _, decision in rows], dtype=np.int64)
    return count_ripened(pds_ppm, label_cases([stored for stored, _ in rows], known_on, definition))
