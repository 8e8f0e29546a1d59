"""Tapes: csv, csv.gz and parquet files read in chunks of rows, without holding the file in memory. Edge.

A chunk has the tape's columns as lists of cells. A csv row whose number of fields differs from the header's, which holds a NUL byte, or
which the csv reader can't take, is kept as a broken row with its reason, so that every row of the file is either read or accounted for.
Blank lines are not rows. A file that is no tape is refused with what it looks like and what to do about it.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from instant_credit.errors import Refused
from instant_credit.training.tapes.cells import Cell
from instant_credit.training.tapes.parts import FileForm

CHUNK_ROWS: Final = 2_000
# What is held of one file in memory at most: a joined file is refused above it, a draft reads no further.
CELLS_MAX: Final = 60_000_000
FIELD_CHARACTERS_MAX: Final = 1_000_000
COLUMNS_MAX: Final = 10_000
_PARQUET_MAGIC: Final = b"PAR1"
_GZIP_MAGIC: Final = b"\x1f\x8b"
_UTF_16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_DELIMITERS: Final = (",", ";", "\t", "|")
_ABOVE_HEADER: Final = "; if a title or empty lines stand above the names of the columns, delete them in the file or count them in skip_lines of its form"
_FOREIGN: Final = (
    (b"PK\x03\x04", "an Excel workbook or another zip file: save its sheet as csv, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook: save its sheet as csv"),
    (b"ARRO", "an Arrow file: write it as parquet or csv"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd: unpack it, or compress it with gzip"),
    (b"BZh", "compressed with bzip2: unpack it, or compress it with gzip"),
    (b"\xfd7zX", "compressed with xz: unpack it, or compress it with gzip"),
)


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
    Refused : the file is missing, no tape, empty, damaged, or lacks a needed column; damage may show only after some chunks.
    """
    first = _first_bytes(path)
    if not first:
        raise Refused(f"{path.name}: the file is empty; get it again")
    for magic, advice in _FOREIGN:
        if first.startswith(magic):
            raise Refused(f"{path.name}: not csv, csv.gz or parquet but {advice}")
    chunks = _read_parquet(path, chunk_rows) if first == _PARQUET_MAGIC else _read_csv(path, form, chunk_rows)
    is_first = True
    row_count = 0
    for chunk in chunks:
        if is_first:
            _check_needed(path, form, list(chunk.columns), needed_columns)
            is_first = False
        if chunk.row_count:
            row_count += chunk.row_count
            yield chunk
    if not row_count:
        raise Refused(f"{path.name}: the file has a header and no row below it")


def _check_needed(path: Path, form: FileForm, names: list[str], needed_columns: tuple[str, ...]) -> None:
    absent = [column for column in needed_columns if column not in names]
    if not absent:
        return
    is_csv = len(names) == 1 and _first_bytes(path) != _PARQUET_MAGIC
    advice = _advise_delimiter(names[0], form) if is_csv else ""
    raise Refused(f"{path.name}: the mapping needs columns that the file lacks: {', '.join(absent)}{advice}")


def _advise_delimiter(header: str, form: FileForm) -> str:
    """What to say of a header that another delimiter seems to divide; empty where none does."""
    other = max((one for one in _DELIMITERS if one != form.delimiter), key=header.count)
    if other not in header:
        return ""
    said = "\\t" if other == "\t" else other
    return f'. The header looks separated by "{said}": say delimiter = "{said}" in the form of this file'


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
    header = ""
    is_gzip = _first_bytes(path)[:2] == _GZIP_MAGIC
    with gzip.open(path, "rb") if is_gzip else path.open("rb") as raw:
        text = _open_text(raw, form)
        try:
            _check_encoding(path, form, raw)
            for _ in range(form.skip_lines):
                text.readline()
            header = text.readline()
            reader = csv.reader(chain([header], text), delimiter=form.delimiter, strict=True)
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
            raise Refused(f"{path.name}: the header can't be read as csv{_advise_delimiter(header, form)}") from error


def _open_text(raw: Any, form: FileForm) -> io.TextIOWrapper:
    """The file's text. Bytes that are none of the encoding come through and are found where they matter, in their cell."""
    if form.encoding == "utf-16":
        return io.TextIOWrapper(raw, encoding="utf-16", errors="replace", newline="")
    encoding = "utf-8-sig" if form.encoding == "utf-8" else form.encoding
    return io.TextIOWrapper(raw, encoding=encoding, errors="surrogateescape", newline="")


def _check_encoding(path: Path, form: FileForm, raw: Any) -> None:
    first = raw.peek(2)[:2]
    if first in _UTF_16_MARKS and form.encoding != "utf-16":
        raise Refused(f'{path.name}: the file is UTF-16: say encoding = "utf-16" in its form, or save it as UTF-8')
    if first not in _UTF_16_MARKS and form.encoding == "utf-16":
        raise Refused(f"{path.name}: the file is not UTF-16, for it does not begin with the mark of it")


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
        if len(fields) == len(names) and "\0" not in "".join(fields):
            rows.append(fields)
        elif len(fields) == len(names):
            broken[len(rows)] = f"lines {line} to {reader.line_num}: a cell holds a NUL byte; get the file again"
            rows.append(nothing)
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
        raise Refused(f"{path.name}: the file has no header{_ABOVE_HEADER}")
    if any("\0" in name for name in names):
        raise Refused(
            f"{path.name}: the header holds NUL bytes: the file is damaged, or UTF-16 without its mark; save it as UTF-8"
        )
    if len(names) > COLUMNS_MAX:
        raise Refused(f"{path.name}: more than {COLUMNS_MAX} columns")
    repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if repeated:
        told = ", ".join(name or "(no name)" for name in repeated)
        raise Refused(
            f"{path.name}: columns named twice: {told}; give each column a name of its own{_ABOVE_HEADER if '' in repeated else ''}"
        )
