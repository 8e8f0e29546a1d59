"""The proof of a bundle: what its trees must be and give, shown again wherever it is loaded.

    tables, directions -> every neighbouring pair of leaves along every directed variable -> faults
    tables             -> leaves that some row can reach -> bounds of raw score and pd
    tables, seed       -> golden rows out of the tables' own borders -> raw scores and contributions -> pds and points

*Directions.* A row's answers to the questions about one variable rise with its value: below every border all are no, and each border
passed turns one to yes. A missing value stands at one end of that order (`nan_is_above`), so it is on the walk. A variable keeps its
direction when no step of that walk, everything else fixed, moves a leaf's value the wrong way. What holds for each tree holds for
their sum, bit by bit: rounding never turns the order of two sums. The tolerance is 0.

*Reach.* A leaf that no row can fall into (`leaves.py`) has no part in directions or bounds.

*Golden rows* are invented: each value is a border, the next float above or below it, missing, or a category's code, drawn from a seed
so that few rows fall into nearly every leaf (`golden.py`). Every code of the segments is among them, so that each calibration shows.

*Digests* cover what golden rows may not meet: a leaf that none falls into, an end of the points scale that none comes to.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.application.product import Direction
from instant_credit.errors import Refused
from instant_credit.score.bundle import Bundle, Proof, digest_calibration, digest_tables
from instant_credit.score.calibration import Calibration, estimate_pds, pd_to_ppm
from instant_credit.score.golden import draw_golden_rows
from instant_credit.score.leaves import group_trees
from instant_credit.score.model import CompiledModel, compile_model, explain_row, explain_rows
from instant_credit.score.points import points_at
from instant_credit.score.trees import TreeTables

_SIGNS: Final = {Direction.INCREASING: 1.0, Direction.DECREASING: -1.0, Direction.FREE: 0.0}
_MOVES: Final = {Direction.INCREASING: ("falls", "rise"), Direction.DECREASING: ("rises", "fall")}
_PROBLEMS_TOLD: Final = 20


class DirectionFault(Struct, frozen=True, kw_only=True):
    """A tree that moves the wrong way: by up to `by` log-odds along `variable` (its position in the matrix)."""

    tree: int
    variable: int
    by: float


def find_direction_faults(tables: TreeTables, directions: Sequence[Direction]) -> list[DirectionFault]:
    """Every tree and directed variable that breaks its direction somewhere, by tree, then variable.

    Parameters
    ----------
    directions : m directions, in the order of the features.

    Raises
    ------
    Refused : a category has a direction; its codes have no order.
    """
    signs = np.array([_SIGNS[direction] for direction in directions])
    if bool(np.any(tables.is_category & (signs != 0.0))):
        raise Refused("model directions: a category has no order, so its direction must be free")
    faults: dict[tuple[int, int], float] = {}
    for group in group_trees(tables):
        for bit in range(group.depth):
            sign = signs[group.features[:, bit]]
            step = group.step_of(bit)
            leaf = np.arange(1 << group.depth)
            above = leaf | step[:, None]
            is_walked = (leaf & (1 << bit) == 0) & group.reachable & np.take_along_axis(group.reachable, above, axis=1)
            moves = (np.take_along_axis(group.values, above, axis=1) - group.values) * sign[:, None]
            worst = np.where(is_walked, moves, 0.0).min(axis=1) * tables.scale
            for t in np.flatnonzero(worst < 0.0).tolist():
                key = (int(group.trees[t]), int(group.features[t, bit]))
                faults[key] = max(faults.get(key, 0.0), -float(worst[t]))
    return [DirectionFault(tree=tree, variable=variable, by=by) for (tree, variable), by in sorted(faults.items())]


def verify_directions(
    tables: TreeTables, directions: Sequence[Direction], variables: Sequence[str] | None = None
) -> list[str]:
    """One sentence for each tree and directed variable that breaks its direction; empty when all hold exactly.

    Parameters
    ----------
    variables : m names for the sentences; by default positions.
    """
    told = []
    for fault in find_direction_faults(tables, directions):
        name = f"variable {fault.variable}" if variables is None else variables[fault.variable]
        moves, must = _MOVES[directions[fault.variable]]
        told.append(f"tree {fault.tree} {moves} with {name} by up to {fault.by:.3g} where it must {must}")
    return told


def make_proof(bundle: Bundle, seed: int = 0) -> Proof:
    """The proof of a bundle's tables, directions, calibrations and points scale; the bundle's own proof has no part in it.

    Parameters
    ----------
    seed : of the golden rows; equal seeds give equal proofs.

    Raises
    ------
    Refused : a tree breaks a direction.
    """
    faults = verify_directions(bundle.tables, bundle.directions, bundle.variables)
    if faults:
        raise Refused(f"model: {tell_problems(faults)}; train it again with these directions")
    tables = bundle.tables
    drawn = draw_golden_rows(tables, [len(names) for names in bundle.categories], seed, bundle.segment_position)
    raws, contributions = explain_rows(compile_model(tables), drawn.rows)
    raw_min, raw_max = bound_raw_scores(tables)
    pd_ppm_min, pd_ppm_max = _bound_pds(bundle.calibrations, raw_min, raw_max)
    pds, points = estimate_golden_rows(bundle, drawn.rows, raws)
    return Proof(
        tables_digest=digest_tables(tables),
        calibration_digest=digest_calibration(bundle),
        raw_min=raw_min,
        raw_max=raw_max,
        pd_ppm_min=pd_ppm_min,
        pd_ppm_max=pd_ppm_max,
        leaves_reachable=drawn.leaves_reachable,
        leaves_reached=drawn.leaves_reached,
        rows=len(drawn.rows),
        golden_rows=drawn.rows.astype("<f4", copy=False).tobytes(),
        golden_raws=raws.astype("<f8", copy=False).tobytes(),
        golden_contributions=contributions.astype("<f8", copy=False).tobytes(),
        golden_pds=pds.astype("<f8", copy=False).tobytes(),
        golden_points=points,
    )


def prove_bundle(bundle: Bundle) -> Bundle:
    """The same bundle with its proof. Raises Refused as `make_proof` does."""
    return msgspec.structs.replace(bundle, proof=make_proof(bundle))


def golden_rows(bundle: Bundle) -> NDArray[np.float32]:
    """The golden rows of a bundle's proof, float32[g, m]."""
    assert bundle.proof is not None
    return np.frombuffer(bundle.proof.golden_rows, dtype="<f4").astype(np.float32).reshape(bundle.proof.rows, -1)


