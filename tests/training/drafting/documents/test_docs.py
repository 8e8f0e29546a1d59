"""The documentation's edits are those that the journeys apply."""

from pathlib import Path

import pytest

from tests.journeys.edits import FOLDER, apply_edits, read_edits

PAGE = Path(__file__).parents[4] / "docs" / "tapes.md"


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.edits")))
def test_the_edits_shown_are_the_edits_applied(name: str) -> None:
    assert (FOLDER / f"{name}.edits").read_text().strip() in PAGE.read_text()
    assert set(read_edits(name)) <= {"product.toml", "mapping.toml"}


def test_an_edit_replaces_every_place_and_must_find_one() -> None:
    text = "a = 1  # why\nb = 2\na = 1\nb = 2\n"
    assert apply_edits(text, [(["a = 1", "b = ..."], ["c = 3"])]) == "c = 3\nc = 3\n"
    with pytest.raises(AssertionError, match="no such lines"):
        apply_edits(text, [(["a = 2"], [])])
