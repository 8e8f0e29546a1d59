import pytest

from instant_credit.training.whole_files import replace_files


def test_files_take_the_place_of_older_ones_and_leave_no_draft(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"old")
    (tmp_path / "first.part").write_bytes(b"left by one that was cut off")
    replace_files({first: b"one", second: b"two"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"first": b"one", "second": b"two"}


def test_no_file_changes_when_one_of_them_cannot_be_written(tmp_path):
    first = tmp_path / "first"
    first.write_bytes(b"old")
    with pytest.raises(OSError, match="nowhere"):
        replace_files({first: b"new", tmp_path / "nowhere" / "second": b"new"})
    assert [path.name for path in tmp_path.iterdir()] == ["first"]
    assert first.read_bytes() == b"old"


def test_files_are_only_their_owners_where_that_is_asked_for(tmp_path):
    replace_files({tmp_path / "first": b"one"}, mode=0o600)
    assert (tmp_path / "first").stat().st_mode & 0o077 == 0
