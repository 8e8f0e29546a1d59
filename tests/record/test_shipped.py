import re
from pathlib import Path

import pytest

import instant_credit
from instant_credit.errors import NotFound
from instant_credit.record.shipped import list_starters, migrations_folder, read_sql, read_starter

PACKAGE = Path(instant_credit.__file__).parent
STATEMENTS = sorted(path.stem for path in (PACKAGE / "record" / "sql").glob("*.sql"))


@pytest.mark.parametrize("kind", ["products", "policies", "mappings"])
def test_every_starter_can_be_read(kind: str) -> None:
    assert list_starters(kind)
    for name in list_starters(kind):
        assert read_starter(kind, name)


@pytest.mark.parametrize("name", ["nothing", "../products/personal_loan", ""])
def test_an_unknown_starter_is_not_found(name: str) -> None:
    with pytest.raises(NotFound, match="shipped document"):
        read_starter("products", name)


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_says_its_purpose_and_its_parameters(name: str) -> None:
    text = read_sql(name)
    header = "\n".join(line for line in text.splitlines() if line.startswith("--"))
    body = text.removeprefix(header)
    assert header.startswith("-- Purpose: ")
    used = {int(number) for number in re.findall(r"\$(\d+)", body)}
    assert used == set(range(1, len(used) + 1))
    if used:
        assert f"${max(used)}" in header
    assert "SELECT *" not in body


def test_every_statement_is_used() -> None:
    source = "\n".join(path.read_text() for path in (PACKAGE / "record").glob("*.py"))
    assert [name for name in STATEMENTS if f'"{name}"' not in source] == []


def test_migrations_are_beside_the_package() -> None:
    assert (migrations_folder() / "0001_append_only.sql").exists()
