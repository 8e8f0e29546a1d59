"""Who owns transactions: a write is one statement, and nobody outside the record opens a connection to it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import instant_credit

PACKAGE = Path(instant_credit.__file__).parent


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield str(path.relative_to(PACKAGE)), ast.parse(path.read_text(encoding="utf-8"))


def calls(tree: ast.AST, method: str) -> int:
    return sum(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method
        for node in ast.walk(tree)
    )


def test_migrations_and_what_reads_at_one_instant_alone_open_a_transaction() -> None:
    named = [name for name, tree in modules() if calls(tree, "transaction")]
    assert named == ["record/migrate.py", "record/scanning.py"]


def test_nobody_outside_the_record_opens_a_connection() -> None:
    named = [name for name, tree in modules() if calls(tree, "connection") or calls(tree, "acquire")]
    assert named
    assert [name for name in named if not name.startswith("record/")] == []


def test_a_function_writes_by_one_statement() -> None:
    writing = 0
    for name, tree in modules():
        for function in ast.walk(tree):
            if isinstance(function, ast.AsyncFunctionDef | ast.FunctionDef) and name != "record/migrate.py":
                statements = [
                    node.args[0].value
                    for node in ast.walk(function)
                    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "read_sql"
                    if isinstance(node.args[0], ast.Constant)
                ]
                written = [statement for statement in statements if str(statement).startswith("insert_")]
                writing += len(written)
                assert len(written) <= 1, f"{name}: {function.name} writes by {written}"
    assert writing >= 6
