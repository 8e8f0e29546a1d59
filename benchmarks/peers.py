"""What others offer for the same work, each configured as a good engineer would who wants it to win; one thread everywhere.

CatBoost reads rows by its shortest ways: a list, a numpy row, or a Pool made beforehand, which nobody has who gets an applicant
from outside. For SHAP values of one row its own choice (Auto) is NoPreCalc; of many rows UsePreCalc. `shap.TreeExplainer` hands CatBoost
models back to CatBoost. ONNX Runtime runs CatBoost's own export, whose graph makes a dict of probabilities for every row: one row is
asked for them, a batch for its labels alone, which come from the same trees and spare it the dicts. LightGBM answers through its C
interface for single rows, which skips what its Python package adds; XGBoost in place, or from a DMatrix where it takes no other.

A peer whose library is not installed gives no call; `left_out` says so.
"""

import ctypes
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import shap
from catboost import CatBoostClassifier, Pool

from benchmarks.exported import Exported
from benchmarks.form import Call
from benchmarks.models import Matrix, Spec, export_catboost, fit_catboost, fit_lightgbm, fit_xgboost, make_pool

RAW = "RawFormulaVal"
LIBRARIES = {"onnxruntime": "ONNX Runtime", "lightgbm": "LightGBM", "xgboost": "XGBoost"}
_RAW_SCORE, _CONTRIBUTIONS = 1, 3
_FLOAT32 = 0


def left_out(exports: dict[str, Exported]) -> list[str]:
    """Peers that can't be measured here, each with its reason."""
    told = [f"{name}: {library} is not installed" for library, name in LIBRARIES.items() if find_spec(library) is None]
    return told if exports else [*told, "CatBoost's exported C++: there is no g++"]


def row_explainers(spec: Spec, model: CatBoostClassifier, rows: Matrix) -> dict[str, Call]:
    """Calls that explain one of `rows`; none of them ranks reasons."""
    pools = [make_pool(spec, rows[i : i + 1]) for i in range(len(rows))]
    count = len(rows)

    def explain(pool: Pool, mode: str) -> object:
        return model.get_feature_importance(pool, type="ShapValues", thread_count=1, shap_mode=mode)

    found: dict[str, Call] = {
        "CatBoost ShapValues": lambda i: explain(make_pool(spec, rows[i % count : i % count + 1]), "Auto"),
        "CatBoost ShapValues, ready Pool": lambda i: explain(pools[i % count], "Auto"),
        "CatBoost ShapValues, NoPreCalc, ready Pool": lambda i: explain(pools[i % count], "NoPreCalc"),
        "CatBoost ShapValues, UsePreCalc, ready Pool": lambda i: explain(pools[i % count], "UsePreCalc"),
    }
    if spec.has_categories:
        return found
    explainer = shap.TreeExplainer(model)
    found["shap.TreeExplainer"] = lambda i: explainer.shap_values(rows[i % count : i % count + 1])
    if find_spec("lightgbm") is not None:
        found["LightGBM pred_contrib"] = _lightgbm_rows(fit_lightgbm(spec), rows, _CONTRIBUTIONS, rows.shape[1] + 1)
    if find_spec("xgboost") is not None:
        import xgboost

        booster = fit_xgboost(spec)
        found["XGBoost pred_contribs"] = lambda i: booster.predict(
            xgboost.DMatrix(rows[i % count : i % count + 1], nthread=1), pred_contribs=True
        )
    return found


def row_scorers(spec: Spec, model: CatBoostClassifier, rows: Matrix) -> dict[str, Call]:
    """Calls that score one of `rows` (of numbers only) and explain nothing."""
    count = len(rows)
    lists = rows.tolist()
    pools = [make_pool(spec, rows[i : i + 1]) for i in range(count)]

    def predict(row: Any) -> object:
        return model.predict(row, prediction_type=RAW, thread_count=1)

    found: dict[str, Call] = {
        "CatBoost predict, list": lambda i: predict(lists[i % count]),
        "CatBoost predict, numpy": lambda i: predict(rows[i % count]),
        "CatBoost predict, ready Pool": lambda i: predict(pools[i % count]),
    }
    if find_spec("onnxruntime") is not None:
        session = _open_session(spec)
        found["ONNX Runtime"] = lambda i: session.run(["probabilities"], {"features": rows[i % count : i % count + 1]})
    if find_spec("lightgbm") is not None:
        found["LightGBM predict"] = _lightgbm_rows(fit_lightgbm(spec), rows, _RAW_SCORE, 1)
    if find_spec("xgboost") is not None:
        booster = fit_xgboost(spec)
        found["XGBoost inplace_predict"] = lambda i: booster.inplace_predict(
            rows[i % count : i % count + 1], predict_type="margin"
        )
    return found


