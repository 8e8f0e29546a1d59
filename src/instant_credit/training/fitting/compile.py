"""CatBoost's model to tree tables: reads its JSON export, refuses what tables cannot hold.

Supported: symmetric trees up to depth 8 over numbers and one-hot categories, one output, logistic loss. Category variables are shown
to CatBoost as the decimal text of their code ("-1" = missing, "0", "1", ...); CatBoost keeps the low 32 bits of the text's
CityHash, which is turned back into the code here, so that the compiled matrix holds codes.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from catboost import CatBoostError

from instant_credit.errors import Refused
from instant_credit.score.trees import CODE_MAX, DEPTH_MAX, TreeTables, offsets_from_lengths

_K2 = 0x9AE16A3B2F90404F
_K3 = 0xC949D7C7509E6557
_MASK = (1 << 64) - 1

_LOSSES = {"Logloss", "CrossEntropy"}
_FOREIGN = {"ctrs": "target statistics", "text_features": "text features", "embedding_features": "embedding features"}

Export = Mapping[str, Any]


class Savable(Protocol):
    """What this module needs of a CatBoost model."""

    def save_model(self, fname: str, format: str) -> None: ...  # noqa: A002, D102 CatBoost's own signature


def export_model(model: Savable) -> Export:
    """CatBoost's own JSON export of a fitted model; `Refused` where CatBoost cannot make one (text features, no fit)."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.json"
        try:
            model.save_model(str(path), format="json")
        except CatBoostError as error:
            raise Refused(f"model: CatBoost cannot export it to JSON: {error}") from error
        export: Export = json.loads(path.read_bytes())
    return export


def compile_catboost(
    model: Savable | Export,
    variables: Sequence[str],
    category_counts: Sequence[int],
    code_ranks: Sequence[Sequence[int]] = (),
) -> TreeTables:
    """Tree tables of a fitted CatBoost model.

    Parameters
    ----------
    model : a fitted CatBoost model, or its JSON export.
    variables : names of the matrix columns in the order in which CatBoost saw them.
    category_counts : per variable the number of categories, 0 for a number.
    code_ranks : per variable the ranks of its codes, the missing one first, where CatBoost saw ranks as numbers; empty elsewhere. () =
        nowhere.

    Returns
    -------
    TreeTables that score bit-equal to the model's ``RawFormulaVal``.

    Raises
    ------
    Refused : the model has what tables cannot hold, or other columns than `variables`; the message says what to change.
    """
    if len(category_counts) != len(variables):
        raise Refused("variables and category_counts must have one entry per column")
    export = model if isinstance(model, Mapping) else export_model(model)
    _check_kind(export)
    scale, biases = export["scale_and_bias"]
    is_ordered = [bool(ranks) for ranks in code_ranks] or [False] * len(variables)
    asked_counts = [0 if ordered else count for ordered, count in zip(is_ordered, category_counts, strict=True)]
    features = _Features(export["features_info"], variables, asked_counts, is_ordered)
    split_features: list[int] = []
    split_borders: list[int] = []
    depths: list[int] = []
    leaf_values: list[float] = []
    leaf_weights: list[float] = []
    for number, tree in enumerate(export["oblivious_trees"]):
        splits = _read_splits(number, tree)
        for split in splits:
            feature, border = features.find_split(split)
            split_features.append(feature)
            split_borders.append(border)
        depths.append(len(splits))
        leaf_values.extend(tree["leaf_values"])
        leaf_weights.extend(tree["leaf_weights"])
    return TreeTables(
        is_category=np.array([count > 0 for count in asked_counts], dtype=np.bool_),
        nan_is_above=np.array(features.nan_is_above, dtype=np.bool_),
        border_offsets=offsets_from_lengths([len(b) for b in features.borders]).astype(np.int32),
        borders=np.array([b for borders in features.borders for b in borders], dtype=np.float32),
        depths=np.array(depths, dtype=np.int32),
        split_features=np.array(split_features, dtype=np.int32),
        split_borders=np.array(split_borders, dtype=np.int32),
        leaf_values=np.array(leaf_values, dtype=np.float64),
        leaf_weights=np.array(leaf_weights, dtype=np.float64),
        scale=float(scale),
        bias=float(biases[0]) if biases else 0.0,
        code_ranks=tuple(tuple(ranks) for ranks in code_ranks) if any(is_ordered) else (),
    )


def _read_splits(number: int, tree: Export) -> Sequence[Export]:
    """The splits of one tree, whose shape can be compiled."""
    splits: Sequence[Export] = tree.get("splits") or ()
    if len(splits) > DEPTH_MAX:
        raise Refused(f"model: tree {number} is {len(splits)} deep; train with depth up to {DEPTH_MAX}")
    if len(tree["leaf_values"]) != 1 << len(splits):
        raise Refused(f"model: tree {number} has more than one value a leaf; train a binary classifier")
    if len(tree.get("leaf_weights", ())) != 1 << len(splits):
        raise Refused(f"model: tree {number} has no leaf weights; attributions need them")
    return splits


