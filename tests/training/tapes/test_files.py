import gzip

import pyarrow as pa
import pytest
from pyarrow import parquet

from instant_credit.errors import Refused
from instant_credit.training.tapes.files import FIELD_CHARACTERS_MAX, count_rows, read_tape
from instant_credit.training.tapes.parts import FileForm


def read(path, *, needed=(), form=None, chunk_rows=2):
    return list(read_tape(path, form or FileForm(), needed, chunk_rows))


def cells(chunks, column):
    return [cell for chunk in chunks for cell in chunk.columns[column]]


@pytest.mark.parametrize("name", ["tape.csv", "tape.csv.gz"])
def test_csv_is_read_in_chunks_and_every_row_is_numbered(tmp_path, name):
    raw = b'\xef\xbb\xbfa,b\n1,x\n2,y\n\n3,"z\nz"\n'
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    chunks = read(tmp_path / name, needed=("a", "b"))
    assert [(chunk.first_row, chunk.row_count) for chunk in chunks] == [(1, 2), (3, 1)]
    assert cells(chunks, "a") == ["1", "2", "3"]
    assert cells(chunks, "b") == ["x", "y", "z\nz"]
    assert count_rows(tmp_path / name) is None


def test_parquet_is_read_in_chunks(tmp_path):
    parquet.write_table(pa.table({"a": [1, 2, 3]}), tmp_path / "tape")
    chunks = read(tmp_path / "tape")
    assert [(chunk.first_row, chunk.row_count) for chunk in chunks] == [(1, 2), (3, 1)]
    assert cells(chunks, "a") == [1, 2, 3]
    assert count_rows(tmp_path / "tape") == 3


def test_a_row_of_another_width_is_broken_and_the_next_one_is_read(tmp_path):
    (tmp_path / "tape.csv").write_text("a,b\n1,2\n1\n1,2,3\n4,5\n")
    chunks = read(tmp_path / "tape.csv")
    assert cells(chunks, "a") == ["1", None, None, "4"]
    assert [chunk.broken for chunk in chunks] == [
        {1: "lines 3 to 3: expected 2 fields as in the header, found 1"},
        {0: "lines 4 to 4: expected 2 fields as in the header, found 3"},
    ]


def test_a_quote_that_does_not_match_is_broken_with_the_lines_it_took(tmp_path):
    (tmp_path / "tape.csv").write_text('a,b\n1,"x"y\n2,z\n3,"never closed\n')
    chunks = read(tmp_path / "tape.csv", chunk_rows=10)
    assert cells(chunks, "a") == [None, "2", None]
    assert chunks[0].broken[0].startswith("lines 2 to 2 can't be read as csv")


def test_a_field_that_is_too_long_is_broken(tmp_path):
    (tmp_path / "tape.csv").write_text("a,b\n1," + "x" * (FIELD_CHARACTERS_MAX + 1) + "\n2,y\n")
    chunks = read(tmp_path / "tape.csv", chunk_rows=10)
    assert chunks[0].broken.keys() == {0}
    assert cells(chunks, "a")[-1] == "2"


def test_bytes_that_are_not_utf8_do_not_stop_a_tape(tmp_path):
    (tmp_path / "tape.csv").write_bytes(b"a;b\n\xff\xfe;1\n")
    (chunk,) = read(tmp_path / "tape.csv", form=FileForm(delimiter=";"))
    assert chunk.row_count == 1


def test_lines_before_the_header_can_be_skipped(tmp_path):
    (tmp_path / "tape.csv").write_text("Notes\na\n1\n")
    assert cells(read(tmp_path / "tape.csv", form=FileForm(skip_lines=1)), "a") == ["1"]


