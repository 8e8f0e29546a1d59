"""Plans and layers for tests: one of each, and copies with something changed."""

from functools import cache
from typing import Any

import msgspec

from instant_credit.application.document import load_product
from instant_credit.application.product import Product
from instant_credit.canonical import hash_content
from instant_credit.experiment.assignment import Running
from instant_credit.experiment.layers import Layers
from instant_credit.experiment.plan import Plan, encode_plan
from instant_credit.record.shipped import read_starter
from instant_credit.units import PPM

RELEASE = "ab" * 32
LAYERS: dict[str, Any] = {
    "product": "personal_loan",
    "salt": "tests.personal_loan",
    "layers": [
        {"name": "risk", "parts": ["model", "policy"]},
        {"name": "prices", "parts": ["prices"]},
        {"name": "texts", "parts": ["texts"]},
    ],
}
PLAN: dict[str, Any] = {
    "name": "new_model",
    "product": "personal_loan",
    "title": "A new model",
    "hypothesis": "The new model declines more of those who would not have paid back.",
    "layer": "risk",
    "arms": [
        {"name": "control", "share_ppm": 500_000},
        {"name": "challenger", "share_ppm": 500_000, "overlay": {"model": RELEASE}},
    ],
    "primary": "bad",
    "metrics": [
        {"name": "bad", "kind": "default", "direction": "lower", "window_days": 365, "lag_days": 30},
        {"name": "late", "kind": "early_delinquency", "direction": "lower", "window_days": 90},
    ],
    "effect_min": 0.01,
    "units_max": 20_000,
    "stopping": {"kind": "group_sequential", "looks_units": [5_000, 10_000, 20_000]},
    "guardrails": [
        {"kind": "loss_budget", "bound": 50_000_000, "lost_ppm": 700_000},
        {"kind": "early_delinquency", "bound": 20_000},
        {"kind": "impact_ratio", "bound": 800_000, "attribute": "sex", "reference": "male"},
    ],
    "segments": [{"attribute": "home_ownership"}],
    "early": "late",
    "entry_days_max": 200,
    "expect": {"applications_per_day": 150, "mean": 0.08},
}


@cache
def product() -> Product:
    return load_product(read_starter("products", "personal_loan"))


def plan(**changes: Any) -> Plan:
    """The plan of these tests with top-level fields replaced; a field given as None is left out."""
    merged = {name: value for name, value in (PLAN | changes).items() if value is not None}
    return msgspec.convert(merged, Plan)


def layers(**changes: Any) -> Layers:
    """The layers of these tests with top-level fields replaced."""
    return msgspec.convert(LAYERS | changes, Layers)


def layers_with(layer: str, **changes: Any) -> Layers:
    """The layers of these tests with fields of one layer replaced."""
    return layers(layers=[one | changes if one["name"] == layer else one for one in LAYERS["layers"]])


def split(*shares: int) -> list[dict[str, Any]]:
    """Arms of these shares in ppm, the first of them the control."""
    return [
        {"name": f"arm_{at}", "share_ppm": share, "overlay": {"model": f"{at:064x}"} if at else {}}
        for at, share in enumerate(shares)
    ]


def running(
    one: Plan | None = None, *, start: int = 0, end: int = PPM, coverage: int = PPM, closed: tuple[str, ...] = ()
) -> Running:
    """An experiment that takes units in [start, end) of its layer."""
    one = plan() if one is None else one
    return Running(
        experiment=hash_content(encode_plan(one)),
        plan=one,
        from_ppm=start,
        to_ppm=end,
        coverage_ppm=coverage,
        closed=closed,
    )
