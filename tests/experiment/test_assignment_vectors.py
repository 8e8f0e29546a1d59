"""Published vectors of the draws, and the same assignment in JavaScript."""

import json
from functools import cache
from hashlib import sha256
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from py_mini_racer import MiniRacer

from instant_credit.experiment.assignment import Draw, Table, assign
from instant_credit.experiment.plan import Unit
from instant_credit.units import PPM
from tests.budget import examples
from tests.experiment.plans import layers_with, plan, running, split

HERE = Path(__file__).parent
UNIT_BYTES_MAX = 64
units = st.binary(min_size=1, max_size=UNIT_BYTES_MAX)
purposes = st.sampled_from(["layer", "coverage", "arm", "exploration"])
scopes = st.from_regex(r"[a-z0-9_]{1,64}", fullmatch=True)
salts = st.from_regex(r"[A-Za-z0-9_.-]{8,64}", fullmatch=True)


@cache
def script() -> MiniRacer:
    """The JavaScript twin, loaded."""
    engine = MiniRacer()
    engine.eval((HERE / "assignment.js").read_text(encoding="utf-8"))
    return engine


def vectors() -> list[dict[str, str | int]]:
    found: list[dict[str, str | int]] = json.loads((HERE / "assignment_vectors.json").read_text(encoding="utf-8"))
    return found


def draw_by_hand(salt: str, purpose: str, scope: str, kind: str, unit: bytes) -> int:
    """The draw as the documentation words it."""
    told = f"instant_credit.assignment.1\n{salt}\n{purpose}\n{scope}\n{kind}\n".encode("ascii") + unit
    return int(sha256(told).hexdigest()[:16], 16) * 1_000_000 // 2**64


def test_the_published_vectors_hold_in_both_languages() -> None:
    found = vectors()
    assert len(found) == 12
    for one in found:
        salt, purpose, scope, kind, unit = (str(one[name]) for name in ("salt", "purpose", "scope", "kind", "unit"))
        assert Draw(salt, purpose, scope, Unit(kind))(bytes.fromhex(unit)) == one["draw"]
        assert draw_by_hand(salt, purpose, scope, kind, bytes.fromhex(unit)) == one["draw"]
        assert script().call("draw", salt, purpose, scope, kind, unit) == one["draw"]


@examples(40)
@given(salts, purposes, scopes, st.sampled_from(Unit), units)
def test_javascript_draws_the_same(salt: str, purpose: str, scope: str, kind: Unit, unit: bytes) -> None:
    ours = Draw(salt, purpose, scope, kind)(unit)
    assert 0 <= ours < PPM
    assert ours == draw_by_hand(salt, purpose, scope, kind.value, unit)
    assert ours == script().call("draw", salt, purpose, scope, kind.value, unit.hex())


@examples(40)
@given(units, st.integers(0, 300_000), st.integers(0, PPM), st.booleans())
def test_javascript_assigns_the_same(unit: bytes, holdout: int, coverage: int, is_open: bool) -> None:
    layers = layers_with("risk", holdout_ppm=holdout)
    claims = [
        running(
            plan(name="first", arms=split(200_000, 300_000, 500_000)), start=300_000, end=600_000, coverage=coverage
        ),
        running(plan(name="second"), start=600_000, end=900_000),
    ]
    theirs = script().eval(
        "JSON.stringify(assign({salt}, {layer}, {claims}, {unit}, () => {is_open}))".format(
            salt=json.dumps(layers.salt),
            layer=json.dumps({"name": "risk", "kind": "person", "holdout_ppm": holdout}),
            claims=json.dumps(
                [
                    {
                        "hash": one.experiment,
                        "from_ppm": one.from_ppm,
                        "to_ppm": one.to_ppm,
                        "coverage_ppm": one.coverage_ppm,
                        "arms": [[arm.name, arm.share_ppm] for arm in one.plan.arms],
                    }
                    for one in claims
                ]
            ),
            unit=json.dumps(unit.hex()),
            is_open=json.dumps(is_open),
        )
    )
    ours = assign(Table(layers, claims), unit, None, lambda experiment: is_open).assignment
    told: dict[str, str | bool] = {"holdout": True} if ours.holdouts else {}
    told |= {"experiment": one.experiment, "arm": one.arm} if (one := next(iter(ours.exposures), None)) else {}
    assert json.loads(str(theirs)) == told