def tell_problems(problems: Sequence[str]) -> str:
    """The problems as one line, the first 20 of them in words."""
    more = len(problems) - _PROBLEMS_TOLD
    return "; ".join(problems[:_PROBLEMS_TOLD]) + (f"; and {more} more" if more > 0 else "")


def check_proof(bundle: Bundle, model: CompiledModel | None = None) -> None:
    """Prove a bundle on this machine.

    Parameters
    ----------
    model : `compile_model(bundle.tables)` (path-dependent), when it is at hand.

    Raises
    ------
    Refused : the bundle has no proof, or something of it does not hold; the message names everything that failed.
    """
    if bundle.proof is None:
        raise Refused("model: it has no proof; train it again")
    problems = [*_check_tables(bundle, bundle.proof)]
    problems.extend(_check_golden_rows(bundle, bundle.proof, model or compile_model(bundle.tables)))
    if problems:
        raise Refused(f"model: it does not prove itself: {tell_problems(problems)}")


def bound_raw_scores(tables: TreeTables) -> tuple[float, float]:
    """Lowest and highest raw score, in log-odds, that sums in tree order over reachable leaves can give.

    Each is itself such a sum, added and rounded as a row's score is; rounding never turns an order, so no row lies outside.
    """
    lowest, highest = np.empty(tables.tree_count), np.empty(tables.tree_count)
    for group in group_trees(tables):
        lowest[group.trees] = np.where(group.reachable, group.values, np.inf).min(axis=1)
        highest[group.trees] = np.where(group.reachable, group.values, -np.inf).max(axis=1)
    # cumsum adds from left to right, one tree at a time.
    low, high = (float(np.cumsum(each)[-1] * tables.scale + tables.bias) for each in (lowest, highest))
    return low, high


