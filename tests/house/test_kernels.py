"""How a kernel is declared, and that it has its slow twin."""

import ast

from tests.house.source import ROOT, functions, modules, name_of

ARGUMENTS_MAX = 8
KEYWORDS = {"cache": True, "error_model": "numpy", "fastmath": False}


def kernels() -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef, ast.Call]]:
    found = []
    for path, tree in modules().items():
        if path.stem != "kernels":
            continue
        for node in functions(tree):
            for mark in node.decorator_list:
                call = mark if isinstance(mark, ast.Call) else None
                name = call.func if call else mark
                if isinstance(name, ast.Name) and name.id in {"njit", "jit", "vectorize", "guvectorize"}:
                    assert call is not None, f"{name_of(path)}:{node.name} declares no signature"
                    assert name.id == "njit", f"{name_of(path)}:{node.name}"
                    found.append((name_of(path), node, call))
    return found


def test_kernels_declare_signature_cache_and_error_model() -> None:
    assert kernels()
    for path, node, call in kernels():
        assert call.args, f"{path}:{node.name} declares no signature"
        said = {k.arg: k.value.value for k in call.keywords if isinstance(k.value, ast.Constant)}
        assert {key: said.get(key) for key in KEYWORDS} == KEYWORDS, f"{path}:{node.name}"
        assert "parallel" not in said, f"{path}:{node.name}"


def test_kernels_take_few_arguments() -> None:
    wide = {
        f"{path}:{node.name}": len(node.args.args) for path, node, _ in kernels() if len(node.args.args) > ARGUMENTS_MAX
    }
    assert not wide


def test_every_kernel_has_a_naive_twin() -> None:
    twins = {n.name for p in (ROOT / "tests" / "naive").glob("*.py") for n in functions(ast.parse(p.read_text()))}
    missing = [
        f"{path}:{node.name}"
        for path, node, _ in kernels()
        if not node.name.startswith("_") and f"naive_{node.name}" not in twins
    ]
    assert not missing
