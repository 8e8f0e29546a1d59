"""Suite `scoring`: one row and 100,000 rows, scored and explained, beside everybody else who can do part of it.

Measured, for 300 and 1,000 trees of depth 6 over 60 numbers, on one thread:

- one row through the public Python call `explain_row`, from a ready float32 row: raw score, exact SHAP values against a reference
  population (interventional), and the four most adverse variables of as many families. On the best path of this processor and on the portable
  one; warm, and with the processor's caches emptied before each call;
- the same beside CatBoost's exported C++ for the score alone, the least a compiled call of this model costs from Python;
- both definitions of SHAP values; the score alone; 100,000 rows on one core, explained and scored alone;
- the same for a model with one-hot categories and for one with monotone constraints.

Peers are set up as `peers.py` and `exported.py` say, ours and theirs take turns on the same rows, and ratios are read round by round.
Their SHAP calls rank no reasons, and CatBoost's "ready Pool" starts from what nobody has beforehand; both is in their favour. The bound
is checked against the call that starts from the same row as ours.
Interventional SHAP by `shap` walks through every row of its reference, so it gets 100 of them; ours had 10,000, and the number costs it
nothing. Left out: making the row from an application (suite `decide`), GPUs, CatBoost models with CTRs (refused by the compiler), the C++
export of the one-hot model (it hashes texts), ONNX with categories (CatBoost exports none).

Checked besides: bytes of one row, of many and of both paths; bits of CatBoost's raw score; SHAP values against CatBoost's and shap's; sums.
`--quick` takes 30 and 100 trees, trained on 5,000 rows, and checks no ratio: such models say nothing about the bounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from catboost import CatBoostClassifier

from benchmarks import peers
from benchmarks.exported import Exported, compile_exports
from benchmarks.form import ROWS_PER_S, Call, Case, machine, make_flush, publish, time_interleaved
from benchmarks.models import NUMBERS, Matrix, Spec, draw_rows, fit_catboost, make_pool
from instant_credit.score.model import (
    CompiledModel,
    compile_model,
    explain_row,
    explain_rows,
    leaf_counts,
    score_rows,
)
from instant_credit.training.fitting.compile import compile_catboost

PORTABLE = "ours, portable path"
SHAPVALUES, SHAPVALUES_READY = "CatBoost ShapValues", "CatBoost ShapValues, ready Pool"
SHAPVALUES_TIMES_MIN = 2_000
BATCH_TIMES_MIN = 100
EXPORTED_TIMES_MAX = {PORTABLE: 2.0, "ours": 1.3}
ADDITIVE_MAX = 1e-8
CATBOOST_GAP_MAX = 1e-9
SHAP_GAP_MAX = 1e-6
FAMILIES = 20
REFERENCE_ROWS = 10_000
SHAP_REFERENCE_ROWS = 100
SINGLE_ROWS = 512


@dataclass(frozen=True)
class Sizes:
    """How much is run: `rounds` of each comparison; the bounds on ratios hold for full sizes only."""

    trees: tuple[int, int]
    training_rows: int
    batch_rows: int
    few_rows: int
    fewest_rows: int
    rounds: int
    fast_rounds: int
    batch_rounds: int
    has_bounds: bool


FULL = Sizes(
    trees=(300, 1000),
    training_rows=100_000,
    batch_rows=100_000,
    few_rows=2_000,
    fewest_rows=200,
    rounds=20,
    fast_rounds=200,
    batch_rounds=3,
    has_bounds=True,
)
QUICK = Sizes(
    trees=(30, 100),
    training_rows=5_000,
    batch_rows=5_000,
    few_rows=200,
    fewest_rows=50,
    rounds=3,
    fast_rounds=10,
    batch_rounds=2,
    has_bounds=False,
)


@dataclass(frozen=True)
class Subject:
    """One model in all its forms, and the rows that it is asked about."""

    spec: Spec
    sizes: Sizes
    catboost: CatBoostClassifier
    ours: CompiledModel
    portable: CompiledModel
    path_dependent: CompiledModel
    exports: dict[str, Exported]
    rows: Matrix
    batch: Matrix

    def name(self, title: str) -> str:
        """A case's name: what is measured, then on which model."""
        kind = ", one-hot" if self.spec.has_categories else ", monotone" if self.spec.is_directed else ""
        return f"{title}, {self.spec.trees:,} trees{kind}"


