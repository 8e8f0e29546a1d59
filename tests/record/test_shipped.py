import re
from itertools import takewhile
from pathlib import Path

import pytest

import instant_credit
from instant_credit.errors import NotFound
from instant_credit.record.pool import Record
from instant_credit.record.scanning import COVERED
from instant_credit.record.shipped import list_starters, migrations_folder, read_sql, read_starter
from tests.house.test_sql import header_of, typed_parameters

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
def test_a_statement_says_its_purpose_and_what_it_relies_on(name: str) -> None:
    header, body = split_statement(name)
    assert header.startswith("-- Purpose: ")
    assert re.search(r"^-- (Relies on|Reads the whole of) ", header, re.MULTILINE)
    assert "SELECT *" not in body


@pytest.mark.anyio
@pytest.mark.parametrize("name", [name for name in STATEMENTS if not name.startswith("create_")])
async def test_a_statement_says_the_types_of_its_parameters(record: Record, name: str) -> None:
    header, body = split_statement(name)
    async with record.connection() as connection:
        parameters = (await connection.prepare(body)).get_parameters()
    said = typed_parameters(header_of(header))
    assert [said[number] for number in sorted(said)] == [type_name(parameter.name) for parameter in parameters]


@pytest.mark.anyio
@pytest.mark.parametrize("name", STATEMENTS)
async def test_an_index_that_a_statement_relies_on_is_there(record: Record, name: str) -> None:
    header, _ = split_statement(name)
    async with record.connection() as connection:
        rows = await connection.fetch("SELECT indexname FROM pg_indexes WHERE schemaname = 'instant_credit'")
    named = set(re.findall(r"\b[a-z_]+_by_[a-z_]+\b", header))
    assert named <= {row["indexname"] for row in rows}


def split_statement(name: str) -> tuple[str, str]:
    """Header and body of a shipped statement."""
    text = read_sql(name)
    header = "".join(takewhile(lambda line: line.startswith("--"), text.splitlines(keepends=True)))
    return header, text.removeprefix(header)


def type_name(name: str) -> str:
    """SQL's own name of a type that the driver names as the catalogue does."""
    short = {"int2": "smallint", "int4": "integer", "int8": "bigint", "bool": "boolean"}
    plain = name.removesuffix("[]").removeprefix("_")
    return short.get(plain, plain) + ("[]" if plain != name else "")


def test_every_statement_is_used() -> None:
    source = "\n".join(path.read_text() for path in (PACKAGE / "record").glob("*.py"))
    scans = {f"scan_{table}" for table in COVERED}
    assert [name for name in STATEMENTS if name not in scans and f'"{name}"' not in source] == []
    assert scans <= set(STATEMENTS)


def test_migrations_are_beside_the_package() -> None:
    assert (migrations_folder() / "0001_append_only.sql").exists()
