"""Joined files: what further files tell of the loans of a tape, found by key. Edge.

A joined file is read once, before the tape. Of a file of one row a loan the texts of the columns that are read are kept, of a file of many
rows the numbers that its facts and events need (`many.py`).

    file -> rows that `where` keeps -> keys in order                                          once
    n loans' texts -> keys -> one row each, as texts "NAME.column"; or the rows of each       chunk by chunk

Memory is bounded: a file of more than `files.CELLS_MAX` cells in the columns that are read is refused. The result depends on neither the
order of a file's rows nor on how the tape is cut into chunks.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

import polars as pl

from instant_credit.application.product import Product
from instant_credit.errors import Refused
from instant_credit.outcome.events import RepaymentEvent
from instant_credit.training.tapes.keys import JoinCount, Joined, KeptRows
from instant_credit.training.tapes.many import ManyFile
from instant_credit.training.tapes.parts import TapeMapping
from instant_credit.training.tapes.readers import CellRules, Fact, Misread, Texts
from instant_credit.training.tapes.taking import Matched

_SHOWN_MAX: Final = 5


class Evidence:
    """What joined files tell of the n loans of one chunk."""

    def __init__(self, texts: Texts, matched: Sequence[tuple[ManyFile, Matched]]) -> None:
        self.texts = texts
        self._matched = matched

    def take_facts(self, as_of: Sequence[date | None]) -> dict[str, list[Fact | Misread | None]]:
        """The facts that are taken from many rows, by attribute, as of each loan's day."""
        return {
            name: values for file, matched in self._matched for name, values in file.take_facts(matched, as_of).items()
        }

    def list_events(self, as_of: Sequence[date | None]) -> list[list[list[RepaymentEvent] | Misread]]:
        """Per file, the events of each loan."""
        return [file.list_events(matched, as_of) for file, matched in self._matched if file.has_events]


class JoinedFiles:
    """The joined files of a mapping, read.

    Parameters
    ----------
    mapping, product : the mapping and the product it was checked against.
    paths : where each file of the mapping lies, by its name there.

    Raises
    ------
    Refused : a file is not given, not known, no tape, too large, or has two rows of one key where it is to have one.
    """

    def __init__(self, mapping: TapeMapping, product: Product, paths: Mapping[str, Path]) -> None:
        _check_given(mapping, paths)
        rules = CellRules(mapping)
        self._prefixes = tuple(f"{name}." for name in mapping.files)
        self._files: list[_OneFile | ManyFile] = []
        for name, file in mapping.files.items():
            rows = KeptRows(paths[name], file, mapping.list_file_columns(name), rules)
            if file.rows == "many":
                self._files.append(ManyFile(name, rows, mapping, product))
            else:
                mine = [column for column in sorted(mapping.cell_columns) if mapping.find_file(column) == name]
                self._files.append(_OneFile(name, rows, [column[len(name) + 1 :] for column in mine]))

    def look_up(self, texts: Texts) -> Evidence:
        """What the files tell of the loans whose own columns are `texts`.

        Raises
        ------
        Refused : a column of the tape is named like one of a joined file.
        """
        taken = sorted(column for column in texts if column.startswith(self._prefixes))
        if taken:
            raise Refused(
                f"the tape's own column {taken[0]} is named like a column of a joined file: name that file otherwise"
            )
        told = dict(texts)
        matched = []
        for file in self._files:
            if isinstance(file, ManyFile):
                matched.append((file, file.match(told)))
            else:
                told |= file.read_texts(told)
        return Evidence(told, matched)

    def count(self) -> tuple[JoinCount, ...]:
        """How files and tape met, in the mapping's order."""
        return tuple(file.count() for file in self._files)


def _check_given(mapping: TapeMapping, paths: Mapping[str, Path]) -> None:
    problems = [
        f"the mapping joins files.{name}: give it with --file {name}=PATH"
        for name in mapping.files
        if name not in paths
    ]
    problems += [f"the mapping has no [files.{name}]" for name in paths if name not in mapping.files]
    if problems:
        raise Refused("; ".join(problems))


class _OneFile(Joined):
    """A file of at most one row a loan: the texts of its columns that are read, by "NAME.column"."""

    def __init__(self, name: str, rows: KeptRows, columns: Sequence[str]) -> None:
        parts: dict[str, list[pl.Series]] = {column: [] for column in columns}
        for texts in rows:
            for column, series in parts.items():
                series.append(pl.Series(texts[column], dtype=pl.String))
        super().__init__(name, rows)
        twins = self.find_twins()
        if twins:
            shown = ", ".join(f"{first} and {second}" for first, second in twins[:_SHOWN_MAX])
            more = f" and {len(twins) - _SHOWN_MAX:,} more" if len(twins) > _SHOWN_MAX else ""
            raise Refused(
                f"{rows.path.name}: rows {shown}{more} have the same {', '.join(self.file.key)}, and files.{name} is to have one row a loan: "
                'keep one of them with `where`, or say rows = "many"'
            )
        order = pl.Series(self.keys.order)
        self._texts = {f"{name}.{column}": pl.concat(series).gather(order) for column, series in parts.items()}

    def read_texts(self, texts: Texts) -> dict[str, list[str | None]]:
        """The columns "NAME.column" of n loans; None where a loan has no row."""
        matched = self.match(texts)
        positions: list[int | None] = [None] * matched.loans
        for loan, position in zip(matched.rows.tolist(), matched.positions.tolist(), strict=True):
            positions[loan] = position
        places = pl.Series(positions, dtype=pl.UInt32)
        return {column: series.gather(places).to_list() for column, series in self._texts.items()}
