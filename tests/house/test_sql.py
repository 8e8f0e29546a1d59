"""How SQL is written: one statement a file, headed, parameterised, never built from strings."""

import ast
import re

from tests.house.source import PACKAGE, ROOT, modules, name_of

STATEMENT = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM)\b .+", re.DOTALL)


def test_each_statement_has_a_header_and_explicit_columns() -> None:
    files = sorted((PACKAGE / "record" / "sql").glob("*.sql"))
    assert files
    for path in files:
        text = path.read_text()
        assert text.startswith("-- "), path.name
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


def test_migrations_are_numbered_without_gaps_and_bound_their_locks() -> None:
    files = sorted((ROOT / "migrations").glob("*.sql"))
    assert [int(f.name[:4]) for f in files] == list(range(1, len(files) + 1))
