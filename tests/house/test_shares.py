from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.shares import deal_shares

MODULES = st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=20)


def make_items(modules: list[tuple[int, bool]]) -> list[Any]:
    """Items of modules with so many tests, of which the last is long or none is."""
    return [
        SimpleNamespace(
            path=Path(f"test_{place}.py"),
            number=number,
            get_closest_marker=lambda _, told=is_long and number == tests - 1: told,
        )
        for place, (tests, is_long) in enumerate(modules)
        for number in range(tests)
    ]


@given(modules=MODULES, workers=st.integers(1, 4))
def test_every_test_is_dealt_once(modules: list[tuple[int, bool]], workers: int) -> None:
    items = make_items(modules)
    assert sorted(map(id, deal_shares(items, workers))) == sorted(map(id, items))


def test_every_share_is_as_large_and_begins_with_long_modules_in_turns() -> None:
    items = make_items([(3, False), (2, True), (4, False), (1, True), (2, False)])
    dealt = [(item.path.stem, item.number) for item in deal_shares(items, 2)]
    first, second = dealt[:6], dealt[6:]
    assert first == [("test_1", 0), ("test_1", 1), ("test_0", 0), ("test_0", 1), ("test_0", 2), ("test_2", 0)]
    assert second == [("test_3", 0), ("test_2", 1), ("test_2", 2), ("test_2", 3), ("test_4", 0), ("test_4", 1)]
