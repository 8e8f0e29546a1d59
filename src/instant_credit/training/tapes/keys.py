"""Rows of a joined file by their keys. Edge.

A key is 16 bytes of SHA-256 over the texts of the key columns, so that a key of any columns costs the same. A row with an empty cell in its
key belongs to no loan, and a loan with one has no row. What does not depend on keys is kept elsewhere in the order that they give.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import Refused
from instant_credit.training.tapes.cells import cell_text
from instant_credit.training.tapes.files import CELLS_MAX, TapeChunk, read_tape
from instant_credit.training.tapes.parts import JoinedFile
from instant_credit.training.tapes.readers import CellRules, Texts, check_condition
from instant_credit.training.tapes.taking import Matched

READ_ROWS: Final = 20_000
_KEY_BYTES: Final = 16
_KEY: Final = np.dtype(f"S{_KEY_BYTES}")


class JoinCount(Struct, frozen=True, kw_only=True):
    """How tape and joined file met: loans with and without a row of it, its rows, and how many of those belong to no loan so far."""

    file: str
    loans_matched: int
    loans_unmatched: int
    rows: int
    rows_unmatched: int


def netstring(text: str) -> bytes:
    """The text so that one after another can be told apart."""
    raw = text.encode("utf-8", "surrogateescape")
    return b"%d:%b," % (len(raw), raw)


def key_rows(texts: Texts, columns: Sequence[str]) -> list[bytes | None]:
    """The key of each row; None where a key column's cell is missing."""
    told = zip(*(texts[column] for column in columns), strict=True)
    return [None if None in row else _digest(row) for row in told]


def _digest(row: Sequence[str | None]) -> bytes:
    return hashlib.sha256(b"".join([netstring(text or "") for text in row])).digest()[:_KEY_BYTES]


class Keys:
    """Keys of r rows in order; `order` int64[r] are the rows' places before."""

    def __init__(self, parts: list[NDArray[np.bytes_]]) -> None:
        unordered = np.concatenate([np.zeros(0, dtype=_KEY), *parts])
        self.order = np.argsort(unordered, kind="stable")
        self.keys = unordered[self.order]

    def find(self, wanted: list[bytes | None]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First place and count of the rows with each wanted key, both int64[n]; the count of no key is 0."""
        sought = np.array([key or b"" for key in wanted], dtype=_KEY)
        first = np.searchsorted(self.keys, sought, side="left")
        counts = np.searchsorted(self.keys, sought, side="right") - first
        counts[[key is None for key in wanted]] = 0
        return first.astype(np.int64), counts.astype(np.int64)


class KeptRows:
    """The rows of one file that `where` keeps, chunk by chunk; counts cells and refuses a file that is too large or has a broken row."""

    def __init__(self, path: Path, file: JoinedFile, columns: tuple[str, ...], rules: CellRules) -> None:
        self.path = path
        self.numbers: list[NDArray[np.int64]] = []
        self.keys: list[NDArray[np.bytes_]] = []
        self.file = file
        self._columns = columns
        self._rules = rules

    def __iter__(self) -> Iterator[dict[str, list[str | None]]]:
        """The texts of the kept rows that have a key; `numbers` and `keys` grow with them."""
        for chunk in read_tape(self.path, self.file.form, self._columns, READ_ROWS):
            if chunk.broken:
                place, reason = min(chunk.broken.items())
                raise Refused(
                    f"{self.path.name}: row {chunk.first_row + place} can't be joined: {reason}. Mend it: what it tells of a loan would "
                    "be missing"
                )
            if (chunk.first_row + chunk.row_count) * len(self._columns) > CELLS_MAX:
                raise Refused(
                    f"{self.path.name}: more than {CELLS_MAX:,} cells in the {len(self._columns)} columns that are read; leave out rows "
                    "that no loan of the tape needs"
                )
            texts = {column: [cell_text(cell) for cell in chunk.columns[column]] for column in self._columns}
            keys = key_rows(texts, self.file.key)
            kept = [place for place in self._sift(chunk, texts) if keys[place] is not None]
            self.keys.append(np.array([keys[place] for place in kept], dtype=_KEY))
            self.numbers.append(chunk.first_row + np.array(kept, dtype=np.int64))
            yield (
                texts
                if len(kept) == chunk.row_count
                else {column: [cells[place] for place in kept] for column, cells in texts.items()}
            )

    def _sift(self, chunk: TapeChunk, texts: Texts) -> Sequence[int]:
        where = self.file.where
        if where is None:
            return range(chunk.row_count)
        kept = []
        for place in range(chunk.row_count):
            holds = check_condition(where, texts, place, self._rules)
            if isinstance(holds, tuple):
                column, why = holds
                raise Refused(f"{self.path.name}: row {chunk.first_row + place}, column {column}: {why.reason}")
            if holds:
                kept.append(place)
        return kept


class Joined:
    """What both kinds of file share: the keys of its rows, their numbers in the file, and who was matched."""

    def __init__(self, name: str, rows: KeptRows) -> None:
        self.name = name
        self.file = rows.file
        self.keys = Keys(rows.keys)
        numbers = np.concatenate([np.zeros(0, dtype=np.int64), *rows.numbers])
        self.numbers = numbers[self.keys.order]
        self._is_used = np.zeros(len(self.numbers), dtype=np.bool_)
        self._loans = [0, 0]

    def match(self, texts: Texts) -> Matched:
        """The rows of each of n loans."""
        first, counts = self.keys.find(key_rows(texts, self.file.tape_columns))
        loans = np.repeat(np.arange(len(counts)), counts)
        within = np.arange(len(loans)) - np.repeat(np.cumsum(counts) - counts, counts)
        positions = np.repeat(first, counts) + within
        self._is_used[positions] = True
        matched = int(np.count_nonzero(counts))
        self._loans[0] += matched
        self._loans[1] += len(counts) - matched
        return Matched(len(counts), loans, positions)

    def count(self) -> JoinCount:
        """What was matched so far."""
        return JoinCount(
            file=self.name,
            loans_matched=self._loans[0],
            loans_unmatched=self._loans[1],
            rows=len(self._is_used),
            rows_unmatched=int(np.count_nonzero(~self._is_used)),
        )

    def order(self, parts: list[NDArray[Any]]) -> NDArray[Any]:
        """Numbers of the rows, in parts as they were read, in the order of the keys."""
        return np.concatenate(parts)[self.keys.order]

    def find_twins(self) -> list[tuple[int, int]]:
        """Numbers of neighbouring rows that have the same key."""
        same = np.flatnonzero(self.keys.keys[1:] == self.keys.keys[:-1])
        return [(int(self.numbers[place]), int(self.numbers[place + 1])) for place in same]
