"""Tapes: csv, csv.gz and parquet files read in chunks of rows, without holding the file in memory. Edge.

A chunk has the tape's columns as lists of cells. A csv row whose number of fields differs from the header's, or which the csv reader
can't take, is kept as a broken row with its reason, so that every row of the file is either read or accounted for. Blank lines are
not rows.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from instant_credit.errors import Refused
from instant_credit.training.tapes.cells import Cell
from instant_credit.training.tapes.parts import FileForm

CHUNK_ROWS: Final = 2_000
FIELD_CHARACTERS_MAX: Final = 1_000_000
COLUMNS_MAX: Final = 10_000
_PARQUET_MAGIC: Final = b"PAR1"
_GZIP_MAGIC: Final = b"\x1f\x8b"


class TapeChunk(Struct, frozen=True, kw_only=True):
    """`row_count` consecutive rows from `first_row` (the tape's first row of data is 1).

    `columns` by name, each with `row_count` cells; `broken` by place in the chunk, with the reason; a broken row's cells are None.
    """

    first_row: int
    row_count: int
    columns: dict[str, list[Cell]]
    broken: dict[int, str]


def count_rows(path: Path) -> int | None:
    """How many rows a parquet file says it has; None for csv, which must be read to know."""
    if _first_bytes(path) != _PARQUET_MAGIC:
        return None
    return int(_open_parquet(path).metadata.num_rows)


def read_tape(
    path: Path, form: FileForm, needed_columns: tuple[str, ...], chunk_rows: int = CHUNK_ROWS
) -> Iterator[TapeChunk]:
    """The chunks of the tape at `path`, in order; the file's first bytes say of which form it is.

    Raises
    ------
    Refused : the file is missing, damaged, or lacks a needed column; damage may show only after some chunks.
    """
    first = _first_bytes(path)
    chunks = _read_parquet(path, chunk_rows) if first == _PARQUET_MAGIC else _read_csv(path, form, chunk_rows)
    is_first = True
    for chunk in chunks:
        if is_first:
            absent = [column for column in needed_columns if column not in chunk.columns]
            if absent:
                raise Refused(f"{path.name}: the mapping needs columns that the file lacks: {', '.join(absent)}")
            is_first = False
        if chunk.row_count:
            yield chunk


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error


def _open_parquet(path: Path) -> Any:
    from pyarrow import ArrowException, parquet

    try:
        return parquet.ParquetFile(path)
    except (ArrowException, OSError) as error:
        raise Refused(f"{path.name}: not a readable parquet file") from error


def _read_parquet(path: Path, chunk_rows: int) -> Iterator[TapeChunk]:
    from pyarrow import ArrowException

    file = _open_parquet(path)
    names = list(file.schema_arrow.names)
    _check_header(path, names)
    yield TapeChunk(first_row=1, row_count=0, columns={name: [] for name in names}, broken={})
    first_row = 1
    batches = file.iter_batches(batch_size=chunk_rows)
    while True:
        try:
            batch = next(batches, None)
        except (ArrowException, OSError) as error:
            raise Refused(f"{path.name}: damaged after row {first_row - 1}; get the file again and repeat") from error
        if batch is None:
            return
        columns = {name: batch.column(place).to_pylist() for place, name in enumerate(names)}
        yield TapeChunk(first_row=first_row, row_count=batch.num_rows, columns=columns, broken={})
        first_row += batch.num_rows


def _read_csv(path: Path, form: FileForm, chunk_rows: int) -> Iterator[TapeChunk]:
    csv.field_size_limit(FIELD_CHARACTERS_MAX)
    first_row = 1
    is_gzip = _first_bytes(path)[:2] == _GZIP_MAGIC
    with gzip.open(path, "rb") if is_gzip else path.open("rb") as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")
        try:
            for _ in range(form.skip_lines):
                text.readline()
            reader = csv.reader(text, delimiter=form.delimiter, strict=True)
            names = [name.strip() for name in next(reader, [])]
            _check_header(path, names)
            yield TapeChunk(first_row=1, row_count=0, columns={name: [] for name in names}, broken={})
            while True:
                chunk = _read_csv_chunk(reader, names, first_row, chunk_rows)
                if not chunk.row_count:
                    return
                yield chunk
                first_row += chunk.row_count
        except (EOFError, zlib.error, OSError) as error:
            raise Refused(f"{path.name}: damaged after row {first_row - 1}; get the file again and repeat") from error
        except csv.Error as error:
            raise Refused(f"{path.name}: the header can't be read as csv") from error


def _read_csv_chunk(reader: Any, names: list[str], first_row: int, chunk_rows: int) -> TapeChunk:
    rows: list[list[str] | tuple[None, ...]] = []
    broken: dict[int, str] = {}
    nothing = (None,) * len(names)
    while len(rows) < chunk_rows:
        line = reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error:
            place = f"lines {line} to {reader.line_num}"
            broken[len(rows)] = f"{place} can't be read as csv: quotes don't match or a field is too long"
            rows.append(nothing)
            continue
        if fields is None:
            break
        if not fields:
            continue
        if len(fields) == len(names):
            rows.append(fields)
        else:
            broken[len(rows)] = (
                f"lines {line} to {reader.line_num}: expected {len(names)} fields as in the header, found {len(fields)}"
            )
            rows.append(nothing)
    cells = zip(*rows, strict=True) if rows else iter([()] * len(names))
    columns: dict[str, list[Cell]] = {name: list(column) for name, column in zip(names, cells, strict=True)}
    return TapeChunk(first_row=first_row, row_count=len(rows), columns=columns, broken=broken)


def _check_header(path: Path, names: list[str]) -> None:
    if not any(names):
        raise Refused(f"{path.name}: the file has no header")
    if len(names) > COLUMNS_MAX:
        raise Refused(f"{path.name}: more than {COLUMNS_MAX} columns")
    repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if repeated:
        raise Refused(f"{path.name}: columns named twice: {', '.join(repeated)}")