def run(*, out: Path | None, quick: bool, seed: int) -> list[str]:
    """Run the suite; see the module's docstring. Returns the checks that failed."""
    return publish("scoring", time_suite(QUICK if quick else FULL, seed), seed, out)


def time_suite(sizes: Sizes, seed: int) -> list[Case]:
    """All cases of the suite."""
    if not has_wide_shuffles():
        click.secho("LEFT OUT: the SIMD path and its bound; this processor has no AVX-512 VBMI", fg="red", bold=True)
    cases = []
    for trees in sizes.trees:
        subject = make_subject(Spec(trees=trees, rows=sizes.training_rows, seed=seed), sizes)
        cases += [time_row(subject), time_exported(subject), time_flushed(subject), time_definitions(subject)]
        cases += [time_score(subject), time_batch(subject), time_batch_score(subject)]
    few, many = sizes.trees
    for spec in (
        Spec(trees=many, rows=sizes.training_rows, seed=seed, has_categories=True),
        Spec(trees=few, rows=sizes.training_rows, seed=seed, is_directed=True),
    ):
        subject = make_subject(spec, sizes)
        cases += [time_row(subject), time_batch(subject)]
    for told in peers.left_out(subject.exports):
        click.secho(f"LEFT OUT: {told}", fg="red", bold=True)
    return cases


def make_subject(spec: Spec, sizes: Sizes) -> Subject:
    """Train or read the model, compile it in every form, draw its rows."""
    click.echo(f"{spec} ...", err=True)
    model = fit_catboost(spec)
    columns = len(spec.category_counts)
    tables = compile_catboost(model, [str(i) for i in range(columns)], spec.category_counts)
    families = [f"family {i % FAMILIES}" for i in range(columns)]
    path_dependent = compile_model(tables, families=families)
    counts = leaf_counts(path_dependent, draw_rows(spec, REFERENCE_ROWS, part=1))
    return Subject(
        spec=spec,
        sizes=sizes,
        catboost=model,
        ours=compile_model(tables, counts, families=families),
        portable=compile_model(tables, counts, families=families, simd=False),
        path_dependent=path_dependent,
        exports={} if spec.has_categories else compile_exports(spec),
        rows=draw_rows(spec, SINGLE_ROWS, part=2),
        batch=draw_rows(spec, sizes.batch_rows, part=3),
    )


def has_wide_shuffles() -> bool:
    """Whether the processor has AVX-512 VBMI."""
    flags = machine()["cpu_flags"]
    assert isinstance(flags, list)
    return "avx512vbmi" in {flag.replace("_", "") for flag in flags}


def time_row(subject: Subject) -> Case:
    """One row, beside every other explanation of a row."""
    calls = {
        "ours": explain_call(subject.ours, subject.rows),
        PORTABLE: explain_call(subject.portable, subject.rows),
        **peers.row_explainers(subject.spec, subject.catboost, subject.rows),
    }
    counts = dict.fromkeys(calls, 5) | {"ours": SINGLE_ROWS, PORTABLE: SINGLE_ROWS}
    counts |= {name: 1 if "UsePreCalc" in name else 10 for name in calls if name.startswith("CatBoost")}
    case = _case(subject, "one row: score, SHAP, top 4", calls, subject.sizes.rounds, counts)
    times = case.times_ours(SHAPVALUES)
    case.checks["times_catboost_shapvalues"] = times
    case.checks["times_catboost_shapvalues_of_a_ready_pool"] = case.times_ours(SHAPVALUES_READY)
    if subject.sizes.has_bounds and not subject.spec.has_categories and not subject.spec.is_directed:
        case.checks[f"at_least_{SHAPVALUES_TIMES_MIN}_times_catboost_shapvalues"] = times >= SHAPVALUES_TIMES_MIN
    return case


