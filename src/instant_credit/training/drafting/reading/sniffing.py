"""How a csv file is written, found from the file itself: encoding, delimiter, lines above the header. Edge."""

import codecs
import csv
import gzip
import io
import zlib
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, Literal, cast

from instant_credit.errors import Refused
from instant_credit.training.tapes.files import FIELD_CHARACTERS_MAX
from instant_credit.training.tapes.parts import FileForm

Encoding = Literal["utf-8", "utf-16", "cp1252", "latin-1"]

_HEAD_BYTES: Final = 1 << 18
_PIECE_BYTES: Final = 1 << 20
_LINES: Final = 200
_DELIMITERS: Final = (",", ";", "\t", "|", "~", " ")
_PARQUET_MAGIC: Final = b"PAR1"
_GZIP_MAGIC: Final = b"\x1f\x8b"
_UTF_16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def sniff_form(path: Path) -> FileForm:
    """The form of the csv or csv.gz file at `path`; parquet needs none, so its form is the default.

    Raises
    ------
    Refused : the file can't be read, is empty, or its first line of data stands where the names should.
    """
    try:
        with path.open("rb") as raw:
            first = raw.read(4)
            raw.seek(0)
            if first == _PARQUET_MAGIC:
                return FileForm()
            if first[:2] != _GZIP_MAGIC:
                return _sniff(path, raw)
            with gzip.open(raw) as unpacked:
                return _sniff(path, cast("BinaryIO", unpacked))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Refused(f"{path.name}: damaged; get the file again") from error
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error


def _sniff(path: Path, file: BinaryIO) -> FileForm:
    head = file.read(_HEAD_BYTES)
    if not head.strip():
        raise Refused(f"{path.name}: the file is empty")
    encoding = _find_encoding(head, file)
    text = head.decode(encoding, "replace").removeprefix("\ufeff")
    # Lines as the importer counts them: other signs that end a line for Python may stand within a cell.
    lines = list(islice(io.StringIO(text, newline=""), _LINES))
    if len(head) == _HEAD_BYTES and len(lines) > 1:
        lines.pop()
    delimiter, skip_lines = _find_delimiter(lines)
    header = next(csv.reader(lines[skip_lines : skip_lines + 1], delimiter=delimiter), [])
    told = [name.strip() for name in header if name.strip()]
    if len(lines) > skip_lines + 1 and told and sum(map(_is_number, told)) * 2 > len(told):
        raise Refused(
            f"{path.name}: the first line looks like data and not like the names of the columns; write a line of names above it"
        )
    return FileForm(delimiter=delimiter, skip_lines=skip_lines, encoding=encoding)


def _find_encoding(head: bytes, file: BinaryIO) -> Encoding:
    """UTF-16 by its mark; UTF-8 when the whole file is; else the code page that can read all of it."""
    if head.startswith(_UTF_16_MARKS):
        return "utf-16"
    decoders = {name: codecs.getincrementaldecoder(name)() for name in ("utf-8", "cp1252")}
    piece = head
    while piece and decoders:
        for name, decoder in list(decoders.items()):
            try:
                decoder.decode(piece)
            except UnicodeDecodeError:
                del decoders[name]
        piece = file.read(_PIECE_BYTES)
    return cast("Encoding", next(iter(decoders), "latin-1"))


def _find_delimiter(lines: list[str]) -> tuple[str, int]:
    """The delimiter that cuts most lines into equally many fields, and how many lines stand above the names."""
    csv.field_size_limit(FIELD_CHARACTERS_MAX)
    blank = next((place for place, line in enumerate(lines) if line.strip()), 0)
    best, found = (0.0, 0, 0), (",", blank)
    for delimiter in _DELIMITERS:
        try:
            rows = _read_rows(lines, delimiter)
        except csv.Error:
            continue
        counts = [len(fields) for _, fields in rows]
        if not counts:
            continue
        fields, times = Counter(counts).most_common(1)[0]
        first = counts.index(fields)
        share = round(times / len(counts), 2)
        if fields < 2 or (delimiter == " " and (share < 1.0 or best[2])):
            continue
        score = (share if share < 0.9 else 1.0, -first, fields)
        if score > best:
            best, found = score, (delimiter, _find_header(rows, fields))
    return found


def _read_rows(lines: list[str], delimiter: str) -> list[tuple[int, list[str]]]:
    """The rows that are no blank lines, each with the number of lines above it."""
    reader = csv.reader(lines, delimiter=delimiter)
    rows, above = [], 0
    for fields in reader:
        if fields and (len(fields) > 1 or fields[0].strip()):
            rows.append((above, fields))
        above = reader.line_num
    return rows


def _find_header(rows: list[tuple[int, list[str]]], fields: int) -> int:
    """How many lines stand above the names: a title and what else a spreadsheet pads with empty cells names half of the columns at most."""
    wide = [(above, cells) for above, cells in rows if len(cells) == fields]
    return next((above for above, cells in wide if not _is_padded(cells)), wide[0][0])


def _is_padded(cells: list[str]) -> bool:
    told = sum(bool(cell.strip()) for cell in cells)
    # Of two columns the first one may be the number of the row, which many programs leave without a name.
    return told * 2 <= len(cells) and (len(cells) > 2 or bool(cells[0].strip()))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
