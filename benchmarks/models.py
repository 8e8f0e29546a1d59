"""Data and models of the suites `scoring` and `cold-start`, drawn and trained from a seed; kept below var/ once made.

Rows: 60 numbers, every third of them missing in 3 rows of 100, and for the one-hot model 6 categories of 3 to 12 values. Some 8
rows of 100 are bad; what makes them bad involves 24 of the columns, products of two and steps. Models: symmetric trees of depth 6 by
CatBoost with its own defaults otherwise; LightGBM (63 leaves at most) and XGBoost (hist) with as many trees of the same depth and
their own defaults otherwise. Models of different libraries differ, so figures across libraries compare like sizes, not like predictions.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from catboost import CatBoostClassifier, FeaturesData, Pool
from numpy.typing import NDArray

from benchmarks.form import versions

NUMBERS = 60
CATEGORIES = (3, 4, 6, 8, 10, 12)
DEPTH = 6
MISSING_SHARE = 0.03
SIGNS = (1, -1, 1, -1, 1)
KEPT = Path(__file__).resolve().parents[1] / "var" / "bench" / "models"

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Spec:
    """What a model is trained on and how; equal specs give equal models. `is_directed`: five monotone constraints."""

    trees: int
    rows: int
    seed: int
    has_categories: bool = False
    is_directed: bool = False

    @property
    def category_counts(self) -> list[int]:
        """Per column the number of categories, 0 for a number."""
        return [0] * NUMBERS + (list(CATEGORIES) if self.has_categories else [])


def draw_rows(spec: Spec, rows: int, *, part: int = 0) -> Matrix:
    """Rows that a model of `spec` scores: numbers with NaN = missing, then codes with -1 = missing. Other parts are other rows."""
    rng = np.random.default_rng([spec.seed, part])
    matrix = rng.standard_normal((rows, NUMBERS), dtype=np.float32)
    for column in range(0, NUMBERS, 3):
        matrix[rng.random(rows) < MISSING_SHARE, column] = np.nan
    codes = np.stack([rng.integers(-1, count, rows) for count in CATEGORIES], axis=1).astype(np.float32)
    return np.ascontiguousarray(np.hstack([matrix, codes])) if spec.has_categories else matrix


def draw_labels(spec: Spec, matrix: Matrix) -> NDArray[np.int64]:
    """Which of the rows turned out bad, int64[n] of 0 and 1."""
    rng = np.random.default_rng([spec.seed, 1_000_000])
    known = np.nan_to_num(matrix[:, :NUMBERS]).astype(np.float64)
    log_odds = -3.7 + known[:, :20] @ (0.35 * rng.standard_normal(20))
    log_odds += 0.4 * known[:, 1] * known[:, 2] + 0.6 * (known[:, 20] > 0.5) * known[:, 21] + np.sin(2 * known[:, 22])
    log_odds += 0.5 * np.abs(known[:, 23])
    if spec.has_categories:
        log_odds += 0.5 * (matrix[:, NUMBERS] == 1) - 0.7 * (matrix[:, NUMBERS + 3] == 5)
    return (rng.random(len(matrix)) < 1 / (1 + np.exp(-log_odds))).astype(np.int64)


def make_pool(spec: Spec, matrix: Matrix, labels: NDArray[np.int64] | None = None) -> Pool:
    """The rows as CatBoost reads them fastest; a category is shown as the text of its code."""
    texts = matrix[:, NUMBERS:].astype(np.int64).astype("S").astype(object) if spec.has_categories else None
    return Pool(FeaturesData(np.ascontiguousarray(matrix[:, :NUMBERS]), texts), labels)


def fit_catboost(spec: Spec) -> CatBoostClassifier:
    """CatBoost's model of `spec`, trained at the first call and read from var/ afterwards."""

    def fit(path: Path) -> None:
        matrix = draw_rows(spec, spec.rows)
        model = CatBoostClassifier(
            iterations=spec.trees,
            depth=DEPTH,
            one_hot_max_size=255,
            monotone_constraints=dict(enumerate(SIGNS)) if spec.is_directed else None,
            random_seed=spec.seed,
            thread_count=2,
            allow_writing_files=False,
            verbose=False,
        )
        model.fit(make_pool(spec, matrix, draw_labels(spec, matrix)))
        model.save_model(str(path))

    model = CatBoostClassifier()
    model.load_model(str(_kept("catboost", spec, "model.cbm", fit)))
    return model


def export_catboost(spec: Spec, form: str) -> Path:
    """CatBoost's own export of the model of `spec`: "onnx" or "cpp"."""
    return _kept("catboost", spec, f"model.{form}", lambda path: fit_catboost(spec).save_model(str(path), format=form))


def fit_lightgbm(spec: Spec) -> Any:
    """LightGBM's booster of as many trees, depth 6."""
    import lightgbm

    def fit(path: Path) -> None:
        matrix = draw_rows(spec, spec.rows)
        parameters = {
            "objective": "binary",
            "max_depth": DEPTH,
            "num_leaves": 63,
            "seed": spec.seed,
            "num_threads": 1,
            "verbosity": -1,
        }
        data = lightgbm.Dataset(matrix, draw_labels(spec, matrix))
        lightgbm.train(parameters, data, num_boost_round=spec.trees).save_model(str(path))

    return lightgbm.Booster(model_file=str(_kept("lightgbm", spec, "model.txt", fit)))


def fit_xgboost(spec: Spec) -> Any:
    """XGBoost's booster of as many trees, depth 6, answering with one thread."""
    import xgboost

    def fit(path: Path) -> None:
        matrix = draw_rows(spec, spec.rows)
        parameters = {
            "objective": "binary:logistic",
            "max_depth": DEPTH,
            "tree_method": "hist",
            "seed": spec.seed,
            "nthread": 1,
        }
        data = xgboost.DMatrix(matrix, draw_labels(spec, matrix), nthread=1)
        xgboost.train(parameters, data, num_boost_round=spec.trees).save_model(path)

    booster = xgboost.Booster({"nthread": 1}, model_file=str(_kept("xgboost", spec, "model.ubj", fit)))
    booster.set_param({"nthread": 1})
    return booster


def _kept(library: str, spec: Spec, name: str, make: Callable[[Path], object]) -> Path:
    """The file `name` of a model, made when it is not there; its folder is named by all that it depends on."""
    told = {
        "library": library,
        "versions": {one: found for one, found in versions().items() if one.startswith(library) or one == "numpy"},
        "source": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
        **asdict(spec),
    }
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
    path = KEPT / digest / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft" + path.suffix)
        make(draft)
        draft.rename(path)
    return path
