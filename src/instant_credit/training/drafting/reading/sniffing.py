"""How a csv file is written, found from the file itself: encoding, delimiter, lines above the header. Edge."""

import codecs
import csv
import gzip
import zlib
from collections import Counter
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
    lines = text.splitlines()[:_LINES]
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
    """The delimiter that cuts most lines into equally many fields, and how many lines stand above the first of these."""
    csv.field_size_limit(FIELD_CHARACTERS_MAX)
    best, found = (0.0, 0, 0), (",", 0)
    for delimiter in _DELIMITERS:
        try:
            counts = [len(fields) for fields in csv.reader(lines, delimiter=delimiter)]
        except csv.Error:
            continue
        counts = [count for count in counts if count]
        if not counts:
            continue
        fields, times = Counter(counts).most_common(1)[0]
        skip_lines = counts.index(fields)
        share = round(times / len(counts), 2)
        if fields < 2 or (delimiter == " " and (share < 1.0 or best[2])):
            continue
        score = (share if share < 0.9 else 1.0, -skip_lines, fields)
        if score > best:
            best, found = score, (delimiter, skip_lines)
    return found


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
