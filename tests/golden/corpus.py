"""Golden decisions: Cases of a product, policy and model that never change, and the bytes that each engine decides.

``python -m tests.golden.corpus`` decides them again under the present engine, prints what differs, and writes the new bytes; a commit
that changes them says why, and a changed formula comes with a new engine version. What a former engine decided is never written again.
"""

import difflib
import sys
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import numpy as np

from instant_credit.application.document import encode_product, hash_layout, load_product
from instant_credit.application.door import Door
from instant_credit.application.facts import Facts
from instant_credit.canonical import encode_canonical, hash_content
from instant_credit.decision.case import Case
from instant_credit.decision.decide import decide_many
from instant_credit.decision.release import (
    Manifest,
    Release,
    compose_release,
    decode_manifest,
    encode_manifest,
    encode_reference,
    make_reference,
)
from instant_credit.features.build import build_features
from instant_credit.features.pack import pack_facts
from instant_credit.features.program import compile_features
from instant_credit.policy.checks import load_policy
from instant_credit.policy.document import encode_policy
from instant_credit.score.bundle import ENGINE_VERSION, Bundle, encode_bundle
from instant_credit.score.calibration import Calibration
from instant_credit.score.model import compile_model, leaf_counts, score_rows
from instant_credit.score.proof import prove_bundle
from instant_credit.score.trees import TreeTables
from instant_credit.units import days_from_date

FOLDER = Path(__file__).parent
AS_OF = date(2026, 6, 15)
CASES = 60

# Borders by model variable (the last one holds codes), and how much log-odds one step over a border is worth.
BORDERS = [[2e6, 4e6, 8e6], [0.1, 0.3, 0.6], [0.3, 0.7, 1.0], [0.5, 2.5], [24, 72, 144], [0, 1]]
SIGNS = [-1.0, 1.0, 1.0, 1.0, -1.0, 0.5]
DEPTH = 3
TREES = 24


def decisions_path(engine: int) -> Path:
    return FOLDER / f"decisions_engine_{engine}.jsonl"


def write_tables() -> TreeTables:
    """Trees by hand: each answers three questions about different variables; every yes adds its share."""
    chance = np.random.default_rng(11)
    features, borders, values = [], [], []
    for _ in range(TREES):
        chosen = chance.choice(len(BORDERS), DEPTH, replace=False)
        features.extend(chosen.tolist())
        borders.extend(int(chance.integers(len(BORDERS[f]))) for f in chosen)
        shares = chance.integers(1, 9, DEPTH) / 64 * np.array([SIGNS[f] for f in chosen])
        values.extend(sum(shares[j] for j in range(DEPTH) if leaf >> j & 1) for leaf in range(1 << DEPTH))
    return TreeTables(
        is_category=np.array([False] * 5 + [True]),
        nan_is_above=np.array([False, True, True, False, False, False]),
        border_offsets=np.concatenate([[0], np.cumsum([len(b) for b in BORDERS])]).astype(np.int32),
        borders=np.array([b for group in BORDERS for b in group], dtype=np.float32),
        depths=np.full(TREES, DEPTH, dtype=np.int32),
        split_features=np.array(features, dtype=np.int32),
        split_borders=np.array(borders, dtype=np.int32),
        leaf_values=np.array(values, dtype=np.float64),
        leaf_weights=chance.integers(0, 40, TREES << DEPTH).astype(np.float64),
        scale=1.0,
        bias=-1.5,
    )