def time_exported(subject: Subject) -> Case:
    """One row, explained by us and scored alone by CatBoost's exported C++."""
    calls = {
        "ours": explain_call(subject.ours, subject.rows),
        PORTABLE: explain_call(subject.portable, subject.rows),
        **_exported_calls(subject),
    }
    case = _case(subject, "one row beside exported C++", calls, subject.sizes.fast_rounds, 256)
    if not subject.exports:
        return case
    fastest = min(_exported_calls(subject), key=lambda name: float(np.median(case.peers[name])))
    for who, most in EXPORTED_TIMES_MAX.items():
        path = "portable" if who == PORTABLE else "simd"
        if who == PORTABLE or has_wide_shuffles():
            times = case.ratio(who, fastest)
            case.checks[f"times_exported_cpp_{path}"] = times
            if subject.sizes.has_bounds:
                case.checks[f"at_most_{str(most).replace('.', '_')}_times_exported_cpp_{path}"] = times <= most
    return case


def time_flushed(subject: Subject) -> Case:
    """One row after the processor's caches were emptied."""
    ready = peers.row_explainers(subject.spec, subject.catboost, subject.rows)
    calls = {
        "ours": explain_call(subject.ours, subject.rows),
        PORTABLE: explain_call(subject.portable, subject.rows),
        **_exported_calls(subject),
        SHAPVALUES: ready[SHAPVALUES],
    }
    counts = dict.fromkeys(calls, 10) | {SHAPVALUES: 3}
    return _case(subject, "one row, caches flushed", calls, subject.sizes.rounds, counts, is_flushed=True)


def time_definitions(subject: Subject) -> Case:
    """One row by either definition of SHAP values; interventional ones against shap's."""
    reference = draw_rows(subject.spec, SHAP_REFERENCE_ROWS, part=4)
    explainer = peers.explain_against(subject.spec, reference)
    rows = subject.rows
    calls: dict[str, Call] = {
        "ours": explain_call(subject.ours, rows),
        "ours, path-dependent": explain_call(subject.path_dependent, rows),
        f"shap.TreeExplainer, interventional, {SHAP_REFERENCE_ROWS} rows of reference": lambda i: explainer.shap_values(
            rows[i % SINGLE_ROWS : i % SINGLE_ROWS + 1]
        ),
    }
    counts = dict.fromkeys(calls, SINGLE_ROWS) | {list(calls)[2]: 2}
    case = _case(subject, "one row: definitions of SHAP", calls, subject.sizes.rounds, counts)
    tables = subject.ours.tables
    against_same = compile_model(tables, leaf_counts(subject.ours, reference))
    _, found = explain_rows(against_same, np.ascontiguousarray(rows[:20]))
    gap = float(np.abs(found - np.asarray(explainer.shap_values(rows[:20]))).max())
    case.checks["interventional_gap_to_shap"] = gap
    case.checks["interventional_equal_to_shap_to_1e-6"] = gap <= SHAP_GAP_MAX
    return case


def time_score(subject: Subject) -> Case:
    """One row scored and not explained."""
    calls = {
        "ours": score_call(subject.ours, subject.rows),
        PORTABLE: score_call(subject.portable, subject.rows),
        **_exported_calls(subject),
        **peers.row_scorers(subject.spec, subject.catboost, subject.rows),
    }
    return _case(subject, "one row: score alone", calls, subject.sizes.rounds, 100)


def time_batch(subject: Subject) -> Case:
    """Many rows on one core, explained; whether all ways to ask give the same bytes."""
    sizes, batch = subject.sizes, subject.batch
    calls: dict[str, Call] = {
        "ours": lambda _: explain_rows(subject.ours, batch),
        PORTABLE: lambda _: explain_rows(subject.portable, batch),
    }
    rows = dict.fromkeys(calls, len(batch))
    is_plain = not (subject.spec.has_categories or subject.spec.is_directed)
    counts = dict.fromkeys(calls, 5)
    if is_plain:
        found = peers.batch_explainers(
            subject.spec, subject.catboost, batch, few=sizes.few_rows, fewest=sizes.fewest_rows
        )
        for name, count, call in found:
            calls[name], rows[name], counts[name] = call, count, 1
    case = _case(subject, "batch: score and SHAP", calls, sizes.batch_rounds, counts, rows=rows)
    if is_plain:
        times = case.times_ours(SHAPVALUES)
        case.checks["times_catboost_batch"] = times
        if sizes.has_bounds:
            case.checks[f"batch_at_least_{BATCH_TIMES_MIN}_times_catboost_batch"] = times >= BATCH_TIMES_MIN
    case.checks.update(check_figures(subject))
    return case