def _bound_pds(calibrations: Sequence[Calibration], raw_min: float, raw_max: float) -> tuple[int, int]:
    bounds = np.array([raw_min, raw_max])
    pds = [estimate_pds(calibration, bounds).tolist() for calibration in calibrations]
    return pd_to_ppm(min(low for low, _ in pds)), pd_to_ppm(max(high for _, high in pds))


def _check_tables(bundle: Bundle, proof: Proof) -> Iterator[str]:
    if digest_tables(bundle.tables) != proof.tables_digest:
        yield "its trees differ from their recorded digest"
    yield from verify_directions(bundle.tables, bundle.directions, bundle.variables)
    if digest_calibration(bundle) != proof.calibration_digest:
        yield "its calibrations or points scale differ from their recorded digest"
    bounds = bound_raw_scores(bundle.tables)
    if bounds != (proof.raw_min, proof.raw_max):
        yield (
            f"its raw scores lie between {bounds[0]!r} and {bounds[1]!r}, recorded "
            f"{proof.raw_min!r} and {proof.raw_max!r}"
        )
    pds = _bound_pds(bundle.calibrations, *bounds)
    if pds != (proof.pd_ppm_min, proof.pd_ppm_max):
        yield (f"its pds lie between {pds[0]} and {pds[1]} ppm, recorded {proof.pd_ppm_min} and {proof.pd_ppm_max}")


def _check_golden_rows(bundle: Bundle, proof: Proof, model: CompiledModel) -> list[str]:
    """Each golden row must score, explain, calibrate and count points as recorded, bit by bit."""
    recorded_raws = np.frombuffer(proof.golden_raws, dtype="<f8")
    recorded = np.frombuffer(proof.golden_contributions, dtype="<f8").reshape(proof.rows, -1)
    rows = golden_rows(bundle)
    raws, contributions, problems = explain_golden_rows(model, rows)
    for i in np.flatnonzero(_bits(raws) != _bits(recorded_raws)).tolist():
        problems.append(f"golden row {i} scores {float(raws[i])!r}, recorded {float(recorded_raws[i])!r}")
    problems.extend(check_contributions(contributions, recorded, bundle.variables))
    recorded_pds = np.frombuffer(proof.golden_pds, dtype="<f8")
    pds, points = estimate_golden_rows(bundle, rows, raws)
    for i in np.flatnonzero(_bits(pds) != _bits(recorded_pds)).tolist():
        problems.append(f"golden row {i} has a pd of {float(pds[i])!r}, recorded {float(recorded_pds[i])!r}")
    for i, (own, told) in enumerate(zip(points, proof.golden_points, strict=True)):
        if own != told:
            problems.append(f"golden row {i} has {own} points, recorded {told}")
    return problems


def estimate_golden_rows(
    bundle: Bundle, rows: NDArray[np.float32], raws: NDArray[np.float64]
) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """Pds float64[g] and points of golden rows float32[g, m] with raw scores float64[g], each by its segment's calibration."""
    log_odds, pds = bundle.calibrate(raws, rows)
    return pds, tuple(points_at(bundle.scale, one) for one in log_odds.tolist())


def explain_golden_rows(
    model: CompiledModel, rows: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Raw scores float64[g] and contributions float64[g, m] of golden rows, and a sentence for each row that has others alone."""
    raws, contributions = explain_rows(model, rows)
    told = []
    for i, row in enumerate(rows):
        alone = explain_row(model, row)
        is_same = alone.raw == raws[i] and bool(np.all(_bits(alone.contributions) == _bits(contributions[i])))
        if not is_same:
            told.append(f"golden row {i} scores or is explained otherwise alone than among all")
    return raws, contributions, told


def check_contributions(
    contributions: NDArray[np.float64], recorded: NDArray[np.float64], variables: Sequence[str]
) -> list[str]:
    """A sentence for each golden row whose contributions, of float64[g, m], are not bit by bit the recorded ones."""
    differs = _bits(contributions) != _bits(recorded)
    told = []
    for i in np.flatnonzero(differs.any(axis=1)).tolist():
        f = int(np.argmax(differs[i]))
        told.append(
            f"golden row {i} is explained with {float(contributions[i, f])!r} by {variables[f]}, "
            f"recorded {float(recorded[i, f])!r}"
        )
    return told


def _bits(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.ascontiguousarray(numbers, dtype=np.float64).view(np.int64)
