"""Recorded events as numbers, chunk by chunk, so that those of a million loans fit into memory. Edge."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from instant_credit.outcome.events import EventKind
from instant_credit.outcome.histories import KIND_CODES, NOT_TOLD
from instant_credit.record.rows import EventRow
from instant_credit.units import days_from_date

_COLUMNS: Final = 7
_CHUNK_EVENTS: Final = 20_000


class EventRows:
    """Collects events loan by loan into the rows that `outcome.histories.lay_out_rows` takes."""

    def __init__(self) -> None:
        self._count = 0
        self._pending: list[tuple[int, ...]] = []
        self._chunks: list[NDArray[np.int64]] = []

    def add(self, loan: int, events: Sequence[EventRow]) -> None:
        """All events of one loan, numbered from 0; a correction names one of them, or says nothing here."""
        places = {event.event_id: self._count + i for i, event in enumerate(events)}
        self._count += len(events)
        self._pending += (
            (
                loan,
                KIND_CODES[EventKind(event.kind)],
                days_from_date(event.event_on),
                days_from_date(event.known_on),
                event.amount_cents,
                NOT_TOLD if event.days_past_due is None else event.days_past_due,
                NOT_TOLD if event.corrects is None else places.get(event.corrects, NOT_TOLD),
            )
            for event in events
        )
        if len(self._pending) >= _CHUNK_EVENTS:
            self._pack()

    def take(self) -> NDArray[np.int64]:
        """int64[e, 7] of all events so far."""
        self._pack()
        return np.concatenate(self._chunks)

    def _pack(self) -> None:
        self._chunks.append(np.array(self._pending, dtype=np.int64).reshape(len(self._pending), _COLUMNS))
        self._pending.clear()
