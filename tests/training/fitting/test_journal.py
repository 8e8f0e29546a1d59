import json
from pathlib import Path

import pytest

from instant_credit.errors import Refused
from instant_credit.training.fitting.fit import FitParameters
from instant_credit.training.fitting.journal import open_journal
from instant_credit.training.fitting.space import SPACE, Ended, Space

NAME = "a" * 64
POINT = SPACE.find(FitParameters())


def fill(folder: Path, name: str = NAME, trials: int = 3) -> Path:
    with open_journal(folder, name, SPACE) as journal:
        for number in range(trials):
            point = journal.propose(number, 0) if number else POINT
            journal.add(Ended(point=point, auc=0.7, seconds=1.5))
    return folder / f"{name}.journal"


def test_what_was_ended_is_read_again_bit_by_bit(tmp_path):
    with open_journal(tmp_path, NAME, SPACE) as journal:
        told = [Ended(point=POINT, auc=0.1 + 0.2, seconds=1 / 3)]
        journal.add(told[0])
        for number in (1, 2):
            told.append(Ended(point=journal.propose(number, 0), auc=2 / 3, seconds=0.1))
            journal.add(told[-1])
        assert journal.list_ended() == told
    with open_journal(tmp_path, NAME, SPACE) as journal:
        assert journal.list_ended() == told


def test_a_proposed_trial_that_never_ended_counts_for_nothing(tmp_path):
    fill(tmp_path)
    points = []
    for _ in range(3):
        with open_journal(tmp_path, NAME, SPACE) as journal:
            points.append(journal.propose(3, 0))
            assert len(journal.list_ended()) == 3
    assert points[0] == points[1] == points[2]


def test_two_at_a_time_are_refused(tmp_path):
    with open_journal(tmp_path, NAME, SPACE), pytest.raises(Refused, match=f"{NAME}.journal: another training"):
        fill(tmp_path)
    fill(tmp_path)


def _replace_line(path: Path, number: int, line: bytes) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    lines[number] = line + b"\n"
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (2, b"nonsense"),
        (-1, b"nonsense"),
        (3, b"\x00\xff\x00"),
        (2, b"[1]"),
        (1, b""),
        (0, b"{}"),
        (2, b'{"op_code":99,"worker_id":"x"}'),
    ],
)
def test_a_journal_that_cannot_be_read_is_refused_by_its_name(tmp_path, number, line):
    path = fill(tmp_path)
    _replace_line(path, number, line)
    with pytest.raises(Refused, match=f"{NAME}.journal: .*delete this file") as refused:
        fill(tmp_path)
    assert str(path) in str(refused.value)
    path.unlink()
    fill(tmp_path)


def test_the_journal_of_another_search_is_refused(tmp_path):
    fill(tmp_path, "b" * 64).rename(tmp_path / f"{NAME}.journal")
    with pytest.raises(Refused, match="another search; delete this file"):
        fill(tmp_path)


@pytest.mark.parametrize(
    "change",
    [{"value": 1.5}, {"value": None}, {"user_attrs": {"number": 0}}, {"user_attrs": {"number": 0, "seconds": -1.0}}],
)
def test_a_trial_without_a_lawful_figure_is_refused(tmp_path, change):
    path = fill(tmp_path, trials=1)
    line = json.loads(path.read_bytes().splitlines()[1])
    _replace_line(path, 1, json.dumps({**line, **change}).encode())
    with open_journal(tmp_path, NAME, SPACE) as journal, pytest.raises(Refused, match=r"trial 0 .*delete this file"):
        journal.list_ended()


def test_a_trial_lost_in_the_middle_is_missed(tmp_path):
    path = fill(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    ends = [number for number, line in enumerate(lines) if b'"op_code":6' in line]
    path.write_bytes(b"".join(lines[: ends[0]] + lines[ends[0] + 1 :]))
    with (
        open_journal(tmp_path, NAME, SPACE) as journal,
        pytest.raises(Refused, match=r"missing in it; delete this file"),
    ):
        journal.list_ended()


@pytest.mark.parametrize(
    "line", [b'{"op_code":5,"worker_id":"x","trial_id":77}', b'{"op_code":4,"worker_id":"x","study_id":77}']
)
def test_a_line_of_nothing_costs_the_trials_from_there_on_at_most(tmp_path, line):
    path = fill(tmp_path, trials=4)
    with open_journal(tmp_path, NAME, SPACE) as journal:
        whole = journal.list_ended()
    _replace_line(path, 2, line)
    with open_journal(tmp_path, NAME, SPACE) as journal:
        left = journal.list_ended()
        assert left == whole[: len(left)]


def test_a_trial_outside_the_space_is_refused(tmp_path):
    path = fill(tmp_path, trials=1)
    line = json.loads(path.read_bytes().splitlines()[1])
    _replace_line(path, 1, json.dumps({**line, "params": {**line["params"], "l2_leaf_reg": 999.0}}).encode())
    with open_journal(tmp_path, NAME, SPACE) as journal, pytest.raises(Refused, match="outside the space"):
        journal.list_ended()


def test_an_empty_file_is_a_journal_without_trials(tmp_path):
    (tmp_path / f"{NAME}.journal").touch()
    assert fill(tmp_path).stat().st_size


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / f"{NAME}.journal").mkdir()
    with pytest.raises(Refused, match=f"{NAME}.journal: "):
        fill(tmp_path)


def test_the_space_is_what_is_proposed_from(tmp_path):
    with open_journal(tmp_path, NAME, Space()) as journal:
        point = journal.propose(2, 0)
    assert SPACE.holds(point)
    assert {type(point[name]) for name in ("iterations", "depth")} == {int}