@pytest.mark.parametrize(
    ("raw", "claim"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "no header; if a title or empty lines stand above the names of the columns, delete them"),
        (b"a,b\n", "a header and no row"),
        (b"a,b\n\n\n", "a header and no row"),
        (b"a,a\n1,2\n", "named twice: a; give each column"),
        (b"a,,\n1,2,3\n", "named twice: (no name); give each column a name of its own; if a title"),
        (b"a;b;c\n1;2;3\n", 'separated by ";": say delimiter = ";"'),
        (b"a\tb\tc\n1\t2\t3\n", 'say delimiter = "\\t"'),
        ("a,b\n1,2\n".encode("utf-16"), 'say encoding = "utf-16"'),
        ("a,b\n1,2\n".encode("utf-16-le"), "the header holds NUL bytes"),
        (b"a,b\x00\n1,2\n", "the header holds NUL bytes"),
        (b"PK\x03\x04rest", "an Excel workbook or another zip file: save its sheet as csv"),
        (b"\xd0\xcf\x11\xe0rest", "an old Excel workbook"),
        (b"\x28\xb5\x2f\xfdrest", "compressed with zstd"),
        (b"a,b\n1,2\n", "lacks: c"),
        (b"a" + b",a" * 10_000, "more than 10000 columns"),
        (b'a,"b"c\n', "header can't be read"),
        (b'"a";"b"\n1;2\n', 'header can\'t be read as csv. The header looks separated by ";": say delimiter = ";"'),
        (b"PAR1 and no more", "not a readable parquet"),
        (gzip.compress(b"a,c\n" + b"1,2\n" * 5, mtime=0)[:-9], "damaged"),
        (b"\x1f\x8bno gzip", "damaged"),
    ],
)
def test_a_file_that_is_no_tape_is_refused(tmp_path, raw, claim):
    (tmp_path / "tape").write_bytes(raw)
    with pytest.raises(Refused) as refused:
        read(tmp_path / "tape", needed=("c",) if "lacks" in claim or "delimiter" in claim else ())
    assert claim in str(refused.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(Refused, match="No such file"):
        read(tmp_path / "none.csv")


def test_a_damaged_parquet_says_how_far_it_was_read(tmp_path):
    path = tmp_path / "tape"
    parquet.write_table(
        pa.table({"a": [str(i) * 50 for i in range(4000)]}), path, compression="zstd", row_group_size=1000
    )
    raw = bytearray(path.read_bytes())
    start = parquet.ParquetFile(path).metadata.row_group(2).column(0).data_page_offset
    raw[start + 2 : start + 400] = b"\x00" * 398
    path.write_bytes(bytes(raw))
    with pytest.raises(Refused, match="damaged after row"):
        read(path, chunk_rows=1000)


def test_a_parquet_without_rows_is_refused(tmp_path):
    parquet.write_table(pa.table({"a": pa.array([], pa.int64())}), tmp_path / "tape")
    with pytest.raises(Refused, match="a header and no row"):
        read(tmp_path / "tape")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252", "latin-1"])
def test_a_tape_is_read_in_the_encoding_that_its_form_says(tmp_path, encoding):
    raw = "näme,b\nMüller,1\n".encode(encoding)
    for name in ("tape.csv", "tape.csv.gz"):
        (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
        chunks = read(tmp_path / name, form=FileForm(encoding=encoding))
        assert cells(chunks, "näme") == ["Müller"]


def test_a_tape_that_is_not_utf_16_as_its_form_says_is_refused(tmp_path):
    (tmp_path / "tape.csv").write_text("a\n1\n")
    with pytest.raises(Refused, match="not UTF-16"):
        read(tmp_path / "tape.csv", form=FileForm(encoding="utf-16"))


def test_a_row_with_a_nul_byte_is_broken_and_the_next_one_is_read(tmp_path):
    (tmp_path / "tape.csv").write_bytes(b"a,b\n1,x\x00\n2,y\n")
    (chunk,) = read(tmp_path / "tape.csv", chunk_rows=10)
    assert chunk.broken == {0: "lines 2 to 2: a cell holds a NUL byte; get the file again"}
    assert cells([chunk], "a") == [None, "2"]
