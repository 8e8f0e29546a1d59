"""Ordered categories: their codes have ranks, and splits ask for ranks."""

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.application.product import Direction
from instant_credit.errors import BrokenInvariant, Refused
from instant_credit.score.bundle import Bundle, decode_bundle, digest_tables, encode_bundle
from instant_credit.score.calibration import Calibration
from instant_credit.score.engine_1 import compile_engine_1
from instant_credit.score.model import compile_model, explain_row, explain_rows, leaf_counts, score_rows
from instant_credit.score.proof import bound_raw_scores, check_proof, golden_rows, prove_bundle
from instant_credit.score.trees import TreeTables, offsets_from_lengths, rank_codes
from tests.naive.proof import naive_reachable
from tests.naive.trees import naive_count_leaves, naive_explain_rows, naive_score_rows


def grow_ordered(rng: np.random.Generator) -> TreeTables:
    """Numbers (every second feature) and ordered categories, trees up to four deep."""
    features = int(rng.integers(2, 5))
    ranks = [tuple(rng.permutation(rng.integers(2, 7)).tolist()) if f % 2 else () for f in range(features)]
    borders = [
        np.sort(rng.choice(len(one) - 1, size=rng.integers(1, len(one)), replace=False)) + 0.5
        if one
        else np.array([-0.5, 0.5])
        for one in ranks
    ]
    depths = rng.integers(0, 5, size=4).astype(np.int32)
    split_features = rng.integers(0, features, size=depths.sum()).astype(np.int32)
    leaves = int((2 ** depths.astype(np.int64)).sum())
    return TreeTables(
        is_category=np.zeros(features, dtype=np.bool_),
        nan_is_above=np.array([not one for one in ranks]),
        border_offsets=offsets_from_lengths([len(one) for one in borders]).astype(np.int32),
        borders=np.concatenate(borders).astype(np.float32),
        depths=depths,
        split_features=split_features,
        split_borders=np.array([rng.integers(0, len(borders[f])) for f in split_features], dtype=np.int32),
        leaf_values=rng.normal(size=leaves),
        leaf_weights=rng.integers(1, 50, size=leaves).astype(np.float64),
        code_ranks=tuple(ranks),
    )


def draw_rows(rng: np.random.Generator, tables: TreeTables, n: int) -> np.ndarray:
    columns = [
        rng.integers(-1, len(ranks) - 1, n) if ranks else np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n))
        for ranks in tables.code_ranks
    ]
    return np.ascontiguousarray(np.column_stack(columns).astype(np.float32))


def bundle_of(tables: TreeTables) -> Bundle:
    m = tables.feature_count
    return Bundle(
        product_hash="a" * 64,
        variables=tuple(f"v{f}" for f in range(m)),
        categories=tuple(tuple(f"c{code}" for code in range(len(ranks) - 1)) for ranks in tables.code_ranks),
        directions=(Direction.FREE,) * m,
        tables=tables,
        calibration=Calibration(),
    )


SEEDS = st.integers(0, 2**32 - 1)
EXAMPLE = grow_ordered(np.random.default_rng(3))


@given(SEEDS, st.sampled_from([1, 3, 40, 200]))
def test_scores_contributions_and_counts_are_those_of_the_ranks(seed, n):
    rng = np.random.default_rng(seed)
    tables = grow_ordered(rng)
    matrix = draw_rows(rng, tables, n)
    plain = msgspec.structs.replace(tables, code_ranks=())
    model, ranked = compile_model(tables), rank_codes(tables, matrix)
    twin = compile_model(plain)
    assert score_rows(model, matrix).tobytes() == score_rows(twin, ranked).tobytes()
    assert [one.tobytes() for one in explain_rows(model, matrix)] == [
        one.tobytes() for one in explain_rows(twin, ranked)
    ]
    assert leaf_counts(model, matrix).tolist() == leaf_counts(twin, ranked).tolist()
    for row in matrix[:3]:
        alone, among = explain_row(model, row), explain_rows(model, matrix)
        place = int(np.flatnonzero((matrix.view(np.int32) == row.view(np.int32)).all(axis=1))[0])
        assert alone.raw == among[0][place]
        assert alone.contributions.tobytes() == among[1][place].tobytes()


