"""A tape as columns of texts, and what can be counted about each. Edge.

The cells are read by the importer's own reader and become texts by its own rule (`cells.cell_text`), so that what a draft says of a
column holds at import. A column is kept as one polars Series of texts (n rows, null = missing); everything else is worked out from its
distinct texts when it is asked for, and forgotten with `forget`.
"""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import Refused
from instant_credit.training.drafting.reading.numerals import DecimalSign, Numerals, choose_decimal, find_numerals
from instant_credit.training.drafting.reading.sniffing import sniff_form
from instant_credit.training.drafting.words.cell_texts import NULL_TEXTS_OF_NUMBERS
from instant_credit.training.drafting.words.lexicon import list_words
from instant_credit.training.tapes.cells import Cell, cell_text
from instant_credit.training.tapes.files import CELLS_MAX, read_tape
from instant_credit.training.tapes.parts import FileForm

_CHUNK_ROWS: Final = 5_000
_PROVING_TEXTS: Final = 500
_TEXT_CHARACTERS_MAX: Final = 1_000
NAME_CHARACTERS_MAX: Final = 200


class Column:
    """One column of n rows.

    Parameters
    ----------
    name : as a mapping names it: the column's own name, or "NAME.column" of a joined file.
    texts : String[n], null = missing.
    place : the column's place in its file, from 0.
    decimal : the decimal sign of its file, for a column that proves none.
    """

    def __init__(
        self, name: str, texts: pl.Series, place: int, own_name: str | None = None, decimal: DecimalSign = "."
    ) -> None:
        self.name = name
        self.decimal = decimal
        self.texts = texts
        self.place = place
        self.words = list_words(own_name if own_name is not None else name)

    @property
    def rows(self) -> int:
        """N."""
        return len(self.texts)

    @property
    def told(self) -> int:
        """How many rows are not missing."""
        return self.rows - self.texts.null_count()

    @property
    def is_nameable(self) -> bool:
        """Whether a mapping can name the column."""
        return 0 < len(self.name) <= NAME_CHARACTERS_MAX and is_writable(self.name)

    @cached_property
    def counts(self) -> list[tuple[str, int]]:
        """Every distinct text with its number of rows, the commonest first, equal ones by text."""
        frame = self.texts.drop_nulls().rename("text").value_counts(name="rows")
        frame = frame.sort(["rows", "text"], descending=[True, False])
        return list(zip(frame["text"].to_list(), frame["rows"].to_list(), strict=True))

    @property
    def distinct(self) -> int:
        """How many different texts there are."""
        return len(self.counts)

    @cached_property
    def numerals(self) -> Numerals:
        """How the column writes numbers, and how many of its rows are numbers."""
        return find_numerals(self.counts, self.decimal)

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """float64[n], NaN where the cell is missing or no number."""
        table = {text: self.numerals.read(text) for text, _ in self.counts}
        found = [np.nan if text is None else table[text] for text in self.texts.to_list()]
        return np.array(found, dtype=np.float64)

    @cached_property
    def number_counts(self) -> list[tuple[float, int]]:
        """Every distinct number with its rows, rising."""
        values, rows = np.unique(self.numbers[~np.isnan(self.numbers)], return_counts=True)
        return list(zip(values.tolist(), rows.tolist(), strict=True))

    @property
    def is_numeric(self) -> bool:
        """Whether the cells are numbers, but for a few texts that may mean missing."""
        told = self.told - self.null_rows
        return told > 0 and self.numerals.rows >= 0.95 * told

    @cached_property
    def null_rows(self) -> int:
        """Rows whose text is one of those that mean missing in a column of numbers."""
        return sum(rows for text, rows in self.counts if text in NULL_TEXTS_OF_NUMBERS)

    def forget(self) -> None:
        """Let go of what was worked out, for memory's sake."""
        for name in ("counts", "numbers", "number_counts"):
            self.__dict__.pop(name, None)


class Tape(Struct, frozen=True, kw_only=True):
    """A file as read: its form, n rows, columns by name in the file's order.

    `broken` rows can't be read as csv and stand as missing. With `is_whole` false only the first n rows were read.
    """

    path: Path
    form: FileForm
    rows: int
    broken: int
    columns: dict[str, Column]
    is_whole: bool


def is_writable(text: str) -> bool:
    """Whether a TOML document can hold `text` so that it is found again: it was decoded without loss."""
    return "\ufffd" not in text and not any("\ud800" <= one <= "\udfff" for one in text)


def read_columns(path: Path, progress: Callable[[int], None] = lambda _: None, cells_max: int = CELLS_MAX) -> Tape:
    """Read the tape at `path` into columns; stops after about `cells_max` cells.

    Raises
    ------
    Refused : the file is no readable csv, csv.gz or parquet file with a header.
    """
    form = sniff_form(path)
    parts: dict[str, list[pl.Series]] = {}
    rows = broken = 0
    is_whole = True
    for chunk in read_tape(path, form, (), _CHUNK_ROWS):
        for name, cells in chunk.columns.items():
            parts.setdefault(name, []).append(_pack(cells))
        rows += chunk.row_count
        broken += len(chunk.broken)
        progress(rows)
        if rows * len(chunk.columns) >= cells_max:
            is_whole = False
            break
    if not rows:
        raise Refused(f"{path.name}: the file holds no row of data, so nothing can be said of its columns")
    decimal = choose_decimal(
        pieces[0].drop_nulls().unique(maintain_order=True).head(_PROVING_TEXTS).to_list() for pieces in parts.values()
    )
    columns = {
        name: Column(name, pl.concat(pieces, rechunk=True), place, decimal=decimal)
        for place, (name, pieces) in enumerate(parts.items())
    }
    return Tape(path=path, form=form, rows=rows, broken=broken, columns=columns, is_whole=is_whole)


def _pack(cells: list[Cell]) -> pl.Series:
    remembered: dict[Any, str | None] = {}
    texts = []
    for cell in cells:
        if type(cell) is str or type(cell) is int or type(cell) is float:
            key = (type(cell), cell)
            if key not in remembered:
                remembered[key] = _keep(cell)
            texts.append(remembered[key])
        else:
            texts.append(_keep(cell))
    return pl.Series("", texts, dtype=pl.String)


def _keep(cell: Cell) -> str | None:
    """The cell's text, cut where it is longer than any value a mapping can name; what was not decoded is marked as lost."""
    text = cell_text(cell)
    if text is None or text.isascii():
        return text if text is None else text[:_TEXT_CHARACTERS_MAX]
    return "".join("\ufffd" if "\ud800" <= one <= "\udfff" else one for one in text[:_TEXT_CHARACTERS_MAX])