def time_batch_score(subject: Subject) -> Case:
    """Many rows on one core, scored and not explained."""
    batch = subject.batch
    calls: dict[str, Call] = {
        "ours": lambda _: score_rows(subject.ours, batch),
        PORTABLE: lambda _: score_rows(subject.portable, batch),
    }
    rows = dict.fromkeys(calls, len(batch))
    for name, count, call in peers.batch_scorers(subject.spec, subject.catboost, batch, subject.exports):
        calls[name], rows[name] = call, count
    return _case(subject, "batch: score alone", calls, subject.sizes.batch_rounds, 2, rows=rows)


def check_figures(subject: Subject) -> dict[str, bool | float]:
    """Whether one row and many, both paths, CatBoost and the sums agree."""
    batch, rows = subject.batch, np.ascontiguousarray(subject.batch[:2_000])
    raw_scores, contributions = explain_rows(subject.ours, batch)
    portable = explain_rows(subject.portable, batch)
    expected = subject.catboost.predict(make_pool(subject.spec, batch), prediction_type=peers.RAW, thread_count=1)
    error = float(np.abs(subject.ours.expected_log_odds + contributions.sum(axis=1) - raw_scores).max())
    found: dict[str, bool | float] = {
        "bytes_equal_one_row_and_batch": _is_same_one_by_one(subject.ours, rows, raw_scores, contributions)
        and _is_same_one_by_one(subject.portable, rows, raw_scores, contributions),
        "bytes_equal_on_both_paths": raw_scores.tobytes() == portable[0].tobytes()
        and contributions.tobytes() == portable[1].tobytes(),
        "raw_bit_equal_to_catboost": raw_scores.tobytes() == np.asarray(expected, np.float64).tobytes(),
        "additive_error": error,
        "additive_to_1e-8": error <= ADDITIVE_MAX,
    }
    if not subject.spec.is_directed:
        # A monotone model has leaves that no training row fell into; CatBoost's values then depend on the pool that it is shown.
        _, ours = explain_rows(subject.path_dependent, rows)
        theirs = subject.catboost.get_feature_importance(
            make_pool(subject.spec, rows), type="ShapValues", thread_count=1
        )
        gap = float(np.abs(ours - np.asarray(theirs)[:, :-1]).max())
        found["path_dependent_gap_to_catboost"] = gap
        found["path_dependent_equal_to_catboost_to_1e-9"] = gap <= CATBOOST_GAP_MAX
    return found


def explain_call(model: CompiledModel, rows: Matrix) -> Call:
    """Call `i` explains row i, counted round and round."""
    ready, count = list(rows), len(rows)
    return lambda i: explain_row(model, ready[i % count])


def score_call(model: CompiledModel, rows: Matrix) -> Call:
    """Call `i` scores row i, counted round and round."""
    ready, count = [rows[i : i + 1] for i in range(len(rows))], len(rows)
    return lambda i: score_rows(model, ready[i % count])


def _exported_calls(subject: Subject) -> dict[str, Call]:
    rows = np.ascontiguousarray(subject.rows[:, :NUMBERS])
    return {
        f"CatBoost's exported C++, {flags}, score alone": exported.row_call(rows)
        for flags, exported in subject.exports.items()
    }


def _is_same_one_by_one(model: CompiledModel, rows: Matrix, raw_scores: Any, contributions: Any) -> bool:
    """Whether `explain_row` gives the bytes of the first of many rows."""
    for i, row in enumerate(rows):
        found = explain_row(model, row)
        if np.float64(found.raw).tobytes() != raw_scores[i].tobytes():
            return False
        if found.contributions.tobytes() != contributions[i].tobytes():
            return False
    return True


def _case(
    subject: Subject,
    title: str,
    calls: dict[str, Call],
    rounds: int,
    counts: int | dict[str, int],
    *,
    rows: dict[str, int] | None = None,
    is_flushed: bool = False,
) -> Case:
    """Time the calls and lay the samples down as a case; `rows` make it a rate."""
    samples = time_interleaved(calls, rounds, counts, before=make_flush() if is_flushed else None)
    ours: Sequence[int] = samples.pop("ours")
    return Case(
        subject.name(title),
        list(ours),
        samples,
        unit="us" if rows is None else ROWS_PER_S,
        rounds=rounds,
        rows=rows or {},
    )
