"""The proof: directions on the trees, bounds, golden rows; and that nothing else passes for it."""

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest
from catboost import CatBoostClassifier
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.application.product import Direction
from instant_credit.errors import Refused
from instant_credit.score import golden as golden_module
from instant_credit.score import proof as proof_module
from instant_credit.score.bundle import (
    GOLDEN_CELLS_MAX,
    GOLDEN_ROWS_MAX,
    GOLDEN_ROWS_MIN,
    Bundle,
    Proof,
    decode_bundle,
    encode_bundle,
)
from instant_credit.score.calibration import Calibration, estimate_pds, pd_to_ppm
from instant_credit.score.golden import CELLS_MAX, _prepare, draw_golden_rows
from instant_credit.score.leaves import find_leaves
from instant_credit.score.model import (
    CompiledModel,
    Explanation,
    compile_model,
    explain_row,
    explain_rows,
    score_rows,
)
from instant_credit.score.points import points_at
from instant_credit.score.proof import (
    bound_raw_scores,
    check_proof,
    find_direction_faults,
    golden_rows,
    make_proof,
    prove_bundle,
    verify_directions,
)
from instant_credit.score.trees import CODE_MAX, FEATURES_MAX, TreeTables
from instant_credit.training.fitting.compile import compile_catboost
from tests.budget import examples
from tests.naive.proof import naive_direction_faults, naive_reachable
from tests.naive.trees import naive_leaf
from tests.score.forests import Forest, forests
from tests.score.test_bundle import CATEGORIES, bundle_of
from tests.score.test_trees import fields

RISING, FALLING, FREE = Direction.INCREASING, Direction.DECREASING, Direction.FREE
FEATURES = 8
DIRECTIONS = [RISING, FALLING, FREE, RISING, FALLING, RISING, FREE, FALLING]
CONSTRAINTS = {RISING: 1, FALLING: -1, FREE: 0}


def draw_directions(data: st.DataObject, tables: TreeTables) -> list[Direction]:
    return [FREE if c else data.draw(st.sampled_from(list(Direction))) for c in tables.is_category]


@examples(60)
@given(forests(rows_max=0, depth_max=5), st.data())
def test_a_fault_is_found_exactly_where_one_rows_step_goes_the_wrong_way(forest: Forest, data: st.DataObject) -> None:
    tables = forest[0]
    directions = draw_directions(data, tables)
    found = {(fault.tree, fault.variable): fault.by for fault in find_direction_faults(tables, directions)}
    assert found == naive_direction_faults(tables, directions)


@given(forests(rows_max=0, depth_max=5))
def test_without_directions_there_are_no_faults(forest: Forest) -> None:
    tables = forest[0]
    assert verify_directions(tables, [FREE] * tables.feature_count) == []


def one_tree(values: Sequence[float], borders: Sequence[float] = (1.0, 2.0), **changed: Any) -> TreeTables:
    """A tree that asks its one feature about each border, bit 0 about the first."""
    told: dict[str, Any] = {
        "is_category": np.array([False]),
        "nan_is_above": np.array([False]),
        "border_offsets": np.array([0, len(set(borders))], dtype=np.int32),
        "borders": np.array(sorted(set(borders)), dtype=np.float32),
        "depths": np.array([len(borders)], dtype=np.int32),
        "split_features": np.zeros(len(borders), dtype=np.int32),
        "split_borders": np.array([sorted(set(borders)).index(b) for b in borders], dtype=np.int32),
        "leaf_values": np.array(values, dtype=np.float64),
        "leaf_weights": np.ones(1 << len(borders)),
    }
    return TreeTables(**{**told, **changed})


def test_a_fault_says_tree_variable_and_by_how_much() -> None:
    tables = one_tree([0.0, 3.0, 9.0, 1.0], scale=2.0)
    assert verify_directions(tables, [RISING], ["income"]) == ["tree 0 falls with income by up to 4 where it must rise"]
    assert verify_directions(tables, [FALLING]) == ["tree 0 rises with variable 0 by up to 6 where it must fall"]


def test_the_smallest_step_the_wrong_way_is_a_fault() -> None:
    assert find_direction_faults(one_tree([0.0, np.nextafter(0.5, 0.0), 0.0, 0.5]), [RISING]) == []
    assert len(find_direction_faults(one_tree([0.0, np.nextafter(0.5, 1.0), 0.0, 0.5]), [RISING])) == 1


def test_a_leaf_that_no_row_falls_into_breaks_no_direction() -> None:
    assert find_direction_faults(one_tree([0.0, 1.0, -9.0, 2.0]), [RISING]) == []