def invent_facts(door: Door, chance: Random) -> Facts:
    values: dict[str, Any] = {
        "amount_cents": chance.randrange(20_000, 4_000_000),
        "months": chance.choice([12, 24, 36, 36, 48, 60, 60]),
        "income_cents": chance.choice(
            [0, chance.randrange(500_000, 12_000_000), chance.randrange(2_000_000, 12_000_000)]
        ),
        "pension_cents": chance.choice([None, None, chance.randrange(0, 2_000_000)]),
        "use": chance.choice([None, round(chance.uniform(0, 1.3), 3), round(chance.uniform(0, 1.3), 3)]),
        "late_payments": chance.choice([None, 0, 0, 0, 0, 1, 2, 5, 6]),
        "home": chance.choice([None, "rent", "own", "other"]),
        "first_credit_on": chance.choice(
            [None, AS_OF - timedelta(days=chance.randrange(9_000)), AS_OF - timedelta(days=chance.randrange(9_000))]
        ),
    }
    facts = door.check_facts(values, AS_OF)
    assert isinstance(facts, Facts), facts
    return facts


def build_parts(engine: int) -> tuple[list[tuple[str, bytes]], list[Case]]:
    """The documents of a release of `engine`, by kind, its manifest last; and the Cases."""
    product = load_product((FOLDER / "product.toml").read_text())
    policy = load_policy((FOLDER / "policy.toml").read_text(), product)
    product_raw = encode_product(product)
    chance = Random(3)
    door = Door(product)
    cases = [
        Case(
            product_hash=hash_content(product_raw),
            layout_hash=hash_layout(product),
            as_of=AS_OF,
            facts=invent_facts(door, chance),
        )
        for _ in range(CASES)
    ]
    variables = product.model_variables
    bundle = Bundle(
        schema_version=1 if engine == 1 else 2,
        engine_version=engine,
        product_hash=hash_content(product_raw),
        variables=tuple(v.name for v in variables),
        categories=((),) * 5 + (("rent", "own", "other"),),
        directions=tuple(v.direction for v in variables),
        tables=write_tables(),
        calibration=Calibration(slope=1.25, intercept=-0.7),
    )
    if engine > 1:
        own = (None, Calibration(slope=1.1, intercept=-0.8), Calibration(slope=1.4, intercept=-0.5))
        bundle = prove_bundle(
            msgspec.structs.replace(bundle, segment_variable=variables[5].name, segment_calibrations=own)
        )
    model_raw = encode_bundle(bundle)
    model = compile_model(bundle.tables)
    program = compile_features(product)
    days = np.full(CASES, days_from_date(AS_OF), dtype=np.int32)
    matrix = build_features(program, pack_facts(program, [case.facts for case in cases], days)).model
    safer = matrix[np.argsort(score_rows(model, matrix), kind="stable")[: CASES // 2]]
    reference = make_reference(
        bundle, hash_content(model_raw), "The safer half.", len(safer), leaf_counts(model, safer)
    )
    parts = [
        ("product", product_raw),
        ("model", model_raw),
        ("policy", encode_policy(policy)),
        ("reference", encode_reference(reference)),
    ]
    hashes: dict[str, Any] = {f"{kind}_hash": hash_content(raw) for kind, raw in parts}
    return [*parts, ("release", encode_manifest(Manifest(engine_version=engine, **hashes)))], cases


def build_corpus(engine: int) -> tuple[Release, list[Case]]:
    """A release of `engine` and its Cases."""
    parts, cases = build_parts(engine)
    return compose_release(decode_manifest(parts[-1][1]), {hash_content(raw): raw for _, raw in parts}), cases


def decide_corpus(engine: int) -> list[bytes]:
    """One line a Case: the Case, then the Decision, as canonical bytes."""
    release, cases = build_corpus(engine)
    decisions = decide_many(cases, release)
    return [encode_canonical({"case": c, "decision": d}) for c, d in zip(cases, decisions, strict=True)]


def main() -> None:
    """Decide again, print the difference, write."""
    path = decisions_path(ENGINE_VERSION)
    former = path.read_text().splitlines() if path.exists() else []
    current = [line.decode() for line in decide_corpus(ENGINE_VERSION)]
    sys.stdout.writelines(difflib.unified_diff(former, current, "recorded", "decided now", n=0, lineterm="\n"))
    path.write_text("\n".join(current) + "\n")


if __name__ == "__main__":
    main()