def explain_against(spec: Spec, reference: Matrix) -> shap.TreeExplainer:
    """What explains rows interventionally against the rows of `reference`, each of which it walks through anew."""
    return shap.TreeExplainer(fit_catboost(spec), reference, feature_perturbation="interventional", model_output="raw")


def batch_explainers(
    spec: Spec, model: CatBoostClassifier, matrix: Matrix, *, few: int, fewest: int
) -> Iterator[tuple[str, int, Call]]:
    """(name, rows a call answers, call): CatBoost explains all of `matrix`; the slower ones its first `few` or `fewest` rows.

    CatBoost prepares its tables once a call, so all its rows share that; the others prepare nothing, and are as fast on few rows.
    """
    pool = make_pool(spec, matrix)
    yield (
        "CatBoost ShapValues",
        len(matrix),
        lambda _: model.get_feature_importance(pool, type="ShapValues", thread_count=1),
    )
    part = np.ascontiguousarray(matrix[:few])
    explainer = shap.TreeExplainer(model)
    yield f"shap.TreeExplainer, {few:,} rows", few, lambda _: explainer.shap_values(part)
    least = np.ascontiguousarray(matrix[:fewest])
    if find_spec("lightgbm") is not None:
        light = fit_lightgbm(spec)
        yield (
            f"LightGBM pred_contrib, {fewest:,} rows",
            fewest,
            lambda _: light.predict(least, pred_contrib=True, num_threads=1),
        )
    if find_spec("xgboost") is not None:
        import xgboost

        booster, data = fit_xgboost(spec), xgboost.DMatrix(least, nthread=1)
        yield f"XGBoost pred_contribs, {fewest:,} rows", fewest, lambda _: booster.predict(data, pred_contribs=True)


def batch_scorers(
    spec: Spec, model: CatBoostClassifier, matrix: Matrix, exports: dict[str, Exported]
) -> Iterator[tuple[str, int, Call]]:
    """(name, rows a call answers, call) of those that score `matrix` (of numbers only); the slow ones a tenth of it."""
    pool, count = make_pool(spec, matrix), len(matrix)
    yield "CatBoost predict, ready Pool", count, lambda _: model.predict(pool, prediction_type=RAW, thread_count=1)
    yield "CatBoost predict, numpy", count, lambda _: model.predict(matrix, prediction_type=RAW, thread_count=1)
    for flags, exported in exports.items():
        yield f"CatBoost's exported C++, {flags}", count, lambda _, one=exported: one.score(matrix)  # type: ignore[misc] # the default binds this turn's
    part = np.ascontiguousarray(matrix[: count // 10])
    few = len(part)
    if find_spec("onnxruntime") is not None:
        session = _open_session(spec)
        yield f"ONNX Runtime, {few:,} rows", few, lambda _: session.run(["label"], {"features": part})
    if find_spec("lightgbm") is not None:
        light = fit_lightgbm(spec)
        yield (
            f"LightGBM predict, {few:,} rows",
            few,
            lambda _: light.predict(part, raw_score=True, num_threads=1),
        )
    if find_spec("xgboost") is not None:
        booster = fit_xgboost(spec)
        yield (
            f"XGBoost inplace_predict, {few:,} rows",
            few,
            lambda _: booster.inplace_predict(part, predict_type="margin"),
        )


def _open_session(spec: Spec) -> Any:
    """CatBoost's ONNX export in ONNX Runtime, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(export_catboost(spec, "onnx")), options, providers=["CPUExecutionProvider"])


def _lightgbm_rows(booster: Any, rows: Matrix, kind: int, width: int) -> Call:
    """LightGBM's prepared call for single rows; it writes `width` numbers."""
    import lightgbm

    library = lightgbm.basic._LIB  # noqa: SLF001 its package wraps no call for single rows
    handle = booster._handle  # noqa: SLF001 the same
    prepared = ctypes.c_void_p()
    refused = library.LGBM_BoosterPredictForMatSingleRowFastInit(
        handle, kind, 0, -1, _FLOAT32, ctypes.c_int32(rows.shape[1]), b"num_threads=1", ctypes.byref(prepared)
    )
    if refused:
        raise RuntimeError("LightGBM refused to prepare a single-row prediction")
    out = np.empty(width)
    length = ctypes.c_int64()
    addresses = [ctypes.c_void_p(row.ctypes.data) for row in rows]
    answer = library.LGBM_BoosterPredictForMatSingleRowFast
    told, where = ctypes.byref(length), ctypes.c_void_p(out.ctypes.data)
    count = len(addresses)

    def call(i: int, _kept: tuple[Any, Matrix, Any] = (booster, rows, out)) -> object:
        return answer(prepared, addresses[i % count], told, where)

    return call