def test_a_question_asked_twice_turns_at_once() -> None:
    tables = one_tree([0.0, 5.0, -5.0, 1.0], (1.0, 1.0))
    assert find_direction_faults(tables, [RISING]) == []
    assert len(find_direction_faults(tables, [FALLING])) == 1


@pytest.mark.parametrize("is_above", [False, True])
def test_a_missing_value_stands_at_its_end_of_the_order(is_above: bool) -> None:
    """The bundle's missing answers are those of the lowest or the highest value, so a walk over values meets them."""
    tables = one_tree([0.0, 1.0, -9.0, 2.0], nan_is_above=np.array([is_above]))
    scores = score_rows(compile_model(tables), np.array([[-1.0], [1.5], [5.0], [np.nan]], dtype=np.float32))
    assert scores.tolist() == [0.0, 1.0, 2.0, 2.0 if is_above else 0.0]


def test_a_directed_category_is_refused() -> None:
    tables = TreeTables(**fields())
    with pytest.raises(Refused, match="a category has no order"):
        find_direction_faults(tables, [RISING, RISING])


@cache
def monotone_model(seed: int, depth: int, trees: int = 60) -> TreeTables:
    """What CatBoost makes of its own constraints on loans like LendingClub's: missing values, ties, skewed amounts."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(3000, FEATURES)).astype(np.float32)
    matrix[:, 0] = np.exp(matrix[:, 0] * 2 + 9).round(2)
    matrix[:, 1] = rng.poisson(0.4, len(matrix))
    matrix[:, 3] = np.round(matrix[:, 3], 1)
    margin = np.nan_to_num(matrix[:, 2] + matrix[:, 3] - matrix[:, 4] + 0.3 * np.log(matrix[:, 0]) - 3)
    matrix[rng.random(matrix.shape) < 0.15] = np.nan
    labels = (rng.random(len(matrix)) < 1 / (1 + np.exp(-margin))).astype(int)
    model = CatBoostClassifier(
        iterations=trees,
        depth=depth,
        learning_rate=0.2,
        l2_leaf_reg=1.0,
        monotone_constraints=[CONSTRAINTS[one] for one in DIRECTIONS],
        per_float_feature_quantization=["0:nan_mode=Max", "5:nan_mode=Max"],
        boosting_type="Plain",
        rsm=0.5,
        random_seed=seed,
        thread_count=1,
        allow_writing_files=False,
        verbose=False,
    )
    model.fit(matrix, labels)
    return compile_catboost(model, [str(i) for i in range(FEATURES)], [0] * FEATURES)


@pytest.mark.parametrize(("seed", "depth"), [(1, 1), (2, 3), (3, 4), (4, 6), (5, 8)])
def test_catboosts_monotone_models_hold_exactly(seed: int, depth: int) -> None:
    tables = monotone_model(seed, depth)
    assert verify_directions(tables, DIRECTIONS) == []
    assert verify_directions(tables, [RISING] * FEATURES)


@examples(200)
@given(st.data())
def test_what_is_verified_on_the_trees_holds_for_every_row(data: st.DataObject) -> None:
    tables = monotone_model(4, 6)
    model, f = compile_model(tables), data.draw(st.sampled_from([0, 1, 3, 4, 5, 7]))
    values = st.one_of(
        st.floats(-4, 4, width=32),
        st.sampled_from(tables.borders.tolist()),
        st.floats(0, 1e6, width=32),
        st.just(math.nan),
    )
    row = np.array([[data.draw(values) for _ in range(FEATURES)]] * 2, dtype=np.float32)
    row[1, f] = data.draw(values)
    order = np.where(np.isnan(row[:, f]), np.inf if tables.nan_is_above[f] else -np.inf, row[:, f])
    rows = np.ascontiguousarray(row[np.argsort(order, kind="stable")])
    before, after = score_rows(model, rows).tolist()
    assert (before <= after) if DIRECTIONS[f] is RISING else (before >= after)


@examples(60)
@given(forests(rows_max=40, depth_max=6))
def test_no_row_scores_outside_the_bounds(forest: Forest) -> None:
    tables, matrix = forest
    low, high = bound_raw_scores(tables)
    assert all(low <= raw <= high for raw in score_rows(compile_model(tables), matrix).tolist())
    lows, highs = 0.0, 0.0
    for tree in range(tables.tree_count):
        values = naive_reachable(tables, tree).values()
        lows, highs = lows + min(values), highs + max(values)
    assert (low, high) == (lows * tables.scale + tables.bias, highs * tables.scale + tables.bias)


@examples(30)
@given(forests(rows_max=0, depth_max=6), st.integers(0, 3))
def test_golden_rows_say_which_leaves_they_reach(forest: Forest, seed: int) -> None:
    bundle = bundle_of(forest[0], directions=(FREE,) * forest[0].feature_count)
    proof, tables = make_proof(bundle, seed), bundle.tables
    assert proof == make_proof(bundle, seed)
    rows = golden_rows(msgspec.structs.replace(bundle, proof=proof)).tolist()
    assert len(rows) == proof.rows <= GOLDEN_ROWS_MAX
    reached = {(tree, naive_leaf(tables, tree, row)) for row in rows for tree in range(tables.tree_count)}
    reachable = {(tree, leaf) for tree in range(tables.tree_count) for leaf in naive_reachable(tables, tree)}
    assert (len(reached), len(reachable)) == (proof.leaves_reached, proof.leaves_reachable)
    assert reached == reachable


def test_golden_rows_stand_on_borders_beside_them_and_on_nothing() -> None:
    bundle = prove_bundle(bundle_of(monotone_model(2, 3), directions=tuple(DIRECTIONS)))
    rows, tables = golden_rows(bundle), bundle.tables
    for f in range(FEATURES):
        borders = tables.borders[tables.border_offsets[f] : tables.border_offsets[f + 1]]
        beside = [np.nextafter(borders, np.float32(side)) for side in (-3e38, 3e38)]
        seen = rows[:, f]
        assert np.isin(seen[~np.isnan(seen)], np.concatenate([borders, *beside])).all()
        assert np.isnan(seen).any()
        assert all(np.isin(seen, values).any() for values in (borders, *beside))


def test_few_golden_rows_fall_into_nearly_every_leaf() -> None:
    proof = make_proof(bundle_of(monotone_model(4, 6), directions=tuple(DIRECTIONS)))
    assert proof.leaves_reached == proof.leaves_reachable
    assert proof.rows <= 220


def test_the_golden_rows_of_a_large_model_stay_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden_module, "GOLDEN_ROWS_MAX", 80)
    proof = make_proof(bundle_of(monotone_model(4, 6), directions=tuple(DIRECTIONS)))
    assert proof.rows == 80
    assert 0.8 * proof.leaves_reachable < proof.leaves_reached < proof.leaves_reachable


@examples(60)
@given(forests(rows_max=0, depth_max=5), st.integers(0, 2**32 - 1))
def test_a_feature_moves_to_where_a_row_falls_into_most_new_leaves(forest: Forest, seed: int) -> None:
    tables, chance = forest[0], np.random.default_rng(seed)
    counts = [len(CATEGORIES) if c else 0 for c in tables.is_category]
    f = int(chance.integers(tables.feature_count))
    feature = _prepare(tables, f, counts[f], chance)
    if not len(feature.trees):
        return
    is_new = chance.random(len(tables.leaf_values)) < 0.5
    row = np.array([chance.choice(_prepare(tables, g, counts[g], chance).values) for g in range(tables.feature_count)])
    others = (find_leaves(tables, row[None])[0] - tables.leaf_offsets[:-1])[feature.trees] & ~feature.masks
    places = (tables.leaf_offsets[feature.trees] + others)[feature.slots] + feature.bits
    chosen = feature.find_state(is_new[places].astype(np.float64), int(feature.states[0]))

    def count_new(value: float) -> int:
        leaves = [naive_leaf(tables, t, [*row[:f].tolist(), value, *row[f + 1 :].tolist()]) for t in feature.trees]
        return sum(is_new[tables.leaf_offsets[t] + leaf] for t, leaf in zip(feature.trees, leaves, strict=True))

    won = {int(state): count_new(value) for value, state in zip(feature.values.tolist(), feature.states, strict=True)}
    assert won[chosen] == max(won.values())
    moved = row.copy()
    moved[f] = feature.use(chosen)
    indices = find_leaves(tables, moved[None])[0] - tables.leaf_offsets[:-1]
    assert (others | feature.bits_at(chosen)).tolist() == indices[feature.trees].tolist()


@examples(40)
@given(forests(rows_max=20, depth_max=6))
def test_leaves_are_found_as_the_twin_finds_them(forest: Forest) -> None:
    tables, matrix = forest
    found = find_leaves(tables, matrix) - tables.leaf_offsets[:-1]
    assert found.tolist() == [[naive_leaf(tables, t, row) for t in range(tables.tree_count)] for row in matrix.tolist()]


def test_every_category_and_the_missing_one_is_among_the_golden_rows() -> None:
    bundle = example()
    assert set(golden_rows(bundle)[:, 1].tolist()) == {float(code) for code in range(-1, 7)}


@pytest.mark.parametrize("codes", [1, 7, 100, 250])
def test_every_code_of_the_segments_and_a_missing_one_is_among_the_golden_rows(codes: int) -> None:
    tables = TreeTables(**fields())
    drawn = draw_golden_rows(tables, [0, codes], 0, segment_position=1)
    assert set(drawn.rows[:, 1].tolist()) == set(range(-1, codes))
    assert max(64, codes + 1) <= len(drawn.rows) <= 64 + codes + 1
    reached = np.unique(find_leaves(tables, drawn.rows))
    assert drawn.leaves_reached == len(reached)


@examples(30)
@given(forests(rows_max=0, depth_max=6), st.integers(1, 250), st.data())
def test_codes_of_segments_never_make_more_rows_than_are_allowed(
    forest: Forest, codes: int, data: st.DataObject
) -> None:
    tables = forest[0]
    asked = [f for f in range(tables.feature_count) if tables.is_category[f]]
    if not asked:
        return
    counts = [len(CATEGORIES) if c else 0 for c in tables.is_category]
    position = data.draw(st.sampled_from(asked))
    counts[position] = max(codes, len(CATEGORIES))
    drawn = draw_golden_rows(tables, counts, 0, position)
    assert set(drawn.rows[:, position].tolist()) == set(range(-1, counts[position]))
    assert len(drawn.rows) <= GOLDEN_ROWS_MAX


@cache
def example() -> Bundle:
    bundle = bundle_of(TreeTables(**fields()), directions=(FREE, FREE))
    segments = (None, Calibration(slope=2.0, intercept=-1.0), *(None,) * 5)
    return prove_bundle(msgspec.structs.replace(bundle, segment_variable="variable_1", segment_calibrations=segments))


def test_a_proven_bundle_proves_itself_wherever_it_is_loaded() -> None:
    check_proof(example())
    check_proof(decode_bundle(encode_bundle(example())), compile_model(example().tables))


def test_no_pd_lies_outside_the_bounds_whatever_the_segment() -> None:
    bundle = example()
    raws = score_rows(compile_model(bundle.tables), golden_rows(bundle))
    proof = proof_of(bundle)
    for calibration in bundle.calibrations:
        for pd in estimate_pds(calibration, raws).tolist():
            assert proof.pd_ppm_min <= pd_to_ppm(pd) <= proof.pd_ppm_max


def proof_of(bundle: Bundle) -> Proof:
    assert bundle.proof is not None
    return bundle.proof


def with_proof(**fields: Any) -> Bundle:
    bundle = example()
    return msgspec.structs.replace(bundle, proof=msgspec.structs.replace(proof_of(bundle), **fields))


def with_tables(**arrays: Any) -> Bundle:
    bundle = example()
    fields = {name: getattr(bundle.tables, name) for name in TreeTables.__struct_fields__}
    return msgspec.structs.replace(bundle, tables=TreeTables(**{**fields, **arrays}))


def flipped(name: str, place: int) -> bytes:
    raw = bytearray(getattr(proof_of(example()), name))
    raw[place] ^= 1
    return bytes(raw)


def nudged(name: str) -> Any:
    values = getattr(example().tables, name).copy()
    values[-1] = np.nextafter(values[-1], np.inf)
    return values


BAD: dict[str, tuple[Callable[[], Bundle], str]] = {
    "leaf": (lambda: with_tables(leaf_values=nudged("leaf_values")), "trees differ from their recorded digest"),
    "cover": (lambda: with_tables(leaf_weights=np.arange(1.0, 8.0)), "is explained with .* by variable_"),
    "scale": (lambda: with_tables(scale=3.0), r"golden row \d+ scores .*, recorded "),
    "digest": (lambda: with_proof(tables_digest="0" * 64), "recorded digest"),
    "lower bound": (lambda: with_proof(raw_min=-1e9), "raw scores lie between"),
    "upper bound": (lambda: with_proof(raw_max=math.inf), "raw scores lie between"),
    "pd bound": (lambda: with_proof(pd_ppm_max=999_000), "pds lie between .* recorded .* and 999000"),
    "raw by one bit": (lambda: with_proof(golden_raws=flipped("golden_raws", 16)), "golden row 2 scores"),
    "contribution by one bit": (
        lambda: with_proof(golden_contributions=flipped("golden_contributions", 40)),
        "golden row 2 is explained with .* by variable_1, recorded",
    ),
    "calibration": (lambda: msgspec.structs.replace(example(), calibration=Calibration(slope=9.0)), "pds lie between"),
    "directions": (
        lambda: msgspec.structs.replace(example(), directions=(FALLING, FREE)),
        r"tree \d+ rises with variable_0 by up to .* where it must fall",
    ),
    "calibration digest": (lambda: with_proof(calibration_digest="0" * 64), "calibrations or points scale differ"),
    "pd by one bit": (
        lambda: with_proof(golden_pds=flipped("golden_pds", 24)),
        "golden row 3 has a pd of .*, recorded",
    ),
    "points": (
        lambda: with_proof(golden_points=(0, *proof_of(example()).golden_points[1:])),
        r"golden row 0 has \d+ points, recorded 0",
    ),
    "no proof": (lambda: msgspec.structs.replace(example(), proof=None), "has no proof"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bundle_that_is_not_what_was_trained_says_why(name: str) -> None:
    make, words = BAD[name]
    with pytest.raises(Refused, match=words):
        check_proof(make())


@pytest.mark.parametrize("field", ["raw", "contributions"])
def test_a_machine_on_which_a_row_alone_differs_from_itself_among_many_is_refused(
    field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explain_otherwise(model: CompiledModel, row: np.ndarray) -> Explanation:
        told = explain_row(model, row)
        fields = {name: getattr(told, name) for name in Explanation.__struct_fields__}
        return Explanation(**{**fields, field: np.nextafter(fields[field], np.inf)})

    monkeypatch.setattr(proof_module, "explain_row", explain_otherwise)
    with pytest.raises(Refused, match="golden row 0 scores or is explained otherwise alone than among all"):
        check_proof(example())


def test_everything_that_failed_is_told_at_once() -> None:
    with pytest.raises(Refused) as caught:
        check_proof(
            with_proof(tables_digest="0" * 64, raw_min=-1e9, golden_raws=bytes(len(proof_of(example()).golden_raws)))
        )
    assert all(words in str(caught.value) for words in ("digest", "raw scores", "golden row 0", "more"))


def test_a_model_that_breaks_its_directions_gets_no_proof() -> None:
    bundle = msgspec.structs.replace(example(), directions=(FALLING, FREE))
    with pytest.raises(Refused, match=r"rises with variable_0 .* train it again"):
        make_proof(bundle)


def test_a_very_wide_model_has_fewer_golden_rows() -> None:
    wide = dict(fields())
    m = 5000
    wide["is_category"] = np.append(np.zeros(m - 1, dtype=np.bool_), True)
    wide["nan_is_above"] = np.zeros(m, dtype=np.bool_)
    offsets = np.asarray(wide["border_offsets"])
    wide["border_offsets"] = np.concatenate([np.zeros(m - 1), [offsets[1], offsets[2]]]).astype(np.int32)
    wide["split_features"] = (np.asarray(wide["split_features"]) + m - 2).astype(np.int32)
    bundle = bundle_of(TreeTables(**wide), directions=(FREE,) * m)
    assert make_proof(bundle).rows <= 70


def test_the_golden_rows_score_and_explain_as_recorded() -> None:
    bundle, proof = example(), proof_of(example())
    raws, contributions = explain_rows(compile_model(bundle.tables), golden_rows(bundle))
    assert raws.tobytes() == proof.golden_raws
    assert contributions.tobytes() == proof.golden_contributions
    log_odds = [naive_log_odds(bundle, raw, row[1]) for raw, row in zip(raws, golden_rows(bundle), strict=True)]
    assert [points_at(bundle.scale, one) for one in log_odds] == list(proof.golden_points)
    naive = [1 / (1 + math.exp(-one)) for one in log_odds]
    assert np.frombuffer(proof.golden_pds).tolist() == pytest.approx(naive, rel=1e-12)


def naive_log_odds(bundle: Bundle, raw: float, code: float) -> float:
    own = (bundle.segment_calibrations[int(code)] if code >= 0 else None) or bundle.calibration
    return own.intercept + own.slope * raw


def test_a_proof_of_the_widest_model_with_most_segments_is_read() -> None:
    rows = GOLDEN_ROWS_MIN + CODE_MAX + 2
    assert rows <= GOLDEN_ROWS_MAX
    assert rows * FEATURES_MAX <= GOLDEN_CELLS_MAX
    assert CELLS_MAX <= GOLDEN_CELLS_MAX
