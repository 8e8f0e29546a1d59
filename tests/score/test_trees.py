"""Tree tables are checked as they are made."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from instant_credit.errors import Refused
from instant_credit.score.trees import ARRAY_NAMES, BORDERS_MAX, TreeTables
from tests.budget import examples
from tests.score.forests import Forest, forests


def fields() -> dict[str, Any]:
    """A number with two borders, a category with two codes; one tree of each depth 0, 1, 2."""
    return {
        "is_category": np.array([False, True]),
        "nan_is_above": np.array([False, False]),
        "border_offsets": np.array([0, 2, 4], dtype=np.int32),
        "borders": np.array([-0.5, 1.5, -1.0, 3.0], dtype=np.float32),
        "depths": np.array([0, 1, 2], dtype=np.int32),
        "split_features": np.array([0, 1, 0], dtype=np.int32),
        "split_borders": np.array([1, 0, 0], dtype=np.int32),
        "leaf_values": np.arange(7.0),
        "leaf_weights": np.ones(7),
    }


WRONG: list[tuple[str, Any, str]] = [
    ("is_category", [False, True], "one-dimensional"),
    ("is_category", np.zeros((1, 2), dtype=np.bool_), "one-dimensional"),
    ("borders", np.zeros(4), "float32"),
    ("leaf_values", np.arange(14.0)[::2], "contiguous"),
    ("is_category", np.zeros(0, dtype=np.bool_), "1 to 5000 features"),
    ("nan_is_above", np.zeros(3, dtype=np.bool_), "2 entries"),
    ("border_offsets", np.array([0, 4], dtype=np.int32), "3 entries"),
    ("border_offsets", np.array([1, 2, 4], dtype=np.int32), "first 0"),
    ("border_offsets", np.array([0, 5, 4], dtype=np.int32), "fall"),
    ("border_offsets", np.array([0, 2, 3], dtype=np.int32), "borders must have 3"),
    ("borders", np.array([-0.5, np.nan, -1.0, 3.0], dtype=np.float32), "finite"),
    ("borders", np.array([-0.5, -0.5, -1.0, 3.0], dtype=np.float32), "rise strictly"),
    ("borders", np.array([-0.5, 1.5, 0.5, 3.0], dtype=np.float32), "whole codes"),
    ("borders", np.array([-0.5, 1.5, -2.0, 3.0], dtype=np.float32), "whole codes"),
    ("borders", np.array([-0.5, 1.5, -1.0, 250.0], dtype=np.float32), "whole codes"),
    ("depths", np.zeros(0, dtype=np.int32), "1 to 10000 trees"),
    ("depths", np.array([0, 1, 9], dtype=np.int32), "between 0 and 8"),
    ("depths", np.array([0, 1, -1], dtype=np.int32), "between 0 and 8"),
    ("split_features", np.zeros(2, dtype=np.int32), "3 entries"),
    ("split_borders", np.zeros(4, dtype=np.int32), "3 entries"),
    ("split_features", np.array([0, 1, 2], dtype=np.int32), "features of the model"),
    ("split_features", np.array([0, 1, -1], dtype=np.int32), "features of the model"),
    ("split_borders", np.array([2, 0, 0], dtype=np.int32), "within the feature's borders"),
    ("split_borders", np.array([-1, 0, 0], dtype=np.int32), "within the feature's borders"),
    ("leaf_values", np.arange(8.0), "7 entries"),
    ("leaf_weights", np.ones(6), "7 entries"),
    ("leaf_values", np.array([0, 1, 2, 3, 4, 5, np.inf]), "finite"),
    ("leaf_weights", np.array([1, 1, 1, 1, 1, 1, -1.0]), "not negative"),
    ("leaf_weights", np.array([1, 1, 1, 1, 1, 1, np.nan]), "finite"),
    ("scale", 0.0, "above 0"),
    ("scale", float("nan"), "finite"),
    ("bias", float("inf"), "finite"),
]


@pytest.mark.parametrize(("name", "value", "words"), WRONG)
def test_a_wrong_array_is_refused_by_name(name: str, value: Any, words: str) -> None:
    with pytest.raises(Refused, match=words):
        TreeTables(**{**fields(), name: value})


def test_tables_cannot_be_written_to() -> None:
    tables = TreeTables(**fields())
    for name in ARRAY_NAMES:
        with pytest.raises(ValueError, match="read-only"):
            getattr(tables, name)[0] = 0


def test_counts_and_offsets_say_where_trees_start() -> None:
    tables = TreeTables(**fields())
    assert (tables.feature_count, tables.tree_count) == (2, 3)
    assert tables.split_offsets.tolist() == [0, 0, 1, 3]
    assert tables.leaf_offsets.tolist() == [0, 1, 3, 7]


@examples(40)
@given(forests())
def test_well_formed_tables_are_taken(forest: Forest) -> None:
    assert forest[0].leaf_offsets[-1] == len(forest[0].leaf_values)


def test_borders_are_no_more_than_all_splits_together_can_ask_about() -> None:
    more = {
        "border_offsets": np.array([0, BORDERS_MAX - 1, BORDERS_MAX + 1], dtype=np.int32),
        "borders": np.append(np.arange(BORDERS_MAX - 1), [-1, 3]).astype(np.float32),
    }
    with pytest.raises(Refused, match="borders must have at most 80000"):
        TreeTables(**{**fields(), **more})