def hash_category(text: str) -> int:
    """CatBoost's hash of a category of 1 to 3 ASCII characters, as the signed 32-bit number its JSON holds.

    Source: CityHash 1.0.2 `CityHash64`, branch for 1 to 3 bytes; CatBoost keeps the low 32 bits.
    """
    raw = text.encode("ascii")
    if not 1 <= len(raw) <= 3:
        raise Refused("a category's code must have 1 to 3 characters")
    y = raw[0] + (raw[len(raw) >> 1] << 8)
    z = len(raw) + (raw[-1] << 2)
    v = (y * _K2 & _MASK) ^ (z * _K3 & _MASK)
    v ^= v >> 47
    low = v * _K2 & 0xFFFFFFFF
    return low - (1 << 32) if low >= 1 << 31 else low


def _check_kind(export: Export) -> None:
    """Refuse kinds of models by name before anything is read from them."""
    if "trees" in export:
        raise Refused("model: trees are not symmetric; train with grow_policy SymmetricTree")
    info = export.get("features_info", {})
    for part, words in _FOREIGN.items():
        if info.get(part) or export.get(part):
            raise Refused(f"model: has {words}; train with numbers and one-hot categories (one_hot_max_size=255)")
    loss = export.get("model_info", {}).get("params", {}).get("loss_function", {}).get("type")
    if loss is not None and loss not in _LOSSES:
        raise Refused(f"model: loss {loss} does not give log-odds; train with Logloss")
    for part in ("features_info", "oblivious_trees", "scale_and_bias"):
        if part not in export:
            raise Refused(f"model: {part} is missing; this is no JSON export of a CatBoost model")
    if len(export["scale_and_bias"][1]) > 1:
        raise Refused("model: more than one output; train a binary classifier")
    if not export["oblivious_trees"]:
        raise Refused("model: no trees; train at least one iteration")


class _Features:
    """Columns of the matrix as the export describes them, and where each split's border stands."""

    def __init__(
        self, info: Export, variables: Sequence[str], category_counts: Sequence[int], is_ordered: Sequence[bool]
    ) -> None:
        m = len(variables)
        self.borders: list[list[float]] = [[] for _ in range(m)]
        self.nan_is_above = [False] * m
        self._flat_of_float: dict[int, int] = {}
        self._flat_of_category: dict[int, int] = {}
        self._code_of_hash: dict[int, dict[int, int]] = {}
        self._variables = variables
        self._is_ordered = is_ordered
        for feature in info.get("float_features") or ():
            flat = self._place(feature, is_category=False, category_count=category_counts)
            self._flat_of_float[feature["feature_index"]] = flat
            self.borders[flat] = [self._read_border(flat, border) for border in feature["borders"] or ()]
            self.nan_is_above[flat] = feature["nan_value_treatment"] == "AsTrue"
        for feature in info.get("categorical_features") or ():
            flat = self._place(feature, is_category=True, category_count=category_counts)
            self._flat_of_category[feature["feature_index"]] = flat
            count = category_counts[flat]
            if count > CODE_MAX + 1:
                raise Refused(f"model: variable {variables[flat]} has more than {CODE_MAX + 1} categories")
            codes = {hash_category(str(code)): code for code in range(-1, count)}
            known = [codes[h] for h in feature.get("values") or () if h in codes]
            self._code_of_hash[flat] = codes
            self.borders[flat] = [float(code) for code in sorted(known)]

    def find_split(self, split: Mapping[str, Any]) -> tuple[int, int]:
        """(column, position in its borders) of one split of the export."""
        kind = split["split_type"]
        if kind == "FloatFeature":
            flat = self._flat_of_float[split["float_feature_index"]]
            wanted = self._read_border(flat, split["border"])
        elif kind == "OneHotFeature":
            flat = self._flat_of_category[split["cat_feature_index"]]
            if split["value"] not in self._code_of_hash[flat]:
                raise Refused(
                    f"model: variable {self._variables[flat]} splits on a category that is no code; "
                    'show categories to CatBoost as the text of their code ("-1", "0", "1", ...)'
                )
            wanted = float(self._code_of_hash[flat][split["value"]])
        else:
            raise Refused(
                f"model: split type {kind} is not supported; train with numbers and one-hot categories "
                "(one_hot_max_size=255)"
            )
        if wanted not in self.borders[flat]:
            raise Refused(f"model: variable {self._variables[flat]} splits on a border that the export does not list")
        return flat, self.borders[flat].index(wanted)

    def _read_border(self, flat: int, border: float) -> float:
        """As float32; between ranks, which are whole, halfway, which no rank answers otherwise."""
        return float(np.floor(np.float32(border))) + 0.5 if self._is_ordered[flat] else float(np.float32(border))

    def _place(self, feature: Mapping[str, Any], *, is_category: bool, category_count: Sequence[int]) -> int:
        flat = int(feature["flat_feature_index"])
        name = feature.get("feature_id") or str(flat)
        if flat >= len(self._variables):
            raise Refused(f"model: column {name} lies beyond the {len(self._variables)} variables")
        if name not in (self._variables[flat], str(flat)):
            raise Refused(f"model: column {flat} is {name}, expected {self._variables[flat]}")
        if (category_count[flat] > 0) != is_category:
            told, is_said = ("a category", "a number") if is_category else ("a number", "a category")
            raise Refused(f"model: variable {name} is {told} for CatBoost and {is_said} in the catalogue")
        return flat
