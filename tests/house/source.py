"""Reads the package's own source for the rules that no tool checks."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "instant_credit"
PURE_ROOMS = ("access", "application", "features", "score", "policy", "outcome", "decision", "experiment", "market")


@cache
def modules() -> dict[Path, ast.Module]:
    """Every module of the package with its syntax tree."""
    return {path: ast.parse(path.read_text(), str(path)) for path in sorted(PACKAGE.rglob("*.py"))}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported_roots(tree: ast.Module) -> set[str]:
    """Top-level names of everything a module imports, wherever the import stands."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