@given(SEEDS)
def test_ranks_are_read_as_the_twin_reads_them(seed):
    rng = np.random.default_rng(seed)
    tables = grow_ordered(rng)
    matrix = draw_rows(rng, tables, 12)
    model = compile_model(tables)
    assert score_rows(model, matrix).tolist() == naive_score_rows(tables, matrix)
    assert explain_rows(model, matrix)[1] == pytest.approx(np.array(naive_explain_rows(tables, matrix)[1]), abs=1e-9)
    assert leaf_counts(model, matrix).tolist() == naive_count_leaves(tables, matrix)


@given(SEEDS)
def test_a_bundle_with_ranks_proves_itself_and_comes_back(seed):
    tables = grow_ordered(np.random.default_rng(seed))
    bundle = decode_bundle(encode_bundle(prove_bundle(bundle_of(tables))))
    assert bundle.tables.code_ranks == tables.code_ranks
    check_proof(bundle)
    rows = golden_rows(bundle)
    for f in tables.ordered:
        assert set(rows[:, f].tolist()) <= {float(code) for code in range(-1, len(tables.code_ranks[f]) - 1)}
    values = [naive_reachable(tables, tree).values() for tree in range(tables.tree_count)]
    low, high = (sum(each(one) for one in values) for each in (min, max))
    assert bound_raw_scores(tables) == pytest.approx((low, high))
    assert bundle.proof.leaves_reachable == sum(map(len, values))


def test_another_order_is_another_model():
    f = EXAMPLE.ordered[0]
    turned = [ranks[::-1] if place == f else ranks for place, ranks in enumerate(EXAMPLE.code_ranks)]
    other = msgspec.structs.replace(EXAMPLE, code_ranks=tuple(turned))
    assert digest_tables(other) != digest_tables(EXAMPLE)
    bundle = prove_bundle(bundle_of(EXAMPLE))
    with pytest.raises(Refused, match="digest"):
        check_proof(msgspec.structs.replace(bundle, tables=other))


def test_a_model_without_ranks_is_written_as_ever():
    number = msgspec.structs.replace(EXAMPLE, code_ranks=())
    bundle = msgspec.structs.replace(bundle_of(EXAMPLE), categories=((),) * number.feature_count, tables=number)
    assert "code_ranks" not in json.loads(encode_bundle(prove_bundle(bundle)))["tables"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ranks: ranks[:1], "entries"),
        (lambda ranks: [()] * len(ranks), "not all empty"),
        (lambda ranks: [ranks[0], (0, 0, *ranks[1][2:]), *ranks[2:]], "each rank"),
        (lambda ranks: [ranks[0], (0,), *ranks[2:]], "missing one"),
        (lambda ranks: [(1, 0), *ranks[1:]], "nan_is_above"),
    ],
)
def test_ranks_that_are_none_are_refused(change, words):
    with pytest.raises(Refused, match=words):
        msgspec.structs.replace(EXAMPLE, code_ranks=tuple(change(list(EXAMPLE.code_ranks))))


def test_borders_between_ranks_only():
    borders = EXAMPLE.borders.copy()
    borders[EXAMPLE.border_offsets[1]] += 0.25
    with pytest.raises(Refused, match="halfway"):
        msgspec.structs.replace(EXAMPLE, borders=borders)
    is_category = EXAMPLE.is_category.copy()
    is_category[1] = True
    with pytest.raises(Refused, match="code"):
        msgspec.structs.replace(EXAMPLE, is_category=is_category)


def test_ranks_fit_the_categories_of_the_bundle():
    bundle = bundle_of(EXAMPLE)
    more = tuple((*names, "more") if names else names for names in bundle.categories)
    with pytest.raises(Refused, match="rank for each category"):
        msgspec.structs.replace(bundle, categories=more)
    with pytest.raises(Refused, match="one place only"):
        msgspec.structs.replace(bundle, categories=((),) * len(more))


def test_engine_1_knows_no_ranks():
    with pytest.raises(BrokenInvariant, match="engine 1"):
        compile_engine_1(EXAMPLE)
