"""Docstrings: the sections that the house knows."""

import ast
import re

from tests.house.source import modules, name_of

SECTIONS = {"Parameters", "Attributes", "Returns", "Raises", "Source"}
_HEAD = re.compile(r"^ *(\w+)\n *(-{3,})$", re.MULTILINE)


def test_every_section_of_a_docstring_has_one_name_in_the_whole_house() -> None:
    odd = {
        f"{name_of(path)}: {head}"
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        for head, rule in _HEAD.findall(ast.get_docstring(node) or "")
        if head not in SECTIONS or len(rule) != len(head)
    }
    assert not odd
