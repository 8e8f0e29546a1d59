"""Registers of 512 bits against the portable path: the same bytes, whatever the model's shape and the number of rows."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from instant_credit.errors import Refused
from instant_credit.score import kernels, model
from instant_credit.score.lanes import kernels as lanes
from instant_credit.score.model import CompiledModel, compile_model, explain_row, explain_rows, leaf_counts, score_rows
from instant_credit.score.registers.kernels import IS_FIT
from instant_credit.score.trees import TreeTables, offsets_from_lengths, rank_codes
from tests.budget import examples
from tests.score.forests import draw_rows, grow_tables

ROOT = Path(__file__).parents[2]

needs_registers = pytest.mark.skipif(not IS_FIT, reason="this processor has no AVX-512 VBMI")


def assert_paths_agree(tables: TreeTables, matrix: NDArray[np.float32]) -> CompiledModel:
    counts = leaf_counts(compile_model(tables, simd=False), draw_rows(np.random.default_rng(4), tables, 9))
    wide, portable = (compile_model(tables, counts, simd=simd) for simd in (True, False))
    raw_scores, contributions = explain_rows(portable, matrix)
    found = explain_rows(wide, matrix)
    assert found[0].tobytes() == raw_scores.tobytes() == score_rows(wide, matrix).tobytes()
    assert found[1].tobytes() == contributions.tobytes()
    for i in range(0, len(matrix), 1 + len(matrix) // 20):
        one, other = explain_row(wide, matrix[i]), explain_row(portable, matrix[i])
        assert one.raw == other.raw == raw_scores[i]
        assert one.contributions.tobytes() == other.contributions.tobytes() == contributions[i].tobytes()
        assert one.adverse == other.adverse
    return wide


def with_values(tables: TreeTables, times: float) -> TreeTables:
    fields = {name: getattr(tables, name) for name in tables.__struct_fields__}
    return TreeTables(**{**fields, "leaf_values": tables.leaf_values * times})


def grow_wide(rng: np.random.Generator, features: int, borders: int, trees: int, depth: int) -> TreeTables:
    """Numbers alone, all of them asked for at every border or nearly so, all trees of one depth."""
    grid = np.linspace(-2, 2, borders, dtype=np.float32)
    splits = trees * depth
    return TreeTables(
        is_category=np.zeros(features, dtype=np.bool_),
        nan_is_above=rng.random(features) < 0.5,
        border_offsets=(np.arange(features + 1) * borders).astype(np.int32),
        borders=np.tile(grid, features),
        depths=np.full(trees, depth, dtype=np.int32),
        split_features=(np.arange(splits) % features).astype(np.int32),
        split_borders=rng.integers(0, borders, size=splits).astype(np.int32),
        leaf_values=rng.normal(size=trees << depth),
        leaf_weights=np.ones(trees << depth),
    )


@needs_registers
@examples(60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 300), st.integers(0, 8), st.integers(0, 1200))
def test_registers_give_the_bytes_of_the_portable_path(
    seed: int, features: int, trees: int, depth: int, n: int
) -> None:
    rng = np.random.default_rng(seed)
    tables = with_values(grow_tables(rng, features, trees, depth), 0.1)
    assert_paths_agree(tables, draw_rows(rng, tables, n))


@needs_registers
@pytest.mark.parametrize(
    ("features", "borders", "depth", "row_in_registers", "rows_in_registers"),
    [
        (256, 3, 6, True, True),
        (257, 3, 6, False, True),
        (3, 254, 6, True, True),
        (3, 255, 6, False, False),
        (9, 16, 7, True, False),
        (9, 240, 8, True, False),
    ],
)
def test_a_model_takes_registers_as_far_as_it_fits_them(
    features: int, borders: int, depth: int, row_in_registers: bool, rows_in_registers: bool
) -> None:
    rng = np.random.default_rng(borders)
    tables = grow_wide(rng, features, borders, 130, depth)
    wide = assert_paths_agree(tables, draw_rows(rng, tables, 200))
    assert (wide.row_kernel is lanes.explain_row) == row_in_registers
    assert (wide.in_lanes is not None) == rows_in_registers


@needs_registers
def test_contributions_too_large_for_limbs_take_the_portable_path() -> None:
    rng = np.random.default_rng(5)
    tables = grow_wide(rng, 3, 4, 2, 3)
    large = with_values(tables, 20.0)
    assert assert_paths_agree(large, draw_rows(rng, large, 100)).in_lanes is None


@needs_registers
@pytest.mark.parametrize("step", [-(2.0**-44), 2.0**-44, -7.9, 7.9])
def test_a_feature_of_every_tree_is_added_up_without_loss(step: float) -> None:
    """One unit below nothing fills every limb but the highest, and 7.9 log-odds nearly that one, in 60 trees one after another."""
    trees = 60
    tables = TreeTables(
        is_category=np.zeros(1, dtype=np.bool_),
        nan_is_above=np.zeros(1, dtype=np.bool_),
        border_offsets=offsets_from_lengths([1]).astype(np.int32),
        borders=np.zeros(1, dtype=np.float32),
        depths=np.ones(trees, dtype=np.int32),
        split_features=np.zeros(trees, dtype=np.int32),
        split_borders=np.zeros(trees, dtype=np.int32),
        leaf_values=np.tile([0.0, step], trees),
        leaf_weights=np.tile([1.0, 0.0], trees),
    )
    rows = np.array([[-1.0], [0.0], [1.0], [np.nan]] * 20, dtype=np.float32)
    wide = compile_model(tables, simd=True)
    assert wide.in_lanes is not None
    assert explain_rows(wide, rows)[1][:4, 0].tolist() == [0.0, 0.0, trees * round(step * 2**44) / 2**44, 0.0]
    assert_paths_agree(tables, rows)


@needs_registers
def test_rows_in_registers_may_be_read_only() -> None:
    rng = np.random.default_rng(6)
    tables = grow_tables(rng, 4, 9, 5)
    rows = draw_rows(rng, tables, 100)
    rows.flags.writeable = False
    assert_paths_agree(tables, rows)


def digest() -> str:
    """Of the scores and contributions of a seeded forest, by rows and row by row."""
    rng = np.random.default_rng(8)
    tables = grow_tables(rng, 9, 150, 6)
    rows = draw_rows(rng, tables, 700)
    compiled = compile_model(tables, leaf_counts(compile_model(tables), rows[:50]))
    found = hashlib.sha256()
    for array in explain_rows(compiled, rows):
        found.update(array.tobytes())
    for row in rows:
        found.update(explain_row(compiled, row).contributions.tobytes())
    return found.hexdigest()


@pytest.mark.long
def test_another_processor_gives_the_same_bytes(tmp_path: Path) -> None:
    """Kernels compiled for the least of the processors of this kind."""
    environment = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CACHE_DIR": str(tmp_path)}
    code = "from tests.score.test_lanes import IS_FIT, digest; print(IS_FIT, digest())"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    assert run.stdout.split() == ["False", digest()]


def test_registers_are_refused_where_the_processor_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "IS_FIT", False)
    tables = grow_tables(np.random.default_rng(7), 3, 4, 3)
    with pytest.raises(Refused, match="no AVX-512 VBMI"):
        compile_model(tables, simd=True)
    portable = compile_model(tables)
    assert portable.row_kernel is kernels.explain_row
    assert portable.in_lanes is None


def order_categories(rng: np.random.Generator, tables: TreeTables) -> TreeTables:
    """The same trees, with an order of eight codes and a missing one for half of the numbers."""
    is_ordered = ~tables.is_category & (rng.random(tables.feature_count) < 0.5)
    ranks = tuple(tuple(rng.permutation(9).tolist()) if yes else () for yes in is_ordered)
    fields = {name: getattr(tables, name) for name in tables.__struct_fields__}
    borders = tables.borders.copy()
    for f in np.flatnonzero(is_ordered):
        here = slice(tables.border_offsets[f], tables.border_offsets[f + 1])
        borders[here] = np.arange(len(borders[here]), dtype=np.float32) + 0.5
    fields |= {"borders": borders, "nan_is_above": tables.nan_is_above & ~is_ordered}
    return TreeTables(**{**fields, "code_ranks": ranks if is_ordered.any() else ()})


@pytest.mark.parametrize("simd", [None, False])
@pytest.mark.parametrize("seed", range(12))
def test_an_ordered_category_counts_by_its_rank(seed: int, simd: bool | None) -> None:
    rng = np.random.default_rng(seed)
    tables = order_categories(rng, with_values(grow_tables(rng, 7, 90, 6), 0.1))
    rows = draw_rows(rng, tables, 200)
    for f in tables.ordered:
        rows[:, f] = rng.integers(-1, 8, size=len(rows))
    fields = {name: getattr(tables, name) for name in tables.__struct_fields__}
    plain = compile_model(TreeTables(**{**fields, "code_ranks": ()}), simd=False)
    ranked = compile_model(tables, simd=simd)
    expected = explain_rows(plain, rank_codes(tables, rows))
    for n in (5, len(rows)):
        found = explain_rows(ranked, rows[:n])
        assert found[0].tobytes() == expected[0][:n].tobytes() == score_rows(ranked, rows[:n]).tobytes()
        assert found[1].tobytes() == expected[1][:n].tobytes()
    for i, row in enumerate(rows[:40]):
        assert explain_row(ranked, row).contributions.tobytes() == expected[1][i].tobytes()
    assert leaf_counts(ranked, rows).tolist() == leaf_counts(plain, rank_codes(tables, rows)).tolist()


@pytest.mark.parametrize("simd", [None, False])
@pytest.mark.parametrize("code", [np.nan, np.inf, -np.inf, -2.0, 8.0, 1e30])
def test_what_is_no_code_has_the_rank_of_a_missing_one(code: float, simd: bool | None) -> None:
    rng = np.random.default_rng(3)
    tables = order_categories(rng, with_values(grow_tables(rng, 7, 90, 6), 0.1))
    rows = np.zeros((20, 7), dtype=np.float32)
    rows[:, list(tables.ordered)] = -1.0
    missing = explain_rows(compile_model(tables, simd=simd), rows)
    rows[:, list(tables.ordered)] = code
    found = explain_rows(compile_model(tables, simd=simd), rows)
    assert found[0].tobytes() == missing[0].tobytes()
    assert found[1].tobytes() == missing[1].tobytes()
