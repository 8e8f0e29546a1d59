"""What product, mapping and book of a draft are called."""

from pathlib import Path

import pytest

from instant_credit.errors import Refused
from instant_credit.training.drafting.documents.folder import choose_name
from tests.training.drafting.drafts import draft


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("loans.csv", "loans"),
        ("Loans 2024.csv.gz", "loans_2024"),
        ("2024.csv", "tape_2024"),
        ("applications.csv", "applications_tape"),
        ("Applications.parquet", "applications_tape"),
    ],
)
def test_a_name_comes_from_the_file_and_is_never_that_of_the_apis_own_book(file: str, name: str) -> None:
    assert choose_name(Path(file)) == name


@pytest.mark.parametrize("name", ["applications", "test"])
def test_a_draft_may_not_be_named_like_a_book_of_the_apis_own(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused, match=f"--name {name}: the book of that name holds what came in through the API"):
        draft(tmp_path / "loans.csv", name=name)
