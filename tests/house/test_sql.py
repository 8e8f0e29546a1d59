"""How SQL is written: one statement a file, headed, parameterised, never built from strings."""

import ast
import itertools
import re
from pathlib import Path

from tests.house.source import PACKAGE, ROOT, modules, name_of

STATEMENT = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM)\b .+", re.DOTALL)


# A type as the headers write it, with brackets for an array.
TYPE = r"(?:boolean|smallint|integer|bigint|text|bytea|uuid|date|timestamptz|float8)(?:\[\])?"


def statements() -> list[Path]:
    found = sorted((PACKAGE / "record" / "sql").glob("*.sql"))
    assert found
    return found


def header_of(text: str) -> str:
    """The comment that a file opens with, without its dashes."""
    lines = itertools.takewhile(lambda line: line.startswith("--"), text.splitlines())
    return "\n".join(line.removeprefix("--").strip() for line in lines)


def typed_parameters(header: str) -> dict[int, str]:
    """What a header says of each `$n`: ``$1 text: book`` of one, ``$3..$4 cases: bucket smallint[], case_id uuid[]`` of a run."""
    said: dict[int, str] = {}
    marks = list(re.finditer(r"\$(\d+)(?:\.\.\$(\d+))?", header))
    for mark, following in itertools.zip_longest(marks, marks[1:]):
        text = header[mark.end() : following.start() if following else len(header)]
        first, last = int(mark[1]), int(mark[2] or mark[1])
        types = re.findall(rf"(?<![\w$]){TYPE}(?![\w\[])", text)[: last - first + 1]
        if mark[2] is None:
            types = types if re.match(rf" {TYPE}: ", text) else []
        said |= dict(zip(range(first, last + 1), types, strict=False))
    return said


def test_each_statement_says_its_purpose_and_the_type_of_every_parameter() -> None:
    for path in statements():
        text = path.read_text()
        header = header_of(text)
        assert re.match(r"Purpose: [a-z].*[.,:;]?", header), path.name
        body = text.splitlines()[len(header.splitlines()) :]
        used = {int(number) for number in re.findall(r"\$(\d+)", "\n".join(body))}
        assert set(typed_parameters(header)) == used, path.name


def test_a_header_that_leaves_out_a_parameter_or_its_type_is_found() -> None:
    assert typed_parameters("Purpose: x\n$1 text: book; $2 smallint[]: buckets") == {1: "text", 2: "smallint[]"}
    assert typed_parameters("Purpose: x\n$1: book; $2 smallint: bucket of a text") == {2: "smallint"}
    assert typed_parameters("$1 text: kind\n$2..$4 keys: a text[], b date[],\n  c uuid[]") == {
        1: "text", 2: "text[]", 3: "date[]", 4: "uuid[]",
    }  # fmt: skip
    assert typed_parameters("$2..$4 keys: a text[], b date[]") == {2: "text[]", 3: "date[]"}


def test_each_file_is_one_statement_with_explicit_columns() -> None:
    for path in statements():
        text = path.read_text()
        assert not re.search(r"SELECT\s+\*", text), path.name
        body = "\n".join(line for line in text.splitlines() if not line.startswith("--")).strip()
        outside_blocks = re.sub(r"\$\$.*?\$\$", "", body, flags=re.DOTALL)
        assert outside_blocks.count(";") <= 1 or path.name == "create_schema.sql", path.name


def test_python_holds_no_statement_built_from_strings() -> None:
    for path, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                text = "".join(part.value for part in node.values if isinstance(part, ast.Constant))
                assert not STATEMENT.match(text.strip()), f"{name_of(path)}:{node.lineno}"


def test_no_two_migrations_have_one_number() -> None:
    numbers = [int(path.name[:4]) for path in (ROOT / "migrations").glob("*.sql")]
    assert numbers
    assert len(set(numbers)) == len(numbers)
